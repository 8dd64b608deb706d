"""Which machines the portal may fetch catalogs from: those of tenants must not lead to addresses inside."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.egress import Resolve, UnknownHost, is_permitted, resolve


class Unreachable(Exception):
    """The host cannot be found, or must not be reached; `str()` says why."""


def permitted_address(
    host: str, port: int, *, is_trusted: bool, networks: Sequence[str], resolve: Resolve = resolve
) -> str:
    """The address to connect to. Raises `Unreachable` for a host of which any address must not be reached.

    `is_trusted` is for catalogs of administrators, who may use servers inside; nobody may use link-local addresses,
    where clouds answer with credentials. `networks` are those inside that tenants may use as well.
    """
    try:
        addresses = resolve(host, port)
    except UnknownHost as problem:
        raise Unreachable(str(problem)) from None
    if not addresses:
        raise Unreachable(f"The host {host} has no address.")
    for address in addresses:
        if not is_permitted(address, is_trusted=is_trusted, networks=networks):
            remedy = "an administrator can permit its network with the setting catalog.private.networks"
            if not is_permitted(address, is_trusted=True, networks=()):  # no setting permits it
                remedy = "addresses of this kind cannot be permitted for any catalog: use another host"
            raise Unreachable(f"The host {host} leads to {address}, which catalogs must not reach; {remedy}.")
    return addresses[0]
