"""`promotion` and `promotionRules`: looked at, requested, approved by another person, refused and undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.core.ids import wire_id
from apps.drivers.simulated.engine import simulated_engine
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.services import host_create
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.models import Promotion
from tests.stacks.deploying import deploy
from tests.wire.api_client import run_until_idle


def settle() -> None:
    for _again in range(3):
        for model in (Service, Stack, Promotion):
            model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
        run_until_idle()


@pytest.fixture
def prod(lab: Environment, sim: Any, people: Any, actor_of: Any) -> Environment:
    """An environment of alice and bob, with another version than in the lab."""
    members = [
        {"externalId": f"1a{getattr(people, name).pk}", "externalIdType": "rancher_id", "role": role}
        for name, role in (("alice", "owner"), ("bob", "member"), ("rita", "readonly"))
    ]
    row = environment_create(actor=actor_of("alice"), name="Prod", members=members)
    host_create(actor=None, environment=row, url="sim://lab2", name="p1")
    for image in ("bb:old", "bb:local", "postgres:16"):
        simulated_engine("lab2").local_images.add(image)
    deploy(actor_of("alice"), lab, "bb:local")
    deploy(actor_of("alice"), row, "bb:old")
    run_until_idle()
    return row


@pytest.fixture
def body(prod: Environment, lab: Environment) -> dict[str, Any]:
    """What promotes the lab's stack to Prod."""
    source = Stack.all_objects.get(environment=lab)
    return {"sourceStackId": wire_id("e", source.pk), "toProjectId": wire_id("a", prod.pk)}


def test_a_stack_says_what_its_promotion_would_do(api_of: Any, body: dict[str, Any]):
    api = api_of("bob")
    stack = api.get(f"environments/{body['sourceStackId']}")
    found = api.post(stack["actions"]["previewpromotion"], {"toProjectId": body["toProjectId"]})
    assert (found.status, found["type"], found["problems"]) == (200, "promotionPreview", [])
    assert {each["name"]: each["change"] for each in found["services"]} == {"web": "upgrade", "db": "unchanged"}
    assert not Promotion.all_objects.exists()


def test_two_people_promote_a_stack(api_of: Any, prod: Environment, body: dict[str, Any]):
    owner, member = api_of("alice"), api_of("bob")
    rules = owner.inside(prod).get(f"promotionrules/{wire_id('pr', prod.pk)}")
    assert (rules["needsApproval"], rules["windowDays"]) == (False, [])
    assert owner.inside(prod).put(f"promotionrules/{rules['id']}", {"needsApproval": True})["needsApproval"] is True
    assert member.inside(prod).put(f"promotionrules/{rules['id']}", {"needsApproval": False}).status in {403, 405}
    made = member.post("promotions", {**body, "note": "TICKET-7"})
    assert (made.status, made["state"], made["requestedBy"], made["note"]) == (201, "requested", "Bob", "TICKET-7")
    settle()
    waiting = member.get(f"promotions/{made['id']}")
    assert (waiting["state"], sorted(waiting["actions"])) == ("waiting-for-approval", ["refuse"])
    refused = member.post(f"promotions/{made['id']}?action=approve", {})
    assert (refused.status, "somebody else has to approve" in refused["message"]) == (422, True)
    seen = owner.get(f"promotions/{made['id']}")
    basis = owner.get(seen["links"]["preview"])["basedOn"]
    assert owner.post(seen["actions"]["approve"], {"basedOn": "old"}).status == 412
    assert owner.post(seen["actions"]["approve"], {"basedOn": basis}).status == 202
    settle()
    assert Service.all_objects.get(environment=prod, name="web").image == "bb:local"
    found = member.get(f"promotions/{made['id']}")
    assert found["approvedBy"] == "Alice"
    assert found["digest"] == seen["digest"]


def test_a_promotion_is_refused_with_a_reason(api_of: Any, prod: Environment, body: dict[str, Any]):
    api_of("alice").inside(prod).put(f"promotionrules/{wire_id('pr', prod.pk)}", {"needsApproval": True})
    made = api_of("bob").post("promotions", body)
    settle()
    owner = api_of("alice")
    assert owner.post(f"promotions/{made['id']}?action=refuse", {"reason": "not today"}).status == 202
    settle()
    found = owner.get(f"promotions/{made['id']}")
    assert (found["state"], found["refusedBy"], found["refusalReason"]) == ("refused", "Alice", "not today")
    assert found["actions"] == {}


def test_what_cannot_be_promoted_is_refused(api_of: Any, key_of: Any, lab: Environment, body: dict[str, Any]):
    api = api_of("bob")
    for change, field in (
        ({"toProjectId": "1a999999"}, "toProjectId"),
        ({"toProjectId": wire_id("a", lab.pk)}, "toProjectId"),
        ({"sourceStackId": "1e999999"}, "sourceStackId"),
        ({"sourceRevision": 99}, "sourceRevision"),
        ({"services": ["nothing"]}, "dockerCompose"),
    ):
        refused = api.post("promotions", {**body, **change})
        assert (refused.status, refused["fieldName"]) == (422, field), change
    assert api_of("rita").post("promotions", body).status == 403
    assert api_of("mallory").post("promotions", body).status == 422, "she knows of neither environment"
    assert key_of("alice").post("promotions", body).status == 422, "a key of one environment reaches no other"
    assert not Promotion.all_objects.exists()


def test_rules_are_checked(api_of: Any, prod: Environment):
    owner, path = api_of("alice").inside(prod), f"promotionrules/{wire_id('pr', prod.pk)}"
    changed = owner.put(path, {"windowDays": ["sunday"], "windowStart": "22:00", "windowEnd": "04:00"})
    assert (changed["windowDays"], changed["windowStart"], changed["windowTimeZone"]) == (["sunday"], "22:00", "UTC")
    for sent, field in (
        ({"windowDays": ["someday"]}, "windowDays"),
        ({"windowStart": "99:99"}, "windowStart"),
        ({"windowTimeZone": "Mars"}, "windowTimeZone"),
    ):
        refused = owner.put(path, sent)
        assert (refused.status, refused["fieldName"]) == (422, field)
    assert api_of("mallory").get(path).status == 404
