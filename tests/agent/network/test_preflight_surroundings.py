"""What the check sees of the host besides: name servers that answer, refuse or are silent, and what commands say."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral_agent.network import commands, preflight_surroundings
from corral_agent.network.commands import CommandFailed
from corral_agent.network.document import parse_document
from corral_agent.network.preflight_surroundings import check_names, read_overlapping_routes, read_received
from tests.agent.network.documents import KEY_TWO, encrypted_document, plain_document

REFUSED = 0x8005


@pytest.fixture
def server() -> Iterator[int]:
    """Answers every question at 127.0.0.1 with a refusal, after a message that is no answer to it; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, sender = sock.recvfrom(512)
                if not question:
                    return
                sock.sendto(b"noise", sender)
                sock.sendto(question[:2] + REFUSED.to_bytes(2) + question[4:], sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(sock.getsockname()[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"", sock.getsockname())
        thread.join(30)


def test_a_refusal_is_an_answer_and_silence_is_none(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight_surroundings, "SERVICE_ADDRESS", "127.0.0.1")
    monkeypatch.setattr(preflight_surroundings, "_TIMEOUT", 0.5)
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\nnameserver 127.0.0.9\n")
    found = asyncio.run(check_names(conf, server))
    assert found["own"] is True
    assert found["upstream"] == {"127.0.0.1": True, "127.0.0.9": False}


def test_a_host_without_a_resolv_conf_has_no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight_surroundings, "SERVICE_ADDRESS", "127.0.0.9")
    monkeypatch.setattr(preflight_surroundings, "_TIMEOUT", 0.05)
    assert asyncio.run(check_names(tmp_path / "none", 9)) == {"own": False, "upstream": {}}


def test_routes_come_from_the_system(monkeypatch: pytest.MonkeyPatch):
    rows = [{"dst": "10.42.3.0/24", "dev": "br-1"}, {"dst": "default", "dev": "eth0"}]
    monkeypatch.setattr(commands, "read_rows", lambda _command: rows)
    assert read_overlapping_routes(parse_document(plain_document())) == ["10.42.3.0/24 via br-1"]


def test_what_wireguard_received_is_nothing_without_it(monkeypatch: pytest.MonkeyPatch):
    def run(_command: tuple[str, ...]) -> str:
        raise CommandFailed("wg: not found")

    monkeypatch.setattr(commands, "run", lambda _command: f"{KEY_TWO}\t12\t0\n")
    assert read_received(parse_document(plain_document())) == {}
    assert read_received(parse_document(encrypted_document())) == {KEY_TWO: 12}
    monkeypatch.setattr(commands, "run", run)
    assert read_received(parse_document(encrypted_document())) == {}
