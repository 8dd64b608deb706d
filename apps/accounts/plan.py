"""The limits of a key: checked, and never wider than those of the key that makes or changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

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


def limits_changed(
    key: Maker, maker: Maker | None, wish: Mapping[str, Any], now: datetime | None = None
) -> dict[str, Any]:
    """What of `expires` (None: never) and `addresses` in `wish` is another than the key has, checked as for a new key.

    What a key was given back as it is, is no change: an expired key may still be renamed.
    """
    found: dict[str, Any] = {}
    if "expires" in wish and not _is_same(wish["expires"], key.expires):
        found["expires"] = key_limits(maker, wish["expires"], (), now).expires
    if "addresses" in wish:
        allowed = list(key_limits(maker, None, wish["addresses"], now).addresses)
        found |= {"addresses": allowed} if allowed != list(key.addresses) else {}
    return found


def is_wider(key: Maker, changed: Mapping[str, Any]) -> bool:
    """Whether these new limits let a key do something later, or from somewhere else, than it could."""
    ends = changed.get("expires", key.expires)
    is_longer = key.expires is not None and (ends is None or ends > key.expires)
    places = changed.get("addresses", key.addresses)
    has_more = bool(key.addresses) and (not places or not all(covers(key.addresses, each) for each in places))
    return is_longer or has_more


def _is_same(one: datetime | None, other: datetime | None) -> bool:
    """The same moment, as far as the wire tells."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < timedelta(seconds=1)
