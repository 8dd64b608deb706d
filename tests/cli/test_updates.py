"""`corral updates`: what is newer, looking again, and upgrading to it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.control.reconcile import reconcile_until_idle
from apps.stacks.models import Service
from apps.stacks.updates.models import ImageUpdate, RegistryTag
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine

NEW, OLD = f"sha256:{'b' * 64}", f"sha256:{'a' * 64}"


@pytest.fixture
def update(cli: CommandLine) -> ImageUpdate:
    """A service that runs, of whose image there is a newer one."""
    cli.write("docker-compose.yml", "web:\n  image: bb:local\n")
    cli.run("up", "-d", "-s", "shop")
    reconcile_until_idle()
    row = Service.all_objects.get(name="web")
    tag = RegistryTag.objects.create(domain="docker.io", repository="library/bb", tag="local", digest=NEW)
    found: ImageUpdate = ImageUpdate.objects.create(
        environment=row.environment,
        service=row,
        image="bb:local",
        tag=tag,
        state="newer",
        running=OLD,
        digest=NEW,
        since=timezone.now(),
    )
    return found


def test_newer_images_are_listed_with_their_services(cli: CommandLine, update: ImageUpdate):
    listed = cli.run("updates")
    assert listed.code == ExitCode.OK, listed.err
    for shown in ("newer", "bb:local", "shop/web", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "notify"):
        assert shown in listed.out
    ImageUpdate.objects.update(state="current")
    assert "bb:local" not in cli.run("updates").out
    assert "bb:local" in cli.run("updates", "--all").out


def test_registries_are_asked_again_but_not_at_every_call(cli: CommandLine, update: ImageUpdate):
    assert "Asking for 1 image within" in cli.run("updates", "check").out
    assert RegistryTag.objects.get().requested_at is not None
    refused = cli.run("updates", "check")
    assert refused.code != ExitCode.OK
    assert "try again in 300 seconds" in refused.err


def test_a_named_service_is_upgraded_to_its_newer_image(cli: CommandLine, update: ImageUpdate):
    done = cli.run("updates", "apply", "shop/web")
    assert done.code == ExitCode.OK, done.err
    row = Service.all_objects.get(pk=update.service_id)
    assert (row.revision, row.image_pins) == (2, {"bb:local": NEW})
    assert cli.run("updates", "apply").code == ExitCode.USAGE


def test_where_nothing_is_newer_the_refusal_says_so(cli: CommandLine, update: ImageUpdate):
    ImageUpdate.objects.update(state="current")
    refused = cli.run("updates", "apply", "web")
    assert refused.code != ExitCode.OK
    assert "No newer image of web is known" in refused.err


def test_who_may_only_look_upgrades_nothing(cli: CommandLine, update: ImageUpdate, cli_of: Any):
    reader = cli_of("alice", role="readonly")
    assert "bb:local" in reader.run("updates").out
    assert reader.run("updates", "apply", "web").code == ExitCode.REFUSED
    assert Service.all_objects.get(pk=update.service_id).revision == 1
