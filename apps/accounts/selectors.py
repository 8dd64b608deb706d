"""Reads of accounts and keys."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey, FailedLogin, User
from apps.core.addresses import is_within

FAILED_LOGIN_WINDOW = timedelta(minutes=5)
TRIES_PER_NAME = 8
TRIES_PER_ADDRESS = 40


def is_set_up() -> bool:
    """Whether the installation has its first admin."""
    return User.objects.filter(kind="admin").exists()


def break_glass() -> User | None:
    """The one administrator left who can log in when providers fail; None while there are several, or none.

    That is the last active administrator with a password kept here. No rule may keep this account out.
    """
    found = local_admins()
    return found[0] if len(found) == 1 else None


def local_admins() -> list[User]:
    """The active administrators with a password kept here, who can log in when providers fail."""
    admins = User.objects.filter(kind="admin", desired="active")
    return [user for user in admins if user.has_usable_password()]


def key_by_credentials(public_value: str, secret: str) -> ApiKey | None:
    """The key with this pair, or None; `key_refusal` says whether it may be used."""
    key = ApiKey.objects.select_related("account").filter(public_value=public_value).first()
    if key is None:
        ApiKey.digest(secret)
        return None
    return key if key.accepts(secret) else None


def find_usable_key(public_value: str, secret: str, address: str = "") -> ApiKey | None:
    """The key with this pair, if it may be used from this address now."""
    key = key_by_credentials(public_value, secret)
    return None if key is None or key_refusal(key, address) else key


def key_refusal(key: ApiKey, address: str) -> str:
    """Why a key may not be used from this address now, or nothing."""
    if key.desired != "active" or not key.account.is_active:
        return _("This API key or its account is not active.")
    if key.is_expired:
        return _("This API key has expired; make a new one.")
    if key.addresses and not is_within(address, key.addresses):
        return _("This API key may not be used from %(address)s.") % {"address": address or _("an unknown address")}
    return ""


def login_retry_after(login: str, address: str) -> int:
    """Seconds until this name or address may try to log in again; 0 means now."""
    since = timezone.now() - FAILED_LOGIN_WINDOW
    recent = FailedLogin.objects.filter(at__gt=since)
    by_name = recent.filter(login=login.lower()).count()
    by_address = recent.filter(address=address).count()
    if by_name < TRIES_PER_NAME and by_address < TRIES_PER_ADDRESS:
        return 0
    oldest = recent.filter(login=login.lower()).order_by("at").first() or recent.order_by("at").first()
    return max(1, int((oldest.at - since).total_seconds())) if oldest else 0
