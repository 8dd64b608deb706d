"""What the console does with a row, as requests of the API to be copied into scripts, playbooks and terminals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components.buttons import ACTION_LABELS, KIND_NAMES, Text, api_url
from apps.console.request_context import RequestContext, member_required
from apps.containers.models import Container
from apps.core.ids import wire_id
from apps.core.models import Managed
from apps.core.request_snippets import ApiRequest, Snippet, snippets_of
from apps.environments.access import verdict
from apps.hosts.models import Host
from apps.hosts.selectors import portal_base_url
from apps.stacks.models import Service, Stack

KINDS_WITH_REQUESTS: dict[str, Any] = {each.KIND: each for each in (Stack, Service, Container, Host)}
_COMMANDS = {
    "container": {"start": "start", "stop": "stop", "restart": "restart", "remove": "rm"},
    "service": {
        "activate": "start",
        "deactivate": "stop",
        "restart": "restart",
        "rollback": "rollback",
        "remove": "rm",
    },
    "stack": {"rollback": "rollback", "remove": "rm"},
    "host": {"activate": "start", "deactivate": "stop", "remove": "rm"},
}
"""What `corral` calls the actions that it has a command for."""
_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("service", "restart"): {"rollingRestartStrategy": {"batchSize": 1, "intervalMillis": 2000}},
}


@dataclass(frozen=True, slots=True)
class RowRequest:
    """One request with what it does, and how to write it down."""

    title: Text
    snippets: list[Snippet]


@member_required
def row_requests(ctx: RequestContext, pk: int, kind: str) -> HttpResponse:
    """The dialog with all of them."""
    row = ctx.get_or_404(KINDS_WITH_REQUESTS[kind].objects.within([ctx.env.pk]).filter(removed=None), pk)
    context = {"row": row, "requests": list(requests_for(ctx, row)), "api_url": api_url(row)}
    return ctx.render("console/row_requests.html", context)


def requests_for(ctx: RequestContext, row: Managed) -> Iterator[RowRequest]:
    """Reading the row, and every action that the caller may perform on it now."""
    url = portal_base_url(ctx.request.build_absolute_uri("/")).rstrip("/") + api_url(row)
    name = row.name or wire_id(KIND_NAMES[row.KIND][2], row.pk)
    read = ApiRequest("GET", url, command=("inspect", *_meant(ctx, row)), title=f"Read {name}")
    yield RowRequest(_("Read it"), snippets_of(read))
    for action, (label, _icon) in ACTION_LABELS[row.KIND].items():
        if verdict(ctx.actor, action, row):
            yield RowRequest(label, snippets_of(_request(ctx, row, action, url, f"{label} {name}")))
    if row.KIND == "service" and verdict(ctx.actor, "update", row):
        scale = row.scale  # type: ignore[attr-defined]
        command = ("scale", f"{row.stack.name}/{row.name}={scale}", "--env", ctx.env.name)  # type: ignore[attr-defined]
        scaled = ApiRequest("PUT", url, {"scale": scale}, command, f"Scale {name}")
        yield RowRequest(_("Scale"), snippets_of(scaled))


def _request(ctx: RequestContext, row: Managed, action: str, url: str, title: str) -> ApiRequest:
    word = _COMMANDS[row.KIND].get(action)
    command = (word, *_meant(ctx, row)) if word else ()
    if action == "update":
        return ApiRequest("PUT", url, {"name": row.name, "description": row.description}, command, title)
    if action == "remove":
        return ApiRequest("DELETE", url, None, command, title)
    return ApiRequest("POST", f"{url}/?action={action}", _BODIES.get((row.KIND, action)), command, title)


def _meant(ctx: RequestContext, row: Managed) -> tuple[str, ...]:
    """How `corral` is told which row is meant: by its id, which no other row gets when this one is renamed."""
    return (wire_id(KIND_NAMES[row.KIND][2], row.pk), "--type", row.KIND, "--env", ctx.env.name)
