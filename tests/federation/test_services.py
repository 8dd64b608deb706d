"""Who may make and change trust rules, with which role, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.edits import BasedOn, StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.actor import actor_of_key
from apps.environments.models import Environment
from apps.environments.services import environment_key_create
from apps.federation import services
from apps.federation.models import TrustRule
from apps.federation.selectors import trust_rules_of
from apps.federation.services import trust_rule_act, trust_rule_update
from tests.federation.issuing import GITHUB, MakeRule


def test_a_rule_belongs_to_its_maker_and_is_active_at_once(rule: TrustRule, people: Any):
    assert (rule.account, rule.state, rule.minutes) == (people.alice, "active", 15)
    entry = AuditEntry.all_objects.get(event="trustRule.create")
    assert entry.request["conditions"] == {"repository": "acme/shop", "ref": "refs/heads/main"}


@pytest.mark.parametrize("who", ["alice", "bob", "rex", "root"])
def test_who_may_make_keys_may_make_rules(make_rule: MakeRule, who: str):
    assert make_rule(who=who, role="readonly").issuer == GITHUB


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_others_may_not(make_rule: MakeRule, who: str):
    with pytest.raises(Forbidden):
        make_rule(who=who, role="readonly")


@pytest.mark.parametrize(("who", "role"), [("bob", "owner"), ("rex", "member"), ("alice", "nonsense")])
def test_nobody_gives_more_than_they_have(make_rule: MakeRule, who: str, role: str):
    with pytest.raises(Invalid) as found:
        make_rule(who=who, role=role)
    assert (found.value.field, found.value.code) == ("role", "InvalidOption")
    assert not TrustRule.all_objects.exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"issuer": "http://gitlab.com"}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"audience": "x" * 256}, "audience"),
        ({"conditions": {"ref": "main"}}, "conditions"),
        ({"role": ""}, "role"),
        ({"minutes": 4}, "minutes"),
        ({"minutes": 61}, "minutes"),
        ({"minutes": "soon"}, "minutes"),
        ({"description": "x" * 1025}, "description"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(make_rule: MakeRule, more: dict[str, Any], field: str):
    with pytest.raises(Invalid) as found:
        make_rule(**more)
    assert found.value.field == field
    assert not TrustRule.all_objects.exists()


def test_names_are_used_once_in_an_environment(rule: TrustRule, make_rule: MakeRule, actor_of: Any):
    with pytest.raises(Invalid) as found:
        make_rule(name="Deploy")
    assert (found.value.field, found.value.code) == ("name", "NotUnique")
    other = make_rule(name="other")
    with pytest.raises(Invalid):
        trust_rule_update(other, actor=actor_of("alice"), name="deploy")


def test_an_environment_has_so_many_rules(rule: TrustRule, make_rule: MakeRule, monkeypatch: Any):
    monkeypatch.setattr(services, "MAX_RULES", 1)
    with pytest.raises(Invalid) as found:
        make_rule(name="second")
    assert found.value.code == "MaxLimitExceeded"


def key_actor(actor_of: Any, lab: Environment, **limits: Any) -> Any:
    made = environment_key_create(actor=actor_of("alice"), environment=lab, name="ci", **limits)
    reconcile_until_idle()
    return actor_of_key(ApiKey.objects.get(pk=made.key.pk), "api")


@pytest.mark.parametrize("limits", [{"expires": timezone.now() + timedelta(days=9)}, {"addresses": ["203.0.113.0/24"]}])
def test_a_limited_key_makes_no_rule_that_outlives_it(
    actor_of: Any, lab: Environment, rule: TrustRule, limits: dict[str, Any]
):
    actor = key_actor(actor_of, lab, **limits)
    conditions = {"repository": "mallory/shop"}
    with pytest.raises(Forbidden):
        trust_rule_update(rule, actor=actor, conditions=conditions)
    with pytest.raises(Forbidden):
        services.trust_rule_create(
            actor=actor, environment=lab, name="x", issuer=GITHUB, audience="a", conditions=conditions, role="readonly"
        )


def test_an_unlimited_key_makes_rules_of_its_own_role_at_most(actor_of: Any, lab: Environment):
    actor = key_actor(actor_of, lab, role="restricted")
    given: dict[str, Any] = {"issuer": GITHUB, "audience": "a", "conditions": {"repository": "acme/shop"}}
    with pytest.raises(Invalid):
        services.trust_rule_create(actor=actor, environment=lab, name="x", role="member", **given)
    row = services.trust_rule_create(actor=actor, environment=lab, name="x", role="restricted", **given)
    assert row.account == actor.user


def test_who_changes_whom_it_trusts_answers_for_it(rule: TrustRule, actor_of: Any, people: Any):
    trust_rule_update(rule, actor=actor_of("rex"), name="renamed", description="d", minutes=20)
    assert rule.account == people.alice
    trust_rule_update(rule, actor=actor_of("rex"), conditions={"repository": "acme/*"})
    assert (rule.account, rule.conditions) == (people.rex, {"repository": "acme/*"})


def test_whom_a_rule_of_a_higher_role_trusts_is_not_changed_by_a_lower_one(make_rule: MakeRule, actor_of: Any):
    rule = make_rule(role="owner")
    for change in ({"conditions": {"repository": "rex/shop"}}, {"audience": "x"}, {"issuer": "https://gitlab.com"}):
        with pytest.raises(Invalid) as found:
            trust_rule_update(rule, actor=actor_of("rex"), **change)
        assert found.value.field == "role"
    trust_rule_act(rule, "deactivate", actor=actor_of("rex"))
    reconcile_until_idle()
    rule.refresh_from_db()
    with pytest.raises(Invalid):
        trust_rule_act(rule, "activate", actor=actor_of("rex"))


def test_an_edit_of_older_values_is_refused(rule: TrustRule, actor_of: Any):
    old = BasedOn(rule.generation, {"audience": rule.audience})
    trust_rule_update(rule, actor=actor_of("alice"), audience="https://new.example.com")
    rule.based_on = old
    with pytest.raises(StaleEdit):
        trust_rule_update(rule, actor=actor_of("bob"), audience="https://mine.example.com")


def test_an_active_rule_is_not_removed(rule: TrustRule, actor_of: Any):
    with pytest.raises(ActionNotAvailable):
        trust_rule_act(rule, "remove", actor=actor_of("alice"))


def test_members_see_the_rules_of_their_environment(rule: TrustRule, actor_of: Any, lab: Environment):
    assert list(trust_rules_of(actor_of("rita"), lab.pk)) == [rule]
    assert not list(trust_rules_of(actor_of("mallory"), lab.pk))
