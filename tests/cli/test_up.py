"""`corral up`: a stack from its files, again, upgraded, confirmed, rolled back."""

from __future__ import annotations

from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle

FILE = """\
web:
  image: sim/nginx:1.8
  ports: ["80"]
db:
  image: sim/redis:3
"""


def deploy(cli: CommandLine, *more: str, text: str = FILE) -> None:
    cli.write("docker-compose.yml", text)
    cli.succeed("up", "-d", "-s", "shop", *more)
    run_until_idle()


def images(cli: CommandLine) -> dict[str, str]:
    return {each["name"]: each["image"] for each in cli.succeed("services", "shop", "--format", "json").json}


def test_up_creates_the_stack_and_starts_it(cli: CommandLine):
    cli.write("docker-compose.yml", FILE)
    found = cli.succeed("up", "-d", "-s", "shop", "--wait")
    assert found.messages[-5:] == [
        "[0/2] [db]: Starting",
        "[0/2] [web]: Starting",
        "[1/2] [db]: Started",
        "[2/2] [web]: Started",
        "Project [shop]: Project started",
    ]
    rows = cli.succeed("services", "shop", "--format", "json").json
    assert [(each["name"], each["state"], each["health"]) for each in rows] == [
        ("shop/db", "active", "healthy"),
        ("shop/web", "active", "healthy"),
    ]


def test_a_new_stack_takes_no_preview_for_its_warnings(cli: CommandLine):
    cli.write("docker-compose.yml", FILE + "  healthcheck: {test: [CMD, 'true'], intervall: 3s}\n")
    found = cli.succeed("up", "-d", "-s", "shop")
    assert any("Did you mean `interval`?" in line for line in found.messages)
    assert not [call for call in found.calls if "previewupgrade" in call]


def test_up_again_changes_nothing(cli: CommandLine):
    deploy(cli)
    found = cli.succeed("up", "-d", "-s", "shop")
    assert [call for call in found.calls if call.startswith(("POST", "PUT", "DELETE"))] == [
        call for call in found.calls if "previewupgrade" in call
    ]


def test_a_changed_service_waits_for_upgrade(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    found = cli.succeed("up", "-d", "-s", "shop")
    assert any("web is out of sync" in line for line in found.messages)
    assert images(cli)["shop/web"] == "sim/nginx:1.8"


def test_what_is_not_applied_without_upgrade_is_named_once(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9\n  environment: {TOKEN: hidden}"))
    found = cli.succeed("up", "-d", "-s", "shop")
    (line,) = [line for line in found.messages if "not applied" in line]
    assert line == (
        "web stays as it was: the changes of the files (imageUuid: sim/nginx:1.8 -> sim/nginx:1.9, environment.TOKEN)"
        " are not applied; `up --upgrade` applies them"
    )
    assert "hidden" not in found.err


def test_a_failure_of_what_ran_before_is_not_taken_for_one_of_the_corrected_file(cli: CommandLine):
    cli.write("docker-compose.yml", FILE.replace("sim/nginx:1.8", "bb:absent"))
    first = cli.fail("up", "-d", "-s", "shop", "--timeout", "3").err.splitlines()[-1]
    assert "not applied" not in first
    cli.write("docker-compose.yml", FILE)
    found = cli.fail("up", "-d", "-s", "shop", "--timeout", "3")
    assert any("bb:absent -> sim/nginx:1.8" in line for line in found.messages)
    assert found.err.splitlines()[-1] == (
        f"{first} This is what ran before: the files' changes of it were not applied; use --upgrade to apply them."
    )


def test_an_upgrade_is_finished_when_it_is_confirmed(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    cli.succeed("up", "-d", "-u", "-c", "-s", "shop")
    assert images(cli)["shop/web"] == "sim/nginx:1.9"
    assert cli.succeed("stacks", "--format", "json").json[0]["state"] == "active"


def test_an_upgrade_can_be_rolled_back(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    cli.succeed("up", "-d", "-u", "-s", "shop")
    assert cli.succeed("stacks", "--format", "json").json[0]["state"] == "upgraded"
    cli.succeed("up", "-d", "-r", "-s", "shop")
    assert images(cli)["shop/web"] == "sim/nginx:1.8"
    refused = cli.fail("up", "-r", "-s", "shop")
    assert refused.code == 5
    assert "no upgrade" in refused.err


def test_a_corrected_file_replaces_an_upgrade_that_cannot_end(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE.replace("sim/nginx:1.8", "bb:absent"))
    stuck = cli.fail("up", "-d", "-u", "-c", "-s", "shop", "--timeout", "3")
    assert (stuck.code, "web" in stuck.err) == (8, True)
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    found = cli.succeed("up", "-d", "-u", "-c", "-s", "shop")
    assert any("takes its place" in line for line in found.messages)
    assert images(cli)["shop/web"] == "sim/nginx:1.9"
    assert cli.succeed("stacks", "--format", "json").json[0]["state"] == "active"


def test_a_new_service_with_a_mistyped_image_takes_a_corrected_file(cli: CommandLine):
    cli.write("docker-compose.yml", FILE.replace("sim/nginx:1.8", "bb:absent"))
    assert cli.fail("up", "-d", "-s", "shop", "--timeout", "3").code in {1, 8}
    cli.write("docker-compose.yml", FILE)
    cli.succeed("up", "-d", "-u", "-c", "-s", "shop")
    rows = cli.succeed("services", "shop", "--format", "json").json
    assert [(each["name"], each["state"]) for each in rows] == [("shop/db", "active"), ("shop/web", "active")]
    assert images(cli)["shop/web"] == "sim/nginx:1.8"


def test_a_new_service_needs_no_confirmation(cli: CommandLine):
    deploy(cli)
    cli.write("docker-compose.yml", FILE + "queue:\n  image: sim/redis:3\n")
    cli.succeed("up", "-d", "-s", "shop")
    assert "shop/queue" in images(cli)
    assert cli.succeed("stacks", "--format", "json").json[0]["state"] == "active"


def test_only_the_named_services_are_brought_up(cli: CommandLine):
    cli.write("docker-compose.yml", FILE)
    cli.succeed("up", "-d", "-s", "shop", "web")
    assert set(images(cli)) == {"shop/web"}
    cli.write("docker-compose.yml", FILE.replace("1.8", "1.9").replace("redis:3", "redis:4"))
    cli.succeed("up", "-d", "-s", "shop", "-u", "-c", "web")
    assert images(cli) == {"shop/web": "sim/nginx:1.9"}
    refused = cli.fail("up", "-d", "-s", "shop", "nothing")
    assert refused.code == 7
    assert "nothing" in refused.err
