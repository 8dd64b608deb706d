"""What hosts report of a check of the network, read without trust; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.texts import strip_unstorable
from apps.network.check_throughput import ThroughputReport

_MOST_PEERS, _MOST_ROUTES, _MOST_SERVERS, _MOST_SIZES = 1024, 20, 8, 16
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Way:
    """The way from one host to another, as the receiver reports it.

    `largest` is the longest packet that arrived (0: none), `received` of `expected` are the short ones; `clock` how
    far the receiver's clock is ahead of the sender's, with the time on the way; `round_trip` and `direct` milliseconds
    through the network and beside it; `is_carried` whether WireGuard received anything, None without encryption.
    """

    largest: int = 0
    received: int = 0
    expected: int = 0
    clock: float | None = None
    round_trip: float | None = None
    direct: float | None = None
    is_carried: bool | None = None

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Way:
        """From what the agent reports, or from `as_json`."""
        sizes = _sizes(found.get("sizes"))
        return cls(
            largest=max(sizes, default=0),
            received=sizes.get(min(sizes, default=0), 0),
            expected=int(_number(found.get("expected")) or 0),
            clock=_number(found.get("clock")),
            round_trip=_number(found.get("roundTrip")),
            direct=_number(found.get("direct")),
            is_carried=found.get("carried") if isinstance(found.get("carried"), bool) else None,
        )

    @property
    def is_lossy(self) -> bool:
        """Whether so many packets were lost that it is no accident."""
        return self.expected >= 4 and self.received * 4 <= self.expected * 3


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One host's report: for how many seconds it took part, and what it found, by the uuid of each other host.

    `routes` lead into the environment's network elsewhere; `answers_names` is whether its own name server answers,
    None before it was asked, `upstream` the same of those of its resolv.conf. `throughput` is what was measured, if
    anything was to be.
    """

    check: int
    seconds: int
    reason: str = ""
    routes: tuple[str, ...] = ()
    answers_names: bool | None = None
    upstream: Mapping[str, bool] = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=dict)
    throughput: ThroughputReport | None = None

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> CheckReport | None:
        """The report, without what is not understood; None of a host that takes part in no check."""
        check = status.get("check")
        if type(check) is not int or check <= 0:
            return None
        names = _mapping(status.get("names"))
        own = names.get("own")
        peers = list(_mapping(status.get("peers")).items())[:_MOST_PEERS]
        routes = status.get("routes")
        return cls(
            check=check,
            seconds=int(_number(status.get("seconds")) or 0),
            reason=_line(status.get("reason")),
            routes=tuple(_line(route) for route in routes[:_MOST_ROUTES]) if isinstance(routes, list) else (),
            answers_names=own if isinstance(own, bool) else None,
            upstream={
                _line(server): answers is True
                for server, answers in list(_mapping(names.get("upstream")).items())[:_MOST_SERVERS]
            },
            ways={_line(peer)[:64]: Way.parse(_mapping(found)) for peer, found in peers},
            throughput=ThroughputReport.parse(status.get("throughput")),
        )


def storable_report(status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a report that `CheckReport.parse` reads, without what a database refuses."""
    kept = {name: status.get(name) for name in ("check", "seconds", "reason", "routes", "names", "throughput")}
    peers = list(_mapping(status.get("peers")).items())[:_MOST_PEERS]
    return {**_storable(kept, 4), "peers": {_line(peer)[:64]: _storable(_mapping(way), 3) for peer, way in peers}}


def _storable(value: Any, depth: int) -> Any:
    """Texts shortened and without NUL, numbers that are numbers, and nothing that is nested deeper."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return _line(value)
    if isinstance(value, int | float):
        return _number(value)
    if depth and isinstance(value, list):
        return [_storable(each, depth - 1) for each in value[:_MOST_ROUTES]]
    if depth and isinstance(value, Mapping):
        return {_line(name): _storable(each, depth - 1) for name, each in list(value.items())[:_MOST_ROUTES]}
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _line(value: object) -> str:
    text = strip_unstorable(value) if isinstance(value, str) else ""
    return " ".join(str(text).split())[:_LONGEST]


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if -(2**53) < value < 2**53 else None  # NaN is in no range; of long numbers isfinite overflows


def _sizes(value: object) -> dict[int, int]:
    found = {}
    for size, count in list(_mapping(value).items())[:_MOST_SIZES]:
        if size.isascii() and size.isdigit() and len(size) < 6 and type(count) is int and 0 < count < 2**31:
            found[int(size)] = count
    return found
