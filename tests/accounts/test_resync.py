"""Re-sync: who left the directory loses access, and who left a group its role, without a new login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers import services
from apps.accounts.providers.resync import ERROR_BACKOFF
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Forbidden
from apps.core.hooks import hooks
from apps.core.models import Setting
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import members_set
from tests.accounts.fake_directory import (
    SAMPLE,
    UNKNOWN_PERSON,
    FakeDirectory,
    group,
)

Loop = Callable[[], None]


@pytest.fixture
def ann(fake_directory: FakeDirectory, lab: Environment, listed: Any, run_loop: Loop) -> User:
    """Ann has logged in, and has the lab's role of crew."""
    listed(("openldap_group", "g-crew", "member"))
    found = authenticate(None, username="ann", password="ann")
    assert isinstance(found, User)
    run_loop()
    found.refresh_from_db()
    return found


@pytest.fixture
def listed(people: Any, lab: Environment, actor_of: Callable[..., Any]) -> Callable[..., Any]:
    def make(*more: tuple[str, str, str]) -> Any:
        entries = [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]
        entries += [{"externalIdType": kind, "externalId": name, "role": role} for kind, name, role in more]
        return members_set(lab, entries, actor=actor_of("alice"))

    return make


@pytest.fixture
def notified() -> Iterator[list[Any]]:
    """The environments whose sockets were notified."""
    notified_environments: list[Any] = []

    def hear(what: Any) -> int:
        notified_environments.append(what["environment"])
        return 1

    hooks.rights_changed.append(hear)
    yield notified_environments
    hooks.rights_changed.remove(hear)


@pytest.fixture
def later(run_loop: Loop) -> Loop:
    """Ten minutes pass."""

    def pass_by() -> None:
        Identity.objects.update(refreshed_at=timezone.now() - timedelta(minutes=11))
        User.all_objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())
        run_loop()

    return pass_by


def role(user: User, environment: Environment) -> str | None:
    return actor_of_user(user, "api").role(environment.pk)


def reload(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_nobody_is_asked_about_before_it_is_time(ann: User, fake_directory: FakeDirectory, run_loop: Loop):
    assert fake_directory.requested == []
    assert ann.next_attempt_at is not None
    assert timedelta(minutes=8) < ann.next_attempt_at - timezone.now() <= timedelta(minutes=10)
    User.all_objects.filter(pk=ann.pk).update(next_attempt_at=timezone.now())
    run_loop()
    assert fake_directory.requested == []


def test_local_accounts_are_never_asked_about(people: Any, fake_directory: FakeDirectory, later: Loop):
    later()
    assert fake_directory.requested == []
    assert reload(people.root).next_attempt_at is None


def test_a_group_that_was_left_takes_the_role_and_notifies_the_open_sockets(
    ann: User, lab: Environment, fake_directory: FakeDirectory, later: Loop, notified: list[Any]
):
    assert role(ann, lab) == "member"
    fake_directory.groups["ann"] = ["fleet"]
    later()
    assert fake_directory.requested == ["u-ann"]
    assert role(reload(ann), lab) is None
    assert notified == [lab.pk]
    assert reload(ann).is_active
    entry = AuditEntry.all_objects.get(event="account.resync")
    assert (entry.account_id, entry.request["left"], entry.request["joined"]) == (ann.pk, ["Crew"], [])


def test_a_group_that_was_joined_gives_its_role(
    ann: User, lab: Environment, listed: Any, fake_directory: Any, later: Loop
):
    listed(("openldap_group", group("ops").dn, "owner"))
    assert role(reload(ann), lab) is None
    fake_directory.groups["ann"].append("ops")
    later()
    assert role(reload(ann), lab) == "owner"


def test_nothing_new_is_not_worth_a_line_in_the_audit_log(
    ann: User, fake_directory: Any, later: Loop, notified: list[Any]
):
    later()
    assert fake_directory.requested == ["u-ann"]
    assert not AuditEntry.all_objects.filter(event="account.resync").exists()
    assert notified == []


@pytest.mark.parametrize("why", ["removed", "disabled"])
def test_who_is_gone_or_disabled_loses_groups_and_access(
    ann: User, lab: Environment, fake_directory: FakeDirectory, later: Loop, why: str
):
    if why == "removed":
        del fake_directory.groups["ann"]
    else:
        fake_directory.out["ann"] = "This person is disabled in the directory."
    later()
    gone = reload(ann)
    assert not gone.is_active
    assert role(gone, lab) is None
    assert not gone.identities.filter(kind="openldap_group").exists()
    assert gone.message == (UNKNOWN_PERSON if why == "removed" else fake_directory.out["ann"])
    assert AuditEntry.all_objects.get(event="account.resync").request["out"] == gone.message


def test_who_comes_back_has_everything_again(ann: User, lab: Environment, fake_directory: FakeDirectory, later: Loop):
    fake_directory.out["ann"] = "This person is disabled in the directory."
    later()
    fake_directory.out.clear()
    later()
    assert reload(ann).is_active
    assert reload(ann).message == ""
    assert role(reload(ann), lab) == "member"


def test_a_log_in_brings_somebody_back_at_once(ann: User, fake_directory: FakeDirectory, later: Loop):
    fake_directory.out["ann"] = "This person is disabled in the directory."
    later()
    assert authenticate(None, username="ann", password="ann") is None
    fake_directory.out.clear()
    assert authenticate(None, username="ann", password="ann") == ann
    assert reload(ann).is_active


def test_a_directory_that_is_down_changes_nothing(
    ann: User, lab: Environment, fake_directory: FakeDirectory, later: Loop, notified: list[Any]
):
    fake_directory.down = "The directory cannot be reached."
    later()
    assert reload(ann).is_active
    assert role(reload(ann), lab) == "member"
    assert notified == []
    provider = AuthProvider.objects.get()
    assert (provider.last_error, provider.last_error_at is not None) == (fake_directory.down, True)


def test_a_directory_that_is_down_is_not_asked_about_everybody_in_turn(
    ann: User, fake_directory: FakeDirectory, later: Loop
):
    assert authenticate(None, username="ben", password="ben") is not None
    fake_directory.down = "No answer."
    later()
    assert len(fake_directory.requested) == 1
    fake_directory.down = ""
    later()
    assert len(fake_directory.requested) == 1
    AuthProvider.objects.update(last_error_at=timezone.now() - ERROR_BACKOFF)
    later()
    assert sorted(fake_directory.requested[1:]) == ["u-ann", "u-ben"]
    provider = AuthProvider.objects.get()
    assert (provider.last_error, provider.last_error_at) == ("", None)
    assert provider.answered_at is not None


def test_the_period_is_a_setting(ann: User, fake_directory: FakeDirectory, run_loop: Loop):
    Setting.objects.create(name="auth.resync.minutes", value="1")
    Identity.objects.update(refreshed_at=timezone.now() - timedelta(seconds=61))
    User.all_objects.filter(pk=ann.pk).update(next_attempt_at=timezone.now())
    run_loop()
    assert fake_directory.requested == ["u-ann"]


def test_the_button_asks_about_everybody_now(ann: User, actor_of: Any, fake_directory: FakeDirectory, run_loop: Loop):
    assert authenticate(None, username="ben", password="ben") is not None
    run_loop()
    assert services.provider_resync("openldap", actor=actor_of("root")) == 2
    run_loop()
    assert sorted(fake_directory.requested) == ["u-ann", "u-ben"]
    assert AuditEntry.all_objects.filter(event="provider.resync").exists()


def test_the_button_tries_a_directory_that_was_down(
    ann: User, actor_of: Any, fake_directory: FakeDirectory, run_loop: Loop
):
    AuthProvider.objects.update(last_error="No answer.", last_error_at=timezone.now())
    services.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert fake_directory.requested == ["u-ann"]
    assert AuthProvider.objects.get().last_error == ""


def test_the_button_is_for_administrators_and_for_what_is_on(actor_of: Any, fake_directory: FakeDirectory):
    with pytest.raises(Forbidden):
        services.provider_resync("openldap", actor=actor_of("alice"))
    for change in ({"enabled": False}, {"enabled": True, "trial_until": timezone.now() + timedelta(minutes=1)}):
        AuthProvider.objects.update(**change)
        with pytest.raises(Conflict):
            services.provider_resync("openldap", actor=actor_of("root"))


def test_a_deactivated_account_is_not_asked_about(ann: User, actor_of: Any, fake_directory: FakeDirectory, later: Loop):
    from apps.accounts.services import account_act

    account_act(ann, "deactivate", actor=actor_of("root"))
    later()
    assert fake_directory.requested == []


@pytest.mark.parametrize(("access", "allowed", "is_in"), [("required", "crew", True), ("required", "ops", False)])
def test_who_may_log_in_counts_for_those_who_are_in(
    ann: User, actor_of: Any, fake_directory: FakeDirectory, run_loop: Loop, access: str, allowed: str, is_in: bool
):
    listed = [{"externalIdType": "openldap_group", "externalId": f"g-{allowed}"}]
    data = {**SAMPLE, "accessMode": access, "allowedIdentities": listed}
    assert services.provider_save("openldap", data, actor=actor_of("root")).trial_until is None
    run_loop()
    assert fake_directory.requested == ["u-ann"]
    assert reload(ann).is_active is is_in
    assert ("may log in here" in reload(ann).message) is not is_in


def test_members_of_environments_stay_in_until_the_environment_lets_them_go(
    ann: User, actor_of: Any, listed: Any, later: Loop
):
    services.provider_save("openldap", {**SAMPLE, "accessMode": "restricted"}, actor=actor_of("root"))
    later()
    assert reload(ann).is_active
    listed()
    later()
    assert not reload(ann).is_active


def test_a_provider_on_trial_throws_nobody_out(ann: User, actor_of: Any, fake_directory: FakeDirectory, later: Loop):
    fake_directory.groups.clear()
    services.provider_save("openldap", {**SAMPLE, "domain": "dc=typo"}, actor=actor_of("root"))
    later()
    assert fake_directory.requested == []
    assert reload(ann).is_active
    services.provider_confirm("openldap", actor=actor_of("root"))
    later()
    assert not reload(ann).is_active


def test_a_password_kept_here_outlives_the_directory(ann: User, fake_directory: FakeDirectory, later: Loop):
    ann.set_password("a password kept here")
    ann.save()
    del fake_directory.groups["ann"]
    later()
    assert reload(ann).is_active


def test_a_renamed_person_stays_the_same_account(ann: User, fake_directory: FakeDirectory, later: Loop):
    fake_directory.logins["ann"] = "anna"
    later()
    person = ann.identities.get(kind="openldap_user")
    assert (person.login, person.dn) == ("anna", "uid=anna,ou=people,dc=example,dc=test")
    assert authenticate(None, username="anna", password="anna") == ann
