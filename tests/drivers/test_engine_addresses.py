"""Engines are dialed at the address that was allowed, and at no other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from apps.drivers import engine_addresses
from apps.drivers.base import Endpoint, EngineRefused
from apps.drivers.docker.connections import connect


@pytest.fixture
def only_private() -> Iterator[None]:
    engine_addresses.allow_networks(["10.0.0.0/8", "fd00::/8"])
    yield
    engine_addresses.allow_networks([])


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fe80::1%lo"])
def test_a_link_local_address_is_never_dialed(address: str) -> None:
    assert not engine_addresses.is_allowed(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.5", "8.8.8.8", "::1"])
def test_without_networks_any_other_may_be(address: str) -> None:
    assert engine_addresses.is_allowed(address)


@pytest.mark.parametrize(
    ("address", "may"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("fd00::7", True), ("127.0.0.1", False), ("11.0.0.1", False)],
)
def test_the_operator_names_the_networks(only_private: None, address: str, may: bool) -> None:
    assert engine_addresses.is_allowed(address) is may


def test_a_wrong_network_is_refused() -> None:
    with pytest.raises(ValueError, match="has host bits set"):
        engine_addresses.allow_networks(["10.0.0.1/8"])


def test_a_name_that_leads_there_is_refused_before_anything_is_dialed(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "engine.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    dialed: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda address, **_: dialed.append(address))
    with pytest.raises(EngineRefused, match="link-local"):
        connect(Endpoint("tcp://engine.example:2375"))
    assert dialed == []


def test_the_second_address_is_tried_when_the_first_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def resolve(_host: str, _port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]

        found = engine_addresses_of(monkeypatch, resolve, port)
        assert found == [("127.0.0.2", port), ("127.0.0.1", port)]
        connect(Endpoint(f"tcp://engine.example:{port}")).close()


def engine_addresses_of(monkeypatch: pytest.MonkeyPatch, resolve: Any, port: int) -> list[tuple[str, int]]:
    real = socket.getaddrinfo

    def answer(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolve(host, *args, **kwargs) if host == "engine.example" else real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return list(engine_addresses.resolve_engine("engine.example", port))
