"""The switch of a host's system container on its page."""

from __future__ import annotations

from typing import Any

from apps.environments.models import Environment
from apps.hosts.models import Host


def test_it_is_switched_on_and_off(browser_as: Any, at: Any, lab: Environment, host: Host):
    client, page, switch = browser_as("alice"), at("host", pk=host.pk), at("host-system-container", pk=host.pk)
    assert "system-container" not in client.get(page).content.decode()
    client.post(switch, {"wanted": "on"})
    host.refresh_from_db()
    assert not host.system_container
    Host.all_objects.filter(pk=host.pk).update(url="tcp://10.0.0.5:2376")
    assert "Switch on" in client.get(page).content.decode()
    assert client.post(switch, {"wanted": "on"}).status_code < 400
    host.refresh_from_db()
    assert host.system_container
    report = {"state": "failed", "message": "There is <no> room."}
    Host.all_objects.filter(pk=host.pk).update(state="active", system_report=report)
    text = client.get(page).content.decode()
    assert ("Switch off" in text, "There is &lt;no&gt; room." in text, "with a system container" in text) == (True,) * 3
    assert "disabled title" in browser_as("rita").get(page).content.decode().partition('id="system-container"')[2]
    browser_as("rita").post(switch, {"wanted": "off"})
    host.refresh_from_db()
    assert host.system_container
    assert client.post(switch, {"wanted": "off"}).status_code < 400
    host.refresh_from_db()
    assert not host.system_container
