"""Open mode: the page that switches access control off, with the password typed again, and on."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.open_mode import is_open, open_mode_off, open_mode_on, stand_in
from apps.console.door import Visit, admins, posted
from apps.core.errors import Invalid


@sensitive_post_parameters("password")
@admins
def index(visit: Visit) -> HttpResponse:
    """What open mode is, and the form that switches it on."""
    error = ""
    if visit.request.method == "POST":
        try:
            open_mode_on(visit.request.POST.get("password", ""), actor=visit.actor)
            return visit.done(_("Access control is off."), visit.url("open-mode"))
        except Invalid as problem:
            error = problem.message
    context = {"is_open": is_open(), "account": stand_in(), "error": error}
    return visit.show("console/open_mode.html", context, status=422 if error else 200)


@admins
@posted
def close(visit: Visit) -> HttpResponse:
    """Access control on again; who came in without a credential is out with this answer."""
    open_mode_off(actor=visit.actor)
    return visit.done(_("Access control is on."), visit.url("open-mode"))
