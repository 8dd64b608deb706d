"""The audit log, which every member reads, keeps no value that a role without the permission *values* cannot see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from apps.control.models import AuditEntry
from apps.core.redact import redact
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from tests.wire.api_client import ApiClient

MARK = "corral-mark"
FILE = """\
web:
  image: sim/web:{version}
  environment:
    GREETING: ${{GREETING}}
  log_driver: json-file
  log_opt:
    tag: corral-mark-tag
"""


def audited() -> str:
    return json.dumps(list(AuditEntry.all_objects.values_list("request", "response")), default=str)


def test_the_log_of_changes_has_none(api: ApiClient, host: Host, sim: SimulatedDriver, run_loop: Callable[[], None]):
    sent = {"dockerCompose": FILE.format(version=1), "environment": {"GREETING": f"{MARK}-1"}, "startOnCreate": True}
    stack = api.post("environments", {"name": "shop", **sent})
    run_loop()
    path = f"environments/{stack['id']}"
    files = {"dockerCompose": FILE.format(version=2), "environment": {"GREETING": f"{MARK}-2"}}
    assert api.post(f"{path}?action=upgrade", files).status == 202
    run_loop()
    upgraded = api.get(path)
    assert upgraded["previousEnvironment"] == {"GREETING": f"{MARK}-1"}
    (service,) = api.get(f"{path}/services")["data"]
    assert MARK in json.dumps(service["launchConfig"]["logConfig"])
    assert api.post(f"{path}?action=rollback", {}).status == 202
    assert AuditEntry.all_objects.count() > 3
    assert MARK not in audited()


def test_what_is_hidden_from_people_is_blanked(api: ApiClient) -> None:
    fields: dict[str, Any] = {
        "previousEnvironment": {"A": f"{MARK}-1"},
        "buildArgs": {"B": f"{MARK}-2"},
        "driverOpts": {"o": f"{MARK}-3"},
        "driver_opts": {"o": f"{MARK}-4"},
        "logConfig": {"driver": "splunk", "config": {"splunk-token": f"{MARK}-5", "tag": f"{MARK}-6"}},
        "log_config": {"driver": "gelf", "options": {"gelf-address": f"{MARK}-7"}},
        "text": f"the token {MARK}-5 again",
    }
    blanked = redact(fields)
    assert MARK not in json.dumps(blanked)
    assert blanked["logConfig"]["driver"] == "splunk"
