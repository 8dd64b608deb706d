"""The search for a local engine: found where it answers, never touched where it must not be."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.tools import engine
from portal.tools.apt import PackageUnavailable


@contextmanager
def fake_engine(reply: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="corral-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "docker.sock")
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix://{path}"
        thread.join(5)


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "candidate_urls", lambda: ["unix:///nowhere/docker.sock"])


def test_an_engine_that_answers_its_ping_is_found(monkeypatch: pytest.MonkeyPatch):
    with fake_engine(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        found: list[str] = []
        engine.find_or_install_engine(found.append, threading.Event())
    assert found == [url]


@pytest.mark.parametrize("reply", [b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_what_does_not_answer_as_an_engine_is_none(reply: bytes):
    with fake_engine(reply) as url:
        assert not engine.is_engine(url)


def test_a_remote_docker_host_is_not_taken_for_a_local_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.5:2376")
    monkeypatch.setenv("INSTALL_DOCKER", "0")
    assert "tcp://10.0.0.5:2376" not in engine.candidate_urls()
    assert engine.ensure_engine() is None
    assert "tcp://10.0.0.5:2376 is not a socket of this machine: add it as a host" in capsys.readouterr().out


def test_a_socket_that_docker_host_names_is_the_only_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.delenv("INSTALL_DOCKER", raising=False)
    assert engine.candidate_urls() == ["unix:///nowhere/docker.sock"]
    assert "DOCKER_HOST" in str(engine.reason_not_to_install())


@pytest.mark.usefixtures("no_engine")
def test_an_engine_that_somebody_starts_later_is_found_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INSTALL_DOCKER", "0")
    monkeypatch.setattr(engine, "_RETRY_INTERVAL", 0.01)
    probes = iter([False, False, True])
    monkeypatch.setattr(engine, "is_engine", lambda url: next(probes))
    found: list[str] = []
    engine.find_or_install_engine(found.append, threading.Event())
    assert found == ["unix:///nowhere/docker.sock"]


@pytest.mark.usefixtures("no_engine")
def test_install_docker_0_leaves_the_machine_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("INSTALL_DOCKER", "0")
    monkeypatch.setattr(engine, "install_package", lambda name: pytest.fail(f"{name} was installed"))
    monkeypatch.setattr(engine, "_start", lambda: pytest.fail("an engine was started"))
    engine.find_or_install_engine(lambda url: pytest.fail(f"found {url}"), stopped())
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.usefixtures("no_engine")
def test_without_root_one_line_names_the_remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("INSTALL_DOCKER", "1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    engine.find_or_install_engine(lambda url: pytest.fail(f"found {url}"), stopped())
    assert "member of the group docker" in capsys.readouterr().out


@pytest.mark.usefixtures("no_engine")
def test_a_search_that_breaks_is_logged_and_harms_nobody(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(engine, "ensure_engine", lambda: 1 / 0)
    engine.find_or_install_engine(lambda url: None, stopped())
    assert "hosts can still be added" in caplog.text


def test_an_engine_that_cannot_be_installed_is_said_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def refuse(name: str) -> None:
        raise PackageUnavailable(f"no mirror has {name}")

    monkeypatch.setattr(engine, "local_engine", lambda: None)
    monkeypatch.setattr(engine, "reason_not_to_install", lambda: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(engine, "install_package", refuse)
    assert engine.ensure_engine() is None
    assert (
        "docker.io could not be installed (no mirror has docker.io). Install Docker yourself" in capsys.readouterr().out
    )
