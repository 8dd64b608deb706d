"""Reads take as many queries for many rows as for few; the numbers are committed, and growth fails.

Set `WRITE_QUERY_COUNTS=1` to rewrite the file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.api.wire.resource import all_resources
from tests.wire.api_client import ApiClient, run_until_idle

BASELINE = Path(__file__).with_name("query_counts.json")
LISTED = [each for each in all_resources() if each.listable and each.name not in {"token", "registrationToken"}]


def _counts(api: ApiClient) -> dict[str, int]:
    found = {}
    for each in LISTED:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = api.get(each.plural_name.lower())
        if answer.status == 200:
            found[each.name] = len(queries)
    with CaptureQueriesContext(connection) as queries:
        api.get("services?include=instances&include=environment&include=consumedservices")
    found["service with links"] = len(queries)
    return found


def _add_rows(api: ApiClient, lab: Any, stack: Any) -> None:
    for number in range(4):
        made = api.post("environments", {"name": f"more{number}"})
        config = {"imageUuid": "docker:sim/x:1"}
        body = {"environmentId": made["id"], "launchConfig": config, "scale": 2, "startOnCreate": True, "name": "web"}
        service = api.post("services", body)
        link = {"serviceLink": {"serviceId": stack["front"], "name": "front"}}
        api.post(f"services/{service['id']}?action=addservicelink", link)
        api.post("apikeys", {"name": f"key{number}"})
    run_until_idle()


def test_reads_take_a_constant_number_of_queries(api_of: Any, lab: Any, stack: Any):
    alice = api_of("alice")
    for number in range(2):
        alice.post("projects", {"name": f"first{number}"})
    run_until_idle()
    callers = {"inside": alice.inside(lab), "outside": alice, "admin": api_of("root")}
    for caller in callers.values():
        caller.get("settings")  # the first use of a key writes to it
    few = {name: _counts(caller) for name, caller in callers.items()}
    _add_rows(callers["inside"], lab, stack)
    for number in range(5):
        alice.post("projects", {"name": f"p{number}"})
    run_until_idle()
    many = {name: _counts(caller) for name, caller in callers.items()}
    assert many == few
    if os.environ.get("WRITE_QUERY_COUNTS"):
        BASELINE.write_text(json.dumps(many, indent=2, sort_keys=True) + "\n")
    baseline = json.loads(BASELINE.read_text())
    for name, found in many.items():
        assert {kind for kind, number in found.items() if number > baseline[name].get(kind, 0)} == set(), name
