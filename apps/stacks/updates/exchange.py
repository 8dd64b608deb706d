"""One HTTP request to a registry, at an address that the portal may connect to."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core.pinned_http import HttpReply, HttpUnreachable, send_pinned
from apps.core.read_budgets import REGISTRY_CALL
from apps.stacks.updates.reachable import RegistryEndpoint, RegistryUnreachable, addresses_of


def send(
    method: str, endpoint: RegistryEndpoint, path: str, headers: Mapping[str, str], *, authority: str = ""
) -> HttpReply:
    """Send one request; `authority` is PEM of who else certifies registries. Raises `RegistryUnreachable`."""
    addresses = addresses_of(endpoint)
    try:
        return send_pinned(
            method, endpoint, path, headers, addresses=addresses, budget=REGISTRY_CALL, authority=authority
        )
    except HttpUnreachable as error:
        raise RegistryUnreachable(str(error)) from None
