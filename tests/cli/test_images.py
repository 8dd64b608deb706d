"""`corral images` and `corral image`: listed, cleaned up after a look, copied, named, removed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.containers.images.inventory import take_inventory
from apps.containers.models import HostImage, ImageRemoval
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.base import CreateRequest
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle


@pytest.fixture
def cli(cli_of: Callable[..., CommandLine], lab: Environment, sim: SimulatedDriver) -> CommandLine:
    """The owner's, with the hosts `h1`, and `h2` that has the image `shop:1`."""
    host_create(actor=None, environment=lab, url=f"sim://{sim.name}", name="h1")
    engine.simulated_engine("lab2").local_images.add("shop:1")
    host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    made = cli_of()
    made.while_waiting = run_until_idle
    return made


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()[1:]]


def test_images_are_listed_of_all_hosts_or_of_one(cli: CommandLine):
    assert [(row[1], row[2]) for row in rows(cli.succeed("images").out)] == [
        ("bb:local", "h1"),
        ("bb:local", "h2"),
        ("shop:1", "h2"),
    ]
    found = cli.succeed("images", "--host", "h1", "--unused", "--format", "json").json
    assert [(each["name"], each["size"], each["containers"]) for each in found] == [("bb:local", 4_000_000, 0)]


def test_a_dry_run_shows_what_goes_and_removes_nothing(cli: CommandLine):
    out = cli.succeed("images", "prune", "--all", "--host", "h2", "--dry-run").out
    assert "shop:1" in out
    assert out.splitlines()[-1] == "2 images, up to 7.6 MB would go; in use: 0, needed: 0"
    assert not ImageRemoval.all_objects.exists()
    found = cli.succeed("images", "prune", "--all", "--dry-run", "--format", "json").json
    assert len(found["images"]) == 3


def test_pruning_removes_and_says_how_much_that_was(cli: CommandLine):
    assert cli.succeed("images", "prune").out.splitlines()[-1].startswith("0 images, up to 0 B would go")
    out = cli.succeed("images", "prune", "--all", "--host", "h2", "--yes").out
    assert out.splitlines()[-1] == "2 images removed, up to 7.6 MB are free"
    assert [str(row) for row in HostImage.all_objects.all()] == ["bb:local"]


def test_an_image_is_copied_named_and_removed(cli: CommandLine, sim: SimulatedDriver):
    assert cli.succeed("image", "cp", "shop:1", "h1").out == "shop:1 was copied to h1\n"
    assert sim.find_image("shop:1")
    assert cli.succeed("image", "tag", "shop:1", "shop:2", "--host", "h2").out == "shop:1, shop:2\n"
    out = cli.succeed("image", "rm", "shop:1", "--host", "h2", "--yes").out
    assert out == "shop:1 was removed; the image stays as shop:2\n"
    assert engine.simulated_engine("lab2").find_image("shop:2"), "only the name that was given went"
    out = cli.succeed("image", "rm", "shop:2", "--host", "h2", "--yes").out
    assert out == "names removed: shop:2\n1 image removed, up to 3.8 MB are free\n"


@pytest.fixture
def tags(sim: SimulatedDriver, cli: CommandLine) -> Callable[[], list[str]]:
    """What `h1` has of an image with the names tt:a to tt:c, of which a container runs that was made from tt:a."""
    sim.local_images.add("tt:a")
    sim.local_images.tag("tt:a", "tt:b")
    sim.local_images.tag("tt:a", "tt:c")
    sim.start(sim.create(CreateRequest("user", {"Image": "tt:a"})))
    for host in Host.all_objects.filter(name="h1"):
        take_inventory(host)
    return lambda: [tag for each in sim.images() for tag in each.tags if tag.startswith("tt:")]


def test_a_name_of_an_image_in_use_goes_alone(cli: CommandLine, tags: Callable[[], list[str]]):
    assert cli.succeed("image", "rm", "tt:c", "--yes").out == "tt:c was removed; the image stays as tt:a, tt:b\n"
    assert tags() == ["tt:a", "tt:b"]


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_an_image_in_use_is_not_removed_by_its_id(cli: CommandLine, tags: Callable[[], list[str]], options: list[str]):
    row = HostImage.all_objects.get(tags__contains="tt:a")
    for image in (row.image_id, f"1hi{row.pk}", "tt:a"):
        found = cli.fail("image", "rm", image, *options, "--yes")
        assert found.code == ExitCode.FAILED
        assert "tt:a stays: the running container user was made from it; that cannot be forced" in found.err
    assert tags() == ["tt:a", "tt:b", "tt:c"]


def test_an_image_goes_by_its_id_with_all_its_names(
    cli: CommandLine, sim: SimulatedDriver, tags: Callable[[], list[str]]
):
    (made,) = (each.id for each in sim.containers() if each.name == "user")
    sim.stop(made, 0)
    row = HostImage.all_objects.get(tags__contains="tt:a")
    assert "the stopped container user" in cli.fail("image", "rm", row.image_id, "--yes").err
    out = cli.succeed("image", "rm", row.image_id, "--force", "--yes").out
    assert out.splitlines()[0] == "names removed: tt:a, tt:b, tt:c"
    assert tags() == []


def test_the_history_of_an_image(cli: CommandLine):
    out = cli.succeed("image", "history", "shop:1").out
    assert "ADD simulated layer" in out
    assert cli.succeed("image", "history", "shop:1", "--format", "json").json[0]["size"] == 0


def test_what_stays_is_listed_with_the_reason(cli: CommandLine, sim: SimulatedDriver):
    cli.succeed("images")
    sim.create(CreateRequest("user", {"Image": "bb:local"}))
    found = cli.fail("image", "rm", "bb:local", "--host", "h1", "--yes")
    assert found.code == ExitCode.FAILED
    assert "bb:local stays: the stopped container user was made from it" in found.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("images", "prune", "--older-than", "-1"), ExitCode.USAGE, "--older-than"),
        (("images", "--host", "h9"), ExitCode.NOT_FOUND, "h9"),
        (("image", "cp", "none:1", "h1"), ExitCode.NOT_FOUND, "No host has the image none:1"),
        (("image", "cp", "shop:1"), ExitCode.USAGE, "say to which hosts, such as: corral image cp shop:1 "),
        (("image", "tag", "shop:1"), ExitCode.USAGE, "say the new name, such as"),
        (("image", "tag", "bb:local", "bb:2"), ExitCode.USAGE, "say which with --host"),
        (("image", "tag", "shop:1", "Shop"), ExitCode.INVALID, "lower-case"),
        (("image", "cp", "shop:1", "h2"), ExitCode.INVALID, "h2"),
    ],
)
def test_what_cannot_be_is_refused(cli: CommandLine, arguments: tuple[str, ...], code: ExitCode, words: str):
    found = cli.fail(*arguments)
    assert (found.code, words in found.err) == (code, True), found.err


def test_an_image_becomes_a_file_and_the_file_an_image_again(cli: CommandLine, sim: SimulatedDriver):
    out = cli.succeed("image", "export", "shop:1", "-o", "shop.tar").out
    assert out == "shop:1 was written to shop.tar: 3.8 MB\n"
    assert [each.name for each in cli.folder.glob("shop*")] == ["shop.tar"]
    assert sim.find_image("shop:1") is None
    assert cli.succeed("image", "import", "shop.tar", "--host", "h1").out == "shop:1\n"
    assert sim.find_image("shop:1")


def test_an_export_that_fails_leaves_no_file(cli: CommandLine):
    assert "Say to which file" in cli.fail("image", "export", "shop:1").err
    assert "cannot be written" in cli.fail("image", "export", "shop:1", "-o", "nowhere/shop.tar").err
    engine.simulated_engine("lab2").local_images.clear()
    assert cli.fail("image", "export", "shop:1", "-o", "shop.tar").code == ExitCode.NOT_FOUND
    assert not list(cli.folder.glob("shop*"))


def test_an_import_that_cannot_be_says_why(cli: CommandLine):
    cli.write("notes.txt", "no archive")
    assert cli.fail("image", "import", "missing.tar", "--host", "h1").code == ExitCode.USAGE
    assert "Say to which host" in cli.fail("image", "import", "notes.txt").err
    refused = cli.fail("image", "import", "notes.txt", "--host", "h1")
    assert refused.code == ExitCode.INVALID
    assert "no tar archive" in refused.err
