"""The sockets, sessions and keys that a change of rights may concern, and which of them lost something."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils import timezone

from apps.accounts.models import ApiKey, Session
from apps.core.addresses import is_within
from apps.environments.models import KeyScope, OpenSocket, RoleGroup
from apps.environments.selectors.granted import Holder
from apps.environments.selectors.rights import Rights


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


def touched_by(environments: frozenset[int], accounts: frozenset[int], keys: frozenset[int]) -> Touched:
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


def sessions_of(accounts: frozenset[int]) -> dict[int, int]:
    """How many log-in sessions each of these accounts has, without those that have none."""
    alive = Session.objects.filter(account__in=accounts, expires__gt=timezone.now())
    return dict(alive.order_by().values_list("account").annotate(count=Count("pk"))) if accounts else {}


def addresses_of(keys: frozenset[int]) -> dict[int, list[str]]:
    """The networks that each of these keys is held to, without those that are held to none."""
    rows = ApiKey.objects.filter(pk__in=keys).values_list("pk", "addresses") if keys else ()
    return {key: list(places) for key, places in rows if places}


def is_outside(socket: OpenSocket, allowed: Mapping[int, Collection[str]]) -> bool:
    """Whether a socket was opened from where its key may not be used (any more)."""
    places = allowed.get(socket.key or 0)
    return places is not None and not is_within(socket.address, places)


def is_ended(socket: OpenSocket, accounts: Collection[int]) -> bool:
    """Whether a socket stood on a log-in of one of these accounts, which have none any more."""
    return socket.key is None and socket.account in accounts


def lost_right(socket: OpenSocket, before: Rights, after: Rights) -> bool:
    """Whether the socket's holder had the right it stands on, and has it no more."""
    holder, right = Holder(socket.account or 0, socket.key), (socket.environment, socket.permission)
    return right in before[holder] and right not in after[holder]
