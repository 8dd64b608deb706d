"""`registry`, `registryCredential` and `sharedRegistry` on the v1 wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.drivers.simulated.engine import simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.vault.registries.selectors import login_for_image
from tests.wire.api_client import ApiClient, run_until_idle

SECRET = "s3cret-w0rd"


@pytest.fixture
def quay(api: ApiClient) -> Any:
    made = api.post("registries", {"serverAddress": "https://quay.io", "name": "quay"})
    assert made.status == 201, made.body
    return made.body


@pytest.fixture
def account(api: ApiClient, quay: Any) -> Any:
    body = {"registryId": quay["id"], "publicValue": "alice", "secretValue": SECRET, "email": "alice@example.org"}
    made = api.post("registrycredentials", body)
    assert made.status == 201, made.body
    return made.body


def test_a_registry_with_its_credential_from_add_to_purge(api: ApiClient, quay: Any, account: Any, lab: Environment):
    assert (quay["type"], quay["baseType"], quay["kind"]) == ("registry", "storagePool", "registry")
    assert (quay["state"], quay["transitioning"], quay["id"][:3]) == ("registering", "yes", "1sp")
    assert (quay["serverAddress"], quay["driverName"], quay["volumeCapabilities"]) == ("quay.io", None, None)
    assert (account["type"], account["baseType"], account["id"][:2]) == ("registryCredential", "credential", "1c")
    assert (account["publicValue"], account["secretValue"], account["registryId"]) == ("alice", None, quay["id"])
    run_until_idle()
    found = api.get(f"registries/{quay['id']}").body
    assert sorted(found["actions"]) == ["deactivate", "test", "update"]
    (listed,) = api.get(found["links"]["credentials"]).body["data"]
    assert (listed["state"], listed["email"], listed["secretValue"]) == ("active", "alice@example.org", None)
    assert api.put(listed["links"]["self"], {"secretValue": "newer-w0rd"}).status == 200
    assert login_for_image(lab.pk, "quay.io/a").password == "newer-w0rd"  # type: ignore[union-attr]
    assert SECRET not in json.dumps(api.get("registrycredentials").body)
    run_until_idle()
    assert api.delete(f"registries/{quay['id']}").status == 405  # v1: not while it is active
    for action, state in (("deactivate", "inactive"), ("remove", "removed"), ("restore", "inactive")):
        assert api.post(f"registries/{quay['id']}?action={action}").status == 202
        run_until_idle()
        assert api.get(f"registries/{quay['id']}")["state"] == state
    assert api.get(f"registrycredentials/{account['id']}")["state"] == "removed"
    assert api.post(f"registrycredentials/{account['id']}?action=purge").status == 202


def test_refusals_name_the_field_and_a_used_address_is_v1_s_400(api: ApiClient, quay: Any):
    used = api.post("registries", {"serverAddress": "QUAY.io"})
    assert (used.status, used["code"], used["fieldName"]) == (400, "ServerAddressUsed", "serverAddress")
    assert api.post("registries", {})["code"] == "MissingRequired"
    assert api.post("registries", {"serverAddress": "quay.io/acme"})["code"] == "InvalidFormat"
    body = {"registryId": "1sp999", "publicValue": "a", "secretValue": SECRET, "email": "a@b.c"}
    refused = api.post("registrycredentials", body)
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "InvalidReference", "registryId")
    assert api.post("registrycredentials", {**body, "registryId": quay["id"], "publicValue": "a:b"}).status == 422


def test_secrets_are_in_no_audit_entry(api: ApiClient, quay: Any, account: Any):
    api.put(f"registrycredentials/{account['id']}", {"secretValue": "newer-w0rd", "name": "robot"})
    api.post(f"registries/{quay['id']}?action=test", {"publicValue": "alice", "secretValue": "third-w0rd"})
    entries = [each for each in AuditEntry.all_objects.all() if "regist" in each.event]
    assert len(entries) >= 4
    assert "w0rd" not in str([(each.request, each.response) for each in entries])


def test_an_account_is_tested_through_a_host(api: ApiClient, quay: Any, host: Host):
    simulated_engine("lab").registry.accounts["quay.io"] = ("alice", SECRET)
    run_until_idle()
    path = f"registries/{quay['id']}?action=test"
    wrong = api.post(path, {"publicValue": "alice", "secretValue": "wrong-w0rd"})
    assert (wrong.status, wrong["type"], wrong["accepted"], wrong["verdict"]) == (
        200,
        "registryTest",
        False,
        "wrong password",
    )
    right = api.post(path, {"publicValue": "alice", "secretValue": SECRET, "hostId": f"1h{host.pk}"})
    assert (right["accepted"], right["host"], right["remedy"]) == (True, "lab-1", None)
    account = {"registryId": quay["id"], "publicValue": "alice", "secretValue": SECRET, "email": ""}
    assert api.post("registrycredentials", account).status == 201
    assert api.post(path)["accepted"] is True  # the stored one
    assert api.post(path, {"hostId": "1h999"})["code"] == "InvalidReference"


def test_another_tenant_sees_nothing(
    quay: Any, account: Any, foreign_environment: Environment, key_of: Callable[..., ApiClient]
):
    far = key_of("mallory", foreign_environment)
    assert far.get("registries").ids == far.get("registrycredentials").ids == []
    assert far.get(f"registries/{quay['id']}").status == 404
    assert far.put(f"registrycredentials/{account['id']}", {"publicValue": "x"}).status == 404
    body = {"registryId": quay["id"], "publicValue": "a", "secretValue": SECRET, "email": "a@b.c"}
    assert far.post("registrycredentials", body)["code"] == "InvalidReference"


def test_administrators_lend_registries(api_of: Callable[[str], ApiClient], lab: Environment):
    root = api_of("root")
    body = {"serverAddress": "ghcr.io", "publicValue": "site", "secretValue": SECRET, "lentTo": [f"1a{lab.pk}"]}
    lent = root.post("sharedregistries", body)
    assert lent.status == 201, lent.body
    assert (lent["secretValue"], lent["lentTo"]) == (None, [f"1a{lab.pk}"])
    run_until_idle()
    assert login_for_image(lab.pk, "ghcr.io/a").username == "site"  # type: ignore[union-attr]
    changed = root.put(f"sharedregistries/{lent['id']}", {"lentTo": None})
    assert (changed.status, changed["lentTo"]) == (200, None)
    assert root.post("sharedregistries", {**body, "lentTo": ["x"]}).status == 422
    assert root.post("sharedregistries", {**body, "lentTo": None})["code"] == "ServerAddressUsed"
    assert root.delete(f"sharedregistries/{lent['id']}").status == 405


def test_an_active_registry_is_to_be_deactivated_first(api: ApiClient):
    made = api.post("registries", {"serverAddress": "registry.example.com"})
    run_until_idle()
    answer = api.delete(f"registries/{made['id']}")
    assert answer.status == 405
    assert answer["message"].endswith("Deactivate it first.")


def test_a_mirror_is_written_read_and_refused_at_its_field(api: ApiClient):
    made = api.post("registries", {"serverAddress": "docker.io", "mirror": "https://Mirror.example.org:5000/hub"})
    assert (made.status, made["mirror"]) == (201, "mirror.example.org:5000/hub")
    run_until_idle()
    address = f"registries/{made['id']}"
    for bad in ("mirror", "docker.io", "index.docker.io/x", "a.example.org/A", "a.example.org:0", "a b.example.org"):
        refused = api.put(address, {"mirror": bad})
        assert (refused.status, refused["fieldName"]) == (422, "mirror"), refused.body
    assert api.put(address, {"mirror": 5}).status == 422
    assert api.put(address, {"mirror": "x" * 300})["code"] == "MaxLengthExceeded"
    chain = api.post("registries", {"serverAddress": "mirror.example.org:5000", "mirror": "quay.io"})
    assert (chain.status, chain["fieldName"]) == (422, "mirror")
    assert "mirrors are not followed" in chain["message"]
    assert api.get(address)["mirror"] == "mirror.example.org:5000/hub"
    assert len(api.get("registries").body["data"]) == 1
    assert api.put(address, {"mirror": ""}).status == 200
    run_until_idle()
    assert not api.get(address)["mirror"]
    assert [each for each in AuditEntry.all_objects.all() if "Mirror" in str(each.request)] == []


def test_administrators_give_mirrors_without_an_account(api_of: Callable[[str], ApiClient]):
    root = api_of("root")
    made = root.post("sharedregistries", {"serverAddress": "docker.io", "mirror": "site.example.org"})
    assert (made.status, made["mirror"]) == (201, "site.example.org")
    run_until_idle()
    refused = root.put(f"sharedregistries/{made['id']}", {"mirror": "docker.io"})
    assert (refused.status, refused["fieldName"]) == (422, "mirror")
    assert root.put(f"sharedregistries/{made['id']}", {"mirror": "other.example.org"})["mirror"]
