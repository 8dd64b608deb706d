"""The steps of a balancer in the loop: its containers get the configuration of now, and let go of what leaves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineError
from apps.hosts.selectors import driver_of
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.challenges import challenges_of
from apps.stacks.balancer.config import DRAINING, BalancerConfig, CustomText
from apps.stacks.balancer.draining import BALANCED, RELEASED, leaving_containers, released_status, servers_of
from apps.stacks.balancer.process import HaproxyProcess, server_states
from apps.stacks.balancer.quoting import UnsafeText, section_name
from apps.stacks.balancer.render import STATE_FILE, Rendering, custom_text_of, render
from apps.stacks.balancer.selectors import balancer_config
from apps.stacks.models import Service, Slot
from apps.stacks.service_options import BALANCER
from apps.vault.selectors import bundle_of, certificates_in

RELOAD_EVERY = 1.0  # seconds between two reloads of one container, however often something changes
RECHECK_SECONDS = 1.0
RETRY_SECONDS = 30.0  # what could not be loaded for a reason of the host may be loaded later
_AT_ONCE = 4
_POLLS, _POLL_PAUSE = 5, 0.1  # most requests are over in a moment: longer ones are waited for by the next reconcile


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one container has: the digest of its configuration, and when it got it; or which one it refused, and why.

    `run` is the container and its start.
    """

    run: str = ""
    digest: str = ""
    at: str = ""
    refused: str = ""
    error: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, str] | None) -> Self:
        """As it was stored in the balancer's status."""
        return cls(**stored) if stored else cls()

    def seconds_until_due(self) -> float:
        """How long the next reload has to wait."""
        at = parse_datetime(self.at)
        left = RELOAD_EVERY - (timezone.now() - at).total_seconds() if at else 0.0
        return max(0.0, left)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One container to be brought up to date: what it had, and what is to be let go of."""

    container: Container
    engine: Driver
    before: Loaded
    rendering: Rendering
    leaving: Sequence[Container]
    render_with: Callable[[CustomText], Rendering]


@dataclass(frozen=True, slots=True)
class _Outcome:
    loaded: Loaded
    sessions: Mapping[int, int]
    wait: float | None = None


def with_balancer(row: Service, result: ReconcileResult) -> ReconcileResult:
    """The result of a service after the steps of a balancer; that of any other service as it is."""
    if row.kind != BALANCER or row.desired != "active":
        return result
    leaving = leaving_containers(row.environment_id)
    config, material = _what_to_load(row, leaving)
    challenges = challenges_of(row.environment_id)

    def render_with(custom: CustomText) -> Rendering:
        return render(replace(config, custom=custom), material, challenges)

    try:
        visits = _visits(row, render_with(config.custom), leaving, render_with)
    except UnsafeText as error:
        return replace(result, message=str(error))
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # it has no threads before the first call
        outcomes = list(pool.map(_visit, visits))
    sessions: Counter[int] = Counter()
    for each in outcomes:
        sessions.update(each.sessions)
    found = {str(visit.container.pk): asdict(each.loaded) for visit, each in zip(visits, outcomes, strict=True)}
    status = {BALANCED: found, **released_status(leaving, sessions)}
    _release(row, leaving, status)
    return _with_outcomes(result, outcomes, status, sessions)


def _what_to_load(row: Service, leaving: Sequence[Container]) -> tuple[BalancerConfig, Mapping[int, bytes]]:
    """The configuration, without what leaves, and the certificates that it shows."""
    config = balancer_config(row)
    shown = {each.id for each in config.certificates}
    if config.default_certificate is not None:
        shown.add(config.default_certificate.id)
    known = certificates_in(row.environment_id) if shown else []
    return _without(config, leaving), {each.pk: bundle_of(each) for each in known if each.pk in shown}


def _without(config: BalancerConfig, leaving: Sequence[Container]) -> BalancerConfig:
    """The configuration that sends nothing to these; a container that is started again leaves too, for a moment."""
    names = {section_name(server.name) for backend in config.backends for server in backend.servers}
    gone = {name for each in leaving for name in servers_of(each, names)}
    backends = [
        replace(
            backend,
            servers=tuple(
                replace(server, state=DRAINING) if section_name(server.name) in gone else server
                for server in backend.servers
            ),
        )
        for backend in config.backends
    ]
    return replace(config, backends=tuple(backends)) if gone else config


def _visits(
    row: Service, rendering: Rendering, leaving: Sequence[Container], render_with: Callable[[CustomText], Rendering]
) -> list[_Visit]:
    """The balancer's containers that run on engines which answer."""
    slots = Slot.objects.filter(service=row).select_related("container__host", "successor__host")
    known = row.status.get(BALANCED, {})
    found = []
    for container in (each for slot in slots for each in (slot.container, slot.successor) if each is not None):
        if container.display_state not in {"running", "stopping"} or container.host is None:
            continue
        try:
            engine = driver_of(container.host)
        except EngineError:
            continue
        before = Loaded.from_json(known.get(str(container.pk)))
        found.append(_Visit(container, engine, before, rendering, leaving, render_with))
    return found


def _visit(visit: _Visit) -> _Outcome:
    """Bring one container up to date; runs in a thread of its own, and touches no database."""
    run = f"{visit.container.external_id[:12]} {visit.container.status.get('started_at', '')}"
    before = visit.before if visit.before.run == run else Loaded(run)
    is_behind = visit.rendering.digest not in {before.digest, before.refused}
    if not is_behind and not visit.leaving:
        return _Outcome(before, {})
    try:
        return _load_and_let_go(visit, before, is_behind=is_behind)
    except EngineError as error:
        failed = replace(before, error=str(error)[: haproxy.MAX_MESSAGE])
        # What is not known to be let go of is taken to be busy: a container waits for a while, and is stopped then.
        return _Outcome(failed, {each.pk: 1 for each in visit.leaving}, RECHECK_SECONDS)


def _load_and_let_go(visit: _Visit, before: Loaded, *, is_behind: bool) -> _Outcome:
    process = haproxy.read_process(visit.engine, visit.container.external_id)
    wait, loaded = before.seconds_until_due() if is_behind else None, before
    if wait == 0:
        loaded, wait = _load(visit, before, process), None
        process = haproxy.read_process(visit.engine, visit.container.external_id)
    sessions = _let_go(visit, process)
    again = [each for each in (wait, RECHECK_SECONDS if any(sessions.values()) else None) if each is not None]
    return _Outcome(loaded, sessions, min(again, default=None))


def _load(visit: _Visit, before: Loaded, process: HaproxyProcess) -> Loaded:
    """Have it loaded; one that is refused is not tried again until it is another."""
    rendering, now = visit.rendering, timezone.now().isoformat()
    refusal = _load_rendering(visit, rendering, process)
    if refusal is None:
        return Loaded(before.run, rendering.digest, now)
    origin = rendering.origins.get(refusal.line or 0)
    where = f"{origin} of its haproxy.cfg: " if origin else ""
    refused = replace(before, at=now, refused=rendering.digest, error=f"{where}{refusal.reason}")
    return replace(refused, digest=_load_with_former_text(visit, process)) if rendering.origins else refused


def _load_rendering(visit: _Visit, rendering: Rendering, process: HaproxyProcess) -> haproxy.ConfigRefusal | None:
    files = {**rendering.files, STATE_FILE: server_states(process, rendering.servers).encode()}
    return haproxy.load_files(visit.engine, visit.container.external_id, files)


def _load_with_former_text(visit: _Visit, process: HaproxyProcess) -> str:
    """While a custom text is refused, servers still come and go: they are loaded with the text of before.

    The digest of what was loaded; empty when that is refused as well.
    """
    former = custom_text_of(haproxy.read_config(visit.engine, visit.container.external_id))
    rendering = visit.render_with(former)
    return rendering.digest if _load_rendering(visit, rendering, process) is None else ""


def _let_go(visit: _Visit, process: HaproxyProcess) -> Mapping[int, int]:
    """Have nothing more sent to the containers that leave, and count the requests that they still have."""
    names = {name for worker in process.workers for _section, name in worker.counters}
    servers = {each.pk: servers_of(each, names) for each in visit.leaving}
    wanted = {name for found in servers.values() for name in found}
    kept = {(each.backend, each.name) for each in visit.rendering.servers}
    places = {*process.places(wanted), *process.stale(kept)}
    if places:
        haproxy.take_out(visit.engine, visit.container.external_id, sorted(places))
    sessions: Mapping[int, int] = {}
    for turn in range(_POLLS if wanted else 0):
        if turn:
            time.sleep(_POLL_PAUSE)
        busy = haproxy.read_process(visit.engine, visit.container.external_id).sessions()
        sessions = {key: sum(busy[name] for name in found) for key, found in servers.items()}
        if not any(sessions.values()):
            break
    return sessions


def _release(row: Service, leaving: Sequence[Container], status: Mapping[str, Any]) -> None:
    """Say at once which containers may be stopped, and have them reconciled: they would wait for the clock."""
    mine = Service.all_objects.filter(pk=row.pk, lease=row.lease, generation=row.generation)
    before, free = row.status.get(RELEASED, {}), status[RELEASED]
    new = [each for each in leaving if (key := str(each.pk)) in free and free[key] != before.get(key)]
    if new and mine.update(status={**row.status, **status}):
        for each in new:
            enqueue("container", each.pk)


def _with_outcomes(
    result: ReconcileResult, outcomes: Sequence[_Outcome], status: Mapping[str, Any], sessions: Mapping[int, int]
) -> ReconcileResult:
    errors = sorted({each.loaded.error for each in outcomes} - {""})
    waits = [result.requeue_after, *(each.wait for each in outcomes)]
    waits += [RETRY_SECONDS] * bool(errors) + [RECHECK_SECONDS] * any(sessions.values())
    return replace(
        result,
        status={**(result.status or {}), **status},
        message="; ".join([*errors, *[result.message] * bool(result.message)]),
        requeue_after=min((each for each in waits if each is not None), default=None),
    )
