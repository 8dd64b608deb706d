"""Changes to the installation's settings: one door for the API and the console."""

from __future__ import annotations

from typing import Any

from apps.core import ports
from apps.core.defaults import DEFAULTS
from apps.core.errors import Forbidden, Invalid, Stale
from apps.core.models import Setting
from apps.core.ports import Asker

LONGEST = 65_536


def setting_write(name: str, value: Any, *, actor: Asker) -> None:
    """Set a known setting. Raises `Forbidden` for others than administrators, `Invalid` for a name or value."""
    _administrators_only(actor)
    if name not in DEFAULTS:
        raise Invalid("name", "InvalidOption", f"There is no setting {name[:100]!r}.")
    if not isinstance(value, str) or len(value) > LONGEST:
        raise Invalid("value", "InvalidFormat", f"A setting's value is a text of at most {LONGEST} characters.")
    Setting.objects.update_or_create(name=name, defaults={"value": value})
    ports.record("setting.update", actor=actor, request={"name": name, "value": value})


def setting_reset(name: str, *, actor: Asker) -> None:
    """Give a setting its default back. Raises `Forbidden` for others than administrators."""
    _administrators_only(actor)
    Setting.objects.filter(name=name).delete()
    ports.record("setting.delete", actor=actor, request={"name": name})


def _administrators_only(actor: Asker) -> None:
    if not actor.is_admin:
        raise Forbidden("Only administrators may change settings.")


def insist_fresh(actor: Asker) -> None:
    """Raise `Stale` unless the asker proved just now who they are; for what decides over the door itself."""
    if not actor.is_fresh:
        raise Stale("Confirm your password first; over the API, log in again or use an account key of yours.")
