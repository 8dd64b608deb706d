"""How a container settles: find it, take the next step on the engine, look again, say what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers import placement
from apps.containers.engine import LABEL, NameStillTaken, leaving, make, network, sighting, starting
from apps.containers.guard import start_insist
from apps.containers.lifecycle import Want, crash_pause, next_step
from apps.containers.models import Container, Pull
from apps.containers.retries import Tries
from apps.containers.services import pull_again, pull_ensure
from apps.control.reconcile import extend
from apps.core.result import Result
from apps.drivers.base import ContainerSeen, Driver, EngineDown, EngineError, EngineNotFound, ImageMissing
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

GRACE = 10
SHORT_LIFE = 10.0


def settle(row: Container) -> Result:
    """One look at one container."""
    if row.desired in {"removed", "purged"}:
        return _leave(row)
    said: list[str] = []
    newborn = row.host is None and row.avoid_host_id is None and not row.looks
    if row.host is None:
        placed = placement.assign(row)
        if isinstance(placed, Result):
            return placed
        row.host = placed
        said.append(f"Placed on {placed}.")
    try:
        result = _towards(row, driver_of(row.host), said, newborn=newborn)
    except ImageMissing:
        result = _pull(row, row.host)
    except (EngineDown, NameStillTaken) as reason:
        result = _later(row, reason)
    except EngineError as error:
        result = _refused(row, error)
    return replace(result, notes=tuple(said))


def _later(row: Container, reason: Exception) -> Result:
    if isinstance(reason, NameStillTaken):
        return Result(state=row.shown, message=str(reason), again_in=1.0)
    return Result(state=row.shown, message=f"{row.host} does not answer: {reason}", again_in=2.0)


def _towards(row: Container, engine: Driver, said: list[str], *, newborn: bool) -> Result:
    """The next step; `newborn` is a row that no look before this one can have made a container for."""
    seen = None if newborn else _find(row, engine)
    want = Want(
        running=row.desired == "running",
        fresh=row.status.get("achieved") != row.generation,
        kept=row.kept and not row.status.get("once"),
        restart=row.restart_mark > row.status.get("restart_mark", 0),
    )
    step = next_step(want, seen.state if seen else None)
    if step == "gone":
        return Result(state="removed", message="It was removed on the host.", fields={"external_id": ""})
    if seen is None and step == "rest":
        return Result(state="stopped", status={**row.status, "achieved": row.generation}, fields={"external_id": ""})
    if step == "wait":
        return Result(state=row.shown, message="The engine is removing it.", again_in=0.5)
    dying = row.kept and (not want.fresh or row.status.get("crashes"))
    pause = _crash_pause(row, seen) if step == "start" and seen and dying else 0.0
    if pause:
        return _told(row, seen, "restarting", f"It keeps ending; next try in {pause:.0f} s.", again_in=pause)
    if step in {"start", "restart"}:
        start_insist(row)
    with starting(row):
        found = _act(row, engine, seen, step)
    said += _steps(row, step)
    return _settled(row, seen, found, healed=step in {"start", "create"} and not want.fresh)


def _steps(row: Container, step: str) -> list[str]:
    """What was done, for people who watch."""
    done = {"start": "Started.", "stop": "Stopped.", "restart": "Restarted."}
    if step == "create":
        return [f"Created on {row.host}.", *(["Started."] if row.desired == "running" else [])]
    return [done[step]] if step in done else []


def _find(row: Container, engine: Driver) -> ContainerSeen | None:
    """By id while it is known, by our label otherwise: a look that was killed half-way may have made it already."""
    if row.external_id:
        try:
            return engine.inspect(row.external_id)
        except EngineNotFound:
            if row.native:
                return None
    return engine.find(LABEL, str(row.uuid))


def _act(row: Container, engine: Driver, seen: ContainerSeen | None, step: str) -> ContainerSeen:
    timeout = row.spec.get("stopTimeout")
    grace = GRACE if timeout is None else int(timeout)
    external_id = seen.id if seen else make(row, engine)
    if step in {"stop", "restart"}:
        extend(row, grace + 90)
    if step == "start" or (step == "create" and row.desired == "running"):
        _start(row, engine, external_id)
    elif step == "stop":
        engine.stop(external_id, timeout=grace)
    elif step == "restart":
        engine.restart(external_id, timeout=grace)
    elif seen is not None:
        return seen
    return engine.inspect(external_id)


def _start(row: Container, engine: Driver, external_id: str) -> None:
    """Start it; where somebody removed the environment's network from the engine, make that again first."""
    try:
        engine.start(external_id)
    except EngineNotFound:
        if row.config.network_mode != "managed":
            raise
        network(row, engine, known=False)
        engine.start(external_id)


def _settled(row: Container, before: ContainerSeen | None, now: ContainerSeen, *, healed: bool) -> Result:
    """Say what the engine shows; a kept container that ended at once is still on its way."""
    result = sighting(row, now)
    reached = (result.state == "running") == (row.desired == "running")
    once = row.config.labels.get("io.rancher.container.start_once") == "true"
    status: dict[str, Any] = {**(result.status or {}), "restart_mark": row.restart_mark}
    status["once"] = bool(row.status.get("once")) or (once and reached)
    status["crashes"] = _crashes(row, before, healed=healed, reached=reached)
    if reached or not row.kept or once:
        return replace(result, status=status | {"achieved": row.generation})
    status["achieved"] = row.status.get("achieved")
    message = result.message or "It ended as soon as it was started."
    return replace(result, state="starting", message=message, status=status, again_in=1.0)


def _crashes(row: Container, before: ContainerSeen | None, *, healed: bool, reached: bool) -> int:
    """How often in a row it died young."""
    known = int(row.status.get("crashes", 0))
    if not reached:
        return known + 1
    if not healed:
        return known
    return known + 1 if before and _lifetime(before) < SHORT_LIFE else 0


def _lifetime(seen: ContainerSeen) -> float:
    started, finished = parse_datetime(seen.started_at or ""), parse_datetime(seen.finished_at or "")
    return (finished - started).total_seconds() if started and finished and finished > started else SHORT_LIFE


def _crash_pause(row: Container, seen: ContainerSeen) -> float:
    """How much longer to wait before a container that died young several times is started again."""
    finished = parse_datetime(seen.finished_at or "")
    if finished is None or _lifetime(seen) >= SHORT_LIFE:
        return 0.0
    left = crash_pause(row.status.get("crashes", 0) + 1) - (timezone.now() - finished).total_seconds()
    return max(0.0, left)


def _told(row: Container, seen: ContainerSeen | None, state: str, message: str, *, again_in: float) -> Result:
    base = sighting(row, seen) if seen else Result(state=state)
    status = {**row.status, **(base.status or {})}
    return replace(base, state=state, status=status, message=message, again_in=again_in)


def _refused(row: Container, error: EngineError) -> Result:
    """The engine said no: a person's container fails with its words, a kept one is tried again, ever less often."""
    if row.kept:
        back = placement.elsewhere(row, str(error))
        return Result(state=row.shown, message=str(error), failed=row.looks > 0, fields=back)
    if error.retry and row.looks < 3:
        return Result(state=row.shown, message=str(error))
    status = {**row.status, "achieved": row.generation}
    return Result(state="error", message=str(error), failed=True, status=status)


def _pull(row: Container, host: Host) -> Result:
    """The image is not on the host: wait for its pull, and fail with the pull's words."""
    pull = pull_ensure(row, host, row.config.image)
    placed = {"host": host}
    if pull.shown == "error" and _is_answered(row, pull):
        tries = Tries.of(pull)
        words = (tries.seen if row.kept else tries.why) or pull.message
        if row.kept:
            pull_again(pull) if pull.next_look is None else None  # it is not trying by itself: nobody waited then
            return Result(state="creating", message=words, failed=True, fields=placed, again_in=15.0)
        return Result(state="error", message=words, failed=True, fields=placed)
    pull_again(pull)
    percent, sender = pull.status.get("percent"), pull.status.get("from")
    text = f"Copying {pull.image} from {sender}" if sender else f"Pulling {pull.image}"
    text += f": {percent} %" if percent is not None else ""
    return Result(state="creating", message=text, fields=placed, again_in=5.0, progress=percent)


def _is_answered(row: Container, pull: Pull) -> bool:
    """Whether the pull failed after this container was asked for; one that was asked for anew asks once more itself."""
    return bool(pull.ended and pull.ended > row.created and (row.looks or row.generation == 1))


def _leave(row: Container) -> Result:
    """Take the container off its engine: a stop with grace first, then away."""
    if row.desired == "purged":
        return Result(state="purged")
    if row.host is None or row.host.is_gone:
        return Result(state="removed", fields={"external_id": ""})
    said: tuple[str, ...] = ()
    try:
        engine = driver_of(row.host)
        seen = _find(row, engine)
        if seen is not None:
            timeout = row.spec.get("stopTimeout")
            grace = GRACE if timeout is None else int(timeout)
            extend(row, grace + 90)
            with leaving(row):
                if seen.state == "running":
                    engine.stop(seen.id, timeout=grace)
                engine.remove(seen.id)
            said = (f"Removed from {row.host}.",)
    except EngineError as error:
        return Result(state="removing", message=str(error))
    return Result(state="removed", fields={"external_id": ""}, notes=said)


def without_host(row: Host) -> Iterable[tuple[str, int]]:
    """The containers that wait for a host, when one has become fit for them."""
    if row.desired != "active" or row.shown == "active":
        return []
    waiting = Container.all_objects.filter(environment=row.environment_id, host=None, removed=None)
    return [("container", key) for key in waiting.exclude(desired="removed").values_list("pk", flat=True)]


def waiting_for(row: Pull) -> Iterable[tuple[str, int]]:
    """The containers that wait for this pull."""
    waiting = Container.all_objects.filter(host=row.host_id, image=row.image, removed=None, state="creating")
    return [("container", key) for key in waiting.values_list("pk", flat=True)]
