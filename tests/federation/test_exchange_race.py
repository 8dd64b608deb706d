"""Of several requests with the same token at the same moment, one gets a key."""

from __future__ import annotations

import pytest

from apps.accounts.models import ApiKey
from apps.accounts.services import account_create
from apps.control.reconcile import reconcile_until_idle
from apps.environments.actor import actor_of_user
from apps.environments.services import environment_create
from apps.federation.exchange import ExchangedKey, ExchangeRequest, token_exchange
from apps.federation.models import TokenExchange
from apps.federation.services import trust_rule_create
from tests.federation.issuing import GITHUB, PORTAL, Issuer
from tests.incidents.race import race

THREADS = 6


@pytest.mark.django_db(transaction=True)
def test_a_token_that_comes_several_times_at_once_is_exchanged_once(issuer: Issuer):
    alice = account_create(actor=None, login="alice", password="correct horse battery staple")
    actor = actor_of_user(alice, "api")
    lab = environment_create(actor=actor, name="Lab")
    reconcile_until_idle()
    trust_rule_create(
        actor=actor,
        environment=lab,
        name="deploy",
        issuer=GITHUB,
        audience=PORTAL,
        conditions={"repository": "acme/shop"},
        role="restricted",
    )
    token_exchange(ExchangeRequest(issuer.token(), lab.pk))  # the issuer's keys are known from here on
    token = issuer.token()
    outcomes = race([lambda n=n: token_exchange(ExchangeRequest(token, lab.pk, f"10.0.0.{n}")) for n in range(THREADS)])  # type: ignore[misc]
    won = [each for each in outcomes if isinstance(each, ExchangedKey)]
    assert len(won) == 1, outcomes
    assert {getattr(each, "kind", "") for each in outcomes if each not in won} == {"replayed"}, outcomes
    assert ApiKey.objects.filter(name__contains="(deploy)").count() == 2
    assert TokenExchange.objects.count() == 2
