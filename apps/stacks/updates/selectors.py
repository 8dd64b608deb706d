"""Reading newer images, for the faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from apps.environments.actor import Actor
from apps.stacks.models import Service
from apps.stacks.updates.models import ImageUpdate, ImageUpgrade, RegistryHold
from apps.stacks.updates.outcomes import FINISHED
from apps.stacks.updates.policies import DEFAULT, environment_policy
from apps.stacks.updates.policy import UpdatePolicy

_HEAVY = ("spec", "secondary", "metadata", "balancer", "stack__docker_compose", "stack__rancher_compose")
_ORDER = {ImageUpdate.NEWER: 0, ImageUpdate.UNKNOWN: 1, ImageUpdate.CURRENT: 2}


def image_updates_of(environment_ids: Iterable[int]) -> QuerySet[ImageUpdate]:
    """What is known of the images that run in environments, with whose they are."""
    rows = ImageUpdate.objects.filter(environment__in=list(environment_ids))
    light = (*(f"service__{name}" for name in _HEAVY), "service__stack__variables", "container__spec")
    return rows.select_related("service__stack", "container", "tag").defer(*light)


def seen_image_updates(actor: Actor, environment_id: int) -> QuerySet[ImageUpdate]:
    """The same of one environment, as far as the actor sees it."""
    return image_updates_of([environment_id] if "view" in actor.permissions(environment_id) else [])


@dataclass(frozen=True, slots=True)
class UpdateView:
    """A row as lists show it: with its policy, when its registry is asked next, and the last upgrade by policy."""

    update: ImageUpdate
    policy: UpdatePolicy
    is_own_policy: bool
    next_check: datetime | None
    hold_reason: str
    upgrade: ImageUpgrade | None
    next_window: datetime | None

    @property
    def checked_at(self) -> datetime | None:
        """When its registry was asked last."""
        return self.update.tag.checked_at if self.update.tag is not None else None

    @property
    def failure(self) -> str:
        """Why that did not work, though it may have before."""
        return self.update.tag.message if self.update.tag is not None else ""


def update_views(rows: Sequence[ImageUpdate], environment_id: int, now: datetime | None = None) -> list[UpdateView]:
    """Rows of one environment with all that belongs to them: three queries however many there are."""
    if not rows:
        return []
    now = now or timezone.now()
    inherited = environment_policy(environment_id)
    holds = {(hold.domain, hold.account): hold for hold in RegistryHold.objects.filter(until__gt=now)}
    services = [row.service_id for row in rows if row.service_id is not None]
    upgrades = {each.service_id: each for each in ImageUpgrade.objects.filter(service__in=services)}
    return [_view(row, inherited, holds, upgrades, now) for row in rows]


def _view(
    row: ImageUpdate,
    inherited: UpdatePolicy,
    holds: dict[tuple[str, str], RegistryHold],
    upgrades: dict[int, ImageUpgrade],
    now: datetime,
) -> UpdateView:
    own = UpdatePolicy.from_json(row.service.update_policy) if row.service is not None else None
    policy = own or (inherited if row.service is not None else DEFAULT)
    hold = holds.get((row.tag.domain, row.tag.account)) if row.tag is not None else None
    next_check = row.tag.next_at if row.tag is not None else None
    if hold is not None and hold.until is not None and next_check is not None:
        next_check = max(hold.until, next_check)
    upgrade = upgrades.get(row.service_id or 0)
    waits = row.state == ImageUpdate.NEWER and (upgrade is None or upgrade.outcome == FINISHED)
    return UpdateView(
        update=row,
        policy=policy,
        is_own_policy=own is not None,
        next_check=next_check,
        hold_reason=hold.reason if hold is not None else "",
        upgrade=upgrade,
        next_window=policy.next_open(now) if waits and policy.has_window else None,
    )


def update_states(services: Iterable[Service]) -> dict[int, str]:
    """What is known of the images of services by their keys: newer if one is, current if all are; one query."""
    found: dict[int, str] = {}
    rows = ImageUpdate.objects.filter(service__in=[row.pk for row in services]).values_list("service", "state")
    for key, state in rows:
        if key is not None and (key not in found or _ORDER[state] < _ORDER[found[key]]):
            found[key] = state
    return found


def count_update_states(environment_id: int) -> dict[str, int]:
    """How many rows of an environment are in each state."""
    rows = ImageUpdate.objects.filter(environment=environment_id).order_by().values_list("state")
    return dict(rows.annotate(count=Count("pk")))


def updates_of_service(row: Service) -> list[ImageUpdate]:
    """What is known of the images of a service, the newer ones first."""
    rows = ImageUpdate.objects.filter(service=row).select_related("tag")
    return sorted(rows, key=lambda each: (_ORDER[each.state], each.image))


def newer_image_of_container(environment_id: int, container_id: int, spread_key: str) -> ImageUpdate | None:
    """The newer image of a container's service, or of a container of none; None where none is known."""
    mine = Q(container=container_id) | (Q(service__uuid=spread_key) if spread_key else Q(pk=None))
    rows = ImageUpdate.objects.filter(mine, environment=environment_id, state=ImageUpdate.NEWER)
    return rows.first()
