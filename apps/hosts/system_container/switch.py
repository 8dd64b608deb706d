"""Which hosts may have a system container, and who may decide that."""

from __future__ import annotations

from urllib.parse import urlsplit

from apps.core.errors import Forbidden, Invalid
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.validation import REMOTE_SCHEMES

FIELD = "systemContainer"
_SCHEMES = REMOTE_SCHEMES | {"unix"}
_HAS_AGENT = "This host has an agent, which does what a system container would."
_NO_ENGINE = "Only a host with a Docker engine that the portal itself reaches can have a system container."
_ADMIN_ONLY = "Only administrators may put a system container on the portal's own machine."


def can_have_one(row: Host) -> bool:
    """Whether the portal can keep a system container there: a real engine, which the portal itself reaches."""
    return urlsplit(row.url).scheme in _SCHEMES


def initial_switch(url: str, *, wanted: bool | None) -> bool:
    """Whether a new host is to have one. Raises `Invalid`.

    The portal's own machine gets none by itself: it takes memory, and a lone host has no other to reach.
    """
    scheme = urlsplit(url).scheme
    if wanted and scheme not in _SCHEMES:
        raise Invalid(FIELD, "InvalidOption", _NO_ENGINE)
    return scheme in REMOTE_SCHEMES if wanted is None else wanted


def check_switch(row: Host, wanted: object, *, actor: Actor) -> bool:
    """Whether the host is to have one from now on. Raises `Invalid` for one that cannot, and `Forbidden`."""
    if not isinstance(wanted, bool):
        raise Invalid(FIELD, "InvalidFormat", f"{FIELD} is true or false.")
    if wanted and row.has_agent:
        raise Invalid(FIELD, "InvalidOption", _HAS_AGENT)
    if wanted and not can_have_one(row):
        raise Invalid(FIELD, "InvalidOption", _NO_ENGINE)
    if wanted and urlsplit(row.url).scheme not in REMOTE_SCHEMES and not actor.is_admin:
        raise Forbidden(_ADMIN_ONLY)
    return wanted
