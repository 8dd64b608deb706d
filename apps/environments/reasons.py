"""Why somebody may do something: each permission with the paths that grant it, and what a revocation would change.

Pure. The evaluator decides from the member lists' entries here, as it does from the grants in the tables elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from apps.environments.evaluator import NO_PERMISSIONS, EnvironmentRef, Grant, Holder, evaluate
from apps.environments.roles import PERMISSIONS


@dataclass(frozen=True, slots=True)
class MembershipMatch:
    """An entry of a member list that matches the account: itself, its person, or a group that it is in."""

    member: int
    environment: int
    role: str
    permissions: frozenset[str]
    kind: str = "rancher_id"
    identity: str = ""
    display_name: str = ""
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class Subject(Holder):
    """A holder with the member lists' entries that match it."""

    matches: tuple[MembershipMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """The permissions held in one environment, each with the paths that grant it (None: being an administrator)."""

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
    """Something that could be revoked: a membership, a group, a role, or being an administrator (`kind`)."""

    kind: str
    name: str = ""
    key: int = 0


def explain(subject: Subject, ref: EnvironmentRef) -> Access:
    """What the holder may do in the environment, and why; `refused` is why it is nothing at all, as in `Decision`."""
    paths = _permission_paths(subject, ref)
    decision = evaluate(subject, ref, Grant(frozenset(paths)))
    held_paths = {name: found for name, found in paths.items() if name in decision.held}
    return Access(ref, held_paths, decision.refused, decision.beyond_limit)


def _permission_paths(subject: Subject, ref: EnvironmentRef) -> dict[str, tuple[MembershipMatch | None, ...]]:
    """The paths of each permission, in the order of the table."""
    matches = [match for match in subject.matches if match.environment == ref.environment]
    found: dict[str, tuple[MembershipMatch | None, ...]] = {}
    for name in PERMISSIONS:
        by: list[MembershipMatch | None] = [None] if subject.is_admin else []
        by += [match for match in matches if name in match.permissions]
        if by:
            found[name] = tuple(by)
    return found


def possible_revocations(subject: Subject) -> list[Revocation]:
    """Everything that could be revoked, each once."""
    found: list[Revocation] = [Revocation("admin")] if subject.is_admin else []
    for match in subject.matches:
        found += [
            Revocation("group", match.identity, match.member)
            if match.is_group
            else Revocation("member", match.display_name, match.member)
        ]
    return [*_unique(found), *_unique(Revocation("role", match.role) for match in subject.matches)]


def _unique(found: Iterable[Revocation]) -> list[Revocation]:
    """A group is revoked once, on however many member lists it is."""
    return list(
        {
            (revocation.kind, revocation.name if revocation.kind != "member" else revocation.key): revocation
            for revocation in found
        }.values()
    )


def after_revocation(subject: Subject, revocation: Revocation) -> Subject:
    """The holder after the revocation."""
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
    """The permissions that would be lost, by environment; environments where nothing is lost are left out."""
    less = after_revocation(subject, revocation)
    gone = {ref.environment: explain(subject, ref).held - explain(less, ref).held for ref in refs}
    return {key: names for key, names in gone.items() if names}
