"""Why somebody may do something: each permission with the paths that grant it, and what taking one away would change.

Pure functions over values; `selectors.holders` reads them from the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from apps.environments.roles import PERMISSIONS

NO_PERMISSIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EnvironmentRef:
    """An environment; one that is not active is there for its owners only."""

    environment: int
    name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class MembershipMatch:
    """An entry of a member list that means the account: itself, its person, or a group that it is in."""

    member: int
    environment: int
    role: str
    permissions: frozenset[str]
    kind: str = "rancher_id"
    identity: str = ""
    display_name: str = ""
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """What a key leaves of its account's rights: a role (None: all of it), and one environment (None: any)."""

    role: str = ""
    permissions: frozenset[str] | None = None
    environment: int | None = None
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """An account, seen by itself or through one of its keys."""

    account: int
    is_active: bool = True
    is_admin: bool = False
    matches: tuple[MembershipMatch, ...] = ()
    limit: KeyLimit | None = None

    @property
    def is_unrestricted_admin(self) -> bool:
        """Whether the whole installation is open: an administrator, not through a key that is held to less."""
        free = self.limit is None or (self.limit.permissions is None and self.limit.environment is None)
        return self.is_effective and self.is_admin and free

    @property
    def is_effective(self) -> bool:
        """Whether account and key count at all."""
        return self.is_active and (self.limit is None or self.limit.is_usable)


@dataclass(frozen=True, slots=True)
class Access:
    """What is held in one environment: for each permission its paths (None: being an administrator), and the rest."""

    ref: EnvironmentRef
    paths: Mapping[str, tuple[MembershipMatch | None, ...]] = field(default_factory=dict)
    refused: str = ""
    beyond_limit: frozenset[str] = NO_PERMISSIONS

    @property
    def held(self) -> frozenset[str]:
        """The permissions."""
        return frozenset(self.paths)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Something that could be taken away: a membership, a group, a role, or being an administrator (`kind`)."""

    kind: str
    name: str = ""
    key: int = 0


def explain(subject: Subject, ref: EnvironmentRef) -> Access:
    """What the holder may do in the environment, and why; `refused` is why it is nothing at all.

    `refused` is one word: `inactive` (account or key), `elsewhere` (a key of another environment), `stranger`,
    `asleep` (the environment is not active and the holder no owner), `limit` (the key's role covers none of it).
    """
    if not subject.is_effective:
        return Access(ref, refused="inactive")
    limit = subject.limit
    if limit is not None and limit.environment not in (None, ref.environment):
        return Access(ref, refused="elsewhere")
    paths = _permission_paths(subject, ref)
    if not paths:
        return Access(ref, refused="stranger")
    if not (ref.is_active or subject.is_admin or "own" in paths):
        return Access(ref, refused="asleep")
    covered = frozenset(paths) if limit is None or limit.permissions is None else frozenset(paths) & limit.permissions
    held_paths = {name: found for name, found in paths.items() if name in covered}
    return Access(ref, held_paths, "" if held_paths else "limit", frozenset(paths) - covered)


def _permission_paths(subject: Subject, ref: EnvironmentRef) -> dict[str, tuple[MembershipMatch | None, ...]]:
    """The paths of each permission, in the usual order of permissions."""
    matches = [match for match in subject.matches if match.environment == ref.environment]
    found: dict[str, tuple[MembershipMatch | None, ...]] = {}
    for name in PERMISSIONS:
        by: list[MembershipMatch | None] = [None] if subject.is_admin else []
        by += [match for match in matches if name in match.permissions]
        if by:
            found[name] = tuple(by)
    return found


def possible_revocations(subject: Subject) -> list[Revocation]:
    """Everything that could be taken from the holder, each once."""
    found: list[Revocation] = [Revocation("admin")] if subject.is_admin else []
    for match in subject.matches:
        found += [
            Revocation("group", match.identity, match.member)
            if match.is_group
            else Revocation("member", match.display_name, match.member)
        ]
    return [*_unique(found), *_unique(Revocation("role", match.role) for match in subject.matches)]


def _unique(found: Iterable[Revocation]) -> list[Revocation]:
    """A group is one thing to lose, on however many member lists it is."""
    return list(
        {
            (revocation.kind, revocation.name if revocation.kind != "member" else revocation.key): revocation
            for revocation in found
        }.values()
    )


def after_revocation(subject: Subject, revocation: Revocation) -> Subject:
    """The holder after the cut."""
    if revocation.kind == "admin":
        return replace(subject, is_admin=False)
    return replace(subject, matches=tuple(match for match in subject.matches if not _is_revoked(match, revocation)))


def _is_revoked(match: MembershipMatch, revocation: Revocation) -> bool:
    if revocation.kind == "group":
        return match.is_group and match.identity == revocation.name
    return match.role == revocation.name if revocation.kind == "role" else match.member == revocation.key


def lost_permissions(
    subject: Subject, revocation: Revocation, refs: Iterable[EnvironmentRef]
) -> dict[int, frozenset[str]]:
    """The permissions that the cut would take, by environment; environments that keep everything are left out."""
    less = after_revocation(subject, revocation)
    gone = {ref.environment: explain(subject, ref).held - explain(less, ref).held for ref in refs}
    return {key: names for key, names in gone.items() if names}
