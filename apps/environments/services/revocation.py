"""Around a change of permissions: closes the sockets that lost theirs and counts what was revoked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from apps.accounts.models import ApiKey, Session
from apps.core import hooks
from apps.core.addresses import is_within
from apps.core.result import RevokedCounts
from apps.environments.actor import Actor
from apps.environments.grants import Principal
from apps.environments.models import KeyScope, OpenSocket, RoleGroup
from apps.environments.selectors.permissions import Rights, rights_of


@dataclass(frozen=True)
class Affected:
    """The environments that a change is about, and the sockets and keys that it may affect."""

    environments: frozenset[int]
    sockets: list[OpenSocket]
    key_principals: list[Principal]

    @property
    def places(self) -> frozenset[int]:
        """The environments where permissions are compared."""
        return self.environments | {each.environment for each in self.sockets if each.environment is not None}

    @property
    def principals(self) -> set[Principal]:
        """The accounts and keys whose permissions are compared."""
        return {*self.key_principals, *(Principal(each.account or 0, each.key) for each in self.sockets)}


def affected_by(environments: frozenset[int], accounts: frozenset[int], keys: frozenset[int]) -> Affected:
    """The open sockets and usable keys that may lose a permission; a key that is itself changed is not counted."""
    alive = OpenSocket.objects.filter(seen__gt=timezone.now() - OpenSocket.STALE)
    sockets = alive.filter(Q(environment__in=environments) | Q(account__in=accounts) | Q(key__in=keys))
    inside = Q(scope__environment__in=environments)
    of_members = Q(scope=None, account__groups__rolegroup__environment__in=environments)
    active = ApiKey.objects.filter(desired="active").exclude(expires__lte=timezone.now()).exclude(pk__in=keys)
    rows = active.filter(inside | of_members | Q(account__in=accounts))
    key_principals = [Principal(account, key) for key, account in rows.values_list("pk", "account").distinct()]
    return Affected(environments | _environments_of(accounts), list(sockets), key_principals)


def _environments_of(accounts: frozenset[int]) -> set[int]:
    """The environments where these accounts have a role or a key."""
    if not accounts:
        return set()
    keys = KeyScope.objects.filter(key__account__in=accounts).values_list("environment", flat=True)
    return {*keys, *RoleGroup.objects.filter(group__user__in=accounts).values_list("environment", flat=True)}


def session_counts_of(accounts: frozenset[int]) -> dict[int, int]:
    """How many log-in sessions each of these accounts has, without those that have none."""
    alive = Session.objects.filter(account__in=accounts, expires__gt=timezone.now())
    return dict(alive.order_by().values_list("account").annotate(count=Count("pk"))) if accounts else {}


def allowed_addresses_of(keys: frozenset[int]) -> dict[int, list[str]]:
    """The networks that each of these keys is limited to; unlimited keys are left out."""
    rows = ApiKey.objects.filter(pk__in=keys).values_list("pk", "addresses") if keys else ()
    return {key: list(places) for key, places in rows if places}


def is_from_disallowed_address(socket: OpenSocket, allowed: Mapping[int, Collection[str]]) -> bool:
    """Whether a socket was opened from where its key may not be used (any more)."""
    places = allowed.get(socket.key or 0)
    return places is not None and not is_within(socket.address, places)


def has_lost_session(socket: OpenSocket, accounts: Collection[int]) -> bool:
    """Whether a socket was opened with a log-in session of one of these accounts, which have none any more."""
    return socket.key is None and socket.account in accounts


def has_lost_right(socket: OpenSocket, before: Rights, after: Rights) -> bool:
    """Whether the socket's account or key had the permission it was opened with, and lost it."""
    principal, right = Principal(socket.account or 0, socket.key), (socket.environment, socket.permission)
    return right in before[principal] and right not in after[principal]


@contextmanager
def revoking(
    actor: Actor | None, *, environments: Iterable[int] = (), accounts: Iterable[int] = (), keys: Iterable[int] = ()
) -> Iterator[None]:
    """Enter this around a change: it closes the sockets that lost their permission, and records what was revoked."""
    given = frozenset(environments), frozenset(accounts), frozenset(keys)
    if not any(given):
        yield
        return
    with transaction.atomic():
        affected = affected_by(*given)
        before, sessions = rights_of(affected.principals, affected.places), session_counts_of(given[1])
        yield
        after, left = rights_of(affected.principals, affected.places), session_counts_of(given[1])
        ended = sessions.keys() - left.keys()
        places = allowed_addresses_of(given[2])
        gone = [
            each
            for each in affected.sockets
            if has_lost_session(each, ended) or is_from_disallowed_address(each, places)
        ]
        lost = [each for each in affected.sockets if each in gone or has_lost_right(each, before, after)]
        closed = sum(sessions.values()) - sum(left.values())
        revoked = RevokedCounts(
            len(lost), max(0, closed), sum(bool(before[each] - after[each]) for each in affected.key_principals)
        )
        for place in {*given[0], *(each.environment for each in lost)}:
            notify_sockets(place)
        _record_revocation(actor, revoked, given[0])


def _record_revocation(actor: Actor | None, revoked: RevokedCounts, environments: frozenset[int]) -> None:
    if actor is not None:
        actor.clear_permission_cache()
    if not revoked:
        return
    if actor is not None:
        actor.revoked_counts.append(revoked)
    details = {"sockets": revoked.sockets, "sessions": revoked.sessions, "keys": revoked.keys}
    place = next(iter(environments)) if len(environments) == 1 else None
    hooks.record("rights.lost", actor=actor, environment_id=place, request=details)


def notify_sockets(environment: int | None) -> None:
    """Have the sockets of an environment (None: the installation's) check their permissions after commit."""
    for close in hooks.hooks.rights_changed:
        close({"environment": environment})
