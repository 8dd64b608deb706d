"""Reads of accounts and keys."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import ApiKey, FailedLogin, User

WINDOW = timedelta(minutes=5)
TRIES_PER_NAME = 8
TRIES_PER_ADDRESS = 40


def is_set_up() -> bool:
    """Whether the installation has its first admin."""
    return User.objects.filter(kind="admin").exists()


def key_for(public_value: str, secret: str) -> ApiKey | None:
    """The active key of an active account with this pair, or None."""
    key = ApiKey.objects.select_related("account").filter(public_value=public_value).first()
    if key is None:
        ApiKey.digest(secret)
        return None
    usable = key.desired == "active" and key.account.is_active
    return key if key.accepts(secret) and usable else None


def login_wait(login: str, address: str) -> int:
    """Seconds until this name or address may try to log in again; 0 means now."""
    since = timezone.now() - WINDOW
    recent = FailedLogin.objects.filter(at__gt=since)
    by_name = recent.filter(login=login.lower()).count()
    by_address = recent.filter(address=address).count()
    if by_name < TRIES_PER_NAME and by_address < TRIES_PER_ADDRESS:
        return 0
    oldest = recent.filter(login=login.lower()).order_by("at").first() or recent.order_by("at").first()
    return max(1, int((oldest.at - since).total_seconds())) if oldest else 0
