"""Ports as compose files write them: single ones, ranges of them and the long form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_PORTS = 1000


def ports(value: Any) -> Iterator[str]:
    """The single ports of `3000-3005`, `9090-9091:8080-8081/udp` or the long form."""
    text = _long_port(value) if isinstance(value, Mapping) else str(value)
    numbers, slash, protocol = text.partition("/")
    rest, _, private = numbers.rpartition(":")
    address, colon, public = rest.rpartition(":")
    inside, outside = _span(private), _span(public)
    if len(outside) not in {0, 1, len(inside)} or (len(outside) == 1 and len(inside) > 1):
        raise ValueError(f"{text!r}: both ranges must have the same length")
    for at, each in enumerate(inside):
        front = f"{address}{colon}{outside[at] if outside else public}:" if ":" in numbers else ""
        yield f"{front}{each}{slash}{protocol}"


def _span(text: str) -> list[str]:
    """The numbers of a range; a text that is none stays for the check."""
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if not found:
        return [text] if text else []
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MAX_PORTS:
        raise ValueError(f"{text!r} is not a range of at most {MAX_PORTS} ports")
    return [str(number) for number in range(first, last + 1)]


def _long_port(value: Mapping[str, Any]) -> str:
    address, public = value.get("host_ip") or "", value.get("published") or ""
    address = f"[{address}]" if ":" in str(address) else address
    front = f"{address}:{public}:" if address else f"{public}:" if public else ""
    return f"{front}{value.get('target') or ''}/{value.get('protocol') or 'tcp'}"
