"""Images: the lists of an environment and of a host, and the page of an image on a host."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet, Sum
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.listing import Listing, natural_order, paginate, query_filters
from apps.console.hosts.hosts import find as find_host
from apps.console.images.builds import build_button
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.images.archives import image_download
from apps.containers.images.inventory import request_scan
from apps.containers.images.selectors import (
    filter_images,
    group_images,
    image_activity,
    images_of,
    inventory_time,
    uses_of,
)
from apps.containers.models import HostImage, Pull
from apps.containers.services import pull_cancel
from apps.core.streams import file_response
from apps.drivers.base import EngineError
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

COLUMNS = ("name", "size", "created", "hosts", "users")
USES = (
    ("used", gettext_lazy("In use")),
    ("unused", gettext_lazy("Unused")),
    ("dangling", gettext_lazy("Without a name")),
)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The images on all hosts of the environment, one row for each."""
    requested = query_filters(ctx.request, "q", "host", "use")
    rows = images_of(ctx.actor, ctx.env.pk)
    return ctx.render("console/images.html", _list(ctx, rows, requested))


@member_required
def of_host(ctx: RequestContext, pk: int) -> HttpResponse:
    """The images on one host."""
    host = find_host(ctx, pk)
    requested = query_filters(ctx.request, "q", "use")
    rows = images_of(ctx.actor, ctx.env.pk).filter(host=host)
    return ctx.render("console/host_images.html", {"row": host, **_list(ctx, rows, requested, host)})


def _list(
    ctx: RequestContext, rows: QuerySet[HostImage], requested: dict[str, str], host: Host | None = None
) -> dict[str, Any]:
    filtered = filter_images(rows, requested)
    page = paginate(ctx.request, _sorted(group_images(filtered), ctx.request.GET.get("sort", "")), requested)
    _add_uses(page, filtered)
    hosts = Host.objects.within([ctx.env.pk]).filter(removed=None).order_by(*natural_order("name"))
    may = ctx.can("hosts")
    return {
        "page": page,
        "of_host": host,
        "total_size": filtered.aggregate(total=Sum("size"))["total"] or 0,
        "activity": image_activity(ctx.env.pk, host.pk if host else None),
        "taken_at": inventory_time(ctx.env.pk, host.pk if host else None),
        "hosts": list(hosts.values_list("name", flat=True)),
        "uses": USES,
        "may": may,
        "may_operate": ctx.can("operate"),
        "pull": buttons.custom_button(
            gettext_lazy("Pull image"),
            "download",
            _dialog(ctx, "images-pull", host),
            ctx.can("operate"),
            is_dialog=True,
        ),
        "import": buttons.custom_button(
            gettext_lazy("Import"),
            "upload",
            _dialog(ctx, "images-import", host),
            ctx.can("operate") and ctx.can("images"),
            is_dialog=True,
        ),
        "build": build_button(ctx, host),
        "prune": buttons.custom_button(
            gettext_lazy("Clean up"), "eraser", _dialog(ctx, "images-prune", host), may, is_dialog=True
        ),
    }


def _dialog(ctx: RequestContext, name: str, host: Host | None) -> str:
    return ctx.url(name) + (f"?host={host.pk}" if host else "")


def _sorted(rows: QuerySet[Any], sort: str) -> QuerySet[Any]:
    """By a known column, `-` in front for descending; by name unless another is chosen, those without one last."""
    column, down = sort.lstrip("-"), sort.startswith("-")
    if column not in COLUMNS:
        column, down = "name", False
    if column == "name":
        return rows.order_by(*natural_order("name", down=down), "image_id")
    by = F(column).desc(nulls_last=True) if down else F(column).asc(nulls_last=True)
    return rows.order_by(by, "image_id")


def _add_uses(page: Listing, rows: QuerySet[HostImage]) -> None:
    """Each row of the page as its `ImageUse`; one that went between two queries is left out."""
    uses = uses_of(rows, [row["image_id"] for row in page.rows])
    page.rows = [uses[row["image_id"]] for row in page.rows if row["image_id"] in uses]


def find_image(ctx: RequestContext, pk: int) -> HostImage:
    """An image of a host of this environment."""
    return ctx.get_or_404(images_of(ctx.actor, ctx.env.pk).select_related("host"), pk)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One image: names, digests, what it starts, its history, where else it is, and what uses it."""
    row, details, reason = find_image(ctx, pk), None, ""
    try:
        details = driver_of(row.host).image_details(row.image_id)
    except EngineError as error:
        reason = str(error)
    use = uses_of(images_of(ctx.actor, ctx.env.pk), [row.image_id])[row.image_id]
    context = {
        "row": row,
        "details": details,
        "reason": reason,
        "use": use,
        "taken_at": inventory_time(ctx.env.pk, row.host_id),
        "may": ctx.can("hosts"),
        "may_download": ctx.can("images"),
    }
    return ctx.render("console/image.html", context)


@member_required
def download(ctx: RequestContext, pk: int) -> HttpResponseBase:
    """The image as an archive, which `docker load` takes."""
    return file_response(ctx.request, image_download(find_image(ctx, pk), actor=ctx.actor))


@member_required
@post_required
def scan(ctx: RequestContext) -> HttpResponse:
    """Have the hosts say now which images they have."""
    ctx.require_permission("operate")
    hosts = Host.objects.within([ctx.env.pk]).filter(removed=None)
    key = ctx.request.POST.get("host", "")
    request_scan(list(hosts.filter(pk=key) if key.isascii() and key.isdigit() and len(key) < 18 else hosts))
    return ctx.success_response(_("The images are listed again; that takes a few seconds."))


@member_required
@post_required
def cancel_pull(ctx: RequestContext, pk: int) -> HttpResponse:
    """Stop a pull or a copy."""
    row = ctx.get_or_404(Pull.objects.within([ctx.env.pk]).select_related("host"), pk)
    pull_cancel(row, actor=ctx.actor)
    return ctx.success_response(_("Stopping %(image)s on its way to %(host)s.") % {"image": row, "host": row.host})
