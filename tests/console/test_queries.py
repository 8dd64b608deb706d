"""The number of queries of each page is recorded, and does not grow with the number of rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.console.page_costs import fill, queries

BASELINE = Path(__file__).with_name("query_counts.json")
LISTS = (
    *(
        "stacks",
        "adopt",
        "topology",
        "containers",
        "hosts",
        "images",
        "image-builds",
        "certificates",
        "registries",
        "catalog",
    ),
    "updates",
    *("activity", "keys", "trust-rules", "find"),
)


def addresses(at: Any, web: Service, container: Container, host: Host) -> dict[str, str]:
    """The pages by the names under which their counts are recorded."""
    found = {name: at(name) for name in LISTS}
    found |= {
        name: at(name, pk=web.stack_id) for name in ("stack", "stack-compose", "stack-topology", "stack-activity")
    }
    found |= {name: at(name, pk=web.pk) for name in ("service", "service-activity")}
    found |= {name: at(name, pk=container.pk) for name in ("container", "container-logs", "container-menu")}
    return found | {"host": at("host", pk=host.pk), "environments": "/environments"}


def test_each_page_takes_the_queries_that_are_written_down(
    browser_as: Any, at: Any, web: Service, container: Container, host: Host
):
    client = browser_as("alice")
    counted = {name: queries(client, path) for name, path in addresses(at, web, container, host).items()}
    if os.environ.get("WRITE_BASELINE"):
        BASELINE.write_text(json.dumps(counted, indent=2, sort_keys=True) + "\n")
    assert counted == json.loads(BASELINE.read_text())


@pytest.mark.parametrize(
    "name", ["stacks", "topology", "containers", "hosts", "find", "host", "stack", "stack-topology", "service"]
)
def test_more_rows_take_no_more_queries(
    name: str, browser_as: Any, at: Any, lab: Environment, web: Service, container: Container, host: Host
):
    client = browser_as("rita")
    path = addresses(at, web, container, host)[name]
    before = queries(client, path)
    fill(lab, host, stacks=4, each=3)
    assert queries(client, path) == before


def test_a_refresh_takes_less_than_the_whole_page(browser_as: Any, at: Any, web: Service):
    client = browser_as("rita")
    assert queries(client, at("stacks"), **{"HX-Request": "true"}) < queries(client, at("stacks"))


def test_a_list_leaves_the_secrets_where_they_are(browser_as: Any, at: Any, web: Service, monkeypatch: Any):
    client = browser_as("alice")
    client.get(at("containers"))

    def opened(_token: str) -> str:
        raise AssertionError("a list decrypted something")

    monkeypatch.setattr("apps.core.encrypted.decrypt", opened)
    for name in ("containers", "stacks", "hosts"):
        assert client.get(at(name)).status_code == 200
