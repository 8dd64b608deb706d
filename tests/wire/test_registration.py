"""Registration of hosts over the API: the token's command, its script, and the exchange for a credential."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.test import Client

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.services import setting_write
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.hosts.models import AgentCredential, Host, RegistrationToken
from apps.hosts.tunnels.keys import get_portal_key
from tests.wire.api_client import ApiClient

KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
CLAIM = {
    "key": "b7a9",
    "publicKey": KEY,
    "hostname": "node-1",
    "address": "",
    "labels": {"zone": "a"},
    "engineId": "ENGINE:1",
    "agentVersion": "0.1.0",
    "simulated": False,
}


@pytest.fixture
def registration_token(api: ApiClient) -> dict[str, Any]:
    """The lab's token, as a playbook reads it: listing the tokens creates it."""
    api.get("registrationtokens")
    reconcile_until_idle()
    found: dict[str, Any] = api.get("registrationtokens")["data"][0]
    return found


def basic(token: str, user: str = "registrationToken") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


def post(token: str, claim: Any, **headers: str) -> Any:
    return Client().post(
        "/v1/registers", json.dumps(claim), content_type="application/json", headers={**basic(token), **headers}
    )


def test_the_command_ends_with_the_url_of_a_script(registration_token: dict[str, Any]) -> None:
    url = registration_token["command"].split(" ")[-1]
    assert url == registration_token["registrationUrl"] == registration_token["links"].get("registrationUrl", url)
    answer = Client().get(url)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer["Cache-Control"] == "no-store"
    assert f'CORRAL_PORTAL_KEY="{get_portal_key().public}"\n' in answer.text
    assert "CATTLE_REGISTRATION_ACCESS_KEY=registrationToken\n" in answer.text
    assert f"CATTLE_REGISTRATION_SECRET_KEY={registration_token['token']}\n" in answer.text


def test_the_script_runs_with_plain_sh_and_starts_the_agents_container(
    registration_token: dict[str, Any], tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    docker.chmod(0o755)
    text = Client().get(registration_token["registrationUrl"]).text
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=text,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CATTLE_HOST_LABELS": "a=b c&d=e"},
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    words = done.stdout.splitlines()
    assert words[:5] == ["run", "-d", "--name", "rancher-agent", "--privileged"]
    assert "CATTLE_HOST_LABELS=a=b c&d=e" in words
    assert words[-2:] == [registration_token["image"], registration_token["registrationUrl"]]


@pytest.mark.parametrize(("running", "calls"), [("true", ["inspect"]), ("false", ["inspect", "rm", "run"])])
def test_the_script_run_again_starts_no_second_agent(
    running: str, calls: list[str], registration_token: dict[str, Any], tmp_path: Path
) -> None:
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(f'#!/bin/sh\necho "$1" >> {log}\n[ "$1" != inspect ] || echo {running}\n')
    docker.chmod(0o755)
    text = Client().get(registration_token["registrationUrl"]).text
    done = subprocess.run(
        ["/bin/sh", "-eu"], input=text, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, text=True, check=True, timeout=10
    )
    assert done.returncode == 0
    assert log.read_text().split() == calls


def test_the_script_says_what_is_missing_where_nothing_can_run_an_agent(
    registration_token: dict[str, Any], tmp_path: Path
) -> None:
    text = Client().get(registration_token["registrationUrl"]).text
    done = subprocess.run(
        ["/bin/sh"], input=text, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=10
    )
    assert done.returncode == 1
    assert "install Docker" in done.stderr


def test_an_agent_exchanges_the_token_for_its_own_credential(
    registration_token: dict[str, Any], lab: Environment
) -> None:
    answer = post(registration_token["token"], CLAIM)
    answer_body = answer.json()
    assert answer.status_code == 201
    assert (answer_body["type"], answer_body["key"], answer_body["state"]) == ("register", "b7a9", "active")
    assert answer_body["portalKey"] == get_portal_key().public
    assert answer_body["tunnelUrl"] == "ws://testserver/v1/agent"
    host = Host.all_objects.get()
    assert answer_body["hostId"] == f"1h{host.pk}"
    assert (host.environment, host.name, host.url) == (lab, "node-1", f"agent://{host.uuid}")
    assert (host.labels, host.address, host.desired) == ({"zone": "a"}, "127.0.0.1", "active")
    row = AgentCredential.objects.get()
    assert (row.access_key, row.public_key) == (answer_body["accessKey"], " ".join(KEY.split()[:2]))
    assert answer_body["secretKey"] not in row.secret_hash


def test_the_new_host_is_listed_with_its_agents_state(api: ApiClient, registration_token: dict[str, Any]) -> None:
    post(registration_token["token"], CLAIM)
    reconcile_until_idle()
    (host_row,) = api.get("hosts")["data"]
    assert (host_row["hostname"], host_row["agentState"], host_row["state"]) == ("node-1", "registering", "registering")
    assert "secret" not in json.dumps(host_row).lower()


def test_the_exchange_is_in_the_audit_log_without_secrets(registration_token: dict[str, Any], lab: Environment) -> None:
    answer_body = post(registration_token["token"], CLAIM).json()
    entry = AuditEntry.all_objects.get(event="host.register")
    assert (entry.environment, entry.via, entry.address) == (lab, "agent", "127.0.0.1")
    request_text = json.dumps(entry.request)
    assert "node-1" in request_text
    assert not [secret for secret in (answer_body["secretKey"], registration_token["token"]) if secret in request_text]


def test_an_agent_finds_its_registration_by_key_but_not_its_secret(registration_token: dict[str, Any]) -> None:
    answer_body = post(registration_token["token"], CLAIM).json()
    headers = basic(registration_token["token"])
    found = Client().get("/v1/registers?key=b7a9", headers=headers).json()
    assert [each["accessKey"] for each in found["data"]] == [answer_body["accessKey"]]
    assert "secretKey" not in found["data"][0]
    assert Client().get("/v1/registers?key=other", headers=headers).json()["data"] == []
    assert Client().get("/v1/registers", headers=headers).json()["data"] == []


def test_the_same_engine_is_the_same_host_with_a_new_credential(registration_token: dict[str, Any]) -> None:
    first = post(registration_token["token"], CLAIM).json()
    second = post(registration_token["token"], {**CLAIM, "labels": {"disk": "ssd"}, "address": "10.0.0.9"}).json()
    assert (first["hostId"], Host.all_objects.count()) == (second["hostId"], 1)
    assert first["accessKey"] != second["accessKey"]
    host = Host.all_objects.get()
    assert (host.labels, host.address) == ({"zone": "a", "disk": "ssd"}, "10.0.0.9")
    assert list(AgentCredential.objects.filter(revoked=None).values_list("access_key", flat=True)) == [
        second["accessKey"]
    ]


def test_a_removed_host_comes_back_as_a_new_one(registration_token: dict[str, Any]) -> None:
    first = post(registration_token["token"], CLAIM).json()
    Host.all_objects.update(desired="removed")
    second = post(registration_token["token"], CLAIM).json()
    assert first["hostId"] != second["hostId"]


def test_an_engine_of_another_environment_is_refused(
    registration_token: dict[str, Any], foreign_environment: Environment
) -> None:
    Host.all_objects.create(environment=foreign_environment, url="tcp://x:1", engine_id="ENGINE:1", desired="active")
    answer = post(registration_token["token"], CLAIM)
    assert (answer.status_code, answer.json()["code"], answer.json()["fieldName"]) == (422, "NotUnique", "engineId")
    assert "another environment" in answer.json()["message"]
    assert "Far" not in answer.text
    assert AgentCredential.objects.count() == 0


def test_an_engine_that_was_reached_directly_is_taken_over_by_its_agent(
    registration_token: dict[str, Any], lab: Environment
) -> None:
    Host.all_objects.create(environment=lab, url="tcp://x:1", engine_id="ENGINE:1", desired="active", state="active")
    assert post(registration_token["token"], CLAIM).status_code == 201
    host = Host.all_objects.get()
    assert host.url == f"agent://{host.uuid}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("publicKey", ""),
        ("publicKey", "ssh-rsa AAAA"),
        ("publicKey", "x" * 2000),
        ("publicKey", 7),
        ("hostname", None),
        ("hostname", "a\nb"),
        ("hostname", "x" * 256),
        ("engineId", ""),
        ("engineId", {}),
        ("key", ""),
        ("key", "x" * 129),
        ("address", "x" * 65),
        ("labels", ["a"]),
        ("labels", {"a": 1}),
        ("labels", {"a": "x" * 256}),
        ("labels", {f"l{n}": "" for n in range(101)}),
        ("agentVersion", 7),
    ],
)
def test_an_invalid_field_is_named(field: str, value: Any, registration_token: dict[str, Any]) -> None:
    answer = post(registration_token["token"], {**CLAIM, field: value})
    assert (answer.status_code, answer.json()["fieldName"]) == (422, field)
    assert Host.all_objects.count() == 0


@pytest.mark.parametrize("body", ["[]", "7", "{", '"x"'])
def test_a_body_that_is_not_an_object_is_refused(body: str, registration_token: dict[str, Any]) -> None:
    headers = basic(registration_token["token"])
    answer = Client().post("/v1/registers", body, content_type="application/json", headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("bad", ["", "x", "a:1:b", "\0:1:b", "A:99999999999999999999:b", "é:1:b"])
def test_all_invalid_tokens_get_the_same_refusal(bad: str, registration_token: dict[str, Any]) -> None:
    answer = post(bad, CLAIM)
    assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")
    if bad:
        assert Client().get(f"/v1/scripts/{bad}").status_code == 404


def test_a_token_works_with_one_user_name_only(registration_token: dict[str, Any]) -> None:
    for headers in (
        basic(registration_token["token"], "agent"),
        {},
        {"authorization": "Bearer " + registration_token["token"]},
    ):
        answer = Client().post("/v1/registers", "{}", content_type="application/json", headers=headers)
        assert answer.status_code == 401


def test_the_token_works_for_registration_only(registration_token: dict[str, Any]) -> None:
    for path in ("hosts", "containers", "projects", "registrationtokens", "settings"):
        assert Client().get(f"/v1/{path}", headers=basic(registration_token["token"])).status_code == 401


def test_deactivating_or_removing_a_token_revokes_its_credentials(
    api: ApiClient, registration_token: dict[str, Any]
) -> None:
    url = registration_token["links"]["self"]
    assert api.call("POST", f"{url}?action=deactivate").status == 202
    assert post(registration_token["token"], CLAIM).status_code == 401
    assert Client().get(registration_token["registrationUrl"]).status_code == 404
    reconcile_until_idle()
    assert api.call("POST", f"{url}?action=activate").status == 202
    assert post(registration_token["token"], CLAIM).status_code == 201
    reconcile_until_idle()
    api.call("POST", f"{url}?action=deactivate")
    reconcile_until_idle()
    assert api.call("POST", f"{url}?action=remove").status == 202
    assert post(registration_token["token"], CLAIM).status_code == 401


def test_an_inactive_environment_accepts_no_hosts(
    registration_token: dict[str, Any], lab: Environment, actor_of: Any
) -> None:
    environment_act(lab, "deactivate", actor=actor_of("alice"))
    assert post(registration_token["token"], CLAIM).status_code == 401


def test_a_token_is_for_one_environment(
    registration_token: dict[str, Any], foreign_environment: Environment, key_of: Callable[..., ApiClient]
) -> None:
    theirs = key_of("mallory", foreign_environment)
    theirs.get("registrationtokens")
    reconcile_until_idle()
    other = theirs.get("registrationtokens")["data"][0]
    post(other["token"], CLAIM)
    assert Host.all_objects.get().environment == foreign_environment
    swapped = ":".join([registration_token["token"].split(":")[0], *other["token"].split(":")[1:]])
    assert post(swapped, CLAIM).status_code == 401


def test_the_setting_decides_the_portals_url_for_hosts(
    registration_token: dict[str, Any], api: ApiClient, actor_of: Any
) -> None:
    setting_write("api.host", "https://portal.example.com/", actor=actor_of("root"))
    (host_row,) = api.get("registrationtokens")["data"]
    assert host_row["registrationUrl"] == f"https://portal.example.com/v1/scripts/{host_row['token']}"
    assert "CATTLE_URL=https://portal.example.com/v1\n" in Client().get(f"/v1/scripts/{host_row['token']}").text
    assert post(host_row["token"], CLAIM).json()["tunnelUrl"] == "wss://portal.example.com/v1/agent"


def test_other_methods_are_refused(registration_token: dict[str, Any]) -> None:
    assert Client().post(f"/v1/scripts/{registration_token['token']}").status_code == 405
    assert Client().delete("/v1/registers", headers=basic(registration_token["token"])).status_code == 405
    assert Client().head(f"/v1/scripts/{registration_token['token']}").status_code == 200


def test_the_portals_key_is_created_once_and_stored_encrypted(registration_token: dict[str, Any]) -> None:
    from django.db import connection

    first = get_portal_key()
    assert get_portal_key().private == first.private
    with connection.cursor() as cursor:
        cursor.execute("SELECT private, relay_key FROM hosts_portalkey")
        stored = cursor.fetchall()
    assert len(stored) == 1
    assert not [text for text in stored[0] if "PRIVATE KEY" in text]


def test_restricted_members_see_no_token(api_of: Callable[..., ApiClient], lab: Environment) -> None:
    for who in ("rex", "rita", "mallory"):
        assert api_of(who).inside(lab).get("registrationtokens").status == 404
    assert RegistrationToken.all_objects.count() == 0


def test_rotating_a_token_revokes_the_old_one(api: ApiClient, registration_token: dict[str, Any]) -> None:
    answer_body = post(registration_token["token"], CLAIM).json()
    assert api.call("POST", registration_token["actions"]["rotate"]).status == 202
    reconcile_until_idle()
    (host_row,) = api.get("registrationtokens")["data"]
    assert (host_row["id"], host_row["token"] != registration_token["token"]) == (registration_token["id"], True)
    assert post(registration_token["token"], CLAIM).status_code == 401
    assert AgentCredential.objects.get(access_key=answer_body["accessKey"]).revoked is None
    assert post(host_row["token"], CLAIM).status_code == 201
