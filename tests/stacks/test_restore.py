"""Restoring what was deleted: it comes back as it was, under a name that is free, for as long as the setting says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.accounts.models import User
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.control.retention import delete_expired_rows
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.models import Setting
from apps.environments.actor import SYSTEM
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, ServiceRevision, Stack
from apps.stacks.restore import SETTING, deleted_rows, service_restore, stack_restore
from apps.stacks.selectors import stack_export
from apps.stacks.services import link_add, service_act, service_create, service_remove, stack_create
from apps.stacks.stack_upgrade import stack_act

CONFIG = {"imageUuid": "docker:bb:local", "environment": {"TOKEN": "s3cret-value"}}


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A reconciled stack without services."""
    row = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    settle()
    row.refresh_from_db()
    return row


@pytest.fixture
def serve(shop: Stack, actor_of: Any) -> Callable[..., Service]:
    """Creates a service of the stack that runs."""

    def make(name: str, **more: Any) -> Service:
        more = {"config": LaunchConfig.from_wire(CONFIG), "stack": shop, "start_on_create": True, **more}
        row = service_create(actor=actor_of("alice"), name=name, **more)
        settle()
        row.refresh_from_db()
        return row

    return make


def settle() -> None:
    """Let the loop come to rest: services after their containers, stacks after their services."""
    for _turn in range(3):
        reconcile_until_idle()
        for kind, model in (("service", Service), ("stack", Stack)):
            for key in model.all_objects.filter(removed=None).values_list("pk", flat=True):
                reconcile_one(kind, key)


def delete(row: Stack | Service, actor: Any) -> None:
    row.refresh_from_db()
    if isinstance(row, Stack):
        stack_act(row, "remove", actor=actor)
    else:
        service_remove(row, actor=actor)
    settle()
    row.refresh_from_db()
    assert row.removed is not None


def links() -> list[tuple[str, str, str]]:
    return list(ServiceLink.objects.order_by("service__name").values_list("service__name", "target__name", "name"))


def test_a_service_comes_back_with_its_links_both_ways(serve: Any, actor_of: Any, lab: Environment):
    web, store, cache = serve("web"), serve("store"), serve("cache")
    link_add(web, store, "database", actor=actor_of("alice"))
    link_add(store, cache, "", actor=actor_of("alice"))
    before = links()
    delete(store, actor_of("bob"))
    assert links() == []
    found = deleted_rows(actor_of("rita"), lab.pk)
    assert [(row.name, row.removal["by"]) for row in found] == [("store", "Bob")]
    assert service_restore(store, actor=actor_of("bob")).missing == []
    settle()
    store.refresh_from_db()
    assert (store.display_state, store.removed, store.name, store.removal) == ("active", None, "store", {})
    assert links() == before
    assert Container.all_objects.filter(spread_key=str(store.uuid), removed=None, display_state="running").count() == 1
    assert deleted_rows(actor_of("rita"), lab.pk) == []
    assert AuditEntry.all_objects.filter(event="service.restore", target=store.pk).exists()


def test_a_stack_comes_back_with_the_services_that_went_with_it(
    serve: Any, shop: Stack, actor_of: Any, lab: Environment
):
    web, store, old = serve("web"), serve("store"), serve("old")
    link_add(web, store, "", actor=actor_of("alice"))
    delete(old, actor_of("alice"))
    service_act(store, "deactivate", actor=actor_of("alice"))
    settle()
    text = stack_export(actor_of("alice"), shop)
    delete(shop, actor_of("alice"))
    assert [row.name for row in deleted_rows(actor_of("alice"), lab.pk)] == ["shop", "old"]
    with pytest.raises(ActionNotAvailable, match="restore that first"):
        service_restore(Service.all_objects.get(pk=old.pk), actor=actor_of("alice"))
    stack_restore(shop, actor=actor_of("alice"))
    settle()
    states = dict(Service.all_objects.filter(stack=shop, removed=None).values_list("name", "display_state"))
    assert states == {"web": "active", "store": "inactive"}
    assert stack_export(actor_of("alice"), shop) == text
    service_restore(Service.all_objects.select_related("stack").get(pk=old.pk), actor=actor_of("alice"))


def test_a_name_that_is_taken_gets_a_number_or_the_one_that_was_asked_for(serve: Any, shop: Stack, actor_of: Any):
    rows = []
    for _turn in range(3):
        web = serve("web")
        delete(web, actor_of("alice"))
        rows.append(web)
    serve("Web")
    for row, name in zip(rows[:2], ("web-restored", "web-restored2"), strict=True):
        service_restore(row, actor=actor_of("alice"))
        assert row.name == name
    for taken in ("WEB", "web-restored", "not a name"):
        with pytest.raises(Invalid) as caught:
            service_restore(rows[2], actor=actor_of("alice"), name=taken)
        assert caught.value.field == "name"
    service_restore(rows[2], actor=actor_of("alice"), name="other")
    assert rows[2].name == "other"


def test_a_stacks_name_that_is_taken_is_no_obstacle(shop: Stack, lab: Environment, actor_of: Any):
    delete(shop, actor_of("alice"))
    stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    with pytest.raises(Invalid):
        stack_restore(shop, actor=actor_of("alice"), name="SHOP")
    stack_restore(shop, actor=actor_of("alice"))
    assert shop.name == "shop-restored"


def test_links_whose_other_end_is_gone_are_named_and_wait_for_it(serve: Any, actor_of: Any):
    web, store = serve("web"), serve("store")
    link_add(web, store, "db", actor=actor_of("alice"))
    for row in (store, web):
        delete(row, actor_of("alice"))
    assert service_restore(web, actor=actor_of("alice")).missing == ["web no longer links to store: that is gone."]
    settle()
    assert service_restore(store, actor=actor_of("alice")).missing == []
    assert links() == [("web", "store", "db")]


def test_a_link_of_that_name_to_something_else_stays(serve: Any, actor_of: Any):
    web, store, other = serve("web"), serve("store"), serve("other")
    link_add(web, store, "db", actor=actor_of("alice"))
    delete(store, actor_of("alice"))
    link_add(web, other, "db", actor=actor_of("alice"))
    assert service_restore(store, actor=actor_of("alice")).missing == ["web links to something else as db now."]
    assert links() == [("web", "other", "db")]


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_change_may_not_restore(serve: Any, actor_of: Any, who: str):
    web = serve("web")
    delete(web, actor_of("alice"))
    with pytest.raises(Forbidden):
        service_restore(web, actor=actor_of(who))
    web.refresh_from_db()
    assert web.removed is not None


def test_what_is_there_or_purged_is_not_restored(serve: Any, actor_of: Any, lab: Environment):
    web = serve("web")
    with pytest.raises(ActionNotAvailable, match="not deleted"):
        service_restore(web, actor=actor_of("alice"))
    delete(web, actor_of("alice"))
    service_act(web, "purge", actor=actor_of("alice"))
    settle()
    reconcile_one("service", web.pk)
    web.refresh_from_db()
    assert deleted_rows(actor_of("alice"), lab.pk) == []
    with pytest.raises(ActionNotAvailable):
        service_restore(web, actor=actor_of("alice"))


def later(row: Stack | Service, days: float) -> None:
    """Move the deletion into the past."""
    type(row).all_objects.filter(pk=row.pk).update(removed=timezone.now() - timedelta(days=days))
    row.refresh_from_db()


@pytest.mark.parametrize(
    ("days", "age", "stays"), [("7", 6.9, True), ("7", 7.1, False), ("0", 0.5, False), ("30", 29, True)]
)
def test_it_can_be_restored_for_as_long_as_the_setting_says(
    serve: Any, actor_of: Any, lab: Environment, days: str, age: float, stays: bool
):
    web = serve("web")
    delete(web, actor_of("alice"))
    later(web, age)
    Setting.objects.create(name=SETTING, value=days)
    assert bool(deleted_rows(actor_of("alice"), lab.pk)) is stays
    if not stays:
        with pytest.raises(ActionNotAvailable, match="over"):
            service_restore(web, actor=actor_of("alice"))
        return
    assert service_restore(web, actor=actor_of("alice")).row == web


@pytest.mark.parametrize(
    ("days", "age", "kept"), [("7", 6, True), ("7", 8, False), ("0", 0.9, True), ("0", 1.1, False)]
)
def test_the_clock_deletes_rows_for_good_when_their_time_is_over(
    serve: Any, actor_of: Any, days: str, age: float, kept: bool
):
    web = serve("web")
    delete(web, actor_of("alice"))
    ServiceRevision.objects.get_or_create(service=web, number=1, defaults={"spec": web.spec})
    later(web, age)
    Setting.objects.create(name=SETTING, value=days)
    delete_expired_rows()
    assert Service.all_objects.filter(pk=web.pk).exists() is kept
    assert ServiceRevision.objects.filter(service=web.pk).exists() is kept


def test_what_is_purged_goes_with_other_removed_rows(serve: Any, actor_of: Any):
    web = serve("web")
    delete(web, actor_of("alice"))
    service_act(web, "purge", actor=actor_of("alice"))
    reconcile_one("service", web.pk)
    later(web, 2)
    delete_expired_rows()
    assert not Service.all_objects.filter(pk=web.pk).exists()


def test_secrets_stay_encrypted_while_they_wait(serve: Any, actor_of: Any):
    web = serve("web")
    delete(web, actor_of("alice"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM stacks_service WHERE id = %s", [web.pk])
        assert "s3cret-value" not in str(cursor.fetchall())
    service_restore(web, actor=actor_of("alice"))
    assert web.config.to_json()["environment"] == {"TOKEN": "s3cret-value"}


NAMES = st.lists(st.sampled_from(["web", "store", "cache", "job"]), min_size=1, max_size=3, unique=True)
CONFIGS = st.fixed_dictionaries(
    {"imageUuid": st.sampled_from(["docker:bb:local", "docker:nginx:1"])},
    optional={
        "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.text("xy ", max_size=4), max_size=2),
        "command": st.lists(st.sampled_from(["sleep", "9"]), min_size=1, max_size=2),
        "labels": st.dictionaries(st.sampled_from(["tier", "zone"]), st.text("ab", min_size=1, max_size=3), max_size=2),
    },
)


class DeletedAndRestored(TestCase):
    """A stack of any shape: deleted and restored, it exports as before."""

    @hypothesis_settings(max_examples=8)
    @given(data=st.data(), names=NAMES)
    def test_it_exports_as_before(self, data: st.DataObject, names: list[str]) -> None:
        owner = User.objects.create(login="owner", name="Owner", kind="admin", desired="active", state="active")
        place = Environment(name="Place", desired="active", state="active")
        place.save()
        assert owner.pk
        stack = stack_create(actor=SYSTEM, environment=place, name="shop")
        made = []
        for name in names:
            config = LaunchConfig.from_wire(data.draw(CONFIGS))
            scale = data.draw(st.integers(0, 3))
            made.append(service_create(actor=SYSTEM, stack=stack, name=name, config=config, scale=scale))
            if len(made) > 1 and data.draw(st.booleans()):
                link_add(made[-1], made[0], data.draw(st.sampled_from(["", "alias"])), actor=SYSTEM)
        settle()
        stack.refresh_from_db()
        before = stack_export(SYSTEM, stack)
        delete(stack, SYSTEM)
        stack_restore(stack, actor=SYSTEM)
        settle()
        assert stack_export(SYSTEM, stack) == before
