"""What make's own programs promise: only what a run needs is installed, and a slow step shows what went wrong."""

from __future__ import annotations

import subprocess

import pytest

from tests.docker.portal_process import ROOT


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


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
