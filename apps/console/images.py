"""The images of a host: what it has, copies to the others, removal."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.door import Visit, inside, posted
from apps.console.hosts import find
from apps.console.listing import natural
from apps.containers.selectors import image_copies, images_of
from apps.containers.services import image_copy, image_remove
from apps.drivers.base import EngineError
from apps.hosts.models import Host

SHOWN = 200


@inside
def index(visit: Visit, pk: int) -> HttpResponse:
    """The host's images, asked of its engine now, and those on their way."""
    row, away = find(visit, pk), ""
    try:
        images = images_of(row)
    except EngineError as error:
        images, away = [], str(error)
    context = {
        "row": row,
        "images": images[:SHOWN],
        "left": max(0, len(images) - SHOWN),
        "away": away,
        "copies": image_copies(row),
        "others": list(_others(visit, row)),
        "may": visit.can("hosts"),
    }
    return visit.show("console/host_images.html", context)


def _others(visit: Visit, row: Host) -> list[Host]:
    rows = Host.objects.within([visit.env.pk]).filter(removed=None).exclude(pk=row.pk)
    return list(rows.order_by(*natural("name"), "pk"))


@inside
@posted
def copy(visit: Visit, pk: int) -> HttpResponse:
    """Have the host send an image to one other, or to all of them."""
    row, sent = find(visit, pk), visit.request.POST
    others = _others(visit, row)
    wanted = [host for host in others if sent.get("to") in {"all", str(host.pk)}]
    image = sent.get("image", "")
    image_copy(actor=visit.actor, source=row, image=image, targets=wanted)
    names = ", ".join(str(host) for host in wanted)
    return visit.done(_("Copying %(image)s to %(names)s.") % {"image": image, "names": names})


@inside
@posted
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Remove an image from the host."""
    row, image = find(visit, pk), visit.request.POST.get("image", "")
    image_remove(actor=visit.actor, host=row, image=image)
    return visit.done(_("%(image)s was removed from %(name)s.") % {"image": image, "name": str(row)})
