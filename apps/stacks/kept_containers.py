"""Containers that are kept, stopped, for a rollback: which they are, and why nobody starts them in the meantime."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.utils.translation import gettext as _

from apps.containers.deployment_units import current_members
from apps.containers.models import Container
from apps.core.models import Managed
from apps.environments.actor import Actor
from apps.stacks.models import Service, Slot
from apps.stacks.plan import REMOVED_STATES
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.upgrade import KEEPING

_MEMO = "kept_containers"
_STARTING = frozenset({"start", "restart", "unpause"})


def kept_containers(services: Iterable[Service]) -> dict[int, str]:
    """What these services keep for a rollback: names of the services by keys of the containers, in two queries.

    Old primary containers, the sidekicks of their units, older ones of a sidekick and those that are left out now.
    """
    by_key = {row.pk: row for row in services if row.upgrade_phase in KEEPING}
    if not by_key:
        return {}
    found: dict[int, str] = {}
    held: set[str] = set()
    columns = ("service", "previous", "container__deployment_unit", "successor__deployment_unit")
    for service, previous, *units in Slot.objects.filter(service__in=by_key).values_list(*columns):
        if previous is not None:
            found[previous] = by_key[service].name
        held.update(unit for unit in units if unit)
    return found | _kept_sidekicks(by_key.values(), held)


def _kept_sidekicks(services: Iterable[Service], held: set[str]) -> dict[int, str]:
    """The sidekicks that are kept, in one query; `held` are the units of what is to run."""
    by_spread_key = {str(row.uuid): row for row in services}
    rows = Container.all_objects.filter(spread_key__in=by_spread_key, keep_running=True, removed=None)
    rows = rows.exclude(desired__in=REMOVED_STATES).exclude(launch_name__in=("", PRIMARY))
    units: dict[tuple[str, str], list[Container]] = defaultdict(list)
    for each in rows.only("pk", "spread_key", "deployment_unit", "launch_name", "desired"):
        units[each.spread_key, each.deployment_unit].append(each)
    found: dict[int, str] = {}
    for (spread_key, unit), members in units.items():
        service, current = by_spread_key[spread_key], current_members(members)
        wanted = {each.name for each in service.sidekicks} if unit in held else set()
        for each in members:
            is_current = each.launch_name in wanted and current[each.launch_name].pk == each.pk
            if each.desired == "stopped" and not is_current:
                found[each.pk] = service.name
    return found


def owner_refusal(actor: Actor, action: str, row: Managed) -> str:
    """Why a container's service does not let it be started; empty when it does.

    Three queries for each environment in an actor's life.
    """
    if action not in _STARTING or not isinstance(row, Container) or actor.is_system:
        return ""
    if row.desired != "stopped" or not (row.spread_key and row.keep_running):
        return ""
    known = actor.memo.setdefault(_MEMO, {})
    if row.environment_id not in known:
        here = Service.all_objects.filter(environment=row.environment_id, removed=None).order_by("pk")
        undecided = here.filter(upgrade__phase__in=tuple(KEEPING))
        known[row.environment_id] = kept_containers(undecided.only("pk", "uuid", "name", "upgrade", "secondary"))
    name = known[row.environment_id].get(row.pk)
    if name is None:
        return ""
    text = _("Not possible: it is kept for a rollback of %(name)s. Roll %(name)s back, or finish the upgrade.")
    return text % {"name": name}
