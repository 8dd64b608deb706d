"""Reconciling volumes: made on their host's engine, and removed from it."""

from __future__ import annotations

from typing import Any

from apps.containers.policy.storage import check_volume
from apps.containers.selectors import policy_of
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineDown, EngineError, EngineRefused
from apps.drivers.volumes import EngineVolume
from apps.hosts.selectors import driver_of
from apps.volumes.listing import users_of
from apps.volumes.models import Volume, VolumeMount, name_users
from apps.volumes.scope import ENVIRONMENT, VOLUME_LABEL

_RETRY_EVERY = 15.0


def reconcile_volume(row: Volume) -> ReconcileResult:
    """Make the volume, or remove it with its files."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    try:
        engine = driver_of(row.host)
        return _remove(row, engine) if row.desired == "removed" else _ensure(row, engine)
    except EngineDown as error:
        state = "removing" if row.desired == "removed" else "registering"
        message = f"{row.host} does not answer: {error}"
        return ReconcileResult(state=state, message=message, requeue_after=_RETRY_EVERY)
    except EngineError as error:
        return ReconcileResult(state="error", message=str(error), failed=True)


def _remove(row: Volume, engine: Driver) -> ReconcileResult:
    users = users_of(row)
    if users:
        message = f"It stays: it is used by {name_users(users)}. Remove what uses it, then try again."
        return ReconcileResult(state="error", message=message, failed=True, fields={"users": users})
    if row.on_engine or _is_made_for(row, engine.find_volume(row.name)):
        engine.remove_volume(row.name)  # one that could not be made may have the name of somebody else's
    VolumeMount.objects.filter(volume=row).delete()
    return ReconcileResult(state="removed", notes=(f"{row.short_name} was removed from {row.host}",))


def _ensure(row: Volume, engine: Driver) -> ReconcileResult:
    found = engine.find_volume(row.name)
    if row.on_engine:  # made once; what became of it is the business of the storage pool
        return ReconcileResult(state="active" if row.users else "inactive")
    if found is not None and not _is_made_for(row, found):
        message = f"{row.host} has another volume of this name, made outside Corral just now."
        return ReconcileResult(state="error", message=message, failed=True)
    if found is None:
        refused = next(iter(check_volume(policy_of(row.environment_id), row.driver, row.options)), "")
        if refused:  # the policy may have changed since the request
            raise EngineRefused(f"Not made: the host policy of {row.environment} does not allow it ({refused}).")
        labels = {**row.labels, VOLUME_LABEL: str(row.uuid)}
        found = engine.create_volume(row.name, row.driver, row.options, labels)
    note = f"{row.name} was made on {row.host}"
    return ReconcileResult(state="inactive", fields=_observed_columns(found), notes=(note,))


def _is_made_for(row: Volume, found: EngineVolume | None) -> bool:
    """Whether a volume on the engine is the one that was made for this row."""
    return found is not None and found.labels.get(VOLUME_LABEL) == str(row.uuid)


def _observed_columns(found: EngineVolume) -> dict[str, Any]:
    return {
        "on_engine": True,
        "driver": found.driver[:255],
        "mountpoint": found.mountpoint[:1024],
        "labels": dict(found.labels),
        "scope": ENVIRONMENT,
    }
