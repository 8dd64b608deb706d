"""Proving again who one is, before what decides over the door itself."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.login.factor import factor_of
from apps.accounts.login.proof import can_prove, session_confirm
from apps.console.door import Visit, local_path, site
from apps.core.errors import Problem


@sensitive_post_parameters("password", "code")
@site
def confirm(visit: Visit) -> HttpResponse:
    """Type the password (and a code) again; for ten minutes that is enough."""
    request, user, errors = visit.request, visit.actor.user, {}
    wanted = local_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "POST":
        try:
            sent = request.POST
            session_confirm(visit.actor.session, sent.get("password", ""), sent.get("code", ""), actor=visit.actor)
            return visit.go(wanted)
        except Problem as problem:
            errors = {problem.field or "password": problem.message}
    context = {
        "next": wanted,
        "errors": errors,
        "has_code": user is not None and factor_of(user) is not None,
        "can_prove": user is not None and can_prove(user),
    }
    return visit.show("console/confirm.html", context, status=422 if errors else 200)
