"""Options are understood or refused with a reason, and secrets among them are not shown."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from corral_agent import keys, registration
from corral_agent.host_agent import Backoff
from corral_agent.options import BadOption, Options, parse
from corral_agent.registration import CannotRegister
from corral_agent.state import (
    BadState,
    State,
    Store,
    url_fingerprint,
)

URL = "http://portal:8080/v1/scripts/t:1:x"


def test_a_registration_url_is_enough():
    found = parse([URL], {})
    assert found == Options(url=URL)
    assert str(found.state) == "/var/lib/rancher/corral"
    assert found.socket == "/var/run/docker.sock"


def test_the_environment_says_the_rest():
    variables = {
        "CORRAL_STATE": "/x",
        "DOCKER_SOCKET": "unix:///run/d.sock",
        "CATTLE_AGENT_IP": " 10.0.0.1 ",
        "CATTLE_HOST_LABELS": "a=b&c=d%20e",
        "CORRAL_CA": "/ca.pem",
        "CORRAL_READ_ONLY": "True",
    }
    found = parse([URL], variables)
    assert (str(found.state), found.socket, found.address, found.ca) == ("/x", "/run/d.sock", "10.0.0.1", "/ca.pem")
    assert found.labels == {"a": "b", "c": "d e"}
    assert found.read_only


@pytest.mark.parametrize("value", ["", "0", "no", "off", "false"])
def test_reading_only_is_off_unless_it_is_switched_on(value: str):
    assert not parse([URL], {"CORRAL_READ_ONLY": value}).read_only


@pytest.mark.parametrize(("value", "network"), [("", True), ("on", True), ("off", False), ("0", False), ("No", False)])
def test_the_network_is_managed_unless_that_is_switched_off(value: str, network: bool):
    assert parse([URL], {"CORRAL_NETWORK": value}).network is network


def test_simulated_hosts_are_asked_for_by_number():
    found = parse(["--simulate", "3", "--name", "demo", "--control", "/c", URL], {})
    assert (found.simulate, found.name, found.control) == (3, "demo", "/c")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["ftp://portal/v1/scripts/t"], {}, "must begin with http"),
        (["t:1:x"], {}, "must begin with http"),
        (["file:///etc/passwd"], {}, "must begin with http|no host"),
        (["http:///v1/scripts/t"], {}, "no host or port"),
        (["http://[::1/v1/scripts/t"], {}, "no host or port"),
        (["http://portal:0/v1/scripts/t"], {}, "no host or port"),
        (["http://portal:http/v1/scripts/t"], {}, "no host or port"),
        (["http://portal:99999/v1/scripts/t"], {}, "no host or port"),
        (["http://portal/v1/scripts/t x"], {}, "no host or port"),
        (["http://portal/v1/scripts/t\r\nHost: evil"], {}, "no host or port"),
        (["http://p\u00f6rtal/v1/scripts/t"], {}, "no host or port"),
        (["--simulate", "-1", URL], {}, "1 to 1000"),
        (["--simulate", "1001", URL], {}, "1 to 1000"),
        ([URL], {"CATTLE_HOST_LABELS": "red"}, "name=value"),
        ([URL], {"CATTLE_HOST_LABELS": "&".join(f"a{n}=b" for n in range(101))}, "name=value"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], environment: dict[str, str], words: str):
    with pytest.raises(BadOption, match=words):
        parse(arguments, environment)


def test_options_do_not_show_the_token():
    assert "t:1:x" not in repr(parse([URL], {}))


def test_a_state_is_kept_for_its_owner_only(tmp_path: Path):
    store = Store(tmp_path / "deep" / "state")
    assert store.state == State()
    store.update(access_key="A", secret_key="S")
    store.update(refused=True)
    path = tmp_path / "deep" / "state" / "agent.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert Store(path.parent).state == State(access_key="A", secret_key="S", refused=True)
    assert [one.name for one in path.parent.iterdir()] == ["agent.json"]


def test_a_state_shows_no_secret():
    assert "hidden" not in repr(State(private_key="hidden", secret_key="hidden"))


def test_a_left_over_part_and_an_unknown_field_are_ignored(tmp_path: Path):
    (tmp_path / "agent.part").write_text("half")
    (tmp_path / "agent.json").write_text(json.dumps({"access_key": "A", "of_tomorrow": 1}))
    store = Store(tmp_path)
    assert store.update(host_id="1h1").access_key == "A"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_damaged_state_says_what_to_do(tmp_path: Path, text: str):
    (tmp_path / "agent.json").write_text(text)
    with pytest.raises(BadState, match="register this host again"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadState, match="cannot be used"):
        Store(tmp_path / "file" / "state")


def test_a_state_that_cannot_be_written_says_so(tmp_path: Path):
    store = Store(tmp_path / "state")
    store._path = tmp_path / "gone" / "agent.json"
    with pytest.raises(BadState, match="cannot be written"):
        store.update(host_id="1h1")


@pytest.mark.parametrize(
    ("state", "url", "needed"),
    [
        (State(), "", True),
        (State(), URL, True),
        (State(access_key="A", source=url_fingerprint(URL)), URL, False),
        (State(access_key="A", source=url_fingerprint(URL)), "", False),
        (State(access_key="A", source="other"), URL, True),
        (State(access_key="A", source=url_fingerprint(URL), refused=True), URL, True),
        (State(access_key="A", source=url_fingerprint(URL), refused=True), "", False),
    ],
)
def test_a_host_registers_when_it_must(state: State, url: str, *, needed: bool):
    assert registration.is_registration_needed(state, url) is needed


@pytest.mark.parametrize("url", ["http://portal/v1/", "http://portal/v1/scripts/", "http://portal/x/scripts/t"])
def test_a_url_without_a_token_is_refused(url: str):
    with pytest.raises(CannotRegister, match="has no token"):
        registration.register(url, "", keys.create_private_key(), {})


def test_keys_are_of_one_kind():
    private = keys.create_private_key()
    public = keys.public_key_line(private)
    assert public.split()[0] == "ssh-ed25519"
    assert keys.load_public_key_data(public) == keys.load_private_key(private).public_data
    for text in ("", "ssh-ed25519 AAAA", "nonsense"):
        with pytest.raises(keys.BadKey):
            keys.load_public_key_data(text)
    with pytest.raises(keys.BadKey):
        keys.load_private_key("nonsense")


def test_pauses_double_up_to_half_a_minute_and_spread():
    waits = [Backoff(length).next() for length in (1.0, 8.0, 30.0) for _ in range(50)]
    assert all(0 <= wait <= 30 for wait in waits)
    assert len(set(waits)) == 150
    backoff = Backoff()
    lengths = []
    for _ in range(8):
        lengths.append(backoff.pause)
        backoff.next()
    assert lengths == [1, 2, 4, 8, 16, 30, 30, 30]
    backoff.reset()
    assert backoff.pause == 1


def test_a_certificate_file_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(CannotRegister, match="CORRAL_CA"):
            registration.tls_context(str(path))
