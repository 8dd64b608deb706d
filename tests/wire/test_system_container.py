"""The switch of a host's system container in the API."""

from __future__ import annotations

from typing import Any

from apps.core.ids import wire_id
from apps.hosts.models import Host


def test_the_api_switches_it_too(api: Any, host: Host):
    Host.all_objects.filter(pk=host.pk).update(url="tcp://10.0.0.5:2376")
    path = f"hosts/{wire_id('h', host.pk)}"
    found = api.get(path)
    assert (found["systemContainer"], found["systemContainerState"]) == (False, None)
    changed = api.put(path, {"systemContainer": True})
    assert (changed.status, changed["systemContainer"], changed["systemContainerState"]) == (200, True, "starting")
    Host.all_objects.filter(pk=host.pk).update(url="sim://lab", state="active", system_container=False)
    refused = api.put(path, {"systemContainer": True})
    assert (refused.status, refused["fieldName"]) == (422, "systemContainer")
