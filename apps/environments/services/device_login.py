"""Logging a program in by a browser (RFC 8628): it shows a code, a person allows it, and it fetches a key, once."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.selectors import throttle_address
from apps.core.errors import Conflict, TooManyRequests
from apps.core.hooks import hooks
from apps.environments.actor import SYSTEM, Actor
from apps.environments.models import DeviceLogin, Environment, KeyScope
from apps.environments.services.keys import account_key_create, environment_key_create, key_act

POLL_SECONDS = 5
MAX_PER_ADDRESS = 10
MAX_WAITING = 1000
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; nothing that is read as something else
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class DeviceCodes:
    """What a program gets that wants to be logged in: its own code, and the one that a person types or sees."""

    device_code: str
    user_code: str
    seconds: int
    poll_seconds: int = POLL_SECONDS


@dataclass(frozen=True, slots=True)
class FetchedKey:
    """The key of a program that was allowed; `environment_id` is where it acts, None for everywhere."""

    access_key: str
    secret_key: str
    environment_id: int | None


class DeviceLoginRefused(Exception):
    """There is no key (yet); `word` is RFC 8628's: authorization_pending, slow_down, access_denied or expired_token."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def device_login_begin(*, machine: str, address: str) -> DeviceCodes:
    """Begin the log-in of a program. Raises `TooManyRequests` when too many wait, from its address or altogether."""
    now = timezone.now()
    device_logins_expire(now)
    place = throttle_address(address)
    waiting = DeviceLogin.objects.filter(state=DeviceLogin.WAITING, expires__gt=now)
    if waiting.filter(address=place).count() >= MAX_PER_ADDRESS or waiting.count() >= MAX_WAITING:
        raise TooManyRequests(
            "Too many programs wait to be logged in; finish or let expire what was begun, and try again in ten minutes."
        )
    code = secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    row = DeviceLogin.objects.create(
        digest=ApiKey.digest(code),
        user_code=f"{letters[:4]}-{letters[4:]}",
        machine=_NOT_PRINTABLE.sub(" ", machine).strip()[:100] or "a program",
        address=place,
        expires=now + DeviceLogin.LIFE,
    )
    return DeviceCodes(code, row.user_code, int(DeviceLogin.LIFE.total_seconds()))


def device_login_find(user_code: str) -> DeviceLogin | None:
    """The program that waits with this code, as people type it: in any case of letters, with or without the hyphen."""
    letters = re.sub(r"[^A-Z]", "", user_code[:40].upper())
    waiting = DeviceLogin.objects.filter(state=DeviceLogin.WAITING, expires__gt=timezone.now())
    return waiting.filter(user_code=f"{letters[:4]}-{letters[4:]}").first() if len(letters) == 8 else None


def device_login_allow(
    row: DeviceLogin, *, actor: Actor, environment: Environment | None, role: str = "", expires: datetime | None = None
) -> ApiKey:
    """Make the program a key of the environment, or of the whole account; it fetches the key itself.

    Raises what making a key raises (`Forbidden`, `Invalid`, `ReauthenticationRequired`), and `Conflict` when somebody
    was faster or the time is over.
    """
    more: dict[str, Any] = {"role": role, "expires": expires, "name": f"corral on {row.machine}"}
    with transaction.atomic():
        _take(row, DeviceLogin.ALLOWED)
        if environment is not None:
            made = environment_key_create(actor=actor, environment=environment, **more)
        else:
            made = account_key_create(actor=actor, **more)
        DeviceLogin.objects.filter(pk=row.pk).update(key=made.key, secret=made.secret)
        _record(row, "deviceLogin.allow", actor, environment)
    return made.key


def device_login_deny(row: DeviceLogin, *, actor: Actor) -> None:
    """Tell the program that it gets none. Raises `Conflict` when it was decided already."""
    with transaction.atomic():
        _take(row, DeviceLogin.DENIED)
        _record(row, "deviceLogin.deny", actor, None)


def device_login_fetch(device_code: str) -> FetchedKey:
    """The key of the program with this code, once. Raises `DeviceLoginRefused`."""
    now = timezone.now()
    row = DeviceLogin.objects.filter(digest=ApiKey.digest(device_code[:200])).select_related("key").first()
    if row is None or row.expires <= now or row.state == DeviceLogin.FETCHED:
        raise DeviceLoginRefused("expired_token")
    if row.state == DeviceLogin.DENIED:
        raise DeviceLoginRefused("access_denied")
    if row.state == DeviceLogin.WAITING:
        is_early = row.polled is not None and now - row.polled < timedelta(seconds=POLL_SECONDS - 1)
        DeviceLogin.objects.filter(pk=row.pk).update(polled=now)
        raise DeviceLoginRefused("slow_down" if is_early else "authorization_pending")
    taken = DeviceLogin.objects.filter(pk=row.pk, state=DeviceLogin.ALLOWED)
    if row.key is None or not taken.update(state=DeviceLogin.FETCHED, secret=""):
        raise DeviceLoginRefused("expired_token")
    scope = KeyScope.objects.filter(key=row.key).first()
    return FetchedKey(row.key.public_value, row.secret, scope.environment_id if scope else None)


def device_logins_expire(now: datetime) -> int:
    """Forget the log-ins whose time is over; a key that its program never fetched goes as well. How many there were."""
    count = 0
    for row in DeviceLogin.objects.filter(expires__lte=now).select_related("key")[:500]:
        deleted, _by_table = DeviceLogin.objects.filter(pk=row.pk).delete()
        count += deleted
        if deleted and row.state == DeviceLogin.ALLOWED and row.key is not None and row.key.desired == "active":
            scope = KeyScope.objects.filter(key=row.key).select_related("environment").first()
            key_act(row.key, "deactivate", actor=SYSTEM, environment=scope.environment if scope else None)
    return count


def _take(row: DeviceLogin, state: str) -> None:
    """Decide it, once. Raises `Conflict`."""
    waiting = DeviceLogin.objects.filter(pk=row.pk, state=DeviceLogin.WAITING, expires__gt=timezone.now())
    if not waiting.update(state=state):
        raise Conflict("This program was answered already, or its time is over; let it begin anew.")


def _record(row: DeviceLogin, event: str, actor: Actor, environment: Environment | None) -> None:
    details = {"machine": row.machine, "address": row.address, "userCode": row.user_code}
    place = environment.pk if environment is not None else None
    hooks.record(event, actor=actor, environment_id=place, request=details)
