"""For administrators: a provider's test, its switch, its re-sync, and how it is now."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts import admin
from apps.console.access import find, here
from apps.console.access import status as status_of
from apps.console.door import Visit, admins, posted
from apps.core.errors import NotFound, Problem


@admins
def status(visit: Visit, kind: str) -> HttpResponse:
    """The part of the page that keeps itself current."""
    return visit.show("console/parts/provider_status.html", status_of(find(kind)))


@sensitive_post_parameters("password")
@admins
@posted
def test(visit: Visit, kind: str) -> HttpResponse:
    """Try one's own name and password against what is stored."""
    find(kind)
    sent = visit.request.POST
    tested = admin.provider_test(kind, sent.get("login", ""), sent.get("password", ""), actor=visit.actor)
    if not tested or tested.claims is None:
        raise Problem(tested.reason, status=422, field="login")
    groups = ", ".join(sorted(group.name for group in tested.claims.groups)) or _("none")
    told = _("It works: you are %(name)s there. Your groups: %(groups)s.")
    return visit.done(told % {"name": tested.claims.person.login, "groups": groups}, changed=False)


@sensitive_post_parameters("password")
@admins
@posted
def switch(visit: Visit, kind: str, action: str) -> HttpResponse:
    """On, confirmed, off, or asked anew about everybody."""
    row, sent = find(kind), visit.request.POST
    if action == "resync":
        return visit.done(_asked(admin.provider_resync(kind, actor=visit.actor)), changed=False)
    if action == "enable":
        login, password = sent.get("login", ""), sent.get("password", "")
        admin.provider_enable(kind, actor=visit.actor, login=login, password=password)
        told = _("%(name)s is on for five minutes. Log in through it, or confirm it.")
    elif action == "confirm":
        admin.provider_confirm(kind, actor=visit.actor)
        told = _("%(name)s stays on.")
    elif action == "disable":
        admin.provider_disable(kind, actor=visit.actor)
        told = _("%(name)s is off.")
    else:
        raise NotFound(_("There is no such button."))
    return visit.done(told % {"name": row}, here(kind))


def _asked(count: int) -> str:
    told = ngettext("%(count)d person is asked about anew.", "%(count)d people are asked about anew.", count)
    return told % {"count": count}
