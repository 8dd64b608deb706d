"""Around a change of rights: what sockets, sessions and keys could do before, and which of them lost it.

The sockets close themselves: they look again when they are told, and every second and a half in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import transaction

from apps.core import ports
from apps.core.result import Loss
from apps.environments.access import Actor
from apps.environments.selectors.rights import rights_of
from apps.environments.services.touching import addresses_of, is_ended, is_outside, lost_right, sessions_of, touched_by


@contextmanager
def revoking(
    actor: Actor | None, *, environments: Iterable[int] = (), accounts: Iterable[int] = (), keys: Iterable[int] = ()
) -> Iterator[None]:
    """Do a change inside; what it took is told to the sockets, noted on the actor, and written down when it is any."""
    given = frozenset(environments), frozenset(accounts), frozenset(keys)
    if not any(given):
        yield
        return
    with transaction.atomic():
        touched = touched_by(*given)
        before, sessions = rights_of(touched.holders, touched.places), sessions_of(given[1])
        yield
        after, left = rights_of(touched.holders, touched.places), sessions_of(given[1])
        ended = sessions.keys() - left.keys()
        places = addresses_of(given[2])
        gone = [each for each in touched.sockets if is_ended(each, ended) or is_outside(each, places)]
        lost = [each for each in touched.sockets if each in gone or lost_right(each, before, after)]
        closed = sum(sessions.values()) - sum(left.values())
        loss = Loss(len(lost), max(0, closed), sum(bool(before[each] - after[each]) for each in touched.others))
        for place in {*given[0], *(each.environment for each in lost)}:
            tell(place)
        _note(actor, loss, given[0])


def _note(actor: Actor | None, loss: Loss, environments: frozenset[int]) -> None:
    if actor is not None:
        actor.forget()
    if not loss:
        return
    if actor is not None:
        actor.losses.append(loss)
    said = {"sockets": loss.sockets, "sessions": loss.sessions, "keys": loss.keys}
    place = next(iter(environments)) if len(environments) == 1 else None
    ports.record("rights.lost", actor=actor, environment_id=place, request=said)


def tell(environment: int | None) -> None:
    """Have the sockets of an environment (None: the installation's) check their holders' rights after commit."""
    for close in ports.ports.rights_changed:
        close({"environment": environment})
