"""Importing large compose files: together, in hardly more queries than a small one, and all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.containers.models import HostPolicy
from apps.control.audit.verify import verify
from apps.control.models import PENDING_STATES, AuditEntry, Operation
from apps.control.reconcile import reconcile_until_idle
from apps.control.selectors import PartsProgress, parts_progress
from apps.control.services import record_response
from apps.core.errors import Forbidden, Invalid
from apps.environments.models import Environment
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import stack_create


def _compose(count: int, more: str = "") -> str:
    first = f"s0:\n  image: bb:local\n{more}"
    rest = [f"s{at}:\n  image: bb:local\n  links: ['s0:db', 's0:db']\n{more}" for at in range(1, count)]
    return first + "".join(rest)


@pytest.fixture
def queries_of(lab: Environment, actor_of: Any) -> Callable[[int], int]:
    """Imports that many services, answers the request, and counts the queries."""

    def count(services: int, more: str = "") -> int:
        asked = [0]

        def note(execute: Callable[..., Any], *arguments: Any) -> Any:
            asked[0] += 1
            return execute(*arguments)

        actor = actor_of("bob")
        with connection.execute_wrapper(note):
            text = _compose(services, more)
            stack_create(actor=actor, environment=lab, name=f"big{services}", docker_compose=text, start_on_create=True)
            record_response(actor, 201, {"id": "1e1"}, event="stack.create", environment_id=lab.pk, request={})
        return asked[0]

    return count


def test_a_large_file_takes_hardly_more_queries_than_a_small_one(queries_of: Any) -> None:
    """Five hundred services took eleven thousand queries, and a minute in which nobody else could write.

    What remains grows with the columns: SQLite takes 999 values in a statement, some 35 services or 75 revisions.
    """
    assert queries_of(200) - queries_of(5) <= 25


def test_a_policy_that_must_be_asked_is_asked_once(lab: Environment, queries_of: Any) -> None:
    """Not once for each service that asks for something risky."""
    HostPolicy.objects.create(environment=lab, rules={"privileged": True})
    risky = "  privileged: true\n"
    assert queries_of(60, risky) - queries_of(5, risky) <= 10


def test_every_service_has_its_operation_its_audit_entry_and_its_links(lab: Environment, queries_of: Any) -> None:
    """As if they had been made one by one, and the chain of the audit log is whole."""
    queries_of(30)
    stack = Stack.all_objects.get(name="big30")
    services = Service.all_objects.filter(stack=stack)
    keys = list(services.values_list("pk", flat=True))
    assert len(keys) == 30
    assert Operation.all_objects.filter(kind="service", target__in=keys, state__in=PENDING_STATES).count() == 30
    entries = AuditEntry.all_objects.filter(event="service.create", target__in=keys, code="201")
    assert [each.target for each in entries.order_by("number")] == keys
    assert {each.target_name: each.request["name"] for each in entries} == {f"s{at}": f"s{at}" for at in range(30)}
    assert AuditEntry.all_objects.exclude(response={}).get().event == "stack.create"
    links = ServiceLink.objects.filter(service__in=keys)
    assert {(link.service.name, link.target.name, link.name) for link in links} == {
        (f"s{at}", "s0", "db") for at in range(1, 30)
    }
    assert verify(lab.pk).is_intact
    reconcile_until_idle(limit=5000)
    assert set(services.values_list("desired", flat=True)) == {"active"}


def test_an_import_is_one_operation_with_its_services_below_it(lab: Environment, actor_of: Any) -> None:
    """Its page counts them along; what fails there is counted too."""
    text = "web:\n  image: bb:local\ndb:\n  image: bb:local\n"
    stack_create(actor=actor_of("bob"), environment=lab, name="shop", docker_compose=text, start_on_create=True)
    operation = Operation.all_objects.get(kind="stack")
    rows = Operation.objects.within([lab.pk])
    assert {each.target_name for each in rows.filter(parent=operation)} == {"web", "db"}
    assert parts_progress(operation, rows) == PartsProgress(total=2, ended=0, failed=0)
    Operation.all_objects.filter(kind="service", target_name="web").update(state="failed")
    assert parts_progress(operation, rows) == PartsProgress(total=2, ended=1, failed=1)


def test_a_file_with_one_bad_service_makes_nothing(lab: Environment, actor_of: Any) -> None:
    """Neither the stack nor the services before the bad one; two names that differ in case are one."""
    before = AuditEntry.all_objects.count()
    bad = {"Web:\n  image: a\nweb:\n  image: b\n": "NotUnique", _compose(3) + "a_b:\n  image: a\n": "InvalidCharacters"}
    for text, code in bad.items():
        with pytest.raises(Invalid) as refused:
            stack_create(actor=actor_of("bob"), environment=lab, name="shop", docker_compose=text)
        assert refused.value.code == code
    with pytest.raises(Forbidden):
        stack_create(actor=actor_of("rita"), environment=lab, name="shop", docker_compose=_compose(3))
    assert not Stack.all_objects.filter(name="shop").exists()
    assert not Service.all_objects.exists()
    assert AuditEntry.all_objects.count() == before
