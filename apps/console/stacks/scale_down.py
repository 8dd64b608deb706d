"""Scaling down: a dialog says first what goes with the containers, where more hangs on them than themselves."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.removal_sections import removal_sections
from apps.console.request_context import RequestContext
from apps.stacks.models import Service
from apps.stacks.removal_preview import RemovalPreview, scale_down_preview

CONFIRMED = "confirmed"  # what the dialog sends along


def must_ask(ctx: RequestContext, row: Service, wanted: int) -> bool:
    """Whether a smaller scale has to be confirmed, which only a page with dialogs can have done."""
    is_smaller = wanted < row.scale and row.desired == "active"
    return is_smaller and not ctx.request.POST.get(CONFIRMED) and _hangs_on(scale_down_preview(row, wanted))


def _hangs_on(found: RemovalPreview) -> bool:
    """Whether somebody or something besides the containers loses by their removal."""
    work = found.operations or found.shells or found.log_streams or found.runs
    return bool(found.ports or found.volumes or found.sidekicks or work)


def ask(ctx: RequestContext, row: Service, wanted: int) -> HttpResponse:
    """The dialog, whose button scales the service down."""
    found = scale_down_preview(row, wanted)
    sections = removal_sections(row, found, _("These containers will be removed:"))
    context = {"row": row, "wanted": wanted, "sections": sections}
    return ctx.render("console/scale_down.html", context)


def open_dialog(ctx: RequestContext, row: Service, wanted: int) -> HttpResponse:
    """Have the page of the service show the dialog."""
    return ctx.dialog_response(f"{buttons.row_url(row, 'scale')}?scale={wanted}")
