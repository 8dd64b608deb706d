"""How ssh addresses are written, and what is said about those that are none."""

from __future__ import annotations

import pytest

from apps.drivers.base import EngineRefused
from apps.drivers.ssh.address import DEFAULT_SOCKET, SshAddress, parse_ssh_url

GOOD = {
    "ssh://h": SshAddress("root", "h", 22, DEFAULT_SOCKET),
    "ssh://h/": SshAddress("root", "h", 22, DEFAULT_SOCKET),
    "ssh://ops@h": SshAddress("ops", "h", 22, DEFAULT_SOCKET),
    "ssh://ops@h:2222": SshAddress("ops", "h", 2222, DEFAULT_SOCKET),
    "ssh://ops@h:2222/run/user/1000/docker.sock": SshAddress("ops", "h", 2222, "/run/user/1000/docker.sock"),
    "ssh://ops@[2001:db8::7]:2222": SshAddress("ops", "2001:db8::7", 2222, DEFAULT_SOCKET),
    "ssh://o%40ps@h/with%20space": SshAddress("o@ps", "h", 22, "/with space"),
}


@pytest.mark.parametrize("url", GOOD)
def test_an_address_names_who_where_and_which_socket(url: str):
    assert parse_ssh_url(url) == GOOD[url]


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh:///run/docker.sock", "ssh://ops@", "ssh://h:x", "ssh://h:99999", "ssh://h?x=1", "ssh://h#f"]
)
def test_what_is_no_address_is_answered_with_an_example(url: str):
    with pytest.raises(EngineRefused, match="write it as ssh://user@host"):
        parse_ssh_url(url)


def test_a_password_has_its_own_field():
    with pytest.raises(EngineRefused, match="its own field") as refused:
        parse_ssh_url("ssh://ops:s3cret@h")
    assert "s3cret" not in str(refused.value)
