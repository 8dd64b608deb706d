"""Adding a host by ssh: its key is confirmed first, each refusal stands at its field, and no secret comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.db import connection

from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, Invalid
from apps.drivers import registry
from apps.drivers.ssh import keys
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import endpoint_of
from apps.hosts.services import host_create
from apps.hosts.validation import add_user, validate_credentials, validate_url
from tests.drivers.ssh_server import PASSWORD, SshServer
from tests.drivers.stub_engine import StubEngine


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    made = SshServer()
    yield made
    made.stop()


@pytest.fixture
def add(server: SshServer, lab: Environment, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Adds the engine behind the server as a host of the lab; arguments replace the right ones."""
    engine = StubEngine(tmp_path / "paper.sock")
    url = f"ssh://ops@127.0.0.1:{server.port}{tmp_path}/paper.sock"

    def make(**changes: Any) -> Host:
        keys = {"host_key": server.public, "private_key": server.private_key} | changes.pop("tls", {})
        wanted = {"actor": None, "environment": lab, "url": url, "tls": keys} | changes
        return host_create(**wanted)

    yield make
    for row in Host.all_objects.all():
        registry.discard_driver(endpoint_of(row))
    engine.stop()
    server.drop()


def test_a_host_is_reached_through_ssh(add: Callable[..., Host]):
    row = add()
    reconcile_one("host", row.pk)
    row.refresh_from_db()
    assert (row.name, row.display_state, row.engine_id) == ("paper", "active", "PAPER")
    assert row.info["osInfo"]["operatingSystem"] == "Paper OS"


def test_its_address_is_where_ports_are_reached(add: Callable[..., Host]):
    from apps.hosts.selectors import address_of

    assert address_of(add()) == "127.0.0.1"


def test_the_keys_rest_encrypted(add: Callable[..., Host], server: SshServer):
    row = add(tls={"password": "s3cret"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT tls FROM hosts_host WHERE id = %s", [row.pk])
        stored = cursor.fetchone()[0]
    assert "PRIVATE" not in stored
    assert "s3cret" not in stored
    reloaded = endpoint_of(Host.all_objects.get(pk=row.pk))
    assert reloaded == dataclasses.replace(reloaded, private_key=server.private_key, password="s3cret")


def test_no_secret_is_written_down(add: Callable[..., Host], server: SshServer, actor_of: Any):
    add(actor=actor_of("alice"), tls={"password": "s3cret"})
    written = [str(vars(row)) for model in (Operation, AuditEntry) for row in model.all_objects.all()]
    assert any("ssh://ops@127.0.0.1" in text for text in written)
    assert not [text for text in written if "s3cret" in text or "PRIVATE KEY" in text]


def test_the_first_try_tells_the_key_to_be_confirmed(add: Callable[..., Host], server: SshServer):
    before = len(server.users)
    with pytest.raises(Invalid) as refused:
        add(tls={"host_key": ""})
    error = (refused.value.field, refused.value.code, refused.value.detail)
    assert error == ("hostKey", "MissingRequired", server.public)
    assert keys.fingerprint(server.public) in refused.value.message
    assert len(server.users) == before, "credentials were sent before the host key was confirmed"
    assert Host.all_objects.count() == 0
    assert add(tls={"host_key": refused.value.detail}).pk


def test_a_print_confirms_it_too(add: Callable[..., Host], server: SshServer):
    assert add(tls={"host_key": keys.fingerprint(server.public)}).pk


def test_another_key_is_refused_at_its_field(add: Callable[..., Host]):
    other = keys.public_key_line(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(Invalid, match="another key") as refused:
        add(tls={"host_key": other})
    assert (refused.value.field, refused.value.code) == ("hostKey", "InvalidOption")


def test_a_host_whose_key_changes_later_is_refused_with_words(add: Callable[..., Host]):
    row = add()
    registry.discard_driver(endpoint_of(row))
    row.tls = row.tls | {"host_key": keys.public_key_line(asyncssh.generate_private_key("ssh-ed25519"))}
    row.save()
    reconcile_one("host", row.pk)
    row.refresh_from_db()
    assert row.display_state == "error"
    assert "another key than the one that was confirmed" in row.message


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"private_key": ""}, "privateKey"),
        ({"private_key": "rubbish"}, "privateKey"),
        ({"private_key": "", "password": "wrong"}, "password"),
        ({"host_key": "rubbish"}, "hostKey"),
    ],
)
def test_each_refusal_stands_at_its_field(add: Callable[..., Host], keys: dict[str, str], field: str):
    with pytest.raises(Invalid) as refused:
        add(tls=keys)
    assert (refused.value.field, Host.all_objects.count()) == (field, 0)


def test_a_password_lets_in(add: Callable[..., Host]):
    assert add(tls={"private_key": "", "password": PASSWORD}).pk


def test_who_manages_hosts_may_use_ssh_and_others_learn_nothing(add: Callable[..., Host], actor_of: Any):
    for who in ("rex", "rita", "mallory"):
        with pytest.raises(Forbidden):
            add(actor=actor_of(who), tls={"host_key": ""})
    assert add(actor=actor_of("bob")).pk


def test_a_failed_try_leaves_no_driver_behind(add: Callable[..., Host]):
    known = set(registry._drivers)
    with pytest.raises(Invalid):
        add(tls={"private_key": "", "password": "wrong"})
    assert set(registry._drivers) == known


@pytest.mark.parametrize("url", ["ssh://", "ssh://h:0x", "ssh://h:99999", "ssh://a:b@h", "tcp://h:99999", "ssh://[::1"])
def test_bad_addresses_are_refused_with_a_remedy(url: str):
    with pytest.raises(Invalid) as refused:
        validate_url(url)
    assert (refused.value.field, refused.value.code) == ("url", "InvalidFormat")


@pytest.mark.parametrize(
    ("url", "user", "whole"),
    [
        ("ssh://h", "", "ssh://h"),
        ("ssh://h", "ops", "ssh://ops@h"),
        ("ssh://ops@h", "ops", "ssh://ops@h"),
        ("ssh://h:22/x", "a@b", "ssh://a%40b@h:22/x"),
        ("tcp://h:1", "ops", "tcp://h:1"),
    ],
)
def test_the_user_may_be_given_apart(url: str, user: str, whole: str):
    assert add_user(url, user) == whole


def test_two_users_are_one_too_many():
    with pytest.raises(Invalid, match="another user") as refused:
        add_user("ssh://ops@h", "root")
    assert refused.value.field == "user"


def test_only_ssh_needs_something_to_log_in_with():
    assert validate_credentials("tcp://h:1", {"ca": ""}) == {}
    with pytest.raises(Invalid):
        validate_credentials("ssh://h", {"host_key": "x"})
    assert validate_credentials("ssh://h", {"password": "p", "private_key": ""}) == {"password": "p"}
