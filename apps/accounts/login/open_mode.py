"""Open mode, Rancher's "access control off": whoever brings no credential, or a wrong one, acts as an admin."""

from __future__ import annotations

import logging

from django.db import transaction

from apps.accounts.login.credentials import password_confirm
from apps.accounts.models import User
from apps.core import hooks
from apps.core.defaults import OPEN_MODE, setting
from apps.core.errors import Forbidden
from apps.core.hooks import ActorProtocol
from apps.core.models import Setting
from apps.core.services import require_recent_auth

log = logging.getLogger(__name__)

WARNING = "OPEN MODE: access control is off; whoever reaches this portal is its administrator."


def open_mode_enabled() -> bool:
    """Whether access control is off; any value but `false` leaves it on."""
    return setting(OPEN_MODE) == "false"


def open_mode_user() -> User | None:
    """The account that those without a credential act as: the first active administrator, while open mode is on."""
    if not open_mode_enabled():
        return None
    return User.objects.filter(kind="admin", desired="active").order_by("pk").first()


def open_mode_on(password: str, *, actor: ActorProtocol) -> None:
    """Switch access control off.

    Only an administrator who types the password again may; nobody who is let in by open mode itself, and no
    environment's key. Raises `Forbidden`, `Stale`, or `Invalid` at `password`.
    """
    user = getattr(actor, "user", None)
    if not actor.is_admin or user is None:
        raise Forbidden("Only administrators may switch access control off.")
    require_recent_auth(actor)
    password_confirm(user, password, actor=actor)
    _set_open_mode("false", "security.open", actor)
    log.critical(WARNING)


def open_mode_off(*, actor: ActorProtocol | None) -> None:
    """Switch access control on again: what stood on open mode closes at once. None is the command line."""
    if actor is not None and not actor.is_admin:
        raise Forbidden("Only administrators may switch access control on.")
    _set_open_mode("true", "security.closed", actor)
    log.warning("Access control is on.")


def _set_open_mode(value: str, event: str, actor: ActorProtocol | None) -> None:
    with transaction.atomic():
        previous_user = open_mode_user()
        Setting.objects.update_or_create(name=OPEN_MODE, defaults={"value": value})
        hooks.record(event, actor=actor)
    if previous_user is not None:
        hooks.account_changed(previous_user.pk)


def warn_if_open_mode() -> None:
    """Say loudly that access control is off; a periodic job, so that the log keeps saying it."""
    if open_mode_enabled():
        log.critical(WARNING)
