"""`corral where`: which version runs in which environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.environments.services import environment_create
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.stacks.deploying import deploy
from tests.wire.api_client import run_until_idle


@pytest.fixture
def cli(cli_of: Callable[..., CommandLine], lab: Environment, actor_of: Any) -> CommandLine:
    """Alice's account, with another version in Prod than in the lab."""
    prod = environment_create(actor=actor_of("alice"), name="Prod")
    run_until_idle()
    deploy(actor_of("alice"), lab, "bb:2")
    deploy(actor_of("alice"), prod, "bb:1")
    return cli_of("alice", account=True)


def test_versions_are_listed_by_application_and_environment(cli: CommandLine):
    found = cli.succeed("where", "web", "--format", "json").json
    assert [(each["application"], each["environment"], each["version"]) for each in found] == [
        ("shop/web", "Lab", "2"),
        ("shop/web", "Prod", "1"),
    ]
    assert "DEPLOYEDBY" in cli.succeed("where").out.splitlines()[0]
    assert len(cli.succeed("where", "--differences").out.splitlines()) == 3


def test_another_environment_is_the_reference(cli: CommandLine):
    found = cli.succeed("where", "web", "--compare-with", "prod", "--format", "json").json
    assert [each["difference"] for each in found] == ["version", None]
    refused = cli.fail("where", "--compare-with", "nowhere")
    assert (refused.code, "nowhere" in refused.err) == (ExitCode.NOT_FOUND, True)
