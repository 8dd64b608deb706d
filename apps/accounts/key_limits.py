"""The limits of a key: checked, and never wider than those of the key that makes or changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from apps.core.addresses import covers, parse_networks
from apps.core.errors import Invalid


class CreatorKey(Protocol):
    """The key with which another key is made."""

    expires: datetime | None
    addresses: list[str]


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """When a key ends, and the only networks it may be used from."""

    expires: datetime | None = None
    addresses: tuple[str, ...] = ()

    @property
    def details(self) -> dict[str, object]:
        """The limits that are set, for the audit log."""
        found = {"expires": self.expires.isoformat()} if self.expires else {}
        return {**found, **({"addresses": list(self.addresses)} if self.addresses else {})}


def parse_time(field: str, text: str) -> datetime:
    """A time written as ISO 8601, such as `2026-12-31T23:59:00Z`; without a zone it is UTC, without a time midnight.

    Raises `Invalid` at `field`.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(
            field, "InvalidDateFormat", f"{text[:40]!r} is not a valid time; write 2026-12-31T23:59:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def key_limits(
    creator: CreatorKey | None, expires: datetime | None, addresses: Sequence[str], now: datetime | None = None
) -> KeyLimits:
    """The limits of a new key; where none are requested, those of the key that makes it.

    Raises `Invalid` for a time in the past, for an invalid address, and for more than the making key has.
    """
    if expires is not None and expires <= (now or datetime.now(UTC)):
        raise Invalid("expires", "InvalidDate", "A key cannot expire in the past; give a later time.")
    requested = parse_networks("addresses", addresses)
    if creator is None:
        return KeyLimits(expires, tuple(requested))
    if creator.expires is not None and expires is not None and expires > creator.expires:
        raise Invalid("expires", "InvalidDate", f"The key that makes it ends {creator.expires:%Y-%m-%d %H:%M} UTC.")
    outside = [each for each in requested if creator.addresses and not covers(creator.addresses, each)]
    if outside:
        raise Invalid("addresses", "InvalidOption", f"The key that makes it may not be used from {outside[0]} itself.")
    return KeyLimits(expires or creator.expires, tuple(requested or creator.addresses))


def changed_limits(
    key: CreatorKey, creator: CreatorKey | None, requested: Mapping[str, Any], now: datetime | None = None
) -> dict[str, Any]:
    """Which of `expires` (None: never) and `addresses` in `requested` differ from the key's, checked as for a new key.

    A value that the key has already is not a change: an expired key may still be renamed.
    """
    found: dict[str, Any] = {}
    if "expires" in requested and not _is_same_time(requested["expires"], key.expires):
        found["expires"] = key_limits(creator, requested["expires"], (), now).expires
    if "addresses" in requested:
        allowed = list(key_limits(creator, None, requested["addresses"], now).addresses)
        found |= {"addresses": allowed} if allowed != list(key.addresses) else {}
    return found


def widens_limits(key: CreatorKey, changed: Mapping[str, Any]) -> bool:
    """Whether these new limits let a key do something later, or from somewhere else, than it could."""
    ends = changed.get("expires", key.expires)
    is_longer = key.expires is not None and (ends is None or ends > key.expires)
    new_addresses = changed.get("addresses", key.addresses)
    has_more = bool(key.addresses) and (
        not new_addresses or not all(covers(key.addresses, each) for each in new_addresses)
    )
    return is_longer or has_more


def _is_same_time(one: datetime | None, other: datetime | None) -> bool:
    """The same moment, to the second, which is all that the wire carries."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < timedelta(seconds=1)
