"""`project`, which has stacks in v2-beta and says its orchestration, and `projectTemplate`, of which there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.api.resources.projects import ProjectResource
from apps.api.v2beta.derive import later_actions, later_fields, later_links
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Resource
from apps.api.wire.roles import READ_ONLY

ORCHESTRATION = "cattle"
"""Rancher's own word for containers without Kubernetes, Mesos or Swarm: the only kind of environment here."""


class V2ProjectResource(ProjectResource):
    """An environment."""

    name = "project"
    dialect = V2_BETA
    own_fields = later_fields(
        ProjectResource.own_fields,
        parse_fields("""
            orchestration     string                     r ~
            projectTemplateId reference[projectTemplate] r
        """),
    )
    computed = {**ProjectResource.computed, "orchestration": lambda _context: ORCHESTRATION}
    custom_actions = later_actions(ProjectResource.custom_actions)
    links = later_links(ProjectResource.links, environments="stacks")


@dataclass(frozen=True, slots=True)
class ProjectTemplate:
    """What environments are made from."""

    pk: int
    name: str
    description: str


TEMPLATE = ProjectTemplate(1, "Cattle", "Containers on Docker engines")


class ProjectTemplateResource(Resource):
    """What environments are made from: the command line looks for the one called Cattle before it makes any."""

    name = "projectTemplate"
    dialect = V2_BETA
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        name                 string  r <name
        description          string  r <description
        isPublic             boolean r =true ~
        state                enum    r ~
        transitioning        enum    r :yes|no|error ~
        transitioningMessage string  r
    """)
    computed = ALWAYS_ACTIVE

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """The one, unless another name was asked for."""
        return [TEMPLATE] if set(query_params.getlist("name")) <= {TEMPLATE.name} else []

    def find(self, caller: ApiCaller, key: int | str | None) -> ProjectTemplate | None:  # noqa: ARG002 - as above
        """The one."""
        return TEMPLATE if key == TEMPLATE.pk else None
