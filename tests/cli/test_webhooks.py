"""`corral webhooks`: created with a secret shown once, listed, called with a signature, renewed and removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle


@pytest.fixture
def web(cli: CommandLine) -> Service:
    """A running service of the stack `shop`."""
    cli.write("docker-compose.yml", "web:\n  image: sim/app:1\n")
    cli.succeed("up", "-d", "-s", "shop")
    run_until_idle()
    found: Service = Service.all_objects.get(name="web")
    return found


def create(cli: CommandLine, *arguments: str) -> Any:
    made = cli.succeed("webhooks", "create", "shop/web", *arguments, "--format", "json")
    run_until_idle()
    return made.json


def test_a_webhook_is_created_listed_and_called(cli: CommandLine, nobody: CommandLine, web: Service, tmp_path: Path):
    made = create(cli, "--task", "upgrade", "--allow", "2*", "--name", "ci")
    (row,) = cli.succeed("webhooks", "--format", "json").json
    assert (row["name"], row["service"], row["limits"], row["actsAs"]) == ("ci", "web", "2*", "Alice")
    assert made["secret"] not in cli.succeed("webhooks").out
    (tmp_path / "secret").write_text(made["secret"] + "\n")
    called = nobody.succeed("webhooks", "call", made["url"], "--secret-file", str(tmp_path / "secret"), "--tag", "2.1")
    assert "web is upgraded to sim/app:2.1" in called.out
    web.refresh_from_db()
    assert web.image == "sim/app:2.1"


def test_the_secret_is_taken_from_the_environment(cli: CommandLine, nobody: CommandLine, web: Service):
    made = create(cli, "--task", "scale", "--max", "4", "--step", "2")
    nobody.environ["CORRAL_WEBHOOK_SECRET"] = made["secret"]
    for arguments in (["--up"], ["--scale", "4"], ["--down"]):
        run_until_idle()
        DeployWebhook.all_objects.get()
        nobody.succeed("webhooks", "call", made["url"], *arguments)
    web.refresh_from_db()
    assert web.scale == 2
    found = nobody.succeed("webhooks", "call", made["url"], "--scale", "2", "--format", "json").json
    assert (found["operationId"], found["message"]) == (None, "web is to have 2 containers already.")


def test_refusals_have_a_reason_and_an_exit_code(cli: CommandLine, nobody: CommandLine, web: Service):
    made = create(cli, "--task", "upgrade", "--allow", "2*")
    assert "CORRAL_WEBHOOK_SECRET" in nobody.fail("webhooks", "call", made["url"]).err
    missing = nobody.fail("webhooks", "call", made["url"], "--secret-file", "nowhere")
    assert (missing.code, "No such file" in missing.err) == (ExitCode.USAGE, True)
    nobody.environ["CORRAL_WEBHOOK_SECRET"] = "guessed"
    wrong = nobody.fail("webhooks", "call", made["url"], "--tag", "2")
    assert (wrong.code, "check the URL and the secret" in wrong.err) == (ExitCode.CREDENTIALS, True)
    nobody.environ["CORRAL_WEBHOOK_SECRET"] = made["secret"]
    invalid = nobody.fail("webhooks", "call", made["url"], "--tag", "3")
    assert (invalid.code, "limited to tags like 2*" in invalid.err) == (ExitCode.INVALID, True)
    assert nobody.fail("webhooks", "call", "https://portal.test/v1/services").code == ExitCode.USAGE
    cli.succeed("webhooks", "deactivate", "upgrade")
    refused = nobody.fail("webhooks", "call", made["url"], "--tag", "2")
    assert (refused.code, "deactivated" in refused.err) == (ExitCode.REFUSED, True)


def test_one_is_renewed_and_removed(cli: CommandLine, nobody: CommandLine, web: Service):
    made = create(cli, "--task", "redeploy")
    renewed = cli.succeed("webhooks", "renew", "redeploy", "--format", "json").json
    assert (renewed["url"], renewed["secret"] != made["secret"]) == (made["url"], True)
    nobody.environ["CORRAL_WEBHOOK_SECRET"] = renewed["secret"]
    nobody.succeed("webhooks", "call", renewed["url"])
    cli.succeed("webhooks", "rm", made["id"], "--yes")
    run_until_idle()
    assert nobody.fail("webhooks", "call", renewed["url"]).code == ExitCode.CREDENTIALS
    assert cli.fail("webhooks", "rm", "redeploy", "--yes").code == ExitCode.NOT_FOUND


def test_what_is_missing_is_said(cli: CommandLine, web: Service):
    assert "--task" in cli.fail("webhooks", "create", "shop/web").err
    assert "maxScale is required" in cli.fail("webhooks", "create", "shop/web", "--task", "scale").err
    assert "which webhook" in cli.fail("webhooks", "rm").err
