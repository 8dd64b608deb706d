"""The dialogs about images: pull, import, copy, name, remove, and clean up with a preview."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.components.listing import natural_order
from apps.console.components.plurals import counted
from apps.console.hosts.hosts import find as find_host
from apps.console.images.images import find_image
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.image_pulls import image_pull
from apps.containers.images.archives import image_import
from apps.containers.images.pruning import RULES, names_needed
from apps.containers.images.selectors import PrunePreview, images_of, needed_images, prune_preview, users_of
from apps.containers.images.services import image_tag, images_prune, images_remove
from apps.containers.models import HostImage
from apps.containers.services import image_copy
from apps.core.errors import Conflict, Invalid, Problem
from apps.core.ids import parse_key
from apps.core.streams import arriving_pieces
from apps.hosts.models import Host

DAYS = (0, 7, 30, 90)
_MAX_CHOSEN = 200
_MAX_SHOWN = 5


def _hosts(ctx: RequestContext) -> list[Host]:
    rows = Host.objects.within([ctx.env.pk]).filter(removed=None)
    return list(rows.order_by(*natural_order("name"), "pk"))


def _answer(
    ctx: RequestContext, template: str, context: dict[str, Any], act: Callable[[], str], to: str = ""
) -> HttpResponse:
    """The dialog; after a POST what `act` says was done, or the dialog again with what is wrong."""
    problem: Problem | None = None
    if ctx.request.method == "POST":
        try:
            return ctx.success_response(act(), to)
        except (Invalid, Conflict) as error:
            problem = error
    context |= {"values": ctx.request.POST or ctx.request.GET, "error": problem.message if problem else ""}
    return ctx.render(template, context, status=problem.status if problem else 200)


@member_required
def pull(ctx: RequestContext) -> HttpResponse:
    """Pull an image to one host, or to all active ones."""
    ctx.require_permission("operate")
    values = ctx.request.POST

    def act() -> str:
        key = parse_key(values.get("host", ""))
        chosen = None if key is None else [key]
        task = image_pull(
            actor=ctx.actor, environment=ctx.env, image=values.get("image", "").strip(), labels={}, hosts=chosen
        )
        where = counted("host", len(task.pulls))
        return _("Pulling %(image)s to %(hosts)s.") % {"image": task.image, "hosts": where}

    return _answer(ctx, "console/image_pull.html", {"hosts": _hosts(ctx)}, act)


@member_required
def import_archive(ctx: RequestContext) -> HttpResponse:
    """Choose an archive and a host; the page's script sends the file to `import_file`."""
    ctx.require_permission("images")
    ctx.require_permission("operate")

    def act() -> str:
        raise Invalid("file", "MissingRequired", _("Choose an archive. Sending it needs JavaScript."))

    hosts = [host for host in _hosts(ctx) if host.state == "active"]
    return _answer(ctx, "console/image_import.html", {"hosts": hosts}, act)


@member_required
@post_required
def import_file(ctx: RequestContext) -> HttpResponse:
    """Take the archive that is the body of the request, for the host in the query."""
    host = find_host(ctx, parse_key(ctx.request.GET.get("host", "")) or 0)
    names = image_import(host, partial(arriving_pieces, ctx.request), actor=ctx.actor)
    shown = ", ".join(names[:_MAX_SHOWN]) + (" …" if len(names) > _MAX_SHOWN else "")
    return ctx.success_response(_("Imported %(names)s to %(host)s.") % {"names": shown, "host": host})


@member_required
def copy(ctx: RequestContext, pk: int) -> HttpResponse:
    """Have the host of an image send it to others."""
    ctx.require_permission("hosts")
    row = find_image(ctx, pk)
    others = [host for host in _hosts(ctx) if host.pk != row.host_id]

    def act() -> str:
        chosen = set(ctx.request.POST.getlist("to"))
        targets = [host for host in others if str(host.pk) in chosen]
        image = ctx.request.POST.get("image", "")
        if image not in row.tag_list:
            raise Invalid("image", "InvalidOption", _("Choose one of its names."))
        image_copy(actor=ctx.actor, source=row.host, image=image, targets=targets)
        names = ", ".join(str(host) for host in targets)
        return _("Copying %(image)s to %(names)s.") % {"image": image, "names": names}

    return _answer(ctx, "console/image_copy.html", {"row": row, "others": others}, act)


@member_required
def tag(ctx: RequestContext, pk: int) -> HttpResponse:
    """Give an image another name on its host."""
    ctx.require_permission("hosts")
    row = find_image(ctx, pk)

    def act() -> str:
        name = image_tag(actor=ctx.actor, image=row, name=ctx.request.POST.get("name", ""))
        return _("It is called %(name)s on %(host)s, too.") % {"name": name, "host": row.host}

    return _answer(ctx, "console/image_tag.html", {"row": row}, act)


@member_required
def remove(ctx: RequestContext) -> HttpResponse:
    """Remove the chosen images with all their names, after a summary of what goes and what stays."""
    ctx.require_permission("hosts")
    chosen = _chosen_images(ctx)

    def act() -> str:
        force = bool(ctx.request.POST.get("force"))
        rows = images_remove(actor=ctx.actor, images=chosen, force=force)
        hosts = counted("host", len(rows))
        text = ngettext(
            "Removing %(count)d image from %(hosts)s.", "Removing %(count)d images from %(hosts)s.", len(chosen)
        )
        return text % {"count": len(chosen), "hosts": hosts}

    used = [image for image in chosen if image.user_count]
    users = users_of(used)
    needed = needed_images(ctx.env.pk)
    named = [
        image
        for image in chosen
        if not image.user_count and names_needed([*image.tag_list, *image.digest_list], needed)
    ]
    free = [image for image in chosen if not image.user_count and image not in named]
    context = {
        "images": chosen,
        "free": free,
        "named": named,
        "used": [(image, users.get(image.pk, ())) for image in used],
        "size": sum(image.size for image in free),
        "is_everywhere": not ctx.request.GET.get("host"),
        "may_force": ctx.can("own"),
    }
    return _answer(ctx, "console/images_remove.html", context, act, _list_url(ctx))


def _list_url(ctx: RequestContext) -> str:
    """Where the browser goes after a page of its own image is gone; nowhere from a list."""
    return ctx.url("images") if ctx.request.POST.get("leave") else ""


def _chosen_images(ctx: RequestContext) -> Sequence[HostImage]:
    """The images of `row`: on their own host with `host`, else on all hosts that have the same image."""
    sent = ctx.request.POST if ctx.request.method == "POST" else ctx.request.GET
    keys = [key for text in sent.getlist("row")[:_MAX_CHOSEN] if (key := parse_key(text)) is not None]
    rows = images_of(ctx.actor, ctx.env.pk)
    chosen = rows.filter(pk__in=keys)
    if not sent.get("host"):
        chosen = rows.filter(image_id__in=list(chosen.values_list("image_id", flat=True)))
    return list(chosen.select_related("host").order_by("name", "host__name", "pk"))


@member_required
def prune(ctx: RequestContext) -> HttpResponse:
    """Clean up: the rule, what it takes, and what that frees."""
    ctx.require_permission("hosts")

    def act() -> str:
        chosen = _rule(ctx)
        rows = images_prune(
            actor=ctx.actor, environment=ctx.env, expected=ctx.request.POST.get("expected", ""), **chosen
        )
        count = sum(len(row.images) for row in rows)
        text = ngettext("Removing %(count)d image from %(hosts)s.", "Removing %(count)d images from %(hosts)s.", count)
        return text % {"count": count, "hosts": counted("host", len(rows))}

    context = {"hosts": _hosts(ctx), "days": DAYS, "chosen": _rule(ctx), "preview": _preview(ctx)}
    return _answer(ctx, "console/images_prune.html", context, act)


@member_required
def preview(ctx: RequestContext) -> HttpResponse:
    """What the rule of the dialog takes."""
    return ctx.render("console/parts/prune_preview.html", {"preview": _preview(ctx)})


def _preview(ctx: RequestContext) -> PrunePreview:
    return prune_preview(ctx.env.pk, **_rule(ctx))


def _rule(ctx: RequestContext) -> dict[str, Any]:
    """The rule, hosts and age that were chosen; the gentlest rule for anything else."""
    sent = ctx.request.POST if ctx.request.method == "POST" else ctx.request.GET
    rule, key, days = sent.get("rule", ""), parse_key(sent.get("host", "")), parse_key(sent.get("days", ""))
    return {
        "rule": rule if rule in RULES else RULES[0],
        "hosts": [] if key is None else [key],
        "days": days if days in DAYS else 0,
    }
