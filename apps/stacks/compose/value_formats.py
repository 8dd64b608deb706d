"""The value formats of compose files: sizes, durations, booleans, commands, lists and maps, port ranges."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"us": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000), "m": Decimal(60_000), "h": Decimal(3_600_000)}


def parse_size(value: Any) -> int:
    """Parse `512m`, `1.5gb`, `1024` or -1 (no limit) into bytes."""
    found = re.fullmatch(r"(-?[0-9]{1,20}(?:\.[0-9]{1,9})?) ?([bkmgt]?)(?:i?b)?", str(value).strip().lower())
    if not found:
        raise ValueError("write a size such as 512m or 1g")
    return int(Decimal(found[1]) * _SIZES[found[2]])


def parse_milliseconds(value: Any) -> int:
    """Parse `1m30s`, `500ms` or plain seconds into milliseconds."""
    return int(_parse_time(value, "s"))


def parse_microseconds(value: Any) -> int:
    """Parse `400ms`, `950us` or plain microseconds into microseconds."""
    return int(_parse_time(value, "us") * 1000)


def _parse_time(value: Any, plain_unit: str) -> Decimal:
    """In milliseconds; a number without a unit is in `plain_unit`."""
    text = str(value).strip()
    text += plain_unit if re.fullmatch(r"[0-9.]+", text) else ""
    if not re.fullmatch(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:us|ms|s|m|h))+", text):
        raise ValueError("write a time such as 30s or 1m30s")
    parts = re.findall(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|ms|s|m|h)", text)
    return sum((Decimal(number) * _TIMES[unit] for number, unit in parts), Decimal(0))


def parse_nano_cpus(value: Any) -> int:
    """Parse a number of processors such as `0.5` into billionths."""
    try:
        return int(Decimal(str(value).strip()[:30]) * 10**9)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError("write a number of processors such as 0.5") from None


def parse_boolean(value: Any) -> Any:
    """Parse the booleans of YAML 1.1, such as `yes` and `off`; anything else is left to the field's check."""
    words = {"yes": True, "on": True, "y": True, "true": True, "no": False, "off": False, "n": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


MAX_COMMAND = 64 * 1024


def split_command(value: Any) -> Any:
    """Split a command as a shell would; a list is taken as it is."""
    if isinstance(value, str) and len(value) > MAX_COMMAND:
        raise ValueError(f"a command has at most {MAX_COMMAND} characters")
    return shlex.split(value) if isinstance(value, str) else value


def as_list(value: Any) -> list[Any]:
    """Return the list; a single text is a list of one."""
    if isinstance(value, list):
        return value
    if isinstance(value, str | int):
        return [value]
    raise ValueError("write a list")


def as_text(value: Any) -> str:
    """Return the text of a single value: a map or a list that is written out would become a name or a path."""
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{str(value)[:60]!r} is no text" if value is not None else "an entry is empty")


def as_texts(value: Any) -> list[str]:
    """Return the list of texts; a single text is a list of one."""
    return [as_text(each) for each in as_list(value)]


def as_map(value: Any, separator: str = "=") -> dict[str, Any]:
    """Return the map, or one made of a list of `name=value`; None where a name has no value."""
    if isinstance(value, Mapping):
        return dict(value)
    found = {}
    for text in as_texts(value):
        name, equals, rest = text.partition(separator)
        found[name] = rest if equals else None
    return found


MAX_PORTS = 1000


def expand_ports(value: Any) -> Iterator[str]:
    """Yield the single ports of `3000-3005`, `9090-9091:8080-8081/udp` or the long form.

    `8080-8083:80` stays one port: the engine takes a free one of the range. An empty or zero public side leaves the
    choice to the engine.
    """
    text = _format_long_port(value) if isinstance(value, Mapping) else as_text(value)
    numbers, slash, protocol = text.partition("/")
    rest, _, private = numbers.rpartition(":")
    address, colon, public = rest.rpartition(":")
    public = "" if public.strip("0") == "" else public
    inside = _expand_range(private)
    if not inside:
        raise ValueError(f"{text!r} is not a port: the port of the container is missing")
    outside = [public] if len(inside) == 1 and public else _expand_range(public)
    if len(outside) not in {0, len(inside)}:
        raise ValueError(f"{text!r}: both ranges must have the same length")
    for at, each in enumerate(inside):
        front = f"{address}{colon}{outside[at] if outside else ''}:" if outside or address else ""
        yield f"{front}{each}{slash}{protocol}"


def _expand_range(text: str) -> list[str]:
    """Return the numbers of a range; any other text is left to the field's check."""
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if not found:
        return [text] if text else []
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MAX_PORTS:
        raise ValueError(f"{text!r} is not a range of at most {MAX_PORTS} ports")
    return [str(number) for number in range(first, last + 1)]


def _format_long_port(value: Mapping[str, Any]) -> str:
    if not value.get("target"):
        raise ValueError("a port that is a map needs its `target`; otherwise write it as a text, such as '8080:80'")
    address, public = value.get("host_ip") or "", value.get("published") or ""
    address = f"[{address}]" if ":" in str(address) else address
    front = f"{address}:{public}:" if address else f"{public}:" if public else ""
    return f"{front}{value['target']}/{value.get('protocol') or 'tcp'}"
