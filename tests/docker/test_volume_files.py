"""Files in volumes of a real engine are read and downloaded, and nothing of the reading stays on the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

WRITE = "mkdir -p /d/logs; printf hello > /d/logs/app.log; head -c 300000000 /dev/zero > /d/big.bin; ln -s /etc /d/out"


@pytest.fixture
def terminal(engine: PrivateEngine) -> Iterator[docker.APIClient]:
    """The engine used directly, with a volume that has files in it."""
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    made = client.create_container(
        "bb:local", ["sh", "-c", WRITE], host_config=client.create_host_config(binds=["ledger:/d"])
    )
    client.start(made)
    client.wait(made, timeout=60)
    client.remove_container(made)
    yield client
    client.remove_volume("ledger", force=True)
    client.close()


def readers(terminal: docker.APIClient) -> list[str]:
    found = terminal.containers(all=True, filters={"label": "io.corral.system=volume-reader"})
    return [each["Id"] for each in found]


def test_files_are_read_and_nothing_stays(engine: PrivateEngine, terminal: docker.APIClient, tmp_path: Path) -> None:
    portal = PortalProcess(tmp_path / "data", engine.url)
    portal.data_dir.mkdir()
    left_over = _leave_reader(terminal)
    portal.start()
    try:
        api = portal.api()
        [volume] = wait_until(lambda: api.get("volumes?name=ledger")["data"], seconds=60, what="the volume")
        wait_until(lambda: left_over not in readers(terminal), seconds=90, what="the end of what was left over")
        assert api.get("containers")["data"] == [], "readers are nobody's containers"
        _read(api, volume["links"]["files"].partition("/v1/")[2])
        address = f"/v1/{volume['links']['download'].partition('/v1/')[2]}"
        _break_off(api, portal.base + address, terminal)
        wait_until(lambda: api.get("volumes?name=ledger")["data"][0]["sizeBytes"], seconds=60, what="its size")
    finally:
        portal.end()
        for each in readers(terminal):
            terminal.remove_container(each, force=True)


def _leave_reader(terminal: docker.APIClient) -> str:
    """What a portal leaves that was killed while it read a volume."""
    labels = {"io.corral.system": "volume-reader", "io.corral.expires": "1000"}
    return str(terminal.create_container("bb:local", ["x"], name="corral-reader-0", labels=labels)["Id"])


def _open(api: Api, url: str) -> requests.Response:
    return requests.get(url, headers={"Authorization": api.authorization}, stream=True, timeout=30)


def _read(api: Api, link: str) -> None:
    found = api.get(link)
    assert [(each["name"], each["kind"]) for each in found["entries"]] == [
        ("logs", "folder"),
        ("big.bin", "file"),
        ("out", "link"),
    ]
    assert api.call("GET", f"{link}?path=out/passwd").status_code == 422
    assert api.call("GET", f"{link}?path=../x").status_code == 422


def _break_off(api: Api, address: str, terminal: docker.APIClient) -> None:
    """A download that its reader leaves in the middle ends on the host too; one that is read is whole."""
    whole = _open(api, f"{address}?path=logs/app.log")
    assert (whole.content, whole.headers["Content-Length"]) == (b"hello", "5")
    left = _open(api, f"{address}?path=big.bin")
    assert next(left.iter_content(100_000))
    assert len(readers(terminal)) == 1
    left.close()
    wait_until(lambda: not readers(terminal), seconds=30, what="the end of the download")
