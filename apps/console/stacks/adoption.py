"""What runs on hosts already: listed, previewed, adopted as a stack, and given back."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.adoption.candidates import Candidate, candidates_of, preview
from apps.adoption.compose_file import compose_file
from apps.adoption.origin import plain_name
from apps.adoption.services import adopt, give_back
from apps.console.components import buttons
from apps.console.components.listing import Listing, query_filters
from apps.console.components.plurals import counted
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.stacks import find as find_stack
from apps.containers.models import Container
from apps.core.errors import Problem
from apps.environments.access import verdict
from apps.hosts.models import Host
from apps.stacks.models import GIVE_BACK, Service, Stack

MAX_SHOWN = 200


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """What could be adopted: projects first, then single containers."""
    filters = query_filters(ctx.request, "q")
    found = candidates_of(ctx.actor, ctx.env.pk)
    shown = [each for each in found if _matches(each, filters["q"].lower())]
    context = {
        "projects": [each for each in shown if each.kind != "container"][:MAX_SHOWN],
        "singles": [each for each in shown if each.kind == "container"][:MAX_SHOWN],
        "more": max(0, len(shown) - MAX_SHOWN),
        "has_any": bool(found),
        "page": Listing(shown, len(shown), 1, 1, "", filters),
        "may": ctx.can("operate"),
    }
    return ctx.render("console/adopt.html", context)


def _matches(candidate: Candidate, text: str) -> bool:
    names = [candidate.project, str(candidate.host), *candidate.services]
    return not text or any(text in name.lower() for name in names)


@member_required
def project(ctx: RequestContext, pk: int) -> HttpResponse:
    """What would become of one project, with its compose file; a POST adopts it."""
    host = ctx.get_or_404(Host.objects.within([ctx.env.pk]).filter(removed=None), pk)
    sent = ctx.request.POST if ctx.request.method == "POST" else ctx.request.GET
    kind, name = sent.get("kind", "")[:20], sent.get("project", "")[:255]
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        try:
            basis, called = sent.get("basis", ""), sent.get("name", "")
            stack = adopt(actor=ctx.actor, host=host, kind=kind, project=name, name=called, basis=basis)
        except Problem as problem:
            if problem.status not in {409, 422}:
                raise
            errors = {"name" if problem.field == "name" else "form": problem.message}
        else:
            message = _("%(name)s has its containers now; they run on as they are.") % {"name": stack.name}
            return ctx.success_response(message, buttons.row_url(stack, ""))
    plan = preview(ctx.actor, host, kind, name)
    may_see = ctx.can("values")
    text = compose_file(plan) if may_see else ""
    if ctx.request.GET.get("file") == "docker-compose.yml" and may_see:
        response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="docker-compose.yml"'
        return response
    context = {
        "host": host,
        "kind": kind,
        "project": name,
        "plan": plan,
        "file": text,
        "hidden": may_see.reason,
        "name": sent.get("name", "") or plain_name(name),
        "imported": Stack.objects.within([ctx.env.pk]).filter(pk=plan.stack).first() if plan.stack else None,
        "errors": errors,
        "summary": f"{counted('service', len(plan.services))}, {counted('container', len(plan.containers))}",
    }
    return ctx.render("console/adopt_project.html", context, status=422 if errors else 200)


@member_required
def release(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, saying what stays, then give the stack back."""
    row = find_stack(ctx, pk)
    if ctx.request.method == "POST":
        give_back(row, actor=ctx.actor)
        message = _("%(name)s is given back; its containers run on as they are.") % {"name": row.name}
        return ctx.success_response(message, ctx.url("adopt"))
    services = Service.objects.within([ctx.env.pk]).filter(stack=row, removed=None)
    keys = [str(key) for key in services.values_list("uuid", flat=True)]
    containers = Container.objects.within([ctx.env.pk]).filter(spread_key__in=keys, removed=None)
    names = list(containers.order_by("name").values_list("name", flat=True))
    context = {
        "row": row,
        "names": names[:MAX_SHOWN],
        "more": max(0, len(names) - MAX_SHOWN),
        "verdict": verdict(ctx.actor, GIVE_BACK, row),
    }
    return ctx.render("console/stack_giveback.html", context)
