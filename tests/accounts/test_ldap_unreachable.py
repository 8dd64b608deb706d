"""A directory that cannot be asked: the login answers soon, with the real reason, and nobody gets in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.providers.errors import DirectoryDown
from tests.accounts.certificate_authority import certificate_authority
from tests.accounts.slapd import PASSWORD, Slapd, free_port

pytestmark = pytest.mark.servers  # not for a server of their own, but for the seconds they wait
Configure = Callable[..., Any]


def plain(port: int, **changes: Any) -> dict[str, Any]:
    known = {"server": "127.0.0.1", "port": port, "domain": "dc=example", "serviceAccountUsername": "cn=x"}
    return {**known, "serviceAccountPassword": "secret-of-x", **changes}


def reason(name: str = "ann") -> str:
    """Why the login could not be decided; it took less than five seconds."""
    began = time.monotonic()
    with pytest.raises(DirectoryDown) as caught:
        authenticate(None, username=name, password=PASSWORD)
    assert time.monotonic() - began < 5
    assert (caught.value.status, caught.value.code) == (500, "LdapDown")
    return caught.value.message


@pytest.mark.parametrize("how", [{}, {"tls": True}, {"startTls": True}, {"tls": True, "connectionTimeout": 60000}])
def test_a_server_that_says_nothing_is_given_up(people: Any, silent: int, configure: Configure, how: dict[str, Any]):
    pytest.importorskip("ldap")
    configure("openldap", plain(silent, **how))
    assert "no answer within" in reason()


def test_many_silent_servers_together_are_given_up_as_soon(people: Any, silent: int, configure: Configure):
    pytest.importorskip("ldap")
    configure("openldap", plain(silent, server="127.0.0.1, 127.0.0.1 127.0.0.1;127.0.0.1", connectionTimeout=5000))
    with pytest.raises(DirectoryDown) as caught:
        authenticate(None, username="ann", password=PASSWORD)
    assert caught.value.message.count("no answer within") == 1
    assert caught.value.admin_detail.count(f"127.0.0.1:{silent}: no answer within") == 4


def test_a_port_where_nothing_listens_is_named_to_administrators_only(people: Any, configure: Configure):
    pytest.importorskip("ldap")
    port = free_port()
    configure("openldap", plain(port))
    assert reason() == "The directory cannot be reached: nothing listens there."
    with pytest.raises(DirectoryDown) as caught:
        authenticate(None, username="ann", password=PASSWORD)
    assert f"127.0.0.1:{port}: nothing listens there" in caught.value.admin_detail


def test_a_server_that_is_no_directory_is_reported(people: Any, fake_github: Any, configure: Configure):
    pytest.importorskip("ldap")
    configure("openldap", plain(int(fake_github.host.partition(":")[2])))
    assert "LDAP server" in reason() or "no answer" in reason()


def test_local_accounts_log_in_while_the_directory_is_down(people: Any, silent: int, configure: Configure):
    pytest.importorskip("ldap")
    configure("openldap", plain(silent))
    people.root.set_password("a password kept here")
    people.root.save()
    began = time.monotonic()
    assert authenticate(None, username="root", password="a password kept here") == people.root
    assert time.monotonic() - began < 3  # it was not asked: its silence would take 3.5 s


def test_a_good_certificate_is_taken(people: Any, slapd: Slapd, configure: Configure):
    configure("openldap", slapd.config(tls=True, port=slapd.tls_port, caCertificate=slapd.ca))
    assert authenticate(None, username="ann", password=PASSWORD) is not None


def test_start_tls_is_spoken(people: Any, slapd: Slapd, configure: Configure):
    configure("openldap", slapd.config(startTls=True, caCertificate=slapd.ca))
    assert authenticate(None, username="ann", password=PASSWORD) is not None


@pytest.mark.parametrize("how", ["tls", "startTls"])
def test_a_certificate_of_another_authority_is_refused_by_name(
    people: Any, slapd: Slapd, configure: Configure, how: str
):
    port = slapd.tls_port if how == "tls" else slapd.port
    configure("openldap", slapd.config(**{how: True}, port=port, caCertificate=certificate_authority()[0]))
    assert "its certificate was refused" in reason()


def test_without_a_certificate_authority_the_system_s_are_asked(people: Any, slapd: Slapd, configure: Configure):
    configure("openldap", slapd.config(tls=True, port=slapd.tls_port))
    assert "its certificate was refused" in reason()


def test_tls_to_a_port_without_it_is_reported(people: Any, slapd: Slapd, configure: Configure):
    configure("openldap", slapd.config(tls=True, caCertificate=slapd.ca))
    assert "TLS" in reason() or "hung up" in reason()


def test_the_next_server_of_the_list_is_asked(people: Any, slapd: Slapd, silent: int, configure: Configure):
    servers = f"127.0.0.1:{free_port()}, 127.0.0.1:{silent} 127.0.0.1:{slapd.port}"
    configure("openldap", slapd.config(server=servers))
    assert authenticate(None, username="ann", password=PASSWORD) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serviceAccountPassword": "wrong"}, "service account"),
        ({"serviceAccountUsername": "cn=nobody,dc=example,dc=test"}, "service account"),
        ({"domain": "dc=elsewhere,dc=test"}, "search base"),
        ({"serviceAccountUsername": "not a dn"}, "Invalid DN"),
    ],
)
def test_a_wrong_configuration_is_not_taken_for_a_wrong_password(
    people: Any, slapd: Slapd, configure: Configure, changes: dict[str, Any], words: str
):
    configure("openldap", slapd.config(**changes))
    assert words in reason()


def test_a_directory_that_works_counts_beside_one_that_is_down(
    people: Any, slapd: Slapd, silent: int, configure: Configure
):
    configure("ad", plain(silent))
    configure("openldap", slapd.config())
    assert authenticate(None, username="ann", password=PASSWORD) is not None
    assert "no answer within" in reason("nobody")
