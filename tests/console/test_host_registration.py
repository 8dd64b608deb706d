"""Adding a host with an agent, unreachable hosts and the timeline in the console."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import asyncssh
import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.services import setting_write
from apps.environments.models import Environment
from apps.hosts.agents import agent_register
from apps.hosts.models import Host, HostEvent, RegistrationToken
from apps.hosts.selectors import network_scope, token_value, verify_token

HX = {"HX-Request": "true"}
KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
CLAIM = {"key": "r", "publicKey": KEY, "hostname": "node-7", "engineId": "ENGINE:7", "agentVersion": "0.1.0"}


def page(client: Any, path: str) -> str:
    return str(unescape(client.get(path).content.decode()))


def command_of(text: str) -> str:
    found = re.search(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)
    return found[1] if found else ""


@pytest.fixture
def ready(browser_as: Any, at: Any) -> Any:
    """A client logged in as bob, whose first visit has created the registration token."""
    bob = browser_as("bob")
    assert command_of(page(bob, at("host-add")))
    reconcile_until_idle()
    return bob


def test_the_page_shows_a_command_whose_last_word_is_a_good_url(ready: Any, at: Any) -> None:
    command = command_of(page(ready, at("host-add")))
    url = command.split(" ")[-1]
    assert url.startswith("http://testserver/v1/scripts/")
    assert verify_token(url.rpartition("/")[2]) == RegistrationToken.all_objects.get()


def test_labels_and_address_are_woven_into_the_command(ready: Any, at: Any) -> None:
    query = {"address": "203.0.113.7", "labels": "disk=ssd\nzone=a b&c'd"}
    text = unescape(ready.get(at("host-add"), query).content.decode())
    words = shlex.split(command_of(text))
    given = [words[n + 1] for n, word in enumerate(words) if word == "-e"]
    assert given == ["CATTLE_AGENT_IP=203.0.113.7", "CATTLE_HOST_LABELS=disk=ssd&zone=a+b%26c%27d"]
    assert words[-1].startswith("http://testserver/v1/scripts/")
    assert 'value="203.0.113.7"' in text


@pytest.mark.parametrize("evil", ["$(reboot)", "a; reboot", "`x`", "' -v /:/host '", '"'])
def test_what_is_typed_cannot_become_another_command(evil: str, ready: Any, at: Any) -> None:
    words = shlex.split(command_of(unescape(ready.get(at("host-add"), {"address": evil}).content.decode())))
    assert f"CATTLE_AGENT_IP={evil}" in words
    assert words[:4] == ["sudo", "docker", "run", "-d"]


def test_a_wrong_label_is_said_beside_the_field(ready: Any, at: Any) -> None:
    text = unescape(ready.get(at("host-add"), {"labels": "no equals sign"}).content.decode())
    assert 'class="wrong"' in text
    assert command_of(text)


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_add_hosts_gets_neither_page_nor_token(who: str, browser_as: Any, at: Any) -> None:
    client = browser_as(who)
    assert client.get(at("host-add")).status_code == 403
    assert client.post(at("token-do", action="rotate"), headers=HX).status_code == 403
    assert RegistrationToken.all_objects.count() == 0


def test_non_members_find_nothing_there(ready: Any, browser_as: Any, at: Any) -> None:
    assert browser_as("mallory").get(at("host-add")).status_code == 404
    assert browser_as("mallory").post(at("token-do", action="rotate"), headers=HX).status_code == 404


def test_a_host_that_called_appears_with_its_link(ready: Any, at: Any) -> None:
    assert "Waiting for the host" in page(ready, at("host-add"))
    agent_register(RegistrationToken.all_objects.get(), CLAIM, address="10.1.2.3")
    text = page(ready, at("host-add"))
    host = Host.all_objects.get()
    assert f'href="{at("host", pk=host.pk)}"' in text
    assert "node-7" in text
    assert "Waiting for the host" not in text
    assert 'data-live="host registrationToken"' in text


def test_a_new_token_ends_the_earlier_commands(ready: Any, at: Any) -> None:
    old = token_value(RegistrationToken.all_objects.get())
    assert ready.post(at("token-do", action="rotate"), headers=HX).status_code == 204
    reconcile_until_idle()
    assert verify_token(old) is None
    new = command_of(page(ready, at("host-add"))).rpartition("/")[2]
    assert verify_token(new) is not None
    recorded = [str(entry.request) for entry in AuditEntry.all_objects.filter(kind="registrationToken")]
    row = RegistrationToken.all_objects.get()
    assert recorded
    assert not [text for text in recorded if row.secret_value in text]


def test_a_revoked_token_can_be_given_again(ready: Any, at: Any) -> None:
    text = token_value(RegistrationToken.all_objects.get())
    ready.post(at("token-do", action="deactivate"), headers=HX)
    reconcile_until_idle()
    page_text = page(ready, at("host-add"))
    assert (verify_token(text), command_of(page_text)) == (None, "")
    assert "The token is revoked" in page_text
    ready.post(at("token-do", action="activate"), headers=HX)
    reconcile_until_idle()
    assert verify_token(text) is not None
    assert command_of(page(ready, at("host-add")))


@pytest.mark.parametrize(("method", "action", "status"), [("get", "rotate", 405), ("post", "purge", 404)])
def test_other_things_cannot_be_done_to_a_token(method: str, action: str, status: int, ready: Any, at: Any) -> None:
    assert getattr(ready, method)(at("token-do", action=action), headers=HX).status_code == status


@pytest.mark.parametrize(
    ("base", "near"),
    [
        ("http://localhost:8080", "local"),
        ("http://127.0.0.1", "local"),
        ("http://[::1]:80", "local"),
        ("http://0.0.0.0", "local"),
        ("http://10.0.0.1", "private"),
        ("http://192.168.1.2:8080", "private"),
        ("http://[fd00::1]", "private"),
        ("http://portal", "private"),
        ("http://portal.local", "private"),
        ("https://portal.example.com", ""),
        ("https://8.8.8.8", ""),
    ],
)
def test_how_far_an_address_reaches(base: str, near: str) -> None:
    assert network_scope(base) == near


def test_an_address_that_others_cannot_reach_is_warned_about(ready: Any, at: Any, actor_of: Any) -> None:
    setting_write("api.host", "http://localhost:8080", actor=actor_of("root"))
    assert "that machine itself" in page(ready, at("host-add"))
    setting_write("api.host", "http://192.168.0.5", actor=actor_of("root"))
    assert "a private address" in page(ready, at("host-add"))
    setting_write("api.host", "https://portal.example.com", actor=actor_of("root"))
    text = page(ready, at("host-add"))
    assert "a private address" not in text
    assert command_of(text).split(" ")[-1].startswith("https://portal.example.com/v1/scripts/")


def test_a_host_that_is_away_is_grey_and_says_since_when(host: Host, browser_as: Any, at: Any) -> None:
    rita = browser_as("rita")
    assert "is-away" not in page(rita, at("host", pk=host.pk)) + page(rita, at("hosts"))
    seen = timezone.now() - timedelta(minutes=7)
    Host.all_objects.filter(pk=host.pk).update(state="disconnected", seen_at=seen)
    text = page(rita, at("host", pk=host.pk))
    assert "is-away" in text
    assert "Host unreachable" in text
    assert "7 min ago" in text
    assert 'class="is-away"' in page(rita, at("hosts"))


def test_what_runs_on_a_host_that_is_away_is_as_old_as_its_last_sight(
    host: Host, container: Container, browser_as: Any, at: Any
) -> None:
    seen = timezone.now() - timedelta(minutes=9)
    Host.all_objects.filter(pk=host.pk).update(state="reconnecting", seen_at=seen)
    text = page(browser_as("rita"), at("container", pk=container.pk))
    assert "is-stale" in text
    assert "9 min ago" in text


@pytest.mark.parametrize(("skew", "is_reported"), [(0.0, False), (4.9, False), (-5.1, True), (301.0, True)])
def test_a_clock_that_is_off_is_reported(skew: float, is_reported: bool, host: Host, browser_as: Any, at: Any) -> None:
    Host.all_objects.filter(pk=host.pk).update(skew=skew)
    assert ("This host's clock differs" in page(browser_as("rita"), at("host", pk=host.pk))) is is_reported


@pytest.fixture
def note(host: Host) -> Callable[..., HostEvent]:
    """Records an event in the timeline of the host."""

    def make(action: str, **fields: Any) -> HostEvent:
        values = {"at": timezone.now(), "kind": "container", "subject": "c0ffee", "name": "web", **fields}
        return HostEvent.objects.create(host=host, action=action, **values)

    return make


def test_the_timeline_tells_what_happened_and_what_was_learned_late(
    host: Host, container: Container, note: Callable[..., HostEvent], browser_as: Any, at: Any
) -> None:
    note("start", subject=container.external_id, name="engine-name")
    note("die", at=timezone.now() - timedelta(minutes=3), details={"exitCode": "137"})
    note("lost", kind="gap", details={"count": 12})
    note("lost", kind="gap", details={"count": 1})
    text = page(browser_as("rita"), at("host-timeline", pk=host.pk))
    assert f'href="{at("container", pk=container.pk)}"' in text
    assert "exitCode 137" in text
    assert text.count("learned late") == 1
    assert "12 earlier events were lost" in text
    assert "1 earlier event was lost" in text


def test_the_timeline_is_filtered(host: Host, note: Callable[..., HostEvent], browser_as: Any, at: Any) -> None:
    note("start", name="alpha")
    note("pull", kind="image", name="beta:1")
    rita = browser_as("rita")
    path = at("host-timeline", pk=host.pk)
    assert "beta:1" not in page(rita, f"{path}?q=alpha")
    assert "alpha" not in page(rita, f"{path}?kind=image").replace('value="alpha"', "")
    assert "Nothing matches" in page(rita, f"{path}?q=nowhere")


def test_an_empty_timeline_says_what_will_be_there(host: Host, browser_as: Any, at: Any) -> None:
    assert "Nothing happened yet" in page(browser_as("rita"), at("host-timeline", pk=host.pk))


def test_a_foreign_hosts_timeline_is_not_there(host: Host, browser_as: Any, at: Any, lab: Environment) -> None:
    assert browser_as("mallory").get(at("host-timeline", pk=host.pk)).status_code == 404
    assert browser_as("alice").get(at("host-timeline", pk=host.pk + 1)).status_code == 404
