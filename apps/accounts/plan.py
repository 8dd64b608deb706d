"""The limits of a new key: checked, and never wider than those of the key that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from apps.core.addresses import covers, networks
from apps.core.errors import Invalid


class Maker(Protocol):
    """The key that makes a key."""

    expires: datetime | None
    addresses: list[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a key ends, and the only networks it may be used from."""

    expires: datetime | None = None
    addresses: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, object]:
        """The limits that there are, for the record."""
        found = {"expires": self.expires.isoformat()} if self.expires else {}
        return {**found, **({"addresses": list(self.addresses)} if self.addresses else {})}


def moment(field: str, text: str) -> datetime:
    """A time written as ISO 8601, such as `2026-12-31T23:59:00Z`; without a zone it is UTC, without a time midnight.

    Raises `Invalid` at `field`.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(field, "InvalidDateFormat", f"{text[:40]!r} is no time; write 2026-12-31T23:59:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def key_limits(
    maker: Maker | None, expires: datetime | None, addresses: Sequence[str], now: datetime | None = None
) -> Limits:
    """The limits of a new key; where nothing is asked for, the maker's own.

    Raises `Invalid` for a time that is past, for what is no address, and for more than the maker has.
    """
    if expires is not None and expires <= (now or datetime.now(UTC)):
        raise Invalid("expires", "InvalidDate", "A key cannot expire in the past; give a later time.")
    asked = networks("addresses", addresses)
    if maker is None:
        return Limits(expires, tuple(asked))
    if maker.expires is not None and expires is not None and expires > maker.expires:
        raise Invalid("expires", "InvalidDate", f"The key that makes it ends {maker.expires:%Y-%m-%d %H:%M} UTC.")
    outside = [each for each in asked if maker.addresses and not covers(maker.addresses, each)]
    if outside:
        raise Invalid("addresses", "InvalidOption", f"The key that makes it may not be used from {outside[0]} itself.")
    return Limits(expires or maker.expires, tuple(asked or maker.addresses))
