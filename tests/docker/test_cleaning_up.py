"""The engines of the tests leave nothing behind, however they end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import docker
import pytest

from tests import engine as engines
from tests.docker.portal_process import wait_until

pytestmark = pytest.mark.docker


def containerd_shims(folder: Path) -> list[str]:
    """The processes that keep containers of the engine in this folder."""
    listed = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return [words.decode() for words in listed if b"containerd-shim" in words and bytes(folder) in words]


def test_a_killed_engine_s_containers_end_with_it():
    made = engines.start()
    try:
        terminal = docker.APIClient(base_url=made.url, version="auto")
        terminal.start(terminal.create_container("bb:local", name="orphan"))
        assert containerd_shims(made.folder)
        os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()
        assert containerd_shims(made.folder)
    finally:
        engines.stop(made)
    wait_until(lambda: not containerd_shims(made.folder), seconds=60, what="its containers are gone")
    assert not made.folder.exists()
