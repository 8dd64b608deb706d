"""`apiKey` with a role, an expiry and addresses, and how requests are held to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.services import role_create, role_update
from tests.wire.api_client import ApiClient, ApiResponse


def caller(made: ApiResponse, **headers: str) -> ApiClient:
    """The API with the key that was just created."""
    return ApiClient(f"{made['publicValue']}:{made['secretValue']}", headers=headers)


def test_a_key_is_created_with_limits_and_shows_them(api: ApiClient, lab: Any):
    later = timezone.now() + timedelta(days=1)
    body = {"name": "ci", "role": "readonly", "expires": later.isoformat(), "addresses": ["127.0.0.0/8", "::1"]}
    made = api.post("apikeys", body)
    assert made.status == 201
    key_body = api.get(f"apikeys/{made['id']}").body
    assert (key_body["role"], key_body["addresses"]) == ("readonly", ["127.0.0.0/8", "::1/128"])
    assert key_body["expires"] == f"{later:%Y-%m-%dT%H:%M:%SZ}"
    assert key_body["expiresTS"] == int(later.timestamp() * 1000)
    assert (key_body["lastUsed"], key_body["lastUsedAddress"], key_body["secretValue"]) == (None, None, None)


def test_a_key_without_limits_has_its_creators_role(api: ApiClient):
    made = api.post("apikeys", {"name": "ci"})
    assert (made["role"], made["expires"], made["addresses"]) == ("owner", None, [])


def test_an_accounts_key_has_no_role_unless_asked(api_of: Any):
    bob = api_of("bob")
    assert bob.post("apikeys", {})["role"] is None
    assert bob.post("apikeys", {"role": "readonly"})["role"] == "readonly"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"role": "king"}, "role", "InvalidOption"),
        ({"role": "x" * 40}, "role", "MaxLengthExceeded"),
        ({"role": 7}, "role", "InvalidOption"),
        ({"expires": "tomorrow"}, "expires", "InvalidDateFormat"),
        ({"expires": "2001-01-01T00:00:00Z"}, "expires", "InvalidDate"),
        ({"expires": "0001-01-01"}, "expires", "InvalidDate"),
        ({"expires": 7}, "expires", "InvalidDateFormat"),
        ({"addresses": ["here"]}, "addresses", "InvalidFormat"),
        ({"addresses": {"a": 1}}, "addresses", "InvalidFormat"),
        ({"addresses": [None]}, "addresses", "InvalidFormat"),
        ({"addresses": [f"10.0.0.{n}" for n in range(51)]}, "addresses", "MaxLimitExceeded"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_invalid_limits_are_refused_at_their_field(
    api_of: Any, lab: Any, body: Any, field: str, code: str, *, inside: bool
):
    alice = api_of("alice")
    before = ApiKey.objects.count()
    answer = (alice.inside(lab) if inside else alice).post("apikeys", body)
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, field, code)
    assert ApiKey.objects.count() == before


@pytest.mark.parametrize(
    ("who", "role", "status"),
    [("bob", "member", 201), ("bob", "owner", 422), ("rex", "restricted", 201), ("rex", "member", 422)],
)
def test_a_keys_role_is_never_above_its_creators(api_of: Any, lab: Any, who: str, role: str, status: int):
    answer = api_of(who).inside(lab).post("apikeys", {"role": role})
    assert answer.status == status
    if status == 422:
        assert answer["message"] == f"The role {role} may do more than you; choose a lower one."


def test_the_limits_of_a_key_are_changed(api: ApiClient):
    made = api.post("apikeys", {"addresses": ["127.0.0.1"], "expires": "2040-01-01"})
    reconcile_until_idle()
    path = f"apikeys/{made['id']}"
    changed = api.put(path, {"role": "restricted", "addresses": ["10.0.0.0/8"], "expires": "2041-05-06", "name": "new"})
    assert (changed.status, changed["role"], changed["addresses"]) == (200, "restricted", ["10.0.0.0/8"])
    assert (changed["expires"][:10], changed["name"]) == ("2041-05-06", "new")
    reconcile_until_idle()
    freed = api.put(path, {"addresses": [], "expires": ""})
    assert (freed["addresses"], freed["expires"], freed["role"]) == ([], None, "restricted")


def test_a_key_that_is_sent_back_unchanged_stays_unchanged(api: ApiClient):
    made = api.post("apikeys", {"role": "restricted", "addresses": ["127.0.0.1"], "expires": "2040-01-01T10:11:12Z"})
    reconcile_until_idle()
    read = api.get(f"apikeys/{made['id']}").body
    changed = api.put(f"apikeys/{made['id']}", read)
    same = ("role", "addresses", "expires", "name", "publicValue")
    assert [changed[each] for each in same] == [read[each] for each in same]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"role": "owner"}, "role", "InvalidOption"),
        ({"role": "member"}, "role", "InvalidOption"),
        ({"role": "king"}, "role", "InvalidOption"),
        ({"expires": "2020-01-01"}, "expires", "InvalidDate"),
        ({"expires": "soon"}, "expires", "InvalidDateFormat"),
        ({"addresses": ["here"]}, "addresses", "InvalidFormat"),
        ({"addresses": [{}], "role": "readonly"}, "addresses", "InvalidFormat"),
    ],
)
def test_invalid_changes_of_limits_are_refused_at_their_field(
    api: ApiClient, body: dict[str, Any], field: str, code: str
):
    made = api.post("apikeys", {"role": "restricted", "addresses": ["127.0.0.1"]})
    reconcile_until_idle()
    refused = api.put(f"apikeys/{made['id']}", body)
    answer_kept = api.get(f"apikeys/{made['id']}")
    assert (answer_kept["role"], answer_kept["addresses"], answer_kept["expires"]) == (
        "restricted",
        ["127.0.0.1/32"],
        None,
    )
    assert (refused.status, refused["fieldName"], refused["code"]) == (422, field, code)


def test_others_do_not_change_a_key(api: ApiClient, api_of: Any, lab: Any):
    made = api.post("apikeys", {"role": "restricted"})
    reconcile_until_idle()
    for who, status in (("rita", 405), ("mallory", 404)):
        assert api_of(who).inside(lab).put(f"apikeys/{made['id']}", {"role": "readonly"}).status == status
    assert api.get(f"apikeys/{made['id']}")["role"] == "restricted"


def test_a_key_with_a_role_has_the_roles_permissions(api_of: Any, lab: Any, stack: Any):
    for place in (api_of("alice").inside(lab), api_of("alice")):
        key = caller(place.post("apikeys", {"role": "readonly"})).inside(lab)
        assert key.get("containers").status == 200
        assert key.post("environments", {"name": "x"}).status == 405
        assert key.delete(f"environments/{stack['stack']}").status == 405
        assert {name for row in key.get("containers")["data"] for name in row["actions"]} == {"logs"}


def test_an_admins_key_with_a_role_is_not_an_admin(api_of: Any, lab: Any):
    key = caller(api_of("root").post("apikeys", {"role": "owner"}))
    assert "POST" not in {each["id"]: each for each in key.get("schemas")["data"]}["account"]["collectionMethods"]
    assert key.post("accounts", {"login": "x", "password": "correct horse battery"}).status == 405
    assert key.inside(lab).get("containers").status == 200
    assert key.put("settings/api.host", {"value": "x"}).status == 405


def test_a_key_creates_no_key_with_more_permissions(api_of: Any, lab: Any):
    restricted = caller(api_of("alice").post("apikeys", {"role": "restricted"}))
    for place in (restricted, restricted.inside(lab)):
        assert place.post("apikeys", {})["role"] == "restricted"
        assert place.post("apikeys", {"role": "member"}).status == 422
    reader = caller(api_of("alice").post("apikeys", {"role": "readonly"}))
    assert reader.post("apikeys", {}).status == 403
    assert reader.inside(lab).post("apikeys", {}).status == 405


def test_a_readers_key_leaves_its_accounts_other_keys_alone(api_of: Any):
    alice = api_of("alice")
    other = alice.post("apikeys", {"name": "other"})
    reader = caller(alice.post("apikeys", {"role": "readonly"}))
    assert reader.put(f"apikeys/{other['id']}", {"name": "mine"}).status == 403
    assert reader.delete(f"apikeys/{other['id']}").status == 403
    answer = reader.post(f"apikeys/{other['id']}/?action=deactivate", {})
    assert answer.status == 422
    assert ApiKey.objects.get(name="other").desired == "active"


def test_a_readers_key_creates_no_environments(api_of: Any):
    reader = caller(api_of("alice").post("apikeys", {"role": "readonly"}))
    assert reader.post("projects", {"name": "mine"}).status == 403


def test_the_refusal_of_an_expired_key_says_so(api: ApiClient):
    made = api.post("apikeys", {"expires": (timezone.now() + timedelta(hours=1)).isoformat()})
    assert caller(made).get("containers").status == 200
    ApiKey.objects.filter(public_value=made["publicValue"]).update(expires=timezone.now() - timedelta(seconds=1))
    answer = caller(made).get("containers")
    assert (answer.status, answer["code"]) == (401, "Unauthorized")
    assert answer["message"] == "This API key has expired; make a new one."
    wrong = ApiClient(f"{made['publicValue']}:{'x' * 40}").get("containers")
    assert (wrong.status, wrong["message"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("addresses", "status"), [(["127.0.0.1"], 200), (["127.0.0.0/8", "10.0.0.0/8"], 200), (["10.0.0.0/8"], 401)]
)
def test_a_key_works_from_its_addresses_only(api: ApiClient, addresses: list[str], status: int):
    made = api.post("apikeys", {"addresses": addresses})
    answer = caller(made).get("containers")
    assert answer.status == status
    if status == 401:
        assert answer["message"] == "This API key may not be used from 127.0.0.1."


def test_a_forwarded_address_counts_from_trusted_proxies_only(api: ApiClient, settings: Any):
    made = api.post("apikeys", {"addresses": ["203.0.113.7"]})
    lie = caller(made, **{"X-Forwarded-For": "203.0.113.7"})
    assert lie.get("containers").status == 401
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert lie.get("containers").status == 200
    assert caller(made, **{"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}).get("containers").status == 401
    assert ApiKey.objects.get(public_value=made["publicValue"]).last_address == "203.0.113.7"


def test_when_and_from_where_a_key_was_used_is_shown(api: ApiClient):
    made = api.post("apikeys", {})
    caller(made).get("containers")
    key_body = api.get(f"apikeys/{made['id']}").body
    assert key_body["lastUsedAddress"] == "127.0.0.1"
    assert key_body["lastUsed"].endswith("Z")


def test_a_key_is_deactivated_before_it_is_deleted(api: ApiClient):
    made = api.post("apikeys", {})
    reconcile_until_idle()
    assert api.delete(f"apikeys/{made['id']}").status == 405
    assert api.post(f"apikeys/{made['id']}/?action=deactivate", {}).status == 202
    assert caller(made).get("containers")["message"] == "This API key or its account is not active."
    reconcile_until_idle()
    assert api.delete(f"apikeys/{made['id']}").status == 200


@pytest.mark.parametrize("permission", [name for name in PERMISSIONS if name != "view"])
def test_a_custom_role_of_one_permission_grants_just_that(
    permission: str, people: Any, actor_of: Any, api_of: Any, lab: Any, stack: Any
):
    role_create(actor=actor_of("root"), name="odd", permissions=[permission])
    key = caller(api_of("alice").inside(lab).post("apikeys", {"role": "odd"}))
    types = {each["id"]: each for each in key.get("schemas")["data"]}
    row = key.get("containers")["data"][0]
    assert ("logs" in row["actions"]) is (permission == "logs")
    assert ("execute" in row["actions"]) is (permission == "exec")
    assert ("remove" in types["container"]["resourceActions"]) is (permission == "delete")
    assert ("remove" in key.get("services")["data"][0]["actions"]) is (permission == "delete")
    assert bool({"stop", "update"} & row["actions"].keys()) is (permission == "operate")
    assert ("POST" in types["environment"]["collectionMethods"]) is (permission == "operate")
    assert ("DELETE" in types["environment"]["resourceMethods"]) is (permission == "delete")
    assert ("POST" in types["apiKey"]["collectionMethods"]) is (permission == "keys")
    assert ("PUT" in types["host"]["resourceMethods"]) is (permission == "hosts")
    assert ("registrationToken" in types) is (permission == "hosts")
    key_body = key.get("services")["data"][0]["launchConfig"]["environment"]
    assert bool(key_body) is (permission == "values")
    project = key.get(f"projects/{wire_id('a', lab.pk)}")
    assert ("setmembers" in project["actions"]) is (permission == "members")
    assert ("deactivate" in project["actions"]) is (permission == "own")


def test_a_change_of_its_role_reaches_a_key_at_once(actor_of: Any, api_of: Any, lab: Any, stack: Any):
    role = role_create(actor=actor_of("root"), name="odd", permissions=["operate"])
    key = caller(api_of("alice").inside(lab).post("apikeys", {"role": "odd"}))
    assert key.post("environments", {"name": "one"}).status == 201
    role_update(role, actor=actor_of("root"), permissions=["logs"])
    assert key.post("environments", {"name": "two"}).status == 405
    assert ROLES["readonly"] == role.held
