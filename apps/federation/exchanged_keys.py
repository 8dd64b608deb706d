"""The end of keys that were given for tokens: with their time, their rule, or a change of whom it trusts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.core.defaults import setting_int
from apps.environments.actor import SYSTEM, Actor
from apps.environments.services import key_act
from apps.federation.models import IssuerKeySet, TokenExchange, TrustRule

BATCH = 200


def end_keys_of(rule: TrustRule, *, actor: Actor | None) -> int:
    """Deactivate the keys that a rule gave and that have not ended yet; how many there were."""
    live = TokenExchange.objects.filter(rule=rule, key_ends__gt=timezone.now(), key__desired="active")
    return _deactivate(live.select_related("key", "rule__environment"), actor or SYSTEM)


def _deactivate(exchanges: Iterable[TokenExchange], actor: Actor) -> int:
    count = 0
    for exchange in exchanges:
        if exchange.key is not None and exchange.key.LIFECYCLE.allows("deactivate", exchange.key.display_state):
            key_act(exchange.key, "deactivate", actor=actor, environment=exchange.rule.environment)
            count += 1
    return count


def end_expired_keys(now: datetime | None = None) -> int:
    """Deactivate the keys whose time is over, remove those that are inactive since, and delete old exchanges.

    They were refused from the moment on at which they expired; this only clears them away. How many rows were changed.
    """
    now = now or timezone.now()
    over = TokenExchange.objects.filter(key_ends__lte=now).select_related("key", "rule__environment").order_by("pk")
    count = _deactivate(over.filter(key__desired="active")[:BATCH], SYSTEM)
    # Those that a rule took along are removed as well, before their time would have been over.
    ended = TokenExchange.objects.filter(key__desired="inactive", key__state="inactive")
    for exchange in ended.select_related("key", "rule__environment").order_by("pk")[:BATCH]:
        if exchange.key is not None and exchange.key.LIFECYCLE.allows("remove", exchange.key.display_state):
            key_act(exchange.key, "remove", actor=SYSTEM, environment=exchange.rule.environment)
            count += 1
    return count + _delete_old(now)


def _delete_old(now: datetime) -> int:
    """Exchanges are kept as long as the audit log, and never less than their token could come back."""
    used = TrustRule.all_objects.filter(removed=None).values("issuer")
    count = IssuerKeySet.objects.exclude(issuer__in=used).delete()[0]
    days = setting_int("retention.audit.days")
    if days <= 0:
        return count
    rows = TokenExchange.objects.filter(token_ends__lt=now, created__lt=now - timedelta(days=days))
    gone = rows.filter(Q(key=None) | Q(key__desired__in=("removed", "purged"))).values_list("pk", flat=True)
    return count + TokenExchange.objects.filter(pk__in=list(gone[:BATCH])).delete()[0]
