"""The page of what runs where: one column for each environment that the person sees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from apps.environments.models import Environment
from apps.environments.services import environment_create
from tests.console.page_costs import queries
from tests.stacks.deploying import deploy

WHERE = reverse("console:where")


@pytest.fixture
def prod(lab: Environment, actor_of: Any, run_loop: Any) -> Environment:
    """An environment of alice, with another version than in the lab."""
    row = environment_create(actor=actor_of("alice"), name="Prod")
    run_loop()
    deploy(actor_of("alice"), lab, "bb:2")
    deploy(actor_of("alice"), row, "bb:1")
    return row


def test_versions_stand_side_by_side(browser_as: Any, lab: Environment, prod: Environment):
    page = browser_as("alice").get(WHERE)
    text = page.content.decode()
    assert [row.name for row in page.context["columns"]] == ["Lab", "Prod"]
    assert page.context["totals"] == "2 applications, 1 with differences"
    assert text.count("another version") == 1
    services = page.context["page"].rows[1][1]
    assert [each.deployment.tag for each in services] == ["2", "1"]
    assert all(f'href="{each.url}"' in text for each in services)
    assert browser_as("alice").get(services[1].url).status_code == 200


def test_members_of_one_environment_see_nothing_of_the_other(browser_as: Any, prod: Environment):
    page = browser_as("rita").get(WHERE)
    assert [row.name for row in page.context["columns"]] == ["Lab"]
    assert "Prod" not in page.content.decode()
    assert page.context["totals"] == "2 applications"


def test_the_matrix_is_narrowed_by_text_environments_reference_and_differences(
    browser_as: Any, lab: Environment, prod: Environment
):
    client = browser_as("alice")

    def names(**query: Any) -> list[str]:
        return [row.name for row, _cells in client.get(WHERE, query).context["page"].rows]

    assert names(q="db") == ["shop/db"]
    assert names(differences="1") == ["shop/web"]
    assert names(differences="1", env=[prod.pk]) == []
    assert client.get(WHERE, {"env": [lab.pk]}).context["columns"] == [lab]
    other = client.get(WHERE, {"reference": prod.pk}).context["page"].rows[1][1]
    assert [each.deployment.difference for each in other] == ["version", ""]
    assert names(q="nothing") == []
    assert "No application matches" in client.get(WHERE, {"q": "nothing"}).content.decode()
    assert len(names(env=["x", "99999999"], reference="x")) == 2


def test_downloads_hold_what_the_filters_leave(browser_as: Any, prod: Environment):
    answer = browser_as("alice").get(WHERE, {"export": "json", "q": "web"})
    assert answer["Content-Disposition"] == 'attachment; filename="deployments.json"'
    found = json.loads(b"".join(answer.streaming_content))
    assert [(each["environment"], each["tag"]) for each in found] == [("Lab", "2"), ("Prod", "1")]
    lines = b"".join(browser_as("rita").get(WHERE, {"export": "csv"}).streaming_content).decode().splitlines()
    assert len(lines) == 3


def test_without_a_membership_the_page_says_what_to_do(browser_as: Any, prod: Environment):
    assert "You are not a member of any environment yet" in browser_as("mallory").get(WHERE).content.decode()


def test_more_services_take_no_more_queries(browser_as: Any, lab: Environment, prod: Environment, actor_of: Any):
    client = browser_as("alice")
    before = queries(client, WHERE)
    deploy(actor_of("alice"), lab, "bb:3", name="more")
    assert queries(client, WHERE) == before
