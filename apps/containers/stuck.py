"""Containers that their engine refuses to start as they are: they are made anew, with the volumes that they had."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.containers.deployment_units import peers_in_unit
from apps.containers.engine import KEPT_VOLUMES, track_removing
from apps.containers.managed_network import NotYet
from apps.containers.models import Container, PublishedPort
from apps.containers.port_holders import holder_of
from apps.containers.port_numbers import port_in_use
from apps.containers.published_ports import REFUSED_PORTS
from apps.containers.selectors import find_container
from apps.containers.timeline import ANEW
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineConflict, EngineContainer, EngineStuck

MAX_REFUSED = 50  # numbers that are not tried again; by then the first may be free
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class MadeAnew(NotYet):
    """The engine could not start what it had created, so that it was removed and is created once more."""


class ToBeMadeAnew(NotYet):
    """The engine will not start again what has run: `status` has what its successor is to be given."""

    def __init__(self, message: str, status: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status


class OtherPort(NotYet):
    """It is created once more with another number, as something on its host has the one that was chosen."""

    def __init__(self, message: str, status: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status


def remedy(
    row: Container, engine: Driver, seen: EngineContainer | None, external_id: str, error: EngineStuck | EngineConflict
) -> None:
    """Have one that its engine does not start made anew, in a way that may help; raises the error where nothing may."""
    if isinstance(error, EngineStuck):
        _give_up(row, engine, seen, external_id, error)
    else:
        _choose_other_port(row, engine, seen, external_id, error)


def _give_up(
    row: Container, engine: Driver, seen: EngineContainer | None, external_id: str, error: EngineStuck
) -> None:
    """Have one that is stuck made anew; raises `MadeAnew` or `ToBeMadeAnew`, and the error itself for what stays.

    Nothing was written in one that never ran. What a service keeps running loses what it wrote outside its volumes, as
    with each replacement; these are noted before anything is removed, as a worker may die right after that. Others are
    somebody's own, who may want to get at what is in them.
    """
    if seen is None or seen.state == "created":
        engine.remove(external_id)
        raise MadeAnew(f"{row.name} is created once more: {error}") from None
    if not row.keep_running or row.native:
        raise error
    status = {**row.status, ANEW: str(error)[:200], KEPT_VOLUMES: _anonymous_volumes(row, seen)}
    raise ToBeMadeAnew(f"{row.name} is recreated: {error}", status) from None


def _choose_other_port(
    row: Container, engine: Driver, seen: EngineContainer | None, external_id: str, error: EngineConflict
) -> None:
    """Have one made anew whose engine cannot publish a number that the portal chose; raises as `_give_up` does.

    Where people chose it the error stays, which says then who has the port.
    """
    found = port_in_use(str(error))
    if found is None:
        raise error
    number, protocol = found
    why = _in_use(row, number, protocol)
    held = PublishedPort.objects.filter(container=row, number=number)
    mine = (held.filter(protocol=protocol) if protocol else held).first()
    if mine is None:
        raise EngineConflict(f"{why} Stop that, or publish another port.") from None
    status = {**row.status, REFUSED_PORTS: [*row.status.get(REFUSED_PORTS, ()), [number, mine.protocol]][-MAX_REFUSED:]}
    if seen is None or seen.state == "created":
        engine.remove(external_id)
        raise OtherPort(f"{row.name} is created once more with another port: {why}", status) from None
    if not row.keep_running or row.native:
        raise EngineConflict(f"{why} It was published there before: stop that, or recreate the container.") from None
    status |= {ANEW: why[:200], KEPT_VOLUMES: _anonymous_volumes(row, seen)}
    raise ToBeMadeAnew(f"{row.name} is recreated with another port: {why}", status) from None


def _in_use(row: Container, number: int, protocol: str) -> str:
    holder = holder_of(row, number, protocol) or "something that is no container of this environment"
    return f"Port {number}{'/' if protocol else ''}{protocol} of {row.host} is in use by {holder}."


def _anonymous_volumes(row: Container, seen: EngineContainer) -> dict[str, str]:
    """Those that the container would lose; what it takes from others is theirs to keep."""
    lenders = [*peers_in_unit(row).values()]
    lenders += [find_container(row.environment_id, reference) for reference in row.config.data_volumes_from]
    lent = {mount.get("name") for each in lenders if each for mount in each.engine_state.get("mounts", ())}
    own = [each for each in seen.mounts if each.kind == "volume" and each.name not in lent]
    return {each.target: each.name for each in own if _ANONYMOUS.fullmatch(each.name)}


def to_be_made_anew_result(row: Container, reason: ToBeMadeAnew) -> ReconcileResult:
    """The next reconcile removes it, and goes on as if it had vanished."""
    return ReconcileResult(state=row.display_state, message=str(reason), status=reason.status, requeue_after=0.1)


def remove_stuck(row: Container, engine: Driver, seen: EngineContainer | None) -> EngineContainer | None:
    """Take one away that is to be made anew, but for its volumes; what was made in the meantime stays."""
    is_stuck = seen is not None and seen.id == row.external_id and seen.state != "running"
    if seen is None or not is_stuck or ANEW not in row.status or row.desired != "running":
        return seen
    with track_removing(row):
        engine.remove(seen.id, volumes=False)
    return None
