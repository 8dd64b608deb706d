"""The form that makes a key: name, role, time, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.plan import moment
from apps.accounts.services import NewKey
from apps.console.door import Visit
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.environments.selectors import role_choices
from apps.environments.services import account_key_create, environment_key_create

SPANS = {
    "": gettext_lazy("never"),
    "1": gettext_lazy("in a day"),
    "7": gettext_lazy("in a week"),
    "30": gettext_lazy("in 30 days"),
    "90": gettext_lazy("in 90 days"),
    "365": gettext_lazy("in a year"),
    "at": gettext_lazy("at a time that I choose"),
}


def endpoint(visit: Visit) -> str:
    """The URL of the API: the environment's own, or the whole."""
    base = visit.request.build_absolute_uri("/v1")
    return base if visit.environment is None else f"{base}/projects/{wire_id('a', visit.environment.pk)}"


def example(visit: Visit, access: str = "ACCESS-KEY") -> str:
    """A command that lists something; without the secret, which would show in the list of processes."""
    what = "projects" if visit.environment is None else "containers"
    return f"curl -u {access} {endpoint(visit)}/{what}"


def form(visit: Visit) -> HttpResponse:
    """Show the form, or make the key and show its secret this once."""
    sent = visit.request.POST
    if visit.request.method != "POST":
        return _ask(visit, sent, {})
    try:
        made = _make(visit, read(sent))
    except Invalid as problem:
        return _ask(visit, sent, {str(problem.field): problem.message})
    response = visit.show("console/key_made.html", {"made": made, "example": example(visit, made.key.public_value)})
    response["HX-Trigger"] = "corral:changed"
    response["Cache-Control"] = "no-store"
    return response


def _ask(visit: Visit, sent: QueryDict, errors: Mapping[str, str]) -> HttpResponse:
    actor, place = visit.actor, visit.environment
    held = actor.limit if place is None else actor.permissions(place.pk)
    context = {
        "errors": errors,
        "values": sent,
        "roles": role_choices(held),
        "spans": SPANS.items(),
        "own_role": actor.role(place.pk) if place else "",
    }
    return visit.show("console/key_new.html", context, status=422 if errors else 200)


def read(sent: QueryDict) -> dict[str, Any]:
    """What the form says, as the services take it; raises `Invalid` at a field."""
    name, description = sent.get("name", "").strip(), sent.get("description", "").strip()
    if len(name) > 255 or len(description) > 1024:
        raise Invalid("name", "MaxLengthExceeded", _("A name has at most 255 characters, a description 1024."))
    return {
        "name": name,
        "description": description,
        "role": sent.get("role", ""),
        "expires": expires(sent.get("expires", ""), sent.get("until", "")),
        "addresses": [each for each in re.split(r"[\s,;]+", sent.get("addresses", "")) if each],
    }


def expires(span: str, until: str) -> datetime | None:
    """The moment that the form means; None is never. Raises `Invalid`."""
    if span == "at":
        if not until:
            raise Invalid("expires", "MissingRequired", _("Say when, or choose one of the spans."))
        return moment("expires", until)
    if span not in SPANS:
        raise Invalid("expires", "InvalidOption", _("Choose one of the spans."))
    return timezone.now() + timedelta(days=int(span)) if span else None


def _make(visit: Visit, wanted: dict[str, Any]) -> NewKey:
    if visit.environment is not None:
        return environment_key_create(actor=visit.actor, environment=visit.environment, **wanted)
    return account_key_create(actor=visit.actor, **wanted)
