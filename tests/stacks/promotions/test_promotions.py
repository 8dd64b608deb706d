"""From one environment to another: looked at, approved by a second person, in the window, deployed once, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.edits import StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment, Member
from apps.hosts.models import Host
from apps.stacks.lock import Lock
from apps.stacks.models import Service, Stack
from apps.stacks.promotions import reconcile
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.rules import rules_set
from apps.stacks.promotions.services import (
    PromotionRequest,
    promotion_preview,
    promotion_undo,
)
from apps.stacks.services import service_update
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_upgrade import stack_act, stack_upgrade
from apps.vault.registries.services import registry_add
from tests.stacks.promotions.promoting import images

Promote = Callable[..., Promotion]
Go = Callable[[Promotion], str]


def test_the_preview_says_what_would_change_and_changes_nothing(
    dev: Stack, live: Stack, prod: Environment, actor_of: Any
):
    before = (Operation.all_objects.count(), AuditEntry.all_objects.count(), StackRevision.objects.count())
    preview = promotion_preview(PromotionRequest(dev, prod, variables={"TAG": "2"}), actor=actor_of("bob"))
    (change,) = preview.changes
    assert (change.name, change.what) == ("web", "upgrade")
    assert [(each.field, each.before, each.after) for each in change.differences] == [
        ("imageUuid", "docker:bb:1", "docker:bb:2")
    ]
    assert preview.problems == ()
    assert "DB has another value here than in the source, and keeps it." in preview.warnings
    assert "prod-db" not in str(preview.warnings)
    assert before == (Operation.all_objects.count(), AuditEntry.all_objects.count(), StackRevision.objects.count())


def test_a_new_stack_says_what_it_waits_for(prod: Environment, promote: Promote, go: Go):
    Host.all_objects.filter(environment=prod).update(desired="inactive", state="inactive", display_state="inactive")
    row = promote()
    assert go(row) == "promoting"
    assert row.message.startswith("web: ")
    assert "host" in row.message


def test_a_promotion_runs_with_the_variables_of_its_target(
    live: Stack, prod: Environment, lab: Environment, promote: Promote, go: Go, people: Any
):
    row = promote(note="TICKET-7")
    assert go(row) == "done"
    live.refresh_from_db()
    assert (images(prod), live.variables) == (["bb:2"], {"TAG": "2", "DB": "prod-db"})
    assert Service.all_objects.get(stack=live).config.environment == {"DB": "prod-db"}
    assert (row.target, row.target_revision, row.previous_revision, live.display_state) == (live, 2, 1, "upgraded")
    revision = StackRevision.objects.get(stack=live, number=2)
    assert (revision.account, revision.note) == (people.bob, "TICKET-7")
    assert row.ended is not None
    operations = Operation.all_objects.filter(kind="promotion", target=row.pk)
    assert [(each.name, each.state, each.environment) for each in operations] == [
        ("promotion.create", "succeeded", prod)
    ]
    events = {(each.event, each.environment_id) for each in AuditEntry.all_objects.filter(account=people.bob)}
    assert {("promotion.create", prod.pk), ("stack.promote", lab.pk), ("stack.upgrade", prod.pk)} <= events


def test_a_stack_that_is_not_there_is_made(dev: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any):
    row = promote(variables={"TAG": "2", "DB": "prod-db"})
    assert go(row) == "done"
    made = Stack.all_objects.get(environment=prod)
    assert (made.name, row.target, row.is_new_stack, images(prod)) == ("shop", made, True, ["bb:2"])
    with pytest.raises(ActionNotAvailable, match="delete the stack instead"):
        promotion_undo(row, actor=actor_of("bob"))


def test_a_value_that_only_the_source_has_must_be_given(dev: Stack, prod: Environment, promote: Promote, actor_of: Any):
    with pytest.raises(Invalid, match="Prod has no value for TAG: give one"):
        promote(variables={})
    assert not Promotion.all_objects.exists()
    assert promote(variables={"TAG": "1"}, name="other").name == "other"


def test_services_that_the_source_does_not_have_stay_unless_they_are_to_go(
    dev: Stack, live: Stack, prod: Environment, actor_of: Any, run_loop: Callable[[], None]
):
    from apps.containers.launch.config import LaunchConfig
    from apps.stacks.services import service_create

    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service_create(actor=actor_of("alice"), stack=live, name="backup", config=config)
    run_loop()
    kept, gone = (
        promotion_preview(
            PromotionRequest(dev, prod, variables={"TAG": "2"}, remove_missing=removes), actor=actor_of("bob")
        )
        for removes in (False, True)
    )
    assert {each.name: each.what for each in kept.changes} == {"web": "upgrade", "backup": "keep"}
    assert {each.name: each.what for each in gone.changes} == {"web": "upgrade", "backup": "remove"}


def test_only_some_services_are_promoted(live: Stack, promote: Promote, go: Go, actor_of: Any):
    row = promote(services=["web"])
    assert (go(row), row.services) == ("done", ["web"])
    with pytest.raises(Invalid, match="no service db"):
        promote(services=["db"])
    with pytest.raises(Invalid, match="not both"):
        promote(services=["web"], remove_missing=True)


def test_a_service_alone_is_not_promoted_where_there_is_no_stack(promote: Promote):
    with pytest.raises(Invalid, match="promote all of its services the first time"):
        promote(services=["web"])


@pytest.mark.parametrize(("who", "words"), [("rita", "may not"), ("mallory", "not a member")])
def test_it_takes_rights_in_both_environments(live: Stack, promote: Promote, who: str, words: str):
    with pytest.raises(Forbidden, match=words):
        promote(who)
    assert not Promotion.all_objects.exists()


def test_who_may_see_values_only_in_the_target_cannot_read_the_source(
    dev: Stack, live: Stack, lab: Environment, prod: Environment, people: Any, promote: Promote
):
    Member.objects.filter(environment=lab, account=people.rex).update(role="readonly")
    from apps.environments.services import role_groups_sync

    role_groups_sync(lab)
    with pytest.raises(Forbidden):
        promote("rex")


def test_nothing_to_do_and_the_same_environment_are_refused(
    dev: Stack, live: Stack, lab: Environment, promote: Promote
):
    with pytest.raises(Invalid, match="already"):
        promote(variables={"TAG": "1"})
    with pytest.raises(Invalid, match="another environment than its own"):
        promote(environment=lab)


def test_only_what_was_looked_at_is_requested(
    dev: Stack, live: Stack, prod: Environment, promote: Promote, actor_of: Any, run_loop: Callable[[], None]
):
    basis = promotion_preview(PromotionRequest(dev, prod, variables={"TAG": "2"}), actor=actor_of("bob")).basis
    service_update(Service.all_objects.get(stack=live), actor=actor_of("alice"), scale=2)
    run_loop()
    with pytest.raises(StaleEdit):
        promote(based_on=basis)


def test_a_target_that_changes_before_it_runs_is_left_alone(
    live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
):
    row = promote()
    service_update(Service.all_objects.get(stack=live), actor=actor_of("alice"), scale=2)
    assert go(row) == "failed"
    assert "changed after this was requested" in row.message
    assert images(prod) == ["bb:1", "bb:1"]
    assert go(row) == "failed", "it stays so"


def test_a_portal_that_is_killed_after_the_upgrade_was_requested_deploys_once(
    live: Stack, prod: Environment, promote: Promote, go: Go, monkeypatch: pytest.MonkeyPatch
):
    row = promote()

    def die(_row: Promotion) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "_follow", die)
        with pytest.raises(SystemExit):
            reconcile_one("promotion", row.pk)
    Promotion.all_objects.filter(pk=row.pk).update(lease="", lease_until=None)
    assert (go(row), images(prod)) == ("done", ["bb:2"])
    assert StackRevision.objects.filter(stack=live).count() == 2


def test_a_portal_that_is_killed_within_the_upgrade_leaves_nothing_half_made(
    live: Stack, prod: Environment, promote: Promote, go: Go, monkeypatch: pytest.MonkeyPatch
):
    row = promote()

    def die(*given: Any, **more: Any) -> None:
        stack_upgrade(*given, **more)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "stack_upgrade", die)
        with pytest.raises(SystemExit):
            reconcile_one("promotion", row.pk)
    live.refresh_from_db()
    assert (live.revision, StackRevision.objects.filter(stack=live).count()) == (1, 1)
    Promotion.all_objects.filter(pk=row.pk).update(lease="", lease_until=None)
    assert (go(row), images(prod)) == ("done", ["bb:2"])


def test_it_is_undone_by_the_rollback_of_its_upgrade(
    live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
):
    row = promote()
    go(row)
    with pytest.raises(Forbidden):
        promotion_undo(row, actor=actor_of("rita"))
    promotion_undo(row, actor=actor_of("bob"))
    assert (go(row), images(prod)) == ("undone", ["bb:1"])
    live.refresh_from_db()
    assert (live.display_state, live.variables["TAG"]) == ("active", "1")


def test_it_is_undone_by_a_return_once_its_upgrade_is_finished(
    live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
):
    row = promote()
    go(row)
    live.refresh_from_db()
    stack_act(live, "finishupgrade", actor=actor_of("bob"))
    go(row)
    promotion_undo(Promotion.all_objects.get(pk=row.pk), actor=actor_of("alice"))
    assert (go(row), images(prod)) == ("undone", ["bb:1"])


def test_what_was_upgraded_since_is_not_undone(live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any):
    row = promote()
    go(row)
    live.refresh_from_db()
    stack_act(live, "rollback", actor=actor_of("alice"))
    assert go(row) == "done"
    with pytest.raises(ActionNotAvailable, match="since"):
        promotion_undo(Promotion.all_objects.get(pk=row.pk), actor=actor_of("bob"))


def test_an_upgrade_that_is_canceled_in_the_target_ends_it(
    live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
):
    row = promote()
    reconcile_one("promotion", row.pk)
    row.refresh_from_db()
    assert row.display_state == "promoting"
    live.refresh_from_db()
    stack_act(live, "cancelupgrade", actor=actor_of("alice"))
    assert go(row) == "failed"
    assert "canceled" in row.message


def test_a_locked_target_is_not_touched(live: Stack, prod: Environment, promote: Promote, go: Go):
    row = promote()
    Lock.objects.create(environment=prod, stack=live, reason="freeze")
    assert (go(row), images(prod)) == ("failed", ["bb:1"])
    assert "freeze" in row.message


def test_accounts_of_registries_are_not_carried_over_and_that_is_said(
    dev: Stack, live: Stack, lab: Environment, prod: Environment, actor_of: Any
):
    def missing() -> list[str]:
        request = PromotionRequest(dev, prod, variables={"TAG": "2"})
        found = promotion_preview(request, actor=actor_of("bob")).warnings
        return [text for text in found if "account" in text]

    assert missing() == []
    for environment in (lab, prod):
        registry_add(
            actor=actor_of("alice"),
            environment=environment,
            server_address="docker.io",
            public_value="shop",
            secret_value="s3cret",
        )
        expected = environment == lab
        assert bool(missing()) is expected
        assert all("docker.io" in text and "s3cret" not in text for text in missing())


def test_values_are_encrypted_and_never_in_the_log(live: Stack, promote: Promote, go: Go, people: Any):
    row = promote(variables={"TAG": "2", "DB": "very-s3cret-db"})
    go(row)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT docker_compose, variables FROM stacks_promotion")
        assert all("bb:" not in str(each) and "s3cret" not in str(each) for each in cursor.fetchone())
    said = [str(each.input) for each in Operation.all_objects.all()]
    said += [str(each.request) for each in AuditEntry.all_objects.all()]
    assert not any("very-s3cret-db" in text for text in said)


def test_variables_that_cannot_be_kept_are_refused(promote: Promote):
    with pytest.raises(Invalid, match="no text that can be kept"):
        promote(variables={"TAG": "a\0b"})
    with pytest.raises(Invalid, match="At most 500"):
        promote(variables={f"V{number}": "" for number in range(501)})
    with pytest.raises(Invalid, match="500 characters"):
        promote(note="x" * 501)


def test_a_promotion_that_nobody_looked_at_for_days_is_not_overdue(
    live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
):
    rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))
    row = promote()
    go(row)
    operation = Operation.all_objects.get(kind="promotion", target=row.pk)
    assert operation.state == "succeeded", "the request is done; the approval is another operation"
    assert row.next_attempt_at is None or row.next_attempt_at > timezone.now() or row.transitioning == "no"
