"""What is said about where a host or the portal is: near or far, in commands that a shell takes as they are meant."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.hosts import selectors
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import (
    address_of,
    endpoint_of,
    lost_since,
    network_scope,
    registration_command,
    reschedules_at,
)
from apps.hosts.services import _check_labels
from apps.hosts.validation import add_user, validate_credentials, validate_url

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = RegistrationToken(public_value="ABC", secret_value="s" * 43)


@pytest.mark.parametrize(
    ("base", "who"),
    [
        ("http://localhost:8080", "local"),
        ("http://LOCALHOST", "local"),
        ("http://portal.localhost:9000/v1", "local"),
        ("http://127.0.0.1", "local"),
        ("http://127.8.9.1:80", "local"),
        ("http://[::1]:8080", "local"),
        ("http://0.0.0.0:8080", "local"),
        ("http://[::]", "local"),
        ("http://10.1.2.3", "private"),
        ("http://192.168.0.9:8080", "private"),
        ("http://172.16.0.1", "private"),
        ("http://169.254.1.1", "private"),
        ("http://[fd00::1]", "private"),
        ("http://[fe80::1]", "private"),
        ("http://portal", "private"),
        ("http://portal.", "private"),
        ("http://portal.local", "private"),
        ("http://nas.lan:8080", "private"),
        ("http://corral.internal", "private"),
        ("https://corral.example.com", ""),
        ("https://8.8.8.8", ""),
        ("https://[2606:4700::1111]", ""),
        ("https://localhost.example.com", ""),
        ("https://10.1.2.3.example.com", ""),
    ],
)
def test_who_reaches_a_portal_shows_in_its_address(base: str, who: str) -> None:
    assert network_scope(base) == who


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"address": "203.0.113.7", "url": "tcp://10.0.0.5:2376"}, "203.0.113.7"),
        ({"url": "tcp://10.0.0.5:2376"}, "10.0.0.5"),
        ({"url": "ssh://root@far.example.com:2222"}, "far.example.com"),
        ({"url": "tcp://[fd00::5]:2376"}, "fd00::5"),
        ({"url": "unix:///var/run/docker.sock"}, "127.0.0.1"),
    ],
)
def test_ports_are_reached_where_people_say_or_where_the_engine_is(fields: dict[str, str], address: str) -> None:
    assert address_of(Host(**fields)) == address


def test_an_endpoint_has_what_opens_it_and_nothing_else() -> None:
    tls = {"ca": "CA", "cert": "C", "key": "K", "note": "not for the driver"}
    found = endpoint_of(Host(url="tcp://h:1", tls=tls))
    assert (found.url, found.ca, found.cert, found.key, found.password) == ("tcp://h:1", "CA", "C", "K", "")
    assert endpoint_of(Host(url="tcp://h:1", tls=None)) == endpoint_of(Host(url="tcp://h:1"))


LOST = NOW + timedelta(seconds=40)


@pytest.mark.parametrize(
    ("seen", "lost", "after", "when"),
    [
        pytest.param(NOW, None, 60, None, id="a host that answers is not given up"),
        pytest.param(NOW, LOST, None, None, id="never"),
        pytest.param(NOW, LOST, 60, NOW + timedelta(seconds=60), id="counted from the last contact"),
        pytest.param(NOW, LOST, 0, LOST + timedelta(seconds=10), id="never before the portal is sure itself"),
        pytest.param(NOW, LOST, 49, LOST + timedelta(seconds=10), id="nearly sure"),
        pytest.param(NOW, LOST, 50, LOST + timedelta(seconds=10), id="just sure"),
        pytest.param(None, LOST, 60, LOST + timedelta(seconds=60), id="one that never answered counts from its loss"),
    ],
)
def test_when_a_lost_host_is_given_up(seen: Any, lost: Any, after: int | None, when: Any) -> None:
    assert reschedules_at(Host(seen_at=seen, lost_at=lost), after) == when


def test_a_lost_host_was_there_when_it_was_seen() -> None:
    assert lost_since(Host(seen_at=NOW, lost_at=LOST)) == NOW
    assert lost_since(Host(seen_at=None, lost_at=LOST)) == LOST
    assert lost_since(Host(seen_at=NOW, lost_at=None)) is None


@pytest.fixture
def addresses_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "setting", lambda _name: "corral/agent:1")


def command(**more: Any) -> dict[str, str]:
    return registration_command(TOKEN, "https://corral.example.com/v1/", **more)


def test_the_four_fields_agree_about_the_token(addresses_set: None) -> None:
    found = command()
    assert found["token"].startswith("ABC:")
    assert found["registrationUrl"] == f"https://corral.example.com/v1/scripts/{found['token']}"
    for name in ("command", "script", "process"):
        assert found["registrationUrl"] in shlex.split(found[name])


def test_a_plain_command_names_image_and_socket_and_no_environment(addresses_set: None) -> None:
    words = shlex.split(command()["command"])
    assert words[:4] == ["sudo", "docker", "run", "-d"]
    assert words[-2] == "corral/agent:1"
    assert "/var/run/docker.sock:/var/run/docker.sock" in words
    assert "-e" not in words
    assert "CATTLE" not in command()["script"]


def test_labels_and_address_are_woven_into_every_form(addresses_set: None) -> None:
    found = command(labels={"zone": "a"}, address="10.0.0.9")
    for name in ("command", "script", "process"):
        words = shlex.split(found[name].replace("|", " "))
        assert {"CATTLE_AGENT_IP=10.0.0.9", "CATTLE_HOST_LABELS=zone=a"} <= set(words)


TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=1, max_size=12
)


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3))
def test_no_label_breaks_out_of_the_command(labels: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selectors, "setting", lambda _name: "corral/agent:1")
        words = shlex.split(command(labels=labels)["command"])
        plain = shlex.split(command()["command"])
    at = words.index("-e")
    assert [*words[:at], *words[at + 2 :]] == plain
    label_query = words[at + 1].removeprefix("CATTLE_HOST_LABELS=")
    assert {name: found[0] for name, found in parse_qs(label_query, keep_blank_values=True).items()} == labels


@pytest.mark.parametrize("address", ["$(reboot)", "`id`", "a; rm -rf /", "a'b", 'a"b', "a b", "a\\b"])
def test_no_address_breaks_out_of_the_command(addresses_set: None, address: str) -> None:
    words = shlex.split(command(address=address)["script"].replace("| sudo", "sudo", 1))
    assert f"CATTLE_AGENT_IP={address}" in words


@pytest.mark.parametrize(
    "url", ["unix:///var/run/docker.sock", "tcp://10.0.0.5:2376", "tcp://[fd00::1]:2376", "sim://a"]
)
def test_addresses_of_engines_are_taken_as_they_are(url: str) -> None:
    assert validate_url(url) == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (None, "MissingRequired"),
        ("", "MissingRequired"),
        (7, "MissingRequired"),
        (["tcp://h:1"], "MissingRequired"),
        ("h:2376", "InvalidFormat"),
        ("http://h:2376", "InvalidFormat"),
        ("file:///etc/passwd", "InvalidFormat"),
        ("tcp://h", "InvalidFormat"),
        ("tcp://:2376", "InvalidFormat"),
        ("tcp://h:0", "InvalidFormat"),
        ("tcp://h:99999", "InvalidFormat"),
        ("tcp://h:port", "InvalidFormat"),
        ("tcp://[fd00::1:2376", "InvalidFormat"),
        ("agent://0b7d1b5e", "InvalidFormat"),
    ],
)
def test_other_addresses_are_refused_with_a_remedy(url: Any, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate_url(url)
    assert (refused.value.field, refused.value.code) == ("url", code)
    assert "tcp://" in refused.value.message


@given(st.text(min_size=1, max_size=12))
def test_a_user_given_apart_comes_back_out_of_the_address(user: str) -> None:
    whole = add_user("ssh://far:22", user)
    assert add_user(whole, user) == whole
    with pytest.raises(Invalid) as refused:
        add_user(whole, f"{user}x")
    assert refused.value.field == "user"


@pytest.mark.parametrize("url", ["tcp://h:1", "unix:///s", "sim://x"])
def test_a_user_means_nothing_beside_ssh(url: str) -> None:
    assert add_user(url, "root") == url


def test_empty_keys_are_no_keys() -> None:
    assert validate_credentials("tcp://h:1", {"ca": "", "cert": "C"}) == {"cert": "C"}
    with pytest.raises(Invalid) as refused:
        validate_credentials("ssh://u@h", {"private_key": "", "password": ""})
    assert refused.value.field == "privateKey"


@pytest.mark.parametrize("labels", [None, [], "a=b", {"a": 1}, {"a": None}, {"a": {"b": "c"}}])
def test_labels_are_a_map_of_texts(labels: Any) -> None:
    with pytest.raises(Invalid) as refused:
        _check_labels(labels)
    assert refused.value.field == "labels"


def test_a_token_is_signed_with_its_secret() -> None:
    other = SimpleNamespace(public_value="ABC", secret_value="t" * 43)
    one, two = selectors._sign(TOKEN, 1), selectors._sign(other, 1)  # type: ignore[arg-type]
    assert one.split(":")[:2] == two.split(":")[:2] == ["ABC", "1"]
    assert one.split(":")[2] != two.split(":")[2]
    assert one.split(":")[2].isalnum()


LINK_LOCAL = (
    "169.254.169.254 169.254.0.1 0xa9fea9fe 2852039166 169.254.43518 [fe80::1] [fe80::1%25e] [::ffff:169.254.169.254]"
)


@pytest.mark.parametrize("host", LINK_LOCAL.split())
@pytest.mark.parametrize("scheme", ["tcp://", "ssh://me@"])
def test_no_engine_is_added_at_a_link_local_address(scheme: str, host: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate_url(f"{scheme}{host}:2375")
    assert refused.value.field == "url"
