"""The document of names as a value: which names lead where, and what single containers see besides."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral_agent.documents import DocumentRefused

MAX_NAME = 253
MAX_ENTRIES = 100_000  # of any object or list: more than an environment has, and what a document may hold anyway


@dataclass(frozen=True, slots=True)
class View:
    """What one container sees: `search` are domains below ours, in order; `links` are its own names for records."""

    search: tuple[str, ...] = ("",)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that is known: `records` lead to addresses, `externals` to names elsewhere.

    Their keys, and those of links, are in lower case and without the domain. `views` are by the address that asks;
    `host_network` is the one of the containers that have the host's own.
    """

    domain: str = "rancher.internal"
    records: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    externals: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    host_network: View = field(default_factory=View)


def parse_names(document: Mapping[str, Any]) -> Names:
    """The value of a document. Raises `DocumentRefused` with what is wrong, and where."""
    records = _mapping(document.get("records", {}), "records")
    externals = _mapping(document.get("externals", {}), "externals")
    views = _mapping(document.get("views", {}), "views")
    return Names(
        domain=_name(document.get("domain"), "domain"),
        records={_name(key, "records"): _addresses(value, f"records.{key}") for key, value in records.items()},
        externals={_name(key, "externals"): _name(value, f"externals.{key}") for key, value in externals.items()},
        views={_address(key, "views"): _view(value, f"views.{key}") for key, value in views.items()},
        host_network=_view(document.get("hostNetwork", {}), "hostNetwork"),
    )


def _view(value: Any, at: str) -> View:
    found = _mapping(value, at)
    search = _list(found.get("search", [""]), f"{at}.search")
    links = _mapping(found.get("links", {}), f"{at}.links")
    return View(
        search=tuple("" if each == "" else _name(each, f"{at}.search") for each in search),
        links={_name(key, f"{at}.links"): _name(target, f"{at}.links.{key}") for key, target in links.items()},
    )


def _addresses(value: Any, at: str) -> tuple[str, ...]:
    return tuple(_address(each, at) for each in _list(value, at))


def _address(value: Any, at: str) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise DocumentRefused(f"{at}: {str(value)[:60]!r} is no IP address") from None


def _name(value: Any, at: str) -> str:
    name = value.removesuffix(".") if isinstance(value, str) else ""
    if not 0 < len(name) <= MAX_NAME:
        raise DocumentRefused(f"{at}: a name has 1 to {MAX_NAME} characters")
    labels = name.lower().split(".")
    if not all(0 < len(label) <= 63 and label.isascii() and label.isprintable() for label in labels):
        raise DocumentRefused(f"{at}: {value[:60]!r} is no name: labels have 1 to 63 ASCII characters")
    return ".".join(labels)


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_ENTRIES or not all(isinstance(key, str) for key in value):
        raise DocumentRefused(f"{at}: this is to be an object of at most {MAX_ENTRIES} entries")
    return value


def _list(value: Any, at: str) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        raise DocumentRefused(f"{at}: this is to be a list of at most {MAX_ENTRIES} entries")
    return value
