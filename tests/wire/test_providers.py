"""The login provider types: one object per list, POST sets it, secrets only in that response, tests before enabling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import AuthProvider, Identity, KnownIdentity
from apps.accounts.providers.ldap import provider as ldap_provider
from apps.control.models import AuditEntry
from tests.accounts.fake_directory import SAMPLE, FakeDirectory
from tests.wire.api_client import ApiClient, run_until_idle

CREDENTIALS = {"login": "ann", "password": "ann"}
SECRET = SAMPLE["serviceAccountPassword"]
GITHUB = {"clientId": "corral", "clientSecret": "hub-secret-7"}
PLURALS = ("githubconfigs", "ldapconfigs", "openldapconfigs", "localauthconfigs")


@pytest.fixture(autouse=True)
def fake_directory(monkeypatch: pytest.MonkeyPatch, people: Any) -> FakeDirectory:
    made = FakeDirectory()
    made.add("ann", "crew")
    monkeypatch.setattr(ldap_provider, "load_reader", lambda: made)
    return made


@pytest.fixture
def root(api_of: Any) -> ApiClient:
    api: ApiClient = api_of("root")
    return api


def single_row(api: ApiClient, plural: str) -> Any:
    data = api.get(plural)["data"]
    assert len(data) == 1
    return data[0]


@pytest.mark.parametrize("plural", PLURALS)
def test_each_list_has_exactly_one_object_with_the_contract_s_defaults(root: ApiClient, plural: str):
    one = single_row(root, plural)
    assert root.get(f"{plural}/{one['id']}").body == one
    assert (one["accessMode"], one["allowedIdentities"]) == ("unrestricted", [])
    assert one["enabled"] is (plural == "localauthconfigs")
    assert root.get(f"{plural}/nonsense").status == 404
    assert root.delete(f"{plural}/{one['id']}").status == 405


@pytest.mark.parametrize(
    ("plural", "wanted"),
    [
        ("ldapconfigs", {"userSearchField": "sAMAccountName", "userDisabledBitMask": 2, "groupObjectClass": "group"}),
        ("openldapconfigs", {"userSearchField": "uid", "groupMemberMappingAttribute": "memberUid"}),
        ("openldapconfigs", {"connectionTimeout": 1000, "userMemberAttribute": "gidNumber", "tls": False}),
    ],
)
def test_the_defaults_are_the_contract_s_in_answers_and_schemas(root: ApiClient, plural: str, wanted: dict[str, Any]):
    one = single_row(root, plural)
    fields = root.get(f"schemas/{plural.removesuffix('s')}")["resourceFields"]
    for name, value in wanted.items():
        assert one[name] == value
        assert fields[name]["default"] == (value if name != "tls" else None)


@pytest.mark.parametrize("plural", PLURALS)
@pytest.mark.parametrize("who", ["alice", "mallory", "key"])
def test_provider_types_exist_for_administrators_only(api_of: Any, key_of: Any, lab: Any, plural: str, who: str):
    caller = key_of("alice") if who == "key" else api_of(who)
    for method in ("GET", "POST"):
        assert caller.call(method, plural, {**SAMPLE, "enabled": True}).status == 404
    assert not AuthProvider.objects.exists()


def test_post_sets_it_and_shows_the_secret_in_that_response_only(root: ApiClient):
    made = root.post("openldapconfigs", SAMPLE)
    assert (made.status, made["serviceAccountPassword"], made["enabled"]) == (201, SECRET, False)
    reloaded = root.get(made["links"]["self"])
    assert (reloaded["server"], reloaded["serviceAccountPassword"]) == (SAMPLE["server"], None)
    assert SECRET not in str(single_row(root, "openldapconfigs"))
    assert SECRET not in str(list(AuditEntry.all_objects.values_list("request", flat=True)))


def test_a_second_post_replaces_everything_but_a_secret_that_is_left_out(root: ApiClient):
    root.post("openldapconfigs", {**SAMPLE, "loginDomain": "X", "accessMode": "required"})
    body = {name: value for name, value in SAMPLE.items() if name != "serviceAccountPassword"}
    reloaded = root.post("openldapconfigs", {**body, "server": "b.test"})
    assert (reloaded.status, reloaded["server"], reloaded["loginDomain"], reloaded["accessMode"]) == (
        201,
        "b.test",
        None,
        "unrestricted",
    )
    assert AuthProvider.objects.get().stored["serviceAccountPassword"] == SECRET


def test_put_changes_only_the_fields_of_the_body(root: ApiClient):
    made = root.post("openldapconfigs", {**SAMPLE, "loginDomain": "X"})
    changed = root.put(made["links"]["self"], {"server": "b.test"})
    assert (changed.status, changed["server"], changed["loginDomain"]) == (200, "b.test", "X")
    assert AuthProvider.objects.get().stored["serviceAccountPassword"] == SECRET


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"server": ""}, "server", "MinLengthExceeded"),
        ({"server": None}, "server", "MissingRequired"),
        ({"server": "ldap://x/"}, "server", "InvalidCharacters"),
        ({"port": 0}, "port", "MinLimitExceeded"),
        ({"port": "x"}, "port", "InvalidFormat"),
        ({"tls": "perhaps"}, "tls", "InvalidFormat"),
        ({"userSearchField": "uid)(x"}, "userSearchField", "InvalidCharacters"),
        ({"accessMode": "open"}, "accessMode", "InvalidOption"),
        ({"allowedIdentities": "crew"}, "allowedIdentities", "InvalidFormat"),
        ({"allowedIdentities": [{"externalIdType": "x", "externalId": "y"}]}, None, "InvalidOption"),
        ({"tls": True, "startTls": True}, "startTls", "InvalidOption"),
        ({"caCertificate": "no"}, "caCertificate", "InvalidFormat"),
        ({"serviceAccountPassword": None}, "serviceAccountPassword", "MissingRequired"),
    ],
)
def test_an_invalid_field_is_refused_by_name(root: ApiClient, changes: dict[str, Any], field: str | None, code: str):
    answer = root.post("openldapconfigs", {**SAMPLE, **changes})
    assert (answer.status, answer["code"]) == (422, code), answer.body
    assert field is None or answer["fieldName"] == field
    assert not AuthProvider.objects.exists()


@pytest.mark.parametrize(
    ("me", "status", "code"),
    [
        ({}, 422, "MissingRequired"),
        ({"login": "ann"}, 422, "MissingRequired"),
        ({"login": "ann", "password": "wrong"}, 409, "Conflict"),
    ],
)
def test_a_directory_is_enabled_only_with_the_callers_working_password(
    root: ApiClient, me: dict[str, str], status: int, code: str
):
    answer = root.post("openldapconfigs", {**SAMPLE, "enabled": True, **me})
    assert (answer.status, answer["code"]) == (status, code)
    assert not AuthProvider.objects.filter(enabled=True).exists()
    assert not AuthProvider.objects.exists()


def test_an_enabled_provider_is_on_trial_until_it_is_confirmed(root: ApiClient):
    made = root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    assert (made.status, made["enabled"], made["state"]) == (201, True, "on trial")
    assert made["password"] is None
    assert set(made["actions"]) == {"test", "confirm"}
    confirmed = root.post(made["actions"]["confirm"])
    assert (confirmed.status, confirmed["state"], confirmed["trialUntil"]) == (202, "on", None)
    assert set(confirmed["actions"]) == {"test", "resync"}
    assert root.post(made["actions"]["confirm"]).status == 422


def test_an_unconfirmed_trial_ends_by_itself(root: ApiClient):
    root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    AuthProvider.objects.update(trial_until=timezone.now() - timedelta(seconds=1))
    one = single_row(root, "openldapconfigs")
    assert (one["enabled"], one["state"], one["trialUntil"]) == (False, "off", None)


def test_a_token_issued_through_a_provider_confirms_it(root: ApiClient, api_of: Any):
    root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    assert api_of("nobody").post("token", {"code": "ann:ann"}).status == 201
    assert single_row(root, "openldapconfigs")["state"] == "on"


@pytest.mark.parametrize("how", ["post", "put"])
def test_enabled_false_disables_it(root: ApiClient, how: str):
    made = root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    if how == "post":
        root.post("openldapconfigs", SAMPLE)
    else:
        root.put(made["links"]["self"], {"enabled": False})
    assert single_row(root, "openldapconfigs")["enabled"] is False


def test_an_enabled_provider_is_changed_without_the_password(root: ApiClient):
    made = root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    root.post(made["actions"]["confirm"])
    reloaded = root.post("openldapconfigs", {**SAMPLE, "enabled": True, "accessMode": "restricted"})
    assert (reloaded.status, reloaded["state"], reloaded["accessMode"]) == (201, "on", "restricted")
    moved = root.put(made["links"]["self"], {"server": "b.test"})
    assert (moved["enabled"], moved["state"]) == (True, "on trial")


def test_the_test_returns_identities_or_the_reason_and_changes_nothing(root: ApiClient, fake_directory: FakeDirectory):
    made = root.post("openldapconfigs", SAMPLE)
    works = root.post(made["actions"]["test"], CREDENTIALS)
    assert (works.status, works["works"]) == (200, True)
    assert [each["externalIdType"] for each in works["identities"]] == ["openldap_user", "openldap_group"]
    fails = root.post(made["actions"]["test"], {**CREDENTIALS, "password": "wrong"})
    assert (fails["works"], "does not know this name" in fails["reason"]) == (False, True)
    fake_directory.down = "It is down."
    assert root.post(made["actions"]["test"], CREDENTIALS)["reason"] == "It is down."
    assert root.post(made["actions"]["test"], {"login": "ann"}).status == 422
    assert not Identity.objects.exists()


def test_resync_looks_up_every_account(root: ApiClient, api_of: Any, fake_directory: FakeDirectory):
    made = root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    api_of("nobody").post("token", {"code": "ann:ann"})
    run_until_idle()
    one = single_row(root, "openldapconfigs")
    assert root.post(one["actions"]["resync"]).status == 202
    run_until_idle()
    assert fake_directory.requested == ["u-ann"]
    assert root.get(made["links"]["self"])["answeredAt"] is not None
    fake_directory.down = "It is down."
    root.post(one["actions"]["resync"])
    run_until_idle()
    assert root.get(made["links"]["self"])["trouble"] == "It is down."


def test_allowed_identities_are_shown_with_their_names(root: ApiClient):
    KnownIdentity.objects.create(kind="openldap_group", external_id="g-crew", name="Crew", dn="cn=crew,dc=x")
    listed = [
        {"type": "identity", "externalIdType": "openldap_group", "externalId": "CN=Crew, DC=x", "name": "whatever"},
        {"externalIdType": "github_org", "externalId": "7"},
    ]
    made = root.post("openldapconfigs", {**SAMPLE, "accessMode": "required", "allowedIdentities": listed})
    identities = [(each["externalIdType"], each["externalId"], each["name"]) for each in made["allowedIdentities"]]
    assert identities == [("openldap_group", "cn=crew,dc=x", "Crew"), ("github_org", "7", "")]


def test_github_is_configured_and_enabled_without_a_password(root: ApiClient):
    made = root.post("githubconfigs", {**GITHUB, "hostname": "hub.test", "enabled": True})
    assert (made.status, made["clientSecret"], made["state"]) == (201, GITHUB["clientSecret"], "on trial")
    assert set(made["actions"]) == {"confirm"}
    assert GITHUB["clientSecret"] not in str(single_row(root, "githubconfigs"))
    missing = root.post("githubconfigs", {"clientId": "x", "hostname": "http://bad/"})
    assert (missing.status, missing["fieldName"]) == (422, "hostname")


def test_several_providers_are_enabled_beside_local_accounts(root: ApiClient, api_of: Any):
    root.post("openldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    root.post("ldapconfigs", {**SAMPLE, "enabled": True, **CREDENTIALS})
    root.post("githubconfigs", {**GITHUB, "enabled": True})
    assert [single_row(root, plural)["enabled"] for plural in PLURALS] == [True] * 4
    assert api_of("nobody").post("token", {"code": "root:correct horse battery staple"}).status == 201


@pytest.mark.parametrize(("changes", "port"), [({}, 389), ({"tls": True}, 636), ({"port": 7000}, 7000)])
def test_the_port_in_use_is_reported(root: ApiClient, changes: dict[str, Any], port: int):
    assert root.post("openldapconfigs", {**SAMPLE, **changes})["port"] == port


def test_another_github_is_refused_until_issuer_change_says_which_it_is(root: ApiClient, people: Any):
    made = root.post("githubconfigs", {**GITHUB, "hostname": "old.test"})["links"]["self"]
    provider = AuthProvider.objects.get()
    Identity.objects.create(user=people.alice, provider=provider, kind="github_user", external_id="1001")
    refused = root.put(made, {"hostname": "new.test"})
    assert (refused.status, refused["fieldName"], refused["code"]) == (422, "issuerChange", "MissingRequired")
    assert "old.test: 1 account" in refused["message"]
    assert root.put(made, {"hostname": "new.test", "issuerChange": "x"})["code"] == "InvalidOption"
    changed = root.put(made, {"hostname": "new.test", "issuerChange": "otherServer"})
    assert (changed.status, changed["hostname"], changed["issuerChange"]) == (200, "new.test", "otherServer")
    back = root.put(made, {"hostname": "old.test", "issuerChange": None})
    assert (back.status, back["issuerChange"]) == (200, None)
    assert "issuerChange" not in root.get("schemas/openldapconfig")["resourceFields"]
