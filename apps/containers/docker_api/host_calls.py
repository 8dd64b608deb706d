"""The calls themselves: each as the actor of that moment, and about containers of the host's environment alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from apps.containers.docker_api import answers
from apps.containers.docker_api.bodies import LogBody, WaitBody
from apps.containers.docker_api.calls import (
    API_VERSION,
    DockerRequest,
    parse_exec_request,
    parse_list_filters,
    parse_size,
    parse_tail,
)
from apps.containers.drain import SYSTEM_LABEL
from apps.containers.models import Container
from apps.containers.policy.enforce import enforce_mount_policy
from apps.containers.stream_audit import audited
from apps.containers.streams import enforce_shell_policy, logs_open, shell_verdict
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from apps.core.hooks import hooks
from apps.drivers.base import Driver, EngineContainer, EngineNotFound, EngineRefused, ExecSession, Stream
from apps.drivers.exec_calls import EngineExec
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

PERMISSION, EVENT = "engine", "host.dockerSocket"
_MULTIPLEXED, _RAW = "application/vnd.docker.multiplexed-stream", "application/vnd.docker.raw-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and JSON or a text."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """A body that comes piece by piece; `needs` are the permissions that it takes as long as it lasts."""

    pieces: Stream[bytes]
    content_type: str
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Takeover:
    """The connection becomes a command's: its input and output, in frames unless it has a terminal."""

    session: ExecSession
    tty: bool
    needs: frozenset[str]

    @property
    def content_type(self) -> str:
        """What the output is."""
        return _RAW if self.tty else _MULTIPLEXED


class HostDockerApi:
    """Answers requests about one host; `find_actor` returns who asks, as of now, or None."""

    def __init__(self, host_id: int, environment_id: int, find_actor: Callable[[], Actor | None]) -> None:
        self._host_id, self._environment_id, self._find_actor = host_id, environment_id, find_actor

    def handle(self, request: DockerRequest) -> Answer | StreamAnswer | Takeover:
        """Do what is requested. Raises `Problem` and `EngineError`."""
        actor = self._find_actor()
        if actor is None:
            raise Unauthorized("You are logged out.")
        host = self._host()
        for permission in (PERMISSION, request.call.permission):
            if not (allowed := can(actor, permission, self._environment_id)):
                with self.audited(actor, host, {"call": request.call.name, "target": request.key}):
                    raise Forbidden(allowed.reason)
        return _OneRequest(actor, host, request).answer()

    def audited(self, actor: Actor, host: Host, details: Mapping[str, Any]) -> Any:
        """A block that is recorded as the use of the host's engine."""
        return audited(EVENT, actor=actor, row=host, environment_id=self._environment_id, request=details)

    def _host(self) -> Host:
        row: Host | None = Host.objects.within([self._environment_id]).filter(pk=self._host_id, removed=None).first()
        if row is None:
            raise NotFound("The host is gone.")
        return row


class _OneRequest:
    """One request of one actor."""

    def __init__(self, actor: Actor, host: Host, request: DockerRequest) -> None:
        self._actor, self._host, self._request = actor, host, request
        self._engine: Driver = driver_of(host)

    def answer(self) -> Answer | StreamAnswer | Takeover:
        handler: Callable[[], Answer | StreamAnswer | Takeover] = getattr(self, f"_{self._request.call.name}")
        return handler()

    def _ping(self) -> Answer:
        self._engine.ping()
        return Answer("OK", headers={"Api-Version": API_VERSION, "Ostype": "linux", "Docker-Experimental": "false"})

    def _version(self) -> Answer:
        return Answer(answers.version_answer(self._engine.info()))

    def _info(self) -> Answer:
        return Answer(answers.info_answer(self._engine.info(), [each.state for each in self._mine()]))

    def _list(self) -> Answer:
        wanted = parse_list_filters(self._request)
        return Answer([answers.summary_answer(each) for each in wanted.select(self._mine())])

    def _inspect(self) -> Answer:
        _row, seen = self._container()
        values = bool(can(self._actor, "values", self._host.environment_id))
        return Answer(answers.details_answer(seen, values=values))

    def _logs(self) -> StreamAnswer:
        request = self._request
        streams = frozenset(name for name in ("stdout", "stderr") if request.flag(name))
        if not streams:
            raise Invalid("stdout", "MissingRequired", "Say which is wanted: stdout, stderr, or both.")
        row, seen = self._container()
        tail, since, until = parse_tail(request.query), self._moment("since"), self._moment("until")
        lines = logs_open(row, tail=tail, since=since, until=until, follow=request.flag("follow"))
        pieces = LogBody(lines, timestamps=request.flag("timestamps"), streams=streams)
        return StreamAnswer(pieces, _RAW if _has_terminal(seen) else _MULTIPLEXED, frozenset({"logs"}))

    def _moment(self, name: str) -> str:
        text = self._request.query.get(name, "")
        try:
            return answers.rfc3339_of(text)
        except ValueError:
            raise Invalid(name, "InvalidFormat", f"{text[:40]!r} is not a time.") from None

    def _wait(self) -> StreamAnswer:
        if self._request.query.get("condition", "") not in {"", "not-running"}:
            raise Invalid("condition", "InvalidOption", "It is waited for not-running only.")
        _row, seen = self._container()
        return StreamAnswer(WaitBody(self._engine, seen.id), "application/json", frozenset({"view"}))

    def _attach(self) -> Takeover:
        row, seen = self._enterable(self._request.key, "container.attach", {})
        if not self._request.flag("stream"):
            raise Invalid("stream", "InvalidOption", "What was written before is in the logs: attach with stream=1.")
        if seen.state != "running":
            raise Conflict("The container does not run.")
        tty, stdin = _has_terminal(seen), self._request.flag("stdin")
        with self._audited("container.attach", row, {"stdin": stdin}):
            session = self._engine.attach(seen.id, tty=tty, stdin=stdin)
        return Takeover(session, tty, self._needs_of(row))

    def _resize(self) -> Answer:
        _row, seen = self._enterable(self._request.key, "container.attach", {})
        self._engine.resize(seen.id, *parse_size(self._request.query))
        return Answer()

    def _exec_create(self) -> Answer:
        wanted = parse_exec_request(self._request.body)
        _row, seen = self._enterable(self._request.key, "container.shell", _audit_details(wanted.command, wanted.tty))
        return Answer({"Id": self._engine.exec_create(seen.id, wanted)}, 201)

    def _exec_start(self) -> Answer | Takeover:
        found = self._command()
        details = _audit_details(found.command, found.tty)
        row, _seen = self._enterable(found.container_id, "container.shell", details)
        if found.running or found.exit_code is not None:
            raise Conflict("The command has run already.")
        if found.privileged:
            raise Forbidden("A command with all rights on the host is not run.")
        with self._audited("container.shell", row, details):
            if self._request.body.get("Detach") is True:
                self._engine.exec_start_detached(found.id)
                return Answer()
            session = self._engine.exec_start(found.id, tty=found.tty)
        return Takeover(session, found.tty, self._needs_of(row))

    def _exec_resize(self) -> Answer:
        self._engine.exec_resize(self._command().id, *parse_size(self._request.query))
        return Answer()

    def _exec_inspect(self) -> Answer:
        return Answer(answers.exec_answer(self._command()))

    def _rows(self) -> QuerySet[Container]:
        rows: QuerySet[Container] = Container.objects.within([self._host.environment_id]).select_related("host")
        return rows.filter(host=self._host, removed=None).exclude(external_id="")

    def _mine(self) -> list[EngineContainer]:
        known = set(self._rows().values_list("external_id", flat=True))
        return [each for each in self._engine.containers() if each.id in known and SYSTEM_LABEL not in each.labels]

    def _container(self, key: str = "") -> tuple[Container, EngineContainer]:
        """The container of this id or name. Raises `NotFound`, as for one that is another environment's."""
        key = key or self._request.key
        rows = list(self._rows().filter(Q(external_id=key) | Q(name=key))[:2])
        try:
            seen = self._engine.inspect(rows[0].external_id if len(rows) == 1 else key)
        except EngineNotFound:
            raise _no_container(key) from None
        row = rows[0] if len(rows) == 1 else self._rows().filter(external_id=seen.id).first()
        if row is None or SYSTEM_LABEL in seen.labels:
            raise _no_container(key)
        return row, seen

    def _command(self) -> EngineExec:
        """The command of this id, in a container of the environment. Raises `NotFound`."""
        try:
            found = self._engine.exec_inspect(self._request.key)
            self._container(found.container_id)
        except (EngineNotFound, NotFound):
            raise NotFound(f"No such exec instance: {self._request.key}") from None
        return found

    def _enterable(self, key: str, event: str, details: Mapping[str, Any]) -> tuple[Container, EngineContainer]:
        """The container, where this actor may run commands in it and the host policy allows anybody to.

        A refusal is audited. Raises `Forbidden`.
        """
        row, seen = self._container(key)
        if reason := self._why_not_enterable(row, seen):
            with self._audited(event, row, details):
                raise Forbidden(reason)
        return row, seen

    def _why_not_enterable(self, row: Container, seen: EngineContainer) -> str:
        if not (allowed := shell_verdict(self._actor, row)):
            return allowed.reason
        try:
            enforce_shell_policy(row)
            enforce_mount_policy(row, self._engine, seen)
        except (Invalid, EngineRefused) as error:
            return str(error)
        return ""

    def _audited(self, event: str, row: Container, details: Mapping[str, Any]) -> Any:
        request = {**details, "api": "docker"}
        return audited(event, actor=self._actor, row=row, environment_id=row.environment_id, request=request)

    def _needs_of(self, row: Container) -> frozenset[str]:
        return frozenset({"exec", "values"} if hooks.holds_keys(row) else {"exec"})


def _no_container(key: str) -> NotFound:
    return NotFound(f"No such container: {key}")


def _has_terminal(seen: EngineContainer) -> bool:
    return bool((seen.raw.get("Config") or {}).get("Tty"))


def _audit_details(command: tuple[str, ...], tty: bool) -> dict[str, Any]:  # noqa: FBT001 - two facts of a command
    return {"command": list(command), **({} if tty else {"tty": False})}
