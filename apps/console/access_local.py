"""For administrators: who may come in with a password that is kept here."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.access import local_access
from apps.accounts.backends.site import local_access_save
from apps.accounts.spec import IDENTITY_KINDS, LOCAL
from apps.console.access import LOCAL_MODES, lines_of, site_access
from apps.console.door import Visit, admins
from apps.core.errors import Invalid


@admins
def index(visit: Visit) -> HttpResponse:
    """The rule, which never holds administrators back."""
    shown, errors = local_access().to_wire(), {}
    if visit.request.method == "POST":
        shown = site_access(visit.request.POST)
        try:
            return visit.done(_told(local_access_save(shown, actor=visit.actor)), reverse("console:access"))
        except Invalid as problem:
            errors = {problem.field or "accessMode": problem.message}
    context = {
        "mode": shown["accessMode"],
        "modes": LOCAL_MODES,
        "allowed": lines_of(shown["allowedIdentities"]),
        "identity_kinds": sorted({LOCAL, *IDENTITY_KINDS}),
        "stray": list(errors.values()),
    }
    return visit.show("console/access_local.html", context, status=422 if errors else 200)


def _told(ended: int) -> str:
    if not ended:
        return _("Saved.")
    told = ngettext("Saved. %(count)d session ended.", "Saved. %(count)d sessions ended.", ended)
    return told % {"count": ended}
