"""No secret of a run is found anywhere but in the one response that created it (CVE-2024-58269, CVE-2023-22649)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from django.test import Client

from apps.api.wire.resource import all_resources
from apps.control.audit.verify import chain_numbers, verify
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.hosts.services import host_create
from tests.incidents.secret_search import (
    found_in,
    found_in_database,
    walk_api,
    without_fields,
)
from tests.wire.api_client import ApiClient, run_until_idle

GIVEN_SECRETS = {
    "new account's password": "Pw-of-carol+9/x==",
    "mistyped password": "Wr0ng&pass word!",
    "service account's password": "Bind/secret+77&=ä",
    "GitHub client secret": "hub<secret>&0123456789",
    "database password": 'db"pass\\word/99+',
    "plain value": "a-value-nobody-elses-business",
    "compose value": "compose-env-val/ue+1",
    "password in a command": "cmdline-s3cret-7788",
    "changed password": "Another-correct-horse-7",
    "engine key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw",
}
DIRECTORY = {"server": "ldap.invalid", "domain": "dc=x", "serviceAccountUsername": "cn=svc"}
VALUE_FIELDS = ("environment", "dockerCompose", "dockerComposeConfig")  # for callers with the permission `values`


@pytest.fixture
def secret_run(
    api_of: Any,
    people: Any,
    lab: Any,
    host: Any,
    caplog: pytest.LogCaptureFixture,
    browser_as: Callable[[str], Client],
    at: Any,
) -> Any:
    """One run of everything that takes or creates a secret, including its reconciles."""
    caplog.set_level(logging.DEBUG)
    secrets = dict(GIVEN_SECRETS)
    root, bob = api_of("root", inside=False), api_of("bob")
    secrets |= {"root's key": root.key.partition(":")[2], "bob's key": bob.key.partition(":")[2]}
    made = bob.post("apikeys", {"name": "ci"})
    secrets["environment key"] = made["secretValue"]
    _configure_providers(root)
    _use_accounts(root, secrets, browser_as)
    _use_containers(bob, browser_as("bob"), at, lab, secrets)
    ticket = bob.post(f"containers/{bob.get('containers')['data'][0]['id']}?action=logs", {})
    secrets["socket's ticket"] = ticket["token"]
    pem = f"-----BEGIN PRIVATE KEY-----\n{GIVEN_SECRETS['engine key']}\n-----END PRIVATE KEY-----"
    tls = {"ca": "", "cert": "", "key": pem}
    host_create(actor=None, environment=lab, url="tcp://127.0.0.1:9", name="far", probe=False, tls=tls)
    run_until_idle()
    return SimpleNamespace(secrets=secrets, logs=caplog.text)


def _configure_providers(root: ApiClient) -> None:
    assert (
        root.post(
            "ldapconfig", {**DIRECTORY, "serviceAccountPassword": GIVEN_SECRETS["service account's password"]}
        ).status
        < 500
    )
    hub = {"clientId": "corral", "clientSecret": GIVEN_SECRETS["GitHub client secret"]}
    assert root.post("githubconfig", hub).status < 500


def _use_accounts(root: ApiClient, secrets: dict[str, str], browser_as: Callable[[str], Client]) -> None:
    """Accounts, successful and failed log-ins over API and console, and a changed password."""
    password = GIVEN_SECRETS["new account's password"]
    hx = {"HX-Request": "true"}
    browser_as("root").post("/admin/accounts/new", {"login": "carol", "password": password, "kind": "user"}, headers=hx)
    run_until_idle()
    nobody = ApiClient()
    token = nobody.post("token", {"code": f"carol:{password}"})
    assert token.status == 201, token.body
    secrets["bearer token"] = token["jwt"]
    _enrol_second_factor(ApiClient(headers={"Authorization": f"Bearer {token['jwt']}"}), secrets)
    nobody.post("token", {"code": f"carol:{GIVEN_SECRETS['mistyped password']}"})
    browser = Client()
    browser.post("/login", {"login": "carol", "password": GIVEN_SECRETS["mistyped password"]})
    browser.post("/login", {"login": "carol", "password": password})
    secrets["session"] = browser.cookies["sessionid"].value if "sessionid" in browser.cookies else "no-session-at-all"
    sent = {
        "current": password,
        "password": GIVEN_SECRETS["changed password"],
        "again": GIVEN_SECRETS["changed password"],
    }
    browser.post("/account/password", sent, headers=hx)


def _enrol_second_factor(carol: ApiClient, secrets: dict[str, str]) -> None:
    """An enrolled authenticator, one mistyped code, and the recovery codes."""
    path = f"secondfactors/{carol.get('secondfactors')['data'][0]['id']}/?action="
    given = carol.post(path + "enrol")["secret"]
    assert carol.post(path + "confirm", {"code": "nonsense"}).status == 422
    first = carol.post(path + "confirm", {"code": pyotp.TOTP(given).now()})["codes"]
    assert len(first) == 10
    secrets["authenticator's secret"] = given
    secrets |= {f"recovery code {number}": code for number, code in enumerate(first)}


def _use_containers(bob: ApiClient, browser: Client, at: Any, lab: Any, secrets: dict[str, str]) -> None:
    """Services and containers with secrets in their variables and commands: created, refused, failed."""
    variables = {"DB_PASSWORD": GIVEN_SECRETS["database password"], "NOTE": GIVEN_SECRETS["plain value"]}
    launch = {"imageUuid": "docker:bb:local", "environment": variables}
    launch["command"] = ["run", f"--password={GIVEN_SECRETS['password in a command']}"]
    stack = bob.post("environments", {"name": "shop"})
    assert stack.status == 201
    service = {"name": "web", "environmentId": stack["id"], "launchConfig": launch, "startOnCreate": True}
    made = bob.post("services", service)
    assert made.status == 201
    secrets["webhook's secret"] = bob.post("deploywebhooks", {"serviceId": made["id"], "task": "redeploy"})["secret"]
    assert bob.post("services", {**service, "name": "bad name!"}).status == 422
    assert bob.post("containers", {**launch, "name": "box", "dataVolumes": ["/etc:/e"]}).status == 422
    assert bob.post("containers", {**launch, "name": "box"}).status == 201
    text = f"c:\n  image: bb:local\n  environment:\n    API_TOKEN: {GIVEN_SECRETS['compose value']}\n"
    assert bob.post("environments", {"name": "composed", "dockerCompose": text}).status == 201
    assert bob.post("environments", {"name": "composed", "dockerCompose": text}).status == 422
    form = {
        "name": "formed",
        "image": "bb:local",
        "env": f"DB_PASSWORD={GIVEN_SECRETS['database password']}",
        "start": "on",
    }
    browser.post(at("container-new"), form, headers={"HX-Request": "true"})
    browser.post(at("container-new"), {**form, "image": "BAD IMAGE"}, headers={"HX-Request": "true"})
    run_until_idle()


def test_cve_2024_58269_and_cve_2023_22649_the_audit_log_contains_no_secret(secret_run: Any):
    assert len({*secret_run.secrets.values()}) == len(secret_run.secrets) == len(GIVEN_SECRETS) + 6 + 12
    for (
        name,
        secret,
    ) in secret_run.secrets.items():  # make sure that the search works: a broken one would find nothing either
        assert found_in(json.dumps({"text": secret}), {name: secret}) == [name]
    assert AuditEntry.all_objects.filter(code__startswith="4").count() > 3
    for row in AuditEntry.all_objects.values():
        assert found_in(json.dumps(row, default=str), secret_run.secrets) == [], row["event"]
    assert all(verify(number).is_intact for number in chain_numbers())


def test_operations_logs_and_every_database_column_contain_no_secret(secret_run: Any):
    assert Operation.all_objects.count() > 10
    for row in Operation.all_objects.values():
        row.pop("previous_values")  # encrypted, for cancelling the operation
        assert found_in(json.dumps(row, default=str), secret_run.secrets) == [], row["name"]
    for text in OperationLine.objects.values_list("text", flat=True):
        assert found_in(text, secret_run.secrets) == []
    assert found_in(secret_run.logs, secret_run.secrets) == []
    stored = {name: secret for name, secret in secret_run.secrets.items() if name != "password in a command"}
    assert found_in_database(stored) == {}


def test_no_api_response_shows_a_secret_again(secret_run: Any, api_of: Any):
    secrets = {name: secret for name, secret in secret_run.secrets.items() if name != "password in a command"}
    plurals = [each.plural_name.lower() for each in all_resources() if each.listable]
    for who in ("alice", "bob", "rex", "rita", "root", "mallory"):
        api = api_of(who, inside=who not in {"root", "mallory"})
        for path, body in walk_api(api, plurals):
            hidden = without_fields(body, () if who in {"rita", "mallory"} else VALUE_FIELDS)
            assert found_in(json.dumps(hidden, default=str), secrets) == [], (who, path)
    text = json.dumps(api_of("bob").get("services").body)
    assert "plain value" in found_in(text, secret_run.secrets)  # for callers with the permission `values`


def test_no_page_of_the_console_shows_a_secret(secret_run: Any, browser_as: Any, at: Any):
    inside = [at(page) for page in ("activity", "audit", "keys", "stacks", "containers", "hosts", "policy")]
    operations = Operation.all_objects.filter(environment__isnull=False, account__isnull=False)
    inside += [at("operation", pk=operation.pk) for operation in operations]
    site = [f"/admin/{page}" for page in ("audit", "processes", "accounts", "access", "settings")]
    client = browser_as("root")
    for path in (*inside, *site):
        answer = client.get(path)
        assert found_in(answer.content.decode(), secret_run.secrets) == [], path
