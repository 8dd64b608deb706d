"""No secret of a whole run is anywhere but in the one answer that made it (CVE-2024-58269, CVE-2023-22649)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from django.test import Client

from apps.api.wire import kinds
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.verify import chains, verify
from apps.hosts.services import host_create
from tests.incidents.secret import found_in, found_in_database, walked, without
from tests.wire.callers import Api, calm

GIVEN = {
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
VISIBLE = ("environment", "dockerCompose", "dockerComposeConfig")  # to those who may see variables' values


@pytest.fixture
def run(
    api_of: Any,
    people: Any,
    lab: Any,
    host: Any,
    caplog: pytest.LogCaptureFixture,
    enter: Callable[[str], Client],
    at: Any,
) -> Any:
    """A day in the life of an installation: everything that takes or makes a secret, once, the loop included."""
    caplog.set_level(logging.DEBUG)
    secrets = dict(GIVEN)
    root, bob = api_of("root", inside=False), api_of("bob")
    secrets |= {"root's key": root.key.partition(":")[2], "bob's key": bob.key.partition(":")[2]}
    made = bob.post("apikeys", {"name": "ci"})
    secrets["environment key"] = made["secretValue"]
    _providers(root)
    _people(root, secrets, enter)
    _work(bob, enter("bob"), at, lab)
    ticket = bob.post(f"containers/{bob.get('containers')['data'][0]['id']}?action=logs", {})
    secrets["socket's ticket"] = ticket["token"]
    pem = f"-----BEGIN PRIVATE KEY-----\n{GIVEN['engine key']}\n-----END PRIVATE KEY-----"
    tls = {"ca": "", "cert": "", "key": pem}
    host_create(actor=None, environment=lab, url="tcp://127.0.0.1:9", name="far", probe=False, tls=tls)
    calm()
    return SimpleNamespace(secrets=secrets, logs=caplog.text)


def _providers(root: Api) -> None:
    assert (
        root.post("ldapconfig", {**DIRECTORY, "serviceAccountPassword": GIVEN["service account's password"]}).status
        < 500
    )
    hub = {"clientId": "corral", "clientSecret": GIVEN["GitHub client secret"]}
    assert root.post("githubconfig", hub).status < 500


def _people(root: Api, secrets: dict[str, str], enter: Callable[[str], Client]) -> None:
    """Accounts, log-ins that work and that do not, by both doors, and a changed password."""
    password = GIVEN["new account's password"]
    hx = {"HX-Request": "true"}
    enter("root").post("/admin/accounts/new", {"login": "carol", "password": password, "kind": "user"}, headers=hx)
    calm()
    nobody = Api()
    token = nobody.post("token", {"code": f"carol:{password}"})
    assert token.status == 201, token.body
    secrets["bearer token"] = token["jwt"]
    _second_factor(Api(headers={"Authorization": f"Bearer {token['jwt']}"}), secrets)
    nobody.post("token", {"code": f"carol:{GIVEN['mistyped password']}"})
    browser = Client()
    browser.post("/login", {"login": "carol", "password": GIVEN["mistyped password"]})
    browser.post("/login", {"login": "carol", "password": password})
    secrets["session"] = browser.cookies["sessionid"].value if "sessionid" in browser.cookies else "no-session-at-all"
    sent = {"current": password, "password": GIVEN["changed password"], "again": GIVEN["changed password"]}
    browser.post("/account/password", sent, headers=hx)


def _second_factor(carol: Api, secrets: dict[str, str]) -> None:
    """An authenticator set up, one code mistyped, and the recovery codes that come with it."""
    path = f"secondfactors/{carol.get('secondfactors')['data'][0]['id']}/?action="
    given = carol.post(path + "enrol")["secret"]
    assert carol.post(path + "confirm", {"code": "nonsense"}).status == 422
    first = carol.post(path + "confirm", {"code": pyotp.TOTP(given).now()})["codes"]
    assert len(first) == 10
    secrets["authenticator's secret"] = given
    secrets |= {f"recovery code {number}": code for number, code in enumerate(first)}


def _work(bob: Api, browser: Client, at: Any, lab: Any) -> None:
    """Services and containers with secrets in their variables and commands: made, refused, failed."""
    variables = {"DB_PASSWORD": GIVEN["database password"], "NOTE": GIVEN["plain value"]}
    launch = {"imageUuid": "docker:bb:local", "environment": variables}
    launch["command"] = ["run", f"--password={GIVEN['password in a command']}"]
    stack = bob.post("environments", {"name": "shop"})
    assert stack.status == 201
    service = {"name": "web", "environmentId": stack["id"], "launchConfig": launch, "startOnCreate": True}
    assert bob.post("services", service).status == 201
    assert bob.post("services", {**service, "name": "bad name!"}).status == 422
    assert bob.post("containers", {**launch, "name": "box", "dataVolumes": ["/etc:/e"]}).status == 422
    assert bob.post("containers", {**launch, "name": "box"}).status == 201
    text = f"c:\n  image: bb:local\n  environment:\n    API_TOKEN: {GIVEN['compose value']}\n"
    assert bob.post("environments", {"name": "composed", "dockerCompose": text}).status == 201
    assert bob.post("environments", {"name": "composed", "dockerCompose": text}).status == 422
    form = {"name": "formed", "image": "bb:local", "env": f"DB_PASSWORD={GIVEN['database password']}", "start": "on"}
    browser.post(at("container-new"), form, headers={"HX-Request": "true"})
    browser.post(at("container-new"), {**form, "image": "BAD IMAGE"}, headers={"HX-Request": "true"})
    calm()


def test_cve_2024_58269_and_cve_2023_22649_the_audit_log_holds_none(run: Any):
    assert len({*run.secrets.values()}) == len(run.secrets) == len(GIVEN) + 6 + 11
    for name, secret in run.secrets.items():  # a search that finds nothing anywhere proves nothing
        assert found_in(json.dumps({"text": secret}), {name: secret}) == [name]
    assert AuditEntry.all_objects.filter(code__startswith="4").count() > 3
    for row in AuditEntry.all_objects.values():
        assert found_in(json.dumps(row, default=str), run.secrets) == [], row["event"]
    assert all(verify(number).is_whole for number in chains())


def test_operations_logs_and_every_column_of_the_database_hold_none(run: Any):
    assert Operation.all_objects.count() > 10
    for row in Operation.all_objects.values():
        row.pop("before")  # encrypted, for whoever takes the wish back
        assert found_in(json.dumps(row, default=str), run.secrets) == [], row["name"]
    for text in OperationLine.objects.values_list("text", flat=True):
        assert found_in(text, run.secrets) == []
    assert found_in(run.logs, run.secrets) == []
    stored = {name: secret for name, secret in run.secrets.items() if name != "password in a command"}
    assert found_in_database(stored) == {}


def test_no_answer_of_the_api_shows_one_again(run: Any, api_of: Any):
    secrets = {name: secret for name, secret in run.secrets.items() if name != "password in a command"}
    plurals = [each.plural_name.lower() for each in kinds.everything() if each.listable]
    for who in ("alice", "bob", "rex", "rita", "root", "mallory"):
        api = api_of(who, inside=who not in {"root", "mallory"})
        for path, body in walked(api, plurals):
            hidden = without(body, () if who in {"rita", "mallory"} else VISIBLE)
            assert found_in(json.dumps(hidden, default=str), secrets) == [], (who, path)
    told = json.dumps(api_of("bob").get("services").body)
    assert "plain value" in found_in(told, run.secrets)  # whoever may see values sees them


def test_no_page_of_the_console_shows_one(run: Any, enter: Any, at: Any):
    inside = [at(page) for page in ("activity", "audit", "keys", "stacks", "containers", "hosts", "policy")]
    asked = Operation.all_objects.filter(environment__isnull=False, account__isnull=False)
    inside += [at("operation", pk=operation.pk) for operation in asked]
    site = [f"/admin/{page}" for page in ("audit", "processes", "accounts", "access", "settings")]
    client = enter("root")
    for path in (*inside, *site):
        answer = client.get(path)
        assert found_in(answer.content.decode(), run.secrets) == [], path
