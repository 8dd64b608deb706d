"""What somebody gets wrong is said once, with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.compose.parser import parse
from corral_cli.compose_files import ComposeFiles
from corral_cli.errors import CliError, ExitCode
from tests.cli.command_line import CommandLine


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_file_makes_no_stack(cli: CommandLine, text: str):
    cli.write("docker-compose.yml", text)
    refused = cli.fail("up", "-d", "-s", "shop")
    assert (refused.code, refused.transport.requests) == (ExitCode.INVALID, [])
    assert "docker-compose.yml is empty" in refused.err


@pytest.mark.parametrize("text", ["# nothing\n", "{}\n", "services: {}\n", "version: '2'\nservices: {}\n"])
def test_a_file_without_services_makes_no_stack(cli: CommandLine, text: str):
    cli.write("docker-compose.yml", text)
    refused = cli.fail("up", "-d", "-s", "shop")
    assert refused.code == ExitCode.INVALID
    assert "docker-compose.yml:1: there is no service in this file" in refused.err
    assert cli.succeed("stacks", "--format", "json").json == []


def test_what_is_no_yaml_is_shown_with_file_line_and_column(cli: CommandLine):
    cli.write("docker-compose.yml", "web:\n  image: bb:local\n   ports: [80]\n")
    refused = cli.fail("up", "-d", "-s", "shop")
    assert refused.code == ExitCode.INVALID
    assert "docker-compose.yml:3:9: " in refused.err


def test_a_misspelt_key_is_named_when_the_stack_is_created(cli: CommandLine, host: Host):
    cli.write("docker-compose.yml", "web:\n  image: bb:local\n  prots: ['80']\n")
    said = cli.succeed("up", "-d", "-s", "shop")
    assert (
        "web: line 3: `prots` is not a key of a service and is left out. Did you mean `ports`?" in said.out + said.err
    )


def test_what_is_no_yaml_beside_it_is_shown_with_its_own_name(cli: CommandLine):
    cli.write("docker-compose.yml", "web: {image: 'bb:local'}\n")
    cli.write("rancher-compose.yml", "web: [\n")
    assert "rancher-compose.yml:2:1: " in cli.fail("up", "-d", "-s", "shop").err


def test_a_variable_that_is_not_set_is_named_where_it_is_needed(cli: CommandLine):
    cli.write("docker-compose.yml", "web:\n  labels: {a: b}\n  image: ${IMAGE}\n")
    refused = cli.fail("up", "-d", "-s", "shop")
    assert "docker-compose.yml:3: " in refused.err
    assert "the variable IMAGE is not set" in refused.err


def test_a_variable_that_is_not_set_is_named_only_where_it_is_the_reason():
    with pytest.raises(Invalid) as refused:
        parse("web:\n  command: $WORD\n")
    assert (refused.value.message, "WORD" in refused.value.message) == ("line 1: web: `image` is required", False)
    found = parse("web:\n  image: bb:local\n  command: $WORD\n")
    assert found.warnings == ("The variable WORD is not set; it is taken as empty.",)


def test_only_refusals_of_a_file_get_its_name():
    files = ComposeFiles("", "", ("a.yml",))
    assert files.locate("dockerCompose: line 2, column 3: what: so") == "a.yml:2:3: what: so"
    assert files.locate("dockerCompose: line 2: what") == "a.yml:2: what"
    for text in ("name: line 2: x", "rancherCompose: line 1: x", "no line at all"):
        assert files.locate(text) == text
    assert ComposeFiles("", "", ("a.yml",), b"zip").locate("dockerCompose: line 2: x").startswith("dockerCompose")


def test_who_may_not_create_a_key_learns_which_right_is_missing(cli_of: Callable[..., CommandLine], lab: Environment):
    refused = cli_of("rita", account=True).fail("keys", "create", "ci")
    assert refused.code == ExitCode.REFUSED
    assert "the permission `keys`" in refused.err


def test_a_key_of_an_environment_creates_no_other_one(cli: CommandLine, host: Host):
    refused = cli.fail("env", "create", "another")
    assert refused.code == ExitCode.REFUSED
    assert "use one of your account" in refused.err


def test_a_portal_that_is_away_is_said_once(cli: CommandLine):
    cli.write("docker-compose.yml", "web: {image: 'bb:local'}\n")

    def away() -> None:
        if cli.seconds > 20:
            cli.while_waiting = back
            return
        cli.transport.failures.append(CliError(f"Nothing listens here: {cli.seconds:.0f}.", ExitCode.UNREACHABLE))

    back: Any = cli.while_waiting
    cli.while_waiting = away
    found = cli.succeed("up", "-d", "-s", "shop")
    assert found.err.count("Waiting for it.") == 1
    assert found.err.count("stack shop: ") <= 2
