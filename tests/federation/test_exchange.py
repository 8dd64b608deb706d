"""A job's token for a short key: what is accepted, what is refused, and what is said about it to whom."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey, FailedLogin
from apps.accounts.selectors import find_usable_key
from apps.accounts.services import account_act
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import TooManyRequests
from apps.environments.actor import actor_of_key
from apps.environments.models import Environment
from apps.environments.services import environment_create, members_set
from apps.federation import exchange as exchanges
from apps.federation.exchange import ExchangedKey, ExchangeRequest, TokenRefused, token_exchange
from apps.federation.issuer_store import IssuerBusy
from apps.federation.models import TokenExchange, TrustRule
from apps.federation.services import trust_rule_act
from tests.federation.issuing import GITLAB, Issuer, MakeRule, ec_key, rsa_key


def exchange(token: str, environment: Environment | None = None, address: str = "203.0.113.7") -> ExchangedKey:
    """Exchange it for a key of the lab, or another environment."""
    place = environment or Environment.objects.get(name="Lab")
    found = token_exchange(ExchangeRequest(token, place.pk, address))
    reconcile_until_idle()
    return found


def refused(token: str, environment: Environment | None = None) -> TokenRefused:
    with pytest.raises(TokenRefused) as found:
        exchange(token, environment)
    assert not ApiKey.objects.filter(name__contains="(deploy)").exists()
    return found.value


def key_of(found: ExchangedKey) -> ApiKey:
    return ApiKey.objects.get(public_value=found.access_key)


def refusal(rule: TrustRule) -> str:
    rule.refresh_from_db()
    return rule.last_refusal


def test_a_job_gets_a_key_of_the_rules_role_for_its_minutes(rule: TrustRule, issuer: Issuer, lab: Environment):
    found = exchange(issuer.token())
    assert (found.environment, found.role, found.expires_in) == (lab, "restricted", 900)
    key = find_usable_key(found.access_key, found.secret_key)
    assert key is not None
    assert key.expires is not None
    assert timedelta(minutes=14) < key.expires - timezone.now() <= timedelta(minutes=15)
    held = actor_of_key(key, "api").permissions(lab.pk)
    assert "operate" in held
    assert "members" not in held


def test_key_and_audit_log_say_which_job_it_is(rule: TrustRule, issuer: Issuer):
    key = key_of(exchange(issuer.token()))
    assert key.name == "acme/shop run 42 (deploy)"
    row = TokenExchange.objects.get()
    assert (row.key, row.job_url) == (key, "https://github.com/acme/shop/actions/runs/4711")
    entry = AuditEntry.all_objects.get(event="trustRule.exchange")
    assert (entry.auth_type, entry.code, entry.address) == ("TokenExchange", "200", "203.0.113.7")
    assert entry.environment_id == rule.environment_id
    assert entry.request["jobUrl"] == row.job_url
    assert entry.request["claims"]["actor"] == "ann"
    made = AuditEntry.all_objects.get(event="apiKey.create", target=key.pk)
    assert made.code == "200"


def test_neither_token_nor_secret_is_kept(rule: TrustRule, issuer: Issuer):
    token = issuer.token()
    found = exchange(token)
    kept = str([*AuditEntry.all_objects.values(), *TokenExchange.objects.values(), *ApiKey.objects.values()])
    assert found.secret_key not in kept
    assert token not in kept
    assert token.rpartition(".")[2] not in kept


def test_keys_on_curves_count_as_well(rule: TrustRule, issuer: Issuer):
    issuer.keys = {"e1": ec_key()}
    assert exchange(issuer.token(key_id="e1")).role == "restricted"


def test_the_only_key_of_an_issuer_needs_no_id(rule: TrustRule, issuer: Issuer):
    assert exchange(issuer.token(key_id=None)).role == "restricted"


def test_of_several_keys_a_token_names_one(rule: TrustRule, issuer: Issuer):
    issuer.keys["k2"] = rsa_key(2)
    assert refused(issuer.token(key_id=None)).kind == "signature"
    assert exchange(issuer.token(key_id="k2")).role == "restricted"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"aud": "https://other.example.com"}, "unknown"),
        ({"iss": "https://evil.example.com"}, "unknown"),
        ({"iss": GITLAB}, "unknown"),
        ({"iss": None}, "malformed"),
        ({"aud": None}, "malformed"),
        ({"aud": ["a\x00b"]}, "malformed"),
        ({"iss": "a\x00b"}, "malformed"),
        ({"iss": "a\ud800b"}, "malformed"),
        ({"exp": int(time.time()) - 90}, "time"),
        ({"nbf": int(time.time()) + 900}, "time"),
        ({"iat": int(time.time()) + 900}, "time"),
        ({"exp": None}, "time"),
        ({"iat": None}, "time"),
        ({"sub": 7}, "malformed"),
        ({"jti": 7}, "malformed"),
        ({"exp": "soon"}, "time"),
        ({"exp": 10**30}, "time"),
        ({"exp": int(time.time()) + 90_000}, "time"),
        ({"ref": "refs/heads/feature"}, "conditions"),
        ({"ref": None}, "conditions"),
        ({"repository": "acme/shop-evil"}, "conditions"),
        ({"padding": "x" * 20_000}, "malformed"),
    ],
)
def test_a_token_that_is_not_of_now_or_not_for_us_is_refused(
    rule: TrustRule, issuer: Issuer, more: dict[str, Any], kind: str
):
    assert refused(issuer.token(**more)).kind == kind


def test_clocks_may_differ_by_a_minute(rule: TrustRule, issuer: Issuer):
    now = int(time.time())
    assert exchange(issuer.token(exp=now - 30)).role == "restricted"
    assert exchange(issuer.token(nbf=now + 30, iat=now + 30)).role == "restricted"


def test_no_algorithm_but_the_issuers_own_is_taken(rule: TrustRule, issuer: Issuer):
    assert refused(issuer.unsigned()).kind == "signature"
    assert refused(issuer.confused()).kind == "signature"
    assert refused(issuer.token(headers={"crit": ["b64"], "b64": True})).kind == "malformed"
    assert issuer.requests == 0


def test_a_signature_by_somebody_else_is_refused(rule: TrustRule, issuer: Issuer):
    assert refused(issuer.token(key=rsa_key(9))).kind == "signature"
    assert refused(issuer.token(key=ec_key())).kind == "signature"  # the key with this id is no such key
    whole = issuer.token()
    head, body, signature = whole.split(".")
    assert refused(f"{head}.{body}.{signature[:-8]}AAAAAAAA").kind == "signature"
    assert refusal(rule) == ""


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "....", "é.é.é", "{}", "e30.e30.e30", "\x00" * 40, "[" * 9000])
def test_what_is_no_token_is_refused(rule: TrustRule, text: str):
    assert refused(text).kind in {"malformed", "signature"}


def test_a_token_is_exchanged_once(rule: TrustRule, issuer: Issuer):
    token = issuer.token()
    exchange(token)
    with pytest.raises(TokenRefused) as found:
        exchange(token)
    assert found.value.kind == "replayed"
    assert ApiKey.objects.filter(name__contains="(deploy)").count() == 1
    assert refusal(rule) == "the token was exchanged already"


def test_a_token_without_an_id_is_exchanged_once_as_well(rule: TrustRule, issuer: Issuer):
    token = issuer.token(jti=None)
    exchange(token)
    with pytest.raises(TokenRefused) as found:
        exchange(token)
    assert found.value.kind == "replayed"
    assert exchange(issuer.token(jti=None, run_attempt="2")).role == "restricted"


def test_another_signature_makes_no_other_token(rule: TrustRule, issuer: Issuer):
    """With ES256 each signing gives another text."""
    issuer.keys = {"e1": ec_key()}
    claims = {**issuer.claims(), "jti": None}
    first, second = (issuer.token(key_id="e1", **claims) for _ in range(2))
    assert first != second
    exchange(first)
    with pytest.raises(TokenRefused) as found:
        exchange(second)
    assert found.value.kind == "replayed"


def test_what_was_refused_is_said_at_the_rule_of_the_same_repository_only(
    rule: TrustRule, make_rule: MakeRule, issuer: Issuer
):
    other = make_rule(name="other", conditions={"repository": "mallory/shop"})
    refused(issuer.token(ref="refs/heads/feature"))
    assert refusal(rule) == "claim ref was 'refs/heads/feature', where 'refs/heads/main' is wanted"
    assert refusal(other) == ""
    entry = AuditEntry.all_objects.get(event="trustRule.reject")
    assert (entry.code, entry.target, entry.request["claims"]["ref"]) == ("400", rule.pk, "refs/heads/feature")


def test_the_answer_says_nothing_of_the_rules(rule: TrustRule, issuer: Issuer):
    unknown = refused(issuer.token(iss="https://evil.example.com")).message
    assert refused(issuer.token(aud="https://other.example.com")).message == unknown
    assert "refs/heads/main" not in refused(issuer.token(ref="refs/heads/feature")).message


def test_an_expired_token_is_said_at_the_rule(rule: TrustRule, issuer: Issuer):
    refused(issuer.token(exp=int(time.time()) - 900))
    assert refusal(rule).startswith("It ended 20")


def test_an_inactive_rule_accepts_nothing(rule: TrustRule, issuer: Issuer, actor_of: Any):
    trust_rule_act(rule, "deactivate", actor=actor_of("alice"))
    assert refused(issuer.token()).kind == "unknown"
    reconcile_until_idle()
    rule.refresh_from_db()
    trust_rule_act(rule, "activate", actor=actor_of("alice"))
    assert exchange(issuer.token()).role == "restricted"


def test_an_owner_who_may_not_give_the_key_any_more_gives_none(
    make_rule: MakeRule, issuer: Issuer, lab: Environment, actor_of: Any, people: Any
):
    rule = make_rule(who="bob", role="member")
    member = [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]
    lower = {"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "restricted"}
    members_set(lab, [*member, lower], actor=actor_of("alice"))
    assert refused(issuer.token()).kind == "owner"
    assert "member may do more than you" in refusal(rule)
    members_set(lab, member, actor=actor_of("alice"))
    assert refused(issuer.token()).kind == "owner"
    assert TokenExchange.objects.count() == 0


def test_an_inactive_owner_gives_no_key(make_rule: MakeRule, issuer: Issuer, actor_of: Any, people: Any):
    rule = make_rule(who="bob")
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert refused(issuer.token()).kind == "owner"
    assert "not active any more" in refusal(rule)


def test_a_rule_that_is_switched_off_meanwhile_gives_no_key(
    rule: TrustRule, issuer: Issuer, actor_of: Any, monkeypatch: Any
):
    """Between the look at the rule and the key, whoever switches it off ends the keys that are there."""
    require_room = exchanges._require_room

    def switch_off(row: TrustRule, now: Any) -> None:
        require_room(row, now)
        trust_rule_act(TrustRule.all_objects.get(pk=row.pk), "deactivate", actor=actor_of("alice"))

    monkeypatch.setattr(exchanges, "_require_room", switch_off)
    assert refused(issuer.token()).kind == "unknown"
    assert not TokenExchange.objects.exists()


def test_the_oldest_of_several_rules_decides(rule: TrustRule, make_rule: MakeRule, issuer: Issuer):
    make_rule(name="second", role="readonly", conditions={"repository": "acme/*"})
    assert exchange(issuer.token()).role == "restricted"
    assert exchange(issuer.token(ref="refs/heads/x", repository="acme/other")).role == "readonly"


def test_a_key_is_of_the_environment_that_was_named(
    rule: TrustRule, make_rule: MakeRule, issuer: Issuer, actor_of: Any, lab: Environment
):
    """Whoever makes a rule for somebody else's repository must not have its jobs come to them."""
    theirs = environment_create(actor=actor_of("mallory"), name="Lab")
    reconcile_until_idle()
    lure = make_rule(who="mallory", environment=theirs)
    assert token_exchange(ExchangeRequest(issuer.token(), lab.pk)).environment == lab
    trust_rule_act(rule, "deactivate", actor=actor_of("alice"))
    with pytest.raises(TokenRefused) as found:
        token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    assert found.value.kind == "unknown"
    with pytest.raises(TokenRefused):
        token_exchange(ExchangeRequest(issuer.token(ref="refs/heads/x"), lab.pk))
    assert refusal(lure) == ""
    with pytest.raises(TokenRefused):
        token_exchange(ExchangeRequest(issuer.token(), 2**40))


def test_a_rule_gives_only_so_many_keys_at_a_time(rule: TrustRule, issuer: Issuer, monkeypatch: Any):
    monkeypatch.setattr(exchanges, "MAX_LIVE_KEYS", 2)
    exchange(issuer.token())
    exchange(issuer.token())
    with pytest.raises(TooManyRequests) as found:
        exchange(issuer.token())
    assert 0 < (found.value.retry_after or 0) <= 900


def test_who_tries_too_often_has_to_wait(rule: TrustRule, issuer: Issuer):
    for _ in range(40):
        refused(issuer.token(aud="https://other.example.com"))
    with pytest.raises(TooManyRequests):
        exchange(issuer.token())
    assert exchange(issuer.token(), address="203.0.113.8").role == "restricted"


def test_an_issuer_that_is_away_is_no_failed_try(rule: TrustRule, issuer: Issuer):
    issuer.failure = "it does not answer in time"
    with pytest.raises(IssuerBusy) as found:
        exchange(issuer.token())
    assert "does not answer" not in found.value.message
    assert refusal(rule) == ""
    assert not FailedLogin.objects.exists()
