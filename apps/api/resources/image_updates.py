"""Newer images: what is known of them (`imageUpdate`), and what is done about them (`imageUpdatePolicy`). Not in v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Action, Data, Link, Resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.stacks.models import Service
from apps.stacks.updates.image_upgrades import image_update_apply
from apps.stacks.updates.models import ImageUpdate
from apps.stacks.updates.selectors import image_updates_of, update_views
from apps.stacks.updates.services import image_check


class ImageUpdatePolicyResource(EmbeddedResource):
    """What a service does about newer images; upgrades begin in the window, `from` to `to` on `days`."""

    name = "imageUpdatePolicy"
    plural = "imageUpdatePolicies"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        days     string cu 1..60
        from     string cu 5..5
        mode     enum   cu * :notify|upgrade|never
        timeZone string cu 1..100
        to       string cu 5..5
    """)


def apply_updates(caller: ApiCaller, row: Service, _data: Data) -> None:
    """Upgrade a service to the newest images that are known."""
    image_update_apply(row, actor=caller.actor)


def _check(caller: ApiCaller, row: ImageUpdate, _data: Data) -> None:
    image_check([row], actor=caller.actor, environment_id=row.environment_id)


class ImageUpdateResource(Resource):
    """An image that a service, or a container of none, runs, and whether its registry has a newer one."""

    name = "imageUpdate"
    model = ImageUpdate
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account]   r <environment_id
        checkedAt             date                 r
        digest                string               r
        failure               string               r
        image                 string               r <image
        instanceId            reference[instance]  r <container_id
        kind                  string               r
        lastUpgrade           enum                 r :going|asked|stopped|finished|rolled-back|replaced|refused
        lastUpgradeMessage    string               r
        newerSince            date                 r <since
        nextCheckAt           date                 r
        policy                imageUpdatePolicy    r
        reason                string               r
        runningDigest         string               r
        serviceId             reference[service]   r <service_id
        state                 enum                 r ~ <state
        transitioning         enum                 r ~ :yes|no|error
        transitioningMessage  string               r
        transitioningProgress int                  r
    """)
    computed = {
        **{name: each for name, each in ALWAYS_ACTIVE.items() if name != "state"},
        "checkedAt": lambda context: context.extra.checked_at,
        "digest": lambda context: context.row.digest or None,
        "failure": lambda context: context.extra.failure or None,
        "lastUpgrade": lambda context: context.extra.upgrade.outcome if context.extra.upgrade else None,
        "lastUpgradeMessage": lambda context: context.extra.upgrade.message or None if context.extra.upgrade else None,
        "nextCheckAt": lambda context: context.extra.next_check,
        "policy": lambda context: {"type": "imageUpdatePolicy", **context.extra.policy.to_json()},
        "reason": lambda context: context.row.reason or None,
        "runningDigest": lambda context: context.row.running or None,
    }
    custom_actions = {"check": Action(_check, permission="operate")}
    links = {
        "service": Link("service", attribute="service_id"),
        "instance": Link("container", attribute="container_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the environments that the caller sees."""
        return image_updates_of(caller.environments())

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - the base's
        """When each is looked for next, and what its policy did."""
        by_environment: dict[int, list[ImageUpdate]] = {}
        for row in rows:
            by_environment.setdefault(row.environment_id, []).append(row)
        views = [view for key, each in by_environment.items() for view in update_views(each, key)]
        return {view.update.pk: view for view in views}
