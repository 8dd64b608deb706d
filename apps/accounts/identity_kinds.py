"""The kinds of identities that member lists and access rules may name; each login provider declares its own."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL_IDENTITY_KIND = "rancher_id"  # an account of this installation, as v1 calls it
PERSON_SUFFIX = "_user"


@dataclass(frozen=True, slots=True)
class IdentityKinds:
    """The kinds of one provider: of its people, and of each sort of group it knows.

    A person's kind ends in `_user`: the database keeps one row per person by that ending, so that a new provider
    needs no migration.
    """

    person: str
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the database's constraint would not recognize as a person, or would take for one."""
        if not self.person.endswith(PERSON_SUFFIX) or any(each.endswith(PERSON_SUFFIX) for each in self.groups):
            raise ValueError(f"A person's kind ends in {PERSON_SUFFIX}, a group's does not: {self}")

    def __contains__(self, kind: str) -> bool:
        """Whether this is one of them."""
        return kind == self.person or kind in self.groups


_declared: dict[str, IdentityKinds] = {}


def declare_identity_kinds(provider: str, kinds: IdentityKinds) -> None:
    """Make the kinds of a login provider known; `providers.registry` does so for every one that it holds."""
    _declared[provider] = kinds


def person_kinds() -> frozenset[str]:
    """The kinds of people, of all providers."""
    return frozenset(kinds.person for kinds in _declared.values())


def group_kinds() -> frozenset[str]:
    """The kinds of groups, of all providers."""
    return frozenset(group for kinds in _declared.values() for group in kinds.groups)


def provider_identity_kinds() -> frozenset[str]:
    """The kinds of people and groups, of all providers: everything but this installation's own accounts."""
    return person_kinds() | group_kinds()
