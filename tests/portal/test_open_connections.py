"""Connections are counted by client; whoever waits idle makes room, and nobody takes everything."""

from __future__ import annotations

import pytest

from portal.front_door.connections import OpenConnections, client_key


class Idle:
    """A connection that notes that it was closed."""

    def __init__(self, connections: OpenConnections) -> None:
        self.closed = False
        self._connections = connections
        connections.add("192.0.2.9")
        connections.set_idle(self, idle=True)

    def close_idle(self) -> None:
        self.closed = True
        self._connections.set_idle(self, idle=False)
        self._connections.remove("192.0.2.9")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_one_customer(address: str, key: str):
    assert client_key(address) == key


def test_a_client_has_a_share_and_others_are_served():
    connections = OpenConnections(total=10, per_client=2)
    assert [connections.add("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert connections.add("192.0.2.2")
    connections.remove("192.0.2.1")
    connections.remove("192.0.2.1")
    assert connections.add("192.0.2.1")


def test_far_beyond_its_share_a_client_is_not_even_answered():
    connections = OpenConnections(total=10, per_client=2)
    for _ in range(4):
        connections.add("192.0.2.1")
    assert not connections.is_flooded("192.0.2.2")
    connections.add("192.0.2.1")
    assert connections.is_flooded("192.0.2.1")


def test_all_together_have_a_limit():
    connections = OpenConnections(total=2, per_client=2)
    assert [connections.add(f"192.0.2.{number}") for number in range(5)] == [True, True, False, False, False]
    assert connections.is_flooded("192.0.2.77")


def test_the_connection_that_was_idle_longest_makes_room():
    connections = OpenConnections(total=2, per_client=2)
    first, second = Idle(connections), Idle(connections)
    assert connections.add("192.0.2.1")
    assert (first.closed, second.closed) == (True, False)
    assert connections.count == 2


def test_a_trusted_proxy_and_a_unix_socket_have_no_share():
    connections = OpenConnections(total=100, per_client=1, proxies=["198.51.100.0/24"])
    assert all(connections.add("198.51.100.7") for _ in range(5))
    assert all(connections.add("") for _ in range(5))
    assert not connections.is_flooded("198.51.100.7")


def test_room_is_asked_for_without_taking_it():
    connections = OpenConnections(total=1, per_client=1)
    assert connections.has_room("192.0.2.1")
    assert connections.count == 0
    connections.add("192.0.2.1")
    assert not connections.has_room("192.0.2.2")
