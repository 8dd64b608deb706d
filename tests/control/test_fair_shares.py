"""An environment that asks for a thousand things does not make another one wait for its single one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection, Consumer, Producer
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.containers.models import Container
from apps.control import queue
from apps.control.reconcile import BATCH, due_rows
from apps.control.shares import ENVIRONMENT_QUEUES, INSTALLATION_QUEUE, QUEUES, queue_of
from apps.environments.models import Environment
from celery_app import app

ENVIRONMENTS = st.integers(min_value=1, max_value=2**62)


@given(ENVIRONMENTS)
def test_every_environment_has_one_queue_that_workers_listen_to(environment: int):
    assert queue_of(environment) in QUEUES
    assert queue_of(environment) == queue_of(environment) != INSTALLATION_QUEUE


@given(ENVIRONMENTS)
def test_environments_made_one_after_the_other_share_no_queue(first: int):
    assert len({queue_of(first + number) for number in range(ENVIRONMENT_QUEUES)}) == ENVIRONMENT_QUEUES


def test_workers_listen_to_all_queues_and_take_from_them_in_turn():
    assert {each.name for each in app.conf.task_queues} == set(QUEUES)
    assert app.conf.broker_transport_options["queue_order_strategy"] == "round_robin"


@pytest.fixture
def flood(lab: Environment) -> Callable[[int], list[Container]]:
    """Makes so many due containers of one environment."""

    def make(count: int) -> list[Container]:
        due = timezone.now() - timedelta(minutes=1)
        rows = [
            Container(environment=lab, name=f"c{number}", desired="running", next_attempt_at=due)
            for number in range(count)
        ]
        return Container.all_objects.bulk_create(rows)

    return make


def test_a_row_is_queued_with_its_environment_s(
    flood: Any, lab: Environment, people: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.WAKE_BY = "celery"
    sent: dict[str, str] = {}
    monkeypatch.setattr(queue, "connection", lambda: SimpleNamespace(set=lambda *_, **__: True))
    monkeypatch.setattr(
        queue, "current_app", SimpleNamespace(send_task=lambda _, args, **how: sent.update({args[0]: how["queue"]}))
    )
    queue.environment_of_key.cache_clear()
    for kind, key in (("container", flood(1)[0].pk), ("environment", lab.pk), ("account", people.alice.pk)):
        queue.enqueue(kind, key)
    assert sent == {
        "container": queue_of(lab.pk),
        "environment": queue_of(lab.pk),
        "account": INSTALLATION_QUEUE,
    }


def test_which_environment_a_row_has_is_looked_up_once(
    flood: Any, lab: Environment, django_assert_num_queries: DjangoAssertNumQueries
):
    key = flood(1)[0].pk
    queue.environment_of_key.cache_clear()
    with django_assert_num_queries(1):
        assert {queue.environment_of_key("container", key) for _ in range(5)} == {lab.pk}


def test_what_is_due_is_picked_by_turns_where_it_is_more_than_a_batch(flood: Any, lab: Environment):
    other = Environment(name="calm")
    other.save()
    flood(BATCH + 50)
    late = Container.all_objects.create(
        environment=other, name="single", desired="running", next_attempt_at=timezone.now()
    )
    found = [key for kind, key in due_rows() if kind == "container"]
    assert len(found) == BATCH
    assert late.pk in found[:2]


def test_the_oldest_come_first_where_all_fit(flood: Any, django_assert_max_num_queries: Any):
    rows = flood(3)
    Container.all_objects.filter(pk=rows[2].pk).update(next_attempt_at=timezone.now() - timedelta(hours=1))
    assert next(key for kind, key in due_rows() if kind == "container") == rows[2].pk


def test_what_is_due_of_all_kinds_is_read_in_one_query(flood: Any, django_assert_num_queries: Any):
    rows = flood(3)
    User(login="due", kind="user", desired="active").save()
    leased = timezone.now() + timedelta(minutes=1)
    Container.all_objects.filter(pk=rows[0].pk).update(lease="somebody", lease_until=leased)
    Container.all_objects.filter(pk=rows[1].pk).update(lease="who died", lease_until=timezone.now())
    with django_assert_num_queries(1):
        found = due_rows()
    assert {key for kind, key in found if kind == "container"} == {rows[1].pk, rows[2].pk}
    assert "account" in {kind for kind, _key in found}


def test_rows_without_an_environment_are_picked_by_age(db: Any):
    due = timezone.now() - timedelta(minutes=1)
    for number in range(BATCH + 1):
        User(login=f"u{number}", kind="user", desired="active", next_attempt_at=due).save()
    assert len([key for kind, key in due_rows() if kind == "account"]) == BATCH


@pytest.mark.servers
def test_a_broker_hands_out_the_single_message_before_the_rest_of_the_flood(valkey_url: str):
    taken: list[str] = []

    def take(body: Any, message: Any) -> None:
        taken.append(body)
        message.ack()

    with Connection(valkey_url, transport_options=app.conf.broker_transport_options) as connection:
        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        queues = [each(channel) for each in app.conf.task_queues]
        for each in queues:
            each.declare()
        producer = Producer(channel)
        for number in range(50):
            producer.publish(f"flood {number}", routing_key=queue_of(5))
        producer.publish("single", routing_key=queue_of(7))
        with Consumer(channel, queues, callbacks=[take]):
            for _ in range(51):
                connection.drain_events(timeout=30)
    assert "single" in taken[:3]
    assert len(taken) == 51
