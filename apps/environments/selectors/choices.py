"""The roles that somebody can choose from, with what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from apps.environments.models import Role
from apps.environments.roles import ROLES


@dataclass(frozen=True, slots=True)
class Choice:
    """One role; `key` is its number, None for the built-in ones."""

    name: str
    permissions: frozenset[str]
    label: str = ""
    description: str = ""
    key: int | None = None


def role_choices(within: frozenset[str] | None = None) -> list[Choice]:
    """All roles, the built-in ones first; only those that `within` covers if it is given."""
    found = [Choice(name, held) for name, held in ROLES.items()]
    found += [Choice(each.name, each.held, each.label, each.description, each.pk) for each in Role.objects.all()]
    return [each for each in found if within is None or each.permissions <= within]
