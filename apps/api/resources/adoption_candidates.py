"""`adoptionCandidate` (not in Rancher's v1): what runs on hosts and could become a stack, previewed and adopted."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.adoption.candidates import Candidate, candidates_of, preview
from apps.adoption.compose_file import compose_file
from apps.adoption.plan import AdoptionPlan
from apps.adoption.services import adopt
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Action, Data, Link, Resource, find_resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.api.wire.serialize import serialize_row
from apps.core.ids import wire_id
from apps.environments.access import can
from apps.stacks.models import Stack


class AdoptInputResource(EmbeddedResource):
    """What the stack is to be called, and the `basis` of the preview that was looked at."""

    name = "adoptInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        basis string c 0..64
        name  string c 0..63
    """)


class AdoptionPreviewResource(EmbeddedResource):
    """What adopting would make of a project. With `obstacles` it cannot be; `dockerCompose` is what runs.

    With a `stackId` no stack is made: that one was imported, and takes the containers over.
    """

    name = "adoptionPreview"
    roles = READ_ONLY
    own_fields = parse_fields("""
        basis         string        r
        differences   json          r
        dockerCompose string        r
        notes         array[string] r
        obstacles     array[string] r
        services      json          r
        stackId       reference[environment] r
    """)


def _preview(caller: ApiCaller, row: Candidate, _data: Data) -> Data:
    plan = preview(caller.actor, row.host, row.kind, row.project)
    sees_values = bool(can(caller.actor, "values", row.environment_id))
    return {
        "type": "adoptionPreview",
        "links": {},
        "actions": {},
        "basis": plan.basis,
        "differences": [
            {"container": each.container, "field": each.field, "now": each.now or None, "later": each.later or None}
            for each in plan.differences
        ],
        "dockerCompose": compose_file(plan) if sees_values else None,
        "notes": list(plan.notes),
        "obstacles": list(plan.obstacles),
        "services": _services(plan),
        "stackId": wire_id("e", plan.stack) if plan.stack is not None else None,
    }


def _services(plan: AdoptionPlan) -> list[Data]:
    return [
        {
            "name": service.name,
            "active": service.is_active,
            "image": service.config.image,
            "containers": [
                {"id": wire_id("i", each.key), "name": each.name, "number": each.number, "state": each.state}
                for each in service.containers
            ],
            "networks": [each["name"] for each in service.networks],
        }
        for service in plan.services
    ]


def _adopt(caller: ApiCaller, row: Candidate, data: Data) -> Data:
    stack = adopt(
        actor=caller.actor,
        host=row.host,
        kind=row.kind,
        project=row.project,
        name=data.get("name") or "",
        basis=data.get("basis") or "",
    )
    resource = find_resource("environment")
    assert resource is not None  # noqa: S101 - a type of v1
    return serialize_row(resource, caller, Stack.objects.within(caller.environments()).get(pk=stack.pk))


class AdoptionCandidateResource(Resource):
    """A compose project, a stack of Rancher's or a single container that somebody else made, on one host."""

    name = "adoptionCandidate"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        accountId    reference[account]          r <environment_id
        containerIds array[reference[container]] r
        hostId       reference[host]             r <host_id
        kind         string                      r <kind
        name         string                      r <project
        running      int                         r <running
        services     map[int]                    r
    """)
    computed = {
        "containerIds": lambda context: [wire_id("i", each.pk) for each in context.row.containers],
        "services": lambda context: {name: len(rows) for name, rows in context.row.services.items()},
    }
    custom_actions = {
        "adopt": Action(_adopt, "adoptInput", "environment"),
        "preview": Action(_preview, output="adoptionPreview"),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "host": Link("host", attribute="host_id"),
    }

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Candidate]:  # noqa: ARG002 - the base's signature
        """What the caller's environments could adopt."""
        return candidates_of(caller.actor, *caller.environments())

    def find(self, caller: ApiCaller, key: int | str | None) -> Candidate | None:
        """The one with this key: kind, host and project."""
        return next((each for each in self.list_rows(caller, QueryDict()) if each.pk == key), None)

    def kind_of(self, row: Any) -> str:
        """Compose, Rancher or a single container."""
        return str(row.kind)
