"""The forms that create an API key (name, role, expiry, addresses) and that change one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.key_limits import parse_time
from apps.accounts.models import ApiKey
from apps.accounts.services import NewKey
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.environments.models import Role
from apps.environments.selectors import role_choices
from apps.environments.services import account_key_create, environment_key_create, key_change

EXPIRY_CHOICES = {
    "": gettext_lazy("never"),
    "1": gettext_lazy("in a day"),
    "7": gettext_lazy("in a week"),
    "30": gettext_lazy("in 30 days"),
    "90": gettext_lazy("in 90 days"),
    "365": gettext_lazy("in a year"),
    "at": gettext_lazy("at a time that I choose"),
}


def api_endpoint(ctx: RequestContext) -> str:
    """The URL of the API, inside the environment where there is one."""
    base = ctx.request.build_absolute_uri("/v1")
    return base if ctx.environment is None else f"{base}/projects/{wire_id('a', ctx.environment.pk)}"


def curl_example(ctx: RequestContext, access: str = "ACCESS-KEY") -> str:
    """An example command; without the secret, which would show up in the process list."""
    what = "projects" if ctx.environment is None else "containers"
    return f"curl -u {access} {api_endpoint(ctx)}/{what}"


def handle_new_key(ctx: RequestContext) -> HttpResponse:
    """Show the form, or create the key and show its secret this once."""
    sent = ctx.request.POST
    if ctx.request.method != "POST":
        return _render_new_key(ctx, sent, {})
    try:
        new_key = _create_key(ctx, parse_key_form(sent))
    except Invalid as problem:
        return _render_new_key(ctx, sent, {str(problem.field): problem.message})
    example = curl_example(ctx, new_key.key.public_value)
    response = ctx.render("console/key_created.html", {"new_key": new_key, "example": example})
    response["HX-Trigger"] = "corral:changed"
    response["Cache-Control"] = "no-store"  # the secret must not come back with the back button
    return response


def _render_new_key(ctx: RequestContext, sent: QueryDict, errors: Mapping[str, str]) -> HttpResponse:
    actor, environment = ctx.actor, ctx.environment
    allowed_permissions = actor.limit if environment is None else actor.permissions(environment.pk)
    context = {
        "errors": errors,
        "values": sent,
        "roles": role_choices(allowed_permissions),
        "spans": EXPIRY_CHOICES.items(),
        "own_role": actor.role(environment.pk) if environment else "",
    }
    return ctx.render("console/key_new.html", context, status=422 if errors else 200)


def parse_key_form(sent: QueryDict) -> dict[str, Any]:
    """Parse the form into arguments of the services; raises `Invalid` at a field."""
    name, description = sent.get("name", "").strip(), sent.get("description", "").strip()
    if len(name) > 255 or len(description) > 1024:
        raise Invalid("name", "MaxLengthExceeded", _("A name has at most 255 characters, a description 1024."))
    return {
        "name": name,
        "description": description,
        "role": sent.get("role", ""),
        "expires": parse_expiry(sent.get("expires", ""), sent.get("until", "")),
        "addresses": [each for each in re.split(r"[\s,;]+", sent.get("addresses", "")) if each],
    }


def parse_expiry(span: str, until: str) -> datetime | None:
    """The chosen expiry time; None is never. Raises `Invalid`."""
    if span == "at":
        if not until:
            raise Invalid("expires", "MissingRequired", _("Enter a time, or choose one of the time spans."))
        return parse_time("expires", until)
    if span not in EXPIRY_CHOICES:
        raise Invalid("expires", "InvalidOption", _("Choose one of the time spans."))
    return timezone.now() + timedelta(days=int(span)) if span else None


def _create_key(ctx: RequestContext, values: dict[str, Any]) -> NewKey:
    if ctx.environment is not None:
        return environment_key_create(actor=ctx.actor, environment=ctx.environment, **values)
    return account_key_create(actor=ctx.actor, **values)


KEEP_EXPIRY = "keep"


def handle_key_edit(ctx: RequestContext, row: ApiKey) -> HttpResponse:
    """Show the form, or change the key."""
    sent = ctx.request.POST
    current = {"name": row.name, "description": row.description, "addresses": list(row.addresses)}
    edit = Edit(ctx, current, row)

    def values() -> dict[str, Any]:
        stored = {**current, "addresses": " ".join(row.addresses), "expires": KEEP_EXPIRY}
        others = {"role", "expires", "until"}
        typed = {name: text for name, text in sent.items() if name in others or edit.is_typed(name)}
        return {**stored, **typed}

    return handle_edit(
        edit,
        parse=lambda: _parse_key_edit(sent),
        save=partial(key_change, row, actor=ctx.actor),
        template="console/key_edit.html",
        context=lambda: {"values": values(), **_key_choices(row)},
    )


def _parse_key_edit(sent: QueryDict) -> dict[str, Any]:
    """Parse the edit form; an expiry that is kept is left out."""
    keeps = sent.get("expires", KEEP_EXPIRY) == KEEP_EXPIRY
    form = sent.copy()
    if keeps:
        form["expires"] = ""
    found = parse_key_form(form)
    left_out = {"expires"} if keeps else set()
    return {name: value for name, value in found.items() if name not in left_out and (value or name != "role")}


def _key_choices(row: ApiKey) -> dict[str, Any]:
    """What the key may be changed to."""
    scope = getattr(row, "scope", None)
    role = scope.role if scope else row.role
    limit = Role.permissions_of(role) if role else None
    return {
        "role": role,
        "roles": [each for each in role_choices(limit) if each.name != role],
        "spans": [each for each in EXPIRY_CHOICES.items() if each[0] or row.expires],
        "keep": KEEP_EXPIRY,
    }
