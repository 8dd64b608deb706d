"""`hostPolicy`: members read it, administrators change it, and it lists the containers that violate it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.policy_services import policy_set
from apps.control.models import AuditEntry
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment

CLOSED = {"bindMounts": False, "privileged": False, "hostNetwork": False, "devices": False, "securityOpt": False}


@pytest.fixture
def key(lab: Environment) -> str:
    return f"hostpolicies/{wire_id('hp', lab.pk)}"


@pytest.mark.parametrize("name", ["alice", "bob", "rex", "rita"])
def test_every_member_reads_the_rules_of_the_environment(api_of: Any, lab: Any, key: str, name: str):
    api = api_of(name).inside(lab)
    found = api.get(key)
    assert found.status == 200
    assert {name: found[name] for name in CLOSED} == CLOSED
    assert (found["decided"], found["projectId"], found["bindFolders"]) == (False, wire_id("a", lab.pk), [])
    assert "CHOWN" in found["capAdd"]
    assert api.get("hostpolicies").ids == [found["id"]]


def test_a_non_member_finds_no_policy(api_of: Any, lab: Any, key: str, foreign_environment: Any):
    assert api_of("mallory").get(key).status == 404
    assert api_of("mallory").get("hostpolicies").ids == [wire_id("hp", foreign_environment.pk)]


def test_an_administrator_changes_the_rules_in_the_body_and_no_others(api_of: Any, people: Any, lab: Any, key: str):
    root = api_of("root")
    first = root.put(key, {"privileged": True, "bindFolders": ["/srv/a/", "/srv/b"]})
    assert (first.status, first["privileged"], first["bindFolders"]) == (200, True, ["/srv/a", "/srv/b"])
    second = root.put(key, {"devices": True})
    assert (second["privileged"], second["devices"], second["decided"]) == (True, True, True)
    entry = AuditEntry.objects.within([lab.pk]).filter(event="hostPolicy.update").first()
    assert entry is not None
    assert (entry.account, entry.kind, entry.target, entry.target_name) == (people.root, "hostPolicy", lab.pk, "Lab")
    assert entry.request["rules"]["devices"] is True
    assert root.delete(key)["decided"] is False
    assert root.get(key)["privileged"] is False


def test_a_second_reset_changes_and_audits_nothing(api_of: Any, lab: Any, key: str):
    root = api_of("root")
    root.put(key, {"privileged": True})
    for _ in range(2):
        assert root.delete(key).status == 200
    assert AuditEntry.objects.within([lab.pk]).filter(event="hostPolicy.delete").count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"bindFolders": ["relative"]}, "bindFolders"),
        ({"capAdd": ["FLY"]}, "capAdd"),
        ({"privileged": "perhaps"}, "privileged"),
        ({"sysctls": ["a b"]}, "sysctls"),
    ],
)
def test_an_invalid_rule_is_refused_by_name(api_of: Any, key: str, body: Any, field: str):
    refused = api_of("root").put(key, body)
    assert (refused.status, refused["fieldName"]) == (422, field)


@pytest.mark.parametrize("name", ["alice", "bob", "rex", "rita"])
def test_nobody_else_changes_the_policy_by_any_method(api_of: Any, lab: Any, key: str, name: str):
    api = api_of(name).inside(lab)
    assert api.put(key, {"privileged": True}).status == 405
    assert api.delete(key).status == 405
    assert api.post("hostpolicies", {"privileged": True}).status == 405


def test_a_link_lists_the_containers_that_violate_the_policy(api_of: Any, people: Any, lab: Any, host: Any, key: str):
    admin = actor_of_user(people.root, "api")
    policy_set(lab, {"privileged": True}, actor=admin)
    bob = api_of("bob").inside(lab)
    made = bob.post("containers", {"imageUuid": "docker:bb:local", "privileged": True, "name": "mighty"})
    assert made.status == 201
    link = bob.get(key)["links"]["notAllowed"]
    assert bob.get(link)["data"] == []
    policy_set(lab, {}, actor=admin)
    [found] = bob.get(link)["data"]
    assert (found["containerId"], found["name"]) == (made["id"], "mighty")
    assert found["reasons"] == ["privileged: privileged containers may not be made"]


def test_the_schema_says_who_may_write_which_rule(api_of: Any, lab: Any):
    reader = api_of("bob").inside(lab).get("schemas/hostpolicy")
    admin = api_of("root").get("schemas/hostpolicy")
    assert (reader["resourceMethods"], admin["resourceMethods"]) == (["GET"], ["GET", "PUT", "DELETE"])
    assert admin["resourceFields"]["bindMounts"]["update"] is True
    assert reader["resourceFields"]["bindMounts"]["update"] is False


def test_a_foreign_key_gives_no_access(key_of: Any, foreign_environment: Any, lab: Any):
    assert key_of("alice").get(f"hostpolicies/{wire_id('hp', foreign_environment.pk)}").status == 404
