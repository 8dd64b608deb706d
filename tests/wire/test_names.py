"""The full name of a service, by which its environment reaches it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.environments.models import Environment


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("services", {"launchConfig": {"imageUuid": "docker:bb:local"}}),
        ("externalservices", {"hostname": "db.example.com"}),
        ("dnsservices", {}),
    ],
)
def test_every_kind_of_service_has_a_full_name(
    api_of: Any, lab: Environment, stack: dict[str, str], path: str, fields: dict[str, Any]
):
    api = api_of("bob").inside(lab)
    name = api.get(f"environments/{stack['stack']}")["name"].lower()
    made = api.post(path, {"name": "Web-1", "environmentId": stack["stack"], **fields})
    assert made.status == 201, made.body
    assert api.get(f"services/{made['id']}")["fqdn"] == f"web-1.{name}.rancher.internal"
    renamed = api.put(f"services/{made['id']}", {"name": "web2", "fqdn": "other.example.com"})
    assert renamed["fqdn"] == f"web2.{name}.rancher.internal"
