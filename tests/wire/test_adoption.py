"""What could be adopted, previewed, adopted and given back over the API."""

from __future__ import annotations

from typing import Any

import pytest

from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from tests.adoption.projects import look, make, make_shop
from tests.adoption.rancher_host import make_rancher


@pytest.fixture
def shop(host: Host, sim: SimulatedDriver) -> dict[str, str]:
    made = make_shop(sim)
    make(sim, "blog", "web", Env=["DB_PASSWORD=open sesame"])
    look(host)
    return made


def candidate(api: Any, name: str = "shop") -> Any:
    return next(each for each in api.get("adoptioncandidates")["data"] if each["name"] == name)


def test_candidates_are_listed_and_previewed(shop: Any, host: Host, lab: Any, api_of: Any) -> None:
    api = api_of("bob").inside(lab)
    found = candidate(api)
    assert (found["kind"], found["hostId"], found["running"]) == ("compose", f"1h{host.pk}", 4)
    assert found["services"] == {"cache": 2, "db": 1, "job": 1, "web": 1}
    assert api.get(found["links"]["self"])["id"] == found["id"]
    plan = api.post(found["actions"]["preview"], {})
    assert (plan["obstacles"], plan["differences"], len(plan["services"])) == ([], [], 4)
    assert "shop_default" in plan["dockerCompose"]


def test_a_project_is_adopted_and_given_back(
    shop: Any, lab: Any, api_of: Any, run_loop: Any, sim: SimulatedDriver
) -> None:
    api = api_of("bob").inside(lab)
    before = {each.id: each.state for each in sim.containers()}
    found = candidate(api)
    basis = api.post(found["actions"]["preview"], {})["basis"]
    stack = api.post(found["actions"]["adopt"], {"name": "store", "basis": basis})
    assert (stack.status, stack["type"], stack["name"]) == (200, "environment", "store")
    run_loop()
    assert Service.all_objects.filter(stack__name="store", removed=None).count() == 4
    assert api.get("adoptioncandidates")["data"][0]["name"] == "blog"
    stack = api.get(stack["links"]["self"])
    exported = api.post(stack["actions"]["exportconfig"], {})
    assert "image" in exported["dockerComposeConfig"]
    assert api.post(stack["actions"]["giveback"], {}).status == 202
    run_loop()
    assert {each.id: each.state for each in sim.containers()} == before
    assert {each["name"] for each in api.get("adoptioncandidates")["data"]} == {"blog", "shop"}


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [({"basis": "0" * 32}, 409, None), ({"name": "no_such.name"}, 422, "name"), ({"name": ["x"]}, 422, "name")],
)
def test_bad_input_is_refused_and_nothing_is_made(
    shop: Any, lab: Any, api_of: Any, sent: Any, status: int, field: str | None
) -> None:
    api = api_of("bob").inside(lab)
    answer = api.post(candidate(api)["actions"]["adopt"], sent)
    assert (answer.status, answer.body.get("fieldName")) == (status, field)
    assert not Stack.all_objects.exists()


def test_others_neither_see_nor_adopt(shop: Any, lab: Any, api_of: Any) -> None:
    mine = candidate(api_of("bob").inside(lab))
    reader = api_of("rita").inside(lab)
    assert candidate(reader)["actions"] == {}
    assert reader.post(f"adoptioncandidates/{mine['id']}?action=adopt", {}).status in {403, 404, 422}
    mallory = api_of("mallory")
    assert mallory.get("adoptioncandidates")["data"] == []
    assert mallory.post(f"adoptioncandidates/{mine['id']}?action=adopt", {}).status == 404
    assert not Stack.all_objects.exists()


def test_what_was_made_here_is_not_offered_back(lab: Any, api_of: Any, run_loop: Any) -> None:
    api = api_of("bob").inside(lab)
    made = api.post("environments", {"name": "own"})
    run_loop()
    found = api.get(made["links"]["self"])
    assert "giveback" not in found["actions"]
    answer = api.post(f"{found['links']['self']}/?action=giveback", {})
    assert (answer.status, "made here" in answer.body["message"]) == (422, True)


def test_the_stack_that_takes_the_containers_over_is_named(
    host: Host, sim: SimulatedDriver, lab: Any, actor_of: Any, api_of: Any, run_loop: Any
) -> None:
    file = "web:\n  image: bb:local\n"
    api = api_of("bob").inside(lab)
    sent = {"name": "Old", "dockerCompose": file, "externalId": "rancher:1", "startOnCreate": False}
    stack = api.post("environments", sent)
    run_loop()
    make_rancher(sim, "Old", "web")
    look(host)
    found = candidate(api, "Old")
    plan = api.post(found["actions"]["preview"], {})
    assert (plan["stackId"], plan["obstacles"]) == (stack["id"], [])
    taken = api.post(found["actions"]["adopt"], {"basis": plan["basis"]})
    assert (taken.status, taken["id"]) == (200, stack["id"])
    refused = api.post(found["actions"]["adopt"], {"name": "Other"})
    assert refused.status in {404, 422}
