"""What a question means for who asks it: pure. Everything below our domain is known here, or does not exist."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from corral_agent.names.document import Names, View
from corral_agent.service_address import SERVICE_ADDRESS

HOST_ADDRESSES = frozenset({SERVICE_ADDRESS, "127.0.0.1", "::1"})
FIXED_RECORDS: Mapping[str, tuple[str, ...]] = {"rancher-metadata": (SERVICE_ADDRESS,)}
_REVERSE = ".in-addr.arpa"


class MeaningKind(Enum):
    """What an answer is."""

    KNOWN = "known"  # the name is `record`, which leads to addresses: none, it may be
    ELSEWHERE = "elsewhere"  # it stands for `target`, a name outside
    POINTER = "pointer"  # an address whose name is `target`
    UNKNOWN = "unknown"  # below our domain there is no such name
    NOT_OURS = "not ours"  # somebody else may know


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name means: see `MeaningKind`."""

    kind: MeaningKind
    record: str = ""
    target: str = ""


_UNKNOWN, _NOT_OURS = Meaning(MeaningKind.UNKNOWN), Meaning(MeaningKind.NOT_OURS)
_EVERYBODY = View()


class Zone:
    """The names of one document, as they are asked for."""

    def __init__(self, names: Names) -> None:
        self._domain = names.domain
        self._suffix = f".{names.domain}"
        self._names = names
        self._records = {**names.records, **FIXED_RECORDS}
        self._pointers: dict[str, str] | None = None
        self._turns: dict[str, Iterator[int]] = {}

    @property
    def domain(self) -> str:
        """The domain that all names are below."""
        return self._domain

    def meaning(self, name: str, client: str) -> Meaning:
        """What `name` (lower case, no dot at its end) means when the container with address `client` asks it."""
        view = self._view_of(client)
        if name == self._domain:
            return Meaning(MeaningKind.KNOWN)
        if name.endswith(self._suffix):
            return self._below_domain(name.removesuffix(self._suffix), view) or _UNKNOWN
        if name.endswith(_REVERSE):
            return self._pointer(name.removesuffix(_REVERSE))
        return self._short(name, view) or _NOT_OURS

    def addresses(self, record: str) -> tuple[str, ...]:
        """Where a record leads, in its stable order."""
        return self._records.get(record, ())

    def turns(self, record: str) -> Iterator[int]:
        """Numbers that go up by one with each question for the record: they say which address is first.

        They begin anywhere, so that not all hosts send their first question's client to the same container.
        """
        found = self._turns.get(record)
        if found is None:
            found = self._turns[record] = itertools.count(random.randrange(1024))  # noqa: S311 - spreads load
        return found

    def _view_of(self, client: str) -> View:
        if client in HOST_ADDRESSES:
            return self._names.host_network
        return self._names.views.get(client, _EVERYBODY)

    def _below_domain(self, key: str, view: View) -> Meaning | None:
        """A full name; links are found under the domains that their container searches, as resolvers append those."""
        found = self._record(key)
        if found is not None:
            return found
        for domain in view.search:
            alias = key if domain == "" else key.removesuffix(f".{domain}")
            if (domain == "" or alias != key) and alias in view.links:
                return self._link(view, alias)
        return None

    def _short(self, name: str, view: View) -> Meaning | None:
        """A name as people write it: what the container calls so itself, then what it means in its own domains."""
        if name in view.links:
            return self._link(view, name)
        for domain in (*view.search, ""):
            found = self._record(f"{name}.{domain}" if domain else name)
            if found is not None:
                return found
        return None

    def _link(self, view: View, alias: str) -> Meaning:
        return self._record(view.links[alias]) or _UNKNOWN

    def _record(self, key: str) -> Meaning | None:
        if key in self._records:
            return Meaning(MeaningKind.KNOWN, record=key)
        if key in self._names.externals:
            return Meaning(MeaningKind.ELSEWHERE, record=key, target=self._names.externals[key])
        return None

    def _pointer(self, reverse: str) -> Meaning:
        address = ".".join(reversed(reverse.split(".")))
        if self._pointers is None:
            self._pointers = _pointers_of(self._records)
        key = self._pointers.get(address)
        return Meaning(MeaningKind.POINTER, target=f"{key}{self._suffix}") if key else _NOT_OURS


def _pointers_of(records: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The name of each address: the container's, which has no dot, rather than its service's."""
    found: dict[str, str] = {}
    for key in sorted(records, key=lambda name: ("." in name, len(records[name]), name)):
        for address in records[key]:
            found.setdefault(address, key)
    return found


def of_family(addresses: tuple[str, ...], version: int) -> list[bytes]:
    """The addresses of one version of IP, as they are sent."""
    found = map(ipaddress.ip_address, addresses)
    return [each.packed for each in found if each.version == version]
