"""The figures of the network, and how a host's servers are, on the pages of the network and of a host."""

from __future__ import annotations

from typing import Any

import pytest

from apps.hosts.documents.sources import sources
from apps.hosts.models import Host
from apps.network.hosts import ensure_host_network


@pytest.fixture
def reporting(host: Host) -> Host:
    """A host that takes part in the network."""
    ensure_host_network(host)
    return host


def test_pages_show_traffic_and_servers_with_their_reasons(reporting: Host, browser_as: Any, at: Any):
    client = browser_as("rita")
    assert "has reported no figures" in client.get(at("network-traffic")).content.decode()
    status = {"state": "active", "peers": {}, "publicKey": "", "traffic": {"received": 1, "sent": 2, "dropped": 3}}
    sources["network"].on_status(reporting.pk, status)
    taken = "Port 53 of 169.254.169.250 is taken by dnsmasq (process 812)."
    sources["names"].on_status(reporting.pk, {"state": "error", "reason": taken})
    sources["metadata"].on_status(reporting.pk, {"state": "active", "reason": ""})
    sources["names"].on_status(reporting.pk, {"state": ["odd"], "reason": 7})
    page = client.get(at("network")).content.decode()
    assert 'id="network-traffic"' in page
    assert "has reported no figures" not in page
    page = client.get(at("host", pk=reporting.pk)).content.decode()
    assert taken in page
    assert 'id="server-metadata"' in page
