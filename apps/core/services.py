"""Changes to the installation's settings, for the API and the console alike."""

from __future__ import annotations

from typing import Any

from apps.core import hooks
from apps.core.defaults import DEFAULTS, OPEN_MODE
from apps.core.edits import BasedOn, require_unchanged
from apps.core.errors import Forbidden, Invalid, ReauthenticationRequired
from apps.core.hooks import ActorProtocol
from apps.core.models import Setting
from apps.core.redact import BLANK

SENSITIVE_PREFIXES = ("api.security.", "api.auth.", "auth.", "session.", "totp.", "host.policy.")
"""Prefixes of settings that decide who may log in, or what a container may do to its host."""


def setting_write(name: str, value: Any, *, actor: ActorProtocol, based_on: BasedOn | None = None) -> None:
    """Set a known setting.

    Raises `Forbidden` for others than administrators, `Invalid` for a name or value, `StaleEdit` when the value is
    not any more the one in `based_on`.
    """
    _require_may_set(name, actor)
    if name not in DEFAULTS:
        raise Invalid("name", "InvalidOption", f"There is no setting {name[:100]!r}.")
    if not isinstance(value, str):
        raise Invalid("value", "InvalidFormat", "A setting's value is a text.")
    checked = DEFAULTS[name].check(value)
    _require_value_seen(name, checked, based_on)
    Setting.objects.update_or_create(name=name, defaults={"value": checked})
    kept = BLANK if DEFAULTS[name].secret else checked
    hooks.record("setting.update", actor=actor, request={"name": name, "value": kept})


def setting_reset(name: str, *, actor: ActorProtocol, based_on: BasedOn | None = None) -> None:
    """Reset a setting to its default. Raises as `setting_write` does."""
    _require_may_set(name, actor)
    _require_value_seen(name, DEFAULTS[name].value if name in DEFAULTS else "", based_on)
    Setting.objects.filter(name=name).delete()
    hooks.record("setting.delete", actor=actor, request={"name": name})


def _require_value_seen(name: str, wanted: str, based_on: BasedOn | None) -> None:
    stored = Setting.objects.filter(name=name).values_list("value", flat=True).first() if based_on else None
    current = stored if stored is not None else DEFAULTS[name].value if name in DEFAULTS else ""
    require_unchanged(name, based_on, {"value": current}, {"value": wanted})


def _require_may_set(name: str, actor: ActorProtocol) -> None:
    if not actor.is_admin:
        raise Forbidden("Only administrators may change settings.")
    if name == OPEN_MODE:
        raise Forbidden("Access control has a page, and on the API a type (openMode), of its own.")
    if name.startswith(SENSITIVE_PREFIXES):
        require_recent_auth(actor)


def require_recent_auth(actor: ActorProtocol) -> None:
    """Raise `ReauthenticationRequired` unless the actor authenticated recently; for what decides who may log in.

    A program has no password to confirm: an administrator's key that no role limits passes. What belongs to a person
    asks for `require_person` as well, which no key passes.
    """
    is_unlimited_key = actor.api_key is not None and actor.is_admin
    if not (actor.recently_authenticated or is_unlimited_key):
        raise ReauthenticationRequired(
            "Confirm your password first; over the API, `confirm` your loginSession or use an administrator's key."
        )


def require_person(actor: ActorProtocol | None) -> None:
    """Raise `Forbidden` unless a person acts who logged in; for passwords, second factors and sessions.

    A key that leaked must not become its owner's log-in. None is the installation itself, or its command line.
    """
    if actor is None or actor.is_person:
        return
    if actor.api_key is None:  # open mode, or nobody: logging in helps
        raise ReauthenticationRequired("Log in first, to the console or with POST /v1/token.")
    raise Forbidden(
        "An API key cannot change passwords, second factors or sessions; log in, to the console or with POST /v1/token."
    )
