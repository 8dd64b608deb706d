"""`deployment`: what runs where, narrowed by the query, and as a file."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.services import environment_create
from tests.stacks.deploying import deploy
from tests.wire.api_client import run_until_idle


@pytest.fixture
def prod(lab: Environment, actor_of: Any) -> Environment:
    """An environment of alice, with another version than in the lab."""
    row = environment_create(actor=actor_of("alice"), name="Prod")
    run_until_idle()
    deploy(actor_of("alice"), lab, "bb:2")
    deploy(actor_of("alice"), row, "bb:1")
    return row


def test_an_account_reads_all_environments_and_a_key_of_one_its_own(
    api_of: Any, key_of: Any, lab: Environment, prod: Environment
):
    everywhere = api_of("alice").get("deployments")["data"]
    assert [(each["application"], each["environment"], each["tag"]) for each in everywhere] == [
        ("shop/db", "Lab", "16"),
        ("shop/db", "Prod", "16"),
        ("shop/web", "Lab", "2"),
        ("shop/web", "Prod", "1"),
    ]
    assert [each["environment"] for each in key_of("alice").get("deployments")["data"]] == ["Lab", "Lab"]
    assert [each["environment"] for each in api_of("rita").get("deployments")["data"]] == ["Lab", "Lab"]
    found = everywhere[2]
    assert (found["deployedBy"], found["revision"], found["projectId"]) == ("Alice", 1, wire_id("a", lab.pk))
    assert api_of("alice").get(f"deployments/{found['id']}")["serviceId"] == found["serviceId"]
    assert api_of("rita").get(f"deployments/{everywhere[3]['id']}").status == 404


def test_the_query_narrows_and_compares(api_of: Any, lab: Environment, prod: Environment):
    api = api_of("alice")
    (first, second) = api.get(f"deployments?q=web&reference={wire_id('a', prod.pk)}")["data"]
    assert (first["difference"], second["difference"]) == ("version", None)
    assert len(api.get("deployments?differences=true")["data"]) == 2
    wrong = api.get("deployments?reference=1a99999")
    assert (wrong.status, wrong["fieldName"]) == (422, "reference")
    hidden = api_of("rita").get(f"deployments?reference={wire_id('a', prod.pk)}")
    assert hidden.status == 422, "another environment is as good as none"


def test_an_unknown_kind_of_file_is_refused(api_of: Any, prod: Environment):
    wrong = api_of("alice").get("deployments?export=pdf")
    assert (wrong.status, wrong["fieldName"]) == (422, "export")
    assert "csv, json" in wrong["message"]
