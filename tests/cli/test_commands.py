"""What each command shows and does on a stack, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corral_cli.commands import COMMANDS
from corral_cli.errors import ExitCode
from corral_cli.program import command_parser, load_command
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle

FILE = """\
web:
  image: sim/nginx:1.8
  ports: ["80"]
db:
  image: sim/redis:3
"""


@pytest.fixture
def shop(cli: CommandLine) -> CommandLine:
    """The command line of the lab's owner, with the stack `shop` running."""
    cli.write("docker-compose.yml", FILE)
    cli.succeed("up", "-d", "-s", "shop")
    run_until_idle()
    return cli


def states(cli: CommandLine) -> dict[str, str]:
    return {each["name"]: each["state"] for each in cli.succeed("services", "shop", "--format", "json").json}


def test_what_runs_is_listed_for_people_and_programs(shop: CommandLine):
    table = shop.succeed("ps").out.splitlines()
    assert table[0].split()[:3] == ["ID", "TYPE", "NAME"]
    assert [line.split()[2] for line in table[1:]] == ["shop/db", "shop/web"]
    rows = shop.succeed("ps", "-c", "--format", "json").json
    assert [each["host"] for each in rows] == ["lab-1", "lab-1"]
    assert {each["image"] for each in rows} == {"sim/nginx:1.8", "sim/redis:3"}
    assert shop.succeed("ps", "shop", "-c", "-a").out.count("running") == 2
    assert shop.succeed("stacks").out.splitlines()[1].split()[1:4] == ["shop", "active", "healthy"]
    assert "lab-1" in shop.succeed("hosts").out
    assert shop.fail("ps", "nothing").code == ExitCode.NOT_FOUND


def test_what_does_not_run_is_not_counted_as_running(shop: CommandLine):
    assert {each["name"]: each["scale"] for each in shop.succeed("ps", "--format", "json").json} == {
        "shop/db": "1/1",
        "shop/web": "1/1",
    }
    shop.succeed("stop", "shop/web", "--wait")
    assert {each["name"]: each["scale"] for each in shop.succeed("ps", "-a", "--format", "json").json} == {
        "shop/db": "1/1",
        "shop/web": "0/1",
    }
    shop.succeed("scale", "shop/db=2", "--wait")
    (row,) = shop.succeed("services", "shop", "--format", "json").json[:1]
    assert row["scale"] == "2/2"


def test_images_of_a_stack_are_pulled(shop: CommandLine):
    found = shop.succeed("pull", "-s", "shop", "web")
    assert "Finished pulling sim/nginx:1.8" in found.messages
    assert shop.fail("pull", "-s", "nothing").code == ExitCode.NOT_FOUND


def test_lists_take_the_same_number_of_requests_for_any_number_of_rows(shop: CommandLine):
    before = len(shop.succeed("ps").calls), len(shop.succeed("ps", "-c").calls)
    shop.succeed("scale", "web=4", "--wait")
    assert (len(shop.succeed("ps").calls), len(shop.succeed("ps", "-c").calls)) == before


def test_everything_is_found_by_id_name_and_path(shop: CommandLine):
    key = shop.succeed("inspect", "shop/web", "--format", "json").json["id"]
    assert shop.succeed("inspect", key, "--format", "json").json["name"] == "web"
    assert shop.succeed("inspect", "web", "--type", "service", "--format", "json").json["id"] == key
    assert "imageUuid" in shop.succeed("inspect", "shop/web").out
    assert shop.succeed("inspect", "lab-1", "--links", "--format", "json").json["links"]["self"]
    assert len(shop.succeed("inspect", "shop/web", "shop/db", "--format", "json").json) == 2
    container = shop.succeed("ps", "-c", "--format", "json").json[0]
    assert shop.succeed("inspect", container["name"], "--format", "json").json["id"] == container["id"]
    assert shop.succeed("inspect", container["docker"], "--format", "json").json["id"] == container["id"]


@pytest.mark.parametrize("name", ["nothing", "shop/nothing", "nothing/web", "1s999999", "1e1a5", "../../x", "ü\x1b[2J"])
def test_what_is_not_there_is_said_so(shop: CommandLine, name: str):
    found = shop.fail("inspect", name)
    assert found.code == ExitCode.NOT_FOUND
    assert "\x1b" not in found.err


def test_a_name_that_means_several_things_is_not_guessed(shop: CommandLine):
    shop.succeed("up", "-d", "-s", "second")
    run_until_idle()
    found = shop.fail("stop", "web")
    assert found.code == ExitCode.USAGE
    assert "stack/service" in found.err


def test_services_are_stopped_started_and_restarted(shop: CommandLine):
    assert "stop requested" in shop.succeed("stop", "shop/web", "--wait").out
    assert states(shop)["shop/web"] == "inactive"
    assert "already" in shop.succeed("stop", "shop/web").out
    shop.succeed("start", "shop/web", "-w")
    assert states(shop)["shop/web"] == "active"
    assert "already" in shop.succeed("start", "shop/web").out
    shop.succeed("restart", "shop/web", "--wait", "--batch-size", "2")
    assert shop.fail("restart", "shop/web", "--batch-size", "0").code == ExitCode.INVALID


def test_a_whole_stack_is_stopped_and_started(shop: CommandLine):
    shop.succeed("stop", "shop")
    run_until_idle()
    assert set(states(shop).values()) == {"inactive"}
    shop.succeed("start", "shop")
    run_until_idle()
    assert set(states(shop).values()) == {"active"}
    assert "service web is inactive" in shop.succeed("stop", "shop", "--wait").out, "each, not the stack alone"
    assert set(states(shop).values()) == {"inactive"}
    shop.succeed("start", "shop", "--wait")
    assert set(states(shop).values()) == {"active"}
    shop.succeed("restart", "shop", "--wait")


def test_a_service_is_scaled(shop: CommandLine):
    shop.succeed("scale", "shop/web=3", "--wait")
    rows = {each["name"]: each["scale"] for each in shop.succeed("ps", "--format", "json").json}
    assert rows["shop/web"] == "3/3"
    assert shop.fail("scale", "web").code == ExitCode.USAGE
    assert shop.fail("scale", "nothing=1").code == ExitCode.NOT_FOUND
    assert shop.fail("scale", "web=999999").code == ExitCode.INVALID


def test_all_names_are_found_before_anything_is_done(shop: CommandLine):
    found = shop.fail("stop", "shop/web", "nothing")
    assert not [call for call in found.calls if call.startswith("POST")]


def test_removing_is_confirmed_or_forced(shop: CommandLine):
    assert "--yes" in shop.fail("rm", "shop/db").err
    assert shop.fail("rm", "shop/db", stdin="n\n", tty=True).code == ExitCode.INTERRUPTED
    shop.succeed("rm", "shop/db", stdin="y\n", tty=True)
    run_until_idle()
    assert set(states(shop)) == {"shop/web"}
    shop.succeed("rm", "shop", "--type", "stack", "--force", "--wait")
    assert shop.fail("ps", "shop").code == ExitCode.NOT_FOUND


def test_waiting_ends_when_all_is_healthy(shop: CommandLine):
    assert "active, healthy" in shop.succeed("wait", "shop", "--healthy").out
    shop.succeed("stop", "shop/web")
    assert "inactive" in shop.succeed("wait", "shop/web").out


def test_waiting_ends_with_a_time_out_of_its_own_code(shop: CommandLine):
    shop.succeed("stop", "shop/web", "-w")
    found = shop.fail("wait", "shop/web", "--healthy", "--timeout", "5")
    assert found.code == ExitCode.TIMEOUT
    assert "corral wait" in found.err
    assert shop.fail("wait", "shop/web", "--timeout", "soon").code == ExitCode.USAGE


def test_a_portal_that_is_away_while_somebody_waits_is_waited_for(shop: CommandLine):
    from corral_cli.errors import CliError

    shop.succeed("stop", "shop/web")
    original = shop.sleep

    def away(seconds: float) -> None:
        if shop.seconds < 1:
            shop.transport.failures.append(CliError("Nothing listens at http://portal.test.", ExitCode.UNREACHABLE))
        original(seconds)

    shop.sleep = away  # type: ignore[method-assign]
    found = shop.succeed("wait", "shop/web")
    assert "Nothing listens at http://portal.test. Waiting for it." in found.err


def test_compose_files_are_exported(shop: CommandLine):
    shop.succeed("export", "shop", "-o", "out")
    assert "sim/nginx:1.8" in (shop.folder / "out/docker-compose.yml").read_text()
    assert (shop.folder / "out/rancher-compose.yml").is_file()
    assert "--force" in shop.fail("export", "shop", "-o", "out").err
    shop.succeed("export", "shop", "web", "-o", "out", "--force")
    assert "redis" not in (shop.folder / "out/docker-compose.yml").read_text()
    assert shop.fail("export", "shop", "nothing").code == ExitCode.NOT_FOUND
    assert "web" in shop.succeed("export", "shop", "--format", "json").json["docker-compose.yml"]


def test_a_diff_shows_what_up_would_do(shop: CommandLine):
    assert "Nothing would change" in shop.succeed("diff", "-s", "shop").out
    shop.write("docker-compose.yml", FILE.replace("1.8", "1.9") + "queue:\n  image: sim/redis:3\n")
    text = shop.succeed("diff", "-s", "shop").out
    assert "~ web: upgrade" in text
    assert "sim/nginx:1.8 -> " in text
    assert "+ queue: create" in text
    assert shop.run("diff", "-s", "shop", "--exit-code").code == ExitCode.FAILED
    assert shop.succeed("diff", "-s", "shop", "queue", "--format", "json").json[0]["name"] == "queue"
    assert shop.fail("diff", "-s", "nothing").code == ExitCode.NOT_FOUND


def test_a_stack_goes_back_to_a_revision(shop: CommandLine):
    shop.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    shop.succeed("up", "-d", "-u", "-c", "-s", "shop", "--note", "newer")
    rows = shop.succeed("revisions", "shop", "--format", "json").json
    assert [(each["number"], each["current"]) for each in rows][:2] == [(2, True), (1, False)]
    assert rows[0]["note"] == "newer"
    shop.succeed("rollback", "shop", "--to", "1", "--wait")
    assert {each["image"] for each in shop.succeed("ps", "--format", "json").json} >= {"sim/nginx:1.8"}
    shop.succeed("rollback", "shop", "--wait")
    assert {each["image"] for each in shop.succeed("ps", "--format", "json").json} >= {"sim/nginx:1.9"}
    assert shop.fail("rollback", "shop/web").code == ExitCode.REFUSED


def test_a_service_s_return_is_previewed(shop: CommandLine):
    shop.write("docker-compose.yml", FILE.replace("1.8", "1.9"))
    shop.succeed("up", "-d", "-u", "-c", "-s", "shop")
    text = shop.succeed("rollback", "shop/web", "--to", "1", "--preview").out
    for part in ("~ web: upgrade", "docker:sim/nginx:1.9 -> docker:sim/nginx:1.8", "recreated or removed: shop_web_1"):
        assert part in text, part
    found = shop.succeed("rollback", "shop/web", "--to", "1", "--preview", "--format", "json").json
    assert found["services"][0]["containers"][0] == "shop_web_1"
    assert "Nothing would change" in shop.succeed("rollback", "shop/web", "--to", "2", "--preview").out
    assert "~ web: upgrade" in shop.succeed("rollback", "shop", "--to", "1", "--preview").out
    assert shop.fail("rollback", "shop/web", "--preview").code == ExitCode.USAGE
    assert len(shop.succeed("revisions", "shop/web", "--format", "json").json) == 2


def test_differences_are_shown_in_words(shop: CommandLine):
    more = "\n  mem_limit: 1g\n  environment: {TOKEN: geheim}\n  image: sim/nginx"
    shop.write("docker-compose.yml", FILE.replace("\n  image: sim/nginx", more, 1))
    shop.succeed("up", "-d", "-u", "-c", "-s", "shop")
    text = shop.succeed("rollback", "shop/web", "--to", "1", "--preview").out
    assert "    Memory: 1.0 GB -> removed" in text
    assert "    Environment variable: TOKEN: a value -> removed" in text
    shop.write("docker-compose.yml", FILE)
    shop.succeed("up", "-d", "-u", "-c", "-s", "shop")
    shop.succeed("stop", "shop/web", "--wait")
    text = shop.succeed("rollback", "shop/web", "--to", "2", "--preview").out
    assert "    Memory: not there -> 1.0 GB" in text
    assert "    it is stopped now, and is started by it" in text


def test_what_if_shows_where_containers_would_go(shop: CommandLine):
    assert "shop_web_2: placed on lab-1" in shop.succeed("what-if", "shop/web", "--scale", "3").out
    assert "shop_web_1: removed from lab-1" in shop.succeed("what-if", "shop/web", "--scale", "0").out
    assert "Nothing would move." in shop.succeed("what-if", "shop/web").out
    text = shop.succeed("what-if", "lab-1").out
    assert "shop_web_1: stays on lab-1 (the service web waits for a lost host to come back)" in text
    found = shop.succeed("what-if", "lab-1", "--format", "json").json
    assert found["removed"] or found["stays"] or found["placed"]
    shop.succeed("what-if", "lab-1", "--add-label", "zone=a")
    assert shop.fail("what-if", "lab-1", "--scale", "3").code == ExitCode.USAGE
    assert shop.fail("what-if", "shop/web", "--scale", "-1").code == ExitCode.INVALID
    for option in ("--add-label", "--remove-label"):
        refused = shop.fail("what-if", "shop/web", option, "a=b")
        assert (refused.code, "name a host" in refused.err) == (ExitCode.USAGE, True)


def test_what_if_of_an_inactive_service_says_that_nothing_starts(shop: CommandLine):
    shop.succeed("stop", "shop/web", "--wait")
    found = shop.succeed("what-if", "shop/web", "--scale", "3")
    assert "nothing starts before it is activated" in found.err


def test_a_name_that_several_services_have_is_refused_with_their_stacks(shop: CommandLine):
    shop.succeed("up", "-d", "-s", "other")
    refused = shop.fail("what-if", "web")
    assert refused.code == ExitCode.USAGE
    assert "other/web (1s" in refused.err
    assert "shop/web (1s" in refused.err


def test_the_audit_log_is_listed_and_verified(shop: CommandLine):
    assert any(each["description"] == "shop" for each in shop.succeed("audit", "--format", "json").json)
    assert shop.succeed("audit", "verify", "--format", "json").json[0]["whole"] is True
    assert shop.fail("audit", "--lines", "0").code == ExitCode.USAGE


def test_those_who_may_only_read_are_refused_with_the_reason(shop: CommandLine, cli_of: Callable[..., CommandLine]):
    rita = cli_of("rita", account=True)
    assert "shop/web" in rita.succeed("ps").out
    for arguments in (("stop", "shop/web"), ("scale", "shop/web=2"), ("rm", "shop/web", "-f"), ("restart", "shop/web")):
        assert rita.fail(*arguments).code == ExitCode.REFUSED, arguments


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_refuses_unknown_options(nobody: CommandLine, name: str):
    text = command_parser(name, load_command(name)).format_help()
    assert COMMANDS[name].summary in " ".join(text.split())
    found = nobody.fail(name, "--no-such-option")
    assert found.code == ExitCode.USAGE


def test_an_unknown_command_names_the_nearest(nobody: CommandLine):
    assert "did you mean `stacks`?" in nobody.fail("stack").err
    assert nobody.fail("xyzzy").code == ExitCode.USAGE
    assert nobody.run().code == ExitCode.USAGE
    assert "corral version v" in nobody.succeed("--version").out
    assert "usage: corral" in nobody.succeed("--help").out


def test_options_stand_before_or_behind_the_command(shop: CommandLine):
    one = shop.succeed("--format", "json", "ps").json
    assert one == shop.succeed("ps", "--format", "json").json
    assert "GET http://portal.test/v1/projects" in shop.succeed("--verbose", "ps").err
    assert "- id:" in shop.succeed("ps", "--format", "yaml").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(nobody: CommandLine, shell: str):
    text = nobody.succeed("completion", shell).out
    assert all(name in text for name in COMMANDS)
    assert "upgrade" in text
