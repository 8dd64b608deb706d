"""Not one request is lost while the service behind a balancer is scaled, upgraded in both orders and rolled back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, wait_until
from tests.docker.steady_load import SteadyLoad, steady_load
from tests.engine import remove_all_containers

pytestmark = pytest.mark.docker

PREFIX = "shop_web_"
OLD, NEW = "bb:local", "bb:two"


@pytest.fixture(autouse=True)
def _second_image(terminal: docker.APIClient, _clean_engine: None) -> Iterator[None]:
    """The same image under a second name, which is another image to whoever upgrades."""
    terminal.tag(OLD, "bb", "two")
    yield
    remove_all_containers(terminal)
    terminal.remove_image(NEW)


@pytest.fixture
def shop(api: Api) -> Iterator[dict[str, Any]]:
    """Two web servers and a balancer in front of them, which answers; its image is built by the portal."""
    stack, web = api.deploy("shop", "web", 2)
    launch = {"expose": ["8000:80"], "healthCheck": {"port": 42, "interval": 1000, "healthyThreshold": 1}}
    wanted = {"name": "lb", "environmentId": stack["id"], "launchConfig": launch, "startOnCreate": True}
    balancer = api.create("loadbalancerservices", **wanted)
    api.act(api.reload(balancer), "setservicelinks", serviceLinks=[{"serviceId": web["id"], "ports": []}])
    api.until_running(PREFIX, 2)
    (container,) = api.until_running("shop_lb_", 1, seconds=120)
    address = container["primaryIpAddress"]
    wait_until(lambda: _answers(address), seconds=120, what="the balancer answers")
    yield {"web": web, "balancer": balancer, "address": address, "stack": stack}
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=90)


def _answers(address: str) -> bool:
    connection = HTTPConnection(address, 8000, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def scale(api: Api, row: Any, count: int) -> None:
    api.request("PUT", row["links"]["self"], {"scale": count})
    api.until_running(PREFIX, count, seconds=120)


def upgrade(api: Api, row: Any, image: str, **strategy: Any) -> Any:
    config = {**api.reload(row)["launchConfig"], "imageUuid": f"docker:{image}"}
    sent = {"launchConfig": config, "batchSize": 1, "intervalMillis": 100, **strategy}
    api.act(api.reload(row), "upgrade", inServiceStrategy=sent)
    return api.until_state(row, "upgraded", seconds=180)


def test_no_request_is_lost(api: Api, shop: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    load = SteadyLoad(shop["address"], 8000)
    web, marks = shop["web"], list[str]()

    def mark(what: str) -> None:
        marks.append(f"{what}: {sum(load.done.values())} requests, {len(load.failures)} failed")

    with steady_load(load):
        for count in (10, 2):
            scale(api, web, count)
            mark(f"scaled to {count}")
        row = upgrade(api, web, NEW, startFirst=False)
        mark("upgraded, old ones stopped first")
        api.act(row, "rollback")
        api.until_state(web, "active", seconds=120)
        mark("rolled back")
        row = upgrade(api, web, NEW, startFirst=True)
        mark("upgraded, new ones started first")
        api.act(row, "finishupgrade")
        api.until_state(web, "active", seconds=120)
        time.sleep(1)
    with capsys.disabled():
        print("\n" + "\n".join([*marks, load.summary("in all")]))  # noqa: T201 - figures that people read
    assert load.failures == []
    assert min(load.done.values()) > 100
    assert len(load.bodies) > 5  # the servers share it; the shortest-lived may have had no request
