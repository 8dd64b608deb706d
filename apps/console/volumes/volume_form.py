"""The form that adds a volume to one host or to all of them."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from apps.console.components.listing import natural_order
from apps.console.request_context import RequestContext, member_required
from apps.core.errors import Invalid
from apps.core.ids import parse_key
from apps.hosts.models import Host
from apps.volumes.models import Volume
from apps.volumes.services import volumes_create

ALL_HOSTS = "all"


@sensitive_post_parameters("options")
@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a volume."""
    ctx.require_permission("operate")
    hosts = list(Host.objects.within([ctx.env.pk]).filter(removed=None).order_by(*natural_order("name"), "pk"))
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        try:
            rows = _create(ctx, hosts)
            return ctx.success_response(_made_text(rows), _page_after(ctx, rows))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    values = ctx.request.POST or ctx.request.GET
    context = {"values": values, "errors": errors, "hosts": hosts, "chosen": values.get("host", "")}
    return ctx.render("console/volume_new.html", context, status=422 if errors else 200)


def _create(ctx: RequestContext, hosts: list[Host]) -> list[Volume]:
    sent = ctx.request.POST
    wanted = sent.get("host", "")
    chosen = [row for row in hosts if (row.state == "active" if wanted == ALL_HOSTS else row.pk == parse_key(wanted))]
    return volumes_create(
        actor=ctx.actor,
        environment=ctx.env,
        hosts=chosen,
        name=sent.get("name", "").strip(),
        driver=sent.get("driver", "").strip() or "local",
        options=parse_pairs("driverOpts", sent.get("options", "")),
        labels=parse_pairs("labels", sent.get("labels", "")),
        description=sent.get("description", "").strip(),
    )


def parse_pairs(field: str, text: str) -> dict[str, str]:
    """Lines of `name=value`. Raises `Invalid` for a line without a name, and for a name that comes twice."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, mark, value = line.strip().partition("=")
        if not mark or not name.strip():
            raise Invalid(field, "InvalidFormat", _("Line %(number)d is not name=value.") % {"number": number})
        if name.strip() in found:
            raise Invalid(
                field, "InvalidFormat", _("Line %(number)d has a name that was there before.") % {"number": number}
            )
        found[name.strip()] = value.strip()
    return found


def _made_text(rows: list[Volume]) -> str:
    text = ngettext("Volume %(name)s is being made.", "Volume %(name)s is being made on %(count)d hosts.", len(rows))
    return text % {"name": rows[0].name, "count": len(rows)}


def _page_after(ctx: RequestContext, rows: list[Volume]) -> str:
    return ctx.url("volume", pk=rows[0].pk) if len(rows) == 1 else ctx.url("volumes")
