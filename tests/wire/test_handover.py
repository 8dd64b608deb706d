"""Upgrading one service to another over the API, as rancher-compose does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient


@pytest.fixture
def pair(api: ApiClient, host: Host, run_loop: Callable[[], None]) -> Any:
    """Two services of one stack; calls give both anew, the pauses between batches over."""
    stack = api.post("environments", {"name": "shop"})
    keys = []
    for name, scale in (("web1", 2), ("web2", 0)):
        launch = {"imageUuid": "docker:bb:local"}
        body = {"name": name, "environmentId": stack["id"], "startOnCreate": True, "launchConfig": launch}
        keys.append(api.post("services", {**body, "scale": scale})["id"])

    def read() -> list[Any]:
        for _again in range(8):
            run_loop()
            for row in Service.all_objects.filter(removed=None):
                status = {**row.status, "next_batch_at": None}
                Service.all_objects.filter(pk=row.pk).update(status=status, next_attempt_at=timezone.now())
        return [api.get(f"services/{key}") for key in keys]

    return read


def test_the_clients_way(api: ApiClient, pair: Any) -> None:
    old, new = pair()
    strategy = {"toServiceId": new["id"], "finalScale": 2, "batchSize": 2, "intervalMillis": 2000, "updateLinks": True}
    answer = api.post(f"services/{old['id']}?action=upgrade", {"toServiceStrategy": strategy})
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "upgrading", "yes")
    shown = answer["upgrade"]["toServiceStrategy"]
    assert {name: shown[name] for name in strategy} == strategy
    assert answer["upgrade"]["inServiceStrategy"] is None
    old, new = pair()
    assert (old["state"], old["scale"], old["currentScale"]) == ("upgraded", 0, 0)
    assert (new["state"], new["scale"], new["currentScale"]) == ("active", 2, 2)
    assert {"finishupgrade", "rollback"} <= set(old["actions"])
    assert api.post(f"services/{old['id']}?action=finishupgrade").status == 202
    old, new = pair()
    assert (old["state"], old["upgrade"], new["currentScale"]) == ("active", None, 2)


def test_a_rollback_after_the_target_was_stopped(api: ApiClient, pair: Any) -> None:
    old, new = pair()
    strategy = {"toServiceId": new["id"], "finalScale": 2, "batchSize": 4, "intervalMillis": 100, "minReadySeconds": 0}
    assert api.post(f"services/{old['id']}?action=upgrade", {"toServiceStrategy": strategy}).status == 202
    assert [each["state"] for each in pair()] == ["upgraded", "active"]
    assert api.post(f"services/{new['id']}?action=deactivate").status == 202
    assert [each["state"] for each in pair()] == ["upgraded", "inactive"]
    assert api.post(f"services/{old['id']}?action=rollback").status == 202
    old, new = pair()
    assert (old["state"], old["scale"], old["currentScale"], old["upgrade"]) == ("active", 2, 2, None)
    assert (new["state"], new["scale"]) == ("inactive", 0)


@pytest.mark.parametrize(
    ("strategy", "code", "field"),
    [
        ({}, "MissingRequired", "toServiceStrategy.toServiceId"),
        ({"toServiceId": "1s999999"}, "InvalidReference", "toServiceStrategy.toServiceId"),
        ({"toServiceId": "old"}, "InvalidOption", "toServiceStrategy.toServiceId"),
        ({"toServiceId": "new", "batchSize": 0}, "MinLimitExceeded", "batchSize"),
        ({"toServiceId": "new", "finalScale": -1}, "MinLimitExceeded", "finalScale"),
        ({"toServiceId": "new", "intervalMillis": "soon"}, "InvalidFormat", "intervalMillis"),
    ],
)
def test_bad_input_names_its_field_and_starts_nothing(
    api: ApiClient, pair: Any, strategy: Any, code: str, field: str
) -> None:
    old, new = pair()
    key = {"old": old["id"], "new": new["id"]}.get(strategy.get("toServiceId", ""), strategy.get("toServiceId"))
    body = {**strategy, **({"toServiceId": key} if key else {}), "note": "keeps the map from being empty"}
    answer = api.post(f"services/{old['id']}?action=upgrade", {"toServiceStrategy": body})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, code, field)
    assert pair()[0]["state"] == "active"


def test_both_ways_to_upgrade_at_once_are_refused(api: ApiClient, pair: Any) -> None:
    old, new = pair()
    inside = {"launchConfig": {"imageUuid": "docker:bb:local"}}
    body = {"inServiceStrategy": inside, "toServiceStrategy": {"toServiceId": new["id"]}}
    answer = api.post(f"services/{old['id']}?action=upgrade", body)
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidOption", "toServiceStrategy")
    assert "not both" in answer["message"]
    assert [each["state"] for each in pair()] == ["active", "active"]
