"""Stacks: the list with its services, one stack, and what is done with them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console import buttons
from apps.console.door import Visit, inside, posted
from apps.console.lines import HEAVY, Line, lines
from apps.console.listing import listing, ordered, words
from apps.console.renaming import rename
from apps.control.models import Operation
from apps.core.errors import Invalid, Problem
from apps.environments.access import verdict
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import stack_export, stacks_of
from apps.stacks.services import stack_act, stack_create, stack_services_act, stack_update

COLUMNS = {"name": "name", "state": "shown", "created": "created"}


@inside
def index(visit: Visit) -> HttpResponse:
    """The list."""
    asked = words(visit.request, "q", "state")
    rows = stacks_of(visit.actor, visit.env.pk).defer(*HEAVY)
    if asked["q"]:
        by_service = Service.objects.within([visit.env.pk]).filter(removed=None, name__icontains=asked["q"])
        rows = rows.filter(Q(name__icontains=asked["q"]) | Q(pk__in=by_service.values("stack")))
    if asked["state"]:
        rows = rows.filter(shown=asked["state"])
    page = listing(visit.request, ordered(rows, visit.request.GET.get("sort", ""), COLUMNS, by_health=True), asked)
    by_stack = lines(visit, stack__in=[row.pk for row in page.rows])
    shown = [(row, by_stack.get(row.pk, [])) for row in page.rows]
    return visit.show("console/stacks.html", {"page": page, "shown": shown, "add": _add(visit)})


def _add(visit: Visit) -> buttons.Button:
    return buttons.plain(gettext_lazy("Add stack"), "plus", visit.url("stack-new"), visit.can("operate"))


def find(visit: Visit, pk: int) -> Stack:
    """A stack of this environment."""
    return visit.row(stacks_of(visit.actor, visit.env.pk), pk)


@inside
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One stack: its services and links."""
    row = find(visit, pk)
    services = lines(visit, stack=row).get(row.pk, [])
    add = buttons.plain(
        gettext_lazy("Add service"), "plus", visit.url("service-new", stack=row.pk), visit.can("operate")
    )
    bulk = [_bulk(visit, row, "activate", services), _bulk(visit, row, "deactivate", services)]
    return visit.show("console/stack.html", {"row": row, "services": services, "add": add, "bulk": bulk})


def _bulk(visit: Visit, row: Stack, action: str, services: list[Line]) -> buttons.Button:
    """Start or stop all: grey when there is nothing to do."""
    labels = {
        "activate": (gettext_lazy("Start all"), "player-play"),
        "deactivate": (gettext_lazy("Stop all"), "player-stop"),
    }
    allowed = visit.can("operate")
    able = [line for line in services if verdict(visit.actor, action, line.service)]
    reason = allowed.reason or ("" if able else _("No service is in a state for this."))
    url = visit.url("stack-all", pk=row.pk, action=action)
    return buttons.Button(action, *labels[action], url, bool(allowed and able), reason)


@inside
def compose(visit: Visit, pk: int) -> HttpResponse:
    """The stack as compose files, to read or (with `file`) to keep."""
    row = find(visit, pk)
    allowed = visit.can("values")
    files: tuple[str, str] = stack_export(visit.actor, row) if allowed else ("", "")
    names = ("docker-compose.yml", "rancher-compose.yml")
    wanted = visit.request.GET.get("file", "")
    if wanted in names and allowed:
        response = HttpResponse(files[names.index(wanted)], content_type="application/yaml; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{wanted}"'
        return response
    context = {"row": row, "files": list(zip(names, files, strict=True)), "reason": allowed.reason}
    return visit.show("console/stack_compose.html", context)


@inside
def activity(visit: Visit, pk: int) -> HttpResponse:
    """What was asked of the stack and of its services."""
    row = find(visit, pk)
    services = Service.objects.within([visit.env.pk]).filter(stack=row).values("pk")
    mine = Q(kind="environment", target=row.pk) | Q(kind="service", target__in=services)
    rows = Operation.objects.within([visit.env.pk]).filter(mine).select_related("account")[:50]
    return visit.show("console/stack_activity.html", {"row": row, "operations": rows})


@inside
def new(visit: Visit) -> HttpResponse:
    """Add a stack, empty or from compose files."""
    visit.need("operate")
    posted_values = visit.request.POST
    errors: dict[str, str] = {}
    if visit.request.method == "POST":
        try:
            row = stack_create(
                actor=visit.actor,
                environment=visit.env,
                name=posted_values.get("name", "").strip(),
                description=posted_values.get("description", "").strip(),
                docker_compose=_file(visit, "dockerCompose"),
                rancher_compose=_file(visit, "rancherCompose"),
                start_on_create=bool(posted_values.get("start")),
            )
            return visit.done(_("Stack %(name)s was added.") % {"name": row.name}, buttons.address(row, ""))
        except (Invalid, Problem) as problem:
            errors = {_field(problem): problem.message}
    context = {"values": posted_values, "errors": errors}
    return visit.show("console/stack_new.html", context, status=422 if errors else 200)


def _field(problem: Problem) -> str:
    name = str(problem.field or "").partition(".")[0]
    return name if name in {"name", "description", "rancherCompose"} else "dockerCompose"


def _file(visit: Visit, name: str) -> str:
    """What was pasted, or else the file that was chosen."""
    pasted = visit.request.POST.get(name, "").replace("\r\n", "\n")
    upload = visit.request.FILES.get(f"{name}File")
    if pasted.strip() or upload is None or isinstance(upload, list):
        return pasted if pasted.strip() else ""
    try:
        return bytes(upload.read(1024 * 1024)).decode()
    except UnicodeDecodeError:
        raise Invalid(name, "InvalidFormat", _("This file is no text in UTF-8.")) from None


@inside
@posted
def check(visit: Visit) -> HttpResponse:
    """What a compose text would make, or what is wrong in which line; asked while it is typed."""
    from apps.stacks.compose import parse

    visit.need("operate")
    text, more = _file(visit, "dockerCompose"), _file(visit, "rancherCompose")
    context: dict[str, Any] = {"text": text}
    if text:
        try:
            context["parsed"] = parse(text, more, {})
        except Problem as problem:
            context["problem"] = problem
    return visit.show("console/parts/compose_check.html", context)


@inside
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Rename or describe a stack."""
    return rename(visit, find(visit, pk), stack_update)


@inside
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what goes with it; then delete."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        stack_act(row, "remove", actor=visit.actor)
        return visit.done(_("Deleting stack %(name)s.") % {"name": row.name}, visit.url("stacks"))
    services = lines(visit, stack=row).get(row.pk, [])
    goes = [
        _("service %(name)s with %(count)d containers") % {"name": line.service.name, "count": line.total}
        for line in services
    ]
    return visit.show("console/remove.html", {"row": row, "goes": goes, "kind": _("stack")})


@inside
@posted
def services_all(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Start or stop every service of a stack."""
    row = find(visit, pk)
    if action not in {"activate", "deactivate"}:
        raise Problem(_("There is no such action."), status=404)
    stack_services_act(row, action, actor=visit.actor)
    told = _("Starting all services of %(name)s.") if action == "activate" else _("Stopping all services of %(name)s.")
    return visit.done(told % {"name": row.name})
