"""`certificate` on the v1 wire."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.core.hooks import hooks
from apps.stacks.models import Service
from tests.vault.issuing import intermediate, issue, root
from tests.wire.api_client import ApiClient, run_until_idle

SHOP = intermediate().issue("shop.example.org", names=["shop.example.org", "www.example.org"])
BODY = {"name": "shop", "cert": SHOP.cert, "key": SHOP.key_text, "certChain": intermediate().cert}


@pytest.fixture
def shop(api: ApiClient) -> Any:
    made = api.post("certificates", BODY)
    assert made.status == 201, made.body
    return made.body


def test_a_certificate_is_added_and_its_key_never_seen_again(api: ApiClient, shop: Any):
    assert (shop["type"], shop["state"], shop["transitioning"], shop["id"][:2]) == (
        "certificate",
        "activating",
        "yes",
        "1c",
    )
    run_until_idle()
    found = api.get(f"certificates/{shop['id']}").body
    wanted = {
        "state": "active",
        "CN": "shop.example.org",
        "issuer": "CN=Intermediate of tests",
        "algorithm": "SHA256withECDSA",
        "keySize": 256,
        "version": "3",
        "serialNumber": str(SHOP.x509.serial_number),
        "expiresAt": f"{SHOP.x509.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "issuedAt": f"{SHOP.x509.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "subjectAlternativeNames": ["shop.example.org", "www.example.org"],
        "cert": SHOP.cert,
        "certChain": intermediate().cert,
        "key": None,
        "warnings": [],
        "baseType": "certificate",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert set(found["actions"]) == {"remove", "update"}
    listed = str(api.get("certificates").body) + str(shop) + str(found)
    assert SHOP.key_text.splitlines()[1] not in listed


def test_a_certificate_is_renewed_in_place_and_removed(api: ApiClient, shop: Any):
    run_until_idle()
    path = f"certificates/{shop['id']}"
    renewed = root().issue("shop.example.org", kind="p384")
    changed = api.put(path, {"cert": renewed.cert, "key": renewed.key_text, "certChain": ""})
    assert (changed.status, changed["state"], changed["id"]) == (200, "updating-active", shop["id"])
    assert (changed["keySize"], changed["certChain"], changed["key"]) == (384, None, None)
    run_until_idle()
    acted = api.post(f"{path}?action=update", {"description": "by action"})
    assert (acted.status, acted["description"]) == (202, "by action")
    run_until_idle()
    gone = api.delete(path)
    assert (gone.status, gone["state"]) == (200, "removing")
    run_until_idle()
    assert api.get(path)["state"] == "removed"
    assert api.post("certificates", BODY).status == 201


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"name": None}, "MissingRequired", "name"),
        ({"cert": None}, "MissingRequired", "cert"),
        ({"key": None}, "MissingRequired", "key"),
        ({"cert": "no pem"}, "InvalidFormat", "cert"),
        ({"key": "no pem"}, "InvalidFormat", "key"),
        ({"certChain": "no pem"}, "InvalidFormat", "certChain"),
        ({"key": issue(kind="p384").key_text}, "InvalidFormat", "key"),
        ({"cert": SHOP.cert + root().cert}, "InvalidFormat", "cert"),
        ({"cert": "x" * 65_536}, "MaxLengthExceeded", "cert"),
        ({"cert": 5}, "InvalidFormat", "cert"),
        ({"name": "Shop"}, "NotUnique", "name"),
    ],
)
def test_bad_input_names_its_field(change: dict[str, Any], code: str, field: str, api: ApiClient, shop: Any):
    refused = api.post("certificates", {**BODY, "name": "other", **change})
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, code, field)
    assert len(api.get("certificates").body["data"]) == 1


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_certificate_in_use_is_not_removed(method: str, api: ApiClient, shop: Any, monkeypatch: Any):
    run_until_idle()
    used = {int(shop["id"][2:]): [Service(name="front")]}
    monkeypatch.setattr(hooks, "certificate_users", [lambda _keys: used])
    path = f"certificates/{shop['id']}"
    refused = api.delete(path) if method == "DELETE" else api.post(f"{path}?action=remove", {})
    assert (refused.status, refused["code"]) == (422, "InvalidAction")
    assert "front" in refused["message"]
    assert api.get(path)["state"] == "active"


def test_the_audit_log_has_no_key(api: ApiClient, shop: Any):
    api.post("certificates", {**BODY, "name": "again", "cert": SHOP.cert + SHOP.key_text})  # refused, and recorded
    secret = SHOP.key_text.splitlines()[1]
    entries = [(each.request, each.response) for each in AuditEntry.all_objects.filter(event__contains="certificate")]
    assert len(entries) == 2
    assert secret not in str(entries)


def test_an_environment_links_to_its_certificates(api: ApiClient, shop: Any):
    project = api.get("projects").body["data"][0]
    assert api.get(f"projects/{project['id']}/certificates").ids == [shop["id"]]


def test_an_edit_of_an_older_answer_is_refused_without_the_key(api: ApiClient, shop: Any):
    run_until_idle()
    path = f"certificates/{shop['id']}"
    etag = api.get(path).headers["ETag"]
    assert api.put(path, {"description": "theirs"}).status == 200
    run_until_idle()
    mine = root().issue("shop.example.org", kind="p384")
    stale = ApiClient(api.key, api.project, {"If-Match": etag})
    refused = stale.put(path, {"cert": mine.cert, "key": mine.key_text})
    assert (refused.status, refused["code"], refused["fieldName"]) == (412, "PreconditionFailed", "cert")
    assert "PRIVATE KEY" not in str(refused.body)


def test_a_certificate_is_ordered_for_host_names(api: ApiClient, monkeypatch: Any):
    made = api.post("acmecertificates", {"names": ["Shop.example.org", "www.example.org"], "email": "ops@example.org"})
    assert (made.status, made["type"], made["state"], made["name"]) == (
        201,
        "certificate",
        "activating",
        "shop.example.org",
    )
    assert made["acmeNames"] == made["subjectAlternativeNames"] == ["shop.example.org", "www.example.org"]
    refused = api.put(f"certificates/{made['id']}", {"cert": SHOP.cert, "key": SHOP.key_text})
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "InvalidOption", "cert")
    assert api.put(f"certificates/{made['id']}", {"description": "ours"}).status == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "MissingRequired", "names"),
        ({"names": []}, "MissingRequired", "names"),
        ({"names": ["*.example.org"]}, "InvalidFormat", "names"),
        ({"names": ["localhost"]}, "InvalidFormat", "names"),
        ({"names": ["a.example.org"], "email": "nobody"}, "InvalidFormat", "email"),
        ({"names": [5]}, "InvalidFormat", "names"),
    ],
)
def test_orders_that_are_refused(body: dict[str, Any], code: str, field: str, api: ApiClient):
    refused = api.post("acmecertificates", body)
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, code, field)
    assert api.get("certificates").ids == []
