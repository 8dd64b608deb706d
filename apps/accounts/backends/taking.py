"""What a provider said anew about somebody, made to count: groups come and go, and who is out is out at once."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.access import refusal
from apps.accounts.backends.arrival import remember
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import PERSON_KINDS, Claims
from apps.core import ports


def take(person: Identity, told: Claims | str) -> str:
    """Let it count; why the person is out now, or nothing."""
    try:
        return _write(person, told)
    except IntegrityError:  # the person logged in at the same moment
        return _write(person, told)


@transaction.atomic
def _write(person: Identity, told: Claims | str) -> str:
    provider, user = person.provider, person.user
    before = _groups(user, provider)
    if isinstance(told, Claims):
        remember(user, provider, told)
        gone = refusal(provider.config, told, user)
    else:
        user.identities.filter(provider=provider).exclude(pk=person.pk).delete()
        gone = told
    Identity.objects.filter(pk=person.pk).update(gone=gone[:255], asked_at=timezone.now())
    after = _groups(user, provider)
    if gone != person.gone or before != after:
        ended = ports.sessions_close(user) if gone and not user.is_active else 0
        changes = {"left": sorted(before - after), "joined": sorted(after - before), "out": gone}
        said = {"from": provider.kind, **changes, "sessionsEnded": ended}
        ports.record("account.resync", actor=None, row=user, account=user, request=said)
    ports.identified(user)
    return gone


def _groups(user: User, provider: AuthProvider) -> set[str]:
    groups = user.identities.filter(provider=provider).exclude(kind__in=PERSON_KINDS.values())
    return {str(group) for group in groups}
