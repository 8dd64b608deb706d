"""Which calls of the Docker API are offered, and who may make them; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from apps.core.errors import Forbidden, Invalid
from apps.drivers.base import EngineContainer
from apps.drivers.exec_calls import ExecRequest

API_VERSION, OLDEST_VERSION = "1.44", "1.12"
"""What is answered to clients that negotiate, and from which version on they are understood."""
MAX_BODY = 64 * 1024
_VERSION = re.compile(r"/v1\.\d{1,3}(?=/)")
_KEY = r"(?P<key>[A-Za-z0-9][A-Za-z0-9_.-]{0,254})"
_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})
_RUNNING = frozenset({"running", "paused", "restarting"})
_LIST_FILTERS = frozenset({"id", "name", "label", "status"})
_OFFERED = "list, inspect, logs, exec, attach, wait, version and info"


@dataclass(frozen=True, slots=True)
class DockerCall:
    """One call: the `permission` that it takes besides the one to come here at all; `takes_over` the connection."""

    name: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    permission: str = "view"
    takes_over: bool = False


def _call(name: str, methods: str, path: str, permission: str = "view", *, takes_over: bool = False) -> DockerCall:
    return DockerCall(name, frozenset(methods.split()), re.compile(path), permission, takes_over)


CALLS = (
    _call("ping", "GET HEAD", "/_ping"),
    _call("version", "GET", "/version"),
    _call("info", "GET", "/info"),
    _call("list", "GET", "/containers/json"),
    _call("inspect", "GET", f"/containers/{_KEY}/json"),
    _call("logs", "GET", f"/containers/{_KEY}/logs", "logs"),
    _call("wait", "POST", f"/containers/{_KEY}/wait"),
    _call("attach", "POST", f"/containers/{_KEY}/attach", "exec", takes_over=True),
    _call("resize", "POST", f"/containers/{_KEY}/resize", "exec"),
    _call("exec_create", "POST", f"/containers/{_KEY}/exec", "exec"),
    _call("exec_start", "POST", f"/exec/{_KEY}/start", "exec", takes_over=True),
    _call("exec_resize", "POST", f"/exec/{_KEY}/resize", "exec"),
    _call("exec_inspect", "GET", f"/exec/{_KEY}/json", "exec"),
)


@dataclass(frozen=True, slots=True)
class DockerRequest:
    """A request that is offered: `key` is the container or command in its path."""

    call: DockerCall
    key: str
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A parameter that is on or off."""
        return self.query[name] in _TRUE if name in self.query else default


def parse_docker_request(method: str, target: str, body: bytes) -> DockerRequest:
    """The request. Raises `Forbidden` for a call that is not offered, `Invalid` for a body that is not its."""
    path, _, query = target.partition("?")
    path = path[len(found[0]) :] if (found := _VERSION.match(path)) else path
    for call in CALLS:
        if method in call.methods and (found := call.pattern.fullmatch(path)):
            parameters = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=50))
            return DockerRequest(call, found.groupdict().get("key") or "", parameters, _parse_body(body))
    raise Forbidden(
        f"Corral does not offer {method} {path[:100]} of the Docker API: it offers {_OFFERED}. "
        "Make, change and remove things in Corral itself."
    )


def _parse_body(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if found is None or not isinstance(found, dict):
        raise Invalid("body", "InvalidFormat", "The body is not a JSON object.")
    return found


def parse_size(query: Mapping[str, str]) -> tuple[int, int]:
    """Columns and rows of a terminal. Raises `Invalid`."""
    return tuple(_number(query, name, 1, 1000) for name in ("w", "h"))  # type: ignore[return-value]  # two of them


def parse_tail(query: Mapping[str, str]) -> int | None:
    """How many lines from the end; None: all. Raises `Invalid`."""
    tail = query.get("tail", "all")
    if tail in {"", "all"} or tail.startswith("-"):
        return None
    return _number(query, "tail", 0, 10**8)


def _number(query: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise Invalid(name, "InvalidFormat", f"{name} is a number from {least} to {most}, not {text[:40]!r}.")
    return int(text)


@dataclass(frozen=True, slots=True)
class ListFilters:
    """Which containers are listed: the running ones unless `everything`, at most `limit`, and all of these hold."""

    everything: bool = False
    limit: int | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def select(self, found: Iterable[EngineContainer]) -> list[EngineContainer]:
        """Those that are wanted, in their order."""
        return [each for each in found if self._is_wanted(each)][: self.limit]

    def _is_wanted(self, seen: EngineContainer) -> bool:
        lists_stopped = self.everything or self.limit is not None or "status" in self.filters
        if not lists_stopped and seen.state not in _RUNNING:
            return False
        holds = {name: [_holds(seen, name, text) for text in texts] for name, texts in self.filters.items()}
        return all(all(found) if name == "label" else any(found) for name, found in holds.items())


def _holds(seen: EngineContainer, name: str, text: str) -> bool:
    """Whether one filter does."""
    if name == "id":
        return seen.id.startswith(text)
    if name == "name":
        return text.lstrip("/") in seen.name
    return seen.state == text if name == "status" else _has_label(seen, text)


def _has_label(seen: EngineContainer, text: str) -> bool:
    name, equals, value = text.partition("=")
    return name in seen.labels and (not equals or seen.labels[name] == value)


def parse_list_filters(request: DockerRequest) -> ListFilters:
    """What GET /containers/json is to list. Raises `Invalid` for filters that are not offered."""
    limit = None
    if request.query.get("limit", "") not in {"", "0", "-1"}:
        limit = _number(request.query, "limit", 1, 10**6)
    try:
        given = json.loads(request.query.get("filters") or "{}")
        # A map of lists, and in the oldest clients one of maps whose values say nothing.
        filters = {name: tuple(map(str, values)) for name, values in given.items() if values}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Invalid("filters", "InvalidFormat", "The filters are a JSON object of lists.") from None
    if unknown := filters.keys() - _LIST_FILTERS:
        offered = ", ".join(sorted(_LIST_FILTERS))
        raise Invalid("filters", "InvalidOption", f"There is no filter {min(unknown)[:40]!r} here, but {offered}.")
    return ListFilters(request.flag("all"), limit, filters)


def parse_exec_request(body: Mapping[str, Any]) -> ExecRequest:
    """What is to be run. Raises `Invalid`, and `Forbidden` for a command with all rights."""
    if body.get("Privileged"):
        raise Forbidden("A command with all rights on the host is not run: leave --privileged out.")
    command, variables = body.get("Cmd"), body.get("Env") or []
    for name, value in (("Cmd", command), ("Env", variables)):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Invalid(name, "InvalidFormat", f"{name} is a list of texts.")
    user, folder = body.get("User") or "", body.get("WorkingDir") or ""
    if not command:
        raise Invalid("Cmd", "MissingRequired", "Say which command to run.")
    for name, value in (("User", user), ("WorkingDir", folder)):
        if not isinstance(value, str) or len(value) > 1000:
            raise Invalid(name, "InvalidFormat", f"{name} is a text of at most 1,000 characters.")
    tty, stdin = body.get("Tty") is True, body.get("AttachStdin") is True
    return ExecRequest(tuple(command), tty, stdin, user, folder, tuple(variables))
