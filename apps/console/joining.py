"""Adding a host that has an agent: the command to run there, and a look out for it."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.console.door import Visit, inside, posted
from apps.console.launch import pairs
from apps.console.listing import words
from apps.core.errors import Invalid, NotFound
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import nearness, portal_base, registration_command
from apps.hosts.services import token_act, token_ensure, token_rotate

RECENT = timedelta(minutes=20)


def _tokens(visit: Visit) -> RegistrationToken | None:
    """The environment's token: one that counts, else one that was switched off."""
    rows = RegistrationToken.objects.within([visit.env.pk]).filter(removed=None).exclude(desired="removed")
    found: RegistrationToken | None = rows.order_by("desired", "pk").first()  # active sorts before inactive
    return found


@inside
def add(visit: Visit) -> HttpResponse:
    """The command that makes a machine a host; the page shows the host as soon as it calls."""
    visit.need("hosts")
    token_ensure(actor=visit.actor, environment=visit.env)
    asked, errors = words(visit.request, "address", "labels"), {}
    token = _tokens(visit)
    base = portal_base(visit.request.build_absolute_uri("/"))
    try:
        labels = pairs("labels", asked["labels"])
    except Invalid as problem:
        labels, errors = {}, {"labels": problem.message}
    said = {}
    if token is not None and token.desired == "active":
        said = registration_command(token, f"{base}/v1", labels=labels, address=asked["address"])
    since = timezone.now() - RECENT
    arrived = Host.objects.within([visit.env.pk]).filter(removed=None, credentials__created__gt=since).defer("tls")
    context = {
        "token": token,
        "said": said,
        "base": base,
        "near": nearness(base),
        "values": asked,
        "errors": errors,
        "arrived": arrived.distinct().order_by("-pk")[:20],
    }
    return visit.show("console/host_add.html", context)


@inside
@posted
def token_do(visit: Visit, action: str) -> HttpResponse:
    """Renew the environment's token, switch it off, or on again."""
    visit.need("hosts")
    row = _tokens(visit)
    if row is None or action not in {"rotate", "activate", "deactivate"}:
        raise NotFound(_("There is no such thing here, or not any more."))
    if action == "rotate":
        token_rotate(row, actor=visit.actor)
        return visit.done(_("Earlier commands do not count any more."))
    token_act(row, action, actor=visit.actor)
    told = {"activate": _("Hosts may register again."), "deactivate": _("No more hosts may register.")}
    return visit.done(told[action])
