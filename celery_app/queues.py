"""Which task goes to which queue."""

from __future__ import annotations

ROUTES: dict[str, dict[str, str]] = {
    "control.reconcile": {"queue": "celery"},
    "control.periodic": {"queue": "celery"},
}
