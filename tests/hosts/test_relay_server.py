"""Hosts held by another process: who gets through its relay, and what a process without a tunnel gets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.drivers.base import Endpoint, EngineDown
from apps.drivers.docker.tls_stream import TlsStream
from apps.environments.models import Environment
from apps.hosts.models import Host, PortalKey
from apps.hosts.tunnels import dialer, leases, relay_server
from apps.hosts.tunnels.keys import get_portal_key, normalize_ssh_key

UUID = "0b7d1b5e-0000-4000-8000-000000000001"


@pytest.fixture
def keys(db: None) -> PortalKey:
    return get_portal_key()


def test_a_request_line_grants_access_to_its_host_for_a_short_time(keys: PortalKey) -> None:
    line = relay_server.sign_request(keys, UUID, now=1000.0)
    assert relay_server.verify_request(keys, line, now=1000.0) == UUID
    assert relay_server.verify_request(keys, line, now=1030.0) == UUID
    assert relay_server.verify_request(keys, line, now=1031.0) is None
    assert relay_server.verify_request(keys, line, now=900.0) is None


def test_a_changed_line_opens_nothing(keys: PortalKey) -> None:
    host, until, mac = relay_server.sign_request(keys, UUID, now=1000.0).decode().split()
    other = UUID.replace("1", "2")
    for words in ([other, until, mac], [host, "1029", mac], [host, until, mac[:-1] + "x"], [host, until], [host]):
        assert relay_server.verify_request(keys, " ".join(words).encode(), now=1000.0) is None


@pytest.mark.parametrize("line", [b"", b"\n", b"GET / HTTP/1.1\r\n", b"\xff\xfe a b", b"a b c d", b"a \xb2 c"])
def test_rubbish_opens_nothing(line: bytes, keys: PortalKey) -> None:
    assert relay_server.verify_request(keys, line) is None


def test_a_line_of_another_installation_opens_nothing(keys: PortalKey) -> None:
    other = PortalKey(name="x", relay_key="another")
    assert relay_server.verify_request(keys, relay_server.sign_request(other, UUID)) is None


@pytest.fixture
def far_host(lab: Environment) -> Host:
    row: Host = Host.all_objects.create(environment=lab, uuid=UUID, url=f"agent://{UUID}", desired="active")
    return row


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({}, "not connected"),
        ({"gateway": "tun-1", "tunnel_socket": "/none"}, "not connected"),
        ({"gateway": "tun-1", "tunnel_socket": "/none", "until": -1}, "not connected"),
        ({"gateway": "tun-1", "tunnel_socket": "/none", "until": 9}, "TUNNEL_HOST"),
    ],
)
def test_a_host_that_cannot_be_reached_says_why(held: dict[str, Any], words: str, far_host: Host) -> None:
    until = held.pop("until", None)
    when = timezone.now() + timedelta(seconds=until) if until is not None else None
    Host.all_objects.filter(pk=far_host.pk).update(**held, gateway_until=when)
    with pytest.raises(EngineDown, match=words):
        dialer.dial(Endpoint(far_host.url), TlsStream)


def test_a_socket_that_its_process_left_behind_is_not_believed(far_host: Host, tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch()
    until = timezone.now() + timedelta(seconds=9)
    Host.all_objects.update(gateway="tun-1", gateway_until=until, tunnel_socket=str(path))
    with pytest.raises(EngineDown):
        dialer.dial(Endpoint(far_host.url), TlsStream)


def test_a_relay_that_nobody_serves_is_a_connection_error(far_host: Host) -> None:
    until = timezone.now() + timedelta(seconds=9)
    Host.all_objects.update(gateway="tun-1", gateway_until=until, tunnel_socket="/none", tunnel_address="127.0.0.1:1")
    with pytest.raises(OSError, match="refused"):
        dialer.dial(Endpoint(far_host.url), TlsStream)


def test_leases_are_taken_renewed_and_lost(far_host: Host) -> None:
    leases.acquire(far_host.pk, "/a", "")
    assert leases.renew([(far_host.pk, "/a")]) == set()
    leases.acquire(far_host.pk, "/b", "")
    assert leases.renew([(far_host.pk, "/a"), (far_host.pk, "/b")]) == {"/a"}
    leases.release(far_host.pk, "/a")
    assert Host.all_objects.get().tunnel_socket == "/b"
    leases.release(far_host.pk, "/b")
    assert (Host.all_objects.get().gateway, Host.all_objects.get().gateway_until) == ("", None)


def test_another_process_takes_over_and_the_first_hears_of_it(far_host: Host, monkeypatch: Any) -> None:
    leases.acquire(far_host.pk, "/a", "")
    Host.all_objects.update(gateway="tun-other")
    assert leases.renew([(far_host.pk, "/a")]) == {"/a"}
    leases.release(far_host.pk, "/a")
    assert Host.all_objects.get().gateway == "tun-other"


def test_only_leases_that_ran_out_are_freed(far_host: Host) -> None:
    leases.acquire(far_host.pk, "/a", "")
    assert leases.release_expired() == 0
    Host.all_objects.update(gateway_until=timezone.now() - timedelta(seconds=1))
    assert (leases.release_expired(), leases.release_expired()) == (1, 0)


def test_keys_are_ed25519_and_without_their_comments(keys: PortalKey) -> None:
    assert normalize_ssh_key(f"{keys.public} somebody@somewhere") == keys.public
    for bad in ("", "x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==", "é"):
        assert normalize_ssh_key(bad) is None
