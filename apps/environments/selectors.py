"""Reads of environments."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.environments.access import Actor
from apps.environments.models import Environment


def environments_of(actor: Actor, *, everything: bool = False) -> QuerySet[Environment]:
    """The environments the actor is a member of, or all of them for an admin that asks for `everything`."""
    keys = actor.environments("view", everything=everything)
    return Environment.objects.filter(pk__in=keys)
