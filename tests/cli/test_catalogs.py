"""`corral catalogs`: repositories of templates are added, refreshed and removed; secrets are read from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.catalog.models import Catalog
from apps.catalog.services import catalog_create
from corral_cli.errors import ExitCode
from tests.catalog.repositories import Repository, template_files
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle

URL = "https://git.example.com/templates.git"
SECRET = "a-token-of-git"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """*Greeter* in one version."""
    found = Repository(tmp_path / "repository")
    found.commit(template_files("templates/greeter", "Greeter", {0: "1.0"}))
    return found


def test_a_catalog_is_added_refreshed_and_removed(cli: CommandLine, repository: Repository):
    added = cli.succeed("catalogs", "add", "ours", repository.url, "--branch", "main", "--wait")
    assert added.out.splitlines() == ["catalog ours: added", "catalog ours is active"]
    (row,) = cli.succeed("catalogs", "--format", "json").json
    assert (row["name"], row["state"], row["scope"], row["branch"]) == ("ours", "active", "environment", "main")
    assert "ours:greeter" in cli.succeed("catalog", "--catalog", "ours").out
    repository.commit(template_files("templates/counter", "Counter", {0: "0.1"}))
    cli.succeed("catalogs", "refresh", "ours", "--wait")
    assert "ours:counter" in cli.succeed("catalog", "--catalog", "ours").out
    assert cli.fail("catalogs", "rm", "ours").code == ExitCode.USAGE
    cli.succeed("catalogs", "rm", row["id"], "--yes")
    run_until_idle()
    assert cli.succeed("catalogs", "--format", "json").json == []


@pytest.mark.parametrize("way", ["file", "input", "variable"])
def test_a_secret_comes_from_elsewhere_than_the_command_line(cli: CommandLine, way: str):
    cli.write("token", f"{SECRET}\n")
    if way == "variable":
        cli.environ["CORRAL_CATALOG_SECRET"] = SECRET
    options = {"file": ("--secret-file", "token"), "input": ("--secret-file", "-"), "variable": ()}[way]
    found = cli.succeed("catalogs", "add", "ours", URL, "--username", "robot", *options, stdin=f"{SECRET}\n")
    row = Catalog.all_objects.get()
    assert (row.secret, row.username) == (SECRET, "robot")
    assert SECRET not in found.out + found.err
    assert SECRET not in cli.succeed("catalogs", "--format", "json").out


def test_a_private_key_keeps_its_last_end_of_line(cli: CommandLine):
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
    cli.write("key", key)
    cli.succeed("catalogs", "add", "ours", "git@git.example.com:templates.git", "--secret-file", "key")
    assert Catalog.all_objects.get().secret == key


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add",), ExitCode.USAGE, "name is missing"),
        (("add", "ours"), ExitCode.USAGE, "such as: corral catalogs add ours https://"),
        (("refresh",), ExitCode.USAGE, "such as: corral catalogs refresh ours"),
        (("rm", "nothing"), ExitCode.NOT_FOUND, "no catalog nothing"),
        (("add", "ours", URL, "--secret-file", "absent"), ExitCode.NOT_FOUND, "--secret-file: absent cannot be read"),
        (("add", "ours", URL, "--secret-file", "empty"), ExitCode.INVALID, "--secret-file: empty is empty"),
        (("add", "ours", f"https://me:{SECRET}@git.example.com/x.git"), ExitCode.INVALID, "url: "),
        (("add", "ours", URL, "--poll-seconds", "1"), ExitCode.INVALID, "pollSeconds"),
    ],
)
def test_what_cannot_be_is_refused_and_makes_nothing(
    cli: CommandLine, arguments: tuple[str, ...], code: ExitCode, words: str
):
    cli.write("empty", "\n")
    found = cli.fail("catalogs", *arguments)
    assert (found.code, words in found.err) == (code, True), found.err
    assert SECRET not in found.err
    assert not Catalog.all_objects.exists()


def test_one_of_the_whole_installation_is_listed_as_such(cli: CommandLine, actor_of: Any):
    catalog_create(actor=actor_of("root"), environment=None, name="shared", url=URL)
    (row,) = cli.succeed("catalogs", "--format", "json").json
    assert (row["name"], row["scope"]) == ("shared", "all environments")
    assert cli.fail("catalogs", "rm", "shared", "--yes").code == ExitCode.REFUSED


def test_who_may_only_look_changes_nothing(cli_of: Callable[..., CommandLine], cli: CommandLine):
    cli.succeed("catalogs", "add", "ours", URL)
    rita = cli_of("rita", account=True)
    rita.environ["RANCHER_ENVIRONMENT"] = "Lab"
    assert "ours" in rita.succeed("catalogs").out
    for arguments in (("add", "more", URL), ("refresh", "ours"), ("rm", "ours", "--yes")):
        assert rita.fail("catalogs", *arguments).code == ExitCode.REFUSED, arguments
