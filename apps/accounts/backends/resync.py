"""Asking log-in providers anew about people who came through them: still there, and in which groups?"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.accounts.backends.directory import reader, told_inside
from apps.accounts.backends.taking import take
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import PERSON_KINDS, Claims, Github
from apps.core import ports
from apps.core.defaults import setting_int
from apps.core.errors import Problem

RETRY = 60.0
REST = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Heard:
    """Seconds until the account is to be looked at again (None: never), and why it may not come in any more."""

    again_in: float | None = None
    gone: str = ""


def ask_again(user: User) -> Heard:
    """Ask the provider about the account's person, if it is time; what it says counts at once.

    A provider that does not answer changes nothing: its row says why, and nobody asks it again for half a minute.
    """
    person = persons().filter(user=user).select_related("provider", "user").first()
    if person is None:
        return Heard()
    every = max(1, setting_int("auth.resync.minutes")) * 60.0
    wait = 0.0 if person.asked_at is None else every - (timezone.now() - person.asked_at).total_seconds()
    if wait > 1:
        return Heard(wait, person.gone)
    if not _may_be_asked(person.provider):
        return Heard(RETRY, person.gone)
    try:
        told = _ask(person.provider, person)
    except Problem as problem:
        _note(person.provider, told_inside(problem))
        return Heard(RETRY, person.gone)
    _note(person.provider)
    return Heard(every * random.uniform(0.9, 1.0), take(person, told))  # noqa: S311 - spread, not secrecy


def ask_everybody_anew(provider: AuthProvider) -> int:
    """Have everybody of a provider looked at, unless it is off or on trial; how many people."""
    if not provider.is_open or provider.is_on_trial:
        return 0
    AuthProvider.objects.filter(pk=provider.pk).update(trouble_at=None)
    people = persons().filter(provider=provider)
    people.update(asked_at=None)
    keys = list(people.values_list("user", flat=True))
    User.all_objects.filter(pk__in=keys).update(next_look=timezone.now())  # a wake-up may get lost
    for key in keys:
        ports.wake(User.KIND, key)
    return len(keys)


def persons() -> Any:
    """The identities that are people."""
    return Identity.objects.filter(kind__in=PERSON_KINDS.values())


def _may_be_asked(provider: AuthProvider) -> bool:
    is_resting = provider.trouble_at is not None and timezone.now() - provider.trouble_at < REST
    return provider.is_open and not provider.is_on_trial and not is_resting


def _ask(provider: AuthProvider, person: Identity) -> Claims | str:
    config = provider.config
    if isinstance(config, Github):
        from apps.accounts.backends import hub

        return hub.person(config, person.external_id, person.token)
    told: Claims | str = reader().person(provider.kind, config, person.external_id)
    return told


def _note(provider: AuthProvider, trouble: str = "") -> None:
    now, row = timezone.now(), AuthProvider.objects.filter(pk=provider.pk)
    if trouble:
        row.update(trouble=trouble, trouble_at=now)
        return
    stale = Q(answered_at=None) | Q(answered_at__lt=now - timedelta(seconds=1)) | Q(trouble_at__isnull=False)
    row.filter(stale).update(answered_at=now, trouble="", trouble_at=None)
