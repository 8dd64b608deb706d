"""When the keys of an issuer are requested: rarely, at once for a new key, and not by whoever sends nonsense."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.federation import issuer_store
from apps.federation.exchanged_keys import end_expired_keys
from apps.federation.id_token import TokenInvalid
from apps.federation.issuer_store import MAX_FETCHES, IssuerBusy, issuer_key
from apps.federation.models import IssuerKeySet, TrustRule
from tests.federation.issuing import GITHUB, Issuer, rsa_key

pytestmark = pytest.mark.django_db


def later(**span: float) -> None:
    """Time passes for what is known of the issuer."""
    row = IssuerKeySet.objects.get()
    before = timedelta(**span)
    IssuerKeySet.objects.update(
        attempted_at=row.attempted_at and row.attempted_at - before,
        fetched_at=row.fetched_at and row.fetched_at - before,
    )


def test_keys_are_requested_once_an_hour(issuer: Issuer):
    for _ in range(5):
        assert issuer_key(GITHUB, "k1").key_id == "k1"
    later(minutes=50)
    issuer_key(GITHUB, "k1")
    assert issuer.requests == 1
    later(minutes=11)
    issuer_key(GITHUB, "k1")
    assert issuer.requests == 2


def test_a_new_key_is_found_at_once(issuer: Issuer):
    issuer_key(GITHUB, "k1")
    later(minutes=2)
    issuer.keys = {"k2": rsa_key(2)}
    assert issuer_key(GITHUB, "k2").key_id == "k2"
    assert issuer.requests == 2


def test_unknown_keys_are_requested_once_a_minute(issuer: Issuer):
    issuer_key(GITHUB, "k1")
    later(seconds=61)
    for number in range(5):
        with pytest.raises(TokenInvalid) as found:
            issuer_key(GITHUB, f"none{number}")
        assert found.value.kind == "signature"
    assert issuer.requests == 2


def test_a_key_that_was_withdrawn_is_trusted_for_an_hour_at_most(issuer: Issuer):
    issuer_key(GITHUB, "k1")
    issuer.keys = {"k2": rsa_key(2)}
    later(minutes=61)
    with pytest.raises(TokenInvalid):
        issuer_key(GITHUB, "k1")


def test_while_the_issuer_is_away_its_keys_count_for_a_day(issuer: Issuer):
    issuer_key(GITHUB, "k1")
    issuer.failure = "it does not answer in time"
    later(hours=20)
    assert issuer_key(GITHUB, "k1").key_id == "k1"
    assert IssuerKeySet.objects.get().last_error == "it does not answer in time"
    later(hours=5)
    with pytest.raises(IssuerBusy) as found:
        issuer_key(GITHUB, "k1")
    assert found.value.retry_after == 60


def test_while_somebody_else_asks_others_come_back_soon(issuer: Issuer):
    IssuerKeySet.objects.create(issuer=GITHUB, attempted_at=timezone.now())
    with pytest.raises(IssuerBusy) as found:
        issuer_key(GITHUB, "k1")
    assert (issuer.requests, found.value.retry_after) == (0, 5)


def test_slow_issuers_hold_a_few_threads_only(issuer: Issuer):
    for _ in range(MAX_FETCHES):
        assert issuer_store._fetches.acquire(blocking=False)
    try:
        with pytest.raises(IssuerBusy) as found:
            issuer_key(GITHUB, "k1")
        assert (issuer.requests, found.value.retry_after) == (0, 5)
    finally:
        for _ in range(MAX_FETCHES):
            issuer_store._fetches.release()
    assert issuer_key(GITHUB, "k1").key_id == "k1"


def test_keys_of_issuers_that_no_rule_names_are_deleted(rule: TrustRule, issuer: Issuer):
    issuer_key(GITHUB, "k1")
    end_expired_keys()
    assert IssuerKeySet.objects.exists()
    TrustRule.all_objects.update(removed=timezone.now())
    end_expired_keys()
    assert not IssuerKeySet.objects.exists()
