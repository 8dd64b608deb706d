"""Commands that are run to their end, on simulated and real engines alike."""

from __future__ import annotations

import io
import tarfile

import pytest

from apps.drivers.base import Driver, EngineTimeout
from apps.drivers.commands import pack_files, run_command
from tests.drivers.conformance import make


def test_a_command_is_run_to_its_end(driver: Driver) -> None:
    made = make(driver)
    found = run_command(driver, made, ["echo", "one", "two"])
    assert (found.exit_code, found.output) == (0, "one two\n")
    assert run_command(driver, made, ["false"]).exit_code == 1


def test_a_command_that_does_not_end_is_given_up(driver: Driver) -> None:
    with pytest.raises(EngineTimeout, match="did not end within"):
        run_command(driver, make(driver), ["cat"], seconds=0.2)


def test_files_are_packed_for_their_owner_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_files({"/etc/one": b"first", "/etc/two": b"\x00"}))) as tar:
        found = {each.name: (each.mode, each.size) for each in tar.getmembers()}
    assert found == {"etc/one": (0o600, 5), "etc/two": (0o600, 1)}
