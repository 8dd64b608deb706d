"""Reads of managed networks for the faces."""

from __future__ import annotations

from apps.hosts.models import Host


def routes_of_hosts(environment_id: int) -> dict[str, list[str]]:
    """The networks that each host reaches already, as its agent reports them, by the host's name."""
    found = {}
    for host in Host.all_objects.filter(environment=environment_id, removed=None).only(
        "name", "hostname", "url", "info"
    ):
        routes = (host.info.get("networkInfo") or {}).get("routes")
        if isinstance(routes, list):
            found[str(host)] = [str(route) for route in routes]
    return found
