"""Called rancher-compose it is that program: its flags, its requests in order, its lines to the letter."""

from __future__ import annotations

import re

import pytest

from corral_cli.errors import ExitCode
from corral_cli.program import program_of
from tests.cli.command_line import CommandLine, ScriptedSocket
from tests.wire.api_client import run_until_idle

DOCKER = """\
nginx:
  image: sim/nginx:1.8
  tty: true
  stdin_open: true
  labels:
    io.rancher.container.start_once: 'true'
"""
RANCHER = "nginx:\n  scale: 1\n"


@pytest.fixture
def compose(cli: CommandLine) -> CommandLine:
    """A folder with the pair of files, under the name of the old program."""
    cli.program = "rancher-compose"
    cli.write("docker-compose.yml", DOCKER)
    cli.write("rancher-compose.yml", RANCHER)
    return cli


@pytest.fixture
def running(compose: CommandLine) -> CommandLine:
    """The project web-server with its one service running."""
    compose.succeed("-p", "web-server", "up", "-d")
    run_until_idle()
    return compose


def row(cli: CommandLine, name: str = "nginx") -> dict[str, object]:
    found = cli.succeed("services", "--format", "json", program="corral").json
    return next(each for each in found if each["name"] == f"web-server/{name}")


def changing(calls: list[str]) -> list[str]:
    """The requests that change something, without ids."""
    shown = [re.sub(r"/1[a-z]+\d+", "/<id>", call) for call in calls]
    return [call for call in shown if not call.startswith("GET") and "previewupgrade" not in call]


@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("/usr/bin/rancher-compose", "rancher-compose"),
        ("C:\\tools\\rancher-compose.exe", "rancher-compose"),
        ("rancher-compose-v0.12.5", "rancher-compose"),
        ("/usr/bin/corral", "corral"),
        ("corral.pyz", "corral"),
    ],
)
def test_the_file_s_name_says_which_program_it_is(path: str, program: str):
    assert program_of(path) == program


def test_up_on_an_existing_service_says_four_lines_and_changes_nothing(running: CommandLine):
    found = running.succeed("-p", "web-server", "up", "-d")
    assert found.messages == [
        "Project [web-server]: Starting project",
        "[0/1] [nginx]: Starting",
        "[1/1] [nginx]: Started",
        "Project [web-server]: Project started",
    ]
    assert changing(found.calls) == []


def test_up_creates_with_one_request_and_waits_for_the_services(compose: CommandLine):
    found = compose.succeed("-p", "web-server", "up", "-d")
    assert found.messages == [
        "Creating stack web-server",
        "Creating service nginx",
        "Project [web-server]: Starting project",
        "[0/1] [nginx]: Starting",
        "[1/1] [nginx]: Started",
        "Project [web-server]: Project started",
    ]
    assert changing(found.calls) == ["POST environments"]
    assert row(compose)["state"] == "active"


def test_lines_are_short_on_a_terminal_and_have_their_time_in_a_pipe(running: CommandLine):
    piped = running.succeed("-p", "web-server", "stop").err.splitlines()
    assert all(
        re.match(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=info msg="', line) for line in piped if "msg" in line
    )
    shown = running.succeed("-p", "web-server", "start", tty=True).err
    plain = re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", shown)
    assert "INFO[0000] Project [web-server]: Starting project" in plain


def test_scaling_says_one_line(running: CommandLine):
    found = running.succeed("-p", "web-server", "scale", "nginx=2")
    assert found.messages == ["Setting scale nginx=2..."]
    assert changing(found.calls) == ["PUT services/<id>"]
    assert row(running)["scale"] == "2/2"
    assert running.fail("-p", "web-server", "scale", "nginx").code == ExitCode.USAGE
    assert running.fail("-p", "web-server", "scale", "nothing=2").code == ExitCode.NOT_FOUND


def test_an_upgrade_waits_for_its_confirmation(running: CommandLine):
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9"))
    found = running.succeed("-p", "web-server", "up", "-d", "--upgrade", "nginx")
    assert found.messages == [
        "Project [web-server]: Starting project",
        "[0/1] [nginx]: Starting",
        "Updating nginx",
        "Upgrading nginx",
        "[1/1] [nginx]: Started",
        "Project [web-server]: Project started",
    ]
    assert row(running)["state"] == "upgraded"
    refused = running.fail("-p", "web-server", "up", "-d", "--upgrade")
    assert refused.code == ExitCode.REFUSED
    assert "--confirm-upgrade" in refused.err
    found = running.succeed("-p", "web-server", "up", "-d", "--upgrade", "--confirm-upgrade")
    assert changing(found.calls) == ["POST environments/<id>/?action=finishupgrade"]
    assert found.messages == [
        "Project [web-server]: Starting project",
        "[0/1] [nginx]: Starting",
        "[1/1] [nginx]: Started",
        "Project [web-server]: Project started",
    ]
    assert (row(running)["state"], row(running)["image"]) == ("active", "sim/nginx:1.9")


def test_an_upgrade_is_rolled_back(running: CommandLine):
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9"))
    running.succeed("-p", "web-server", "up", "-d", "-u")
    running.succeed("-p", "web-server", "up", "-d", "--rollback")
    assert (row(running)["state"], row(running)["image"]) == ("active", "sim/nginx:1.8")
    assert running.fail("-p", "web-server", "up", "-r").code == ExitCode.REFUSED


def test_what_has_changed_is_only_said_without_upgrade(running: CommandLine):
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9"))
    found = running.succeed("-p", "web-server", "up", "-d")
    assert "level=warning" in found.err
    assert "Service nginx is out of sync with the local configuration file; use --upgrade" in found.messages
    assert changing(found.calls) == []
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9") + "queue:\n  image: sim/redis:3\n")
    running.succeed("-p", "web-server", "up", "-d")
    assert row(running)["image"] == "sim/nginx:1.8"
    assert row(running, "queue")["state"] == "active"


def test_another_service_takes_over_and_the_old_one_is_cleaned_up(running: CommandLine):
    running.write("docker-compose.yml", "nginx:\nnginx9:\n  image: sim/nginx:1.9\n  tty: true\n")
    running.write("rancher-compose.yml", "")
    found = running.succeed("-p", "web-server", "upgrade", "nginx", "nginx9", "--interval", "100", "--cleanup")
    assert found.messages == ["Creating service nginx9", "Upgrading nginx to nginx9, scale=1"]
    run_until_idle()
    assert row(running, "nginx9")["scale"] == "1/1"
    names = {each["name"] for each in running.succeed("services", "--format", "json", program="corral").json}
    assert names == {"web-server/nginx9"}
    assert running.fail("-p", "web-server", "upgrade", "nginx", "nginx9").code == ExitCode.NOT_FOUND
    assert running.fail("-p", "web-server", "upgrade", "nginx").code == ExitCode.USAGE


def test_services_are_created_stopped_started_restarted_and_deleted(compose: CommandLine):
    compose.succeed("-p", "web-server", "create")
    assert row(compose)["state"] == "inactive"
    assert "[1/1] [nginx]: Started" in compose.succeed("-p", "web-server", "start").messages
    assert "[1/1] [nginx]: Started" in compose.succeed("-p", "web-server", "start", "nginx").messages
    assert "[0/1] [nginx]: Restarted" in compose.succeed("-p", "web-server", "restart").messages
    assert compose.succeed("-p", "web-server", "down").messages[-2:] == [
        "[0/1] [nginx]: Stopped",
        "Project [web-server]: Project stopped",
    ]
    assert compose.fail("-p", "web-server", "rm").code == ExitCode.USAGE
    assert compose.fail("-p", "web-server", "rm", "nothing").code == ExitCode.NOT_FOUND
    assert "[0/1] [nginx]: Deleted" in compose.succeed("-p", "web-server", "rm", "-f").messages
    assert compose.succeed("services", "--format", "json", program="corral").json == []


def test_logs_come_from_all_containers_of_the_project(running: CommandLine):
    at = "2026-01-31T12:00:00Z"
    running.transport.sockets.append(
        ScriptedSocket({"type": "lines", "lines": [["stdout", at, "ready"]]}, {"type": "end", "reason": ""})
    )
    assert running.succeed("-p", "web-server", "logs", "--lines", "5").out == "ready\n"


def test_verbose_says_every_step_in_the_old_words(running: CommandLine):
    found = running.succeed("--verbose", "-p", "web-server", "up", "-d")
    key = running.succeed("stacks", "--format", "json", program="corral").json[0]["id"]
    named = [line.replace(f"{running.folder}/", "") for line in found.messages]
    assert named == [
        "Environment Context from file : map[]",
        "Opening compose file: docker-compose.yml",
        "[0/0] [nginx]: Adding",
        "Opening rancher-compose file: rancher-compose.yml",
        "Looking for stack web-server",
        f"Found stack: web-server({key})",
        "Launching action for nginx",
        "Project [web-server]: Creating project",
        "Finding service nginx",
        "[0/1] [nginx]: Creating",
        "Found service nginx",
        "[0/1] [nginx]: Created",
        "Project [web-server]: Project created",
        "Project [web-server]: Starting project",
        "Launching action for nginx",
        "Finding service nginx",
        "[0/1] [nginx]: Starting",
        "Found service nginx",
        "Finding service nginx",
        "[1/1] [nginx]: Started",
        "Project [web-server]: Project started",
    ]
    assert found.err.count("level=info") == 4


def test_values_of_variables_are_not_shown(running: CommandLine):
    running.write("docker-compose.yml", DOCKER.replace("1.8", "${TAG}"))
    running.write("values", "TAG=1.8\nOTHER=x\n")
    found = running.succeed("--verbose", "-p", "web-server", "--env-file", "values", "up", "-d")
    assert any(
        re.fullmatch(r"Environment Context from file \S*values: map\[TAG:\*\*\*\]", each) for each in found.messages
    )


def test_pull_brings_the_images_to_every_host(running: CommandLine):
    found = running.succeed("-p", "web-server", "pull")
    assert found.messages == [
        "Checking for sim/nginx:1.8 on lab-1...",
        "Finished sim/nginx:1.8 on lab-1",
        "Finished pulling sim/nginx:1.8",
    ]
    assert changing(found.calls) == ["POST pulltasks"]
    running.write("docker-compose.yml", DOCKER.replace("sim/nginx:1.8", "no.such.registry/nginx:1"))
    failed = running.fail("-p", "web-server", "pull", "nginx")
    assert failed.code == ExitCode.FAILED
    assert "Pull failed on one of the hosts" in failed.err
    assert any(line.startswith("Checking for no.such.registry/nginx:1 on lab-1: ") for line in failed.messages)
    assert running.fail("-p", "web-server", "pull", "--cached").code == ExitCode.INVALID
    assert running.fail("-p", "web-server", "pull", "nothing").code == ExitCode.INVALID


def test_an_upgrade_pulls_before_when_that_is_requested(running: CommandLine):
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9"))
    found = running.succeed("-p", "web-server", "up", "-d", "--upgrade", "--pull", "--confirm-upgrade")
    assert [each.partition("?action=")[2] or each for each in changing(found.calls)] == [
        "POST pulltasks",
        "upgrade",
        "finishupgrade",
    ]
    assert "Finished pulling sim/nginx:1.9" in found.messages


def test_an_upgrade_is_forced_and_goes_on_in_batches(running: CommandLine):
    before = running.succeed("ps", "-c", "--format", "json", program="corral").json
    flags = ["--force-upgrade", "--batch-size", "3", "--interval", "500", "--confirm-upgrade"]
    found = running.succeed("-p", "web-server", "up", "-d", *flags)
    assert "Upgrading nginx" in found.messages
    (body,) = [body for _method, path, body in found.transport.requests if path.endswith("?action=upgrade")]
    assert (body["force"], body["batchSize"], body["intervalMillis"]) == (True, 3, 500)
    after = running.succeed("ps", "-c", "--format", "json", program="corral").json
    assert len(after) == len(before) == 1
    assert after[0]["id"] != before[0]["id"]
    assert running.fail("-p", "web-server", "up", "-d", "-u", "--batch-size", "0").code == ExitCode.INVALID


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop", "-t", "5"),
        ("restart", "--timeout", "5"),
        ("scale", "-t", "5", "nginx=2"),
        ("rm", "-f", "-v"),
        ("-b", "bindings.json", "up", "-d"),
    ],
)
def test_a_flag_without_effect_is_refused_with_what_to_do(running: CommandLine, arguments: tuple[str, ...]):
    refused = running.fail("-p", "web-server", *arguments)
    assert refused.code == ExitCode.USAGE
    assert "is not possible" in refused.err
    assert refused.calls == []


def test_a_command_that_was_interrupted_waits_for_what_is_under_way(running: CommandLine):
    """The same command picks it up: what is being upgraded is waited for, and not refused."""
    running.write("docker-compose.yml", DOCKER.replace("1.8", "1.9"))
    interrupted = running.run("-p", "web-server", "--timeout", "0.1", "up", "-d", "-u", "-c")
    assert interrupted.code == ExitCode.TIMEOUT
    running.succeed("-p", "web-server", "up", "-d", "-u", "-c")
    assert (row(running)["state"], row(running)["image"]) == ("active", "sim/nginx:1.9")


def test_the_script_of_a_build_server_runs_as_it_did(compose: CommandLine):
    """Files at two places, variables for the version, and it ends when the scale is reached."""
    compose.write("deploy/docker-compose.yml", "java:\n  image: sim/java:${VERSION}\n  expose: ['8080']\n")
    compose.write("deploy/rancher-compose.yml", "java:\n  scale: 3\n")
    flags = ["--verbose", "-p", "web-server", "-f", "deploy/docker-compose.yml", "-r", "deploy/rancher-compose.yml"]
    compose.environ["VERSION"] = "1.0.1"
    compose.succeed(*flags, "up", "-d", "--upgrade")
    assert (row(compose, "java")["image"], row(compose, "java")["scale"]) == ("sim/java:1.0.1", "3/3")
    compose.environ["VERSION"] = "1.0.2"
    compose.succeed(*flags, "up", "-d", "--upgrade", "--confirm-upgrade", "-p")
    assert (row(compose, "java")["image"], row(compose, "java")["state"]) == ("sim/java:1.0.2", "active")


def test_a_mistake_in_a_file_is_shown_with_its_line(compose: CommandLine):
    compose.write("docker-compose.yml", "nginx:\n  image: sim/nginx:1.8\n  ports: [80\n")
    found = compose.fail("-p", "web-server", "up", "-d")
    assert found.code == ExitCode.INVALID
    assert re.search(r"docker-compose\.yml:4:1: ", found.err)


def test_what_is_not_there_or_not_known_is_said_so(compose: CommandLine):
    assert compose.fail("-p", "web-server", "stop").code == ExitCode.NOT_FOUND
    assert compose.fail("-f", "nothing.yml", "up", "-d").code == ExitCode.NOT_FOUND
    assert compose.fail("fly").code == ExitCode.USAGE
    assert compose.fail("up", "--fly").code == ExitCode.USAGE
    assert "commands:" in compose.succeed("help").out
    assert "commands:" in compose.succeed().out
    assert compose.succeed("compose", "--version", program="corral").out.startswith("corral compose version v")
