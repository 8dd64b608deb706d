"""Numbers of a host's ports: which one is chosen, and which one an engine says is in use. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from apps.containers.launch.values import Port

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_IN_USE = ("port is already allocated", "address already in use")
# Engines say: Bind for 0.0.0.0:80 failed; from 28 on: failed to bind host port for [::]:80:172.17.0.2:80/tcp; and what
# they start says: listen tcp4 0.0.0.0:80.
_BOUND_TO = re.compile(r"(?:\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:]{2,45}\]|[ ]::):([0-9]{1,5})\b")
_PROTOCOL = re.compile(r"(?:/|\blisten )(tcp|udp|sctp)")


def port_in_use(message: str) -> tuple[int, str] | None:
    """The port, and its protocol (empty if it is not named), that an engine could not publish as something has it."""
    short = message[:2000]
    if not any(hint in short.lower() for hint in _IN_USE):
        return None
    found, protocol = _BOUND_TO.search(short), _PROTOCOL.search(short)
    return (int(found[1]), protocol[1] if protocol else "") if found else None


def _overlap(address: str, other: str) -> bool:
    """Whether a port cannot be published at both addresses of one host: they are the same, or one means all."""
    return address == other or not _EVERYWHERE.isdisjoint((address, other))


def shared_port(ports: Iterable[Sequence[Any]], others: Iterable[Sequence[Any]]) -> str:
    """A fixed port that two containers cannot both have on one host, such as 80/tcp; empty if there is none.

    Each port is its address on the host, empty for all of them, its number and its protocol.
    """
    taken = [(there, *port) for there, *port in others]
    for address, *port in ports:
        for there, *other in taken:
            if port == other and _overlap(address, there):
                return "/".join(map(str, port))
    return ""


def choose_number(
    choice: tuple[int, int], taken: Collection[int], preferred: int | None = None, refused: Collection[int] = ()
) -> int | None:
    """The preferred number if it is free, else the first free one behind those in use; None where all are.

    Behind those in use, so that one given back a moment ago, to which clients may still connect, comes last.
    """
    first, last = choice
    closed = {*taken, *refused}
    if preferred is not None and first <= preferred <= last and preferred not in closed:
        return preferred
    highest = max((number for number in taken if first <= number <= last), default=first - 1)
    after = (*range(highest + 1, last + 1), *range(first, highest + 1))
    return next((number for number in after if number not in closed), None)


def without_number(ports: Iterable[Port]) -> Iterator[tuple[str, Port]]:
    """The published ports that say no number of the host, each with a key that is the same for the same declaration."""
    seen: Counter[str] = Counter()
    for port in ports:
        if port.public is None:
            seen[str(port)] += 1
            yield (f"{port}" if seen[str(port)] == 1 else f"{port} {seen[str(port)]}"), port
