"""Stacks are launched from versions of templates, upgraded to others, and rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog.external_ids import VersionId
from apps.catalog.launching import (
    StackOptions,
    WrongAnswers,
    files_of_version,
    launch_by_id,
    upgrade_choice,
)
from apps.catalog.models import TemplateVersion
from apps.catalog.selectors import upgrades_of
from apps.core.errors import Forbidden, Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.stack_upgrade import preview_upgrade, stack_act, stack_upgrade
from tests.catalog.loop import AddCatalog, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def launch(lab: Environment, host: Host, actor_of: Any, add_catalog: AddCatalog) -> Any:
    """Launches a version of the greeter, and lets the loop bring it up."""
    add_catalog()

    def launch(number: int = 0, *, who: str = "bob", name: str = "hi", **answers: str) -> Stack:
        row = launch_by_id(
            actor=actor_of(who),
            environment=lab,
            wanted=VersionId("ours", "greeter", number),
            options=StackOptions(name),
            answers=answers,
        )
        settle()
        row.refresh_from_db()
        return row

    return launch


def upgrade(stack: Stack, number: int, actor: Any, **answers: str) -> Stack:
    version = upgrade_choice(actor, stack).find(number)
    stack_upgrade(stack, files_of_version(stack, version, answers, actor=actor), actor=actor)
    settle()
    stack.refresh_from_db()
    return stack


def act(stack: Stack, action: str, actor: Any) -> Stack:
    stack_act(stack, action, actor=actor)
    settle()
    stack.refresh_from_db()
    return stack


def images(stack: Stack) -> list[str]:
    return list(Service.all_objects.filter(stack=stack, removed=None).values_list("image", flat=True))


def test_a_version_becomes_a_stack_that_runs(launch: Any):
    row = launch(GREETING="good evening")
    service = Service.all_objects.get(stack=row)
    assert (row.state, row.external_id, row.variables) == (
        "active",
        "catalog://ours:greeter:0",
        {"GREETING": "good evening"},
    )
    assert (service.state, service.image) == ("active", "sim/web:1.0")
    assert service.config.environment["GREETING"] == "good evening"


def test_what_is_not_answered_is_the_default(launch: Any):
    assert launch().variables == {"GREETING": "hello"}


def test_answers_are_encrypted_at_rest(launch: Any):
    from django.db import connection

    launch(GREETING="open-sesame")
    with connection.cursor() as cursor:
        cursor.execute("SELECT variables, docker_compose FROM stacks_stack")
        assert "open-sesame" not in str(cursor.fetchall())


def test_wrong_answers_are_refused_by_question_and_make_nothing(launch: Any):
    with pytest.raises(WrongAnswers) as refused:
        launch(GREETING="")
    assert list(refused.value.errors) == ["GREETING"]
    assert refused.value.field == "environment.GREETING"
    assert not Stack.all_objects.exists()


def test_readers_launch_nothing(launch: Any):
    with pytest.raises(Forbidden):
        launch(who="rita")
    assert not Stack.all_objects.exists()


@pytest.mark.parametrize("key", ["nothing", "counter"])
def test_a_version_that_is_not_there_is_said_so(launch: Any, lab: Environment, actor_of: Any, key: str):
    with pytest.raises(Invalid) as refused:
        launch_by_id(
            actor=actor_of("bob"),
            environment=lab,
            wanted=VersionId("ours", key, 7),
            options=StackOptions("hi"),
            answers={},
        )
    assert refused.value.field == "externalId"


def test_an_upgrade_is_available_and_follows_both_ways(launch: Any, lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    row = launch(GREETING="hey")
    assert str(upgrades_of(bob, lab.pk, [row])[row.pk]) == "2.0"
    assert [str(each) for each in upgrade_choice(bob, row).versions] == ["2.0", "1.1"]
    upgrade(row, 2, bob)
    assert (row.state, row.external_id, images(row)) == ("upgraded", "catalog://ours:greeter:2", ["sim/web:2.0"])
    assert row.variables == {"GREETING": "hey"}
    assert not upgrades_of(bob, lab.pk, [row])
    act(row, "rollback", bob)
    assert (row.state, row.external_id, images(row)) == ("active", "catalog://ours:greeter:0", ["sim/web:1.0"])
    assert upgrades_of(bob, lab.pk, [row])


def test_the_same_version_takes_other_answers(launch: Any, actor_of: Any):
    bob, row = actor_of("bob"), launch(2, GREETING="hey")
    upgrade(row, 2, bob, GREETING="ahoy")
    act(row, "finishupgrade", bob)
    assert row.state == "active"
    assert Service.all_objects.get(stack=row).config.environment["GREETING"] == "ahoy"


def test_the_preview_says_what_becomes_of_services_and_does_nothing(launch: Any, actor_of: Any):
    bob, row = actor_of("bob"), launch()
    files = files_of_version(row, upgrade_choice(bob, row).find(1), {}, actor=bob)
    draft = preview_upgrade(row, files, actor=bob)
    assert [(each.change.name, each.change.what) for each in draft.steps] == [("web", "upgrade")]
    row.refresh_from_db()
    assert (row.external_id, images(row)) == ("catalog://ours:greeter:0", ["sim/web:1.0"])


def test_a_version_says_from_which_it_may_be_upgraded_to(launch: Any, lab: Environment, actor_of: Any):
    row, bob = launch(), actor_of("bob")
    TemplateVersion.objects.filter(number=2).update(upgrade_from=">=1.1")
    assert [str(each) for each in upgrade_choice(bob, row).versions] == ["1.1"]
    assert str(upgrades_of(bob, lab.pk, [row])[row.pk]) == "1.1"
    TemplateVersion.objects.filter(number=1).update(fault="It has no docker-compose.yml.")
    assert not upgrades_of(bob, lab.pk, [row])
    with pytest.raises(Invalid):
        upgrade_choice(bob, row).find(2)


def test_a_stack_of_a_catalog_that_is_gone_has_no_upgrades(launch: Any, lab: Environment, actor_of: Any):
    row, bob = launch(), actor_of("bob")
    Stack.all_objects.filter(pk=row.pk).update(external_id="catalog://gone:greeter:0")
    row.refresh_from_db()
    assert upgrade_choice(bob, row).versions == []
    assert not upgrades_of(bob, lab.pk, [row])


def test_upgrades_of_many_stacks_take_two_queries(
    launch: Any, lab: Environment, actor_of: Any, django_assert_max_num_queries: Any
):
    rows = [launch(number % 2, name=f"hi{number}") for number in range(4)]
    bob = actor_of("bob")
    bob.permissions(lab.pk)
    with django_assert_max_num_queries(1):
        assert len(upgrades_of(bob, lab.pk, rows)) == 4
