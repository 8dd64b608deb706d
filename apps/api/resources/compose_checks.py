"""`composeCheck` (not in Rancher's v1): compose files read as a new stack's would be, and nothing made of them."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource, RowContext
from apps.api.wire.roles import USER_INPUT
from apps.stacks.compose_check import ComposeCheck, compose_check


def _services(context: RowContext) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "kind": each.options.kind,
            "image": each.config.image or None,
            "scale": each.scale,
            "sidekicks": [name for name, _config in each.sidekicks],
        }
        for each in context.row.services
    ]


class ComposeCheckResource(Resource):
    """What compose files would become: services, warnings, certificates and other stacks that they need.

    Files that would be refused are refused in the same words. Nothing is kept: there is none to be listed.
    """

    name = "composeCheck"
    roles = USER_INPUT
    sortable = False
    own_fields = parse_fields("""
        name                string             c  <name * 1..63
        dockerCompose       string             c  *
        rancherCompose      string             c
        environment         map[string]        c
        accountId           reference[account] r <environment_id
        missingCertificates array[string]      r
        services            json               r
        servicesElsewhere   array[string]      r
        undeclaredVolumes   array[string]      r
        warnings            array[string]      r
    """)
    computed = {
        "name": lambda context: None,  # noqa: ARG005 - read once, and not kept, as all that is sent
        "dockerCompose": lambda context: None,  # noqa: ARG005
        "rancherCompose": lambda context: None,  # noqa: ARG005
        "environment": lambda context: None,  # noqa: ARG005
        "missingCertificates": lambda context: list(context.row.certificates),
        "services": _services,
        "servicesElsewhere": lambda context: list(context.row.services_elsewhere),
        "undeclaredVolumes": lambda context: list(context.row.undeclared_volumes),
        "warnings": lambda context: list(context.row.warnings),
    }

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[ComposeCheck]:  # noqa: ARG002 - the base's signature
        """None: nothing is kept."""
        return []

    def find(self, caller: ApiCaller, key: int | str | None) -> ComposeCheck | None:  # noqa: ARG002 - the base's signature
        """None, for the same reason."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> ComposeCheck:
        """Read the files."""
        return compose_check(
            actor=caller.actor,
            environment=caller.environment,
            name=data["name"],
            docker_compose=data["dockerCompose"],
            rancher_compose=data.get("rancherCompose") or "",
            variables=data.get("environment") or {},
        )
