"""What people do with deploy webhooks: make, change and remove one, and renew its secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from apps.containers.launch.kind_labels import is_global
from apps.control.services import create, request_change
from apps.core.errors import Forbidden, Invalid
from apps.core.fields import integer, text
from apps.environments.access import Verdict, can, verdict
from apps.environments.actor import Actor
from apps.stacks.models import Service
from apps.stacks.new_services import MAX_SCALE
from apps.stacks.service_options import SERVICE
from apps.stacks.webhooks.lifecycle import SCALE, TASKS, UPGRADE
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.webhooks.tag_patterns import parse_tag_patterns

MAX_WEBHOOKS = 20  # of one service
SECRET_BYTES = 32
SECRET_PERMISSION = "keys"  # noqa: S105 - the name of a permission
_LIMITS = {"min_scale": "minScale", "max_scale": "maxScale", "step": "step", "tag_patterns": "tagPatterns"}
_BY_TASK = {SCALE: frozenset({"min_scale", "max_scale", "step"}), UPGRADE: frozenset({"tag_patterns"})}
_WIRE = {"name": "name", "description": "description", **_LIMITS}


class NewSecret(NamedTuple):
    """A webhook with its secret, which is shown this once."""

    row: DeployWebhook
    secret: str


def may_hold_secret(actor: Actor, environment_id: int) -> Verdict:
    """Whether the actor may be given a webhook's secret: it is a credential, as an API key is."""
    allowed = can(actor, "operate", environment_id)
    return can(actor, SECRET_PERMISSION, environment_id) if allowed else allowed


def _require_may_hold_secret(actor: Actor, environment_id: int) -> None:
    allowed = may_hold_secret(actor, environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)


def deploy_webhook_create(
    *, actor: Actor, service: Service, task: str, name: str = "", description: str = "", **limits: Any
) -> NewSecret:
    """A new webhook of a service, which acts as the actor; `limits` are `min_scale`, `max_scale`, `step` or
    `tag_patterns`, by its task.

    Raises `Forbidden`, `Invalid` (task, limits, a service that it is not possible for, too many).
    """
    _require_may_hold_secret(actor, service.environment_id)
    if task not in TASKS:
        raise Invalid("task", "InvalidOption", f"task is {', '.join(TASKS[:-1])} or {TASKS[-1]}.")
    if reason := unfit(service, task):
        raise Invalid("task", "InvalidOption", reason)
    columns = _check_limits(task, limits)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = DeployWebhook(
        environment_id=service.environment_id,
        service=service,
        task=task,
        name=name.strip() or task,
        description=description,
        secret=secret,
        **_acts_as(actor),
        **columns,
    )
    with transaction.atomic():
        Service.all_objects.select_for_update(no_key=True).get(pk=service.pk)  # whoever else counts them waits
        if DeployWebhook.all_objects.filter(service=service, removed=None).count() >= MAX_WEBHOOKS:
            why = f"{service.name} has {MAX_WEBHOOKS} deploy webhooks: remove one that is not needed any more."
            raise Invalid("serviceId", "MaxLimitExceeded", why)
        create(row, actor=actor, request=_describe({"task": task, "name": row.name, **columns}, service))
    return NewSecret(row, secret)


def _acts_as(actor: Actor) -> dict[str, Any]:
    return {"account": actor.user, "key": actor.api_key, "with_key": actor.api_key is not None}


def unfit(service: Service, task: str) -> str:
    """Why a webhook with this task makes no sense for the service; empty where it does."""
    if service.removal_requested:
        return f"{service.name} is being deleted."
    if not service.has_containers:
        return f"{service.name} has no containers of its own, which could be scaled or replaced."
    if task == SCALE:
        reason = _why_not_scaled(service)
        return f"{service.name} cannot be scaled: {reason}." if reason else ""
    return "" if service.kind == SERVICE else f"{service.name} is a balancer, whose image belongs to the portal."


def _why_not_scaled(service: Service) -> str:
    if is_global(service.config):
        return "it has one container on each host"
    if service.schedule:
        return "each of its runs is one container"
    return "it has as many containers as fit" if service.fit_policy is not None else ""


def _check_limits(task: str, given: Mapping[str, Any], row: DeployWebhook | None = None) -> dict[str, Any]:
    """The checked columns of limits, those that `row` has standing for what is not given. Raises `Invalid`."""
    sent = {name: value for name, value in given.items() if value is not None}
    known = _BY_TASK.get(task, frozenset())
    misplaced = next((name for name, value in sent.items() if name not in known and value not in ([], ())), None)
    if misplaced is not None:
        field = _LIMITS[misplaced]
        raise Invalid(field, "InvalidOption", f"{field} means nothing to a webhook with the task {task}: leave it out.")
    found: dict[str, Any] = {}
    if "tag_patterns" in sent and task == UPGRADE:
        found["tag_patterns"] = list(parse_tag_patterns(sent["tag_patterns"]))
    if task == SCALE:
        found |= _check_scale_limits(sent, row)
    return found


def _check_scale_limits(sent: Mapping[str, Any], row: DeployWebhook | None) -> dict[str, int]:
    if "max_scale" not in sent and row is None:
        raise Invalid("maxScale", "MissingRequired", "maxScale is required: how many containers it may ask for.")
    standing = {"min_scale": 1, "step": 1} if row is None else {name: getattr(row, name) for name in _BY_TASK[SCALE]}
    low = integer(0, MAX_SCALE)("minScale", sent.get("min_scale", standing["min_scale"]))
    high = integer(1, MAX_SCALE)("maxScale", sent.get("max_scale", standing.get("max_scale")))
    step = integer(1, MAX_SCALE)("step", sent.get("step", standing["step"]))
    if low > high:
        raise Invalid(
            "maxScale", "InvalidOption", f"maxScale is {high}, and minScale {low}: it must not be below that."
        )
    return {"min_scale": low, "max_scale": high, "step": step}


def _describe(columns: Mapping[str, Any], service: Service | None = None) -> dict[str, Any]:
    """What was requested, by the names of the API, for the audit log."""
    named = {_WIRE.get(name, name): value for name, value in columns.items()}
    return named if service is None else {**named, "service": service.name}


def deploy_webhook_update(row: DeployWebhook, *, actor: Actor, **changes: Any) -> DeployWebhook:
    """Change name, description or limits; the task stays. Raises `Invalid`, `Forbidden`, `StaleEdit`."""
    limits = {name: changes.pop(name) for name in _LIMITS if name in changes}
    columns = {name: value for name, value in changes.items() if value is not None}
    if "name" in columns:
        columns["name"] = text(high=255)("name", columns["name"]).strip() or row.task
    columns |= _check_limits(row.task, limits, row) if limits else {}
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    request_change(row, "update", actor=actor, changes=changed, request=_describe(changed))
    return row


def deploy_webhook_renew_secret(row: DeployWebhook, *, actor: Actor) -> NewSecret:
    """Give it another secret; the old one is refused from now on, and the webhook acts as the actor.

    Raises `Forbidden`, `ActionNotAvailable`.
    """
    _require_may_hold_secret(actor, row.environment_id)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    changes = {"secret": secret, "secret_changed": timezone.now(), **_acts_as(actor)}
    row.based_on = None  # a refusal would name what differs, and a secret must not be among that
    request_change(row, "renewsecret", actor=actor, changes=changes, request={"name": row.name})
    return NewSecret(row, secret)


def deploy_webhook_act(row: DeployWebhook, action: str, *, actor: Actor) -> DeployWebhook:
    """Activate, deactivate, remove or purge it. Raises `Forbidden`, `ActionNotAvailable`."""
    # Nothing can be signed for a removed one, also not by who reads a copy of the database and its key.
    changes = {"secret": ""} if action == "remove" else {}
    request_change(row, action, actor=actor, changes=changes)
    return row


def renewal(row: DeployWebhook, actor: Actor) -> Verdict:
    """Whether the actor may renew the secret now, and if not, why."""
    allowed = verdict(actor, "renewsecret", row)
    return may_hold_secret(actor, row.environment_id) if allowed else allowed
