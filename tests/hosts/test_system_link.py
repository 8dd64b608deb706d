"""The portal at a system container, as an engine's exec would lead it there: what it may do, and who may do it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from apps.drivers.base import EngineDown, StreamName
from apps.hosts.system_container import link
from apps.hosts.tunnels.agent_http import AgentResponseError, get, get_json, put_json
from corral_agent import keys, leave, stdio, system_agent
from corral_agent.options import BadOption, parse
from corral_agent.simulated.engine import SimulatedEngine
from corral_agent.system_agent import SystemAgent

ROOT = Path(__file__).parents[2]


class Session:
    """An exec session that leads to a unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def read(self, size: int = 65536) -> bytes:
        try:
            return self._socket.recv(size)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise EngineDown("gone") from None

    def read_stream(self) -> tuple[StreamName, bytes]:
        return "stdout", self.read()

    def end_input(self) -> None: ...

    def resize(self, columns: int, rows: int) -> None: ...

    def exit_code(self) -> int | None:
        return 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.asynccontextmanager
async def running(folder: Path, portal_key: str) -> AsyncIterator[Path]:
    """A system container's program; where it listens."""
    path = folder / "portal.sock"
    agent = SystemAgent(SimulatedEngine("s1", "SIM:1"), folder / "state", keys.public_key_line(portal_key), str(path))
    task = asyncio.ensure_future(agent.run())
    while not path.exists():  # noqa: ASYNC110 - nobody says when it listens
        await asyncio.sleep(0.005)
    try:
        async with asyncio.timeout(60):
            yield path
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_agent, "_make_tun_device", lambda: None)
    monkeypatch.setattr(system_agent, "remove_devices", lambda: "")
    monkeypatch.setattr(system_agent, "LEFT", tmp_path / "left")


def test_documents_and_checks_go_in_and_nothing_else(tmp_path: Path):
    async def main() -> None:
        key = keys.create_private_key()
        async with running(tmp_path, key) as path, link.connect(Session(path), key) as connection:
            hello = await get_json(connection, "/corral/v1/hello")
            assert (hello["checks"], hello["readOnly"]) == (True, False)
            assert "network" in hello["documents"]
            answer = await put_json(connection, "/corral/v1/checks", {"version": 7, "checks": []})
            assert answer == {"version": 7}
            for request in ("/containers/json", "/events", "/v1.41/info"):
                with pytest.raises(AgentResponseError, match="403"):
                    await get(connection, request)

    asyncio.run(main())


def test_another_key_is_not_let_in(tmp_path: Path):
    async def main() -> None:
        async with running(tmp_path, keys.create_private_key()) as path:
            with pytest.raises(asyncssh.PermissionDenied):
                async with link.connect(Session(path), keys.create_private_key()):
                    pass

    asyncio.run(main())


def test_the_connection_ends_with_the_session(tmp_path: Path):
    async def main() -> None:
        key = keys.create_private_key()
        async with running(tmp_path, key) as path:
            session = Session(path)
            async with link.connect(session, key) as connection:
                session.close()
                await connection.wait_closed()

    asyncio.run(main())


def test_it_leaves_on_request_and_stays_away(tmp_path: Path):
    async def main() -> None:
        async with running(tmp_path, keys.create_private_key()) as path:
            assert (tmp_path / "state").exists()
            assert await asyncio.to_thread(leave.main, os.getpid(), tmp_path / "left", 60) == 0
            assert not (tmp_path / "state").exists()
            with pytest.raises(OSError, match="refused"):
                Session(path)

    asyncio.run(main())


def test_what_it_cannot_take_away_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any):
    monkeypatch.setattr(os, "kill", lambda *_: None)
    (tmp_path / "left").write_text("ip link del: busy")
    assert leave.main(1, tmp_path / "left") == 1
    assert leave.main(1, tmp_path / "never", 0.0) == 1
    assert capsys.readouterr().out.startswith("ip link del: busyThe system container did not")


def test_standard_input_and_output_are_the_connection(tmp_path: Path):
    path = tmp_path / "echo.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def shout() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

        threading.Thread(target=shout, daemon=True).start()
        code = f"import sys; from corral_agent import stdio; sys.exit(stdio.main({str(path)!r}))"
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "agent")}
        pipe = subprocess.PIPE
        with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, env=environment) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(b"hello")
            program.stdin.flush()
            assert program.stdout.read() == b"HELLO"
    assert program.returncode == 0


def test_where_nobody_listens_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stdio, "_PATIENCE", 0.0)
    assert stdio.main(str(tmp_path / "nobody.sock")) == 1


def test_the_portal_s_key_is_needed():
    with pytest.raises(BadOption, match="CORRAL_PORTAL_KEY"):
        parse(["--system"], {})
    assert parse(["--system"], {"CORRAL_PORTAL_KEY": "k"}).portal_key == "k"


def test_a_key_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(BadOption, match="CORRAL_PORTAL_KEY"):
        SystemAgent(SimulatedEngine("s1", "SIM:1"), tmp_path, "nonsense")
