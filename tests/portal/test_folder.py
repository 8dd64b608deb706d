"""The data folder: private, and one portal's at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from portal.boot.data_dir import lock_data_dir, open_data_dir, open_run_dir
from portal.boot.terminal import CannotStart


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "deep" / "data"))
    folder = open_data_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.environ["DATA_DIR"] == str(folder)


def test_a_data_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(CannotStart, match=r"file/data cannot be used .* set DATA_DIR"):
        open_data_dir()


def test_sockets_live_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RUN_DIR", raising=False)
    monkeypatch.setattr("portal.boot.data_dir._MAX_SOCKET_DIR_LENGTH", 1000)
    assert open_run_dir(tmp_path) == tmp_path


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUN_DIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long = tmp_path / ("x" * 100)
    folder = open_run_dir(long)
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setenv("RUN_DIR", "")
    assert open_run_dir(long) == folder


def test_the_second_portal_on_a_data_folder_is_refused_with_the_first_ones_process(tmp_path: Path):
    with lock_data_dir(tmp_path), pytest.raises(CannotStart, match=rf"process {os.getpid()}\) runs on .*DATA_DIR"):
        lock_data_dir(tmp_path)


def test_a_lock_left_by_a_dead_portal_is_no_lock(tmp_path: Path):
    (tmp_path / "portal.lock").write_text("999999999\n")
    with lock_data_dir(tmp_path):
        assert (tmp_path / "portal.lock").read_text() == f"{os.getpid()}\n"
    with lock_data_dir(tmp_path):
        pass
