"""`role` and `effectiveAccess`, and what responses say about revoked permissions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, provider_identity_kinds
from apps.api.wire.resource import all_resources
from apps.api.wire.roles import SITE_ROLES, available_actions
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.models import Role
from apps.environments.roles import PERMISSIONS, RESERVED_NAMES, ROLES
from apps.environments.services import role_create, socket_register
from tests.wire.api_client import ApiClient

TYPES = list(all_resources())
SETS = st.frozensets(st.sampled_from(list(PERMISSIONS)))
RANK = ("readonly", "restricted", "member", "owner")


def test_an_admin_creates_updates_and_deletes_roles(api_of: Any):
    root = api_of("root")
    made = root.post("roles", {"name": "runner", "label": "Runner", "permissions": ["exec"]})
    assert (made.status, made["permissions"], made["memberCount"], made["keyCount"]) == (201, ["view", "exec"], 0, 0)
    changed = root.put(f"roles/{made['id']}", {"permissions": ["logs"], "description": "reads", "name": "other"})
    assert (changed["name"], changed["permissions"], changed["description"]) == ("runner", ["view", "logs"], "reads")
    assert root.get("roles?name=runner").ids == [made["id"]]
    assert root.delete(f"roles/{made['id']}").status == 200
    assert root.get(f"roles/{made['id']}").status == 404
    assert not Role.objects.exists()


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "mallory"])
def test_other_callers_only_read_roles(api_of: Any, actor_of: Any, who: str):
    role_create(actor=actor_of("root"), name="runner", permissions=["exec"])
    caller = api_of(who)
    (path,) = [f"roles/{each}" for each in caller.get("roles").ids]
    assert caller.get(path)["permissions"] == ["view", "exec"]
    assert caller.post("roles", {"name": "mine", "permissions": ["own"]}).status == 405
    assert caller.put(path, {"permissions": ["own"]}).status == 405
    assert caller.delete(path).status == 405
    assert caller.post(f"{path}/?action=replace", {"replacement": "owner"}).status == 422
    assert Role.permissions_by_role()["runner"] == {"view", "exec"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "owner"}, "name"),
        ({"name": "No"}, "name"),
        ({"name": "runner", "permissions": ["fly"]}, "permissions"),
        ({"name": "runner", "permissions": {"exec": True}}, "permissions"),
        ({"name": "runner", "label": "x" * 65}, "label"),
        ({"name": "runner", "permissions": list(PERMISSIONS)}, "permissions"),
    ],
)
def test_an_invalid_role_is_refused_at_its_field(api_of: Any, body: Any, field: str):
    answer = api_of("root").post("roles", body)
    assert (answer.status, answer["fieldName"]) == (422, field)
    assert not Role.objects.exists()


def test_a_role_in_use_is_replaced_not_deleted(api_of: Any, actor_of: Any, people: Any, lab: Any):
    role_create(actor=actor_of("root"), name="runner", permissions=["exec"])
    root, alice = api_of("root"), api_of("alice")
    members = [
        {"externalId": wire_id("a", people.alice.pk), "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": wire_id("a", people.bob.pk), "externalIdType": "rancher_id", "role": "runner"},
    ]
    project = f"projects/{wire_id('a', lab.pk)}"
    assert alice.post(f"{project}/?action=setmembers", {"members": members}).status == 200
    assert {each["role"] for each in alice.inside(lab).get("projectmembers")["data"]} == {"owner", "runner"}
    (path,) = [f"roles/{each}" for each in root.get("roles").ids]
    assert root.get(path)["memberCount"] == 1
    refused = root.delete(path)
    assert (refused.status, refused["fieldName"]) == (409, "replacement")
    wrong = root.post(f"{path}/?action=replace", {"replacement": "nobody"})
    assert (wrong.status, wrong["fieldName"]) == (422, "replacement")
    done = root.post(f"{path}/?action=replace", {"replacement": "readonly"})
    assert (done.status, done["replacement"]) == (200, "readonly")
    assert actor_of("bob").role(lab.pk) == "readonly"


def test_a_response_says_what_the_change_revoked(api_of: Any, people: Any, lab: Any):
    bob = api_of("bob")
    bob.inside(lab).post("apikeys", {})
    reconcile_until_idle()
    socket_register(account=people.bob.pk, environment=lab.pk, verb="logs", permission="logs")
    alice = api_of("alice")
    project = f"projects/{wire_id('a', lab.pk)}"
    only = [{"externalId": wire_id("a", people.alice.pk), "externalIdType": "rancher_id", "role": "owner"}]
    answer = alice.post(f"{project}/?action=setmembers", {"members": only})
    assert answer["revoked"] == {"sockets": 1, "sessions": 0, "keys": 2}
    assert "revoked" not in alice.post(f"{project}/?action=setmembers", {"members": only}).body
    assert "revoked" not in alice.get(project).body
    entry = AuditEntry.all_objects.get(event="rights.lost")
    assert (entry.account, entry.environment_id, entry.request["keys"]) == (people.alice, lab.pk, 2)


def test_deactivating_an_account_says_what_it_revoked(api_of: Any, people: Any, lab: Any):
    api_of("bob")
    root = api_of("root")
    account = f"accounts/{wire_id('a', people.bob.pk)}"
    answer = root.post(f"{account}/?action=deactivate", {})
    assert answer["revoked"] == {"sockets": 0, "sessions": 0, "keys": 1}


def permission_names(access: Any) -> dict[str, list[str]]:
    return {each["name"]: [way["kind"] for way in each["from"]] for each in access["permissions"]}


def test_every_caller_can_read_the_reasons_of_their_permissions(api_of: Any, lab: Any):
    bob = api_of("bob")
    (me,) = bob.get("accounts")["data"]
    access = bob.get(me["links"]["effectiveAccess"]).body
    (place,) = access["environments"]
    assert (place["projectId"], place["name"], access["isAdmin"]) == (wire_id("a", lab.pk), "Lab", False)
    assert permission_names(place) == {name: ["member"] for name in PERMISSIONS if name in ROLES["member"]}
    assert {each["without"]["kind"] for each in access["changes"]} == {"member", "role"}
    assert all(each["loses"][0]["permissions"] == list(permission_names(place)) for each in access["changes"])


def test_access_of_others_is_shown_to_administrators_only(api_of: Any, people: Any):
    path = f"accounts/{wire_id('a', people.bob.pk)}/effectiveaccess"
    assert api_of("alice").get(path).status == 404
    assert api_of("root").get(path)["accountId"] == wire_id("a", people.bob.pk)
    root = api_of("root").get(f"accounts/{wire_id('a', people.root.pk)}/effectiveaccess")
    assert root["isAdmin"] is True


@pytest.mark.parametrize(
    ("who", "entry"),
    [
        ("alice", {"Alice", "Bob", "Rex", "Rita"}),
        ("bob", {"Bob"}),
        ("rita", {"Rita"}),
        ("root", {"Alice", "Bob", "Rex", "Rita"}),
    ],
)
def test_owners_see_the_access_of_all_members_and_the_rest_their_own(api_of: Any, lab: Any, who: str, entry: set[str]):
    access = api_of(who).inside(lab).get("effectiveaccesses")
    assert {each["name"] for each in access["data"]} == entry


def test_one_members_access_is_found_by_its_id(api_of: Any, people: Any, lab: Any):
    path = f"effectiveaccesses/{wire_id('ea', people.bob.pk)}"
    assert api_of("alice").inside(lab).get(path)["name"] == "Bob"
    assert api_of("rita").inside(lab).get(path).status == 404
    assert api_of("alice").inside(lab).get("effectiveaccesses/x").status == 404


def test_non_members_are_shown_nothing(api_of: Any, lab: Any):
    assert api_of("mallory").inside(lab).get("effectiveaccesses").status == 404
    assert api_of("mallory").get("effectiveaccesses")["data"] == []


def test_a_keys_access_lists_what_its_role_withholds(api_of: Any, lab: Any):
    bob = api_of("bob").inside(lab)
    made = bob.post("apikeys", {"role": "readonly"})
    access = bob.get(made["links"]["effectiveAccess"]).body
    (place,) = access["environments"]
    assert (access["role"], list(permission_names(place))) == ("readonly", ["view", "logs"])
    assert set(place["beyondLimit"]) == ROLES["member"] - ROLES["readonly"]
    assert {each["without"]["name"] for each in access["changes"]} == {"Bob", "member"}


def test_reading_effective_access_writes_nothing(api_of: Any, lab: Any):
    alice = api_of("alice").inside(lab)
    alice.get("containers")
    before = AuditEntry.all_objects.count(), Operation.all_objects.count()
    alice.get("effectiveaccesses")
    assert (AuditEntry.all_objects.count(), Operation.all_objects.count()) == before


def _allowed(granted: frozenset[str]) -> dict[str, tuple[set[str], set[str]]]:
    return {
        each.name: (
            set(each.roles.allowed_crud(granted)),
            set(available_actions(granted, each.actions, each.action_permissions)),
        )
        for each in TYPES
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_custom_role_with_a_built_in_ones_permissions_is_like_it(role: str):
    for each in TYPES:
        assert each.roles.allowed_crud(role) == each.roles.allowed_crud(ROLES[role])
        assert available_actions(role, each.actions, each.action_permissions) == available_actions(
            ROLES[role], each.actions, each.action_permissions
        )


@given(SETS, SETS)
def test_more_permissions_never_allow_less(some: frozenset[str], others: frozenset[str]):
    less, more = _allowed(some), _allowed(some | others)
    for name, (methods, actions) in less.items():
        assert methods <= more[name][0], name
        assert actions <= more[name][1], name


@given(SETS)
def test_every_method_and_action_takes_a_permission(granted: frozenset[str]):
    for name, (methods, actions) in _allowed(granted).items():
        assert not methods - set("crud"), name
        assert granted or not (methods or actions), name
    if "view" not in granted:
        readable = {name for name, (methods, _actions) in _allowed(granted).items() if "r" in methods}
        assert readable <= {"registrationToken", "auditVerification"}  # these two take more than `view`


@given(SETS)
def test_a_custom_role_lies_between_the_built_in_ones_around_it(granted: frozenset[str]):
    own = _allowed(granted)
    for role in RANK:
        if granted <= ROLES[role]:
            above = _allowed(ROLES[role])
            assert all(own[name][0] <= above[name][0] and own[name][1] <= above[name][1] for name in own)
        if granted >= ROLES[role]:
            below = _allowed(ROLES[role])
            assert all(own[name][0] >= below[name][0] and own[name][1] >= below[name][1] for name in own)


def test_reserved_names_cannot_be_role_names():
    assert {*SITE_ROLES, *ROLES} <= RESERVED_NAMES


def test_a_role_with_only_members_chooses_members_and_nothing_else(api_of: Any, actor_of: Any, people: Any, lab: Any):
    role_create(actor=actor_of("root"), name="clerk", permissions=["members"])
    made = api_of("alice").inside(lab).post("apikeys", {"role": "clerk"})
    clerk = ApiClient(f"{made['publicValue']}:{made['secretValue']}")
    path = f"projects/{wire_id('a', lab.pk)}"
    schema = clerk.get("schemas/project").body
    assert set(schema["resourceActions"]) == {"setmembers"}
    assert clerk.get("schemas/setProjectMembersInput")["collectionMethods"] == ["POST"]
    assert set(clerk.get(path)["actions"]) == {"setmembers"}
    assert clerk.post("environments", {"name": "x"}).status == 405
    same = [
        {"externalId": wire_id("a", getattr(people, who).pk), "externalIdType": "rancher_id", "role": role}
        for who, role in (("alice", "owner"), ("bob", "member"), ("rex", "restricted"), ("rita", "readonly"))
    ]
    assert clerk.post(f"{path}/?action=setmembers", {"members": same}).status == 200
    more = [*same, {"externalId": wire_id("a", people.mallory.pk), "externalIdType": "rancher_id", "role": "readonly"}]
    assert clerk.post(f"{path}/?action=setmembers", {"members": more}).status == 403


def _options(api: ApiClient, name: str = "role") -> list[str]:
    fields = api.get("schemas/projectMember")["resourceFields"]
    assert fields[name]["type"] == "enum"
    return list(fields[name]["options"])


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("who", ["root", "alice", "rita", "mallory"])
def test_the_schema_of_members_lists_the_existing_roles(api_of: Any, actor_of: Any, lab: Any, who: str, inside: bool):
    api = api_of(who).inside(lab) if inside and who != "mallory" else api_of(who)
    assert _options(api) == list(ROLES)
    role_create(actor=actor_of("root"), name="runner", permissions=["exec"])
    role_create(actor=actor_of("root"), name="auditor", permissions=["logs"])
    assert _options(api) == [*ROLES, "auditor", "runner"]
    Role.objects.get(name="runner").delete()
    assert _options(api) == [*ROLES, "auditor"]


def test_the_list_of_schemas_has_them_too_and_keeps_the_four_of_v1(api_of: Any, actor_of: Any):
    api = api_of("alice")
    role_create(actor=actor_of("root"), name="runner", permissions=["exec"])
    (found,) = [each for each in api.get("schemas")["data"] if each["id"] == "projectMember"]
    assert found == {**api.get("schemas/projectMember").body, "links": found["links"]}
    assert set(found["resourceFields"]["role"]["options"]) >= {"owner", "member", "restricted", "readonly"}
    assert found["resourceFields"]["transitioning"]["options"] == ["yes", "no", "error"]


def test_every_role_and_identity_that_a_member_has_is_an_option(api_of: Any, actor_of: Any, lab: Any, people: Any):
    role_create(actor=actor_of("root"), name="runner", permissions=["exec"])
    alice = api_of("alice")
    members = [
        {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "runner"},
    ]
    assert alice.post(f"projects/1a{lab.pk}?action=setmembers", {"members": members}).status == 200
    member_rows = alice.get(f"projects/1a{lab.pk}/projectmembers")["data"]
    assert {each["role"] for each in member_rows} == {"owner", "runner"} <= set(_options(alice))
    assert {each["externalIdType"] for each in member_rows} <= set(_options(alice, "externalIdType"))


def test_the_schema_of_members_lists_the_identity_kinds_of_every_provider(api_of: Any):
    people = {"rancher_id", "github_user", "ldap_user", "openldap_user"}
    assert (
        set(_options(api_of("alice"), "externalIdType")) == {LOCAL_IDENTITY_KIND} | provider_identity_kinds() >= people
    )
