"""`corral catalog`: templates are listed and shown, launched as stacks, and these brought to later versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.catalog.library_row import library_ensure
from apps.catalog.services import catalog_create
from apps.catalog.source import FolderSource
from apps.catalog.storage import FILES
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from corral_cli.errors import ExitCode
from tests.catalog.loop import settle
from tests.catalog.repositories import Repository, template_files
from tests.cli.command_line import CommandLine


@pytest.fixture(autouse=True)
def no_remembered_files() -> Iterator[None]:
    """Rows of another test have the same numbers."""
    FILES.clear()
    yield
    FILES.clear()


@pytest.fixture
def cli(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """That of the lab's owner, with a library of *Greeter* in three versions, *Counter* in one, and *Plain*."""
    plain = {"docker-compose.yml": "web: {image: 'sim/web:1'}\n", "rancher-compose.yml": ".catalog: {name: Plain}\n"}
    files = {
        **template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1", 2: "2.0"}),
        **template_files("templates/counter", "Counter", {0: "0.1"}, category="Tools"),
        **{f"templates/plain/0/{name}": text for name, text in plain.items()},
    }
    for path, content in files.items():
        (tmp_path / "library" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "library" / path).write_text(content)
    for module in ("storage", "reconcile"):
        monkeypatch.setattr(f"apps.catalog.{module}.library_source", lambda: FolderSource(tmp_path / "library"))
    library_ensure()
    reconcile_until_idle()
    cli.while_waiting = settle
    return cli


@pytest.fixture
def ours(cli: CommandLine, tmp_path: Path, lab: Environment, actor_of: Any) -> CommandLine:
    """The same, with a catalog of the lab's own, which has a *Greeter* too."""
    repository = Repository(tmp_path / "repository")
    repository.commit(template_files("templates/greeter", "Greeter", {0: "3.0"}))
    catalog_create(actor=actor_of("alice"), environment=lab, name="ours", url=repository.url)
    reconcile_until_idle()
    return cli


@pytest.fixture
def launched(cli: CommandLine) -> CommandLine:
    """The same, with a stack *hi* of the oldest version, which runs."""
    cli.succeed("catalog", "launch", "greeter", "--version", "1.0", "-s", "hi", "--set", "GREETING=hey", "--wait")
    return cli


def images() -> list[str]:
    return list(Service.all_objects.filter(removed=None).values_list("image", flat=True))


def stack() -> Stack:
    found: Stack = Stack.all_objects.get(removed=None)
    return found


def test_templates_are_listed_with_the_version_offered_first(cli: CommandLine):
    assert cli.succeed("catalog", "ls", "greeting", "--format", "json").json == [
        {"id": f"library:{name.lower()}", "name": name, "version": version, "categories": [category],
         "description": "Serves a greeting."}
        for name, version, category in (("Counter", "0.1", "Tools"), ("Greeter", "2.0", "Web"))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("--category", "Web"), ["library:greeter"]),
        (("--catalog", "library"), ["library:counter", "library:greeter", "library:plain"]),
        (("--catalog", "theirs"), []),
        (("COUNT",), ["library:counter"]),
        (("greeting",), ["library:counter", "library:greeter"]),
        (("nothing of it",), []),
    ],
)
def test_a_list_is_narrowed(cli: CommandLine, arguments: tuple[str, ...], ids: list[str]):
    assert cli.succeed("catalog", "ls", *arguments, "--format", "{{.id}}").out.split() == ids


@pytest.mark.parametrize(
    ("arguments", "version"),
    [
        (("greeter",), "2.0"),
        (("Greeter",), "2.0"),
        (("library:greeter",), "2.0"),
        (("library:greeter:1",), "1.1"),
        (("catalog://library:greeter:0",), "1.0"),
        (("greeter", "--version", "1.1"), "1.1"),
    ],
)
def test_a_version_is_named_in_several_ways(cli: CommandLine, arguments: tuple[str, ...], version: str):
    out = cli.succeed("catalog", "show", *arguments).out
    assert out.startswith(f"Greeter {version} (library:greeter:")
    assert out.splitlines()[-1].split() == ["GREETING", "string", "yes", "hello", "Greeting"]


def test_programs_are_shown_questions_and_files(cli: CommandLine):
    found = cli.succeed("catalog", "show", "library:greeter:1", "--format", "json").json
    assert (found["id"], found["version"], found["minimumRancherVersion"]) == ("library:greeter:1", "1.1", "v0.59.0")
    assert [each["variable"] for each in found["questions"]] == ["GREETING"]
    assert sorted(found["files"]) == ["docker-compose.yml", "rancher-compose.yml"]


def test_a_template_that_asks_nothing_says_so(cli: CommandLine):
    assert "It asks nothing." in cli.succeed("catalog", "show", "plain").out


def test_a_template_becomes_a_stack_that_runs(cli: CommandLine):
    done = cli.succeed("catalog", "launch", "greeter", "--description", "of the door", "--wait")
    assert done.out.splitlines()[0].endswith(": stack greeter is launched from Greeter 2.0")
    assert done.out.splitlines()[-1] == "stack greeter is active"
    row = stack()
    assert (row.name, row.description, row.external_id) == ("greeter", "of the door", "catalog://library:greeter:2")
    assert (row.variables, images()) == ({"GREETING": "hello"}, ["sim/web:2.0"])


def test_answers_come_from_a_file_and_from_the_command_line(cli: CommandLine):
    cli.write("answers", "# who\nGREETING='from the file'\nother-one=2\n")
    done = cli.succeed("catalog", "launch", "greeter", "-s", "one", "--answers", "answers")
    assert "warning: no question is about other-one" in done.err
    assert stack().variables == {"GREETING": "from the file", "other-one": "2"}
    stack().delete()
    cli.succeed("catalog", "launch", "greeter", "-s", "two", "--answers", "answers", "--set", "GREETING=a=b")
    assert stack().variables["GREETING"] == "a=b"


def test_services_may_be_left_stopped(cli: CommandLine):
    done = cli.succeed("catalog", "launch", "greeter", "-s", "later", "--no-start", "--wait")
    assert done.out.splitlines()[-1].startswith("stack later is ")
    assert Service.all_objects.get().state == "inactive"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show",), ExitCode.USAGE, "say which template"),
        (("launch",), ExitCode.USAGE, "say which template"),
        (("upgrade",), ExitCode.USAGE, "say which stack"),
        (("show", "nothing"), ExitCode.NOT_FOUND, "no template 'nothing'"),
        (("show", "library:nothing"), ExitCode.NOT_FOUND, "library:nothing"),
        (("show", "library:greeter:9"), ExitCode.NOT_FOUND, "library:greeter:9"),
        (("launch", "greeter", "--version", "7"), ExitCode.NOT_FOUND, "it has 1.0, 1.1, 2.0"),
        (("launch", "greeter", "--set", "GREETING"), ExitCode.USAGE, "--set is NAME=VALUE"),
        (("launch", "greeter", "--set", "GREETING="), ExitCode.INVALID, "environment.GREETING: This needs an answer."),
        (("launch", "greeter", "--answers", "gone"), ExitCode.NOT_FOUND, "There is no file"),
        (("upgrade", "nothing"), ExitCode.NOT_FOUND, "no stack 'nothing'"),
    ],
)
def test_what_cannot_be_is_refused_and_makes_nothing(
    cli: CommandLine, arguments: tuple[str, ...], code: ExitCode, words: str
):
    refused = cli.fail("catalog", *arguments)
    assert (refused.code, words in refused.err) == (code, True), refused.err
    assert not Stack.all_objects.exists()


def test_a_name_that_several_catalogs_have_is_not_guessed(ours: CommandLine):
    refused = ours.fail("catalog", "launch", "greeter")
    assert refused.code == ExitCode.USAGE
    assert "library:greeter" in refused.err
    assert "ours:greeter" in refused.err
    assert ours.succeed("catalog", "show", "greeter", "--catalog", "ours").out.startswith(
        "Greeter 3.0 (ours:greeter:0)"
    )
    ours.succeed("catalog", "launch", "ours:greeter")
    assert stack().external_id == "catalog://ours:greeter:0"


def test_a_preview_of_an_upgrade_changes_nothing(launched: CommandLine):
    shown = launched.succeed("catalog", "upgrade", "hi", "--preview").out
    assert "~ web: upgrade" in shown
    assert "sim/web:1.0 -> docker:sim/web:2.0" in shown
    found = launched.succeed("catalog", "upgrade", "hi", "--preview", "--format", "json").json
    assert [(each["name"], each["change"]) for each in found["services"]] == [("web", "upgrade")]
    assert (stack().external_id, images()) == ("catalog://library:greeter:0", ["sim/web:1.0"])


def test_a_stack_is_upgraded_to_the_newest_and_rolled_back(launched: CommandLine):
    done = launched.succeed("catalog", "upgrade", "hi", "--wait", "--note", "TICKET-7")
    assert "stack hi: upgrade to 2.0 requested" in done.out
    assert done.out.splitlines()[-1] == "stack hi is upgraded"
    row = stack()
    assert (row.external_id, row.variables, images()) == (
        "catalog://library:greeter:2",
        {"GREETING": "hey"},
        ["sim/web:2.0"],
    )
    notes = [each["note"] for each in launched.succeed("revisions", "hi", "--type", "stack", "--format", "json").json]
    assert "TICKET-7" in notes
    launched.succeed("rollback", "hi", "--type", "stack", "--wait")
    assert (stack().external_id, images()) == ("catalog://library:greeter:0", ["sim/web:1.0"])


def test_an_upgrade_is_finished_at_once_or_later(launched: CommandLine):
    launched.succeed("catalog", "upgrade", "hi", "--version", "1.1", "--wait")
    assert stack().state == "upgraded"
    assert launched.succeed("catalog", "upgrade", "hi", "-c").out == "stack hi is active\n"
    assert (stack().state, images()) == ("active", ["sim/web:1.1"])
    done = launched.succeed("catalog", "upgrade", "hi", "--confirm-upgrade")
    assert done.out.splitlines()[-1] == "stack hi is active"
    assert (stack().state, stack().external_id) == ("active", "catalog://library:greeter:2")


def test_an_upgrade_that_is_not_finished_gives_way_to_a_version_that_is_named(launched: CommandLine):
    launched.succeed("catalog", "upgrade", "hi", "--version", "1.1", "--wait")
    launched.succeed("catalog", "upgrade", "hi", "--version", "2.0", "-c")
    assert (stack().state, stack().external_id, images()) == ("active", "catalog://library:greeter:2", ["sim/web:2.0"])


def test_the_present_version_takes_other_answers_when_it_is_named(launched: CommandLine):
    launched.succeed("catalog", "upgrade", "hi", "--version", "1.0", "--set", "GREETING=ahoy", "-c")
    assert Service.all_objects.get().config.environment["GREETING"] == "ahoy"
    assert stack().external_id == "catalog://library:greeter:0"


def test_the_newest_version_is_left_alone(cli: CommandLine):
    cli.succeed("catalog", "launch", "greeter", "-s", "hi", "--wait")
    done = cli.succeed("catalog", "upgrade", "hi")
    assert done.out == "stack hi has the newest version already: 2.0\n"
    assert all(not call.startswith("POST") for call in done.calls)


def test_a_version_that_cannot_follow_is_refused_with_those_that_can(launched: CommandLine):
    refused = launched.fail("catalog", "upgrade", "hi", "--version", "3.0")
    assert refused.code == ExitCode.NOT_FOUND
    assert "Version '3.0' cannot follow 1.0; what can: 2.0, 1.1." in refused.err
    assert images() == ["sim/web:1.0"]


def test_a_stack_of_no_template_is_upgraded_otherwise(cli: CommandLine):
    cli.write("docker-compose.yml", "web: {image: 'sim/web:1'}\n")
    cli.succeed("up", "-d", "-s", "own")
    refused = cli.fail("catalog", "upgrade", "own")
    assert refused.code == ExitCode.REFUSED
    assert "stack own is not of a template: upgrade it with `corral up`." in refused.err


def test_who_may_only_look_launches_and_upgrades_nothing(launched: CommandLine, cli_of: Callable[..., CommandLine]):
    reader = cli_of("alice", role="readonly")
    assert "library:greeter" in reader.succeed("catalog").out
    assert reader.fail("catalog", "launch", "greeter", "-s", "two").code == ExitCode.REFUSED
    assert reader.fail("catalog", "upgrade", "hi").code == ExitCode.REFUSED
    assert (stack().name, images()) == ("hi", ["sim/web:1.0"])


def test_a_key_of_an_account_sees_the_catalogs_of_the_environment_that_it_names(
    ours: CommandLine, cli_of: Callable[..., CommandLine], second_environment: Environment
):
    account = cli_of("alice", account=True)
    there = account.succeed("catalog", "ls", "greeter", "--env", "Lab", "--format", "{{.id}}").out.split()
    assert sorted(there) == ["library:greeter", "ours:greeter"]
    assert (
        account.succeed("catalog", "ls", "greeter", "--env", "Stage", "--format", "{{.id}}").out == "library:greeter\n"
    )
    assert account.fail("catalog", "launch", "ours:greeter", "--env", "Stage").code == ExitCode.NOT_FOUND
    assert not Stack.all_objects.exists()
