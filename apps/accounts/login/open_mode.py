"""Open mode, Rancher's "access control off": whoever brings no credential, or a wrong one, acts as an admin."""

from __future__ import annotations

import logging
import time

from django.db import transaction

from apps.accounts.login.proof import password_prove
from apps.accounts.models import User
from apps.core import ports
from apps.core.defaults import OPEN_MODE, setting
from apps.core.errors import Forbidden
from apps.core.models import Setting
from apps.core.ports import Asker
from apps.core.services import insist_fresh

log = logging.getLogger(__name__)

WARN_EVERY = 60.0
WARNING = "OPEN MODE: access control is off; whoever reaches this portal is its administrator."
_warned = float("-inf")


def is_open() -> bool:
    """Whether access control is off; any value but `false` leaves it on."""
    return setting(OPEN_MODE) == "false"


def stand_in() -> User | None:
    """The account that those without a credential act as: the first active administrator, while open mode is on."""
    if not is_open():
        return None
    return User.objects.filter(kind="admin", desired="active").order_by("pk").first()


def open_mode_on(password: str, *, actor: Asker) -> None:
    """Switch access control off.

    Only an administrator who types the password again may; nobody who is let in by open mode itself, and no
    environment's key. Raises `Forbidden`, `Stale`, or `Invalid` at `password`.
    """
    user = getattr(actor, "user", None)
    if not actor.is_admin or user is None:
        raise Forbidden("Only administrators may switch access control off.")
    insist_fresh(actor)
    password_prove(user, password, actor=actor)
    _write("false", "security.open", actor)
    log.critical(WARNING)


def open_mode_off(*, actor: Asker | None) -> None:
    """Switch access control on again: what stood on open mode closes at once. None is the command line."""
    if actor is not None and not actor.is_admin:
        raise Forbidden("Only administrators may switch access control on.")
    _write("true", "security.closed", actor)
    log.warning("Access control is on.")


def _write(value: str, event: str, actor: Asker | None) -> None:
    with transaction.atomic():
        was = stand_in()
        Setting.objects.update_or_create(name=OPEN_MODE, defaults={"value": value})
        ports.record(event, actor=actor)
    if was is not None:
        ports.account_changed(was.pk)


def warn_now_and_then() -> None:
    """Say loudly, once a minute, that access control is off."""
    global _warned  # noqa: PLW0603 - the clock of this process
    if time.monotonic() - _warned < WARN_EVERY:
        return
    _warned = time.monotonic()
    if is_open():
        log.critical(WARNING)
