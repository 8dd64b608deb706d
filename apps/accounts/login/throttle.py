"""Guessing is slowed down: every try is counted before it is looked at, so that many at once do not slip through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import AccountNumber, FailedLogin
from apps.accounts.selectors import FAILED_LOGIN_WINDOW, login_retry_after, throttle_address
from apps.core import hooks
from apps.core.errors import Busy, Problem, TooManyRequests


@contextmanager
def login_attempt(login: str, address: str, *, via: str = "console") -> Iterator[None]:
    """Enter this around one look at a password or a code: it counts as failed until it ended well.

    A `Problem` raised inside is written down and stays counted. Raises `TooManyRequests` once a name, or an address,
    has failed too often; what is being looked at in this moment counts, too.
    """
    row = _reserve(login, address)
    try:
        yield
    except Busy:  # nothing was looked at
        row.delete()
        raise
    except Problem:
        hooks.record("login.refused", actor=None, request={"login": login}, address=address, via=via, code="401")
        raise
    row.delete()


@transaction.atomic
def _reserve(login: str, address: str) -> FailedLogin:
    # Any one row will do: whoever counts waits for who counted before, who has added theirs by then.
    list(AccountNumber.objects.select_for_update(no_key=True).filter(pk=AccountNumber.ANONYMOUS))
    wait = login_retry_after(login, address)
    if wait:
        message = _("Too many failed log-ins. Try again in %(seconds)s seconds.") % {"seconds": wait}
        raise TooManyRequests(message, retry_after=wait)
    FailedLogin.objects.filter(at__lt=timezone.now() - 2 * FAILED_LOGIN_WINDOW).delete()
    return FailedLogin.objects.create(login=login.lower()[:255], address=throttle_address(address))
