"""`engineEndpoint` with an ssh URL: two requests, the second with the host key that the first one returned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.drivers import registry
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import endpoint_of
from tests.drivers.ssh_server import SshServer
from tests.drivers.stub_engine import StubEngine
from tests.wire.api_client import ApiClient, run_until_idle


@pytest.fixture
def wanted(tmp_path: Path, lab: Environment) -> Iterator[dict[str, Any]]:
    """A valid request body without the host key; `server` is the key that the server presents."""
    server, engine = SshServer(), StubEngine(tmp_path / "paper.sock")
    url = f"ssh://127.0.0.1:{server.port}{tmp_path}/paper.sock"
    yield {"url": url, "user": "ops", "privateKey": server.private_key, "server": server.public}
    for row in Host.all_objects.filter(url__startswith="ssh"):
        registry.discard_driver(endpoint_of(row))
    engine.stop()
    server.stop()


@pytest.fixture
def api(key_of: Any, lab: Environment) -> ApiClient:
    caller: ApiClient = key_of().inside(lab)
    return caller


def test_the_host_key_is_shown_and_then_sent_back(api: ApiClient, wanted: dict[str, Any]):
    key = wanted.pop("server")
    first = api.post("engineendpoints", wanted)
    assert (first.status, first["fieldName"], first["code"]) == (422, "hostKey", "MissingRequired")
    assert first["detail"] == key
    assert "SHA256:" in first["message"]
    made = api.post("engineendpoints", {**wanted, "hostKey": first["detail"], "name": "far"})
    assert (made.status, made["type"], made["name"]) == (201, "host", "far")
    run_until_idle()
    assert api.get(f"hosts/{made['id']}")["state"] == "active"


def test_no_response_contains_a_secret(api: ApiClient, wanted: dict[str, Any]):
    key, secret = wanted.pop("server"), wanted["privateKey"].splitlines()[3]
    answers = [
        api.post("engineendpoints", wanted),
        api.post("engineendpoints", {**wanted, "hostKey": key}),
        api.get("hosts"),
        api.get("auditlogs"),
    ]
    assert [answer.status for answer in answers] == [422, 201, 200, 200]
    assert not [answer.body for answer in answers if secret in str(answer.body)]


def test_another_key_is_refused(api: ApiClient, wanted: dict[str, Any]):
    wanted.pop("server")
    answer = api.post("engineendpoints", {**wanted, "hostKey": "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, "hostKey", "InvalidOption")
    assert "another key" in answer["message"]


def test_callers_who_may_not_add_hosts_do_not_learn_the_host_key(api_of: Any, lab: Environment, wanted: dict[str, Any]):
    key = wanted.pop("server")
    for name in ("rex", "rita"):
        answer = api_of(name).inside(lab).post("engineendpoints", wanted)
        assert answer.status in {403, 404, 405}
        assert key not in str(answer.body)
