"""Deploy webhooks in the console: added with a secret shown once, changed, switched off, renewed and deleted."""

from __future__ import annotations

import html
import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.console.stacks.webhook_snippets import SECRET_VARIABLE, webhook_snippets
from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook
from apps.stacks.webhooks.services import NewSecret, deploy_webhook_create
from apps.stacks.webhooks.signature import sign

URL = "https://corral.example.com/v1-webhooks/0b1c2d3e-0000-4000-8000-000000000000"


@pytest.fixture
def made(web: Service, actor_of: Any, run_loop: Callable[[], None]) -> NewSecret:
    """A webhook of bob's that upgrades the service."""
    found = deploy_webhook_create(actor=actor_of("bob"), service=web, task="upgrade", name="ci", tag_patterns=["1.*"])
    run_loop()
    return found


def secret_in(page: str) -> str:
    found = re.search(r"data-secret>.*?<code>([^<]+)</code>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def call(row: DeployWebhook, secret: str, body: Any) -> Any:
    raw, timestamp = json.dumps(body), str(int(time.time()))
    headers = {"X-Corral-Timestamp": timestamp, "X-Corral-Signature": sign(secret, timestamp, raw.encode())}
    return Client().post(f"/v1-webhooks/{row.uuid}", raw, content_type="application/json", headers=headers)


def test_a_webhook_is_added_and_its_secret_shown_once(browser_as: Any, at: Any, web: Service, run_loop: Any):
    client = browser_as("bob")
    assert b"upgrade to a tag" in client.get(at("deploy-webhook-new", service=web.pk)).content
    sent = {"task": "upgrade", "name": "ci", "tagPatterns": "1.*, stable"}
    answer = client.post(at("deploy-webhook-new", service=web.pk), sent)
    row = DeployWebhook.all_objects.get()
    secret = secret_in(answer.content.decode())
    assert secret == row.secret
    assert answer["Cache-Control"] == "no-store"
    assert (row.tag_patterns, str(row.account)) == (["1.*", "stable"], "Bob")
    run_loop()
    for path in (at("service", pk=web.pk), at("deploy-webhook", pk=row.pk), at("deploy-webhook-edit", pk=row.pk)):
        page = client.get(path).content.decode()
        assert "ci" in page
        assert secret not in page
    assert call(row, secret, {"tag": "1.5"}).status_code == 202


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"task": "scale", "maxScale": ""}, "maxScale is required"),
        ({"task": "scale", "maxScale": "many"}, "A whole number is needed"),
        ({"task": "upgrade", "tagPatterns": "(a+)+"}, "is no pattern of tags"),
        ({"task": "nonsense"}, "task is scale, upgrade or redeploy"),
    ],
)
def test_a_refusal_is_shown_in_the_form(browser_as: Any, at: Any, web: Service, sent: dict[str, str], words: str):
    answer = browser_as("bob").post(at("deploy-webhook-new", service=web.pk), sent)
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not DeployWebhook.all_objects.exists()


def test_readers_see_webhooks_and_change_none(browser_as: Any, at: Any, web: Service, made: NewSecret):
    client = browser_as("rita")
    assert b"deploy-webhook-" in client.get(at("service", pk=web.pk)).content
    assert client.get(at("deploy-webhook", pk=made.row.pk)).status_code == 200
    assert client.get(at("deploy-webhook-new", service=web.pk)).status_code == 403
    fragment = {"HX-Request": "true"}
    sent = {"task": "redeploy", "name": "x"}
    assert client.post(at("deploy-webhook-new", service=web.pk), sent, headers=fragment).status_code == 403
    for name, more in (("edit", {}), ("renew", {}), ("remove", {}), ("do", {"action": "deactivate"})):
        answer = client.post(at(f"deploy-webhook-{name}", pk=made.row.pk, **more), sent, headers=fragment)
        assert answer.status_code == 403, name
    (row,) = DeployWebhook.all_objects.all()
    assert (row.name, row.secret, row.desired) == ("ci", made.secret, "active")
    assert browser_as("mallory").get(at("deploy-webhook", pk=made.row.pk)).status_code == 404


def test_limits_are_changed(browser_as: Any, at: Any, made: NewSecret):
    client, address = browser_as("alice"), at("deploy-webhook-edit", pk=made.row.pk)
    assert 'value="1.*"' in client.get(address).content.decode()
    client.post(address, {"name": "deploy", "description": "", "tagPatterns": "2.* 3.?"})
    made.row.refresh_from_db()
    assert (made.row.name, made.row.tag_patterns) == ("deploy", ["2.*", "3.?"])
    assert b"is no pattern" in client.post(address, {"name": "deploy", "tagPatterns": "$"}).content


def test_one_is_switched_off_and_on_renewed_and_deleted(
    browser_as: Any, at: Any, made: NewSecret, people: Any, run_loop: Any
):
    client, key = browser_as("alice"), made.row.pk
    client.post(at("deploy-webhook-do", pk=key, action="deactivate"))
    run_loop()
    assert call(made.row, made.secret, {"tag": "1.1"}).status_code == 422
    client.post(at("deploy-webhook-do", pk=key, action="activate"))
    run_loop()
    assert client.get(at("deploy-webhook-renew", pk=key)).status_code == 200
    secret = secret_in(client.post(at("deploy-webhook-renew", pk=key)).content.decode())
    assert [call(made.row, each, {"tag": "1.1"}).status_code for each in (made.secret, secret)] == [401, 202]
    made.row.refresh_from_db()
    assert made.row.account == people.alice, "who was given the secret answers for its calls"
    page = client.get(at("deploy-webhook", pk=key)).content.decode()
    assert "accepted" in page
    assert "tag 1.1" in page
    assert "Whoever calls it is refused" in client.get(at("deploy-webhook-remove", pk=key)).content.decode()
    client.post(at("deploy-webhook-remove", pk=key))
    run_loop()
    assert client.get(at("deploy-webhook", pk=key)).status_code == 404


def test_snippets_hold_no_secret_and_sign_as_the_portal_does(tmp_path: Any):
    for task in ("upgrade", "redeploy", "scale"):
        for each in webhook_snippets(URL, task):
            assert URL in each.text
    (shell,) = [each.text for each in webhook_snippets(URL, "upgrade") if each.tool == "curl, openssl"]
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", SECRET_VARIABLE: "it's $ecret"}
    done = subprocess.run(["sh", "-c", shell], env=environ, capture_output=True, text=True, check=True, timeout=30)
    sent = done.stdout.splitlines()
    (timestamp,) = [each.split(": ")[1] for each in sent if each.startswith("X-Corral-Timestamp")]
    (signature,) = [each.split(": ")[1] for each in sent if each.startswith("X-Corral-Signature")]
    assert signature == sign("it's $ecret", timestamp, b'{"tag": "1.4.2"}')
    assert b'{"tag": "1.4.2"}'.decode() in sent
