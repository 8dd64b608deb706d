"""The images of a host: list, copy to other hosts, removal."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components.listing import natural_order
from apps.console.hosts.hosts import find
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.selectors import image_copies, images_of
from apps.containers.services import image_copy, image_remove
from apps.drivers.base import EngineError
from apps.hosts.models import Host

MAX_IMAGES = 200


@member_required
def index(ctx: RequestContext, pk: int) -> HttpResponse:
    """The images of the host, read from its engine now, and running copies."""
    row, unreachable_reason = find(ctx, pk), ""
    try:
        images = images_of(row)
    except EngineError as error:
        images, unreachable_reason = [], str(error)
    context = {
        "row": row,
        "images": images[:MAX_IMAGES],
        "left": max(0, len(images) - MAX_IMAGES),
        "unreachable_reason": unreachable_reason,
        "copies": image_copies(row),
        "others": list(_other_hosts(ctx, row)),
        "may": ctx.can("hosts"),
    }
    return ctx.render("console/host_images.html", context)


def _other_hosts(ctx: RequestContext, row: Host) -> list[Host]:
    rows = Host.objects.within([ctx.env.pk]).filter(removed=None).exclude(pk=row.pk)
    return list(rows.order_by(*natural_order("name"), "pk"))


@member_required
@post_required
def copy(ctx: RequestContext, pk: int) -> HttpResponse:
    """Copy an image from the host to another one, or to all others."""
    row, sent = find(ctx, pk), ctx.request.POST
    others = _other_hosts(ctx, row)
    targets = [host for host in others if sent.get("to") in {"all", str(host.pk)}]
    image = sent.get("image", "")
    image_copy(actor=ctx.actor, source=row, image=image, targets=targets)
    names = ", ".join(str(host) for host in targets)
    return ctx.success_response(_("Copying %(image)s to %(names)s.") % {"image": image, "names": names})


@member_required
@post_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Remove an image from the host."""
    row, image = find(ctx, pk), ctx.request.POST.get("image", "")
    image_remove(actor=ctx.actor, host=row, image=image)
    return ctx.success_response(_("%(image)s was removed from %(name)s.") % {"image": image, "name": str(row)})
