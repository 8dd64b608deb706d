"""The link `whatIf` of services and hosts, and what may be reserved of a host."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.hosts.models import Host
from apps.stacks.models import Service


@pytest.fixture
def service(api: Any, host: Host, stack: Any) -> Any:
    """A service of the lab."""
    return api.get("services")["data"][0]


def test_a_service_answers_what_another_scale_would_do(api: Any, service: Any) -> None:
    found = api.get(f"{service['links']['whatIf']}?scale={service['scale'] + 2}")
    assert (found.status, found["type"], found["resourceType"], found["question"]) == (
        200,
        "whatIf",
        "service",
        "scale",
    )
    assert [(move["from"], move["to"]) for move in found["placed"]] == [(None, "lab-1")] * 2
    assert found["placed"][0]["reasons"] == ["it is the only host that fits"]
    assert api.get(f"services/{service['id']}")["scale"] == service["scale"]


def test_an_inactive_service_answers_that_nothing_starts_yet(api: Any, service: Any) -> None:
    assert api.get(service["links"]["whatIf"])["note"] is None
    Service.all_objects.filter(name=service["name"]).update(desired="inactive", display_state="inactive")
    assert "nothing starts before it is activated" in api.get(service["links"]["whatIf"])["note"]


def test_a_host_answers_what_its_loss_and_its_labels_would_do(api: Any, service: Any, host: Host) -> None:
    link = api.get(f"hosts/{wire_id('h', host.pk)}")["links"]["whatIf"]
    lost = api.get(link)
    assert (lost["question"], lost["removed"]) == ("hostLost", [])
    assert lost["placed"] or lost["stays"]
    assert api.get(f"{link}?addLabels=gpu=1,zone=a&removeLabels=disk")["question"] == "labels"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?scale=many", "scale"),
        ("?scale=-1", "scale"),
        ("?scale=1001", "scale"),
        ("?scale=%C2%B2", "scale"),
        (f"?scale={'9' * 400}", "scale"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(api: Any, service: Any, query: str, field: str) -> None:
    found = api.get(f"services/{service['id']}/whatif{query}")
    assert (found.status, found["fieldName"]) == (422, field)


@pytest.mark.parametrize(("query", "field"), [("?addLabels=gpu", "addLabels"), ("?addLabels==1", "addLabels")])
def test_labels_that_are_none_are_refused(api: Any, host: Host, query: str, field: str) -> None:
    found = api.get(f"hosts/{wire_id('h', host.pk)}/whatif{query}")
    assert (found.status, found["fieldName"]) == (422, field)


def test_what_may_be_reserved_is_set_and_taken_away(api: Any, host: Host) -> None:
    path = f"hosts/{wire_id('h', host.pk)}"
    assert (api.get(path)["memory"], api.get(path)["milliCpu"]) == (None, None)
    changed = api.put(path, {"memory": 1 << 30, "milliCpu": 1500})
    assert (changed.status, changed["memory"], changed["milliCpu"]) == (200, 1 << 30, 1500)
    assert api.put(path, {"name": "other"})["memory"] == 1 << 30
    assert api.put(path, {"memory": 0, "milliCpu": 0})["memory"] is None
    host.refresh_from_db()
    assert (host.memory_limit, host.milli_cpu_limit) == (None, None)
    refused = api.put(path, {"memory": 5})
    assert (refused.status, refused["fieldName"]) == (422, "memory")
