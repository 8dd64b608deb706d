"""Roles that administrators make: members and keys have what they say, from the moment they say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import ApiKey
from apps.accounts.services import key_act
from apps.control.models import AuditEntry
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Problem,
)
from apps.environments.access import can
from apps.environments.actor import Actor, actor_of_key
from apps.environments.models import (
    Environment,
    EnvironmentGroupPermission,
    KeyScope,
    Member,
    Role,
    RoleGroup,
)
from apps.environments.roles import (
    PERMISSIONS,
    RESERVED_NAMES,
    ROLES,
    highest_role,
    largest_role_within,
    permissions_label,
)
from apps.environments.selectors.roles import RoleUsage, role_usage
from apps.environments.services import (
    account_key_create,
    environment_create,
    environment_key_create,
    members_set,
    role_create,
    role_groups_sync,
    role_remove,
    role_update,
)
from apps.federation.models import TrustRule

Actors = Callable[..., Actor]


def test_a_role_is_made_of_permissions_and_seeing_is_part_of_it(custom: Any):
    role = custom("deployer", "operate", "logs")
    assert role.permissions == ["view", "logs", "operate"]
    assert role.held == {"view", "logs", "operate"}
    assert Role.permissions_of("deployer") == role.held
    assert Role.permissions_by_role() == {**ROLES, "deployer": role.held}


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "mallory"])
def test_only_administrators_make_change_and_delete_roles(who: str, custom: Any, actor_of: Actors):
    role = custom("deployer", "operate")
    for act in (
        lambda actor: role_create(actor=actor, name="mine", permissions=["own"]),
        lambda actor: role_update(role, actor=actor, permissions=["own"]),
        lambda actor: role_remove(role, actor=actor),
    ):
        with pytest.raises(Forbidden):
            act(actor_of(who))
    assert Role.permissions_by_role()["deployer"] == {"view", "operate"}


def test_an_admins_key_that_is_held_to_a_role_makes_no_roles(people: Any, actor_of: Actors):
    key = account_key_create(actor=actor_of("root"), role="owner").key
    with pytest.raises(Forbidden):
        role_create(actor=actor_of_key(key, "api"), name="mine", permissions=["view"])


BAD_NAMES = ["", "x", "Deployer", "1st", "a b", "ä-role", "a" * 33, "-x", None, 7, *sorted(RESERVED_NAMES)]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_or_taken_name_is_refused(name: Any, actor_of: Actors):
    with pytest.raises(Invalid) as refusal:
        role_create(actor=actor_of("root"), name=name.lower() if name in RESERVED_NAMES else name, permissions=["view"])
    assert refusal.value.field == "name"
    assert not Role.objects.exists()


def test_two_roles_have_two_names(custom: Any, actor_of: Actors):
    custom("deployer", "operate")
    with pytest.raises(Invalid, match="taken"):
        role_create(actor=actor_of("root"), name="deployer", permissions=["view"])


@pytest.mark.parametrize("wrong", [["fly"], ["view", "admin"], [None], [["view"]], "own everything"])
def test_unknown_permissions_are_refused(wrong: Any, actor_of: Actors):
    with pytest.raises(Invalid) as refusal:
        role_create(actor=actor_of("root"), name="deployer", permissions=wrong)
    assert refusal.value.field == "permissions"


def test_a_role_is_never_another_name_for_owner(actor_of: Actors, custom: Any):
    with pytest.raises(Invalid, match="use the role owner"):
        role_create(actor=actor_of("root"), name="boss", permissions=list(PERMISSIONS))
    role = custom("deputy", *(set(PERMISSIONS) - {"own"}))
    with pytest.raises(Invalid):
        role_update(role, actor=actor_of("root"), permissions=list(PERMISSIONS))


@pytest.mark.parametrize(("field", "limit"), [("label", 64), ("description", 255)])
def test_texts_have_their_lengths(field: str, limit: int, custom: Any, actor_of: Actors):
    role = custom("deployer", "operate")
    fitting: dict[str, Any] = {field: "x" * limit}
    too_long: dict[str, Any] = {field: "x" * (limit + 1)}
    role_update(role, actor=actor_of("root"), **fitting)
    with pytest.raises(Invalid) as refusal:
        role_update(role, actor=actor_of("root"), **too_long)
    assert refusal.value.field == field


def test_a_member_holds_what_the_role_says(lab: Environment, actor_of: Actors, custom: Any, give: Any):
    custom("runner", "exec", "logs")
    give(bob="runner")
    assert actor_of("bob").permissions(lab.pk) == {"view", "exec", "logs"}
    assert actor_of("bob").role(lab.pk) == "runner"
    assert actor_of("bob").environments("exec") == [lab.pk]
    assert actor_of("bob").environments("operate") == []
    assert can(actor_of("bob"), "exec", lab.pk)
    assert "runner" in can(actor_of("bob"), "hosts", lab.pk).reason


def test_a_change_of_the_role_is_there_at_once(lab: Environment, actor_of: Actors, custom: Any, give: Any):
    role = custom("runner", "exec", "logs")
    give(bob="runner")
    role_update(role, actor=actor_of("root"), permissions=["logs", "values"])
    assert actor_of("bob").permissions(lab.pk) == {"view", "logs", "values"}
    role_update(role, actor=actor_of("root"), label="Runner")
    assert actor_of("bob").permissions(lab.pk) == {"view", "logs", "values"}
    assert str(Role.objects.get(name="runner")) == "Runner"


def test_a_role_in_use_is_not_deleted_without_another_in_its_place(
    lab: Environment, actor_of: Actors, custom: Any, give: Any
):
    role = custom("runner", "exec")
    give(bob="runner")
    with pytest.raises(Conflict, match=r"in use \(1 member\)"):
        role_remove(role, actor=actor_of("root"))
    for wrong in ("runner", "nobody", "x" * 100):
        with pytest.raises(Invalid) as refusal:
            role_remove(role, actor=actor_of("root"), replacement=wrong)
        assert refusal.value.field == "replacement"
    role_remove(role, actor=actor_of("root"), replacement="readonly")
    assert actor_of("bob").role(lab.pk) == "readonly"
    assert not Role.objects.exists()
    assert not RoleGroup.objects.filter(role="runner").exists()
    assert not Group.objects.filter(name__contains="runner").exists()


def test_a_role_nobody_has_is_just_deleted(actor_of: Actors, custom: Any):
    role_remove(custom("runner", "exec"), actor=actor_of("root"))
    assert not Role.objects.exists()


def test_keys_get_the_role_in_its_place_too(people: Any, lab: Environment, actor_of: Actors, custom: Any):
    role = custom("runner", "exec", "operate")
    inside = environment_key_create(actor=actor_of("bob"), environment=lab, role="runner").key
    outside = account_key_create(actor=actor_of("bob"), role="runner").key
    assert actor_of_key(inside, "api").permissions(lab.pk) == role.held
    assert actor_of_key(outside, "api").permissions(lab.pk) == role.held
    assert role_usage(["runner", "owner"]) == {"runner": RoleUsage(0, 2), "owner": RoleUsage(1, 0)}
    role_remove(role, actor=actor_of("root"), replacement="readonly")
    for key in ApiKey.objects.filter(pk__in=[inside.pk, outside.pk]).select_related("account"):
        assert actor_of_key(key, "api").permissions(lab.pk) == ROLES["readonly"]


def test_a_removed_keys_role_is_not_in_use(people: Any, lab: Environment, actor_of: Actors, custom: Any, run_loop: Any):
    role = custom("runner", "exec")
    key = environment_key_create(actor=actor_of("bob"), environment=lab, role="runner").key
    for action in ("deactivate", "remove"):
        run_loop()
        key_act(ApiKey.objects.get(pk=key.pk), action, actor=actor_of("bob"), environment=lab)
    assert role_usage(["runner"])["runner"].total == 0
    role_remove(role, actor=actor_of("root"))
    assert KeyScope.objects.get(key=key).role == ""
    assert ApiKey.objects.get(pk=key.pk).desired == "removed"


def test_rules_that_trust_jobs_get_the_role_in_its_place_too(lab: Environment, actor_of: Actors, custom: Any):
    role = custom("runner", "operate")
    columns = {"environment": lab, "issuer": "https://ci.example.org", "audience": "corral", "role": "runner"}
    rule = TrustRule.all_objects.create(name="deploy", **columns)
    TrustRule.all_objects.create(name="old", removed=timezone.now(), **columns)
    assert role_usage(["runner"])["runner"] == RoleUsage(rules=1)
    with pytest.raises(Conflict, match=r"in use \(1 trust rule\)"):
        role_remove(role, actor=actor_of("root"))
    role_remove(role, actor=actor_of("root"), replacement="readonly")
    rule.refresh_from_db()
    assert rule.role == "readonly"


def test_roles_are_written_down_with_what_they_may(custom: Any, actor_of: Actors):
    role = custom("runner", "exec")
    role_update(role, actor=actor_of("root"), permissions=["logs"])
    role_remove(role, actor=actor_of("root"), replacement="member")
    entries = AuditEntry.all_objects.filter(event__startswith="role.").order_by("pk")
    assert [(each.event, each.request["permissions"]) for each in entries] == [
        ("role.create", ["view", "exec"]),
        ("role.update", ["view", "logs"]),
        ("role.remove", ["view", "logs"]),
    ]
    assert [each.request.get("replacement") for each in entries] == [None, None, "member"]


def test_who_chooses_members_gives_no_more_than_they_hold(
    people: Any, lab: Environment, actor_of: Actors, custom: Any, give: Any
):
    custom("clerk", "members", "logs")
    custom("viewer", "logs")
    give(bob="clerk", rita="readonly")
    listed = [
        {"externalId": f"1a{person.pk}", "externalIdType": "rancher_id", "role": role}
        for person, role in ((people.alice, "owner"), (people.bob, "clerk"), (people.rita, "readonly"))
    ]
    extra = {"externalId": f"1a{people.mallory.pk}", "externalIdType": "rancher_id"}
    members_set(lab, [*listed, {**extra, "role": "viewer"}], actor=actor_of("bob"))
    assert actor_of("mallory").role(lab.pk) == "viewer"
    for wrong in ("owner", "member", "restricted"):
        with pytest.raises(Forbidden, match="may do more here than you"):
            members_set(lab, [*listed, {**extra, "role": wrong}], actor=actor_of("bob"))
    with pytest.raises(Forbidden):  # nor takes it from those who hold more
        members_set(lab, [{**listed[1], "role": "owner"}, listed[2]], actor=actor_of("bob"))
    assert actor_of("alice").role(lab.pk) == "owner"
    with pytest.raises(Problem):  # a clerk is no owner
        members_set(lab, listed[1:], actor=actor_of("bob"))


def test_owning_without_choosing_members_leaves_them_alone(
    people: Any, lab: Environment, actor_of: Actors, custom: Any, give: Any
):
    custom("janitor", "own")
    give(bob="janitor")
    with pytest.raises(Forbidden):
        members_set(
            lab,
            [{"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "owner"}],
            actor=actor_of("bob"),
        )


def test_several_roles_add_up_and_are_called_by_all_names():
    assert permissions_label(ROLES["member"]) == "member"
    assert permissions_label(frozenset({"view", "exec"}), ["runner", "clerk"]) == "clerk + runner"
    assert permissions_label(frozenset({"view"})) == "less than a role"
    known = {**ROLES, "big": frozenset({"view", "exec", "keys"}), "zed": frozenset({"view", "exec", "own"})}
    assert highest_role(["zed", "big", "gone"], known) == "big"
    assert largest_role_within(frozenset({"view", "exec", "own", "logs"}), known) == "zed"
    assert largest_role_within(frozenset({"exec"}), known) is None


SETS = st.sets(st.sampled_from([name for name in PERMISSIONS if name != "own"]), max_size=6)


@pytest.mark.faces
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SETS, min_size=1, max_size=4))
def test_grants_always_agree_with_the_role(people: Any, actor_of: Actors, changes: list[set[str]]):
    Role.objects.filter(name="shifting").delete()
    role = role_create(actor=actor_of("root"), name="shifting", permissions=changes[0])
    listed = [{"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "shifting"}]
    owner = {"externalId": f"1a{people.root.pk}", "externalIdType": "rancher_id", "role": "owner"}
    where = [environment_create(actor=actor_of("root"), name=name, members=[owner, *listed]) for name in ("a", "b")]
    for held in changes:
        role_update(role, actor=actor_of("root"), permissions=held)
        for place in where:
            role_groups_sync(place)
            assert actor_of("bob").permissions(place.pk) == {*held, "view"}
            rows = EnvironmentGroupPermission.objects.filter(content_object=place, group__rolegroup__role="shifting")
            assert rows.count() == len({*held, "view"})
    Member.objects.filter(role="shifting").delete()
