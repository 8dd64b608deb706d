"""An agent's state is complete or reported as damaged, and readable by its owner only."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corral_agent import registration
from corral_agent.state import (
    BadState,
    State,
    Store,
    url_fingerprint,
)

TEXTS = st.text(max_size=40).filter(lambda text: not any(0xD800 <= ord(sign) < 0xE000 for sign in text))
NAMES = [one.name for one in fields(State) if one.name != "refused"]


@settings(max_examples=8)  # each waits for the disk a few times
@given(changed=st.lists(st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4), max_size=4), refused=st.booleans())
def test_what_was_noted_is_there_the_next_time(changed: list[dict[str, str]], *, refused: bool):
    with tempfile.TemporaryDirectory() as folder:
        store, wanted = Store(Path(folder)), asdict(State())
        for step in changed:
            store.update(**step)
            wanted |= step
        store.update(refused=refused)
        assert asdict(Store(Path(folder)).state) == wanted | {"refused": refused}
        assert sorted(os.listdir(folder)) == ["agent.json"]  # noqa: PTH208  # names are what counts


@given(data=st.binary(max_size=120))
@example(data=b"")
@example(data=b"[]")
@example(data=b"null")
@example(data=b'"x"')
@example(data=b"5")
@example(data=b"\xff\xfe{")
@example(data=b"[" * 100_000)
@example(data=b'{"private_key": 5}')
@example(data=b'{"host_id": null}')
@example(data=b'{"refused": "yes"}')
@example(data=b'{"access_key": ["AK"]}')
def test_any_file_is_a_state_or_is_said_to_be_damaged(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent.json")
        path.write_bytes(data)
        try:
            state = Store(Path(folder)).state
        except BadState as error:
            assert "remove it and register this host again" in str(error)  # noqa: PT017  # either way is right
        else:
            stored = json.loads(data)
            assert all(isinstance(getattr(state, name), str) for name in NAMES)
            assert isinstance(state.refused, bool)
            assert all(getattr(state, name) == stored[name] for name in NAMES if name in stored)
        assert path.read_bytes() == data, "reading changes nothing"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_nobody_else_reads_it_whatever_the_mask(tmp_path: Path, mask: int):
    before = os.umask(mask)
    try:
        Store(tmp_path / "deep" / "state").update(secret_key="s")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "state" / "agent.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep" / "state").stat().st_mode) & 0o077 == 0


def test_a_link_that_waits_for_the_secret_is_not_followed(tmp_path: Path):
    trap = tmp_path / "trap"
    trap.write_text("")
    state = tmp_path / "state"
    state.mkdir()
    (state / "agent.part").symlink_to(trap)
    Store(state).update(secret_key="precious")
    assert trap.read_text() == ""
    assert not (state / "agent.json").is_symlink()


def test_a_field_that_is_none_is_a_mistake_of_ours(tmp_path: Path):
    store = Store(tmp_path)
    with pytest.raises(TypeError):
        store.update(password="x")
    assert not (tmp_path / "agent.json").exists()


def test_what_cannot_be_stored_is_reported_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(tmp_path)
    store.update(host_id="1h1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("corral_agent.private_file.os.fsync", full)
    with pytest.raises(BadState, match="cannot be written: No space left"):
        store.update(host_id="1h2")
    assert Store(tmp_path).state.host_id == "1h1"


@given(one=TEXTS, other=TEXTS)
def test_registration_urls_are_distinguished_without_being_kept(one: str, other: str):
    assert (url_fingerprint(one) == url_fingerprint(other)) == (one == other)
    assert len(url_fingerprint(one)) == 64
    assert registration.is_registration_needed(State(access_key="AK", source=url_fingerprint(one)), other) == (
        bool(other) and one != other
    )


@pytest.mark.parametrize("field", ["private_key", "secret_key"])
def test_secrets_are_not_shown(field: str):
    assert "precious" not in repr(replace(State(), **{field: "precious"}))  # type: ignore[arg-type]
