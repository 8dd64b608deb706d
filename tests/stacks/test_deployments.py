"""What runs where: versions by environment, what differs, and only what the actor may see."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.environments.actor import SYSTEM
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.deployments import (
    Deployment,
    MatrixFilters,
    deployments_of,
    export_matrix,
    matrix_of,
    split_image,
)
from apps.stacks.models import Service, ServiceRevision
from tests.stacks.deploying import deploy


@pytest.fixture
def prod(actor_of: Any, run_loop: Callable[[], None]) -> Environment:
    """An environment of alice alone."""
    row = environment_create(actor=actor_of("alice"), name="Prod")
    run_loop()
    return row


def rows_of(actor: Any, environments: list[Environment], **filters: Any) -> list[Any]:
    keys = [row.pk for row in environments]
    return matrix_of(deployments_of(actor, keys), keys, MatrixFilters(**filters))


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "latest", "")),
        ("nginx:1.27", ("nginx", "1.27", "")),
        ("registry:5000/team/app", ("registry:5000/team/app", "latest", "")),
        ("registry:5000/team/app:v2", ("registry:5000/team/app", "v2", "")),
        ("nginx@sha256:ab", ("nginx", "", "sha256:ab")),
        ("nginx:1.27@sha256:ab", ("nginx", "1.27", "sha256:ab")),
    ],
)
def test_an_image_has_a_repository_a_tag_and_a_digest(image: str, parts: tuple[str, str, str]):
    assert split_image(image) == parts


def test_each_cell_says_what_runs_who_deployed_it_and_why(
    lab: Environment, prod: Environment, actor_of: Any, host: Any, sim: Any, run_loop: Callable[[], None]
):
    for image in ("bb:2", "postgres:16"):
        sim.local_images.add(image)
    deploy(actor_of("bob"), lab, "bb:2")
    deploy(actor_of("alice"), prod, "bb:1")
    run_loop()
    service = Service.all_objects.get(environment=lab, name="web")
    ServiceRevision.objects.filter(service=service).update(note="TICKET-7", image_id="sha256:" + "a" * 64)
    db, web = rows_of(actor_of("alice"), [lab, prod])
    assert [row.name for row in (db, web)] == ["shop/db", "shop/web"]
    cell, other = web.cells
    assert (cell.environment, cell.tag, cell.revision, cell.state) == ("Lab", "2", 1, "active")
    assert (cell.deployed_by, cell.note, cell.image_id[:8], cell.health) == ("Bob", "TICKET-7", "sha256:a", "healthy")
    assert cell.deployed_at == ServiceRevision.objects.get(service=service).created
    assert (other.tag, other.deployed_by, other.health) == ("1", "Alice", "unhealthy"), "it has no host"


def test_differences_are_from_the_chosen_environment_or_from_most(
    lab: Environment, prod: Environment, actor_of: Any, run_loop: Callable[[], None]
):
    test = environment_create(actor=actor_of("alice"), name="Test")
    run_loop()
    for environment, image in ((lab, "bb:2"), (test, "bb:1"), (prod, "bb:1")):
        deploy(actor_of("alice"), environment, image)
    alice, everywhere = actor_of("alice"), [lab, test, prod]
    db, web = rows_of(alice, everywhere)
    assert not db.differs
    assert [each.difference for each in web.cells] == ["version", "", ""]
    _db, web = rows_of(alice, everywhere, reference=lab.pk)
    assert [each.difference for each in web.cells] == ["", "version", "version"]
    assert [row.name for row in rows_of(alice, everywhere, only_differences=True)] == ["shop/web"]
    assert [row.name for row in rows_of(alice, everywhere, text="POSTGRES")] == ["shop/db"]
    assert rows_of(alice, everywhere, text="nothing") == []


def test_of_two_versions_that_are_as_frequent_the_newer_one_is_the_reference(
    lab: Environment, prod: Environment, actor_of: Any
):
    deploy(actor_of("alice"), prod, "bb:1")
    deploy(actor_of("alice"), lab, "bb:2")
    _db, web = rows_of(actor_of("alice"), [lab, prod])
    assert [each.difference for each in web.cells] == ["", "version"]


def test_the_same_tag_may_mean_another_image(lab: Environment, prod: Environment, actor_of: Any):
    for environment, digit in ((lab, "a"), (prod, "b")):
        deploy(actor_of("alice"), environment, "bb:1")
        revisions = ServiceRevision.objects.filter(service__environment=environment, service__name="web")
        revisions.update(image_id=f"sha256:{digit * 64}")
    db, web = rows_of(actor_of("alice"), [lab, prod], reference=lab.pk)
    assert [each.difference for each in web.cells] == ["", "image"]
    assert not db.differs, "what has not run yet is not said to differ"


def test_an_application_that_the_reference_does_not_have_differs_from_nothing(
    lab: Environment, prod: Environment, actor_of: Any
):
    deploy(actor_of("alice"), prod, "bb:1")
    _db, web = rows_of(actor_of("alice"), [lab, prod], reference=lab.pk)
    assert web.cells[0] is None
    assert web.cells[1].difference == ""


def test_nothing_of_environments_that_the_actor_does_not_see(lab: Environment, prod: Environment, actor_of: Any):
    deploy(actor_of("alice"), lab, "bb:2")
    deploy(actor_of("alice"), prod, "bb:1")
    deploy(actor_of("alice"), prod, "bb:1", name="secret")
    rows = rows_of(actor_of("rita"), [lab, prod])
    assert [row.name for row in rows] == ["shop/db", "shop/web"]
    assert all(row.cells[1] is None and not row.differs for row in rows)
    assert deployments_of(actor_of("mallory"), [lab.pk, prod.pk]) == []


def test_removed_and_imageless_services_are_no_deployments(lab: Environment, actor_of: Any, run_loop: Any):
    stack = deploy(actor_of("alice"), lab, "bb:1")
    Service.all_objects.filter(stack=stack, name="web").update(image="")
    assert [each.service for each in deployments_of(actor_of("alice"), [lab.pk])] == ["db"]
    Service.all_objects.filter(stack=stack, name="db").update(desired="removed")
    assert deployments_of(actor_of("alice"), [lab.pk]) == []


def test_the_queries_do_not_grow_with_services_and_environments(
    lab: Environment, prod: Environment, actor_of: Any, run_loop: Callable[[], None]
):
    deploy(actor_of("alice"), lab, "bb:1")
    counts = []
    for name in ("first", "second"):
        with CaptureQueriesContext(connection) as caught:
            rows_of(actor_of("alice"), [lab, prod])
        counts.append(len(caught))
        deploy(actor_of("alice"), prod, "bb:1", name=name)
    assert counts[0] == counts[1] <= 4


def test_the_matrix_as_files(lab: Environment, prod: Environment, actor_of: Any):
    deploy(actor_of("alice"), lab, "bb:2")
    deploy(actor_of("alice"), prod, "bb:1")
    ServiceRevision.objects.filter(service__environment=lab).update(note="=cmd()")
    rows = rows_of(actor_of("alice"), [lab, prod], text="web")
    lines = list(csv.DictReader(io.StringIO("".join(export_matrix(rows, "csv")))))
    assert [(each["environment"], each["tag"], each["difference"]) for each in lines] == [
        ("Lab", "2", "version"),
        ("Prod", "1", ""),
    ]
    assert lines[0]["note"] == "'=cmd()", "a spreadsheet takes it for text"
    found = json.loads("".join(export_matrix(rows, "json")))
    assert [(each["application"], each["projectId"]) for each in found] == [
        ("shop/web", f"1a{lab.pk}"),
        ("shop/web", f"1a{prod.pk}"),
    ]
    assert found[0]["note"] == "=cmd()"


def test_a_version_is_called_by_its_tag_or_else_its_digest():
    place: dict[str, Any] = {"environment_id": 1, "environment": "e", "stack_id": 1, "stack": "s"}
    common: dict[str, Any] = {**place, "service_id": 1, "service": "w"}
    rest: dict[str, Any] = {"image_id": "", "revision": 1, "stack_revision": 0, "state": "active", "health": "healthy"}
    tagged = Deployment(**common, image="bb:1", tag="1", digest="", **rest)
    pinned = Deployment(**common, image="bb@sha256:" + "c" * 64, tag="", digest="sha256:" + "c" * 64, **rest)
    assert (tagged.version, pinned.version) == ("1", "sha256:" + "c" * 12)


def test_the_loop_sees_everything(lab: Environment, actor_of: Any):
    deploy(actor_of("alice"), lab, "bb:2")
    assert len(deployments_of(SYSTEM, [lab.pk])) == 2
