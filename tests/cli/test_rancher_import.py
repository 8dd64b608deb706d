"""`import rancher`: what a recorded Rancher 1.6 server has is made here, and every row of it is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.simulated.engine import simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.environment_networks import network_of
from apps.stacks.models import Service, ServiceLink, Stack
from apps.vault.models import Registry
from corral_cli.errors import CliError, ExitCode
from tests.adoption.projects import look
from tests.adoption.rancher_host import make_rancher
from tests.cli.command_line import CommandLine, CommandResult
from tests.cli.rancher16.rows import simple
from tests.cli.rancher16.server import KEY, SECRET, OldServer, running_server
from tests.wire.api_client import run_until_idle


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Iterator[OldServer]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_server() as server:
        yield server


@pytest.fixture
def mover(cli_of: Callable[..., CommandLine], host: Host, old: OldServer) -> CommandLine:
    """Somebody with a key of their account here, and a file with the secret of one there."""
    line = cli_of("alice", account=True)
    line.write("old-secret", SECRET + "\n")
    line.transport.outside = (old.url,)
    return line


def call(mover: CommandLine, old: OldServer, *more: str, **keywords: Any) -> CommandResult:
    arguments = ("--from", old.url, "--from-access-key", KEY, "--from-secret-key-file", "old-secret", *more)
    return mover.run("import", "rancher", *arguments, **keywords)


def lines_of(result: CommandResult) -> dict[tuple[str, str], tuple[str, str]]:
    return {(each["type"], each["name"]): (each["state"], each["note"]) for each in result.json}


def rename_lab(lab: Environment) -> None:
    """The environment of the tests is the one that is moved to."""
    Environment.objects.filter(pk=lab.pk).update(name="Default")


def everything() -> tuple[int, ...]:
    return tuple(model.all_objects.count() for model in (Environment, Stack, Service, Registry, Container))


def test_a_dry_run_accounts_for_every_row_and_makes_nothing(mover: CommandLine, old: OldServer) -> None:
    before = everything()
    result = call(mover, old, "--dry-run", "--format", "json")
    assert everything() == before
    assert result.code == ExitCode.FAILED, "something would be refused"
    assert "Nothing was made." in result.err
    found = lines_of(result)
    states = {key: state for key, (state, _note) in found.items()}
    assert states[("environment", "Default")] == "carried"
    assert states[("environment", "Cluster")] == "not carried"
    assert "kubernetes" in found[("environment", "Cluster")][1]
    wanted = {
        "ipsec": "not carried",
        "healthcheck": "not carried",
        "network-services": "not carried",
        "scheduler": "not carried",
        "edge": "carried",
        "shop": "carried",
        "mail": "carried",
        "monitor": "carried",
        "finder": "carried",
        "secure": "refused",
        "blog": "differs",
        "payments": "refused",
        "broken": "carried",  # the host policy is one of an environment, which is not here yet
        "empty": "carried",
    }
    assert {name: state for (kind, name), state in states.items() if kind == "stack"} == wanted
    assert "finish the upgrade there" in found[("stack", "payments")][1]
    assert "certificate shop.example" in found[("stack", "secure")][1]
    assert "community:ghost" in found[("stack", "blog")][1]
    assert found[("service", "shop/lb")][0] == "by hand"
    assert "takes its containers over" in found[("service", "shop/web")][1]
    assert found[("service", "payments/app")] == ("not carried", "its stack is not")
    assert "stopped on the old server" in found[("service", "blog/app")][1]
    assert found[("registry", "registry.example")][0] == "carried"
    assert "does not give passwords" in found[("registry login", "robot@registry.example")][1]
    assert "private keys" in found[("certificate", "shop.example")][1]
    assert found[("host", "lab-1")][0] == "by hand"
    assert found[("container", "by-hand")][0] == "by hand"
    assert [name for kind, name in found if kind == "volume"] == ["shop-data"]
    assert {("secret", "db-password"), ("API key", "ci"), ("member", "octo"), ("setting", "api.host")} <= found.keys()
    assert found[("catalog", "ours")][1].endswith("https://git.example/ours.git")


def test_nothing_is_changed_on_the_old_server_and_no_secret_is_shown(mover: CommandLine, old: OldServer) -> None:
    result = call(mover, old, "--verbose")
    changing = [target for method, target in old.requests if method != "GET" and "action=exportconfig" not in target]
    assert changing == []
    shown = result.out + result.err
    assert not any(secret in shown for secret in (SECRET, "hunter2", "swordfish"))
    assert not any(SECRET in target for _method, target in old.requests)


def test_what_the_old_server_has_is_made_stopped(mover: CommandLine, old: OldServer, lab: Environment) -> None:
    result = call(mover, old, "--format", "json")
    run_until_idle()
    assert result.code == ExitCode.FAILED
    made = Environment.objects.get(name="Default")
    assert made.description == "what runs"
    assert network_of(made.pk).subnet == "10.44.0.0/16", "the old server has 10.42.0.0/16 on the same hosts"
    stacks = {row.name: row for row in Stack.all_objects.filter(environment=made, removed=None)}
    assert sorted(stacks) == ["blog", "edge", "empty", "finder", "mail", "monitor", "shop"]
    assert stacks["shop"].external_id == "rancher:7f3b0000-1111-4222-8333-000000000006"
    services = {f"{row.stack.name}/{row.name}": row for row in Service.all_objects.filter(stack__in=stacks.values())}
    assert {name: (row.display_state, row.scale) for name, row in services.items()} == {
        "blog/app": ("inactive", 1),
        "edge/proxy": ("inactive", 1),
        "finder/all": ("active", 1),
        "mail/mx": ("active", 1),
        "mail/smtp": ("active", 1),
        "monitor/agent": ("inactive", 1),
        "shop/db": ("inactive", 1),
        "shop/lb": ("inactive", 1),
        "shop/web": ("inactive", 3),
    }
    assert services["shop/web"].config.health_check is not None
    assert [each.name for each in services["shop/web"].sidekicks] == ["logs"]
    (mount,) = services["shop/db"].config.data_volumes
    assert mount.source == "shop-data", "the volume that is there, and not a new one of the stack"
    outer = ServiceLink.objects.get(service=services["edge/proxy"])
    assert (outer.target, outer.name) == (services["shop/web"], "web"), "its stack was made before"
    assert Container.all_objects.filter(environment=made).count() == 0
    assert Registry.all_objects.get(environment=made).server_address == "registry.example"
    found = lines_of(result)
    assert (found[("stack", "broken")][0], "privileged" in found[("stack", "broken")][1]) == ("refused", True)


def test_a_second_run_finds_what_the_first_has_made(mover: CommandLine, old: OldServer) -> None:
    call(mover, old)
    run_until_idle()
    before = everything()
    old.rows["services"][11]["state"] = "active"  # its upgrade was finished
    found = lines_of(call(mover, old, "--format", "json"))
    run_until_idle()
    assert found[("environment", "Default")][0] == "there"
    assert found[("stack", "shop")][0] == "there"
    assert found[("registry", "registry.example")][0] == "there"
    assert found[("stack", "payments")][0] == "carried"
    after = everything()
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 1, 1, 0, 0]


def test_a_run_that_breaks_off_is_taken_up_by_the_next(mover: CommandLine, old: OldServer) -> None:
    path = "/v2-beta/projects/1a5/stacks/1st6/"
    old.answers[path] = (503, b"away")
    broken = call(mover, old)
    assert (broken.code, "environment" in broken.out.lower()) == (ExitCode.UNREACHABLE, True), broken.err
    del old.answers[path]
    call(mover, old)
    run_until_idle()
    assert Environment.objects.filter(name="Default").count() == 1
    assert Stack.all_objects.filter(name="shop").count() == 1


def test_a_stack_of_somebody_else_is_left_alone(mover: CommandLine, old: OldServer, lab: Environment) -> None:
    rename_lab(lab)
    mover.environ["RANCHER_ENVIRONMENT"] = f"1a{lab.pk}"
    mover.write("docker-compose.yml", "web:\n  image: bb:local\n")
    mover.succeed("up", "--stack", "shop", "-d")
    run_until_idle()
    found = lines_of(call(mover, old, "--format", "json"))
    assert (found[("stack", "shop")][0], "another one" in found[("stack", "shop")][1]) == ("refused", True)
    assert Service.all_objects.filter(stack__name="shop").count() == 1
    state, note = found[("stack", "edge")]
    assert (state, "links to" in note) == ("carried", False), "there is a stack of that name"


def test_hosts_that_are_here_get_the_labels_that_they_had(
    mover: CommandLine, old: OldServer, lab: Environment, host: Host
) -> None:
    rename_lab(lab)
    dry = lines_of(call(mover, old, "--dry-run", "--format", "json"))
    assert dry[("host", "lab-1")] == ("carried", "it is here; it gets the labels zone=a")
    host.refresh_from_db()
    assert "zone" not in host.all_labels
    call(mover, old)
    run_until_idle()
    host.refresh_from_db()
    assert host.all_labels["zone"] == "a"
    again = lines_of(call(mover, old, "--format", "json"))
    assert again[("host", "lab-1")][0] == "there"
    assert "with CORRAL_NETWORK=off" in again[("host", "node-2")][1]
    assert "choose another under Network" in again[("environment", "Default")][1]


def test_imported_stacks_take_over_what_runs_on_a_host_that_joins(
    mover: CommandLine, old: OldServer, lab: Environment, host: Host
) -> None:
    rename_lab(lab)
    old.exports["1st6"] = tuple(text.replace("nginx:1.10", "bb:local") for text in old.exports["1st6"])  # type: ignore[assignment]
    call(mover, old)
    run_until_idle()
    sim = simulated_engine(host.url.partition("://")[2])
    made = [make_rancher(sim, "shop", "web", number, unit=f"u{number}") for number in (1, 2)]
    made += [make_rancher(sim, "shop", "web", number, sidekick="logs", unit=f"u{number}") for number in (1, 2)]
    made += [make_rancher(sim, "shop", "db"), make_rancher(sim, "monitor", "agent"), make_rancher(sim, "shop", "lb")]
    look(host)
    before = {each.id: (each.state, sim.inspect(each.id).started_at) for each in sim.containers()}
    dry = lines_of(call(mover, old, "--adopt", "--dry-run", "--format", "json"))
    assert dry[("containers", "shop on lab-1")][1].startswith("5 taken over as they are.")
    assert Service.all_objects.get(name="web").display_state == "inactive"
    done = lines_of(call(mover, old, "--adopt", "--format", "json"))
    run_until_idle()
    look(host)
    assert {each.id: (each.state, sim.inspect(each.id).started_at) for each in sim.containers()} == before
    assert sorted(before) == sorted(made)
    assert done[("containers", "monitor on lab-1")] == ("carried", "1 taken over as they are.")
    slots = Service.all_objects.get(name="web").slots.values_list("container__external_id", flat=True)
    assert set(slots) == set(made[:2])
    after = lines_of(call(mover, old, "--adopt", "--format", "json"))
    assert after[("service", "shop/web")] == ("carried", "2 of 3 containers taken over")
    assert after[("containers", "shop on lab-1")][0] == "by hand"
    assert "Stop it there before the balancer" in after[("containers", "shop on lab-1")][1]


def test_only_the_environments_that_are_named_are_read(mover: CommandLine, old: OldServer) -> None:
    result = call(mover, old, "--environment", "cluster", "--dry-run")
    assert result.code == ExitCode.OK
    assert not any("1a5" in target for _method, target in old.requests)
    unknown = call(mover, old, "--environment", "Nowhere")
    assert (unknown.code, "it sees Cluster, Default" in unknown.err) == (ExitCode.NOT_FOUND, True)


def test_a_server_of_before_1_2_is_read_by_its_only_dialect(mover: CommandLine, old: OldServer) -> None:
    old.dialects = ("v1",)
    for each in old.rows["services"]:
        each["environmentId"] = each.pop("stackId")
    result = call(mover, old, "--dry-run", "--format", "json")
    assert lines_of(result)[("service", "shop/web")][0] == "carried"


def test_what_the_key_may_not_see_is_said(mover: CommandLine, old: OldServer) -> None:
    old.settings = None
    del old.rows["secrets"]
    found = lines_of(call(mover, old, "--dry-run", "--format", "json"))
    assert "an administrator" in found[("setting", "-")][1]
    assert "this key does not see them" in found[("secret", "-")][1]


@pytest.mark.parametrize(
    ("path", "answer", "code", "words"),
    [
        ("/v2-beta", (401, b"{}"), ExitCode.CREDENTIALS, "does not accept this key"),
        ("/v2-beta", (200, b"<html>"), ExitCode.UNREACHABLE, "not as a Rancher server does"),
        ("/v2-beta", (302, b""), ExitCode.USAGE, "leads to"),
        ("/v2-beta/projects", (500, b'{"code": "Oops"}'), ExitCode.FAILED, "failed with 500: Oops"),
        ("/v2-beta/projects", (200, b'{"data": []}'), ExitCode.NOT_FOUND, "sees no environment"),
        (
            "/v2-beta/projects",
            (200, b'{"data": [], "pagination": {"next": "http://x/v2-beta/projects?a"}}'),
            ExitCode.FAILED,
            "has no end",
        ),
    ],
)
def test_an_old_server_that_does_not_answer_as_it_should_ends_it_in_one_line(
    mover: CommandLine, old: OldServer, path: str, answer: tuple[int, bytes], code: ExitCode, words: str
) -> None:
    old.answers[path] = answer
    before = everything()
    result = call(mover, old)
    assert (result.code, words in result.err) == (code, True), result.err
    assert everything() == before
    assert SECRET not in result.err + result.out


def test_what_is_wrong_on_the_command_line_is_said(mover: CommandLine, old: OldServer) -> None:
    given = ("--from", old.url, "--from-access-key", KEY)
    missing = mover.fail("import", "rancher", *given, "--from-secret-key-file", "nowhere")
    assert missing.code == ExitCode.NOT_FOUND
    wrong = mover.fail("import", "rancher", *given, stdin="wrong\n")
    assert (wrong.code, "does not accept this key" in wrong.err) == (ExitCode.CREDENTIALS, True)
    assert mover.fail("import", "rancher", *given, stdin="\n").code == ExitCode.USAGE
    itself = mover.fail("import", "rancher", "--from", "http://portal.test/v2-beta", "--from-access-key", KEY)
    assert (itself.code, "this portal itself" in itself.err) == (ExitCode.USAGE, True)
    assert mover.fail("import", "rancher", "--from", "old", "--from-access-key", KEY).code == ExitCode.USAGE
    assert mover.fail("import", "compose", *given).code == ExitCode.USAGE
    closed = ("--from", "http://127.0.0.1:9", "--from-access-key", KEY)
    mover.transport.outside = ("http://127.0.0.1:9",)
    assert mover.fail("import", "rancher", *closed, stdin="x\n").code == ExitCode.UNREACHABLE


def test_a_portal_that_goes_away_ends_it_with_what_was_done(mover: CommandLine, old: OldServer) -> None:
    mover.transport.failures = []
    result = call(mover, old)
    assert "Default" in result.out
    mover.transport.failures = [CliError("it is away", ExitCode.UNREACHABLE)]
    assert call(mover, old).code == ExitCode.UNREACHABLE


def test_a_refused_environment_is_reported_with_the_reason(
    cli_of: Callable[..., CommandLine], mover: CommandLine, old: OldServer
) -> None:
    pinned = cli_of("alice")  # a key of the lab alone
    pinned.transport.outside = (old.url,)
    found = lines_of(call(pinned, old, "--format", "json"))
    assert found[("environment", "Default")][0] == "refused"
    assert not any(kind == "stack" for kind, _name in found)


def test_a_stack_that_the_old_server_cannot_export_is_one_line_and_the_others_go_on(
    mover: CommandLine, old: OldServer
) -> None:
    del old.exports["1st6"]
    old.answers["/v2-beta/projects/1a5/stacks/1st8/"] = (500, {"type": "error", "code": "ServerError"})
    found = lines_of(call(mover, old, "--dry-run", "--format", "json"))
    assert found[("stack", "shop")][0] == "refused"
    assert "500: ServerError" in found[("stack", "monitor")][1]
    assert found[("stack", "mail")][0] == "carried"
    assert (
        "links to the stack shop, which is not here"
        in found[("stack", "edge")][1] + found[("service", "edge/proxy")][1]
    )


def test_files_that_are_refused_are_named_with_their_line(mover: CommandLine, old: OldServer) -> None:
    old.exports["1st13"] = (simple("tool:1", more="    ports: [nonsense]\n"), "")
    state, note = lines_of(call(mover, old, "--dry-run", "--format", "json"))[("stack", "broken")]
    assert (state, "line 5" in note) == ("refused", True), note
