"""What leads to a target, as links and labels write it: `host:port/path=target port`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.stacks.balancer.config import HEALTH_PORT

TARGET_LABEL = "io.rancher.loadbalancer.target."
MAX_TARGET_PORTS = 100
MAX_LENGTH = 2048
EVERYTHING = "*"
EXAMPLE = "web.example.com:80/path=8080"

_DIGITS = re.compile(r"[0-9]+")
_PORT = re.compile(r"[0-9]{1,5}")
_HOST_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PATH = re.compile(r"/[A-Za-z0-9/._~!$&'()*+;:@%-]*")


@dataclass(frozen=True, slots=True)
class TargetPort:
    """Which requests a target gets: of this host and path, at the listener `source`, on its port `port`.

    What is empty or None is not said: every host, every path, each listener, and the port that the listener says.
    """

    host: str = ""
    source: int | None = None
    path: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, text: str, field: str = "ports") -> TargetPort:
        """Read `[host][:source port][/path][=target port]`, or a source port alone. Raises `Invalid` on `field`."""
        if len(text) > MAX_LENGTH:
            raise _invalid(field, text, f"it is longer than {MAX_LENGTH} characters")
        request, target = _split_target(text, field)
        address, slash, path = request.partition("/")
        host, source = _split_source(address, text, field)
        found = cls(
            _check_host(host, text, field),
            _check_port(source, text, field),
            _check_path(slash + path, text, field),
            _check_port(target, text, field),
        )
        if found == cls() and text.strip() != EVERYTHING:
            raise _invalid(field, text, "it is empty")
        if found.source == HEALTH_PORT:
            raise _invalid(field, text, f"the balancer answers its health check at port {HEALTH_PORT}")
        return found

    def __str__(self) -> str:
        source = "" if self.source is None else f":{self.source}" if self.host else str(self.source)
        return f"{self.host}{source}{self.path}" + ("" if self.port is None else f"={self.port}") or EVERYTHING


def parse_target_ports(sent: Sequence[Any] | None, field: str = "ports") -> tuple[TargetPort, ...]:
    """Read what leads to a target; nothing is everything that no other target gets. Raises `Invalid`."""
    if sent is None:
        return ()
    if isinstance(sent, str) or not all(isinstance(each, str) for each in sent):
        raise Invalid(field, "InvalidPort", f"{field}: write a list of texts such as {EXAMPLE}.")
    if len(sent) > MAX_TARGET_PORTS:
        raise Invalid(field, "MaxLimitExceeded", f"{field}: a target has at most {MAX_TARGET_PORTS} rules.")
    return tuple(dict.fromkeys(TargetPort.parse(each, field) for each in sent))


def parse_target_label(text: str, field: str) -> tuple[TargetPort, ...]:
    """Read the label of a target, where commas are between its rules. Raises `Invalid`."""
    return parse_target_ports([each for each in text.split(",") if each.strip()], field)


def write_target_ports(ports: Iterable[TargetPort]) -> list[str]:
    """As links write them."""
    return [str(each) for each in ports]


def _split_target(text: str, field: str) -> tuple[str, str]:
    request, equals, target = text.strip().rpartition("=")
    if equals and not target:
        raise _invalid(field, text, "a port of the target follows the =")
    return (request, target) if equals else (target, "")


def _split_source(address: str, text: str, field: str) -> tuple[str, str]:
    """The host and the listener's port; digits alone are a port."""
    host, colon, source = address.strip().rpartition(":")
    if colon and not source:
        raise _invalid(field, text, "a port of the balancer follows the :")
    return (host, source) if colon or _DIGITS.fullmatch(source) else (source, "")


def _check_port(text: str, whole: str, field: str) -> int | None:
    if not text:
        return None
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65536:
        raise _invalid(field, whole, f"{text[:20]!r} is no port from 1 to 65535")
    return int(text)


def _check_host(text: str, whole: str, field: str) -> str:
    """A host name, with a `*` for its first or its last part; `*` alone is every host."""
    host = text.strip().lower()
    if host in {"", "*"}:
        return ""
    bare = host.removeprefix("*.") if host.startswith("*.") else host.removesuffix(".*")
    if len(host) > 253 or not all(_HOST_PART.fullmatch(each) for each in bare.split(".")):
        remedy = "such as web.example.com, *.example.com or web.*"
        raise _invalid(field, whole, f"{host[:60]!r} is no host name {remedy}")
    return host


def _check_path(text: str, whole: str, field: str) -> str:
    if text and not _PATH.fullmatch(text):
        raise _invalid(field, whole, f"{text[:60]!r} is no path such as /shop; encode other characters with %")
    return text.rstrip("/")


def _invalid(field: str, text: str, reason: str) -> Invalid:
    why = f"{field}: {text.strip()[:60]!r} says no rule: {reason}. Write it as in {EXAMPLE}."
    return Invalid(field, "InvalidPort", why)
