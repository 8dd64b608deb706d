"""The range of hosts' ports from which an environment's published ports get a number, as text `49153-65535`; pure."""

from __future__ import annotations

import re

from apps.core.errors import Invalid
from apps.core.plurals import counted

DEFAULT_PORT_RANGE = "49153-65535"  # Rancher's, and that of engines which have no range of their own
LOWEST, HIGHEST, LEAST = 1024, 65535, 16
FIELD = "servicesPortRange"
_RANGE = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")


def check_port_range(text: object) -> str:
    """The range as it is stored. Raises `Invalid`."""
    found = _RANGE.fullmatch(text) if isinstance(text, str) and len(text) < 40 else None
    if found is None:
        raise Invalid(
            FIELD, "InvalidFormat", f"The range of ports is written first-last, such as {DEFAULT_PORT_RANGE}."
        )
    first, last = int(found[1]), int(found[2])
    if not LOWEST <= first <= last <= HIGHEST:
        why = f"The range of ports lies between {LOWEST} and {HIGHEST}, the lower end first; {first}-{last} does not."
        raise Invalid(FIELD, "InvalidOption", why)
    if last - first + 1 < LEAST:
        why = f"The range of ports {first}-{last} has {counted(last - first + 1, 'port')}; it needs {LEAST} at least."
        raise Invalid(FIELD, "MinLimitExceeded", why)
    return f"{first}-{last}"


def ends_of(text: str) -> tuple[int, int]:
    """First and last of a stored range."""
    first, _, last = text.partition("-")
    return int(first), int(last)
