"""The image of demonstrations and tests: made without a registry, and honest where it cannot be."""

from __future__ import annotations

import contextlib
import io
import shutil
import tarfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from apps.drivers.base import CreateRequest, EngineError
from apps.drivers.docker.engine import DockerDriver
from portal.tools import busybox_image
from portal.tools.busybox_image import (
    ImageUnavailable,
    build_image,
    image_tar,
    import_image,
)
from tests.engine import PrivateEngine


def test_a_machine_without_busybox_gets_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ImageUnavailable, match="install the package busybox"):
        image_tar()


def test_several_may_make_it_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    together = Barrier(8)
    monkeypatch.setattr(busybox_image, "_busybox", lambda work: work)
    monkeypatch.setattr(busybox_image, "_tree", lambda _: b"the image" if together.wait(10) >= 0 else b"")
    with ThreadPoolExecutor(8) as pool:
        made = [each.result(20) for each in [pool.submit(image_tar) for _ in range(8)]]
    assert made == [b"the image"] * 8
    assert [path.read_bytes() for path in (tmp_path / "corral").iterdir()] == [b"the image"]


class FailingClient:
    """A line to an engine that says one thing; `import_calls` are what it was given."""

    def __init__(self, client_answer: str | EngineError) -> None:
        self.client_answer, self.closed = client_answer, False
        self.import_calls: list[Any] = []

    def __call__(self, endpoint: Any = None) -> Any:
        return self if endpoint else contextlib.nullcontext(self)

    def import_image_from_data(self, *import_calls: Any) -> str:
        self.import_calls.append(import_calls)
        if isinstance(self.client_answer, EngineError):
            raise self.client_answer
        return self.client_answer

    def close(self) -> None:
        self.closed = True


def test_an_engine_is_given_the_tree_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    line = FailingClient('{"status": "sha256:1"}')
    monkeypatch.setattr(busybox_image, "EngineConnection", line)
    import_image("tcp://here:1", "a/b:c", b"tree", ("EXPOSE 80",))
    assert (line.import_calls, line.closed) == ([(b"tree", "a/b", "c", ["EXPOSE 80"])], True)


@pytest.mark.parametrize(
    ("client_answer", "words"),
    [(EngineError("no space left"), "no space left"), ('{"error": "bad archive"}', "bad archive")],
)
def test_an_engine_that_does_not_take_it_is_quoted_and_hung_up(
    client_answer: str | EngineError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = FailingClient(client_answer)
    monkeypatch.setattr(busybox_image, "EngineConnection", line)
    with pytest.raises(ImageUnavailable, match=f"tcp://here:1 refused the image a/b:c: .*{words}"):
        import_image("tcp://here:1", "a/b:c", b"tree", ())
    assert line.closed


@pytest.mark.docker
def test_an_engine_that_is_away_is_named(engine: PrivateEngine) -> None:
    with pytest.raises(ImageUnavailable, match="unix:///nowhere"):
        build_image("unix:///nowhere", "bb:local")


@pytest.mark.docker
def test_the_archive_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = image_tar()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = set(tar.getnames())
    assert {"bin/busybox", "bin/sh", "bin/httpd", "bin/serve"} <= names
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert image_tar() == data


@pytest.mark.docker
def test_a_container_of_it_serves_its_name_and_stops_when_asked(engine: PrivateEngine) -> None:
    driver = DockerDriver(engine.endpoint)
    body = {
        "Image": "bb:local",
        "Hostname": "greeter",
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    }
    made = driver.create(CreateRequest("greeter", body))
    driver.start(made)
    page = f"http://127.0.0.1:{driver.inspect(made).ports[0].public}/"
    assert "greeter" in _page(page)
    driver.stop(made)
    assert driver.inspect(made).exit_code == 0, "and not killed after its grace"
    driver.remove(made)
    driver.close()


def _page(url: str) -> str:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # an http address made above
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
