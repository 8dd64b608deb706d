"""The one-file command line that the portal serves: small, always the same bytes, and it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.test import Client

from portal import __version__
from portal.cli_program import SOURCE, build_program

MAX_BYTES = 300 * 1000


def test_it_is_small_and_always_the_same_bytes():
    program = build_program()
    assert len(program) < MAX_BYTES
    assert program == build_program()
    assert program.startswith(b"#!/usr/bin/env python3\n")


def test_it_holds_every_module_and_nothing_else(tmp_path: Path):
    path = tmp_path / "corral"
    path.write_bytes(build_program())
    with zipfile.ZipFile(path) as archive:
        found = set(archive.namelist())
    modules = {each.relative_to(SOURCE).as_posix() for each in (SOURCE / "corral_cli").rglob("*.py")}
    assert found == modules | {"__main__.py"}
    assert len(modules) > 20


@pytest.mark.parametrize(
    ("name", "says"), [("corral", "corral version"), ("rancher-compose", "rancher-compose version")]
)
def test_it_runs_as_the_program_whose_name_it_has(tmp_path: Path, name: str, says: str):
    path = tmp_path / name
    path.write_bytes(build_program())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "--version"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.strip() == f"{says} v{__version__}"


def test_the_portal_serves_it_to_everybody_and_spares_who_has_it(client: Client):
    answer = client.get("/cli/corral")
    assert answer.status_code == 200
    assert answer.content == build_program()
    assert answer["Content-Disposition"] == 'attachment; filename="corral"'
    again = client.get("/cli/corral", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    assert not again.content
    assert client.head("/cli/corral").status_code == 200
    assert client.post("/cli/corral").status_code == 405
