"""What is promoted: the files people wrote, or files made of the services where those say something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Forbidden, Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.content import digest_of, source_files, used_variables
from apps.stacks.services import stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import stack_act, stack_upgrade
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.stacks.promotions.promoting import FILE, RANCHER

RICH = """
web:
  image: bb:${TAG}
  labels: {io.rancher.sidekicks: side, team: a}
  links: ['db:store']
  ports: ['8080:80']
side: {image: 'bb:local'}
db: {image: 'bb:local', command: [sleep, '9']}
jobs:
  image: bb:local
  labels: {io.corral.schedule: '0 3 * * *'}
"""


def settle(run_loop: Callable[[], None]) -> None:
    for _again in range(3):
        for model in (Service, Stack):
            model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
        run_loop()


def test_variables_are_found_with_whether_they_have_a_default():
    found = used_variables("a: $ONE ${TWO} ${THREE:-x} ${FOUR?needed} $$FIVE", "b: ${THREE} ${SIX-}")
    assert found == {"ONE": True, "TWO": True, "THREE": True, "FOUR": True, "SIX": False}


def test_the_file_that_people_wrote_is_promoted_as_it_is(dev: Stack, actor_of: Any):
    files = source_files(dev, None, actor=actor_of("bob"))
    assert (files.docker_compose, files.rancher_compose, files.revision) == (FILE, RANCHER, 1)
    assert (files.variables, files.is_written_out) == ({"TAG": "2", "DB": "dev-db"}, False)


def test_a_file_with_sidekicks_links_and_schedules_says_its_services(
    lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]
):
    row = stack_create(
        actor=actor_of("bob"), environment=lab, name="rich", docker_compose=RICH, variables={"TAG": "local"}
    )
    run_loop()
    files = source_files(row, 1, actor=actor_of("bob"))
    assert (files.docker_compose, files.is_written_out) == (RICH, False)


def test_an_older_revision_is_promoted_with_its_own_file(
    host: Host, dev: Stack, actor_of: Any, run_loop: Callable[[], None]
):
    run_loop()
    dev.refresh_from_db()
    stack_upgrade(dev, StackFiles(variables={"TAG": "1"}), actor=actor_of("bob"))
    settle(run_loop)
    dev.refresh_from_db()
    stack_act(dev, "finishupgrade", actor=actor_of("bob"))
    settle(run_loop)
    dev.refresh_from_db()
    assert source_files(dev, None, actor=actor_of("bob")).variables == {"TAG": "1"}
    assert source_files(dev, 1, actor=actor_of("bob")).variables["TAG"] == "2"
    assert source_files(dev, 2, actor=actor_of("bob")).revision == 2


def test_what_was_changed_service_by_service_is_written_out(
    host: Host, dev: Stack, actor_of: Any, run_loop: Callable[[], None]
):
    run_loop()
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:1"})
    service_upgrade(
        Service.all_objects.get(stack=dev), actor=actor_of("bob"), config=config, strategy=UpgradeStrategy()
    )
    run_loop()
    files = source_files(dev, None, actor=actor_of("bob"))
    assert (files.revision, files.is_written_out, files.variables) == (None, True, {})
    assert "bb:1" in files.docker_compose
    assert "$" not in files.docker_compose
    kept = source_files(dev, 1, actor=actor_of("bob"))
    assert kept.docker_compose == FILE, "the revision is still what it was"


def test_who_may_not_see_values_may_not_promote_them(dev: Stack, actor_of: Any):
    with pytest.raises(Forbidden):
        source_files(dev, None, actor=actor_of("rita"))


def test_there_must_be_something_to_promote(dev: Stack, lab: Environment, actor_of: Any):
    with pytest.raises(Invalid, match="no revision 9"):
        source_files(dev, 9, actor=actor_of("bob"))
    empty = stack_create(actor=actor_of("bob"), environment=lab, name="empty")
    with pytest.raises(Invalid, match="no services"):
        source_files(empty, None, actor=actor_of("bob"))


def test_the_digest_changes_with_everything_that_is_deployed():
    first = digest_of(("a", "b"), {"X": "1"}, ["web"], more={"name": "shop"})
    assert first == digest_of(("a", "b"), {"X": "1"}, ["web"], more={"name": "shop"})
    others = [
        digest_of(("a", "c"), {"X": "1"}, ["web"], more={"name": "shop"}),
        digest_of(("a", "b"), {"X": "2"}, ["web"], more={"name": "shop"}),
        digest_of(("a", "b"), {"X": "1"}, [], more={"name": "shop"}),
        digest_of(("a", "b"), {"X": "1"}, ["web"], more={"name": "other"}),
    ]
    assert len({first, *others}) == 5
