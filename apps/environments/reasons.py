"""Why somebody may do something: each permission with the paths that grant it, and what taking one away would change.

Pure functions over values; `selectors.holders` reads them from the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from apps.environments.roles import PERMISSIONS

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """An environment; one that is not active is there for its owners only."""

    environment: int
    name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Tie:
    """An entry of a member list that means the account: itself, its person, or a group that it is in."""

    member: int
    environment: int
    role: str
    permissions: frozenset[str]
    kind: str = "rancher_id"
    identity: str = ""
    shown: str = ""
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """What a key leaves of its account's rights: a role (None: all of it), and one environment (None: any)."""

    role: str = ""
    permissions: frozenset[str] | None = None
    environment: int | None = None
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class Holder:
    """An account, seen by itself or through one of its keys."""

    account: int
    is_active: bool = True
    is_admin: bool = False
    ties: tuple[Tie, ...] = ()
    limit: Limit | None = None

    @property
    def rules(self) -> bool:
        """Whether the whole installation is open: an administrator, not through a key that is held to less."""
        free = self.limit is None or (self.limit.permissions is None and self.limit.environment is None)
        return self.is_there and self.is_admin and free

    @property
    def is_there(self) -> bool:
        """Whether account and key count at all."""
        return self.is_active and (self.limit is None or self.limit.is_usable)


@dataclass(frozen=True, slots=True)
class Access:
    """What is held in one environment: for each permission its paths (None: being an administrator), and the rest."""

    place: Place
    paths: Mapping[str, tuple[Tie | None, ...]] = field(default_factory=dict)
    refused: str = ""
    beyond_limit: frozenset[str] = NOTHING

    @property
    def held(self) -> frozenset[str]:
        """The permissions."""
        return frozenset(self.paths)


@dataclass(frozen=True, slots=True)
class Cut:
    """Something that could be taken away: a membership, a group, a role, or being an administrator (`kind`)."""

    kind: str
    name: str = ""
    key: int = 0


def explain(holder: Holder, place: Place) -> Access:
    """What the holder may do in the environment, and why; `refused` is why it is nothing at all.

    `refused` is one word: `inactive` (account or key), `elsewhere` (a key of another environment), `stranger`,
    `asleep` (the environment is not active and the holder no owner), `limit` (the key's role covers none of it).
    """
    if not holder.is_there:
        return Access(place, refused="inactive")
    limit = holder.limit
    if limit is not None and limit.environment not in (None, place.environment):
        return Access(place, refused="elsewhere")
    paths = _granted(holder, place)
    if not paths:
        return Access(place, refused="stranger")
    if not (place.is_active or holder.is_admin or "own" in paths):
        return Access(place, refused="asleep")
    covered = frozenset(paths) if limit is None or limit.permissions is None else frozenset(paths) & limit.permissions
    kept = {name: found for name, found in paths.items() if name in covered}
    return Access(place, kept, "" if kept else "limit", frozenset(paths) - covered)


def _granted(holder: Holder, place: Place) -> dict[str, tuple[Tie | None, ...]]:
    """The paths of each permission, in the usual order of permissions."""
    ties = [tie for tie in holder.ties if tie.environment == place.environment]
    found: dict[str, tuple[Tie | None, ...]] = {}
    for name in PERMISSIONS:
        by: list[Tie | None] = [None] if holder.is_admin else []
        by += [tie for tie in ties if name in tie.permissions]
        if by:
            found[name] = tuple(by)
    return found


def cuts(holder: Holder) -> list[Cut]:
    """Everything that could be taken from the holder, each once."""
    found: list[Cut] = [Cut("admin")] if holder.is_admin else []
    for tie in holder.ties:
        found += [Cut("group", tie.identity, tie.member) if tie.is_group else Cut("member", tie.shown, tie.member)]
    return [*_once(found), *_once(Cut("role", tie.role) for tie in holder.ties)]


def _once(found: Iterable[Cut]) -> list[Cut]:
    """A group is one thing to lose, on however many member lists it is."""
    return list({(cut.kind, cut.name if cut.kind != "member" else cut.key): cut for cut in found}.values())


def without(holder: Holder, cut: Cut) -> Holder:
    """The holder after the cut."""
    if cut.kind == "admin":
        return replace(holder, is_admin=False)
    return replace(holder, ties=tuple(tie for tie in holder.ties if not _is_cut(tie, cut)))


def _is_cut(tie: Tie, cut: Cut) -> bool:
    if cut.kind == "group":
        return tie.is_group and tie.identity == cut.name
    return tie.role == cut.name if cut.kind == "role" else tie.member == cut.key


def loses(holder: Holder, cut: Cut, places: Iterable[Place]) -> dict[int, frozenset[str]]:
    """The permissions that the cut would take, by environment; environments that keep everything are left out."""
    less = without(holder, cut)
    gone = {place.environment: explain(holder, place).held - explain(less, place).held for place in places}
    return {key: names for key, names in gone.items() if names}
