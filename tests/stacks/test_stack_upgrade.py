"""Upgrading a whole stack by file: one transaction, the loop to its end, finished or taken back, revisions of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.cancel import can_cancel
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.edits import StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment
from apps.stacks.models import Service, ServiceLink, ServiceRevision, Stack
from apps.stacks.selectors import stack_export
from apps.stacks.services import link_add, service_act, service_create, service_update, stack_create, stack_update
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import ServiceState
from apps.stacks.stack_upgrade import preview_upgrade, stack_act, stack_return_to, stack_upgrade
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.stacks.shop import AFTER, BEFORE, NEW, OLD, RANCHER, config, files, images, links


def test_the_preview_says_what_the_upgrade_does_and_changes_nothing(shop: Stack, actor_of: Any) -> None:
    before = (Operation.all_objects.count(), AuditEntry.all_objects.count(), StackRevision.objects.count())
    draft = preview_upgrade(shop, files(remove_missing=True), actor=actor_of("bob"))
    assert {each.change.name: each.change.what for each in draft.steps} == {
        "web": "upgrade",
        "db": "update",
        "cache": "create",
        "old": "remove",
    }
    assert draft.problems == []
    web = draft.steps[0]
    assert [(each.field, each.key, each.before, each.after) for each in web.change.differences] == [
        ("links", "store", "db", "cache"),
        ("imageUuid", "", "docker:bb:local", "docker:bb:new"),
    ]
    assert web.upgrade is not None
    assert (web.upgrade.settings["batchSize"], web.upgrade.settings["intervalMillis"]) == (2, 100)
    assert (Operation.all_objects.count(), AuditEntry.all_objects.count(), StackRevision.objects.count()) == before


def test_upgrade_and_finish(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    assert images() == OLD
    stack_upgrade(shop, files(remove_missing=True, note="with a cache"), actor=actor_of("bob"))
    assert (shop.display_state, shop.revision, shop.previous_revision) == ("upgrading", 2, 1)
    assert go() == "upgraded"
    assert images() == NEW
    assert links() == {"web:store": "cache"}
    assert Service.all_objects.get(name="old").display_state == "inactive"
    stack_act(shop, "finishupgrade", actor=actor_of("bob"))
    assert go() == "active"
    assert images() == NEW
    assert not Service.all_objects.filter(name="old", removed=None).exists()
    assert {each.display_state for each in Service.all_objects.filter(removed=None)} == {"active"}
    assert not Container.all_objects.filter(removed=None, display_state="stopped").exists()
    found = StackRevision.objects.order_by("number")
    assert [(each.number, each.note, each.account) for each in found] == [
        (1, "", actor_of("bob").user),
        (2, "with a cache", actor_of("bob").user),
    ]
    mine = ServiceRevision.objects.filter(stack_revision__number=2).values_list("service__name", "number", "note")
    assert set(mine) == {("web", 2, "with a cache"), ("cache", 1, "")}
    states = Operation.all_objects.filter(kind="stack").order_by("pk").values_list("name", "state")
    assert list(states)[-2:] == [("stack.upgrade", "succeeded"), ("stack.finishupgrade", "succeeded")]
    parents = Operation.all_objects.filter(parent__name="stack.upgrade").values_list("name", flat=True)
    assert {"service.upgrade", "service.update", "service.create", "service.deactivate"} <= set(parents)


def test_upgrade_and_roll_back_with_links(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    stack_upgrade(shop, files(remove_missing=True), actor=actor_of("bob"))
    assert go() == "upgraded"
    stack_act(shop, "rollback", actor=actor_of("bob"))
    assert shop.display_state == "rolling-back"
    assert go() == "active"
    assert images() == OLD
    assert links() == {"web:store": "db"}
    assert not Service.all_objects.filter(name="cache", removed=None).exists()
    assert {each.display_state for each in Service.all_objects.filter(removed=None)} == {"active"}
    assert (shop.revision, shop.docker_compose) == (3, BEFORE)
    kept = StackRevision.objects.get(stack=shop, number=3)
    assert (kept.note, kept.account) == ("Rolled back to revision 1", actor_of("bob").user)
    assert set(ServiceRevision.objects.filter(stack_revision=kept).values_list("note", flat=True)) == {
        "Rolled back to revision 1"
    }


def test_what_people_did_to_single_services_meanwhile_is_no_dead_end(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(remove_missing=True), actor=bob)
    assert go() == "upgraded"
    service_act(Service.all_objects.get(name="web"), "finishupgrade", actor=bob)
    service_act(Service.all_objects.get(name="old"), "remove", actor=bob)
    service_create(actor=bob, stack=shop, name="mine", config=config("bb:local"), start_on_create=True)
    assert go() == "upgraded"
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == {**OLD, "mine": ["bb:local"]}
    assert {each.display_state for each in Service.all_objects.filter(removed=None)} == {"active"}


def test_cancel_then_back_or_on(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=AFTER.replace("bb:new", "bb:absent")), actor=bob)
    go()
    assert shop.display_state == "upgrading"
    assert "web" in shop.message
    stack_act(shop, "cancelupgrade", actor=bob)
    assert go() == "canceled-upgrade"
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == OLD


def test_a_rollback_that_is_canceled_can_be_taken_up_again_or_finished(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(), actor=bob)
    assert go() == "upgraded"
    stack_act(shop, "rollback", actor=bob)
    reconcile_one("stack", shop.pk)
    shop.refresh_from_db()
    stack_act(shop, "cancelrollback", actor=bob)
    assert go() == "canceled-upgrade"
    with pytest.raises(ActionNotAvailable, match="canceled half-way"):
        stack_upgrade(shop, files(), actor=bob)
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == OLD
    assert links() == {"web:store": "db"}


def test_back_to_any_revision_also_after_finishing(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(remove_missing=True), actor=bob)
    go()
    stack_act(shop, "finishupgrade", actor=bob)
    go()
    service_update(Service.all_objects.get(name="db"), actor=bob, scale=3)
    go()
    stack_return_to(shop, 1, actor=bob)
    assert (shop.revision, shop.display_state) == (4, "upgrading")
    assert go() == "upgraded"
    stack_act(shop, "finishupgrade", actor=bob)
    assert go() == "active"
    assert images() == OLD
    assert links() == {"web:store": "db"}
    notes = dict(StackRevision.objects.values_list("number", "note"))
    assert notes == {1: "", 2: "", 3: "Changed service by service", 4: "Back to revision 1"}
    scales = [ServiceState.from_json(each).scale for each in StackRevision.objects.get(number=3).services]
    assert scales == [1, 3, 2]
    with pytest.raises(Invalid) as refused:
        stack_return_to(shop, 1, actor=bob)
    assert refused.value.field == "revision"


def test_the_stacks_own_export_changes_nothing_and_half_a_change_is_none(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    service_update(Service.all_objects.get(name="web"), actor=bob, description="front")
    go()
    draft = preview_upgrade(shop, StackFiles(*stack_export(actor_of("alice"), shop)), actor=bob)
    assert not draft.changes_anything
    wrong = AFTER + "bad: {image: bb, network_mode: host, privileged: true, pid: host}\n"
    draft = preview_upgrade(shop, files(docker_compose=wrong), actor=bob)
    assert [each.split(":")[0] for each in draft.problems] == ["bad"]
    count = Operation.all_objects.count()
    with pytest.raises(Invalid, match="bad: "):
        stack_upgrade(shop, files(docker_compose=wrong), actor=bob)
    assert Operation.all_objects.count() == count
    assert Service.all_objects.count() == 3
    assert StackRevision.objects.count() == 1


@pytest.mark.parametrize("change", ["service", "link", "stack"])
def test_an_upgrade_that_was_looked_at_is_refused_once_anything_has_changed(
    shop: Stack, actor_of: Any, change: str
) -> None:
    bob = actor_of("bob")
    basis = preview_upgrade(shop, files(), actor=bob).now.basis
    if change == "service":
        service_update(Service.all_objects.get(name="db"), actor=bob, scale=3)
    elif change == "link":
        link_add(Service.all_objects.get(name="db"), Service.all_objects.get(name="old"), "", actor=bob)
    else:
        stack_upgrade(Stack.all_objects.get(pk=shop.pk), StackFiles(), actor=bob)
    shop.refresh_from_db()
    with pytest.raises((StaleEdit, ActionNotAvailable)):
        stack_upgrade(shop, files(based_on=basis), actor=bob)
    basis = preview_upgrade(shop, files(), actor=bob).now.basis
    if change != "stack":
        stack_upgrade(shop, files(based_on=basis), actor=bob)


def test_a_service_in_an_upgrade_of_its_own_stands_in_the_way(shop: Stack, actor_of: Any) -> None:
    web = Service.all_objects.get(name="web")
    bob = actor_of("bob")
    service_upgrade(web, actor=bob, config=config("bb:new"), strategy=UpgradeStrategy())
    service_upgrade_step(web, "cancelupgrade", actor=bob)
    (problem,) = preview_upgrade(
        shop, files(docker_compose=AFTER.replace("bb:new", "bb:other")), actor=actor_of("bob")
    ).problems
    assert problem.startswith("web: ")
    assert "Finish or roll back its own upgrade first" in problem


def test_names_that_are_taken_until_the_end_are_refused(shop: Stack, actor_of: Any) -> None:
    text = "web: {image: 'bb:local', labels: {io.rancher.sidekicks: old}}\nold: {image: 'bb:local'}\n"
    found = preview_upgrade(
        shop, files(docker_compose=text, rancher_compose="", remove_missing=True), actor=actor_of("bob")
    )
    assert found.problems == ["web: The stack has a service 'old' already; choose another name."]


def test_the_address_that_the_file_has_retained_leaves_no_way_to_start_first(shop: Stack, actor_of: Any) -> None:
    first = "web: {upgrade_strategy: {start_first: true}%s}\n"
    for retains, problems in (("", 0), (", retain_ip: true", 1)):
        sent = files(docker_compose=AFTER, rancher_compose=first % retains)
        found = preview_upgrade(shop, sent, actor=actor_of("bob")).problems
        assert len(found) == problems, found
        assert all("retains the addresses of its containers" in each for each in found)


def test_readers_may_not(shop: Stack, actor_of: Any) -> None:
    for call in (preview_upgrade, stack_upgrade):
        with pytest.raises(Forbidden):
            call(shop, files(), actor=actor_of("rita"))
    with pytest.raises(Forbidden):
        stack_return_to(shop, 1, actor=actor_of("rita"))


def test_a_stack_without_files_says_what_is_missing(lab: Environment, actor_of: Any) -> None:
    row = stack_create(actor=actor_of("bob"), environment=lab, name="bare")
    with pytest.raises(Invalid) as refused:
        preview_upgrade(row, StackFiles(), actor=actor_of("bob"))
    assert (refused.value.field, refused.value.code) == ("dockerCompose", "MissingRequired")


def test_the_loop_goes_on_wherever_it_was_killed(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    """Each phase is only a desired state: whatever order rows are looked at in, and however often, it ends the same."""
    bob = actor_of("bob")
    stack_upgrade(shop, files(remove_missing=True), actor=bob)
    for _once in range(3):
        for key in Service.all_objects.order_by("-pk").values_list("pk", flat=True):
            reconcile_one("service", key)
        reconcile_one("stack", shop.pk)
    assert go() == "upgraded"
    stack_act(shop, "finishupgrade", actor=bob)
    reconcile_one("stack", shop.pk)
    reconcile_one("stack", shop.pk)
    assert go() == "active"
    assert images() == NEW


def test_a_service_that_was_stopped_after_a_rollback_is_not_started_again(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(remove_missing=True), actor=bob)
    go()
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    service_act(Service.all_objects.get(name="old"), "deactivate", actor=bob)
    go()
    stack_update(shop, actor=bob, description="renamed")
    assert go() == "active"
    assert Service.all_objects.get(name="old").display_state == "inactive"


SIDE = """
web: {image: 'bb:local', labels: {io.rancher.sidekicks: log}}
log: {image: 'bb:local', net: 'container:web'}
"""


def test_sidekicks_come_change_and_go_by_file(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    bob = actor_of("bob")
    for text, expected in (
        (SIDE, [("", "bb:local"), ("log", "bb:local")]),
        (SIDE.replace("bb:local', net", "bb:new', net"), [("", "bb:local"), ("log", "bb:new")]),
        (BEFORE, [("", "bb:local")]),
    ):
        stack_upgrade(shop, files(docker_compose=text, rancher_compose=RANCHER), actor=bob)
        assert go() == "upgraded"
        stack_act(shop, "finishupgrade", actor=bob)
        assert go() == "active"
        found = Container.all_objects.filter(name__startswith="shop_web", display_state="running", removed=None)
        members = sorted((each.launch_name.rpartition(".")[2].replace("config", ""), each.image) for each in found)
        assert members == sorted(expected * 2)


def test_a_sidekick_that_came_goes_again_with_the_rollback(shop: Stack, actor_of: Any, go: Callable[[], str]) -> None:
    stack_upgrade(shop, files(docker_compose=SIDE, rancher_compose=RANCHER), actor=actor_of("bob"))
    assert go() == "upgraded"
    stack_act(shop, "rollback", actor=actor_of("bob"))
    assert go() == "active"
    assert images() == OLD
    assert not Container.all_objects.filter(launch_name="log", removed=None).exists()


def test_a_sidekick_that_the_file_leaves_out_is_kept_until_it_is_decided(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=SIDE, rancher_compose=RANCHER), actor=bob)
    assert go() == "upgraded"
    stack_act(shop, "finishupgrade", actor=bob)
    assert go() == "active"

    def sidekicks() -> dict[str, str]:
        found = Container.all_objects.filter(launch_name="log", removed=None).exclude(desired="removed")
        return dict(found.values_list("external_id", "display_state"))

    before = sidekicks()
    assert list(before.values()) == ["running", "running"]
    for end, left in (("rollback", before), ("finishupgrade", {})):
        stack_upgrade(shop, files(docker_compose=BEFORE, rancher_compose=RANCHER), actor=bob)
        assert go() == "upgraded"
        assert sidekicks() == dict.fromkeys(before, "stopped")
        stack_act(shop, end, actor=bob)
        assert go() == "active"
        assert sidekicks() == left


def test_the_operation_of_a_stack_upgrade_is_not_undone_by_half(shop: Stack, actor_of: Any) -> None:
    stack_upgrade(shop, files(), actor=actor_of("bob"))
    operation = Operation.all_objects.get(name="stack.upgrade")
    refused = can_cancel(operation, actor_of("bob"))
    assert not refused
    assert "use the actions of its page" in refused.reason


def test_external_links_lead_to_other_stacks_and_those_to_nothing_are_left_out(
    shop: Stack, lab: Environment, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    other = stack_create(actor=bob, environment=lab, name="infra", docker_compose="dns: {image: 'bb:local'}\n")
    text = BEFORE.replace("links: ['db:store']", "external_links: ['infra/dns:dns', 'infra/gone:x']")
    stack_upgrade(shop, files(docker_compose=text, rancher_compose=RANCHER), actor=bob)
    assert go() == "upgraded"
    assert links() == {"web:dns": "dns"}
    assert ServiceLink.objects.get().target.stack == other
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert links() == {"web:store": "db"}


def test_a_stack_on_its_way_out_takes_no_service(shop: Stack, actor_of: Any) -> None:
    stack_act(shop, "remove", actor=actor_of("alice"))
    with pytest.raises(Invalid, match="being removed") as caught:
        service_create(actor=actor_of("bob"), stack=shop, name="late", config=config("bb:local"))
    assert caught.value.field == "environmentId"


def test_a_stack_on_its_way_out_is_not_upgraded(shop: Stack, actor_of: Any) -> None:
    stack_act(shop, "remove", actor=actor_of("alice"))
    with pytest.raises(ActionNotAvailable):
        stack_upgrade(shop, files(), actor=actor_of("bob"))
    with pytest.raises(ActionNotAvailable):
        stack_return_to(shop, 1, actor=actor_of("bob"))
