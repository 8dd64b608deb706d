"""One dialog changes the name and description of every kind of row."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.stacks.models import Stack

HX = {"HX-Request": "true"}
KINDS = ("container", "stack", "environment")


@pytest.fixture(params=KINDS)
def row(request: pytest.FixtureRequest, container: Container, shop: Stack, lab: Environment) -> Any:
    return dict(zip(KINDS, (container, shop, lab), strict=True))[request.param]


@pytest.fixture
def path(row: Any, at: Any) -> str:
    if isinstance(row, Environment):
        return reverse("console:environment-edit", kwargs={"pk": row.pk})
    return str(at("stack-edit" if isinstance(row, Stack) else "container-edit", pk=row.pk))


def test_it_shows_what_is_there(browser_as: Any, path: str, row: Any):
    answer = browser_as("alice").get(path, headers=HX)
    assert answer.status_code == 200
    assert f'value="{row.name}"' in answer.content.decode()


def test_what_is_typed_is_saved_without_the_spaces_around_it(browser_as: Any, path: str, row: Any):
    answer = browser_as("alice").post(path, {"name": " renamed ", "description": " for tests "}, headers=HX)
    assert answer.status_code == 204
    row.refresh_from_db()
    assert (row.name, row.description) == ("renamed", "for tests")


@pytest.mark.parametrize(("field", "text"), [("name", "x" * 256), ("description", "x" * 1025)])
def test_what_does_not_fit_comes_back_with_its_reason(browser_as: Any, path: str, row: Any, field: str, text: str):
    before = row.name
    answer = browser_as("alice").post(path, {"name": before, "description": "", field: text}, headers=HX)
    assert answer.status_code == 422
    assert 'class="wrong" role="alert"' in answer.content.decode()
    row.refresh_from_db()
    assert (row.name, row.description) == (before, "")


def test_who_only_reads_is_refused(browser_as: Any, path: str, row: Any):
    before = row.name
    answer = browser_as("rita").post(path, {"name": "renamed", "description": ""}, headers=HX)
    assert answer.status_code == 403
    row.refresh_from_db()
    assert row.name == before


def test_non_members_find_nothing(browser_as: Any, path: str):
    assert browser_as("mallory").get(path, headers=HX).status_code == 404


def test_what_was_typed_or_cleared_stands_there_beside_a_refusal(browser_as: Any, path: str, row: Any):
    type(row).all_objects.filter(pk=row.pk).update(description="the old words")
    answer = browser_as("alice").post(path, {"name": "x" * 256, "description": ""}, headers=HX)
    assert answer.status_code == 422
    assert f'value="{"x" * 256}"' in answer.content.decode()
    assert 'value="the old words"' not in answer.content.decode()
