"""A check as the portal's document says it, and the document itself: numbered, whole, idempotent."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

MAX_CHECKS = 5000  # of one host
MAX_REQUEST = 2048
_DAY = 86_400_000


class BadDocument(Exception):
    """A document that cannot be used; `str()` names the check and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One container's check; times in seconds.

    `run` tells one start of the container from the next: another one begins the check anew. `subnet` is the network
    that the address is in: who has no address there himself cannot check it. `initializing` is how long it may take to
    become healthy, 0 for as long as it wants. Without a `request` a connection is enough. `last` is the state of this
    run that was reported before, so that whoever begins anew does not forget it.
    """

    id: str
    run: str
    address: str
    port: int
    subnet: str = ""
    request: str = ""
    interval: float = 2.0
    timeout: float = 2.0
    healthy_threshold: int = 2
    unhealthy_threshold: int = 3
    initializing: float = 60.0
    last: str = field(default="", compare=False)

    @classmethod
    def parse(cls, found: Any) -> Self:
        """Read one of a document. Raises `BadDocument`."""
        if not isinstance(found, Mapping):
            raise BadDocument("a check is no object")
        try:
            return cls(
                id=_text(found, "id"),
                run=_text(found, "run"),
                address=_address(found),
                subnet=str(ipaddress.ip_network(found["subnet"], strict=False)) if found.get("subnet") else "",
                port=_number(found, "port", 1, 65535),
                request=_text(found, "request") if found.get("request") else "",
                interval=_number(found, "interval", 100, _DAY) / 1000,
                timeout=_number(found, "timeout", 1, _DAY) / 1000,
                healthy_threshold=_number(found, "healthyThreshold", 1, 1000),
                unhealthy_threshold=_number(found, "unhealthyThreshold", 1, 1000),
                initializing=_number(found, "initializing", 0, _DAY) / 1000,
                last=_text(found, "last") if found.get("last") else "",
            )
        except (BadDocument, ValueError) as error:
            raise BadDocument(f"check {str(found.get('id'))[:64]}: {error}") from None


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or len(value) > MAX_REQUEST:
        raise BadDocument(f"{name} must be a text of at most {MAX_REQUEST} characters")
    return value


def _address(found: Mapping[str, Any]) -> str:
    text = _text(found, "address")
    if "%" in text:  # an IPv6 scope may be any text, which would be looked up
        raise BadDocument("address must have no scope")
    return str(ipaddress.ip_address(text))


def _number(found: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadDocument(f"{name} must be a whole number from {low} to {high}")
    return value


def parse_document(found: Any) -> tuple[int, dict[str, Check]]:
    """The document's number and its checks by their ids. Raises `BadDocument`; nothing of a bad one is used."""
    if not isinstance(found, Mapping) or not isinstance(found.get("checks"), list):
        raise BadDocument("a document has a version and a list of checks")
    if len(found["checks"]) > MAX_CHECKS:
        raise BadDocument(f"a document has at most {MAX_CHECKS} checks")
    checks = [Check.parse(each) for each in found["checks"]]
    return _number(found, "version", 0, 2**53), {each.id: each for each in checks}
