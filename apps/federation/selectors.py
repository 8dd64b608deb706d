"""Reading trust rules: of an environment, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable

from apps.core.models import TenantQuerySet
from apps.environments.actor import Actor
from apps.federation.models import IssuerKeySet, TokenExchange, TrustRule

SHOWN_EXCHANGES = 20


def trust_rules_of(actor: Actor, environment_id: int) -> TenantQuerySet[TrustRule]:
    """The rules that the actor sees in an environment."""
    seen = [environment_id] if "view" in actor.permissions(environment_id) else []
    rows: TenantQuerySet[TrustRule] = TrustRule.objects.within(seen).filter(removed=None).select_related("account")
    return rows


def exchanges_of(rule: TrustRule) -> list[TokenExchange]:
    """The newest exchanges by a rule, with their keys."""
    rows = TokenExchange.objects.filter(rule=rule).select_related("key").order_by("-pk")
    return list(rows[:SHOWN_EXCHANGES])


def jobs_of_keys(key_numbers: Iterable[int | None]) -> dict[int, TokenExchange]:
    """The exchanges that gave these keys, by the number of the key, in one query at most; most keys are of no job."""
    numbers = {each for each in key_numbers if each is not None}
    rows = TokenExchange.objects.filter(key_number__in=numbers).only("key_number", "job", "job_url") if numbers else ()
    return {row.key_number or 0: row for row in rows}


def issuer_state(issuer: str) -> IssuerKeySet | None:
    """What is known of an issuer's keys, None before they were requested the first time."""
    return IssuerKeySet.objects.filter(issuer=issuer).first()
