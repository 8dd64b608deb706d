"""The keys of issuers: kept for an hour, and requested anew for a key that is not among them, once a minute at most."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.core.errors import Busy
from apps.federation.id_token import SIGNATURE, TokenInvalid
from apps.federation.issuer_fetch import IssuerUnreachable, fetch_issuer_keys
from apps.federation.issuer_keys import IssuerKey, key_for, parse_issuer_keys
from apps.federation.models import IssuerKeySet

FRESH = timedelta(hours=1)  # how long a key that its issuer withdrew is still trusted
USABLE = timedelta(hours=24)  # the same while the issuer does not answer
PAUSE = timedelta(seconds=60)
MAX_FETCHES = 4
_BEING_FETCHED = 5  # seconds until another request that was first has its answer

# Of one process: issuers that let others wait must not hold all threads that answer requests.
_fetches = threading.BoundedSemaphore(MAX_FETCHES)


class IssuerBusy(Busy):
    """The keys of an issuer cannot be had just now; why is in its row, for those who have a rule for it."""

    def __init__(self, seconds: int) -> None:
        text = f"The keys of the token's issuer cannot be had at the moment; try again in {seconds} seconds."
        super().__init__(text, retry_after=seconds)


def issuer_key(issuer: str, key_id: str) -> IssuerKey:
    """The key of an issuer with this id. Call it outside a transaction: they may have to be requested.

    Raises `TokenInvalid` for a key that the issuer has not, `IssuerBusy` where its keys cannot be had.
    """
    now = timezone.now()
    row, _is_new = IssuerKeySet.objects.get_or_create(issuer=issuer)
    found = _find(row, key_id, now)
    is_fresh = row.fetched_at is not None and row.fetched_at > now - FRESH
    if found is not None and is_fresh:
        return found
    if _fetches.acquire(blocking=False):
        try:
            if _may_request(row, now):
                _fetch(row, now)
                found = _find(row, key_id, now)
        finally:
            _fetches.release()
    if found is not None:
        return found
    if row.fetched_at is None or row.fetched_at <= now - USABLE:
        raise IssuerBusy(int(PAUSE.total_seconds()) if row.last_error else _BEING_FETCHED)
    raise TokenInvalid(SIGNATURE, f"Its issuer has no key {key_id[:80]!r}.")


def _find(row: IssuerKeySet, key_id: str, now: datetime) -> IssuerKey | None:
    if row.fetched_at is None or row.fetched_at <= now - USABLE:
        return None
    return key_for(parse_issuer_keys(row.document), key_id)


def _may_request(row: IssuerKeySet, now: datetime) -> bool:
    """Whether nobody has requested them for a minute; of several that may, one does."""
    idle = Q(attempted_at=None) | Q(attempted_at__lte=now - PAUSE)
    return bool(IssuerKeySet.objects.filter(idle, pk=row.pk).update(attempted_at=now))


def _fetch(row: IssuerKeySet, now: datetime) -> None:
    try:
        document = fetch_issuer_keys(row.issuer)
    except IssuerUnreachable as problem:
        row.last_error = str(problem)[:700]
        IssuerKeySet.objects.filter(pk=row.pk).update(last_error=row.last_error)
        return
    row.document, row.fetched_at, row.last_error = document, now, ""
    IssuerKeySet.objects.filter(pk=row.pk).update(document=document, fetched_at=now, last_error="")
