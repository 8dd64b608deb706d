"""Promotions that wait: for the approval of a second person, and for the change window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.core.edits import StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.actor import actor_of_key
from apps.environments.models import Environment, Member
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.rules import rules_set
from apps.stacks.promotions.services import (
    PromotionRequest,
    preview_requested,
    promotion_approve,
    promotion_refuse,
)
from apps.stacks.services import service_update
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_upgrade import stack_act
from tests.stacks.promotions.promoting import images

Promote = Callable[..., Promotion]
Go = Callable[[Promotion], str]


class TestApproval:
    """Where promotions take a second person."""

    @pytest.fixture(autouse=True)
    def rules(self, prod: Environment, actor_of: Any) -> None:
        rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))

    def test_it_waits_until_somebody_else_approves(
        self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any, people: Any
    ):
        row = promote()
        assert (go(row), images(prod)) == ("waiting-for-approval", ["bb:1"])
        with pytest.raises(Forbidden, match="somebody else has to approve"):
            promotion_approve(row, actor=actor_of("bob"))
        for who in ("rex", "rita"):
            with pytest.raises(Forbidden):
                promotion_approve(row, actor=actor_of(who))
        preview = preview_requested(row)
        promotion_approve(row, actor=actor_of("alice"), based_on=preview.basis)
        assert (go(row), images(prod), row.approved_by) == ("done", ["bb:2"], people.alice)
        assert StackRevision.objects.get(stack=live, number=2).account == people.bob, "who requested it deployed it"
        assert AuditEntry.all_objects.get(event="promotion.approve").account == people.alice

    def test_a_key_of_who_requested_it_is_no_second_person(self, live: Stack, promote: Promote, go: Go, actor_of: Any):
        row = promote()
        go(row)
        made = key_create(actor=actor_of("bob"), account=actor_of("bob").user, name="second")
        with pytest.raises(Forbidden, match="somebody else"):
            promotion_approve(row, actor=actor_of_key(made.key, "api"))

    def test_what_changes_after_the_approval_is_looked_at_again(
        self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
    ):
        row = promote()
        go(row)
        promotion_approve(row, actor=actor_of("alice"))
        service_update(Service.all_objects.get(stack=live), actor=actor_of("alice"), scale=2)
        assert go(row) == "waiting-for-approval"
        assert "changed after the approval" in row.message
        assert images(prod) == ["bb:1", "bb:1"]
        promotion_approve(row, actor=actor_of("alice"))
        assert (go(row), images(prod)) == ("done", ["bb:2", "bb:2"])

    def test_what_was_looked_at_must_still_be_so_when_it_is_approved(
        self, live: Stack, promote: Promote, go: Go, actor_of: Any
    ):
        row = promote()
        go(row)
        basis = preview_requested(row).basis
        service_update(Service.all_objects.get(stack=live), actor=actor_of("alice"), scale=2)
        with pytest.raises(StaleEdit):
            promotion_approve(row, actor=actor_of("alice"), based_on=basis)

    def test_files_that_are_not_those_approved_are_not_deployed(
        self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
    ):
        row = promote()
        go(row)
        promotion_approve(row, actor=actor_of("alice"))
        Promotion.all_objects.filter(pk=row.pk).update(docker_compose=row.docker_compose.replace("bb:", "bb:evil"))
        assert (go(row), images(prod)) == ("waiting-for-approval", ["bb:1"])
        assert "not what would be deployed" in row.message

    def test_the_source_may_go_on_meanwhile(
        self, dev: Stack, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
    ):
        row = promote()
        go(row)
        stack_act(dev, "remove", actor=actor_of("bob"))
        go(row)
        promotion_approve(row, actor=actor_of("alice"))
        assert (go(row), images(prod)) == ("done", ["bb:2"])

    def test_it_is_refused_or_withdrawn(self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any):
        row = promote()
        go(row)
        with pytest.raises(Forbidden):
            promotion_refuse(row, actor=actor_of("rita"))
        promotion_refuse(row, actor=actor_of("alice"), reason="not on a friday")
        assert (go(row), row.message, images(prod)) == ("refused", "not on a friday", ["bb:1"])
        with pytest.raises(ActionNotAvailable):
            promotion_approve(row, actor=actor_of("alice"))
        withdrawn = promote()
        go(withdrawn)
        promotion_refuse(withdrawn, actor=actor_of("bob"))
        assert go(withdrawn) == "refused"

    def test_rules_that_ask_for_less_let_it_go_on(
        self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any
    ):
        row = promote()
        go(row)
        rules_set(prod, {"needsApproval": False}, actor=actor_of("alice"))
        assert (go(row), images(prod)) == ("done", ["bb:2"])

    def test_who_has_lost_the_right_deploys_nothing(
        self, live: Stack, prod: Environment, promote: Promote, go: Go, actor_of: Any, people: Any
    ):
        from apps.environments.services import role_groups_sync

        row = promote()
        go(row)
        promotion_approve(row, actor=actor_of("alice"))
        Member.objects.filter(environment=prod, account=people.bob).update(role="readonly")
        role_groups_sync(prod)
        assert (go(row), images(prod)) == ("failed", ["bb:1"])
        assert "may not do this" in row.message

    def test_a_key_that_is_gone_deploys_nothing(
        self, dev: Stack, live: Stack, prod: Environment, go: Go, actor_of: Any, run_loop: Callable[[], None]
    ):
        from apps.accounts.services import key_act
        from apps.stacks.promotions.services import promotion_request

        made = key_create(actor=actor_of("bob"), account=actor_of("bob").user, name="ci")
        run_loop()
        made.key.refresh_from_db()
        request = PromotionRequest(dev, prod, variables={"TAG": "2"})
        row = promotion_request(request, actor=actor_of_key(made.key, "api"))
        go(row)
        key_act(made.key, "deactivate", actor=actor_of("bob"))
        go(row)
        with pytest.raises(Invalid, match="not active"):
            promotion_approve(row, actor=actor_of("alice"))
        assert images(prod) == ["bb:1"]


class TestWindow:
    """Where promotions run at certain hours only."""

    @pytest.fixture(autouse=True)
    def rules(self, clock: Any, live: Stack, prod: Environment, actor_of: Any) -> None:
        days = {"windowDays": ["monday"], "windowStart": "22:00", "windowEnd": "04:00"}
        rules_set(prod, days, actor=actor_of("alice"))

    def test_it_waits_for_the_window(self, clock: Any, prod: Environment, promote: Promote, go: Go):
        row = promote()
        assert (go(row), images(prod)) == ("waiting-for-window", ["bb:1"])
        assert "opens 2026-06-01 22:00 UTC" in row.message
        clock.set("2026-06-01 21:59")
        assert go(row) == "waiting-for-window"
        clock.set("2026-06-01 22:00")
        assert (go(row), images(prod)) == ("done", ["bb:2"])

    def test_it_is_refused_outside_where_the_rules_say_so(
        self, clock: Any, prod: Environment, promote: Promote, go: Go, actor_of: Any
    ):
        rules_set(prod, {"refuseOutside": True}, actor=actor_of("alice"))
        with pytest.raises(ActionNotAvailable, match="Only possible in the change window"):
            promote()
        rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))
        row = promote()
        assert go(row) == "waiting-for-approval"
        with pytest.raises(ActionNotAvailable, match="change window"):
            promotion_approve(row, actor=actor_of("alice"))
        clock.set("2026-06-02 03:00")
        promotion_approve(row, actor=actor_of("alice"))
        assert go(row) == "done"

    def test_it_can_be_withdrawn_while_it_waits(self, prod: Environment, promote: Promote, go: Go, actor_of: Any):
        row = promote()
        go(row)
        promotion_refuse(row, actor=actor_of("bob"))
        assert (go(row), images(prod)) == ("refused", ["bb:1"])
