"""What is installed is what was locked: every direct dependency, at its pinned version, with the files' hashes."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from tests.docker.portal_process import ROOT

NAMES = ("requirements", "requirements-dev", "requirements-ldap")
_HASHED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\]+)? \\(?:\n +--hash=sha256:[0-9a-f]{64}(?: \\)?)+$", re.MULTILINE
)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(name: str) -> dict[str, str]:
    """The pins of a file and of those that it names with -r."""
    found: dict[str, str] = {}
    for line in (ROOT / f"{name}.txt").read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found |= direct(text.removeprefix("-r ").removesuffix(".txt"))
        elif text:
            requirement = Requirement(text)
            found[normalized(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def locked(name: str) -> dict[str, str]:
    return {normalized(each): version for each, version in _HASHED.findall((ROOT / f"{name}.lock").read_text())}


@pytest.mark.parametrize("name", NAMES)
def test_every_direct_dependency_is_locked_at_its_pin(name: str) -> None:
    pins = direct(name)
    assert pins
    assert pins.items() <= locked(name).items(), "make lock"


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_nothing_but_versions_and_hashes(name: str) -> None:
    """No index either: whoever installs it has one of their own."""
    text = (ROOT / f"{name}.lock").read_text()
    rest = _HASHED.sub("", text)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    assert "://" not in text


def test_what_several_locks_hold_they_hold_at_one_version() -> None:
    portal, others = locked("requirements"), ("requirements-dev", "requirements-ldap")
    for name in others:
        assert {key: value for key, value in locked(name).items() if portal.get(key, value) != value} == {}
    assert portal.items() <= locked("requirements-dev").items()
