"""What make's own programs promise: only what a run needs is installed, and a slow step shows what went wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docker.portal_process import ROOT

STAGES = """
fine:
\t@echo '....  [ 50%]'; echo fine passed
failing:
\t@until [ -e waiting ]; do sleep 0.02; done; echo it broke; exit 3
waiting:
\t@sleep 60 & trap 'touch tidied; kill $$!; exit 1' INT; touch waiting; wait
never:
\t@touch never
"""


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("paths", "needs"),
    [
        ([], "docker browser servers ldap"),
        (["tests/core"], ""),
        (["tests/core/test_texts.py", "-k", "word"], ""),
        (["tests/docker/test_healing.py"], "docker"),
        (["tests/portal/test_serve.py::test_name"], "servers"),
        (["tests/drivers/test_conformance.py"], "docker"),  # by its folder's fixture
        (["tests/accounts/test_ldap_login.py"], "ldap servers"),
    ],
)
def test_a_part_of_the_tests_needs_what_its_files_are_marked_with(paths: list[str], needs: str) -> None:
    done = run(".ci/needs", *paths)
    assert (done.returncode, done.stdout.split()) == (0, needs.split())


def test_what_a_slow_step_prints_is_shown_only_when_it_fails() -> None:
    done = run(".ci/progress", "Building", "sh", "-c", "echo detail")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Building ...\n", "")
    done = run(".ci/progress", "Building", "sh", "-c", "echo detail; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "Building ...\n", "detail\n")


def test_tools_that_nothing_needs_are_not_looked_for() -> None:
    done = run(".ci/tools")
    assert (done.returncode, done.stdout) == (0, "")


def test_stages_show_what_they_printed_each_in_one_piece(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(STAGES)
    done = run(str(ROOT / ".ci/stages"), "fine", "never", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(" s  ")[-1] for line in done.stdout.splitlines()]
    assert lines[0] == "fine begins"
    shown = lines.index("fine passed")
    assert lines[shown + 1].startswith("fine is through")
    assert "50%" not in done.stdout
    assert (tmp_path / "never").exists()


def test_a_stage_that_fails_is_shown_and_ends_the_others_which_may_tidy_up(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(STAGES)
    ignoring = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # as what is started in the background
    done = run(*ignoring, str(ROOT / ".ci/stages"), "waiting", "failing", "never", folder=tmp_path)
    assert done.returncode == 2  # as make says it
    assert "it broke" in done.stdout
    assert "failing failed after" in done.stdout
    assert (tmp_path / "tidied").exists()
    assert not (tmp_path / "never").exists()


def test_a_network_of_its_own_has_nothing_but_itself() -> None:
    done = run(".ci/own_network", "sh", "-c", "tail -n +3 /proc/net/dev; exit 3")
    assert done.returncode == 3
    if os.geteuid() == 0 and shutil.which("ip"):
        assert [line.split(":")[0].strip() for line in done.stdout.splitlines()] == ["lo"]
