"""The link `traffic` of balancers: what their page shows, in numbers."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api.resources import balancer_traffic
from apps.environments.models import Environment
from apps.stacks.balancer.traffic import BalancerTraffic, RuleTraffic, ServerTraffic
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient

SEEN = BalancerTraffic(
    at=1.0,
    rules=(RuleTraffic(80, "shop.example.org", "/api", 2, 31, 1, 12, 0.66666), RuleTraffic(80, "", "")),
    servers=(ServerTraffic("shop_web_1", "10.42.0.9", 8080, "DOWN", errors=4), ServerTraffic("b", "10.42.0.10", 80)),
    problems=("h2 does not answer.",),
)


@pytest.fixture
def balancer(api_of: Any, lab: Environment, stack: dict[str, str]) -> dict[str, Any]:
    """A balancer of the environment."""
    body = {"name": "lb", "environmentId": stack["stack"], "launchConfig": {"ports": ["80"]}}
    made = api_of("bob").inside(lab).post("loadbalancerservices", body)
    assert made.status == 201
    return dict(made.body)


def test_each_member_reads_what_passes(
    api_of: Any, lab: Environment, balancer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    rows: list[Service] = []

    def traffic_of(row: Service) -> BalancerTraffic:
        rows.append(row)
        return SEEN

    monkeypatch.setattr(balancer_traffic, "traffic_of", traffic_of)
    api: ApiClient = api_of("rita").inside(lab)
    link = api.get(f"loadbalancerservices/{balancer['id']}")["links"]["traffic"]
    found = api.get(link)
    assert (found.status, found["type"], found["serviceId"]) == (200, "balancerTraffic", balancer["id"])
    assert found["links"]["self"] == link
    first, rest = found["rules"]
    assert first == {
        "port": 80,
        "host": "shop.example.org",
        "path": "/api",
        "openConnections": 2,
        "requests": 31,
        "errors": 1,
        "meanMilliseconds": 12,
        "requestsPerSecond": 0.667,
    }
    assert (rest["host"], rest["path"], rest["requestsPerSecond"]) == (None, None, None)
    down, unknown = found["servers"]
    assert (down["name"], down["address"], down["port"], down["status"], down["up"]) == (
        "shop_web_1",
        "10.42.0.9",
        8080,
        "DOWN",
        False,
    )
    assert (unknown["status"], unknown["up"]) == (None, True)
    assert found["problems"] == ["h2 does not answer."]
    assert [row.name for row in rows] == ["lb"]


def test_one_that_does_not_run_has_nothing_to_count(api_of: Any, lab: Environment, balancer: dict[str, Any]):
    found = api_of("bob").inside(lab).get(f"loadbalancerservices/{balancer['id']}/traffic")
    assert (found.status, found["rules"], found["servers"], found["problems"]) == (200, [], [], [])


def test_others_and_other_kinds_of_services_have_none(
    api_of: Any, lab: Environment, balancer: dict[str, Any], foreign_environment: Environment, stack: dict[str, str]
):
    assert api_of("mallory").get(f"loadbalancerservices/{balancer['id']}/traffic").status == 404
    body = {"name": "web", "environmentId": stack["stack"], "launchConfig": {"imageUuid": "docker:bb:local"}}
    web = api_of("bob").inside(lab).post("services", body)
    assert "traffic" not in web["links"]
    assert api_of("bob").inside(lab).get(f"services/{web['id']}/traffic").status == 404
