"""The main job on a real engine, through the API with an environment key: ten containers, scaled, answered, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.docker

ListedContainers = Callable[[str], dict[str, dict[str, Any]]]


def public_port(summary: dict[str, Any]) -> int:
    return next(int(port["PublicPort"]) for port in summary["Ports"] if "PublicPort" in port)


def page(port: int) -> str:
    """What the web server behind a published port says, once it has started."""

    def fetch() -> str:
        try:
            return requests.get(f"http://127.0.0.1:{port}/", timeout=30).text
        except requests.ConnectionError:
            return ""

    return wait_until(fetch, seconds=60, what=f"an answer on port {port}")


def numbers(rows: list[Any], prefix: str) -> list[int]:
    return sorted(int(row["name"].removeprefix(prefix)) for row in rows)


def test_ten_web_servers_run_and_answer_and_leave_nothing_when_deleted(api: Api, listed_containers: ListedContainers):
    prefix = "WEB-Server_nginx-cluster_"
    stack, service = api.deploy("WEB-Server", "nginx-cluster", 10)
    assert stack["transitioning"] in {"yes", "no"}
    assert service["state"] in {"registering", "activating"}
    rows = api.until_running(prefix, 10)
    assert numbers(rows, prefix) == list(range(1, 11))

    ports = {name: public_port(each) for name, each in listed_containers(prefix).items()}
    assert len(set(ports.values())) == 10
    pages = {name: page(port) for name, port in ports.items()}
    assert len(set(pages.values())) == 10

    service = api.until_state(service, "active")
    assert service["scale"] == 10
    rows_by_name = {row["name"]: row for row in rows}
    assert {name: row["externalId"] for name, row in rows_by_name.items()} == {
        n: s["Id"] for n, s in listed_containers(prefix).items()
    }

    api.delete(stack)
    api.until_state(stack, "removed", "purged")
    assert listed_containers("") == {}
    assert api.containers(prefix) == []


def test_freed_numbers_are_used_again_and_who_stays_is_untouched(api: Api, listed_containers: ListedContainers):
    prefix = "scaling_web_"
    stack, service = api.deploy("scaling", "web", 10)
    api.until_running(prefix, 10)
    before = {name: each["Id"] for name, each in listed_containers(prefix).items()}

    api.request("PUT", service["links"]["self"], {"scale": 4})
    fewer = api.until_running(prefix, 4)
    assert numbers(fewer, prefix) == [1, 2, 3, 4]
    wait_until(lambda: len(listed_containers(prefix)) == 4, seconds=60, what="six are gone from the engine")

    api.request("PUT", service["links"]["self"], {"scale": 10})
    more = api.until_running(prefix, 10)
    assert numbers(more, prefix) == list(range(1, 11))
    after = {name: each["Id"] for name, each in listed_containers(prefix).items()}
    assert {name for name in after if after[name] == before[name]} == {f"{prefix}{number}" for number in range(1, 5)}
    assert api.until_state(service, "active")["currentScale"] == 10
    api.delete(stack)
    api.until_state(stack, "removed", "purged")


def test_an_image_no_registry_gives_ends_in_error_with_its_words(api: Api):
    wanted = {"imageUuid": "docker:127.0.0.1:1/nobody/nothing:1", "networkMode": "managed"}
    row = api.create("containers", name="no-image", **wanted)
    assert row["state"] in {"requested", "creating"}
    row = api.until_state(row, "error", seconds=120)
    assert row["transitioning"] == "error"
    assert "127.0.0.1:1/nobody/nothing" in row["transitioningMessage"]
    assert "refused" in row["transitioningMessage"]
    api.delete(row)
    api.until_state(row, "removed", "purged")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"imageUuid": "docker:UPPER CASE:x"}, "imageUuid"),
        ({"imageUuid": "docker:bb:local", "ports": ["80/nonsense"]}, "ports"),
        ({"imageUuid": "docker:bb:local", "memory": "much"}, "memory"),
        ({"imageUuid": "docker:bb:local", "name": "x" * 1_000_000}, "name"),
    ],
)
def test_bad_input_is_refused_in_words_and_nothing_is_half_made(
    api: Api, listed_containers: ListedContainers, wanted: dict[str, Any], field: str
):
    count = len(api.containers())
    answer = api.call("POST", "containers", {"name": "bad", **wanted})
    assert answer.status_code == 422, answer.text[:300]
    body = answer.json()
    assert body["type"] == "error"
    assert body["fieldName"] == field
    assert body["message"]
    assert len(api.containers()) == count
    assert listed_containers("") == {}
