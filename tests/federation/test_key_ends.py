"""When the key of a job ends: with its time, with its rule, with whom it trusts; and what is left afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.selectors import find_usable_key
from apps.accounts.services import account_act
from apps.control.reconcile import reconcile_until_idle
from apps.control.retention import delete_expired_rows
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.federation.exchange import ExchangedKey, ExchangeRequest, TokenRefused, token_exchange
from apps.federation.exchanged_keys import end_expired_keys
from apps.federation.models import TokenExchange, TrustRule
from apps.federation.selectors import jobs_of_keys
from apps.federation.services import trust_rule_act, trust_rule_update
from tests.federation.issuing import Issuer, MakeRule


@pytest.fixture
def given(rule: TrustRule, issuer: Issuer, lab: Environment) -> ExchangedKey:
    """The key of a job that runs now."""
    found = token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    reconcile_until_idle()
    return found


def is_usable(key: ExchangedKey) -> bool:
    return find_usable_key(key.access_key, key.secret_key) is not None


def pass_time(**span: float) -> None:
    before = timedelta(**span)
    for row in TokenExchange.objects.all():
        moved = {name: getattr(row, name) - before for name in ("created", "token_ends", "key_ends")}
        TokenExchange.objects.filter(pk=row.pk).update(**moved)
        ApiKey.objects.filter(pk=row.key_number or 0).update(expires=moved["key_ends"])


def run_clock() -> int:
    count = end_expired_keys()
    reconcile_until_idle()
    return count


def test_it_is_refused_when_its_time_is_over(given: ExchangedKey):
    assert is_usable(given)
    pass_time(minutes=14)
    assert is_usable(given)
    pass_time(minutes=2)
    assert not is_usable(given)


def test_the_clock_removes_expired_keys_and_leaves_others(given: ExchangedKey):
    assert run_clock() == 0
    pass_time(minutes=16)
    run_clock()
    run_clock()
    key = ApiKey.objects.get(public_value=given.access_key)
    assert (key.desired, key.state) == ("removed", "removed")
    assert run_clock() == 0


def test_the_record_of_an_exchange_outlives_its_key(given: ExchangedKey):
    pass_time(days=2)
    run_clock()
    run_clock()
    ApiKey.objects.filter(public_value=given.access_key).update(removed=timezone.now() - timedelta(days=2))
    delete_expired_rows()
    assert not ApiKey.objects.filter(public_value=given.access_key).exists()
    row = TokenExchange.objects.get()
    assert (row.key, row.job) == (None, "acme/shop run 42")
    assert jobs_of_keys([row.key_number, None, 0]) == {row.key_number: row}
    pass_time(days=87)
    run_clock()
    assert TokenExchange.objects.exists()
    pass_time(days=2)
    run_clock()
    assert not TokenExchange.objects.exists()


@pytest.mark.parametrize("action", ["deactivate", "remove"])
def test_it_ends_with_its_rule(given: ExchangedKey, rule: TrustRule, actor_of: Any, action: str):
    trust_rule_act(rule, "deactivate", actor=actor_of("bob"))
    assert not is_usable(given)
    reconcile_until_idle()
    rule.refresh_from_db()
    trust_rule_act(rule, action if action == "remove" else "activate", actor=actor_of("alice"))
    reconcile_until_idle()
    assert not is_usable(given)


@pytest.mark.parametrize(
    "change",
    [
        {"conditions": {"repository": "acme/shop", "ref": "refs/heads/release"}},
        {"audience": "https://portal.example.org"},
        {"issuer": "https://gitlab.com"},
        {"role": "readonly"},
    ],
)
def test_it_ends_when_its_rule_trusts_others(given: ExchangedKey, rule: TrustRule, actor_of: Any, change: Any):
    trust_rule_update(rule, actor=actor_of("alice"), **change)
    assert not is_usable(given)


def test_it_goes_on_when_its_rule_is_renamed(given: ExchangedKey, rule: TrustRule, actor_of: Any):
    trust_rule_update(rule, actor=actor_of("alice"), name="release", minutes=30)
    assert is_usable(given)


def test_it_ends_with_the_account_that_answers_for_it(
    make_rule: MakeRule, issuer: Issuer, actor_of: Any, people: Any, lab: Environment
):
    make_rule(who="bob")
    given = token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    reconcile_until_idle()
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert not is_usable(given)


def test_the_rules_of_a_removed_environment_go_with_it(
    given: ExchangedKey, rule: TrustRule, issuer: Issuer, lab: Environment, actor_of: Any
):
    environment_act(lab, "deactivate", actor=actor_of("alice"))
    with pytest.raises(TokenRefused):
        token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    reconcile_until_idle()
    lab.refresh_from_db()
    environment_act(lab, "remove", actor=actor_of("alice"))
    for _ in range(5):
        reconcile_until_idle()
        Environment.objects.filter(pk=lab.pk).update(next_attempt_at=timezone.now())
    rule.refresh_from_db()
    assert rule.state == "removed"
    assert not is_usable(given)
