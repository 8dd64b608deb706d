"""A call of a deploy webhook counts once, however many copies of it arrive at the same moment."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from apps.accounts.services import account_create
from apps.containers.launch.config import LaunchConfig
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Conflict
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall
from apps.stacks.webhooks.receiving import CallAnswer, deploy_webhook_call, find_called, note_refusal
from apps.stacks.webhooks.services import NewSecret, deploy_webhook_create
from apps.stacks.webhooks.signature import CallSignature, parse_signature, sign
from tests.incidents.race import race

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
UP = b'{"direction": "up"}'


@pytest.fixture
def made() -> NewSecret:
    """A webhook that scales a service without containers."""
    alice = account_create(actor=None, login="alice", password="correct horse battery staple")
    actor = actor_of_user(alice, "api")
    lab = environment_create(actor=actor, name="Lab")
    reconcile_until_idle()
    actor = actor_of_user(alice, "api")
    stack = stack_create(actor=actor, environment=Environment.objects.get(pk=lab.pk), name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:sim/nginx:1"})
    service = service_create(actor=actor, stack=stack, name="web", config=config, scale=1)
    found = deploy_webhook_create(actor=actor, service=service, task="scale", max_scale=100)
    reconcile_until_idle()
    return found


def signed(made: NewSecret, ago: int = 0) -> CallSignature:
    timestamp = str(int(time.time()) - ago)
    return parse_signature(timestamp, sign(made.secret, timestamp, UP))


def send(made: NewSecret, signature: CallSignature) -> CallAnswer:
    row = find_called(str(made.row.uuid), signature, UP)
    return deploy_webhook_call(row, signature, UP, address="192.0.2.7")


def test_copies_of_a_call_that_arrive_together_count_once(made: NewSecret):
    copy = signed(made)
    outcomes = race([lambda: send(made, copy)] * THREADS)
    found = Counter(type(each) for each in outcomes)
    assert found[CallAnswer] == 1, outcomes
    assert all(isinstance(each, CallAnswer | Conflict) for each in outcomes), outcomes
    assert Service.all_objects.get().scale == 2
    assert DeployWebhookCall.objects.count() == 1
    assert DeployWebhook.all_objects.get().refusals == THREADS - 1


def test_different_calls_that_arrive_together_each_count_or_are_refused(made: NewSecret):
    calls = [signed(made, number) for number in range(THREADS)]
    outcomes = race([lambda each=each: send(made, each) for each in calls])  # type: ignore[misc]
    accepted = [each for each in outcomes if isinstance(each, CallAnswer)]
    assert all(isinstance(each, CallAnswer | Conflict) for each in outcomes), outcomes
    assert accepted
    assert Service.all_objects.get().scale == 1 + len(accepted)


def test_wrong_calls_that_arrive_together_are_counted_and_make_one_entry(made: NewSecret):
    def refuse() -> Any:
        return note_refusal(DeployWebhook.all_objects.get(), "wrong signature", "192.0.2.7")

    assert race([refuse] * THREADS) == [None] * THREADS
    assert DeployWebhook.all_objects.get().refusals == THREADS
    assert AuditEntry.all_objects.filter(event="deployWebhook.wrongcalls").count() == 1
