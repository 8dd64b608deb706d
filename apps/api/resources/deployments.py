"""`deployment` (not in Rancher's v1): what runs where, a service of an environment each; also as CSV or JSON file."""

from __future__ import annotations

from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Link, Resource
from apps.api.wire.roles import READ_ONLY
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.core.streams import streaming_download
from apps.environments.selectors import environments_by_id
from apps.stacks.deployments import (
    CONTENT_TYPES,
    Application,
    Deployment,
    MatrixFilters,
    deployments_of,
    export_matrix,
    matrix_of,
)

MAX_TEXT = 200


def _matrix(caller: ApiCaller, query_params: QueryDict) -> list[Application]:
    """The matrix that the query asks for: `q`, `reference` (a project's id), `differences=true`."""
    keys = caller.environments()
    wanted = query_params.get("reference", "")
    reference = row_number(wanted) if wanted else None
    if wanted and reference not in keys:
        raise Invalid("reference", "InvalidReference", f"There is no environment {wanted[:40]!r}.")
    filters = MatrixFilters(
        query_params.get("q", "")[:MAX_TEXT],
        reference=reference,
        only_differences=query_params.get("differences", "").lower() == "true",
    )
    order = [row.pk for row in environments_by_id(keys)]
    return matrix_of(deployments_of(caller.actor, keys), order, filters)


def _cells(rows: list[Application]) -> list[Deployment]:
    return [each for row in rows for each in row.cells if each is not None]


class DeploymentResource(Resource):
    """What one service runs in one environment; its differences from the others that the caller sees."""

    name = "deployment"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        accountId      reference[account]     r <environment_id
        application    string                 r <application
        created        date                   r <deployed_at
        deployedBy     string                 r
        difference     enum                   r :version|image
        digest         string                 r
        environment    string                 r <environment
        environmentId  reference[environment] r <stack_id
        healthState    string                 r <health
        image          string                 r <image
        imageId        string                 r
        note           string                 r
        projectId      reference[project]     r <environment_id
        revision       int                    r <revision
        service        string                 r <service
        serviceId      reference[service]     r <service_id
        serviceState   string                 r <state
        stack          string                 r <stack
        stackRevision  int                    r
        state          enum                   r ~
        tag            string                 r
        transitioning  enum                   r ~ :yes|no|error
        transitioningMessage  string          r
        transitioningProgress int             r
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "deployedBy": lambda context: context.row.deployed_by or None,
        "difference": lambda context: context.row.difference or None,
        "digest": lambda context: context.row.digest or None,
        "imageId": lambda context: context.row.image_id or None,
        "note": lambda context: context.row.note or None,
        "stackRevision": lambda context: context.row.stack_revision or None,
        "tag": lambda context: context.row.tag or None,
    }
    links = {
        "project": Link("project", attribute="environment_id"),
        "environment": Link("environment", attribute="stack_id"),
        "service": Link("service", attribute="service_id"),
    }

    def key_of(self, row: Deployment) -> int:
        """The service's key."""
        return row.service_id

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Deployment]:
        """The deployments that match, by application and environment."""
        return _cells(_matrix(caller, query_params))

    def find(self, caller: ApiCaller, key: int | str | None) -> Deployment | None:
        """The deployment of the service with this key."""
        found = _cells(_matrix(caller, QueryDict())) if isinstance(key, int) else []
        return next((each for each in found if each.service_id == key), None)

    def download(
        self, caller: ApiCaller, request: HttpRequest, query_params: QueryDict
    ) -> StreamingHttpResponse | None:
        """The matrix as a file, with `export=csv` or `export=json`."""
        kind = query_params.get("export")
        if kind is None:
            return None
        if kind not in CONTENT_TYPES:
            raise Invalid("export", "InvalidOption", f"export must be one of: {', '.join(CONTENT_TYPES)}.")
        lines = export_matrix(_matrix(caller, query_params), kind)
        return streaming_download(request, f"deployments.{kind}", CONTENT_TYPES[kind], lines)
