"""A service with a webhook of each kind, and the signed calls to them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.verdict.observer import judge_upgrades
from apps.stacks.webhooks.receiving import CallAnswer, WrongCall, deploy_webhook_call, find_called, note_refusal
from apps.stacks.webhooks.services import NewSecret, deploy_webhook_create
from apps.stacks.webhooks.signature import parse_signature, sign

ADDRESS = "192.0.2.7"


def body_of(sent: Any) -> bytes:
    return sent if isinstance(sent, bytes) else json.dumps(sent).encode()


def headers_of(secret: str, sent: Any = b"", *, at: float | None = None) -> tuple[str, str]:
    """The timestamp and the signature of a call."""
    timestamp = str(int(time.time() if at is None else at))
    return timestamp, sign(secret, timestamp, body_of(sent))


def call(made: NewSecret, sent: Any = b"", *, at: float | None = None, secret: str = "") -> CallAnswer:
    """Sign a call and have it received."""
    signature = parse_signature(*headers_of(secret or made.secret, sent, at=at))
    try:
        row = find_called(str(made.row.uuid), signature, body_of(sent))
    except WrongCall as problem:
        if problem.row is not None:
            note_refusal(problem.row, problem.reason, ADDRESS)
        raise
    return deploy_webhook_call(row, signature, body_of(sent), address=ADDRESS)


def let_upgrade_end(run_loop: Callable[[], None]) -> None:
    """Run the loop, pauses between batches included, and judge the upgrade by the minute until it has ended."""
    now = timezone.now()
    run_loop()
    for _minute in range(60):
        now += timedelta(minutes=1)
        for row in Service.all_objects.filter(removed=None):
            past = {**row.status, "next_batch_at": "2000-01-01T00:00:00+00:00"} if row.status else {}
            Service.all_objects.filter(pk=row.pk).update(status=past, next_attempt_at=row.created)
        run_loop()
        judge_upgrades(now)
        if not Service.all_objects.filter(removed=None).exclude(display_state="active").exists():
            return
    raise AssertionError("the upgrade does not end")


@pytest.fixture
def web(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """A running service of two containers."""
    sim.local_images.add("bb:2")
    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "environment": {"TOKEN": "s3cret-value"}})
    row = service_create(actor=actor_of("alice"), stack=stack, name="web", config=config, scale=2, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def webhook(web: Service, actor_of: Any, run_loop: Callable[[], None]) -> Callable[..., NewSecret]:
    """Makes a webhook of the service, as bob unless somebody else is named."""

    def make(task: str = "upgrade", *, by: Any = "bob", **limits: Any) -> NewSecret:
        actor = actor_of(by) if isinstance(by, str) else by
        made = deploy_webhook_create(actor=actor, service=web, task=task, **limits)
        run_loop()
        made.row.refresh_from_db()
        return made

    return make
