"""Trust rules over the API, and the exchange of a token for a key, as a job does it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.api.resources.token_exchange import GRANT_TYPE, ID_TOKEN, JWT
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.federation import issuer_store
from tests.federation.issuing import GITHUB, PORTAL, Issuer
from tests.wire.api_client import ApiClient

RULE = {
    "name": "deploy",
    "issuer": GITHUB,
    "audience": PORTAL,
    "conditions": {"repository": "acme/shop"},
    "role": "restricted",
    "minutes": 10,
}


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer called like GitHub's, which answers at once."""
    found = Issuer()
    monkeypatch.setattr(issuer_store, "fetch_issuer_keys", found.fetch)
    return found


@pytest.fixture
def owner(key_of: Any) -> ApiClient:
    """The lab's owner, with a key of the lab."""
    found: ApiClient = key_of("alice")
    return found


@pytest.fixture
def rule(owner: ApiClient) -> dict[str, Any]:
    made: dict[str, Any] = owner.post("trustrules", RULE).body
    reconcile_until_idle()
    return made


def body(token: str, **more: Any) -> dict[str, Any]:
    place = f"1a{Environment.objects.get(name='Lab').pk}"
    kind = {"grant_type": GRANT_TYPE, "subject_token_type": ID_TOKEN}
    return {**kind, "subject_token": token, "audience": place, **more}


def exchange(data: Any, **more: Any) -> Any:
    more = {"content_type": "application/json", **more}
    found = Client().post("/v1/tokenexchange", data, **more)
    reconcile_until_idle()
    assert found["Cache-Control"] == "no-store"
    return found


def test_a_rule_is_made_read_changed_and_removed(owner: ApiClient, rule: dict[str, Any]):
    assert {name: rule[name] for name in RULE} == RULE
    assert (rule["type"], rule["lastUsed"], rule["lastRefusal"]) == ("trustRule", None, None)
    path = f"trustrules/{rule['id']}"
    changed = owner.put(path, {"conditions": {"repository": "acme/*", "ref": "refs/heads/main"}, "minutes": 20})
    assert (changed.status, changed["minutes"]) == (200, 20)
    assert owner.get(path)["conditions"] == {"repository": "acme/*", "ref": "refs/heads/main"}
    assert owner.get("trustrules").ids == [rule["id"]]
    assert owner.post(f"{path}?action=deactivate").status < 300
    reconcile_until_idle()
    assert owner.delete(path).status < 300
    reconcile_until_idle()
    assert owner.get(path)["state"] == "removed"


@pytest.mark.parametrize(
    ("more", "field", "code"),
    [
        ({"conditions": {"ref": "refs/heads/main"}}, "conditions", "MissingRequired"),
        ({"conditions": {"repository": ""}}, "conditions", "InvalidFormat"),
        ({"conditions": "repository"}, "conditions", "InvalidFormat"),
        ({"issuer": "gitlab.com"}, "issuer", "InvalidFormat"),
        ({"minutes": 61}, "minutes", "MaxLimitExceeded"),
        ({"role": "king"}, "role", "InvalidOption"),
        ({"audience": None}, "audience", "MissingRequired"),
    ],
)
def test_what_is_wrong_is_refused_by_field(owner: ApiClient, more: dict[str, Any], field: str, code: str):
    found = owner.post("trustrules", {name: value for name, value in {**RULE, **more}.items() if value is not None})
    assert (found.status, found["fieldName"], found["code"]) == (422, field, code)
    assert owner.get("trustrules").ids == []


@pytest.mark.parametrize("who", ["rita", "rex"])
def test_the_role_decides_who_makes_one(api_of: Any, lab: Environment, who: str):
    found = api_of(who).inside(lab).post("trustrules", RULE)
    assert found.status == (201 if who == "rex" else 405)


@pytest.mark.parametrize("kind", [ID_TOKEN, JWT])
def test_a_job_gets_a_key_that_works(rule: dict[str, Any], issuer: Issuer, lab: Environment, kind: str):
    found = exchange(body(issuer.token(), subject_token_type=kind))
    answer = found.json()
    assert (found.status_code, answer["expires_in"], answer["role"]) == (200, 600, "restricted")
    assert (answer["environment"], answer["environment_name"]) == (f"1a{lab.pk}", "Lab")
    job = ApiClient(f"{answer['access_key']}:{answer['secret_key']}")
    assert [each["name"] for each in job.get("projects")["data"]] == ["Lab"]
    keys = job.get(f"projects/1a{lab.pk}/apikeys?publicValue={answer['access_key']}")["data"]
    assert [each["name"] for each in keys] == ["acme/shop run 42 (deploy)"]


def test_a_form_does_as_well(rule: dict[str, Any], issuer: Issuer):
    kind = "application/x-www-form-urlencoded"
    parts = body(issuer.token())
    assert exchange("&".join(f"{name}={value}" for name, value in parts.items()), content_type=kind).status_code == 200


def test_the_environment_may_be_named_by_its_address(rule: dict[str, Any], issuer: Issuer, lab: Environment):
    for path in (f"{PORTAL}/v1/projects/1a{lab.pk}", f"{PORTAL}/v2-beta/projects/1a{lab.pk}/"):
        assert exchange(body(issuer.token(), audience=path)).status_code == 200


def test_what_a_job_does_carries_its_name(rule: dict[str, Any], issuer: Issuer, owner: ApiClient, lab: Environment):
    answer = exchange(body(issuer.token())).json()
    job = ApiClient(f"{answer['access_key']}:{answer['secret_key']}")
    assert job.post(f"projects/1a{lab.pk}/environments", {"name": "shop"}).status == 201
    entries = owner.get("auditlogs?eventType=api.environment.create")["data"]
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("more", "word", "said"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type", "grant_type must be"),
        ({"subject_token_type": "urn:x"}, "invalid_request", "subject_token_type must be"),
        ({"subject_token": ""}, "invalid_request", "subject_token is missing"),
        ({"subject_token": ["a"]}, "invalid_request", "subject_token is missing"),
        ({"subject_token": "a.b.c"}, "invalid_request", "no signed JWT"),
        ({"audience": ""}, "invalid_request", "audience must be the id"),
        ({"audience": "Lab"}, "invalid_request", "audience must be the id"),
        ({"audience": "1a99999"}, "invalid_request", "none in that environment"),
    ],
)
def test_a_refusal_is_one_word_and_a_sentence(
    rule: dict[str, Any], issuer: Issuer, more: dict[str, Any], word: str, said: str
):
    found = exchange({**body(issuer.token()), **more})
    assert (found.status_code, found.json()["error"]) == (400, word)
    assert said in found.json()["error_description"]


@pytest.mark.parametrize("data", ["[]", "7", '"x"', "null"])
def test_a_body_that_is_no_object_is_refused(data: str, db: None):
    assert exchange(data).json()["error"] == "unsupported_grant_type"


def test_broken_json_is_refused_as_everywhere(db: None):
    found = Client().post("/v1/tokenexchange", "{", content_type="application/json")
    assert (found.status_code, found.json()["code"]) == (422, "InvalidBodyContent")


def test_it_takes_nothing_but_post(db: None):
    assert Client().get("/v1/tokenexchange").status_code == 405


def test_an_issuer_that_is_away_is_said_to_come_back_to(rule: dict[str, Any], issuer: Issuer):
    issuer.failure = "it does not answer in time"
    found = Client().post("/v1/tokenexchange", body(issuer.token()), content_type="application/json")
    assert (found.status_code, found["Retry-After"]) == (503, "60")
    assert "does not answer" not in found.content.decode()
