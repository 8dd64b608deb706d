"""Asks login providers again about people who came through them: whether they may still log in, and their groups."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.accounts.claims import Claims
from apps.accounts.identity_kinds import person_kinds
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers.errors import admin_message
from apps.accounts.providers.provision import apply_resync
from apps.core import hooks
from apps.core.defaults import setting_int
from apps.core.errors import Problem

RETRY_SECONDS = 60.0
ERROR_BACKOFF = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ResyncOutcome:
    """Seconds until the account is reconciled again (None: never), and why it may not log in any more."""

    requeue_after: float | None = None
    rejection_reason: str = ""


def resync_account(user: User) -> ResyncOutcome:
    """Ask the provider about the account's person, if it is time; the answer takes effect at once.

    A provider that does not answer changes nothing: its row says why, and it is not asked again for half a minute.
    """
    person = person_identities().filter(user=user).select_related("provider", "user").first()
    if person is None:
        return ResyncOutcome()
    every = max(1, setting_int("auth.resync.minutes")) * 60.0
    wait = 0.0 if person.refreshed_at is None else every - (timezone.now() - person.refreshed_at).total_seconds()
    if wait > 1:
        return ResyncOutcome(wait, person.rejection_reason)
    if not _may_query(person.provider):
        return ResyncOutcome(RETRY_SECONDS, person.rejection_reason)
    try:
        answer = _fetch_person(person.provider, person)
    except Problem as problem:
        _record_provider_health(person.provider, admin_message(problem))
        return ResyncOutcome(RETRY_SECONDS, person.rejection_reason)
    _record_provider_health(person.provider)
    return ResyncOutcome(every * random.uniform(0.9, 1.0), apply_resync(person, answer))  # noqa: S311 - spread, not secrecy


def requeue_provider_accounts(provider: AuthProvider) -> int:
    """Reconcile everybody of a provider, unless it is off or on trial; how many people those are."""
    if not provider.accepts_logins or provider.is_on_trial:
        return 0
    AuthProvider.objects.filter(pk=provider.pk).update(last_error_at=None)
    people = person_identities().filter(provider=provider)
    people.update(refreshed_at=None)
    keys = list(people.values_list("user", flat=True))
    User.all_objects.filter(pk__in=keys).update(next_attempt_at=timezone.now())  # a queued reconcile may get lost
    for key in keys:
        hooks.enqueue_after_commit(User.KIND, key)
    return len(keys)


def person_identities() -> Any:
    """The identities that are people."""
    return Identity.objects.filter(kind__in=person_kinds())


def _may_query(provider: AuthProvider) -> bool:
    is_backing_off = provider.last_error_at is not None and timezone.now() - provider.last_error_at < ERROR_BACKOFF
    return provider.accepts_logins and not provider.is_on_trial and not is_backing_off


def _fetch_person(provider: AuthProvider, person: Identity) -> Claims | str:
    answer: Claims | str = provider.login_provider.resync(provider.config, person.external_id, person.token)
    return answer


def _record_provider_health(provider: AuthProvider, last_error: str = "") -> None:
    now, row = timezone.now(), AuthProvider.objects.filter(pk=provider.pk)
    if last_error:
        row.update(last_error=last_error, last_error_at=now)
        return
    stale = Q(answered_at=None) | Q(answered_at__lt=now - timedelta(seconds=1)) | Q(last_error_at__isnull=False)
    row.filter(stale).update(answered_at=now, last_error="", last_error_at=None)
