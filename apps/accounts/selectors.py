"""Reads of accounts and keys."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db.models import QuerySet
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
    recent = FailedLogin.objects.filter(at__gt=timezone.now() - FAILED_LOGIN_WINDOW)
    by_name = recent.filter(login=login.lower()[:255])
    by_address = recent.filter(address=throttle_address(address))
    return max(_wait(by_name, TRIES_PER_NAME), _wait(by_address, TRIES_PER_ADDRESS))


def _wait(rows: QuerySet[FailedLogin], limit: int) -> int:
    """Seconds until fewer than `limit` of them are recent."""
    newest = list(rows.order_by("-at").values_list("at", flat=True)[:limit])
    if len(newest) < limit:
        return 0
    return max(1, int((newest[-1] + FAILED_LOGIN_WINDOW - timezone.now()).total_seconds()))


def throttle_address(address: str) -> str:
    """What is counted for an address: itself, or of IPv6 its /64, which a single machine has all of."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
