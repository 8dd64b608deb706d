"""`deployWebhook` on the wire, and the place where webhooks are called without logging in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.api import deploy_webhooks
from apps.api.wire.token_bucket import TokenBuckets
from apps.control.models import AuditEntry
from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.webhooks.signature import sign
from tests.wire.api_client import ApiClient, ApiResponse, run_until_idle

Call = Callable[..., ApiResponse]


@pytest.fixture(autouse=True)
def fresh_failure_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wrong calls of an earlier test count."""
    monkeypatch.setattr(deploy_webhooks, "failures", TokenBuckets(40, 300.0))


@pytest.fixture
def web(api: ApiClient, host: Any) -> dict[str, Any]:
    """A running service, as v1 shows it."""
    stack = api.post("environments", {"name": "shop"})
    body = {"name": "web", "environmentId": stack["id"], "startOnCreate": True}
    made = api.post("services", {**body, "launchConfig": {"imageUuid": "docker:registry.test:5000/team/app:1"}})
    run_until_idle()
    shown: dict[str, Any] = made.body
    return shown


@pytest.fixture
def hook(api: ApiClient, web: dict[str, Any]) -> dict[str, Any]:
    """A webhook that upgrades the service to tags of version 1 and 2."""
    made = api.post("deploywebhooks", {"serviceId": web["id"], "task": "upgrade", "tagPatterns": ["1*", "2*"]})
    assert made.status == 201, made.body
    run_until_idle()
    shown: dict[str, Any] = made.body
    return shown


@pytest.fixture
def call() -> Call:
    """Sends a signed call, as a program does that knows nothing but the URL and the secret."""

    def send(hook: dict[str, Any], body: Any = None, *, secret: str = "", **headers: str) -> ApiResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        timestamp = headers.pop("timestamp", str(int(time.time())))
        signed = {
            "X-Corral-Timestamp": timestamp,
            "X-Corral-Signature": sign(secret or hook["secret"], timestamp, raw),
            **headers,
        }
        return ApiClient().call("POST", hook["url"], raw, **signed)

    return send


def test_a_call_upgrades_the_service_and_says_what_it_has_begun(
    api: ApiClient, web: dict[str, Any], hook: dict[str, Any], call: Call
):
    answer = call(hook, {"tag": "2.0"})
    assert answer.status == 202, answer.body
    assert answer["image"] == "registry.test:5000/team/app:2.0", "the repository stays, with its registry's port"
    assert (answer["serviceId"], answer["webhookId"], answer["state"]) == (web["id"], hook["id"], "upgrading")
    assert (answer["replacesUpgrade"], answer["revision"]) == (False, 2)
    assert api.get(f"processinstances/{answer['operationId']}").status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    again = call(hook, {"tag": "2.1"})
    assert (again.status, again["replacesUpgrade"]) == (202, True)
    (first, second) = api.get(f"deploywebhooks/{hook['id']}/calls")["data"]
    assert (first["request"], second["outcome"], second["address"]) == ({"tag": "2.1"}, "accepted", "127.0.0.1")
    shown = api.get(f"deploywebhooks/{hook['id']}")
    assert (shown["secret"], shown["actsAs"], shown["refusedCalls"]) == (None, "Alice", 0)
    assert shown["lastUsed"] is not None


def test_a_refusal_names_field_and_reason(hook: dict[str, Any], call: Call):
    answer = call(hook, {"tag": "3"})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, "tag", "InvalidOption")
    assert "limited to tags like 1*, 2*" in answer["message"]
    unsigned = ApiClient().call("POST", hook["url"], {"tag": "1"})
    assert (unsigned.status, unsigned["fieldName"]) == (401, "X-Corral-Timestamp")
    assert call(hook, {"tag": "1"}, timestamp="5").status == 401


def test_unknown_webhooks_and_wrong_secrets_are_answered_alike(hook: dict[str, Any], call: Call):
    wrong = call(hook, {"tag": "1"}, secret="guessed")
    unknown = call({**hook, "url": "/v1-webhooks/0b1c2d3e-0000-4000-8000-000000000000"}, {"tag": "1"})
    assert [wrong.status, unknown.status] == [401, 401]
    assert wrong["message"] == unknown["message"]
    assert {name for name in wrong.body if wrong[name] != unknown[name]} == {"id"}


def test_a_call_that_is_sent_again_is_refused(hook: dict[str, Any], call: Call):
    timestamp = str(int(time.time()))
    assert call(hook, {"tag": "2"}, timestamp=timestamp).status == 202
    assert call(hook, {"tag": "2"}, timestamp=timestamp).status == 409
    assert Service.all_objects.get(name="web").revision == 2


def test_a_changed_body_is_refused(hook: dict[str, Any], call: Call):
    timestamp = str(int(time.time()))
    other = sign(hook["secret"], timestamp, b'{"tag": "1"}')
    assert call(hook, {"tag": "2"}, timestamp=timestamp, **{"X-Corral-Signature": other}).status == 401


def test_a_large_body_is_refused_before_it_is_looked_at(hook: dict[str, Any], call: Call):
    assert call(hook, b'{"tag": "' + b"1" * 65_536 + b'"}').status == 413
    assert ApiClient().call("GET", hook["url"]).status == 405


def test_many_wrong_calls_of_an_address_are_not_looked_at_and_right_ones_are(hook: dict[str, Any], call: Call):
    found = [call(hook, {"tag": "1"}, secret="guessed").status for _each in range(42)]
    assert found[:40] == [401] * 40
    assert 429 in found[40:]
    row = DeployWebhook.all_objects.get()
    assert row.refusals <= 41, "what is not looked at is not written down either"
    assert call(hook, {"tag": "2"}).status == 202


def test_a_key_or_cookie_opens_nothing_here(api: ApiClient, hook: dict[str, Any]):
    assert api.call("POST", hook["url"], {"tag": "1"}).status == 401


def test_the_secret_is_shown_once_and_is_nowhere_else(api: ApiClient, web: dict[str, Any], hook: dict[str, Any]):
    renewed = api.post(f"deploywebhooks/{hook['id']}?action=renewsecret", {})
    assert (renewed.status, renewed["type"]) == (200, "deployWebhookSecret")
    assert renewed["url"] == hook["url"]
    for path in (
        "deploywebhooks",
        f"deploywebhooks/{hook['id']}",
        f"services/{web['id']}/deploywebhooks",
        f"services/{web['id']}",
        "auditlogs?limit=100",
        "processinstances?limit=100",
    ):
        text = api.get(path).text
        assert hook["secret"] not in text
        assert renewed["secret"] not in text
    for entry in AuditEntry.all_objects.all():
        assert hook["secret"] not in f"{entry.request}{entry.response}"
        assert renewed["secret"] not in f"{entry.request}{entry.response}"


def test_a_renewed_secret_takes_the_place_of_the_old_one(api: ApiClient, hook: dict[str, Any], call: Call):
    renewed = api.post(f"deploywebhooks/{hook['id']}?action=renewsecret", {})
    assert call(hook, {"tag": "2"}).status == 401
    assert call({**hook, "secret": renewed["secret"]}, {"tag": "2"}).status == 202


def test_limits_are_changed_and_the_webhook_is_switched_off_and_removed(
    api: ApiClient, hook: dict[str, Any], call: Call
):
    path = f"deploywebhooks/{hook['id']}"
    assert api.put(path, {"name": "ci", "tagPatterns": ["stable"]})["tagPatterns"] == ["stable"]
    assert call(hook, {"tag": "2"}).status == 422
    run_until_idle()
    api.post(f"{path}?action=deactivate", {})
    run_until_idle()
    refused = call(hook, {"tag": "stable"})
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")
    assert "deactivated" in refused["message"]
    assert api.delete(path).status == 200
    run_until_idle()
    assert call(hook, {"tag": "stable"}).status == 401


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"task": "shell"}, "task"),
        ({"task": "scale"}, "maxScale"),
        ({"task": "scale", "maxScale": 0}, "maxScale"),
        ({"task": "scale", "maxScale": 2, "minScale": 3}, "maxScale"),
        ({"task": "scale", "maxScale": 2, "tagPatterns": ["1"]}, "tagPatterns"),
        ({"task": "redeploy", "maxScale": 2}, "maxScale"),
        ({"task": "upgrade", "tagPatterns": ["(a+)+"]}, "tagPatterns"),
        ({"task": "upgrade", "tagPatterns": [str(n) for n in range(11)]}, "tagPatterns"),
        ({"task": "upgrade", "serviceId": "1s999"}, "serviceId"),
        ({"task": "upgrade", "name": "x" * 256}, "name"),
    ],
)
def test_what_cannot_be_made_is_refused_at_its_field(
    api: ApiClient, web: dict[str, Any], sent: dict[str, Any], field: str
):
    refused = api.post("deploywebhooks", {"serviceId": web["id"], **sent})
    assert (refused.status, refused["fieldName"]) == (422, field), refused.body
    assert not DeployWebhook.all_objects.exists()


def test_services_that_a_task_makes_no_sense_for_are_refused(api: ApiClient, web: dict[str, Any], host: Any):
    place = {"environmentId": web["environmentId"]}
    config = {"imageUuid": "docker:sim/x:1"}
    everywhere = {"launchConfig": {**config, "labels": {"io.rancher.scheduler.global": "true"}}}
    made = [
        api.post("services", {**place, **everywhere, "name": "agent"}),
        api.post("services", {**place, "launchConfig": config, "name": "job", "schedule": {"cron": "0 3 * * *"}}),
        api.post("dnsservices", {**place, "name": "both"}),
    ]
    for each in made:
        refused = api.post("deploywebhooks", {"serviceId": each["id"], "task": "scale", "maxScale": 3})
        assert (refused.status, refused["fieldName"]) == (422, "task"), refused.body
    balancer = api.post("loadbalancerservices", {**place, "name": "lb", "launchConfig": {"ports": ["80:80"]}})
    assert api.post("deploywebhooks", {"serviceId": balancer["id"], "task": "redeploy"}).status == 422
    assert api.post("deploywebhooks", {"serviceId": balancer["id"], "task": "scale", "maxScale": 3}).status == 201


def test_who_may_not_hand_out_keys_is_given_no_secret(
    api: ApiClient, api_of: Any, lab: Any, hook: dict[str, Any], web: dict[str, Any], people: Any
):
    body = {"serviceId": web["id"], "task": "redeploy"}
    assert api_of("rita").inside(lab).post("deploywebhooks", body).status == 405
    root = api_of("root")
    role = {"name": "deployer", "permissions": ["view", "operate"]}
    assert root.post("roles", role).status == 201
    run_until_idle()
    members = [
        {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": f"1a{people.rex.pk}", "externalIdType": "rancher_id", "role": "deployer"},
    ]
    assert api_of("alice").post(f"projects/1a{lab.pk}?action=setmembers", {"members": members}).status == 200
    rex = api_of("rex").inside(lab)
    refused = rex.post("deploywebhooks", body)
    assert (refused.status, "permission keys" in refused["message"]) == (403, True), refused.body
    shown = rex.get(f"deploywebhooks/{hook['id']}")
    assert "renewsecret" not in shown["actions"]
    assert "deactivate" in shown["actions"]
    assert rex.post(f"deploywebhooks/{hook['id']}?action=renewsecret", {}).status == 422


def test_a_service_has_a_limited_number_of_them(api: ApiClient, web: dict[str, Any]):
    for _each in range(20):
        assert api.post("deploywebhooks", {"serviceId": web["id"], "task": "redeploy"}).status == 201
    refused = api.post("deploywebhooks", {"serviceId": web["id"], "task": "redeploy"})
    assert (refused.status, refused["fieldName"]) == (422, "serviceId")
