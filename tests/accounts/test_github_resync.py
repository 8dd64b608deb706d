"""Re-sync with GitHub: the stored token shows later changes of organizations, teams and the person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuthProvider, Identity, User
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import members_set
from tests.accounts.fake_github import FakeGitHub


@pytest.fixture
def octo(
    client: Client,
    people: Any,
    lab: Environment,
    fake_github: FakeGitHub,
    configure: Callable[..., Any],
    run_loop: Callable[[], None],
) -> User:
    """Octo logged in through GitHub; the organization acme gives the role."""
    configure("github", fake_github.config())
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    acme = {"externalId": "7", "externalIdType": "github_org", "role": "member"}
    members_set(lab, [owner, acme], actor=actor_of_user(people.alice, "api"))
    location = client.post("/login/github")["Location"]
    assert client.get(
        "/login/github/return", {"code": "good", "state": location.rpartition("state=")[2][:32]}
    ).status_code
    run_loop()
    return User.objects.get(login="octo")


@pytest.fixture
def later(run_loop: Callable[[], None]) -> Callable[[], None]:
    def pass_by() -> None:
        Identity.objects.update(refreshed_at=timezone.now() - timedelta(minutes=11))
        User.all_objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())
        run_loop()

    return pass_by


def test_an_organization_that_was_left_takes_the_role_away(
    octo: User, lab: Environment, fake_github: FakeGitHub, later: Any
):
    assert actor_of_user(octo, "api").role(lab.pk) == "member"
    fake_github.orgs = []
    later()
    assert actor_of_user(octo, "api").role(lab.pk) is None
    assert set(octo.identities.values_list("kind", flat=True)) == {"github_user", "github_team"}


def test_a_token_taken_back_takes_groups_and_access_until_the_next_log_in(
    octo: User, lab: Environment, fake_github: FakeGitHub, later: Any, client: Client
):
    fake_github.tokens.clear()
    later()
    octo = User.objects.get(pk=octo.pk)
    assert not octo.is_active
    assert "logging in again" in octo.message
    assert client.get("/environments").status_code == 302
    location = client.post("/login/github")["Location"]
    client.get("/login/github/return", {"code": "good", "state": location.rpartition("state=")[2][:32]})
    assert client.get("/environments").status_code == 200
    assert actor_of_user(octo, "api").role(lab.pk) == "member"


def test_a_github_that_is_down_changes_nothing(octo: User, lab: Environment, fake_github: FakeGitHub, later: Any):
    fake_github.broken, fake_github.orgs = True, []
    later()
    assert actor_of_user(octo, "api").role(lab.pk) == "member"
    assert User.objects.get(pk=octo.pk).is_active
    assert "500" in AuthProvider.objects.get().last_error


def test_a_person_of_the_same_name_and_another_number_is_not_taken_for_octo(
    octo: User, fake_github: FakeGitHub, later: Any
):
    fake_github.person = {"id": 4242, "login": "octo", "name": "Another"}
    later()
    assert not User.objects.get(pk=octo.pk).is_active
