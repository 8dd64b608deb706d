"""What a scan of an engine makes of containers that changed without an event."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.containers.engine import UUID_LABEL
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host


@pytest.mark.parametrize("gone", [False, True])
def test_one_that_ended_while_it_was_reconciled_is_looked_at_again(
    host: Host, sim: SimulatedDriver, *, gone: bool
) -> None:
    now = timezone.now()
    row = Container.all_objects.create(
        environment=host.environment, host=host, name="short", desired="running", state="running",
        lease="a-worker", lease_until=now + timedelta(minutes=1),
    )  # fmt: skip
    made = sim.create(CreateRequest("short", {"Image": "bb:local", "Labels": {UUID_LABEL: str(row.uuid)}}))
    Container.all_objects.filter(pk=row.pk).update(external_id=made)
    if gone:
        sim.remove(made)
    reconcile_one("host", host.pk)
    row.refresh_from_db()
    assert row.requeue_requested, "whoever holds it may have looked before it ended, and another scan is a minute away"
