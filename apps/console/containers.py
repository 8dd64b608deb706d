"""Containers: the list, the page with its logs and shell, the form, and what is done with them."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console import buttons
from apps.console.door import Visit, inside, posted
from apps.console.listing import listing, natural, ordered, words
from apps.console.renaming import rename
from apps.containers.models import Container
from apps.containers.selectors import containers_of, endpoints
from apps.containers.services import container_act, container_update
from apps.control.models import Operation
from apps.control.services import record
from apps.core.errors import Problem
from apps.hosts.models import Host

COLUMNS = {
    "name": "name",
    "state": "shown",
    "image": "image",
    "host": "host__name",
    "address": "address",
    "created": "created",
}
_HEAVY = (
    "spec", "placement", "tags", "host__tls", "host__info", "host__engine_labels", "slot__service__spec",
    "slot__service__metadata", "slot__service__stack__docker_compose", "slot__service__stack__rancher_compose",
    "slot__service__stack__variables",
)  # fmt: skip
SHELLS = ("/bin/sh", "/bin/bash", "/bin/ash")


def light(rows: QuerySet[Container]) -> QuerySet[Container]:
    """Containers with host, service and stack, without what only their own page needs."""
    return rows.select_related("host", "slot__service__stack").defer(*_HEAVY)


def narrowed(rows: QuerySet[Container], asked: dict[str, str]) -> QuerySet[Container]:
    """Only what the filters ask for."""
    text = asked.get("q")
    if text:
        found = Q(name__icontains=text) | Q(image__icontains=text) | Q(address=text) | Q(external_id__startswith=text)
        rows = rows.filter(found)
    if asked.get("state"):
        rows = rows.filter(shown=asked["state"])
    if asked.get("image"):
        rows = rows.filter(image__icontains=asked["image"])
    if asked.get("host", "").isdigit():
        rows = rows.filter(host=int(asked["host"]))
    if asked.get("kind") == "standalone":
        rows = rows.filter(slot=None)
    return rows


@inside
def index(visit: Visit) -> HttpResponse:
    """The list."""
    asked = words(visit.request, "q", "state", "host", "image", "kind")
    everything = containers_of(visit.actor, visit.env.pk)
    rows = light(narrowed(everything, asked))
    page = listing(visit.request, ordered(rows, visit.request.GET.get("sort", ""), COLUMNS), asked)
    for row in page.rows:
        row.reached = endpoints(row)
    states = everything.order_by().values_list("shown").annotate(count=Count("pk"))
    hosts = Host.objects.within([visit.env.pk]).filter(removed=None).order_by(*natural("name"))
    context = {
        "page": page,
        "states": sorted(states, key=lambda pair: -pair[1]),
        "hosts": list(hosts.values_list("pk", "name")),
        "add": buttons.plain(gettext_lazy("Add container"), "plus", visit.url("container-new"), visit.can("operate")),
    }
    return visit.show("console/containers.html", context)


def find(visit: Visit, pk: int) -> Container:
    """A container of this environment."""
    rows = containers_of(visit.actor, visit.env.pk).select_related("host", "slot__service__stack")
    return visit.row(rows.defer(*(name for name in _HEAVY if "__" in name)), pk)


@inside
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One container: facts, charts, ports, mounts, values, labels, why it is where it is."""
    row = find(visit, pk)
    sees_values = visit.can("values")
    reveal = bool(sees_values) and visit.request.GET.get("reveal") == "1"
    if reveal and not visit.request.headers.get("HX-Request"):
        record("container.values", actor=visit.actor, row=row, environment_id=visit.env.pk)
    values = row.config.environment
    context = {
        "row": row,
        "tab": "overview",
        "config": row.config,
        "short_id": row.external_id[:12],
        "ports": endpoints(row),
        "seen": row.engine_state,
        "values": [(name, values[name] if reveal else "") for name in sorted(values)],
        "reveal": reveal,
        "values_reason": sees_values.reason,
        "operations": _operations(visit, row),
    }
    return visit.show("console/container.html", context)


def _operations(visit: Visit, row: Container) -> list[Operation]:
    rows = Operation.objects.within([visit.env.pk]).filter(kind="container", target=row.pk)
    return list(rows.select_related("account")[:10])


@inside
def logs(visit: Visit, pk: int) -> HttpResponse:
    """The output, followed live."""
    row = find(visit, pk)
    return visit.show("console/container_logs.html", {"row": row, "tab": "logs", "allowed": visit.can("logs")})


@inside
def shell(visit: Visit, pk: int) -> HttpResponse:
    """A terminal inside the container."""
    row, visit.inline_styles = find(visit, pk), True
    command = visit.request.GET.get("command", SHELLS[0])
    context = {
        "row": row,
        "tab": "shell",
        "allowed": visit.can("exec"),
        "command": command if len(command) < 200 else SHELLS[0],
        "shells": SHELLS,
    }
    return visit.show("console/container_shell.html", context)


@inside
def menu(visit: Visit, pk: int) -> HttpResponse:
    """What else can be done with a row of the list."""
    row = find(visit, pk)
    context = {"row": row, "api_url": buttons.api_address(row), "exec": visit.can("exec")}
    return visit.show("console/parts/container_menu.html", context)


@inside
@posted
def do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Start, stop or restart."""
    row = find(visit, pk)
    container_act(row, buttons.known_action(row, action), actor=visit.actor)
    return visit.done(_told(action) % {"name": row.name})


def _told(action: str) -> str:
    told = {
        "start": _("Starting %(name)s."),
        "stop": _("Stopping %(name)s."),
        "restart": _("Restarting %(name)s."),
        "remove": _("Deleting %(name)s."),
    }
    return told.get(action, "%(name)s")


@inside
@posted
def bulk(visit: Visit) -> HttpResponse:
    """The same for every container that was ticked; the ones that could not are named."""
    action = visit.request.POST.get("action", "")
    keys = [int(text) for text in visit.request.POST.getlist("row")[:200] if text.isdigit()]
    if action not in {"start", "stop", "restart", "remove"} or not keys:
        raise Problem(_("Choose containers first."), status=422)
    asked, failed = 0, []
    for row in containers_of(visit.actor, visit.env.pk).filter(pk__in=keys):
        try:
            container_act(row, action, actor=visit.actor)
            asked += 1
        except Problem as problem:
            failed.append(f"{row.name}: {problem.message}")
    if failed and not asked:
        raise Problem(failed[0], status=422)
    told = _("Asked for %(count)d containers.") % {"count": asked}
    return visit.done(f"{told} {failed[0]}" if failed else told)


@inside
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Rename or describe."""
    return rename(visit, find(visit, pk), container_update)


@inside
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what goes with it; then delete."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        container_act(row, "remove", actor=visit.actor)
        return visit.done(_told("remove") % {"name": row.name}, visit.url("containers"))
    mounts = row.engine_state.get("mounts", [])
    goes = [
        _("the unnamed volume at %(path)s") % {"path": mount["target"]}
        for mount in mounts
        if mount["kind"] == "volume" and len(mount.get("name", "")) == 64
    ]
    slot = getattr(row, "slot", None)
    return visit.show("console/remove.html", {"row": row, "goes": goes, "kind": _("container"), "slot": slot})
