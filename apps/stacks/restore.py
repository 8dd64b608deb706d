"""Restoring deleted stacks and services while their rows are kept: what was desired is desired again.

What is gone for good is what their containers wrote into their own file systems; named volumes stayed on their hosts.
Configurations stay where they were, encrypted, until retention deletes the rows (`retention.restore.days`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.control.services import request_change
from apps.core.defaults import setting_int
from apps.core.errors import ActionNotAvailable, Invalid
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.new_services import SERVICE_NAME_ONCE, check_name, check_names_free, service_taken
from apps.stacks.removed_links import RemovedServiceLink
from apps.stacks.scheduled_services import activation_columns
from apps.stacks.services import STACK_NAME_ONCE, stack_taken

SETTING = "retention.restore.days"
MAX_NAME, MAX_TRIES = 63, 50
Deleted = Stack | Service


@dataclass
class Restored:
    """What came back: the row, and what did not: links whose other end is gone or whose name is taken."""

    row: Deleted
    missing: list[str] = field(default_factory=list)


def restore_days() -> int:
    """For how many days what is deleted can be restored; 0 for not at all."""
    return setting_int(SETTING)


def restorable_until(row: Deleted, days: int) -> datetime | None:
    """Until when a row can be restored; None if it cannot."""
    is_deleted = row.removed is not None and (row.desired, row.state) == ("removed", "removed")
    if row.removed is None or not is_deleted or not days or row.removal.get("givenBack"):
        return None
    until = row.removed + timedelta(days=days)
    return until if until > timezone.now() else None


def deleted_rows(actor: Actor, environment_id: int) -> list[Deleted]:
    """The stacks and services of an environment that can be restored, the newest deletion first.

    A service that was deleted with its stack comes back with it and is not listed.
    """
    days = restore_days()
    mine = [environment_id] if days and "view" in actor.permissions(environment_id) else []
    since = timezone.now() - timedelta(days=days)
    columns = {"removed__gt": since, "desired": "removed", "state": "removed"}
    heavy = ("docker_compose", "rancher_compose", "variables")
    stacks = Stack.objects.within(mine).filter(**columns).defer(*heavy)
    services = (
        Service.objects.within(mine).filter(**columns).defer("spec", "secondary", *(f"stack__{n}" for n in heavy))
    )
    alone = [row for row in services.select_related("stack") if not row.removal.get("withStack")]
    found: list[Deleted] = [*stacks, *alone]
    found = [row for row in found if not row.removal.get("givenBack")]  # their containers were not deleted
    return sorted(found, key=lambda row: (row.removed, row.KIND, row.pk), reverse=True)


def stack_restore(row: Stack, *, actor: Actor, name: str = "") -> Restored:
    """Restore a stack with the services that were deleted with it.

    Without a `name` it gets its own, or where that is taken another one. Raises `Invalid` (name), `Forbidden`,
    `ActionNotAvailable` when its time is over.
    """
    _require_restorable(row)
    taken = Stack.all_objects.filter(environment=row.environment_id, removed=None)
    chosen = _choose_name(row, name, {each.lower() for each in taken.values_list("name", flat=True)})
    changes = {**_columns(row), "name": chosen}
    restored = Restored(row)
    with transaction.atomic(), unique_or(stack_taken(chosen), STACK_NAME_ONCE):
        request_change(row, "restore", actor=actor, changes=changes, request={"name": chosen})
        members = Service.all_objects.filter(stack=row, desired="removed", state="removed", removed__isnull=False)
        for service in [each for each in members if each.removal.get("withStack")]:
            _restore_service(service, service.name, actor)
        restored.missing = _restore_links(Q(service__stack=row) | Q(target__stack=row))
    return restored


def service_restore(row: Service, *, actor: Actor, name: str = "") -> Restored:
    """Restore one service of a stack that is still there, with its links and those that led to it.

    Raises as `stack_restore`; `ActionNotAvailable` also when its stack is gone.
    """
    _require_restorable(row)
    if row.stack.removed is not None or row.stack.removal_requested:
        reason = _("Its stack %(name)s is deleted: restore that first.") % {"name": row.stack.name}
        raise ActionNotAvailable(reason, field="action")
    others = Service.all_objects.filter(stack=row.stack_id, removed=None)
    taken = {name.lower() for each in others.only("name", "secondary") for name in _names_of(each)}
    chosen = _choose_name(row, name, taken)
    with transaction.atomic(), unique_or(service_taken(chosen), SERVICE_NAME_ONCE):
        Stack.all_objects.select_for_update(no_key=True).get(pk=row.stack_id)  # no index knows the sidekicks' names
        check_names_free(row.stack, chosen, row.sidekick_names)
        _restore_service(row, chosen, actor)
        return Restored(row, _restore_links(Q(service=row) | Q(target=row)))


def _names_of(row: Service) -> list[str]:
    return [row.name, *(each["name"] for each in row.secondary or ())]


def _require_restorable(row: Deleted) -> None:
    if restorable_until(row, restore_days()) is None:
        is_gone = row.removed is not None
        reason = _("The time to restore it is over.") if is_gone else _("It is not deleted, or not completely yet.")
        raise ActionNotAvailable(reason, field="action")


def _choose_name(row: Deleted, name: str, taken: Collection[str]) -> str:
    """The name that was asked for, else its own, else the first of its own with a number that is free."""
    if name:
        return check_name(name)
    candidates = [row.name, *(f"{row.name[: MAX_NAME - 12]}-restored{each}" for each in ("", *range(2, MAX_TRIES)))]
    found = next((each for each in candidates if each.lower() not in taken), "")
    if not found:
        raise Invalid("name", "NotUnique", f"There are {MAX_TRIES} restored ones of this name; choose another one.")
    return found


def _columns(row: Deleted) -> dict[str, Any]:
    """What both kinds have in common; an upgrade that was under way is over, because nothing of before it is left.

    `removed` is cleared here and not by the loop, or somebody could take the name in between.
    """
    desired = row.removal.get("desired") or row.LIFECYCLE.transitions["create"].desired
    upgrade = {**row.upgrade, "phase": ""} if row.upgrade else {}
    return {"removed": None, "removal": {}, "desired": desired, "upgrade": upgrade}


def _restore_service(row: Service, name: str, actor: Actor) -> None:
    changes = {**_columns(row), **_columns_before_handover(row), "name": name, "restart": {}}
    changes |= activation_columns(row) if changes["desired"] == "active" else {}
    request_change(row, "restore", actor=actor, changes=changes, request={"name": name})


def _columns_before_handover(row: Service) -> dict[str, Any]:
    """The columns of a service that was deleted while it handed over to another one: what it had before that began."""
    if row.upgrade_target_id is None:
        return {}
    scale = row.upgrade.get("fromScale", row.scale) if row.upgrade_phase else row.scale
    return {"upgrade_target": None, "upgrade": {}, "scale": int(scale)}


def _restore_links(condition: Q) -> list[str]:
    """Make the links again that went with what is back; those whose other end is gone wait for it."""
    missing = []
    for gone in RemovedServiceLink.objects.filter(condition, with_service=True).select_related("service", "target"):
        if gone.service.removal_requested or gone.target.removal_requested:
            missing.append(_("%(service)s no longer links to %(target)s: that is gone.") % _ends(gone))
        elif ServiceLink.objects.filter(service=gone.service_id, name=gone.name).exists():
            missing.append(_("%(service)s links to something else as %(name)s now.") % _ends(gone))
            gone.delete()
        else:
            ServiceLink.objects.create(
                service_id=gone.service_id, target_id=gone.target_id, name=gone.name, ports=gone.ports
            )
            gone.delete()
    return missing


def _ends(gone: RemovedServiceLink) -> dict[str, str]:
    return {"service": gone.service.name, "target": gone.target.name, "name": gone.name}
