"""What people ask of an upgrade from one service to another: to begin, to end, to take it back (v1, section 4.4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import transaction

from apps.containers.launch.kind_labels import is_global, is_start_once
from apps.control.services import request_change
from apps.core.errors import Invalid
from apps.environments.actor import Actor
from apps.stacks.batches import check_batches
from apps.stacks.lifecycle import REPLACEABLE
from apps.stacks.locks import lock_refusal, require_unlocked
from apps.stacks.models import Service, ServiceLink, Slot
from apps.stacks.new_services import check_scale
from apps.stacks.one_address import check_scaled
from apps.stacks.service_options import without_containers
from apps.stacks.upgrade import CANCELED, CANCELED_ROLLBACK, ROLLING_BACK, UPGRADING

AT = "toServiceStrategy."
_AT_REST = ("active", "inactive")


@dataclass(frozen=True, slots=True)
class HandoverStrategy:
    """How many containers the other one has in the end, how many at a time, and whether links move along."""

    final_scale: int = 1
    batch_size: int = 1
    interval_ms: int = 2000
    update_links: bool = False
    min_ready: int | None = None

    def __post_init__(self) -> None:
        """Check the limits. Raises `Invalid`."""
        check_batches(self.batch_size, self.interval_ms, self.min_ready)
        if check_scale(self.final_scale) < 1:
            raise Invalid(f"{AT}finalScale", "MinLimitExceeded", "finalScale is at least 1.")


def service_hand_over(row: Service, target: Service, *, actor: Actor, strategy: HandoverStrategy) -> Service:
    """Have `target` take over from the service, batch by batch: one grows to its final scale, the other shrinks to 0.

    With `update_links` what linked to this service links to the other at once, under the same names; the containers
    that this one has left keep these names. Raises `Invalid`, `Forbidden`, `ActionNotAvailable`, `Conflict`.
    """
    _check_pair(row, target)
    _check_final_scale(target, strategy.final_scale)
    settings = {
        "batchSize": strategy.batch_size,
        "intervalMillis": strategy.interval_ms,
        "finalScale": strategy.final_scale,
        "updateLinks": strategy.update_links,
        **({} if strategy.min_ready is None else {"minReadySeconds": strategy.min_ready}),
    }
    with transaction.atomic():
        links = _links_to(row, target) if strategy.update_links else []
        for each in (target, *(link.service for link in links)):
            require_unlocked(each, actor=actor)
        upgrade = {
            "phase": UPGRADING,
            "id": uuid4().hex,
            **settings,
            "fromScale": row.scale,
            "toScale": target.scale,
            "toDesired": target.desired,
            "links": [[link.service_id, link.name] for link in links],
        }
        changes = {"scale": 0, "upgrade": upgrade, "upgrade_target": target}
        request = {"toServiceStrategy": {**settings, "toService": target.name}}
        operation = request_change(row, "upgrade", actor=actor, changes=changes, request=request)
        ServiceLink.objects.filter(pk__in=[link.pk for link in links]).update(target=target)
        if target.desired != "active":
            request_change(target, "activate", actor=actor, parent=operation)
    return row


def _links_to(row: Service, target: Service) -> list[ServiceLink]:
    """The links to the service that move; the other one's own would lead to itself."""
    return list(
        ServiceLink.objects.filter(target=row, selected=False).exclude(service=target).select_related("service")
    )


def _check_final_scale(target: Service, scale: int) -> None:
    try:
        check_scaled(target, {"scale": scale})
    except Invalid as problem:
        raise Invalid(f"{AT}finalScale", problem.code, problem.message) from None


def handover_targets(row: Service, *, actor: Actor) -> list[Service]:
    """The services of the same kind that `service_hand_over` would accept now, those of the same stack first."""
    found = Service.objects.within([row.environment_id]).filter(removed=None, kind=row.kind).select_related("stack")
    taken = _taken_targets(row)
    rows = [each for each in found if _refusal(row, each, taken) is None and not lock_refusal(actor, "update", each)]
    return sorted(rows, key=lambda each: (each.stack_id != row.stack_id, each.stack.name, each.name))


def handover_refusal(row: Service) -> str:
    """Why the service cannot hand over to any other one now; empty when it can."""
    refusal = _own_refusal(row)
    return "" if refusal is None else refusal.message


def _check_pair(row: Service, target: Service) -> None:
    refusal = _refusal(row, target, _taken_targets(row))
    if refusal is not None:
        raise refusal


def _taken_targets(row: Service) -> frozenset[int]:
    """The services that others hand over to."""
    others = Service.all_objects.filter(environment=row.environment_id, upgrade_target__isnull=False, removed=None)
    return frozenset(others.values_list("upgrade_target", flat=True))


def _refusal(row: Service, target: Service, taken: Collection[int]) -> Invalid | None:
    """Why `target` cannot take over from the service; `taken` are those that others hand over to."""
    if target.pk == row.pk:
        return Invalid(f"{AT}toServiceId", "InvalidOption", "A service cannot be upgraded to itself; name another one.")
    if target.environment_id != row.environment_id or target.removal_requested:
        return Invalid(f"{AT}toServiceId", "InvalidReference", "There is no such service here.")
    if (own := _own_refusal(row)) is not None:
        return own
    if why := _no_scale(target) or _runs_once(target):
        return _without_steps(target, why)
    if target.display_state not in _AT_REST or target.pk in taken:
        why = f"{target.name} is {target.display_state}, or another one hands over to it: wait, or finish that first."
        return Invalid(f"{AT}toServiceId", "InvalidState", why)
    return None


def _own_refusal(row: Service) -> Invalid | None:
    """Why the service cannot hand over to any other one now."""
    if row.upgrade_phase and row.display_state in REPLACEABLE.split():
        why = f"{row.name} is {row.display_state}: finish that, or take it back, first."
        return Invalid("toServiceStrategy", "InvalidState", why)
    if row.desired != "active":
        why = f"{row.name} is stopped, and has nothing to hand over: start the other service and remove this one."
        return Invalid("toServiceStrategy", "InvalidState", why)
    why = _no_scale(row)
    return _without_steps(row, why) if why else None


def _without_steps(row: Service, why: str) -> Invalid:
    return Invalid(f"{AT}toServiceId", "InvalidOption", f"{row.name} cannot be stepped up or down: {why}.")


def _runs_once(row: Service) -> str:
    return "its containers run once, and are not started again" if is_start_once(row.config) else ""


def _no_scale(row: Service) -> str:
    if not row.has_containers:
        return without_containers(row.kind)
    if is_global(row.config):
        return "it has one container on each host"
    if row.fit_policy is not None:
        return "it has as many containers as fit"
    return "it has a schedule, and containers only when it runs" if row.schedule else ""


def handover_columns(row: Service, action: str) -> dict[str, Any]:
    """What finishing, canceling or taking back changes beside the phase; empty for an upgrade within the service."""
    if row.upgrade_target_id is None:
        return {}
    if action == "rollback":
        return {"scale": int(row.upgrade.get("fromScale", row.scale))}
    if action == "finishupgrade":
        # What was canceled half-way stays as it is then, as in v1: both services with what they have.
        is_half = row.upgrade_phase in {CANCELED, CANCELED_ROLLBACK}
        half = {"scale": Slot.objects.filter(service=row).count()} if is_half else {}
        return {"upgrade_target": None, **half}
    return {}


def links_back(row: Service) -> None:
    """Let the links that moved lead to the service again, but for those that somebody has changed since.

    Also as soon as it is canceled: what is left of this one is to be reached until somebody decides.
    """
    if row.upgrade_phase in {ROLLING_BACK, CANCELED}:
        lead_links_back(row)


def lead_links_back(row: Service) -> None:
    """Let the links that moved to the other service lead to this one, whatever has become of the handover."""
    for service, name in row.upgrade.get("links", ()):
        ServiceLink.objects.filter(service=service, name=name, target=row.upgrade_target_id).update(target=row)
