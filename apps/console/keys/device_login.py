"""The page on which a person allows a program, such as `corral login`, to have a key of this account or environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.keys.key_form import EXPIRY_CHOICES, parse_expiry
from apps.console.request_context import RequestContext, login_required
from apps.core.errors import Invalid, TooManyRequests
from apps.environments.models import DeviceLogin, Environment
from apps.environments.selectors import environments_of, role_choices
from apps.environments.services import (
    device_login_allow,
    device_login_deny,
    device_login_find,
    require_may_make_key,
)

MAX_WRONG_CODES = 10
_WRONG_CODES_FOR = 600
_DEFAULT_SPAN = "90"
_SPANS = {span: text for span, text in EXPIRY_CHOICES.items() if span != "at"}


@login_required
def device_login(ctx: RequestContext) -> HttpResponse:
    """Ask for the code, show which program it is, and allow or refuse it."""
    sent = ctx.request.POST
    code = (sent.get("code") or ctx.request.GET.get("code", "")).strip()
    if not code:
        return _render(ctx, {})
    found = _find(ctx, code)
    if found is None:
        wrong = _(
            "No program waits with this code: it was answered already, its ten minutes are over, or it is mistyped."
        )
        return _render(ctx, {"code": code, "errors": {"code": wrong}}, status=422)
    if sent.get("answer") == "deny":
        device_login_deny(found, actor=ctx.actor)
        return ctx.render("console/device_answered.html", {"program": found, "is_allowed": False})
    if sent.get("answer") != "allow":
        return _render(ctx, _choices(ctx, found, sent))
    try:
        _allow(ctx, found, sent)
    except Invalid as problem:
        choices = _choices(ctx, found, sent)
        return _render(ctx, {**choices, "errors": {str(problem.field): problem.message}}, status=422)
    return ctx.render("console/device_answered.html", {"program": found, "is_allowed": True})


def _allow(ctx: RequestContext, found: DeviceLogin, sent: Mapping[str, str]) -> None:
    place = _environment(ctx, sent.get("environment", ""))
    expires = parse_expiry(sent.get("expires", _DEFAULT_SPAN), "")
    device_login_allow(found, actor=ctx.actor, environment=place, role=sent.get("role", ""), expires=expires)


def _environment(ctx: RequestContext, text: str) -> Environment | None:
    """The environment that was chosen, None for the whole account. Raises `Invalid`."""
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
    found = environments_of(ctx.actor).filter(pk=number, removed=None).first()
    if found is None:
        raise Invalid("environment", "InvalidReference", _("Choose one of your environments."))
    return found


def _find(ctx: RequestContext, code: str) -> DeviceLogin | None:
    """The program with this code. Raises `TooManyRequests` for who tries codes."""
    account = ctx.actor.user.pk if ctx.actor.user else 0
    counter = f"device-login-wrong-codes:{account}"
    if cache.get(counter, 0) >= MAX_WRONG_CODES:
        raise TooManyRequests(_("Too many wrong codes; try again in ten minutes."))
    found = device_login_find(code)
    if found is None:
        cache.set(counter, cache.get(counter, 0) + 1, _WRONG_CODES_FOR)
    return found


def _choices(ctx: RequestContext, found: DeviceLogin, sent: Mapping[str, str]) -> dict[str, Any]:
    if ctx.actor.user is not None and ctx.request.method != "POST":
        require_may_make_key(ctx.actor, ctx.actor.user, "")  # confirmed before, not after the form is filled in
    last = ctx.last_environment()
    return {
        "code": found.user_code,
        "program": found,
        "environments": list(environments_of(ctx.actor).filter(removed=None).order_by("name", "pk")),
        "roles": role_choices(),
        "spans": list(_SPANS.items()),
        "values": {
            "environment": sent.get("environment", str(last.pk) if last else ""),
            "role": sent.get("role", ""),
            "expires": sent.get("expires", _DEFAULT_SPAN),
        },
    }


def _render(ctx: RequestContext, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    answer = ctx.render("console/device_login.html", {"errors": {}, **context}, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
