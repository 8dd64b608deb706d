"""Who belongs to an environment."""

from __future__ import annotations

from collections.abc import Iterable

from apps.environments.models import Member


def members_of(environment_ids: Iterable[int]) -> dict[int, list[Member]]:
    """The members of several environments in one query."""
    found: dict[int, list[Member]] = {key: [] for key in environment_ids}
    for member in Member.objects.filter(environment__in=list(found)).select_related("account"):
        found[member.environment_id].append(member)
    return found
