"""Templates of the built-in library on simulated hosts: launched, upgraded to the next version, and rolled back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from apps.catalog.external_ids import VersionId
from apps.catalog.launching import StackOptions, files_of_version, launch_by_id, upgrade_choice
from apps.catalog.library_row import LIBRARY_NAME, library_ensure
from apps.catalog.selectors import upgrades_of
from apps.containers.models import Container, HostPolicy
from apps.containers.network_checks import store_reports
from apps.core.errors import Invalid
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.compose import parse
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import preview_upgrade, stack_act, stack_upgrade
from tests.catalog.library_files import TEMPLATES, VERSIONS, LibraryVersion

FOR_WIREGUARD = {
    "capAdd": ["NET_ADMIN"],
    "sysctls": ["net.ipv4.ip_forward", "net.ipv4.conf.all.src_valid_mark"],
}
ENGINES = ("library1", "library2", "library3")


@cache
def images_of(version: str) -> set[str]:
    """What a version runs."""
    found = LibraryVersion(version).rendered()
    stack = parse(found.docker_compose, found.rancher_compose, found.variables, stack_name="trial")
    sidekicks = {config.image for each in stack.services for _name, config in each.sidekicks}
    return {each.config.image for each in stack.services} | sidekicks


@pytest.fixture
def settle(run_loop: Callable[[], None]) -> Callable[[], None]:
    """Lets the loop come to rest, with every check succeeding."""

    def run() -> None:
        for _round in range(8):
            run_loop()
            waiting = [each for each in running() if each.health == "initializing"]
            if not waiting:
                return
            for row in waiting:
                report = {"state": "healthy", "reason": "", "run": row.status["started_at"]}
                store_reports(row.host_id or 0, {str(row.uuid): report})

    return run


@pytest.fixture
def launch(lab: Environment, sim: Any, settle: Callable[[], None], actor_of: Any) -> Iterator[Callable[..., Stack]]:
    """Launches a version of the library on three hosts that have its images, as a member does."""
    for name in ENGINES:
        for version in VERSIONS:
            for image in images_of(version):
                engine.simulated_engine(name).local_images.add(image)
        host_create(actor=None, environment=lab, url=f"sim://{name}", name=name)
    settle()

    def made(version: str, name: str = "trial", **answers: str) -> Stack:
        found = LibraryVersion(version).rendered(**answers)
        return stack_create(
            actor=actor_of("alice"), environment=lab, name=name, docker_compose=found.docker_compose,
            rancher_compose=found.rancher_compose, variables=found.variables, start_on_create=True,
        )  # fmt: skip

    yield made
    for name in ENGINES:
        registry.discard_driver(Endpoint(f"sim://{name}"))


def running() -> list[Container]:
    found = Container.all_objects.filter(removed=None, state="running").select_related("host")
    return list(found.order_by("name"))


def images() -> Counter[str]:
    return Counter(each.image.removeprefix("docker:") for each in running())


def test_hadoop_runs_with_seventeen_containers_on_three_hosts(
    launch: Callable[..., Stack], settle: Callable[[], None]
) -> None:
    row = launch("hadoop/0")
    settle()
    found = running()
    assert len(found) == 17
    managers = [each for each in found if each.launch_name == "nodemanager"]
    assert Counter(str(each.host) for each in managers) == dict.fromkeys(ENGINES, 2)
    for manager in managers:
        unit = [each for each in found if each.deployment_unit == manager.deployment_unit]
        assert {each.host_id for each in unit} == {manager.host_id}
        assert len(unit) == 2
    row.refresh_from_db()
    assert row.state == "active"
    assert {each.state for each in Service.all_objects.filter(stack=row)} == {"active"}


def test_the_newest_version_of_each_template_starts(
    launch: Callable[..., Stack], settle: Callable[[], None], lab: Environment
) -> None:
    HostPolicy.objects.create(environment=lab, rules=FOR_WIREGUARD)
    port = 20000
    for name in TEMPLATES:
        newest = [each for each in VERSIONS if each.startswith(f"{name}/")][-1]
        asked = [each.variable for each in LibraryVersion(newest).info.questions if "port" in each.variable]
        answers = {variable: str(port + at) for at, variable in enumerate(asked)}
        port += len(asked)
        launch(newest, name, **answers, **({"workers": "1"} if name == "hadoop" else {}))
    settle()
    expected = {each for name in TEMPLATES for each in images_of([v for v in VERSIONS if v.startswith(f"{name}/")][-1])}
    assert {each.state for each in Stack.all_objects.all()} == {"active"}
    once = {"httpd:2.4.62-alpine"}  # it makes an account and ends
    assert expected - once <= images().keys()


@pytest.mark.parametrize("name", ["jenkins", "wordpress", "postgresql"])
def test_a_launched_version_is_upgraded_to_the_next_and_rolled_back(
    launch: Callable[..., Stack], settle: Callable[[], None], actor_of: Any, name: str
) -> None:
    alice = actor_of("alice")
    asked = LibraryVersion(f"{name}/0").info.questions
    passwords = {each.variable: "x" * 24 for each in asked if each.type == "password"}
    row = launch(f"{name}/0", **passwords)
    settle()
    before = images()
    found = LibraryVersion(f"{name}/1").rendered(**passwords)
    files = StackFiles(found.docker_compose, found.rancher_compose, found.variables)
    assert preview_upgrade(row, files, actor=alice).steps
    row.refresh_from_db()
    stack_upgrade(row, files, actor=alice)
    settle()
    assert images() == Counter(images_of(f"{name}/1"))
    row.refresh_from_db()
    stack_act(row, "rollback", actor=alice)
    settle()
    assert images() == before == Counter(images_of(f"{name}/0"))


@pytest.mark.parametrize("name", ["jenkins", "wordpress"])
def test_a_stack_of_the_library_follows_its_versions_both_ways(
    launch: Callable[..., Stack], settle: Callable[[], None], lab: Environment, actor_of: Any, name: str
) -> None:
    library_ensure()
    alice = actor_of("alice")
    settle()
    first = VersionId(LIBRARY_NAME, name, 0)
    row = launch_by_id(actor=alice, environment=lab, wanted=first, options=StackOptions("trial"), answers={})
    settle()
    assert_stack(row, "active", first)
    passwords = {key: value for key, value in row.variables.items() if "PASSWORD" in key.upper()}
    assert len(passwords) == (1 if name == "wordpress" else 0)

    choice = upgrade_choice(alice, row)
    assert str(upgrades_of(alice, lab.pk, [row])[row.pk]) == str(choice.versions[0])
    stack_upgrade(row, files_of_version(row, choice.find(1), {}, actor=alice), actor=alice)
    settle()
    assert_stack(row, "upgraded", replace(first, number=1))
    assert {key: row.variables[key] for key in passwords} == passwords

    stack_act(row, "rollback", actor=alice)
    settle()
    assert_stack(row, "active", first)
    assert {key: row.variables[key] for key in passwords} == passwords


def assert_stack(row: Stack, state: str, version: VersionId) -> None:
    """The stack is in the state, says that it is of the version, and what runs is that version's."""
    row.refresh_from_db()
    services = {each.name: each.state for each in Service.all_objects.filter(stack=row, removed=None)}
    assert (row.state, row.external_id, set(services.values())) == (state, version.external_id, {state}), services
    assert images() == Counter(images_of(f"{version.template}/{version.number}"))


def test_what_changes_a_network_needs_the_host_policy(launch: Callable[..., Stack]) -> None:
    with pytest.raises(Invalid, match=r"capability NET_ADMIN may not be added.*ask an administrator"):
        launch("wireguard/0")
    assert not Stack.all_objects.exists()
