"""`deployWebhook` (not in Rancher's v1): what a service can have done to it by a signed call, and nothing else."""

from __future__ import annotations

from typing import Any

from apps.api.resources.parts import collection_of, part_id
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import Action, Data, Link, Resource, RowContext
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number, wire_id
from apps.environments.access import Verdict
from apps.hosts.selectors import portal_base_url
from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.webhooks.receiving import calls_of
from apps.stacks.webhooks.retention import KEPT
from apps.stacks.webhooks.selectors import deploy_webhooks_of, receiver_path
from apps.stacks.webhooks.services import (
    deploy_webhook_act,
    deploy_webhook_create,
    deploy_webhook_renew_secret,
    deploy_webhook_update,
    renewal,
)

_CHANGES = {
    "name": "name",
    "description": "description",
    "min_scale": "minScale",
    "max_scale": "maxScale",
    "step": "step",
    "tag_patterns": "tagPatterns",
}


class DeployWebhookSecretResource(EmbeddedResource):
    """A webhook's new secret, which is in this answer and nowhere else."""

    name = "deployWebhookSecret"
    roles = READ_ONLY
    own_fields = parse_fields("""
        secret string r
        url    string r
    """)


class DeployWebhookCallResource(EmbeddedResource):
    """One call that was signed with the secret: what it asked for, and how it was answered."""

    name = "deployWebhookCall"
    roles = READ_ONLY
    own_fields = parse_fields("""
        address   string    r
        created   date      r
        message   string    r
        outcome   enum      r :accepted|refused
        request   map[json] r
        webhookId reference[deployWebhook] r
    """)


def _url(caller: ApiCaller, row: DeployWebhook) -> str:
    return portal_base_url(caller.base) + receiver_path(row)


def _renew(caller: ApiCaller, row: DeployWebhook, _data: Data) -> Data:
    made = deploy_webhook_renew_secret(row, actor=caller.actor)
    return {
        "type": "deployWebhookSecret",
        "links": {},
        "actions": {},
        "secret": made.secret,
        "url": _url(caller, row),
    }


def _calls(caller: ApiCaller, row: DeployWebhook) -> Data:  # noqa: ARG001 - the signature of links
    items = [
        {
            "id": part_id("deployWebhookCall", row, each.pk),
            "webhookId": wire_id("dw", row.pk),
            "created": each.at,
            "address": each.address or None,
            "outcome": each.outcome,
            "request": each.request,
            "message": each.message or None,
        }
        for each in calls_of(row, KEPT)
    ]
    return collection_of("deployWebhookCall", items)


def _creator(context: RowContext) -> str | None:
    return str(context.row.account) if context.row.account is not None else None


class DeployWebhookResource(Resource):
    """A webhook of a service; its secret is in the answer that creates it, and in that of `renewsecret`."""

    name = "deployWebhook"
    model = DeployWebhook
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cud"})
    own_fields = parse_fields("""
        actsAs       string             r
        lastUsed     date               r  <last_used
        maxScale     int                cu <max_scale 1..1000
        minScale     int                cu <min_scale 0..1000
        refusedAt    date               r  <refused_at
        refusedCalls int                r  <refusals
        secret       password           r  !
        serviceId    reference[service] cr <service_id *
        step         int                cu <step 1..1000
        tagPatterns  array[string]      cu
        task         enum               cr <task * :scale|upgrade|redeploy
        url          string             r
    """)
    computed = {
        "actsAs": _creator,
        "secret": lambda _context: None,
        "tagPatterns": lambda context: list(context.row.tag_patterns),
        "url": lambda context: _url(context.caller, context.row),
    }
    custom_actions = {"renewsecret": Action(_renew, output="deployWebhookSecret")}
    links = {
        "account": Link("project", attribute="environment_id"),
        "calls": Link(call=_calls),
        "service": Link("service", attribute="service_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of services in the environments that the caller sees."""
        return deploy_webhooks_of(caller.environments())

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Make one; the secret is in this answer only."""
        environment = caller.require_environment()
        services = Service.objects.within([environment.pk]).filter(removed=None).select_related("stack", "environment")
        service = services.filter(pk=row_number(data["serviceId"]) or 0).first()
        if service is None:
            why = f"There is no service {data['serviceId'][:40]!r} in this environment."
            raise Invalid("serviceId", "InvalidReference", why)
        made = deploy_webhook_create(actor=caller.actor, service=service, task=data["task"], **pick(data, **_CHANGES))
        return made.row, {"secret": made.secret}

    def update(self, caller: ApiCaller, row: DeployWebhook, data: Data) -> None:
        """Change name, description and limits."""
        deploy_webhook_update(row, actor=caller.actor, **pick(data, **_CHANGES))

    def act(self, caller: ApiCaller, row: DeployWebhook, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        deploy_webhook_act(row, action, actor=caller.actor)

    def verdict(self, caller: ApiCaller, row: DeployWebhook, action: str) -> Verdict:
        """The same; the secret is given to those only who may have keys."""
        return renewal(row, caller.actor) if action == "renewsecret" else super().verdict(caller, row, action)
