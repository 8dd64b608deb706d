"""How one tenant reached another's containers through their engine; here every way is refused, over the API too."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers import registry
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from tests.wire.api_client import ApiClient

SYSLOG = {"syslog-address": "tcp://127.0.0.1:6379", "tag": "x\r\nCONFIG SET dir /etc\r\n"}
SHADOW = {"syslog-tls-ca-cert": "../../../etc/shadow"}


@pytest.fixture
def far(people: Any, api_of: Any) -> ApiClient:
    """Mallory as the owner of an environment of her own."""
    made: Environment = environment_create(actor=actor_of_user(people.mallory, "api"), name="Far")
    found: ApiClient = api_of("mallory", inside=False).inside(made)
    return found


@pytest.mark.parametrize("url", ["tcp://10.0.0.5:2375", "ssh://me@10.0.0.5"])
def test_an_engine_in_use_elsewhere_cannot_be_added(
    url: str, far: ApiClient, host: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.create(CreateRequest("victim", {"Image": "bb:local", "Env": ["PASSWORD=x"]}))
    monkeypatch.setattr(registry, "get_driver", lambda _endpoint: sim)
    refused = far.post("engineendpoints", {"url": url, "password": "x"})
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "NotUnique", "url")
    assert "Lab" not in refused["message"]
    assert far.get("hosts").body["data"] == far.get("containers").body["data"] == []
    assert not Container.all_objects.exclude(environment=host.environment_id).exists()


@pytest.mark.parametrize("options", [SYSLOG, SHADOW])
def test_log_options_reach_no_service_and_no_file_of_the_host(options: dict[str, str], api_of: Any, host: Host) -> None:
    sent = {"imageUuid": "docker:bb:local", "logConfig": {"driver": "syslog", "config": options}}
    refused = api_of("bob").post("containers", sent)
    assert refused.status == 422
    assert refused["fieldName"].startswith("logConfig")
    assert not Container.all_objects.exists()


def test_corrals_own_labels_are_refused_by_name(api_of: Any, host: Host) -> None:
    sent = {"imageUuid": "docker:bb:local", "labels": {"io.corral.system": "agent"}}
    refused = api_of("bob").post("containers", sent)
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "PolicyViolation", "labels")
    assert "io.corral.system" in refused["message"]
