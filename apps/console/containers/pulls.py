"""Pulls that failed: trying again at once."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.services import pulls_retry


@member_required
@post_required
def retry(ctx: RequestContext) -> HttpResponse:
    """Pull the image again wherever that failed."""
    image = ctx.request.POST.get("image", "")[:512]
    pulls_retry(actor=ctx.actor, environment_id=ctx.env.pk, image=image)
    return ctx.success_response(_("Pulling %(image)s again.") % {"image": image})
