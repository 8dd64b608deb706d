"""All commands, run one after the other: what each prints obeys `--format`, and what removes something asks before."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone

from apps.catalog.storage import FILES
from apps.containers.images.inventory import take_inventory
from apps.control.reconcile import reconcile_one
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated.engine import simulated_engine
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service
from apps.stacks.promotions.rules import rules_set
from apps.stacks.updates.models import ImageUpdate, RegistryTag
from apps.volumes.models import StoragePool
from corral_cli.commands import COMMANDS
from corral_cli.errors import ExitCode
from corral_cli.program import command_parser, load_command
from tests.adoption.projects import look, make
from tests.catalog.repositories import Repository, template_files
from tests.cli.command_line import CommandLine, CommandResult, ScriptedSocket
from tests.stacks.promotions.promoting import prod
from tests.wire.api_client import run_until_idle

__all__ = ["prod"]

FILE = "web:\n  image: bb:${TAG}\n"
NOT_READ_BY_PROGRAMS = {
    "login": "it prints a row like the others, but keys are typed into it: tests/cli/test_access.py",
    "logs": "lines of containers as they come",
    "exec": "the output of another program, byte by byte",
    "events": "a row for each event as it comes, in every form: tests/cli/test_streams.py",
    "port-forward": "it goes on while it is used; its one row is printed before",
    "completion": "a script for a shell",
    "check-hosts": "it needs agents that answer: tests/cli/test_check_hosts.py",
    "stats": "it needs figures of two moments: tests/cli/test_streams.py",
    "top": "as stats",
}
SHOWN_ELSEWHERE = {
    ("webhooks", "call"): "it needs a secret that was shown once: tests/cli/test_webhooks.py",
    ("image", "export"): "it writes a file: tests/cli/test_images.py",
    ("image", "import"): "it reads a file: tests/cli/test_images.py",
    ("build", ""): "it follows a log: tests/cli/test_build.py",
    ("import", "rancher"): "it reads another server: tests/cli/test_rancher_import.py",
    ("import", ""): "as import rancher",
}
REMOVING = {"rm", "prune"}


@dataclass(frozen=True)
class Example:
    """A command line, who runs it, and what has to happen before."""

    line: str
    who: str = "alice"
    before: Callable[[Workshop], None] = lambda _shop: None
    keeps: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The command, and which of its actions, where it has some."""
        words = self.line.split()
        return words[0], words[1] if len(words) > 1 and words[1] in actions_of(words[0]) else ""


class Workshop:
    """Two people's command lines in one environment, and what examples refer to by name."""

    def __init__(
        self, alice: CommandLine, bob: CommandLine, lab: Environment, repository: Repository, actor: Actor
    ) -> None:
        self.actor = actor
        self.people = {"alice": alice, "bob": bob}
        self.lab = lab
        self.names: dict[str, str] = {"repository": repository.url}

    def use_tag(self, tag: str) -> None:
        """What the file's variable is from now on."""
        settle(self)
        self.people["alice"].environ["TAG"] = tag

    def run(self, example: Example, *more: str, **how: Any) -> CommandResult:
        """Run the example's command line."""
        words = [each.format(**self.names) if not each.startswith("{{") else each for each in example.line.split()]
        return self.people[example.who].run(*words, *more, **how)


def settle(_shop: Workshop) -> None:
    """The loop does its work, more than once: what waits for a time is not waited for."""
    for _again in range(3):
        for row in (*Service.all_objects.filter(removed=None),):
            Service.all_objects.filter(pk=row.pk).update(next_attempt_at=timezone.now())
        run_until_idle()


def list_hosts(shop: Workshop) -> None:
    """What engines have is listed now."""
    settle(shop)
    for host in Host.all_objects.filter(environment=shop.lab, removed=None):
        take_inventory(host)
        look(host)
    StoragePool.all_objects.update(measured_at=None)
    for pool in StoragePool.all_objects.all():
        reconcile_one("storagePool", pool.pk)


def have_newer_image(shop: Workshop) -> None:
    """A registry has a newer image of the service."""
    settle(shop)
    service = Service.all_objects.get(name="web", stack__name="shop", environment=shop.lab)
    tag = RegistryTag.objects.create(domain="docker.io", repository="library/bb", tag="1", digest=f"sha256:{'b' * 64}")
    ImageUpdate.objects.filter(service=service).delete()
    ImageUpdate.objects.create(
        environment=shop.lab,
        service=service,
        image="bb:1",
        tag=tag,
        state="newer",
        running=f"sha256:{'a' * 64}",
        digest=tag.digest,
        since=timezone.now(),
    )


def need_approval(shop: Workshop) -> None:
    """What is promoted from now on waits for a second person."""
    settle(shop)
    rules_set(Environment.objects.get(name="Prod"), {"needsApproval": True}, actor=shop.actor)


EXAMPLES = [
    Example("env"),
    Example("env create Fresh"),
    Example("env use Lab"),
    Example("contexts"),
    Example("contexts use second"),
    Example("contexts rm second --yes"),
    Example("logout first"),
    Example("members"),
    Example("keys"),
    Example("keys create deploy"),
    Example("keys deactivate deploy"),
    Example("keys rm deploy --yes"),
    Example("up -d -s shop"),
    Example("hosts", before=settle),
    Example("stacks"),
    Example("services"),
    Example("ps"),
    Example("ps -c"),
    Example("inspect shop/web"),
    Example("revisions shop"),
    Example("diff -s shop"),
    Example("what-if shop/web --scale 2"),
    Example("where"),
    Example("audit"),
    Example("audit verify"),
    Example("pull -s shop"),
    Example("wait shop"),
    Example("scale shop/web=2 --wait"),
    Example("stop shop/web --wait"),
    Example("start shop/web --wait"),
    Example("restart shop/web --wait"),
    Example("export shop"),
    Example("up -d -u -s shop", before=lambda shop: shop.use_tag("2")),
    Example("rollback shop --wait", before=lambda shop: shop.use_tag("1")),
    Example("images", before=list_hosts),
    Example("images prune --all --dry-run"),
    Example("image history bb:2 --host lab-1"),
    Example("image cp bb:2 lab-2"),
    Example("image tag bb:2 bb:3 --host lab-1", before=list_hosts),
    Example("image rm bb:3 --host lab-1 --yes", before=list_hosts),
    Example("images prune --all --yes", before=list_hosts),
    Example("volumes"),
    Example("volumes create fresh --host lab-1"),
    Example("volumes files data", before=list_hosts),
    Example("volumes rm data --yes"),
    Example("volumes prune --all --yes", before=list_hosts),
    Example("adopt"),
    Example("adopt blog --dry-run"),
    Example("adopt blog"),
    Example("give-back blog", before=settle),
    Example("trust create ci --claim repository=acme/shop"),
    Example("trust"),
    Example("trust deactivate ci", before=settle),
    Example("trust activate ci", before=settle),
    Example("trust rm ci --yes", before=settle),
    Example("webhooks create shop/web --task redeploy --name deploy"),
    Example("webhooks"),
    Example("webhooks renew deploy", before=settle),
    Example("webhooks deactivate deploy", before=settle),
    Example("webhooks activate deploy", before=settle),
    Example("webhooks rm deploy --yes", before=settle),
    Example("catalogs add ours {repository} --wait"),
    Example("catalogs"),
    Example("catalogs refresh ours --wait"),
    Example("catalog"),
    Example("catalog show ours:greeter"),
    Example("catalog launch ours:greeter --version 1.0 -s hi --set GREETING=hey --wait"),
    Example("catalog upgrade hi --confirm-upgrade"),
    Example("catalogs rm ours --yes"),
    Example("updates", before=have_newer_image),
    Example("updates check"),
    Example("updates apply shop/web"),
    Example("promote shop --to Prod --set TAG=1 --preview", who="bob", before=settle),
    Example("promote shop --to Prod --set TAG=1", who="bob"),
    Example("promote shop --to Prod --set TAG=2", who="bob", before=need_approval, keeps="second"),
    Example("promotions", before=settle),
    Example("promotions show {second}"),
    Example("promotions approve {second}"),
    Example("promotions undo {second}", before=settle),
    Example("promote shop --to Prod --set TAG=2", who="bob", before=settle, keeps="third"),
    Example("promotions refuse {third}", before=settle),
    Example("rm shop/web --yes"),
]  # fmt: skip


def positionals(name: str) -> list[Any]:
    """The positional arguments of a command that are one of a few words."""
    parser: ArgumentParser = command_parser(name, load_command(name))
    return [each for each in parser._actions if not each.option_strings and each.choices]


def actions_of(name: str) -> list[str]:
    return [] if name == "completion" else [word for each in positionals(name) for word in each.choices or ()]


def every_place() -> list[tuple[str, str]]:
    return [(name, action) for name in COMMANDS for action in actions_of(name) or [""]]


@pytest.fixture
def workshop(
    cli_of: Callable[..., CommandLine], lab: Environment, prod: Environment, tmp_path: Path, actor_of: Any
) -> Iterator[Workshop]:
    """Alice and bob, two hosts with images, volumes and a project of their own, and an environment to promote to."""
    FILES.clear()
    engines = {name: simulated_engine(name) for name in ("cli", "cli2")}
    for name, engine in engines.items():
        for image in ("bb:1", "bb:2", "sim/greeter:1", "bb:local"):
            engine.local_images.add(image)
        host_create(actor=None, environment=lab, url=f"sim://{name}", name=f"lab-{'2' if name == 'cli2' else '1'}")
    engines["cli"].create_volume("spare", "local", {}, {})
    engines["cli"].create_volume("data", "local", {}, {})
    engines["cli"].write_file("data", "a.txt", b"hello")
    make(engines["cli"], "blog", "web")
    run_until_idle()
    repository = Repository(tmp_path / "repository")
    repository.commit(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1"}))
    people = [cli_of(name, account=True) for name in ("alice", "bob")]
    for each in people:
        each.environ["RANCHER_ENVIRONMENT"] = "Lab"
        each.environ["TAG"] = "1"
    people[0].write("docker-compose.yml", FILE)
    pair = f"{people[0].environ['RANCHER_ACCESS_KEY']}\n{people[0].environ['RANCHER_SECRET_KEY']}\n"
    for name in ("second", "first"):
        people[0].succeed("login", "http://portal.test", "--key", "--name", name, stdin=pair)
    yield Workshop(people[0], people[1], lab, repository, actor_of("alice"))
    registry.discard_driver(Endpoint("sim://cli2"))
    FILES.clear()


def read(form: str, text: str) -> Any:
    """What a program makes of what was printed."""
    if form == "json":
        return json.loads(text)
    if form == "yaml":
        return yaml.safe_load(text)
    return [json.loads(line) for line in text.splitlines()]


def writes(found: CommandResult) -> list[str]:
    """The requests that change something."""
    sent = [call for call in found.calls if call.startswith(("POST", "PUT", "DELETE"))]
    return [call for call in sent if "preview" not in call]


def removals(found: CommandResult) -> list[str]:
    """The requests that remove something."""
    return [each for each in writes(found) if each.startswith("DELETE") or "imageremovals" in each or "=prune" in each]


@pytest.mark.parametrize("form", ["json", "yaml", "{{.}}"])
def test_what_every_command_prints_is_for_programs_and_removals_are_asked_for(workshop: Workshop, form: str) -> None:
    for example in EXAMPLES:
        example.before(workshop)
        if "--yes" in example.line:
            _require_question(workshop, Example(example.line.replace(" --yes", ""), example.who))
        found = workshop.run(example, "--format", form)
        assert found.code == ExitCode.OK, (example.line, found.out, found.err)
        try:
            data = read(form, found.out)
        except ValueError as error:
            raise AssertionError((example.line, found.out)) from error
        assert data or form == "{{.}}" or data == [], (example.line, found.out)
        assert "--yes" in example.line or not removals(found), example.line
        if example.keeps:
            workshop.names[example.keeps] = data[0]["id"]


def _require_question(workshop: Workshop, example: Example) -> None:
    """Without `--yes` a pipe is refused and a person who says no has nothing removed."""
    refused = workshop.run(example)
    assert (refused.code, "say --yes" in refused.err) == (ExitCode.USAGE, True), (example.line, refused.err)
    declined = workshop.run(example, stdin="n\n", tty=True)
    assert (declined.code, "[y/N]" in declined.err) == (ExitCode.INTERRUPTED, True), (example.line, declined.err)
    assert writes(refused) == writes(declined) == [], example.line


def test_every_command_and_action_has_an_example_or_a_reason_for_none() -> None:
    shown = {example.place for example in EXAMPLES}
    known = shown | {(name, "") for name in NOT_READ_BY_PROGRAMS} | SHOWN_ELSEWHERE.keys()
    defaults = {(name, "ls") for name in COMMANDS} | {(name, "list") for name in COMMANDS}
    listed = {(name, action) for name, action in defaults if (name, "") in shown}
    assert set(every_place()) - known - listed == set()


@pytest.mark.parametrize(("name", "action"), [each for each in every_place() if REMOVING & set(each)])
def test_what_removes_takes_the_same_option_and_is_in_the_examples(name: str, action: str) -> None:
    parser = command_parser(name, load_command(name))
    (option,) = [each for each in parser._actions if "--yes" in each.option_strings]
    assert "-y" in option.option_strings
    assert not action or action in str(option.help), "the help names what asks"
    assert any(each.place == (name, action) and "--yes" in each.line for each in EXAMPLES)


@pytest.mark.parametrize(("name", "action"), [each for each in every_place() if each[1]])
def test_a_missing_argument_is_named_with_a_command_that_has_it(cli: CommandLine, name: str, action: str) -> None:
    found = cli.run(name, action)
    if found.code in {ExitCode.OK, ExitCode.REFUSED}:  # it takes none, and has nothing to do here
        return
    assert found.code == ExitCode.USAGE, found.err
    examples = f"such as: corral {name} {action} ", "the following arguments are required: ", "say --yes"
    assert any(each in found.err for each in examples), found.err


def test_events_and_forwarded_ports_are_rows_too(cli: CommandLine) -> None:
    event = {"type": "service", "id": "1s1", "name": "web", "state": "active"}
    for form in ("json", "yaml", "{{.}}"):
        cli.transport.sockets.append(ScriptedSocket({"name": "resource.change", "data": {"resource": event}}))
        found = read(form, cli.succeed("events", "--count", "1", "--format", form).out)
        assert (found if form == "json" else found[0])["name"] == "web"
