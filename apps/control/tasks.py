"""The two Celery tasks of the whole portal: reconcile one row, and run one job of the table of the clock."""

from __future__ import annotations

import time

from celery import shared_task
from django.db import close_old_connections

from apps.control import load
from apps.control import reconcile as loop
from apps.control.in_flight import Slots
from apps.control.periodic import run_job
from apps.control.queue import RECONCILE_TASK, environment_of_key, put_off

_slots = Slots()


@shared_task(name=RECONCILE_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def reconcile(kind: str, key: int, due: float = 0.0) -> None:
    """Reconcile one row, which should have begun at the unix time `due`."""
    close_old_connections()
    environment = environment_of_key(kind, key)
    if due:
        load.note_wait(time.time() - due, environment)
    with _slots.hold(environment) as is_free:
        if is_free:
            loop.reconcile_one(kind, key)
        else:
            put_off(kind, key)


@shared_task(name="control.periodic", ignore_result=True)  # type: ignore[untyped-decorator]
def periodic(name: str) -> None:
    """Run one row of `celery_app/beat.py`."""
    close_old_connections()
    run_job(name)
