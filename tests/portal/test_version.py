"""The version stands in one place; what cannot read it from there says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import corral_agent
from apps.core.defaults import DEFAULTS
from portal import __version__
from portal.tools.agent_image import TAG
from tests.docker.portal_process import ROOT


def test_the_settings_tell_the_portal_s_own_version() -> None:
    assert DEFAULTS["corral.version"].value == f"v{__version__}"


def test_the_agent_beside_the_portal_has_its_version() -> None:
    """A distribution of its own cannot read the portal's, but the two are released together."""
    assert __version__ == corral_agent.VERSION
    assert f"corral/agent:v{__version__}" == TAG


@pytest.mark.parametrize("name", ["agent/Dockerfile", "docs/operate/agents.md"])
def test_every_command_that_names_the_agent_s_image_names_this_version(name: str) -> None:
    assert set(re.findall(r"corral/agent:v([0-9.]+)", (ROOT / name).read_text())) == {__version__}


@pytest.mark.parametrize("name", ["pyproject.toml", "agent/pyproject.toml"])
def test_no_distribution_repeats_the_version(name: str) -> None:
    text = (ROOT / name).read_text()
    assert 'dynamic = ["version"]' in text
    assert __version__ not in text


def test_the_changelog_s_newest_release_is_this_version() -> None:
    headings = re.findall(r"^## (\S+)", Path(ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [heading for heading in headings if heading != "Unreleased"]
    assert not releases or releases[0].strip("[]v") == __version__
