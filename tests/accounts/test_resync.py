"""Re-sync: people who left their directory lose their access, people who left a group its role, while they are here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from apps.accounts import admin
from apps.accounts.backends.resync import REST
from apps.accounts.models import AuthProvider, Identity, User
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Forbidden
from apps.core.models import Setting
from apps.core.ports import ports
from apps.environments.access import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import members_set
from tests.accounts.directory import GONE, SAMPLE, PaperDirectory, group

Loop = Callable[[], None]


@pytest.fixture
def ann(paper: PaperDirectory, lab: Environment, listed: Any, run_loop: Loop) -> User:
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
def told() -> Iterator[list[Any]]:
    """The environments whose sockets were told to look again."""
    heard: list[Any] = []

    def hear(what: Any) -> int:
        heard.append(what["environment"])
        return 1

    ports.rights_changed.append(hear)
    yield heard
    ports.rights_changed.remove(hear)


@pytest.fixture
def later(run_loop: Loop) -> Loop:
    """Ten minutes pass."""

    def pass_by() -> None:
        Identity.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
        User.all_objects.exclude(next_look=None).update(next_look=timezone.now())
        run_loop()

    return pass_by


def role(user: User, environment: Environment) -> str | None:
    return actor_of_user(user, "api").role(environment.pk)


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_nobody_is_asked_about_before_it_is_time(ann: User, paper: PaperDirectory, run_loop: Loop):
    assert paper.asked == []
    assert ann.next_look is not None
    assert timedelta(minutes=8) < ann.next_look - timezone.now() <= timedelta(minutes=10)
    User.all_objects.filter(pk=ann.pk).update(next_look=timezone.now())
    run_loop()
    assert paper.asked == []


def test_local_accounts_are_never_asked_about(people: Any, paper: PaperDirectory, later: Loop):
    later()
    assert paper.asked == []
    assert again(people.root).next_look is None


def test_a_group_that_was_left_takes_the_role_and_tells_the_open_sockets(
    ann: User, lab: Environment, paper: PaperDirectory, later: Loop, told: list[Any]
):
    assert role(ann, lab) == "member"
    paper.groups["ann"] = ["fleet"]
    later()
    assert paper.asked == ["u-ann"]
    assert role(again(ann), lab) is None
    assert told == [lab.pk]
    assert again(ann).is_active
    entry = AuditEntry.all_objects.get(event="account.resync")
    assert (entry.account_id, entry.request["left"], entry.request["joined"]) == (ann.pk, ["Crew"], [])


def test_a_group_that_was_joined_gives_its_role(ann: User, lab: Environment, listed: Any, paper: Any, later: Loop):
    listed(("openldap_group", group("ops").dn, "owner"))
    assert role(again(ann), lab) is None
    paper.groups["ann"].append("ops")
    later()
    assert role(again(ann), lab) == "owner"


def test_nothing_new_is_not_worth_a_line_in_the_audit_log(ann: User, paper: Any, later: Loop, told: list[Any]):
    later()
    assert paper.asked == ["u-ann"]
    assert not AuditEntry.all_objects.filter(event="account.resync").exists()
    assert told == []


@pytest.mark.parametrize("why", ["removed", "disabled"])
def test_who_is_gone_or_disabled_loses_groups_and_access(
    ann: User, lab: Environment, paper: PaperDirectory, later: Loop, why: str
):
    if why == "removed":
        del paper.groups["ann"]
    else:
        paper.out["ann"] = "This person is disabled in the directory."
    later()
    gone = again(ann)
    assert not gone.is_active
    assert role(gone, lab) is None
    assert not gone.identities.filter(kind="openldap_group").exists()
    assert gone.message == (GONE if why == "removed" else paper.out["ann"])
    assert AuditEntry.all_objects.get(event="account.resync").request["out"] == gone.message


def test_who_comes_back_has_everything_again(ann: User, lab: Environment, paper: PaperDirectory, later: Loop):
    paper.out["ann"] = "This person is disabled in the directory."
    later()
    paper.out.clear()
    later()
    assert again(ann).is_active
    assert again(ann).message == ""
    assert role(again(ann), lab) == "member"


def test_a_log_in_brings_somebody_back_at_once(ann: User, paper: PaperDirectory, later: Loop):
    paper.out["ann"] = "This person is disabled in the directory."
    later()
    assert authenticate(None, username="ann", password="ann") is None
    paper.out.clear()
    assert authenticate(None, username="ann", password="ann") == ann
    assert again(ann).is_active


def test_a_directory_that_is_down_changes_nothing(
    ann: User, lab: Environment, paper: PaperDirectory, later: Loop, told: list[Any]
):
    paper.down = "The directory cannot be reached."
    later()
    assert again(ann).is_active
    assert role(again(ann), lab) == "member"
    assert told == []
    provider = AuthProvider.objects.get()
    assert (provider.trouble, provider.trouble_at is not None) == (paper.down, True)


def test_a_directory_that_is_down_is_not_asked_about_everybody_in_turn(ann: User, paper: PaperDirectory, later: Loop):
    assert authenticate(None, username="ben", password="ben") is not None
    paper.down = "No answer."
    later()
    assert len(paper.asked) == 1
    paper.down = ""
    later()
    assert len(paper.asked) == 1
    AuthProvider.objects.update(trouble_at=timezone.now() - REST)
    later()
    assert sorted(paper.asked[1:]) == ["u-ann", "u-ben"]
    provider = AuthProvider.objects.get()
    assert (provider.trouble, provider.trouble_at) == ("", None)
    assert provider.answered_at is not None


def test_the_period_is_a_setting(ann: User, paper: PaperDirectory, run_loop: Loop):
    Setting.objects.create(name="auth.resync.minutes", value="1")
    Identity.objects.update(asked_at=timezone.now() - timedelta(seconds=61))
    User.all_objects.filter(pk=ann.pk).update(next_look=timezone.now())
    run_loop()
    assert paper.asked == ["u-ann"]


def test_the_button_asks_about_everybody_now(ann: User, actor_of: Any, paper: PaperDirectory, run_loop: Loop):
    assert authenticate(None, username="ben", password="ben") is not None
    run_loop()
    assert admin.provider_resync("openldap", actor=actor_of("root")) == 2
    run_loop()
    assert sorted(paper.asked) == ["u-ann", "u-ben"]
    assert AuditEntry.all_objects.filter(event="provider.resync").exists()


def test_the_button_tries_a_directory_that_was_down(ann: User, actor_of: Any, paper: PaperDirectory, run_loop: Loop):
    AuthProvider.objects.update(trouble="No answer.", trouble_at=timezone.now())
    admin.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert paper.asked == ["u-ann"]
    assert AuthProvider.objects.get().trouble == ""


def test_the_button_is_for_administrators_and_for_what_is_on(actor_of: Any, paper: PaperDirectory):
    with pytest.raises(Forbidden):
        admin.provider_resync("openldap", actor=actor_of("alice"))
    for change in ({"enabled": False}, {"enabled": True, "trial_until": timezone.now() + timedelta(minutes=1)}):
        AuthProvider.objects.update(**change)
        with pytest.raises(Conflict):
            admin.provider_resync("openldap", actor=actor_of("root"))


def test_a_deactivated_account_is_not_asked_about(ann: User, actor_of: Any, paper: PaperDirectory, later: Loop):
    from apps.accounts.services import account_act

    account_act(ann, "deactivate", actor=actor_of("root"))
    later()
    assert paper.asked == []


@pytest.mark.parametrize(("access", "allowed", "is_in"), [("required", "crew", True), ("required", "ops", False)])
def test_who_may_log_in_counts_for_those_who_are_in(
    ann: User, actor_of: Any, paper: PaperDirectory, run_loop: Loop, access: str, allowed: str, is_in: bool
):
    listed = [{"externalIdType": "openldap_group", "externalId": f"g-{allowed}"}]
    data = {**SAMPLE, "accessMode": access, "allowedIdentities": listed}
    assert admin.provider_save("openldap", data, actor=actor_of("root")).trial_until is None
    run_loop()
    assert paper.asked == ["u-ann"]
    assert again(ann).is_active is is_in
    assert ("may log in here" in again(ann).message) is not is_in


def test_members_of_environments_stay_in_until_the_environment_lets_them_go(
    ann: User, actor_of: Any, listed: Any, later: Loop
):
    admin.provider_save("openldap", {**SAMPLE, "accessMode": "restricted"}, actor=actor_of("root"))
    later()
    assert again(ann).is_active
    listed()
    later()
    assert not again(ann).is_active


def test_a_provider_on_trial_throws_nobody_out(ann: User, actor_of: Any, paper: PaperDirectory, later: Loop):
    paper.groups.clear()
    admin.provider_save("openldap", {**SAMPLE, "domain": "dc=typo"}, actor=actor_of("root"))
    later()
    assert paper.asked == []
    assert again(ann).is_active
    admin.provider_confirm("openldap", actor=actor_of("root"))
    later()
    assert not again(ann).is_active


def test_a_password_kept_here_outlives_the_directory(ann: User, paper: PaperDirectory, later: Loop):
    ann.set_password("a password kept here")
    ann.save()
    del paper.groups["ann"]
    later()
    assert again(ann).is_active


def test_a_renamed_person_stays_the_same_account(ann: User, paper: PaperDirectory, later: Loop):
    paper.logins["ann"] = "anna"
    later()
    person = ann.identities.get(kind="openldap_user")
    assert (person.login, person.dn) == ("anna", "uid=anna,ou=people,dc=example,dc=test")
    assert authenticate(None, username="anna", password="anna") == ann
