"""Builds of images: the list, the form, the page of one with its log, and the context that it waits for."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.builds.context_files import max_context
from apps.builds.models import ImageBuild
from apps.builds.selectors import builds_of, log_tail, read_log
from apps.builds.services import GitSource, build_cancel, build_create, build_remove, build_send_context
from apps.console.components import buttons
from apps.console.components.listing import natural_order, paginate, query_filters
from apps.console.hosts.hosts import find as find_host
from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import parse_key
from apps.core.streams import arriving_pieces, streaming_download
from apps.environments.access import Verdict
from apps.hosts.models import Host

_GIT = ("url", "branch", "folder", "username", "secret")
_SENT = ("image", "dockerfile", "target")


def may_build(ctx: RequestContext) -> Verdict:
    """Whether who looks at the page may build images here."""
    return ctx.can("operate") and ctx.can("images")


def build_button(ctx: RequestContext, host: Host | None = None) -> buttons.Button:
    """The button that opens the form."""
    url = ctx.url("image-build-new") + (f"?host={host.pk}" if host else "")
    return buttons.custom_button(gettext_lazy("Build"), "hammer", url, may_build(ctx), is_dialog=True)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The builds of the environment, the newest first."""
    filters = query_filters(ctx.request, "q")
    rows = builds_of(ctx.actor, ctx.env.pk).defer("arguments", "secret")
    if filters["q"]:
        rows = rows.filter(image__icontains=filters["q"])
    page = paginate(ctx.request, rows, filters)
    return ctx.render("console/image_builds.html", {"page": page, "build": build_button(ctx)})


@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """The form of a build: its page, where a context is sent, is next."""
    ctx.require_permission("images")
    ctx.require_permission("operate")
    sent, problem = ctx.request.POST, None
    if ctx.request.method == "POST":
        try:
            row = build_create(
                actor=ctx.actor,
                host=find_host(ctx, parse_key(sent.get("host", "")) or 0),
                git=GitSource(**{name: sent.get(name, "") for name in _GIT}),
                arguments=_arguments(sent.get("arguments", "")),
                no_cache=bool(sent.get("noCache")),
                pull=bool(sent.get("pull")),
                **{name: sent.get(name, "") for name in _SENT},
            )
            done = (
                _("Building %(image)s on %(host)s.") if row.url else _("Upload the context of %(image)s for %(host)s.")
            )
            return ctx.success_response(
                done % {"image": row, "host": row.host},
                ctx.url("image-build", pk=row.pk),
            )
        except (Invalid, Conflict) as error:
            problem = error
    hosts = (
        Host.objects.within([ctx.env.pk]).filter(removed=None, state="active").order_by(*natural_order("name"), "pk")
    )
    context = {
        "hosts": list(hosts),
        "values": ctx.request.POST or ctx.request.GET,
        "errors": {problem.field or "host": problem.message} if problem else {},
    }
    return ctx.render("console/image_build_new.html", context, status=problem.status if problem else 200)


def _arguments(text: str) -> dict[str, str]:
    """One name=value on each line. Raises `Invalid`."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            raise Invalid("buildArgs", "InvalidFormat", _("Write each argument as name=value, one on each line."))
        found[name.strip()] = value
    return found


def find_build(ctx: RequestContext, pk: int) -> ImageBuild:
    """A build of this environment."""
    return ctx.get_or_404(builds_of(ctx.actor, ctx.env.pk), pk)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One build: what is built, how far it is, and the end of its log."""
    row = find_build(ctx, pk)
    may = may_build(ctx)
    names: dict[str, Any] = row.arguments
    context = {
        "row": row,
        "log": log_tail(row),
        "may": may,
        "argument_names": sorted(names),
        "wants_context": not row.refusal("sendcontext") and row.LIFECYCLE.allows("sendcontext", row.display_state),
        "max_megabytes": max_context() // 1024**2,
        "can_cancel": row.LIFECYCLE.allows("cancel", row.display_state),
    }
    return ctx.render("console/image_build.html", context)


@member_required
@post_required
def send_context(ctx: RequestContext, pk: int) -> HttpResponse:
    """Take the archive that is the body of the request as the build's context."""
    row = find_build(ctx, pk)
    build_send_context(row, partial(arriving_pieces, ctx.request), actor=ctx.actor)
    return ctx.success_response(_("Building %(image)s on %(host)s.") % {"image": row, "host": row.host})


@member_required
def log_file(ctx: RequestContext, pk: int) -> StreamingHttpResponse:
    """The whole log as a text file."""
    row = find_build(ctx, pk)

    def pieces() -> Any:
        after = 0
        while (found := read_log(row, after)).text:
            yield found.text
            after = found.following

    return streaming_download(ctx.request, f"build-{row.pk}.log", "text/plain", pieces())


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Stop a build, or remove it with its log."""
    row = find_build(ctx, pk)
    if action == "cancel":
        build_cancel(row, actor=ctx.actor)
        return ctx.success_response(_("Stopping the build of %(image)s.") % {"image": row})
    if action == "remove":
        build_remove(row, actor=ctx.actor)
        return ctx.success_response(_("The build of %(image)s is removed.") % {"image": row}, ctx.url("image-builds"))
    raise NotFound(f"There is no action {action[:40]!r}.")
