"""Environments, as an actor sees them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from apps.environments.access import Actor
from apps.environments.models import Environment


def environments_of(actor: Actor, *, everything: bool = False) -> QuerySet[Environment]:
    """The environments the actor is a member of, or all of them for an admin that asks for `everything`."""
    keys = actor.environments("view", everything=everything)
    return Environment.objects.filter(pk__in=keys)


def environments_among(keys: Iterable[int]) -> list[Environment]:
    """The environments with these numbers, of which the caller knows that the actor sees them."""
    return list(Environment.objects.filter(pk__in=list(keys)).order_by("pk"))
