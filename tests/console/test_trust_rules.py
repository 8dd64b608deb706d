"""The pages of trust rules: presets, what came of a rule, and the text to paste into the CI's configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Invalid
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.federation import issuer_store
from apps.federation.exchange import ExchangeRequest, TokenRefused, token_exchange
from apps.federation.models import IssuerKeySet, TrustRule
from apps.federation.services import trust_rule_create
from apps.federation.snippets import GITHUB_ACTIONS, GITLAB_CI, OTHER, kind_of, snippet
from tests.console.page_costs import queries
from tests.federation.issuing import GITHUB, PORTAL, Issuer

HTMX = {"HX-Request": "true"}


@pytest.fixture
def bob(browser_as: Callable[[str], Client]) -> Client:
    return browser_as("bob")


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer called like GitHub's, which answers at once."""
    found = Issuer()
    monkeypatch.setattr(issuer_store, "fetch_issuer_keys", found.fetch)
    return found


@pytest.fixture
def make(lab: Environment, actor_of: Any) -> Callable[..., TrustRule]:
    def make(name: str = "deploy", **more: Any) -> TrustRule:
        given = {"issuer": GITHUB, "audience": PORTAL, "conditions": {"repository": "acme/shop"}, "role": "restricted"}
        row = trust_rule_create(actor=actor_of("bob"), environment=lab, name=name, **{**given, **more})
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def rule(make: Callable[..., TrustRule]) -> TrustRule:
    return make()


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def form(**more: str) -> dict[str, str]:
    return {
        "preset": "github-actions",
        "name": "deploy",
        "description": "",
        "issuer": GITHUB,
        "audience": PORTAL,
        "conditions": "repository=acme/shop\r\nref = refs/heads/main\r\n\r\n",
        "role": "restricted",
        "minutes": "15",
        **more,
    }


def test_an_empty_list_offers_each_kind_of_issuer(bob: Client, at: Any):
    page = text_of(bob.get(at("trust-rules")))
    assert "No CI is trusted yet" in page
    for preset in ("github-actions", "gitlab-ci", "other"):
        assert f"{at('trust-rule-new')}?preset={preset}" in page


@pytest.mark.parametrize(
    ("preset", "issuer", "condition"),
    [
        ("github-actions", GITHUB, "repository="),
        ("gitlab-ci", "https://gitlab.com", "project_path="),
        ("other", "", "sub="),
        ("nonsense", GITHUB, "repository="),
    ],
)
def test_a_form_begins_with_what_is_usual(bob: Client, at: Any, preset: str, issuer: str, condition: str):
    Setting.objects.create(name="api.host", value=PORTAL)
    page = bob.get(f"{at('trust-rule-new')}?preset={preset}")
    assert page.context["values"]["issuer"] == issuer
    assert page.context["values"]["audience"] == PORTAL
    assert condition in text_of(page)
    assert "owner" not in [each.name for each in page.context["roles"]]


def test_a_rule_is_made_and_its_page_says_what_to_paste(bob: Client, at: Any, lab: Environment):
    Setting.objects.create(name="api.host", value=PORTAL)
    made = bob.post(at("trust-rule-new"), form(), headers=HTMX)
    row = TrustRule.all_objects.get()
    assert made["HX-Redirect"] == at("trust-rule", pk=row.pk)
    assert row.conditions == {"repository": "acme/shop", "ref": "refs/heads/main"}
    page = text_of(bob.get(at("trust-rule", pk=row.pk)))
    assert ".github/workflows/deploy.yml" in page
    assert "id-token: write" in page
    assert f"./corral login {PORTAL} --oidc --env 1a{lab.pk} --audience {PORTAL}" in page
    assert "deploy" in text_of(bob.get(at("trust-rules")))


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"conditions": "repository="}, "conditions"),
        ({"conditions": "repository"}, "conditions"),
        ({"conditions": "repository=a/b\nrepository=a/c"}, "conditions"),
        ({"conditions": "ref=refs/heads/main"}, "conditions"),
        ({"issuer": "gitlab.com"}, "issuer"),
        ({"minutes": "two"}, "minutes"),
        ({"minutes": "99"}, "minutes"),
        ({"role": "owner"}, "role"),
        ({"name": ""}, "name"),
        ({"audience": " "}, "audience"),
    ],
)
def test_what_is_wrong_is_shown_at_its_field(bob: Client, at: Any, lab: Environment, more: Any, field: str):
    refused = bob.post(at("trust-rule-new"), form(**more), headers=HTMX)
    assert (refused.status_code, list(refused.context["errors"])) == (422, [field])
    assert refused.context["values"]["audience"] == form(**more)["audience"]
    assert not TrustRule.all_objects.exists()


def test_a_rule_is_changed(bob: Client, at: Any, rule: TrustRule):
    path = at("trust-rule-edit", pk=rule.pk)
    page = bob.get(path)
    assert "repository=acme/shop" in text_of(page)
    changed = form(name="release", conditions="repository=acme/*", based_on=page.context["edit"].basis)
    assert bob.post(path, changed, headers=HTMX).status_code < 300
    rule.refresh_from_db()
    assert (rule.name, rule.conditions) == ("release", {"repository": "acme/*"})
    refused = bob.post(path, form(conditions="ref=main"), headers=HTMX)
    assert refused.status_code == 422
    assert "ref=main" in text_of(refused)


def test_who_was_overtaken_chooses_between_both(bob: Client, at: Any, rule: TrustRule, browser_as: Any):
    path = at("trust-rule-edit", pk=rule.pk)
    basis = bob.get(path).context["edit"].basis
    other = form(conditions="repository=acme/other", based_on=basis)
    assert browser_as("alice").post(path, other, headers=HTMX).status_code < 300
    reconcile_until_idle()
    stale = bob.post(path, form(conditions="repository=acme/mine", based_on=basis), headers=HTMX)
    assert stale.status_code == 412
    assert "repository=acme/other" in text_of(stale)


def test_a_rule_is_switched_off_and_deleted(bob: Client, at: Any, rule: TrustRule):
    assert bob.post(at("trust-rule-do", pk=rule.pk, action="deactivate"), headers=HTMX).status_code < 300
    reconcile_until_idle()
    path = at("trust-rule-remove", pk=rule.pk)
    assert "Jobs that log in by it are refused" in text_of(bob.get(path))
    assert bob.post(path, headers=HTMX)["HX-Redirect"] == at("trust-rules")
    reconcile_until_idle()
    assert "No CI is trusted yet" in text_of(bob.get(at("trust-rules")))


def test_readers_see_rules_and_change_none(browser_as: Any, at: Any, rule: TrustRule):
    rita = browser_as("rita")
    assert rita.get(at("trust-rule", pk=rule.pk)).status_code == 200
    assert rita.get(at("trust-rule-new")).status_code == 403
    assert rita.get(at("trust-rule-edit", pk=rule.pk)).status_code == 403
    path = at("trust-rule-do", pk=rule.pk, action="deactivate")
    assert rita.post(path, headers=HTMX).status_code == 403
    assert browser_as("mallory").get(at("trust-rule", pk=rule.pk)).status_code == 404


def test_the_page_shows_jobs_and_why_others_were_refused(
    bob: Client, at: Any, rule: TrustRule, issuer: Issuer, lab: Environment
):
    token_exchange(ExchangeRequest(issuer.token(), lab.pk, "203.0.113.7"))
    with pytest.raises(TokenRefused):
        token_exchange(ExchangeRequest(issuer.token(exp=1), lab.pk))
    reconcile_until_idle()
    page = text_of(bob.get(at("trust-rule", pk=rule.pk)))
    assert 'href="https://github.com/acme/shop/actions/runs/4711"' in page
    assert "acme/shop run 42" in page
    assert "203.0.113.7" in page
    assert "It ended 1970-01-01" in page
    IssuerKeySet.objects.update(last_error="it does not answer in time")
    assert "cannot be had: it does not answer in time" in text_of(bob.get(at("trust-rule", pk=rule.pk)))


def test_the_audit_log_says_which_job_it_was(
    browser_as: Any, at: Any, rule: TrustRule, issuer: Issuer, actor_of: Any, lab: Environment
):
    found = token_exchange(ExchangeRequest(issuer.token(), lab.pk, "203.0.113.7"))
    entry = AuditEntry.all_objects.filter(event="trustRule.exchange").get()
    alice = browser_as("alice")
    assert "job acme/shop run 42" in text_of(alice.get(at("audit")))
    page = text_of(alice.get(at("audit-line", pk=entry.pk)))
    assert 'href="https://github.com/acme/shop/actions/runs/4711"' in page
    assert "Gave a key by trust rule" in page
    assert found.secret_key not in page


def test_more_rules_and_jobs_take_no_more_queries(
    bob: Client, at: Any, rule: TrustRule, make: Any, issuer: Issuer, lab: Environment
):
    list_page, page = at("trust-rules"), at("trust-rule", pk=rule.pk)
    token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    before = queries(bob, list_page), queries(bob, page)
    for number in range(4):
        make(f"more-{number}", conditions={"repository": f"acme/shop{number}"})
        token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    assert (queries(bob, list_page), queries(bob, page)) == before


@pytest.mark.parametrize(
    ("issuer_url", "conditions", "kind"),
    [
        (GITHUB, {"sub": "x"}, GITHUB_ACTIONS),
        ("https://git.example.com/_services/token", {"sub": "x"}, GITHUB_ACTIONS),
        ("https://gitlab.com", {"project_path": "a/b"}, GITLAB_CI),
        ("https://issuer.example.com", {"sub": "x"}, OTHER),
    ],
)
def test_the_text_fits_the_system(issuer_url: str, conditions: dict[str, str], kind: str):
    assert kind_of(issuer_url, conditions) == kind


def test_texts_to_paste_are_quoted():
    odd = "a\"b'; rm -rf $HOME"
    gitlab = snippet(GITLAB_CI, portal=PORTAL, place="1a5", audience=odd)
    assert 'aud: "a\\"b\'; rm -rf $HOME"' in gitlab.text
    github = snippet(GITHUB_ACTIONS, portal=PORTAL, place="1a5", audience=odd, environment="production")
    assert """--audience 'a"b'"'"'; rm -rf $HOME'""" in github.text
    assert 'environment: "production"' in github.text
    assert (
        "environment"
        not in snippet(GITHUB_ACTIONS, portal=PORTAL, place="1a5", audience="a", environment="prod-*").text
    )
    assert "--oidc-token-file" in snippet(OTHER, portal=PORTAL, place="1a5", audience="a").text


def test_conditions_are_read_line_by_line():
    from apps.console.keys.trust_rule_form import parse_conditions

    assert parse_conditions("sub=a=b\n\n ref = x \n") == {"sub": "a=b", "ref": "x"}
    with pytest.raises(Invalid) as found:
        parse_conditions("sub=a\nnonsense")
    assert found.value.message == "Line 2 is not claim=value."
