"""A key that is damaged inside a good state file ends the agent with one line that says which file, and what to do."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corral_agent import __main__ as program
from corral_agent import keys
from corral_agent.state import BadState, Store

PRIVATE = keys.create_private_key()
PUBLIC = keys.public_key_line(PRIVATE)
WHOLE = {"private_key": PRIVATE, "portal_key": PUBLIC, "access_key": "A", "secret_key": "S", "tunnel_url": "ws://h:1/x"}
REMEDY = "remove it and register this host again, with the command of the portal's Add Host page."

DAMAGED = [
    ({"private_key": "nonsense"}, "the agent's own key cannot be read"),
    ({"private_key": PRIVATE[: len(PRIVATE) // 2]}, "the agent's own key cannot be read"),
    ({"private_key": PRIVATE.replace("\n", "\x00")}, "the agent's own key cannot be read"),
    ({"private_key": PUBLIC}, "the agent's own key cannot be read"),
    ({"private_key": ""}, "the agent's own key cannot be read"),
    ({"private_key": "nonsense", "access_key": "", "portal_key": ""}, "the agent's own key cannot be read"),
    ({"portal_key": "nonsense"}, "the portal's key cannot be read"),
    ({"portal_key": PUBLIC[:-9]}, "the portal's key cannot be read"),
    ({"portal_key": "sch\u00f6n \ud83d\udd11"}, "the portal's key cannot be read"),
    ({"portal_key": ""}, "the portal's key cannot be read"),
    ({"portal_key": "nonsense", "access_key": ""}, "the portal's key cannot be read"),
]


def stored_keys(folder: Path, **changed: str) -> Path:
    path = folder / "agent.json"
    path.write_text(json.dumps(WHOLE | changed))
    return path


@pytest.mark.parametrize(("changed", "words"), DAMAGED)
def test_a_damaged_key_is_reported_with_its_file_and_the_remedy(tmp_path: Path, changed: dict[str, str], words: str):
    path = stored_keys(tmp_path, **changed)
    with pytest.raises(BadState) as refusal:
        Store(tmp_path).check()
    assert str(refusal.value) == f"{path} is damaged, {words}: {REMEDY}"


@pytest.mark.parametrize(
    "changed",
    [{}, {"access_key": "", "portal_key": ""}, {"private_key": "", "access_key": "", "portal_key": ""}],
    ids=["registered", "a key of its own only", "nothing yet"],
)
def test_a_state_without_damage_passes(tmp_path: Path, changed: dict[str, str]):
    stored_keys(tmp_path, **changed)
    Store(tmp_path).check()


def test_no_state_at_all_passes(tmp_path: Path):
    Store(tmp_path / "fresh").check()


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.setenv("CORRAL_STATE", str(folder))
    monkeypatch.setenv("DOCKER_SOCKET", str(folder / "none.sock"))
    monkeypatch.setattr("sys.argv", ["corral_agent", *arguments])
    monkeypatch.setattr("os.umask", lambda _: 0)
    return program.main()


@pytest.mark.parametrize("field", ["private_key", "portal_key"])
def test_the_program_ends_as_with_any_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, field: str
):
    path = stored_keys(tmp_path, **{field: "nonsense"})
    before = path.read_bytes()
    assert run(monkeypatch, tmp_path) == 1
    (log_record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (log_record.exc_info, "\n" in log_record.getMessage()) == (None, False)
    assert log_record.getMessage().startswith(f"{path} is damaged")
    assert log_record.getMessage().endswith(REMEDY)
    assert path.read_bytes() == before, "nobody but its owner throws it away"


def test_a_fleet_with_one_damaged_member_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "sim-2").mkdir()
    path = stored_keys(tmp_path / "sim-2", private_key="nonsense")
    assert run(monkeypatch, tmp_path, "--simulate", "2", "http://127.0.0.1:9/v1/scripts/t") == 1
    assert f"{path} is damaged" in caplog.text


@given(at=st.integers(0, len(PRIVATE) - 1), removed=st.integers(0, 60), put=st.text(max_size=8))
@example(at=40, removed=0, put="A")
def test_however_a_private_key_is_damaged_it_can_be_read_or_is_said_to_be_bad(at: int, removed: int, put: str):
    try:
        keys.load_private_key(PRIVATE[:at] + put + PRIVATE[at + removed :])
    except keys.BadKey as error:
        assert str(error) == "the agent's own key cannot be read"  # noqa: PT017  # either way is right


@given(at=st.integers(0, len(PUBLIC) - 1), removed=st.integers(0, 60), put=st.text(max_size=8))
def test_however_a_public_key_is_damaged_it_can_be_read_or_is_said_to_be_bad(at: int, removed: int, put: str):
    try:
        keys.load_public_key_data(PUBLIC[:at] + put + PUBLIC[at + removed :])
    except keys.BadKey as error:
        assert "the portal's key" in str(error)  # noqa: PT017  # as above
