"""A permission that is added to the table is wherever permissions are shown or checked, with no other change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from apps.environments.access import can
from apps.environments.evaluator import EnvironmentRef
from apps.environments.models import Environment, Member, Role
from apps.environments.reasons import explain
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.selectors import subjects_of
from apps.environments.services import permissions_sync, role_create, role_groups_sync

NAME, TEXT = "archive", "archive and restore stacks"
Browsers = Callable[[str], Client]


@pytest.fixture(autouse=True)
def _archive(lab: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permission that owners have, as it would be after the migration that comes with a new version."""
    monkeypatch.setitem(PERMISSIONS, NAME, TEXT)
    monkeypatch.setitem(ROLES, "owner", frozenset(PERMISSIONS))
    permissions_sync(apps=apps)


def test_it_is_checked_like_any_other(lab: Environment, actor_of: Any) -> None:
    found = {who: bool(can(actor_of(who), NAME, lab.pk)) for who in ("root", "alice", "bob", "mallory")}
    assert found == {"root": True, "alice": True, "bob": False, "mallory": False}
    assert (
        can(actor_of("bob"), NAME, lab.pk).reason
        == f"Your role here (member) may not do this: it lacks the permission {NAME}."
    )
    assert actor_of("alice").role(lab.pk) == "owner"


def test_its_holders_are_explained(people: Any, lab: Environment) -> None:
    subject = subjects_of([people.alice])[people.alice.pk]
    assert NAME in explain(subject, EnvironmentRef(lab.pk)).paths


@pytest.mark.parametrize("page", ["/admin/roles", "/environments/{lab}"])
def test_it_has_a_row_in_the_role_matrix(page: str, lab: Environment, browser_as: Browsers) -> None:
    text = browser_as("root").get(page.format(lab=lab.pk)).content.decode()
    row = next(row for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if TEXT in row)
    assert (row.count("<svg"), row.count("–")) == (1, len(ROLES) - 1)


def test_a_custom_role_can_have_it(lab: Environment, browser_as: Browsers) -> None:
    root = browser_as("root")
    assert f'value="{NAME}"' in root.get("/admin/roles/new").content.decode()
    root.post("/admin/roles/new", {"name": "archivist", "permissions": [NAME]}, headers={"HX-Request": "true"})
    assert Role.objects.get().held == {"view", NAME}


def test_a_custom_role_gives_it(people: Any, lab: Environment, actor_of: Any) -> None:
    role_create(actor=actor_of("root"), name="archivist", permissions=[NAME])
    Member.objects.filter(environment=lab, account=people.bob).update(role="archivist")
    role_groups_sync(lab)
    assert can(actor_of("bob"), NAME, lab.pk)


def test_the_access_pages_name_it(people: Any, lab: Environment, browser_as: Browsers) -> None:
    for page in (f"/environments/{lab.pk}/access", f"/admin/accounts/{people.alice.pk}/access"):
        answer = browser_as("root").get(page)
        assert (answer.status_code, TEXT in answer.content.decode()) == (200, True), page
