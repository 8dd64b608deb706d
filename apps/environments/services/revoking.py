"""Around a change of rights: what sockets, sessions and keys could do before, and which of them lost it.

The sockets close themselves: they look again when they are told, and every second and a half in any case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from apps.accounts.models import ApiKey, Session
from apps.core import ports
from apps.core.result import Loss
from apps.environments.access import Actor
from apps.environments.models import KeyScope, OpenSocket, RoleGroup
from apps.environments.selectors.rights import Holder, Rights, rights_of


@dataclass(frozen=True)
class Touched:
    """The environments that a change is about, and the sockets and keys that it may concern."""

    environments: frozenset[int]
    sockets: list[OpenSocket]
    others: list[Holder]

    @property
    def places(self) -> frozenset[int]:
        """The environments where rights are compared."""
        return self.environments | {each.environment for each in self.sockets if each.environment is not None}

    @property
    def holders(self) -> set[Holder]:
        """Everybody whose rights are compared."""
        return {*self.others, *(Holder(each.account or 0, each.key) for each in self.sockets)}


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
        touched = _touched(*given)
        before, sessions = rights_of(touched.holders, touched.places), _sessions(given[1])
        yield
        after, left = rights_of(touched.holders, touched.places), _sessions(given[1])
        ended = sessions.keys() - left.keys()
        lost = [each for each in touched.sockets if _is_ended(each, ended) or _lost_right(each, before, after)]
        closed = sum(sessions.values()) - sum(left.values())
        loss = Loss(len(lost), max(0, closed), sum(bool(before[each] - after[each]) for each in touched.others))
        for place in {*given[0], *(each.environment for each in lost)}:
            tell(place)
        _note(actor, loss, given[0])


def _sessions(accounts: frozenset[int]) -> dict[int, int]:
    """How many log-in sessions each of these accounts has, without those that have none."""
    alive = Session.objects.filter(account__in=accounts, expires__gt=timezone.now())
    return dict(alive.order_by().values_list("account").annotate(count=Count("pk"))) if accounts else {}


def _is_ended(socket: OpenSocket, accounts: Collection[int]) -> bool:
    """Whether a socket stood on a log-in of one of these accounts, which have none any more."""
    return socket.key is None and socket.account in accounts


def _lost_right(socket: OpenSocket, before: Rights, after: Rights) -> bool:
    holder, right = Holder(socket.account or 0, socket.key), (socket.environment, socket.permission)
    return right in before[holder] and right not in after[holder]


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


def _touched(environments: frozenset[int], accounts: frozenset[int], keys: frozenset[int]) -> Touched:
    """The open sockets and usable keys that may lose something; a key that is itself changed is not counted."""
    alive = OpenSocket.objects.filter(seen__gt=timezone.now() - OpenSocket.STALE)
    sockets = alive.filter(Q(environment__in=environments) | Q(account__in=accounts) | Q(key__in=keys))
    inside = Q(scope__environment__in=environments)
    of_members = Q(scope=None, account__groups__rolegroup__environment__in=environments)
    active = ApiKey.objects.filter(desired="active").exclude(expires__lte=timezone.now()).exclude(pk__in=keys)
    rows = active.filter(inside | of_members | Q(account__in=accounts))
    others = [Holder(account, key) for key, account in rows.values_list("pk", "account").distinct()]
    return Touched(environments | _places_of(accounts), list(sockets), others)


def _places_of(accounts: frozenset[int]) -> set[int]:
    """The environments where these accounts have a role or a key."""
    if not accounts:
        return set()
    keys = KeyScope.objects.filter(key__account__in=accounts).values_list("environment", flat=True)
    return {*keys, *RoleGroup.objects.filter(group__user__in=accounts).values_list("environment", flat=True)}


def tell(environment: int | None) -> None:
    """Have the sockets of an environment (None: the installation's) check their holders' rights after commit."""
    for close in ports.ports.rights_changed:
        close({"environment": environment})
