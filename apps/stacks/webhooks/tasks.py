"""The three tasks: what a call has done to the service, through the same functions as a person's change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import PULL_IMAGE_LABEL
from apps.control.models import Operation
from apps.core.errors import ActionNotAvailable
from apps.core.plurals import counted
from apps.environments.actor import Actor
from apps.stacks.models import Service
from apps.stacks.services import service_update
from apps.stacks.updates.image_names import without_digest
from apps.stacks.upgrade_in_place import is_unfinished
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import last_strategy
from apps.stacks.verdict.settings import ENDS_BY_ITSELF
from apps.stacks.webhooks.call_body import CallRequest, next_scale
from apps.stacks.webhooks.lifecycle import SCALE
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.webhooks.services import unfit


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a call has begun: the service as it is now, the operation (None where nothing was to do), and in words.

    `replaces_upgrade`: an upgrade that was not finished makes way for this one.
    """

    service: Service
    operation: Operation | None
    text: str
    replaces_upgrade: bool = False


def run_task(row: DeployWebhook, requested: CallRequest, *, actor: Actor) -> TaskResult:
    """Do what was requested. Raises `Invalid`, `Forbidden`, `ActionNotAvailable`, `Locked`, `Conflict`."""
    service = Service.all_objects.select_related("stack", "environment").get(pk=row.service_id)
    if reason := unfit(service, row.task):
        raise ActionNotAvailable(reason, field="task")
    return _scale(service, row, requested, actor) if row.task == SCALE else _upgrade(service, row, requested, actor)


def _scale(service: Service, row: DeployWebhook, requested: CallRequest, actor: Actor) -> TaskResult:
    before, wanted = service.scale, next_scale(requested, service.scale, row.limits)
    if wanted == before:
        return TaskResult(service, None, f"{service.name} is to have {counted(wanted, 'container')} already.")
    service_update(service, actor=actor, scale=wanted)
    return TaskResult(
        service, _operation_of(service), f"{service.name} gets {counted(wanted, 'container')} instead of {before}."
    )


def _upgrade(service: Service, row: DeployWebhook, requested: CallRequest, actor: Actor) -> TaskResult:
    if service.desired != "active":
        why = f"{service.name} is stopped: start it first. A webhook starts nothing that somebody stopped."
        raise ActionNotAvailable(why, field="task")
    replaces, before = is_unfinished(service), service.revision
    config = pulled_again(with_tag(service.config, requested.tag) if requested.tag else service.config)
    judged = None if service.verdict_settings else ENDS_BY_ITSELF.to_json()
    service_upgrade(
        service,
        actor=actor,
        config=config,
        strategy=last_strategy(service, verdict=judged),
        note=f"Deploy webhook {row.name}"[:500],
    )
    text = f"{service.name} is upgraded to {config.image} (revision {service.revision})."
    if replaces:
        text += f" The upgrade before, to revision {before}, was not finished: this one takes its place."
    return TaskResult(service, _operation_of(service), text, replaces)


def with_tag(config: LaunchConfig, tag: str) -> LaunchConfig:
    """The configuration with another tag of the same repository. Raises `ActionNotAvailable` without a repository."""
    image = without_digest(config.image_uuid or "")
    if not image or image.removeprefix("docker:").startswith("sha256:"):
        why = f"The service's image is {config.image[:80]}, an id, which has no tags: upgrade it to a name first."
        raise ActionNotAvailable(why, field="tag")
    head, colon, rest = image.removeprefix("docker:").rpartition(":")
    name = head if colon and "/" not in rest else image.removeprefix("docker:")
    prefix = "docker:" if image.startswith("docker:") else ""
    return replace(config, image_uuid=f"{prefix}{name}:{tag}")


def pulled_again(config: LaunchConfig) -> LaunchConfig:
    """The configuration with the label by which hosts ask the registry also for a tag that they have already."""
    return replace(config, labels={**config.labels, PULL_IMAGE_LABEL: "always"})


def _operation_of(service: Service) -> Operation | None:
    rows = Operation.all_objects.filter(kind=service.KIND, target=service.pk, generation=service.generation)
    found: Operation | None = rows.order_by("-pk").first()
    return found
