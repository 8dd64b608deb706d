"""Changes to accounts and keys; every one is requested and recorded through `core.hooks`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.key_limits import key_limits
from apps.accounts.login.password_policy import password_check
from apps.accounts.login.sessions import sessions_close
from apps.accounts.models import (
    AccountNumber,
    ApiKey,
    FailedLogin,
    User,
)
from apps.accounts.selectors import FAILED_LOGIN_WINDOW, is_set_up, throttle_address
from apps.core import hooks
from apps.core.edits import require_current
from apps.core.errors import Conflict, Invalid
from apps.core.hooks import ActorProtocol
from apps.core.services import require_person, require_recent_auth
from apps.core.unique import unique_or

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
KINDS = ("user", "admin")
_LOGIN_CONSTRAINTS = ("account_login_once", "accounts_user.login", "accounts_user_login")
_NUMBER_CONSTRAINTS = ("accounts_user.id", "accounts_user_pkey")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made and its secret, which is never readable again."""

    key: ApiKey
    secret: str


def _check_login(login: str) -> str:
    login = login.strip()
    if not login:
        raise Invalid("login", "MissingRequired", "A log-in name is required.")
    if len(login) > 255:
        raise Invalid("login", "MaxLengthExceeded", "A log-in name has at most 255 characters.")
    if User.objects.filter(login__iexact=login).exists():
        raise _login_taken(login)
    return login


def _login_taken(login: str) -> Invalid:
    return Invalid("login", "NotUnique", f"The log-in name {login!r} is taken; choose another.")


def account_create(
    *,
    actor: ActorProtocol | None,
    login: str = "",
    password: str | None,
    name: str = "",
    kind: str = "user",
    description: str = "",
    number: int | None = None,
) -> User:
    """A new local account; without a password (None) it can be used by keys only, until it is given one.

    Raises `Invalid` for a weak password, a name in use or an unknown kind, `ReauthenticationRequired` when an
    administrator is made by somebody who has not authenticated recently, `Forbidden` when a key makes one that could
    log in.
    """
    if kind not in KINDS:
        raise Invalid("kind", "InvalidOption", f"kind is one of {', '.join(KINDS)}.")
    if kind == "admin" and actor is not None:
        require_recent_auth(actor)
        if password is not None:  # it would outlive the key, and log in where a key cannot
            require_person(actor)
    checked = _check_login(login) if login or password is not None else _free_login(name)
    user = User(login=checked, name=name or login, kind=kind, description=description, desired="active")
    user.pk = number
    if password is None:
        user.set_unusable_password()
    else:
        password_check(password, user)
        user.set_password(password)
    details = {"login": login, "name": name, "kind": kind, "password": password}
    with unique_or(_login_taken(checked), *_LOGIN_CONSTRAINTS):
        hooks.create(user, actor=actor, request=details)
    return user


def _free_login(name: str) -> str:
    """A log-in name for an account that was given none: its name, or one made up where that is taken or none."""
    try:
        return _check_login(name)
    except Invalid:
        return f"account-{secrets.token_hex(6)}"


def first_admin_create(*, login: str, password: str, name: str = "") -> User:
    """The first administrator, made through the one-time set-up link; `Conflict` when there is one already."""
    refusal = Conflict("This installation already has an administrator; log in instead.")
    with unique_or(refusal, *_NUMBER_CONSTRAINTS), transaction.atomic():
        list(AccountNumber.objects.select_for_update(no_key=True).filter(pk=AccountNumber.ADMIN))
        if is_set_up():
            raise refusal
        free = not User.objects.filter(pk=AccountNumber.ADMIN).exists()
        number = AccountNumber.ADMIN if free else None
        return account_create(actor=None, login=login, password=password, name=name, kind="admin", number=number)


def account_update(user: User, *, actor: ActorProtocol | None, **changes: Any) -> User:
    """Change name, description or kind."""
    allowed = {k: v for k, v in changes.items() if k in {"name", "description", "kind"} and v is not None}
    if allowed.get("kind", "user") not in KINDS:
        raise Invalid("kind", "InvalidOption", f"kind is one of {', '.join(KINDS)}.")
    is_other_kind = allowed.get("kind", user.kind) != user.kind
    if is_other_kind and actor is not None:
        require_recent_auth(actor)
        if allowed["kind"] == "admin" and user.has_usable_password():
            require_person(actor)
    with transaction.atomic(), hooks.revoking(actor, accounts=[user.pk] if is_other_kind else []):
        if is_other_kind and user.is_admin:
            _require_another_admin(user)
        hooks.request_change(user, "update", actor=actor, changes=allowed, request=allowed)
        if is_other_kind:
            sessions_close(user)
    return user


def account_act(user: User, action: str, *, actor: ActorProtocol | None) -> User:
    """Activate, deactivate, remove, purge or restore an account; the last active admin stays."""
    with transaction.atomic(), hooks.revoking(actor, accounts=[user.pk]):
        if action in {"deactivate", "remove"} and user.is_admin:
            _require_another_admin(user)
        hooks.request_change(user, action, actor=actor)
        if not user.is_active:
            sessions_close(user)
    return user


def _require_another_admin(user: User) -> None:
    """Keep one administrator who can log in when providers fail: with a password kept here.

    Locks the administrators until the transaction ends: of two who leave at once, the second sees that the first left.
    """
    admins = User.objects.select_for_update(no_key=True).filter(kind="admin").order_by("pk")
    others = [each for each in admins if each.pk != user.pk and each.desired == "active"]
    if not others:
        raise Conflict("This is the last active administrator; make another one first.")
    if not any(each.has_usable_password() for each in others):
        raise Conflict(
            "No other active administrator has a password kept here, with which to get in when log-in providers fail; "
            "make one first."
        )


def key_create(
    *,
    actor: ActorProtocol,
    account: User,
    name: str = "",
    description: str = "",
    role: str = "",
    expires: datetime | None = None,
    addresses: Iterable[str] = (),
    environment: Any = None,
) -> NewKey:
    """A new access key and secret (20 upper-case hex digits, 40 unmistakable letters); the secret is stored hashed.

    Raises `Invalid` for an `expires` in the past and for invalid `addresses`. A key that makes a key passes its own
    limits on; `role` is checked by `environments.services`, which also say to which `environment` it belongs.
    """
    limits = key_limits(actor.api_key, expires, list(addresses))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(40))
    key = ApiKey(
        account=account,
        name=name,
        description=description,
        desired="active",
        public_value=secrets.token_hex(10).upper(),
        secret_hash=ApiKey.digest(secret),
        role=role,
        expires=limits.expires,
        addresses=list(limits.addresses),
    )
    details = {"name": name, "description": description, "role": role, **limits.details}
    hooks.create(key, actor=actor, request=details, environment=environment)
    return NewKey(key, secret)


def key_act(key: ApiKey, action: str, *, actor: ActorProtocol, environment: Any = None) -> ApiKey:
    """Activate, deactivate, remove or purge a key; the sockets that it opened close at once."""
    with hooks.revoking(actor, keys=[key.pk]):
        hooks.request_change(key, action, actor=actor, environment=environment)
    return key


def key_update(
    key: ApiKey,
    *,
    actor: ActorProtocol,
    environment: Any = None,
    details: Mapping[str, Any] | None = None,
    **changes: Any,
) -> ApiKey:
    """Change a key's name, description or limits (checked by `environments.services`); `details` is for the record
    too.
    """
    texts = {k: v for k, v in changes.items() if k in {"name", "description"} and v is not None}
    limits = {k: v for k, v in changes.items() if k in {"role", "expires", "addresses"}}
    require_current(key, {**texts, **limits})
    request = {**texts, **limits, **(details or {})}
    if request.get("expires") is not None:
        request["expires"] = request["expires"].isoformat()
    with transaction.atomic():
        hooks.request_change(key, "update", actor=actor, environment=environment, changes=texts, request=request)
        if limits:  # not among the changes: cancelling the operation must not bring an old limit back
            ApiKey.all_objects.filter(pk=key.pk).update(**limits)
            key.refresh_from_db()
    return key


def record_key_use(key: ApiKey, address: str = "") -> None:
    """Record when and from where a key was used: at most once a minute, but every change of address."""
    now = timezone.now()
    if key.last_used is None or (now - key.last_used).total_seconds() > 60 or key.last_address != address:
        ApiKey.all_objects.filter(pk=key.pk).update(last_used=now, last_address=address)


def record_failed_login(login: str, address: str, *, via: str = "console") -> None:
    """Count a refused login and delete old ones; `via` is the interface at which it was tried."""
    FailedLogin.objects.filter(at__lt=timezone.now() - 2 * FAILED_LOGIN_WINDOW).delete()
    FailedLogin.objects.create(login=login.lower()[:255], address=throttle_address(address))
    hooks.record("login.refused", actor=None, request={"login": login}, address=address, via=via, code="401")


def record_login(user: User, address: str, *, via: str = "console") -> None:
    """Delete the failures of this name and record the login, with the backend that accepted it."""
    FailedLogin.objects.filter(login=user.login.lower()[:255]).delete()
    User.all_objects.filter(pk=user.pk).update(last_login=timezone.now())
    details = {"backend": str(getattr(user, "backend", "")).rpartition(".")[2]}
    hooks.record("login", actor=None, row=user, address=address, account=user, request=details, via=via, code="200")
