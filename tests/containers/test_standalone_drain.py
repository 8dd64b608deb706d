"""What stays on a draining host: containers that no service can replace, and Corral's own parts."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.drain import drain_standalone, is_system_container
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.hosts.models import Host

DIGEST = "@sha256:" + "a" * 64


def container(image: str = "nginx", **more: Any) -> Container:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}", "labels": more.pop("labels", {})})
    return Container(spec=config.to_json(), image=config.image, **more)


@pytest.mark.parametrize(
    ("image", "ours"),
    [
        ("corral/agent", True),
        ("corral/agent:v1", True),
        ("corral/agent:v1" + DIGEST, True),
        ("corral/agent" + DIGEST, True),
        ("registry.test:5000/own/agent:v2", True),
        ("registry.test:5000/own/agent", True),
        ("registry.test:5000/shop/web:1", False),
        ("registry.test:5000/own/agent-x", False),
        ("registry.test/own/agent", False),
        ("corral/agents", False),
        ("nginx:corral", False),
    ],
)
def test_an_agent_is_known_by_its_image_and_not_by_its_registry(db: None, image: str, ours: bool):
    Setting.objects.create(name="bootstrap.required.image", value="registry.test:5000/own/agent:v1")
    assert is_system_container(container(image)) is ours


@pytest.mark.parametrize(
    ("host_name", "external_id", "ours"),
    [
        ("0123456789ab", "0123456789ab" + "c" * 52, True),
        ("0123456789ab", "f" * 64, False),
        ("0123456789ab", "", False),
        ("portal", "portal", False),
        ("0123456789AB", "0123456789AB", False),
        ("", "f" * 64, False),
    ],
)
def test_the_container_that_the_portal_itself_is_in(
    db: None,
    monkeypatch: pytest.MonkeyPatch,
    host_name: str,
    external_id: str,
    ours: bool,
):
    monkeypatch.setattr("socket.gethostname", lambda: host_name)
    assert is_system_container(container(external_id=external_id)) is ours


def test_a_label_makes_it_ours_whatever_it_says(db: None):
    assert is_system_container(container(labels={"io.corral.system": ""}))
    assert not is_system_container(container(labels={"io.corral": "system"}))


@pytest.fixture
def rows(host: Host, lab: Environment) -> dict[str, Container]:
    """On a host: three without a service (one at rest, one ours), one of a service, and one that leaves."""
    made = {
        "runs": container(name="runs", desired="running", state="running"),
        "rests": container(name="rests", desired="stopped", state="stopped"),
        "ours": container("corral/agent:v1", name="ours", desired="running", state="running"),
        "kept": container(name="kept", desired="running", state="running", keep_running=True),
        "leaves": container(name="leaves", desired="removed", state="running"),
    }
    for row in made.values():
        row.environment, row.host = lab, host
        row.save()
        row.refresh_from_db()
    return made


def test_they_stay_and_are_named_unless_it_was_asked_for(rows: dict[str, Container], host: Host):
    found = drain_standalone(host)
    assert (found.remaining, sorted(found.staying)) == (0, ["ours", "rests", "runs"])
    assert Container.all_objects.get(name="runs").desired == "running"


def test_on_request_they_are_stopped_but_never_ours(rows: dict[str, Container], host: Host):
    host.drain = {"stopStandalone": True}
    found = drain_standalone(host)
    assert (found.remaining, found.staying) == (1, ("ours",))
    desired_states = dict(Container.all_objects.values_list("name", "desired"))
    assert desired_states == {
        "runs": "stopped",
        "rests": "stopped",
        "ours": "running",
        "kept": "running",
        "leaves": "removed",
    }
    assert drain_standalone(host).remaining == 1  # it is on its way; asking twice does no harm
