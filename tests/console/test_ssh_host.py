"""Adding a host by SSH: its key is shown and must be confirmed, and no secret is ever sent back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from apps.drivers import registry
from apps.drivers.ssh import keys
from apps.hosts.models import Host
from apps.hosts.selectors import endpoint_of
from tests.drivers.ssh_server import PASSWORD, SshServer
from tests.drivers.stub_engine import StubEngine

HX = {"HX-Request": "true"}


@pytest.fixture
def server(db: None) -> Iterator[SshServer]:
    made = SshServer()
    yield made
    for row in Host.all_objects.all():
        registry.discard_driver(endpoint_of(row))
    made.stop()


@pytest.fixture
def form(server: SshServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The form of somebody who does not know the host key."""
    engine = StubEngine(tmp_path / "paper.sock")
    yield {"url": f"ssh://ops@127.0.0.1:{server.port}{tmp_path}/paper.sock", "privateKey": server.private_key}
    engine.stop()


def test_the_shown_key_is_confirmed_with_a_tick(browser_as: Any, at: Any, form: dict[str, str], server: SshServer):
    bob = browser_as("bob")
    first = bob.post(at("host-new"), form, headers=HX)
    page = first.content.decode()
    assert first.status_code == 422
    assert keys.fingerprint(server.public) in page
    assert f'value="{server.public}"' in page
    assert not Host.all_objects.exists()
    second = bob.post(at("host-new"), {**form, "confirmedKey": server.public}, headers=HX)
    row = Host.all_objects.get()
    assert second["HX-Redirect"] == at("host", pk=row.pk)
    assert row.tls["host_key"] == server.public


def test_a_print_that_is_known_already_spares_the_tick(
    browser_as: Any, at: Any, form: dict[str, str], server: SshServer
):
    sent = {**form, "hostKey": keys.fingerprint(server.public)}
    assert "HX-Redirect" in browser_as("bob").post(at("host-new"), sent, headers=HX)


def test_a_password_lets_in(browser_as: Any, at: Any, form: dict[str, str], server: SshServer):
    sent = {**form, "privateKey": "", "password": PASSWORD, "hostKey": server.public}
    assert "HX-Redirect" in browser_as("bob").post(at("host-new"), sent, headers=HX)


def test_another_key_than_expected_is_said_and_may_be_confirmed(
    browser_as: Any, at: Any, form: dict[str, str], server: SshServer
):
    other = keys.public_key_line(asyncssh.generate_private_key("ssh-ed25519"))
    answer = browser_as("bob").post(at("host-new"), {**form, "hostKey": other}, headers=HX)
    assert answer.status_code == 422
    assert b"shows another key" in answer.content
    assert server.public in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"privateKey": ""}, "Give a private key or a password"),
        ({"privateKey": "rubbish"}, "This is not a private key"),
        ({"url": "ssh://"}, "write it as ssh://user@host"),
        ({"url": "ssh://a:b@h"}, "its own field"),
        ({"hostKey": "rubbish"}, "This is not a host key"),
    ],
)
def test_bad_input_is_refused_in_words(
    browser_as: Any, at: Any, form: dict[str, str], server: SshServer, changes: dict[str, str], words: str
):
    answer = browser_as("bob").post(at("host-new"), {**form, "hostKey": server.public, **changes}, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_no_secret_comes_back(browser_as: Any, at: Any, form: dict[str, str], server: SshServer):
    bob = browser_as("bob")
    pages = [bob.post(at("host-new"), {**form, "password": "VERY-PRIVATE"}, headers=HX)]
    assert "HX-Redirect" in bob.post(at("host-new"), {**form, "hostKey": server.public}, headers=HX)
    row = Host.all_objects.get()
    pages += [bob.get(at("host", pk=row.pk)), bob.get(at("hosts"))]
    secret = server.private_key.splitlines()[3]
    for page in pages:
        assert "VERY-PRIVATE" not in page.content.decode()
        assert secret not in page.content.decode()


def test_who_may_not_add_hosts_is_shown_nothing(browser_as: Any, at: Any, form: dict[str, str], server: SshServer):
    answer = browser_as("rex").post(at("host-new"), form, headers=HX)
    assert answer.status_code == 403
    assert server.public not in answer.content.decode()
