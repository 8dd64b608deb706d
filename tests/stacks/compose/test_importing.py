"""Stacks made from compose files: what is kept in tables, and what the activity page says of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.services import container_create
from apps.control.models import AuditEntry, OperationLine
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.selectors import stack_export
from apps.stacks.services import links_set, service_create, stack_create

ONE_FILE = "services:\n  web:\n    image: a\n    volumes: ['data:/d']\nvolumes:\n  data:\n"


@pytest.fixture
def imported(lab: Environment, actor_of: Any) -> Any:
    """Imports a file as a stack."""

    def make(name: str, text: str, **more: Any) -> Stack:
        return stack_create(actor=actor_of("bob"), environment=lab, name=name, docker_compose=text, **more)

    return make


def test_one_file_imported_twice_makes_two_volumes(imported: Any):
    for name in ("va", "vb"):
        (service,) = Service.all_objects.filter(stack=imported(name, ONE_FILE))
        assert [str(each) for each in service.config.data_volumes] == [f"{name}_data:/d"]


def test_a_stack_that_was_there_before_keeps_its_volume(imported: Any, actor_of: Any):
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", "dataVolumes": ["data:/d"]})
    stack = imported("old", "")
    service_create(actor=actor_of("bob"), stack=stack, name="web", config=config)
    docker, _ = stack_export(actor_of("alice"), stack)
    again = imported("copy", docker)
    (service,) = Service.all_objects.filter(stack=again)
    assert [str(each) for each in service.config.data_volumes] == ["data:/d"]


def test_links_to_services_of_other_stacks_are_kept_and_exported(imported: Any, actor_of: Any):
    imported("base", "services: {pg: {image: a}}")
    text = "services: {web: {image: a, external_links: ['base/pg:database', 'base/gone', 'container:x']}}"
    stack = imported("shop", text)
    (link,) = ServiceLink.objects.filter(service__stack=stack)
    assert (link.target.name, link.target.stack.name, link.name) == ("pg", "base", "database")
    told = [line.text for line in OperationLine.objects.all() if "external_links" in line.text]
    assert ["base/gone" in told[0], "container" in told[1]] == [True, True]
    for first_form in (False, True):
        docker, _ = stack_export(actor_of("alice"), stack, first_form=first_form)
        assert "external_links:\n" in docker
        assert "base/pg:database" in docker


def test_setting_the_links_that_are_there_changes_and_records_nothing(imported: Any, actor_of: Any):
    stack = imported("shop", "services: {web: {image: a}, db: {image: a}, mq: {image: a}}")
    web, db, mq = (Service.all_objects.get(stack=stack, name=name) for name in ("web", "db", "mq"))
    links_set(web, [(db, "store"), (mq, "")], actor=actor_of("bob"))
    before = set(ServiceLink.objects.values_list("pk", flat=True))
    count = AuditEntry.all_objects.count()
    links_set(web, [(mq, "mq"), (db, "store")], actor=actor_of("bob"))
    assert (set(ServiceLink.objects.values_list("pk", flat=True)), AuditEntry.all_objects.count()) == (before, count)
    links_set(web, [(db, "store"), (db, "mq")], actor=actor_of("bob"))
    assert {(link.name, link.target.name) for link in ServiceLink.objects.all()} == {("store", "db"), ("mq", "db")}
    assert AuditEntry.all_objects.count() == count + 1


UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"dataVolumeMounts": {"/d": "1v1"}}, "dataVolumeMounts"),
    ({"networkIds": ["1n1"]}, "networkIds"),
    ({"labels": {"io.rancher.scheduler.affinity:containers": "a=b"}}, "labels"),
]


@pytest.mark.parametrize(("fields", "name"), UNSUPPORTED)
def test_what_would_be_accepted_and_never_done_is_refused(
    fields: dict[str, Any], name: str, imported: Any, lab: Environment, actor_of: Any
):
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", **fields})
    stack = imported("shop", "")
    with pytest.raises(Invalid) as of_service:
        service_create(actor=actor_of("bob"), stack=stack, name="web", config=config)
    with pytest.raises(Invalid) as of_container:
        container_create(actor=actor_of("bob"), environment=lab, config=config)
    assert (of_service.value.field, of_service.value.code) == (f"launchConfig.{name}", "InvalidOption")
    assert (of_container.value.field, of_container.value.code) == (name, "InvalidOption")
    assert "supported" in of_service.value.message
    assert not Service.all_objects.exists()


def test_a_container_of_its_own_cannot_be_on_every_host(lab: Environment, actor_of: Any):
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", "labels": {"io.rancher.scheduler.global": "true"}})
    with pytest.raises(Invalid, match="make it a service") as caught:
        container_create(actor=actor_of("bob"), environment=lab, config=config)
    assert (caught.value.field, caught.value.code) == ("labels", "InvalidOption")


ONLY_IN_UNITS: list[tuple[dict[str, Any], str, str]] = [
    ({"dataVolumesFromLaunchConfigs": ["data"]}, "dataVolumesFromLaunchConfigs", "LaunchConfigName"),
    ({"networkLaunchConfig": "db"}, "networkLaunchConfig", "LaunchConfigName"),
    ({"labels": {"io.rancher.sidekicks": "data"}}, "labels", "launchConfig.labels"),
]


@pytest.mark.parametrize(("fields", "alone", "in_service"), ONLY_IN_UNITS)
def test_what_only_sidekicks_can_lend_is_refused_without_them(
    fields: dict[str, Any], alone: str, in_service: str, imported: Any, lab: Environment, actor_of: Any
):
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", **fields})
    with pytest.raises(Invalid) as of_service:
        service_create(actor=actor_of("bob"), stack=imported("shop", ""), name="web", config=config)
    with pytest.raises(Invalid) as of_container:
        container_create(actor=actor_of("bob"), environment=lab, config=config)
    assert of_service.value.field == in_service
    assert (of_container.value.field, of_container.value.code) == (alone, "InvalidOption")
    assert not Service.all_objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"healthCheck": None, "dataVolumesFromLaunchConfigs": [], "networkIds": None, "dataVolumeMounts": {}},
        {"labels": {"io.rancher.scheduler.global": "false"}},
        {"logConfig": {"driver": "", "config": {}}},
        {"logConfig": {"driver": None, "config": None}},
    ],
)
def test_harmless_defaults_of_clients_are_taken(fields: dict[str, Any], imported: Any, actor_of: Any):
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", **fields})
    service = service_create(actor=actor_of("bob"), stack=imported("shop", ""), name="web", config=config)
    assert service.config.log_config is None
