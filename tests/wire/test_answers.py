"""Responses of the API: errors, log-in, headers, filters, and what is hidden from some roles."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from django.test import Client

from apps.control.models import AuditEntry
from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient, run_until_idle

PASSWORD = "correct horse battery staple"
BROWSER = {"Accept": "text/html,*/*", "User-Agent": "Mozilla/5.0"}


def test_an_anonymous_caller_is_asked_to_authenticate(lab: Any):
    answer = ApiClient().get(f"projects/{wire_id('a', lab.pk)}")
    assert answer.status == 401
    assert str(uuid.UUID(answer["id"])) == answer["id"]
    rest = {key: value for key, value in answer.body.items() if key != "id"}
    assert rest == {
        "type": "error",
        "links": {},
        "actions": {},
        "status": 401,
        "code": "Unauthorized",
        "message": "Unauthorized",
        "detail": None,
    }
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    for quiet in ({"X-API-No-Challenge": "true"}, {"Connection": "Upgrade"}, BROWSER):
        assert "WWW-Authenticate" not in ApiClient(headers=quiet).get("").headers


def test_anonymous_callers_see_how_to_log_in_and_nothing_else(db: None):
    nobody = ApiClient()
    assert nobody.get("schemas").ids == ["schema", "token"]
    assert nobody.get("token")["data"][0]["security"] is True
    for path in ("", "containers", "nonsense", "projects/1a5/schemas", "schemas/container", "settings", "identities"):
        assert nobody.get(path).status in {401, 404}, path
    assert nobody.get("schemas/container").status == 404


def test_log_in_returns_a_bearer_token_that_a_password_change_revokes(people: Any):
    nobody = ApiClient()
    for code in ("alice:wrong", "nobody:x", f"alice:{PASSWORD} "):
        assert nobody.post("token", {"code": code}).status == 401
    assert nobody.post("token", {"code": "alice"}).status == 403
    assert nobody.post("token", {}).status == 422
    made = nobody.post("token", {"code": f"ALICE:{PASSWORD}", "authProvider": "localauthconfig"})
    assert made.status == 201
    assert made["userIdentity"]["externalId"] == made["accountId"] == wire_id("a", people.alice.pk)
    bearer = ApiClient(headers={"Authorization": f"Bearer {made['jwt']}"})
    assert bearer.get("projects").ids
    people.alice.set_password("something else entirely")
    people.alice.save()
    assert bearer.get("projects").status == 401
    assert ApiClient(headers={"Authorization": "Bearer x"}).get("projects").status == 401


def test_the_first_log_in_creates_an_environment_for_the_account(people: Any):
    made = ApiClient().post("token", {"code": f"mallory:{PASSWORD}"})
    bearer = ApiClient(headers={"Authorization": f"Bearer {made['jwt']}"})
    run_until_idle()
    assert [each["name"] for each in bearer.get("projects")["data"]] == ["mallory-Default"]


def test_guessing_passwords_is_rate_limited(people: Any):
    for _try in range(8):
        ApiClient().post("token", {"code": "alice:wrong"})
    assert ApiClient().post("token", {"code": f"alice:{PASSWORD}"}).status == 429


BROKEN = ["Basic", "Basic !!!", "Basic YQ==", "Basic " + base64.b64encode(b"\0:\xff").decode()]


@pytest.mark.parametrize("value", BROKEN)
def test_broken_credentials_are_a_401(db: None, value: str):
    assert ApiClient(headers={"Authorization": value}).get("projects").status == 401


def test_forwarded_headers_count_from_trusted_proxies_only(api: ApiClient, settings: Any):
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "corral.example", "X-Forwarded-Port": "8443"}
    assert api.get("hosts", **forwarded)["links"]["self"] == "http://testserver/v1/hosts"
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    assert api.get("hosts", **forwarded)["links"]["self"] == "https://corral.example:8443/v1/hosts"
    assert api.get("hosts", **{**forwarded, "X-Forwarded-Host": "a b/c"})["links"]["self"].startswith(
        "https://testserver"
    )


def test_a_browser_session_needs_its_csrf_token_to_change_things(people: Any, lab: Any):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people.alice, "apps.accounts.providers.LocalBackend")
    page = browser.get("/v1", headers=BROWSER)
    path = f"/v1/projects/{wire_id('a', lab.pk)}/environments"
    refused = browser.post(path, {"name": "x"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "InvalidCSRFToken")
    token = {"X-API-CSRF": page.cookies["CSRF"].value}
    assert browser.post(path, {"name": "x"}, content_type="application/json", headers=token).status_code == 201


def test_the_root_url_is_the_api_for_programs_only(db: None):
    answer = Client().get("/", headers={"Accept": "application/json"})
    assert answer.json()["links"]["latest"] == "http://testserver/v1"
    assert "application/json" not in Client().get("/", headers=BROWSER).headers["Content-Type"]


def test_environment_values_are_hidden_from_those_who_may_not_see_them(api_of: Any, lab: Any, stack: Any):
    bob, rita = api_of("bob").inside(lab), api_of("rita").inside(lab)
    alone = {"name": "solo", "imageUuid": "docker:sim/x:1", "environment": {"SECRET": "hush"}}
    solo = bob.post("containers", alone)
    compose = "solo:\n  image: sim/x\n  environment:\n    SECRET: hush\n"
    made = bob.post("environments", {"name": "comp", "dockerCompose": compose, "environment": {"SECRET": "hush"}})
    assert made.status == 201, made.body
    run_until_idle()
    assert bob.get(f"containers/{solo['id']}")["environment"] == {"SECRET": "hush"}
    for path in ("containers", "services", "environments", f"services/{stack['front']}/instances", "auditlogs"):
        assert "hush" not in str(rita.get(path).body), path
    assert "hush" in str(bob.get("services").body)
    assert rita.get(f"containers/{solo['id']}")["environment"] is None


def test_environment_keys_have_one_environment_and_accounts_choose(
    api_of: Any, api: ApiClient, lab: Any, foreign_environment: Any, stack: Any
):
    alice = api_of("alice")
    project = wire_id("a", lab.pk)
    assert api.get("projects").ids == [project]
    assert api.post("projects", {"name": "new"}).status == 405
    assert alice.post("containers", {"imageUuid": "docker:x"}).status == 405
    assert alice.get("containers", **{"X-API-Project-Id": project}).headers["X-API-Account-Id"] == project
    assert alice.get("containers", **{"X-API-Client-Access-Key": api.key.partition(":")[0]}).status == 200
    assert alice.get("containers", **{"X-API-Client-Access-Key": "NONE"}).status == 404
    assert api.get("containers", **{"X-API-Project-Id": wire_id("a", foreign_environment.pk)}).status == 404
    made = alice.post("projects", {"name": "Second"})
    assert (made.status, made["state"]) == (201, "registering")
    run_until_idle()
    closed = alice.post(f"projects/{made['id']}/?action=deactivate")
    assert closed["state"] == "deactivating"
    run_until_idle()
    assert alice.inside(made["id"]).get("hosts").status == 403
    assert made["id"] in alice.get("projects").ids


def test_filters_and_sorting(api: ApiClient):
    for name in ("beta", "alpha", "gamma"):
        api.post("environments", {"name": name})
    run_until_idle()

    def names(query: str) -> list[str]:
        return [each["name"] for each in api.get(f"environments?{query}")["data"]]

    assert names("sort=name") == ["alpha", "beta", "gamma"]
    assert names("sort=name&order=desc") == ["gamma", "beta", "alpha"]
    assert names("name=beta") == ["beta"]
    assert names("name_ne=beta&name_ne=alpha") == ["gamma"]
    assert names("name_like=%25LPH%25") == ["alpha"]
    assert names("name_notlike=%25a") == []
    assert names("name_prefix=ga") == ["gamma"]
    assert names("kind=service") == []
    assert names("state=active&created_gt=2020-01-01T00:00:00Z") == ["beta", "alpha", "gamma"]
    assert names("created_lt=1000") == []
    found = api.get("environments?name_like=b%25&nonsense=1")
    assert found["filters"]["name"] == [{"modifier": "like", "value": "b%"}]
    assert "sort=name" in found["sortLinks"]["name"]


def test_include_replaces_links_by_the_resources(api: ApiClient, stack: Any):
    found = api.get("environments?include=SERVICES&include=account")["data"][0]
    assert {each["id"] for each in found["services"]} == {stack["front"], stack["back"]}
    assert found["account"]["type"] == "project"
    assert "services" not in found["links"]


def test_sockets_are_opened_with_tickets(api: ApiClient, api_of: Any, lab: Any, stack: Any):
    row = api.get(f"services/{stack['front']}/instances")["data"][0]
    logs = api.post(row["actions"]["logs"], {"follow": False, "lines": 5})
    assert (logs.status, logs["type"], logs["url"]) == (200, "hostAccess", "ws://testserver/v1/logs/")
    assert len(logs["token"]) > 30
    shell = api.post(row["actions"]["execute"], {"command": ["/bin/sh"]})
    assert shell["url"] == "ws://testserver/v1/exec/"
    assert api.post(row["actions"]["execute"], {}).status == 422
    assert api.get(row["links"]["containerStats"])["type"] == "statsAccess"
    rita = api_of("rita").inside(lab)
    assert rita.post(f"containers/{row['id']}?action=logs").status == 200
    assert rita.post(f"containers/{row['id']}?action=execute", {"command": ["sh"]})["code"] == "InvalidAction"


def test_an_internal_error_is_a_v1_error_whose_id_is_logged(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    from apps.api.wire import query

    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(query, "paginate", broken)
    answer = api.get("containers")
    assert (answer.status, answer["type"], answer["code"]) == (500, "error", "Internal Server Error")
    assert "secret detail" not in str(answer.body)
    assert answer["id"] in caplog.text


def test_registration_commands_end_with_their_url(api: ApiClient, api_of: Any, lab: Any):
    run_until_idle()
    found = api.get("registrationtokens")["data"]
    assert len(found) == 1
    assert found[0]["command"].split(" ")[-1] == found[0]["registrationUrl"]
    assert found[0]["registrationUrl"].startswith("http://testserver/v1/scripts/")
    assert found[0]["image"] in found[0]["command"]
    assert api_of("bob").inside(lab).get("registrationtokens").status == 200
    assert api_of("rex").inside(lab).get("registrationtokens").status == 404


def test_only_administrators_change_settings(api_of: Any):
    root, alice = api_of("root"), api_of("alice")
    assert root.put("settings/api.host", {"value": "https://corral.example"})["value"] == "https://corral.example"
    assert root.get("settings/1s!api.host")["inDb"] is True
    assert alice.get("settings/api.host")["value"] is None
    assert "api.host" not in str(alice.get("settings").body)
    assert alice.put("settings/api.host", {"value": "x"}).status == 405
    assert root.delete("settings/api.host").status == 200
    assert root.get("settings/api.host")["value"] is None


def test_administrators_create_accounts_and_others_see_their_own(api_of: Any, people: Any):
    root, alice = api_of("root"), api_of("alice")
    made = root.post("accounts", {"login": "zoe", "password": "a long enough phrase", "name": "Zoe"})
    assert (made.status, made["state"], made["password"]) == (201, "registering", None)
    assert root.post("accounts", {"login": "zoe", "password": "a long enough phrase"})["code"] == "NotUnique"
    assert alice.get("accounts").ids == [wire_id("a", people.alice.pk)]
    assert alice.post("accounts", {"login": "x", "password": "a long enough phrase"}).status == 405
    assert [each["login"] for each in alice.get("identities?name=zoe")["data"]] == ["zoe"]


def test_links_between_services(api: ApiClient, stack: Any):
    front, back = stack["front"], stack["back"]
    assert [each["consumedServiceId"] for each in api.get(f"serviceconsumemaps?serviceId={front}")["data"]] == [back]
    assert api.get(f"services/{front}/consumedservices").ids == [back]
    assert api.get(f"services/{back}/consumedbyservices").ids == [front]
    wanted = [{"serviceId": back, "name": "db"}, {"serviceId": back, "name": "db2"}]
    assert api.post(f"services/{front}/?action=setservicelinks", {"serviceLinks": wanted}).status == 202
    assert [each["name"] for each in api.get("serviceconsumemaps")["data"]] == ["db", "db2"]
    one = {"serviceLink": {"serviceId": back, "name": "db"}}
    assert api.post(f"services/{front}/?action=removeservicelink", one).status == 202
    assert api.post(f"services/{front}/?action=setservicelinks", {"serviceLinks": None}).status == 202
    assert api.get("serviceconsumemaps")["data"] == []


def test_the_same_links_again_are_no_change(api: ApiClient, stack: Any):
    wanted = [{"serviceId": stack["back"], "name": "db"}, {"serviceId": stack["back"], "name": "db2"}]
    seen = []
    for links in (wanted, wanted[::-1]):
        assert api.post(f"services/{stack['front']}/?action=setservicelinks", {"serviceLinks": links}).status == 202
        seen.append((api.get("serviceconsumemaps").ids, AuditEntry.all_objects.count()))
    assert seen[0] == seen[1]


def test_two_links_of_one_name_in_one_request_are_refused(api: ApiClient, stack: Any):
    front, back = stack["front"], stack["back"]
    for twice in ({"name": "db"}, {"name": "db", "serviceId": front}):
        wanted = [{"serviceId": back, "name": "db"}, {"serviceId": back, **twice}]
        refused = api.post(f"services/{front}/?action=setservicelinks", {"serviceLinks": wanted})
        assert (refused.status, refused["code"], refused["fieldName"]) == (422, "NotUnique", "serviceLinks")
        assert "'db'" in refused["message"]
    assert [each["name"] for each in api.get("serviceconsumemaps")["data"]] == ["back"]


def test_stacks_export_and_act_on_all_services(api: ApiClient, stack: Any):
    path = f"environments/{stack['stack']}"
    files = api.post(f"{path}?action=exportconfig", {"serviceIds": None})
    assert files.status == 200
    assert "front:" in files["dockerComposeConfig"]
    assert api.post(f"{path}?action=deactivateservices").status == 202
    assert {each["state"] for each in api.get(f"{path}/services")["data"]} == {"deactivating"}
    assert api.post(f"{path}?action=addoutputs", {"outputs": {"a": "b"}})["outputs"] == {"a": "b"}


def test_creating_several_containers_returns_a_collection(api: ApiClient, host: Any):
    made = api.post("containers", {"imageUuid": "docker:sim/x:1", "name": "many", "count": 3})
    assert (made.status, made["type"]) == (201, "collection")
    assert [each["name"] for each in made["data"]] == ["many1", "many2", "many3"]
