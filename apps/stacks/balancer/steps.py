"""The steps of a balancer in the loop: its containers get the configuration of now, and let go of what leaves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.departure import is_leaving, leaving_since
from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineError
from apps.hosts.selectors import driver_of
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.challenges import challenges_of
from apps.stacks.balancer.config import DRAINING, BalancerConfig, CustomText
from apps.stacks.balancer.draining import (
    ANNOUNCED,
    BALANCED,
    RELEASED,
    leaving_containers,
    released_status,
    servers_of,
)
from apps.stacks.balancer.finding import LastLook, found_servers, serves, services_to_tell
from apps.stacks.balancer.process import HaproxyProcess, server_states
from apps.stacks.balancer.quoting import UnsafeText, section_name
from apps.stacks.balancer.render import STATE_FILE, Rendering, custom_text_of, render
from apps.stacks.balancer.selectors import balancer_config
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER
from apps.vault.selectors import bundle_of, certificates_in

RELOAD_EVERY = 1.0  # seconds between two reloads of one container, however often something changes
RECHECK_SECONDS = 1.0
RETRY_SECONDS = 30.0  # what could not be loaded for a reason of the host may be loaded later
_AT_ONCE = 4
_POLLS, _POLL_PAUSE = 5, 0.1  # most requests are over in a moment: longer ones are waited for by the next reconcile


RenderWith = Callable[..., Rendering]


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
    """One container to be brought up to date: what it had, what is to be let go of, and whether to see what it found.

    `sought` are the runs that are worth a moment's wait. One that leaves loads nothing more once it has `announced`
    that, at this time.
    """

    container: Container
    engine: Driver
    before: Loaded
    rendering: Rendering
    leaving: Sequence[Container]
    render_with: RenderWith
    loads: bool = True
    announced: str = ""
    looks: bool = False
    sought: frozenset[str] = frozenset()

    @property
    def run(self) -> str:
        """The container and its start."""
        return f"{self.container.external_id[:12]} {self.container.status.get('started_at', '')}"


@dataclass(frozen=True, slots=True)
class _Outcome:
    loaded: Loaded
    sessions: Mapping[int, int] = field(default_factory=dict)
    wait: float | None = None
    found: frozenset[str] | None = None


def with_balancer(row: Service, result: ReconcileResult) -> ReconcileResult:
    """The result of a service after the steps of a balancer; that of any other service as it is."""
    if row.kind != BALANCER or row.desired != "active":
        return result
    leaving = leaving_containers(row.environment_id)
    config, material = _what_to_load(row, leaving)
    challenges = challenges_of(row.environment_id)

    def render_with(custom: CustomText, *, is_leaving: bool = False) -> Rendering:
        return render(replace(config, custom=custom, is_leaving=is_leaving), material, challenges)

    try:
        visits = _visits(row, config.custom, leaving, render_with)
    except UnsafeText as error:
        return replace(result, message=str(error))
    last = LastLook.from_status(row.status)
    visits = _with_looks(visits, last)
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # it has no threads before the first call
        outcomes = list(pool.map(_visit, visits))
    sessions: Counter[int] = Counter()
    for each in outcomes:
        sessions.update(each.sessions)
    loaded = {str(visit.container.pk): asdict(each.loaded) for visit, each in zip(visits, outcomes, strict=True)}
    look = _look_after(last, visits, outcomes)
    status = {BALANCED: loaded, **released_status(leaving, sessions), **look.to_status()}
    status[ANNOUNCED] = _announced(visits, outcomes)
    _tell(row, leaving, status, look.found - last.found)
    result = _with_outcomes(result, outcomes, status, sessions)
    return replace(
        result, requeue_after=_sooner(result.requeue_after, RECHECK_SECONDS if look.seeks(timezone.now()) else None)
    )


def _with_looks(visits: Sequence[_Visit], last: LastLook) -> list[_Visit]:
    """Have those that do their work say what they have found, unless nothing is new."""
    serving = [each for each in visits if serves(each.container)]
    keys = {server.key for each in serving[:1] for server in each.rendering.servers if server.key}
    if last.is_complete(keys, {each.run for each in serving}):
        return list(visits)
    old = last.sought.keys() - last.seeks(timezone.now())
    sought = frozenset(keys - last.found - old)
    return [replace(each, looks=True, sought=sought) if each in serving else each for each in visits]


def _look_after(last: LastLook, visits: Sequence[_Visit], outcomes: Sequence[_Outcome]) -> LastLook:
    """What is found now; a balancer without containers that answer finds nobody."""
    keys = {server.key for each in visits[:1] for server in each.rendering.servers if server.key}
    looked = any(each.looks for each in visits) or not any(serves(each.container) for each in visits)
    said = {visit.run: each.found for visit, each in zip(visits, outcomes, strict=True) if each.found is not None}
    return last.then(keys, said if looked else None, timezone.now())


def _sooner(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


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


def _visits(row: Service, custom: CustomText, leaving: Sequence[Container], render_with: RenderWith) -> list[_Visit]:
    """The balancer's containers that run on engines which answer, those that leave included: they still serve."""
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).exclude(host=None)
    there = [
        each
        for each in rows.select_related("host").order_by("pk")
        if each.display_state in {"running", "stopping"} or leaving_since(each)
    ]
    known, announced = row.status.get(BALANCED, {}), row.status.get(ANNOUNCED, {})
    rendering = render_with(custom)
    last = render_with(custom, is_leaving=True) if any(map(is_leaving, there)) else rendering
    found = []
    for container in there:
        try:
            engine = driver_of(container.host)
        except EngineError:
            continue
        before, key = Loaded.from_json(known.get(str(container.pk))), str(container.pk)
        visit = _Visit(container, engine, before, rendering, leaving, render_with)
        if is_leaving(container):  # what loads once it is being stopped would listen again
            since = announced.get(key, "")
            visit = replace(visit, rendering=last, announced=since, loads=not since and any(map(serves, there)))
        found.append(visit)
    return found


def _announced(visits: Sequence[_Visit], outcomes: Sequence[_Outcome]) -> dict[str, str]:
    """Which of its containers say that they leave, and since when."""
    return {
        str(visit.container.pk): visit.announced or each.loaded.at
        for visit, each in zip(visits, outcomes, strict=True)
        if visit.announced or (is_leaving(visit.container) and each.loaded.digest == visit.rendering.digest)
    }


def _visit(visit: _Visit) -> _Outcome:
    """Bring one container up to date; runs in a thread of its own, and touches no database."""
    before = visit.before if visit.before.run == visit.run else Loaded(visit.run)
    is_behind = visit.loads and visit.rendering.digest not in {before.digest, before.refused}
    if not (is_behind or visit.leaving or visit.looks):
        return _Outcome(before)
    try:
        return _load_and_let_go(visit, before, is_behind=is_behind)
    except EngineError as error:
        failed = before if is_leaving(visit.container) else replace(before, error=str(error)[: haproxy.MAX_MESSAGE])
        # What is not known to be let go of is taken to be busy: a container waits for a while, and is stopped then.
        return _Outcome(failed, {each.pk: 1 for each in visit.leaving}, RECHECK_SECONDS)


def _load_and_let_go(visit: _Visit, before: Loaded, *, is_behind: bool) -> _Outcome:
    process = haproxy.read_process(visit.engine, visit.container.external_id)
    wait, loaded = before.seconds_until_due() if is_behind else None, before
    if wait == 0:
        loaded, wait = _load(visit, before, process), None
        process = haproxy.read_process(visit.engine, visit.container.external_id)
    sessions = _let_go(visit, process)
    again = _sooner(wait, RECHECK_SECONDS if any(sessions.values()) else None)
    return _Outcome(loaded, sessions, again, _look(visit) if visit.looks else None)


def _look(visit: _Visit) -> frozenset[str]:
    """What it has found, once that is all that is sought or a moment is over."""
    found = frozenset[str]()
    for turn in range(_POLLS):
        if turn:
            time.sleep(_POLL_PAUSE)
        process = haproxy.read_process(visit.engine, visit.container.external_id)
        found = found_servers(process, visit.rendering.servers)
        if visit.sought <= found:
            break
    return found


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


def _tell(row: Service, leaving: Sequence[Container], status: Mapping[str, Any], found: Collection[str]) -> None:
    """Say at once which containers may be stopped and which were found, and have those reconciled that wait for it."""
    mine = Service.all_objects.filter(pk=row.pk, lease=row.lease, generation=row.generation)
    before, free = row.status.get(RELEASED, {}), status[RELEASED]
    new = [each for each in leaving if (key := str(each.pk)) in free and free[key] != before.get(key)]
    if (new or found) and mine.update(status={**row.status, **status}):
        for each in new:
            enqueue("container", each.pk)
        for service in services_to_tell(row.environment_id, found) if found else ():
            enqueue("service", service)


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
        requeue_after=_sooner(*waits),
    )
