"""The rules of an environment for promotions into it, read and set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from apps.control.queue import enqueue_after_commit
from apps.control.services import record
from apps.core.errors import Forbidden, Invalid
from apps.core.events import row_changed
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.promotions.lifecycle import WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW
from apps.stacks.promotions.models import Promotion, PromotionRules
from apps.stacks.promotions.window import parse_window

FIELDS = ("needsApproval", "windowDays", "windowStart", "windowEnd", "windowTimeZone", "refuseOutside")


def rules_of(environment_id: int) -> PromotionRules:
    """The rules of an environment; those that ask for nothing where none were set."""
    return rules_by_environment([environment_id])[environment_id]


def rules_by_environment(keys: Collection[int]) -> dict[int, PromotionRules]:
    """The rules of several environments, by their keys, in one query."""
    found = {row.pk: row for row in PromotionRules.objects.filter(environment__in=list(keys))}
    return {key: found.get(key) or PromotionRules(environment_id=key) for key in keys}


def describe_rules(rules: PromotionRules) -> dict[str, Any]:
    """The rules by the names of the API."""
    return {
        "needsApproval": rules.needs_approval,
        "windowDays": list(rules.days),
        "windowStart": rules.start,
        "windowEnd": rules.end,
        "windowTimeZone": rules.time_zone,
        "refuseOutside": rules.refuse_outside,
    }


def rules_set(environment: Environment, changes: Mapping[str, Any], *, actor: Actor) -> PromotionRules:
    """Set some of the rules, by the names of the API; owners only. What waits is looked at again at once.

    Raises `Forbidden`, `Invalid`.
    """
    allowed = can(actor, "own", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    wanted = {**describe_rules(rules_of(environment.pk)), **changes}
    for name in ("needsApproval", "refuseOutside"):
        if not isinstance(wanted[name], bool):
            raise Invalid(name, "InvalidFormat", f"{name} is true or false.")
    window = parse_window(wanted["windowDays"], wanted["windowStart"], wanted["windowEnd"], wanted["windowTimeZone"])
    columns = {
        "needs_approval": wanted["needsApproval"],
        "refuse_outside": wanted["refuseOutside"],
        "days": list(window.days),
        "start": window.start,
        "end": window.end,
        "time_zone": window.time_zone,
    }
    with transaction.atomic():
        row, _new = PromotionRules.objects.update_or_create(environment=environment, defaults=columns)
        request = {**describe_rules(row)}
        record("promotionRules.update", actor=actor, row=row, environment_id=environment.pk, request=request)
        waiting = Promotion.all_objects.filter(
            environment=environment, display_state__in=(WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW)
        )
        for key in waiting.values_list("pk", flat=True):
            enqueue_after_commit(Promotion.KIND, key)
    row_changed(environment.pk, "environment", environment.pk)
    return row
