"""`serviceRevision`: what a service was made from at one time, and going back to it. Not in v1."""

from __future__ import annotations

from typing import Any

from apps.api.resources import launch
from apps.api.resources.secret_values import sees_values
from apps.api.resources.stack_upgrades import serialize_difference, serialize_replaced
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Data, Link, Resource, RowContext
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.core.texts import labeled
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.service_returns import ReturnDraft, preview_service_return, service_return_to
from apps.stacks.sidekicks import shown
from apps.stacks.stack_plan import UPGRADE
from apps.stacks.upgrade_strategy import UpgradeStrategy


class ReturnToRevisionInputResource(EmbeddedResource):
    """Which revision to go back to, and how."""

    name = "returnToRevisionInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        revision        int     c * 1..
        batchSize       int     c =1 1..1000
        intervalMillis  int     c =2000 100..86400000
        minReadySeconds int     c 0..3600
        startFirst      boolean c =false
        note            string  c 0..500
        preview         boolean c =false
    """)


def return_to_revision(caller: ApiCaller, row: Service, data: Data) -> Data | None:
    """Upgrade the service to what the revision was, as a new one, or answer what that would do. Raises `Invalid`."""
    strategy = UpgradeStrategy(
        data.get("batchSize") or 1,
        data.get("intervalMillis") or 2000,
        bool(data.get("startFirst")),
        min_ready=data.get("minReadySeconds"),
    )
    if data.get("preview"):
        return _serialize_draft(preview_service_return(row, data["revision"], actor=caller.actor, strategy=strategy))
    service_return_to(row, data["revision"], actor=caller.actor, strategy=strategy, note=data.get("note") or "")
    return None


def _serialize_draft(draft: ReturnDraft) -> Data:
    """What the return would do, as the preview of a stack with this one service."""
    unit = [draft.revision.config, *(each.config for each in draft.revision.sidekicks)]
    is_upgrade = draft.what == UPGRADE
    step = {
        "name": draft.row.name,
        "change": draft.what,
        "containers": list(draft.containers),
        "differences": [serialize_difference(each) for each in draft.differences],
        "problem": draft.problem or None,
        "replaced": serialize_replaced(draft.replaced),
        "starts": draft.starts,
        "strategy": dict(draft.upgrade.settings) if draft.upgrade is not None else None,
        "images": list(dict.fromkeys(each.image for each in unit)) if is_upgrade else [],
        "labels": dict(unit[0].labels) if is_upgrade else {},
    }
    return {
        "type": "stackUpgradePreview",
        "links": {},
        "actions": {},
        "basedOn": None,
        "problems": [labeled(draft.row.name, draft.problem)] if draft.problem else [],
        "services": [step],
        "warnings": [labeled(draft.row.name, text) for text in draft.warnings],
    }


def _config(context: RowContext) -> Data:
    config = shown(context.row.service.name, context.row.config)
    return {"type": "launchConfig", **launch.serialize_given(config, values=_sees_values(context))}


def _sidekicks(context: RowContext) -> list[Data]:
    row = context.row
    return launch.serialize_sidekicks(row.service.name, row.sidekicks, values=_sees_values(context))


def _sees_values(context: RowContext) -> bool:
    return sees_values(context, "service.environment_id")


def _verdict(row: ServiceRevision) -> Data | None:
    """How the service's upgrades are judged, or were until another revision took its place."""
    source = row.service if row.number == row.service.revision else row
    return source.verdict_settings or None


class ServiceRevisionResource(Resource):
    """What the containers of a service were to be made from at one time: immutable, numbered from 1."""

    name = "serviceRevision"
    model = ServiceRevision
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account] r <service__environment_id
        created               date               r <created
        createdBy             string             r
        current               boolean            r
        imageId               string             r <image_id
        kind                  string             r
        launchConfig          launchConfig       r
        note                  string             r <note
        number                int                r <number
        secondaryLaunchConfigs array[secondaryLaunchConfig] r
        serviceId             reference[service] r <service_id
        state                 enum               r ~
        transitioning         enum               r ~ :yes|no|error
        transitioningMessage  string             r
        transitioningProgress int                r
        upgradeVerdict        upgradeVerdict     r
        via                   string             r <via
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "createdBy": lambda context: str(context.row.account) if context.row.account else None,
        "current": lambda context: context.row.number == context.row.service.revision,
        "launchConfig": _config,
        "secondaryLaunchConfigs": _sidekicks,
        "upgradeVerdict": lambda context: _verdict(context.row),
    }
    links = {"service": Link("service", attribute="service_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The revisions of the services the caller sees."""
        found = ServiceRevision.objects.filter(service__environment__in=caller.environments(), service__removed=None)
        return found.select_related("service", "account")
