"""Reads of promotions: those into environments that an actor sees, and those out of them."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q, QuerySet

from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.promotions.models import Promotion

_HEAVY = ("docker_compose", "rancher_compose", "variables")


def promotions_into(actor: Actor, environment_id: int) -> QuerySet[Promotion]:
    """The promotions into one environment."""
    mine = [environment_id] if "view" in actor.permissions(environment_id) else []
    rows: QuerySet[Promotion] = Promotion.objects.within(mine)
    return rows.select_related("environment", "source_environment", "source", "target", "account", "approved_by")


def promotions_of(keys: Collection[int]) -> QuerySet[Promotion]:
    """The promotions into and out of these environments, which the caller has checked that the actor sees."""
    rows: QuerySet[Promotion] = Promotion.all_objects.filter(
        Q(environment__in=list(keys)) | Q(source_environment__in=list(keys))
    )
    found = rows.select_related("environment", "source_environment", "account", "approved_by")
    return found.defer(*_HEAVY)


def promotion_targets(actor: Actor, source: Stack) -> list[Environment]:
    """Where the actor may promote a stack to: the other environments in which it may make and change stacks."""
    keys = [key for key in actor.environments("operate", everything=True) if key != source.environment_id]
    return list(Environment.objects.filter(pk__in=keys, desired="active", removed=None).order_by("name"))
