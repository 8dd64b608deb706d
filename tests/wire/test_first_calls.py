"""What a v1 client does first: it makes accounts, keys of them, environments and containers, by v1's own rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.models import Environment, KeyScope
from apps.stacks.removed_links import RemovedServiceLink
from tests.wire.api_client import ApiClient, ApiResponse, run_until_idle

PASSWORD = "correct horse battery staple"


def caller(made: ApiResponse) -> ApiClient:
    """The API with the key that was just created."""
    reconcile_until_idle()
    return ApiClient(f"{made['publicValue']}:{made['secretValue']}")


@pytest.mark.parametrize("kind", ["user", "admin"])
def test_an_account_needs_no_password(api_of: Any, kind: str):
    made = api_of("root").post("accounts", {"name": "robot", "kind": kind})
    assert (made.status, made["state"], made["transitioning"]) == (201, "registering", "yes")
    assert (made["name"], made["kind"]) == ("robot", kind)
    row = User.objects.get(pk=int(made["id"][2:]))
    assert not row.has_usable_password()
    reconcile_until_idle()
    assert api_of("root").get(f"accounts/{made['id']}")["state"] == "active"


@pytest.mark.parametrize("path", ["environments", "services", "containers"])
def test_a_key_of_an_account_learns_where_what_environments_have_is_made(api_of: Any, lab: Environment, path: str):
    alice = api_of("alice")
    refused = alice.post(path, {"name": "shop"})
    assert (refused.status, "use .../projects/<id>/..." in refused["message"]) == (405, True), refused.body
    assert alice.inside(lab).post(path, {"name": "shop"}).status != 405


def test_two_accounts_may_have_one_name_or_none(api_of: Any):
    root = api_of("root")
    made = [root.post("accounts", body) for body in ({"name": "twin"}, {"name": "twin"}, {}, {"kind": "user"})]
    assert [each.status for each in made] == [201] * 4
    assert [each["name"] for each in made[:2]] == ["twin", "twin"]
    assert len({each["login"] for each in made}) == 4


def test_an_unknown_kind_is_refused_by_name(api_of: Any):
    answer = api_of("root").post("accounts", {"name": "x", "kind": "emperor"})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, "kind", "InvalidOption")


def test_a_key_for_another_account_is_that_account_s(api_of: Any, people: Any):
    root = api_of("root")
    made = root.post("apikeys", {"accountId": wire_id("a", people.bob.pk), "name": "for bob"})
    assert (made.status, made["accountId"]) == (201, wire_id("a", people.bob.pk))
    assert ApiKey.objects.get(name="for bob").account == people.bob
    theirs = caller(made)
    assert theirs.get("accounts").ids == [wire_id("a", people.bob.pk)]
    assert theirs.post("accounts", {"name": "x"}).status == 405


def test_an_account_made_by_a_client_works_with_the_key_made_for_it(api_of: Any):
    root = api_of("root")
    account = root.post("accounts", {"name": "robot", "kind": "user"})
    theirs = caller(root.post("apikeys", {"accountId": account["id"]}))
    assert theirs.get("accounts").ids == [account["id"]]
    assert theirs.post("projects", {"name": "mine"}).status == 201


def test_a_key_for_an_environment_is_that_environment_s(api_of: Any, lab: Environment):
    for who in ("root", "alice"):
        made = api_of(who).post("apikeys", {"accountId": wire_id("a", lab.pk), "name": who})
        assert (made.status, made["accountId"], made["role"]) == (201, wire_id("a", lab.pk), "owner")
        assert KeyScope.objects.get(key__name=who).environment == lab
        assert caller(made).get("projects").ids == [wire_id("a", lab.pk)]


@pytest.mark.parametrize("who", ["root", "alice"])
def test_one_s_own_account_may_be_named(api_of: Any, people: Any, who: str):
    me = getattr(people, who)
    assert api_of(who).post("apikeys", {"accountId": wire_id("a", me.pk), "name": "own"}).status == 201
    assert ApiKey.objects.get(name="own").account == me


@pytest.mark.parametrize("who", ["alice", "mallory", "rita"])
def test_nobody_else_makes_a_key_of_another(api_of: Any, people: Any, foreign_environment: Environment, who: str):
    """Never a key of one's own in its place: that would do more than what was asked for."""
    before = ApiKey.objects.count()
    named = [people.root.pk, people.bob.pk, 999_999]
    named += [] if who == "mallory" else [foreign_environment.pk]
    client = api_of(who)
    for account in (*(wire_id("a", number) for number in named), "nonsense", "1a", "1a²"):
        answer = client.post("apikeys", {"accountId": account})
        assert (answer.status, answer["fieldName"], answer["code"]) == (422, "accountId", "InvalidReference")
    assert ApiKey.objects.count() == before + 1


def test_a_key_held_to_a_role_makes_none_of_another_account(api_of: Any, people: Any, lab: Environment):
    limited = caller(api_of("root").post("apikeys", {"role": "owner"}))
    assert limited.post("apikeys", {"accountId": wire_id("a", people.bob.pk)}).status == 422
    inside = caller(limited.post("apikeys", {"accountId": wire_id("a", lab.pk), "role": "readonly"}))
    assert inside.get("apikeys")["data"][0]["role"] == "readonly"


def test_an_account_that_is_off_gets_no_key(api_of: Any, people: Any):
    root = api_of("root")
    assert root.post(f"accounts/1a{people.bob.pk}/?action=deactivate", {}).status == 202
    answer = root.post("apikeys", {"accountId": wire_id("a", people.bob.pk)})
    assert (answer.status, answer["fieldName"]) == (422, "accountId")


def test_an_environment_needs_no_name(api_of: Any):
    alice = api_of("alice")
    made = alice.post("projects", {"description": "d"})
    assert made.status == 201
    assert made["name"] == f"Environment {made['id'][2:]}"
    assert alice.post("projects", {"name": " "})["fieldName"] == "name"


def token_of(login: str) -> str:
    body = json.dumps({"code": f"{login}:{PASSWORD}"})
    return str(Client().post("/v1/token", body, content_type="application/json").json()["jwt"])


def test_a_token_may_be_sent_as_a_basic_pair_with_its_environment(people: Any, lab: Environment):
    token = token_of("alice")
    inside = ApiClient(f"X-API-Bearer={wire_id('a', lab.pk)}:{token}")
    answer = inside.get("projects")
    assert (answer.status, answer.ids) == (200, [wire_id("a", lab.pk)])
    assert inside.post("environments", {"name": "web"}).status == 201
    assert ApiClient(f"X-API-Bearer=:{token}").get("accounts").ids == [wire_id("a", people.alice.pk)]
    for pair in (f"X-API-Bearer={wire_id('a', lab.pk)}:{'x' * 32}", "X-API-Bearer=:", "X-API-Bearer=²:²"):
        assert ApiClient(pair).get("projects").status == 401
    assert ApiClient(f"X-API-Bearer=1a999999:{token}").get("projects").status == 404


def test_a_token_may_be_sent_as_a_cookie_which_needs_the_csrf_token_too(people: Any):
    client = Client(enforce_csrf_checks=True)
    client.cookies["token"] = token_of("alice")
    headers = {"Accept": "application/json"}
    assert client.get("/v1/projects", headers=headers).status_code == 200
    refused = client.post("/v1/projects", b"{}", content_type="application/json", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "InvalidCSRFToken")
    client.cookies["corral_csrf"] = "a" * 32
    echoed = {**headers, "X-API-CSRF": "a" * 32}
    assert client.post("/v1/projects", b"{}", content_type="application/json", headers=echoed).status_code == 201


@pytest.mark.parametrize("value", ["", "x", "x" * 32, "²" * 32, "x" * 4000])
def test_a_token_cookie_that_ended_is_no_credential(people: Any, value: str):
    client = Client()
    client.cookies["token"] = value
    assert client.get("/v1/projects", headers={"Accept": "application/json"}).status_code == 401
    body = json.dumps({"code": f"alice:{PASSWORD}"})
    assert client.post("/v1/token", body, content_type="application/json").status_code == 201


def test_containers_may_have_one_name(api: ApiClient, host: Any):
    body = {"name": "worker", "imageUuid": "docker:sim/nginx:1"}
    made = [api.post("containers", body) for _ in range(2)]
    assert [each.status for each in made] == [201, 201]
    run_until_idle()
    rows = [api.get(f"containers/{each['id']}") for each in made]
    assert [(row["name"], row["state"]) for row in rows] == [("worker", "running")] * 2
    assert len({row["externalId"] for row in rows}) == 2


def test_a_link_that_was_removed_is_found_by_its_id(api: ApiClient, stack: dict[str, Any], api_of: Any):
    (row,) = api.get(f"serviceconsumemaps?serviceId={stack['front']}")["data"]
    path = f"serviceconsumemaps/{row['id']}"
    assert (row["state"], row["removed"]) == ("active", None)
    unlink = {"serviceLink": {"serviceId": stack["back"]}}
    assert api.post(f"services/{stack['front']}?action=removeservicelink", unlink).status == 202
    gone = api.get(path)
    assert (gone.status, gone["state"], gone["serviceId"]) == (200, "removed", stack["front"])
    assert gone["removed"].endswith("Z")
    assert (gone["consumedServiceId"], gone["id"]) == (stack["back"], row["id"])
    assert api.get("serviceconsumemaps")["data"] == []
    assert api_of("mallory").get(path).status == 404


def test_the_links_of_a_removed_service_are_removed(api: ApiClient, stack: dict[str, Any]):
    (row,) = api.get("serviceconsumemaps")["data"]
    assert api.delete(f"services/{stack['back']}").status == 200
    run_until_idle()
    assert api.get(f"services/{stack['back']}")["state"] == "removed"
    assert api.get(f"serviceconsumemaps/{row['id']}")["state"] == "removed"
    assert api.get(f"serviceconsumemaps?serviceId={stack['front']}")["data"] == []


def test_setting_the_links_that_are_there_keeps_them(api: ApiClient, stack: dict[str, Any]):
    before = api.get("serviceconsumemaps").ids
    links = {"serviceLinks": [{"serviceId": stack["back"]}]}
    for _ in range(2):
        assert api.post(f"services/{stack['front']}?action=setservicelinks", links).status == 202
    assert api.get("serviceconsumemaps").ids == before
    assert not RemovedServiceLink.objects.exists()


def test_the_answer_to_a_creation_says_what_of_the_files_is_left_out(api: ApiClient):
    files = {"dockerCompose": "web: {image: 'bb:1', prots: ['80'], links: [later]}\nlater: {image: 'bb:1'}\n"}
    made = api.post("environments", {"name": "shop", **files})
    assert made["warnings"] == ["web: line 1: `prots` is not a key of a service and is left out. Did you mean `ports`?"]
    run_until_idle()
    assert api.get(f"environments/{made['id']}")["warnings"] is None
    assert api.post("environments", {"name": "empty"})["warnings"] == []
