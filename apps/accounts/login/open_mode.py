"""Open mode, Rancher's "access control off": requests without a valid credential act as an administrator."""

from __future__ import annotations

import ipaddress
import logging
import socket

from django.conf import settings
from django.db import transaction
from django.http.request import split_domain_port, validate_host

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


def open_mode_user_at(host: str) -> User | None:
    """The account that those act as who came to this host (and port) without a credential.

    Nobody where the name proves nothing: any site can have its own name lead here and then read what its pages
    fetch. An address cannot be had that way, nor a name that the installation was given in ALLOWED_HOSTS.
    """
    user = open_mode_user()
    if user is None or is_own_host(host):
        return user
    log.warning("Open mode: %r is no name of this portal; to use it without logging in, set ALLOWED_HOSTS.", host[:253])
    return None


def is_own_host(host: str) -> bool:
    """Whether a Host header names this portal for certain: by an address, or by a name from ALLOWED_HOSTS."""
    name = split_domain_port(host.lower())[0]
    named = [each for each in settings.ALLOWED_HOSTS if each != "*"]
    return bool(name) and (
        validate_host(name, [*named, "localhost", ".localhost", socket.gethostname().lower()]) or _is_address(name)
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def open_mode_on(password: str, *, actor: ActorProtocol) -> None:
    """Switch access control off.

    Only an administrator who types the password again may, but not somebody who acts through open mode itself, and
    no environment's key. Raises `Forbidden`, `ReauthenticationRequired`, or `Invalid` at `password`.
    """
    user = getattr(actor, "user", None)
    if not actor.is_admin or user is None:
        raise Forbidden("Only administrators may switch access control off.")
    require_recent_auth(actor)
    password_confirm(user, password, actor=actor)
    _set_open_mode("false", "security.open", actor)
    log.critical(WARNING)


def open_mode_off(*, actor: ActorProtocol | None) -> None:
    """Switch access control on again; connections that depended on open mode close at once.

    `actor` None is the command line.
    """
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
