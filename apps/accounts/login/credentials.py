"""Proving who one is: by name and password, slowed down for guessers, and again before changes to access itself."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.login.passwords import verify_password
from apps.accounts.login.second_factor import code_check, factor_of
from apps.accounts.login.throttle import login_attempt
from apps.accounts.models import Session, User
from apps.accounts.providers.registry import password_kinds
from apps.core import hooks
from apps.core.errors import Invalid, Unauthorized
from apps.core.hooks import ActorProtocol
from apps.core.texts import is_storable


def check_credentials(request: HttpRequest | None, login: str, password: str, *, address: str) -> User:
    """The account with this name and password, with the backend that accepted them; it is not logged in yet.

    Raises `Unauthorized` for a wrong pair, `TooManyRequests` after too many, and what a provider raises.
    """
    if not is_storable(login):  # PostgreSQL would answer a NUL with an error of its own
        raise Unauthorized(_("The log-in name or the password is wrong."))
    # A provider that is down, or that knows somebody whom site access keeps out, counts as a failure too: else local
    # passwords could be guessed for ever while it is down.
    with login_attempt(login, address, via="api" if request is None else "console"):
        user = authenticate(request, username=login, password=password)
        if not isinstance(user, User):
            raise Unauthorized(_("The log-in name or the password is wrong."))
        return user


def can_reauthenticate(user: User) -> bool:
    """Whether the account has a password that can be asked for again: its own, or a provider's."""
    return user.has_usable_password() or _directory_login(user) != ""


def _directory_login(user: User) -> str:
    person = user.identities.filter(provider__kind__in=password_kinds()).exclude(login="").first()
    return person.login if person else ""


def session_confirm(session: Session | None, password: str, code: str, *, actor: ActorProtocol) -> None:
    """Record that the session's holder has authenticated again, with the password and, where there is one, a code.

    Raises `Invalid` at the field that is wrong.
    """
    user = session.account if session is not None else None
    if session is None or user is None:
        raise Unauthorized(_("Log in first."))
    address = str(getattr(actor, "address", ""))
    password_confirm(user, password, actor=actor)
    if factor_of(user) is not None:
        code_check(user, code, address=address)
    Session.objects.filter(pk=session.pk).update(confirmed=timezone.now())
    hooks.record("session.confirm", actor=actor, row=user)


def password_confirm(user: User, password: str, *, actor: ActorProtocol) -> None:
    """Check the account's password again, where it is kept. Raises `Invalid` at `password`."""
    if user.has_usable_password():
        verify_password(user, password, actor=actor, field="password")
        return
    login = _directory_login(user)
    if not login or check_credentials(None, login, password, address=str(getattr(actor, "address", ""))) != user:
        raise Invalid("password", "InvalidFormat", _("This is not your current password."))
