"""`serviceRevision`: what a service was made from at one time, and going back to it. Not in v1."""

from __future__ import annotations

from typing import Any

from apps.api.resources import launch
from apps.api.resources.secret_values import sees_values
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Data, Link, Resource, RowContext
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.core.errors import Invalid
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.sidekicks import shown
from apps.stacks.upgrade_services import service_return_to
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


def return_to_revision(caller: ApiCaller, row: Service, data: Data) -> None:
    """Upgrade the service to what the revision was, as a new one. Raises `Invalid`.

    A stack's action of this name has a preview; who asks for one here must not get the upgrade itself.
    """
    if data.get("preview"):
        why = "A service's return to a revision has no preview: compare its revisions (link revisions), or preview its"
        raise Invalid("preview", "InvalidOption", f"{why} stack's return; leave preview out to begin the upgrade.")
    strategy = UpgradeStrategy(
        data.get("batchSize") or 1,
        data.get("intervalMillis") or 2000,
        bool(data.get("startFirst")),
        min_ready=data.get("minReadySeconds"),
    )
    service_return_to(row, data["revision"], actor=caller.actor, strategy=strategy, note=data.get("note") or "")


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
