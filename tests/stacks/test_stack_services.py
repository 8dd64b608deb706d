"""Stacks and services as people ask for them: names, numbers, metadata, links, and who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.bulk import stack_services_act
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.selectors import service_views, stack_export, stacks_of
from apps.stacks.services import (
    link_add,
    link_remove,
    links_set,
    remove_environment_stacks,
    service_act,
    service_create,
    service_remove,
    service_update,
    stack_create,
    stack_update,
)
from apps.stacks.stack_upgrade import stack_act

CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
BAD_NAMES = {
    "nothing": ("", "MissingRequired"),
    "no text": (7, "MissingRequired"),
    "None": (None, "MissingRequired"),
    "a list": (["web"], "MissingRequired"),
    "64 letters": ("a" * 64, "MaxLengthExceeded"),
    "a blank": ("a b", "InvalidCharacters"),
    "an underscore": ("a_b", "InvalidCharacters"),
    "a dot": ("a.b", "InvalidCharacters"),
    "a dash first": ("-a", "InvalidCharacters"),
    "a dash last": ("a-", "InvalidCharacters"),
    "a line end": ("a\n", "InvalidCharacters"),
    "a letter of elsewhere": ("é", "InvalidCharacters"),
}


@pytest.fixture
def far(actor_of: Any) -> Service:
    """A service of mallory's environment."""
    mallory = actor_of("mallory")
    place = environment_create(actor=mallory, name="Far")
    reconcile_until_idle()
    place.refresh_from_db()
    stack = stack_create(actor=actor_of("mallory"), environment=place, name="theirs")
    return service_create(actor=actor_of("mallory"), stack=stack, name="web", config=CONFIG)


def links_of(row: Service) -> list[tuple[str, str]]:
    return sorted((link.name, link.target.name) for link in ServiceLink.objects.filter(service=row))


@pytest.mark.parametrize(("name", "code"), BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_a_bad_name_is_refused_for_stacks_and_services_alike(
    name: Any, code: str, stack: Stack, lab: Environment, actor_of: Any
):
    for make in (
        lambda: stack_create(actor=actor_of("bob"), environment=lab, name=name),
        lambda: service_create(actor=actor_of("bob"), stack=stack, name=name, config=CONFIG),
    ):
        with pytest.raises(Invalid) as caught:
            make()
        assert (caught.value.field, caught.value.code) == ("name", code)
    assert (Stack.all_objects.count(), Service.all_objects.count()) == (1, 0)


@pytest.mark.parametrize("name", ["a", "7", "a-b", "A-1", "a--b", "a" * 63])
def test_a_good_name_is_taken(name: str, lab: Environment, actor_of: Any):
    row = stack_create(actor=actor_of("bob"), environment=lab, name=name)
    assert service_create(actor=actor_of("bob"), stack=row, name=name, config=CONFIG).name == name


def test_a_name_is_taken_in_its_place_only_and_letter_case_does_not_count(
    serve: Any, stack: Stack, lab: Environment, actor_of: Any, far: Service
):
    serve("web")
    other = stack_create(actor=actor_of("bob"), environment=lab, name="theirs")  # as in the other environment
    serve("WEB", stack=other)
    for make in (lambda: serve("Web"), lambda: stack_create(actor=actor_of("bob"), environment=lab, name="SHOP")):
        with pytest.raises(Invalid, match="already") as caught:
            make()
        assert caught.value.code == "NotUnique"


def test_a_removed_one_s_name_is_free_again(serve: Any, stack: Stack, lab: Environment, actor_of: Any, run_loop: Any):
    service_remove(serve("web"), actor=actor_of("bob"))
    reconcile_until_idle()
    serve("web")
    stack_act(stack, "remove", actor=actor_of("alice"))
    run_loop()
    assert stack_create(actor=actor_of("alice"), environment=lab, name="shop").pk != stack.pk


def test_a_name_may_be_changed_to_itself_and_not_to_another_s(serve: Any, stack: Stack, actor_of: Any):
    web, other = serve("web"), serve("db")
    service_update(web, actor=actor_of("bob"), name="WEB")
    stack_update(stack, actor=actor_of("bob"), name="Shop", description="d")
    reconcile_until_idle()
    web.refresh_from_db()
    stack.refresh_from_db()
    assert (web.name, stack.name, stack.description) == ("WEB", "Shop", "d")
    with pytest.raises(Invalid, match="already"):
        service_update(other, actor=actor_of("bob"), name="web")
    with pytest.raises(Invalid):
        stack_update(stack, actor=actor_of("bob"), name="no good")


@pytest.mark.parametrize(
    ("scale", "code"),
    [
        (-1, "MinLimitExceeded"),
        (1001, "MaxLimitExceeded"),
        (True, "InvalidFormat"),
        (None, "InvalidFormat"),
        ("2", "InvalidFormat"),
        (1.5, "InvalidFormat"),
        (2.0, "InvalidFormat"),
    ],
)
def test_a_scale_out_of_bounds_is_refused(scale: Any, code: str, serve: Any):
    with pytest.raises(Invalid) as caught:
        serve(scale=scale)
    assert (caught.value.field, caught.value.code) == ("scale", code)
    assert not Service.all_objects.exists()


@pytest.mark.parametrize("scale", [0, 1, 1000])
def test_a_scale_within_bounds_is_taken_at_once_and_later(scale: int, serve: Any, actor_of: Any):
    row = serve(scale=scale)
    assert row.scale == scale
    service_update(row, actor=actor_of("bob"), scale=1000 - scale)
    row.refresh_from_db()
    assert row.scale == 1000 - scale


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ([], "InvalidFormat"),
        ("x", "InvalidFormat"),
        (7, "InvalidFormat"),
        ({"a": "x" * 1024 * 1024}, "MaxLimitExceeded"),
    ],
    ids=["list", "text", "number", "too much"],
)
def test_bad_metadata_is_refused_at_once_and_later(metadata: Any, code: str, serve: Any, actor_of: Any):
    with pytest.raises(Invalid) as caught:
        serve(metadata=metadata)
    assert (caught.value.field, caught.value.code) == ("metadata", code)
    row = serve(metadata={"kept": [1, {"a": None}]})
    with pytest.raises(Invalid):
        service_update(row, actor=actor_of("bob"), metadata=metadata)
    row.refresh_from_db()
    assert row.metadata == {"kept": [1, {"a": None}]}


def test_what_an_update_does_not_name_stays(serve: Any, actor_of: Any):
    row = serve(scale=3, description="first", metadata={"a": 1})
    service_update(row, actor=actor_of("bob"), description="second", scale=None, image="other", spec={})
    row.refresh_from_db()
    assert (row.scale, row.description, row.metadata) == (3, "second", {"a": 1})
    assert (row.image, row.config) == ("bb:local", CONFIG)


@pytest.mark.parametrize("action", ["update", "activate", "remove"])
def test_a_readonly_member_asks_for_nothing(action: str, serve: Any, stack: Stack, actor_of: Any, lab: Environment):
    row, rita = serve(), actor_of("rita")
    requests: dict[str, Callable[[], Any]] = {
        "update": lambda: service_update(row, actor=rita, scale=2),
        "activate": lambda: stack_services_act(stack, "activate", actor=rita),
        "remove": lambda: stack_act(stack, "remove", actor=rita),
    }
    with pytest.raises(Forbidden):
        requests[action]()
    row.refresh_from_db()
    assert (row.scale, row.desired) == (1, "inactive")


def test_a_non_member_creates_nothing_here(stack: Stack, lab: Environment, actor_of: Any):
    for make in (
        lambda: stack_create(actor=actor_of("mallory"), environment=lab, name="x"),
        lambda: service_create(actor=actor_of("mallory"), stack=stack, name="x", config=CONFIG),
        lambda: stack_services_act(stack, "activate", actor=actor_of("mallory")),
    ):
        with pytest.raises(Forbidden):
            make()
    assert (Stack.all_objects.count(), Service.all_objects.count()) == (1, 0)


def test_every_service_that_is_not_there_yet_is_activated_and_deactivated(
    serve: Any, stack: Stack, actor_of: Any, host: Any, run_loop: Any
):
    rows = [serve("a", scale=0), serve("b", scale=0, start_on_create=True)]
    gone = serve("c")
    service_remove(gone, actor=actor_of("bob"))
    reconcile_until_idle()
    for action, state in (("activate", "active"), ("deactivate", "inactive"), ("deactivate", "inactive")):
        stack_services_act(stack, action, actor=actor_of("bob"))
        run_loop()
        for row in rows:
            row.refresh_from_db()
        assert [row.display_state for row in rows] == [state, state]
    gone.refresh_from_db()
    assert gone.display_state == "removed"


def test_what_is_to_be_decided_first_is_left_as_it_is_with_the_reason(
    serve: Any, stack: Stack, actor_of: Any, host: Any, run_loop: Any
):
    web, other = serve("web", start_on_create=True), serve("other", start_on_create=True)
    run_loop()
    Service.all_objects.filter(pk=web.pk).update(state="upgraded")
    (left,) = stack_services_act(stack, "deactivate", actor=actor_of("bob"))
    assert left.startswith("web: Not possible while it is upgraded. ")
    run_loop()
    other.refresh_from_db()
    assert other.display_state == "inactive"
    Service.all_objects.filter(pk=web.pk).update(state="upgraded")
    with pytest.raises(ActionNotAvailable, match="web: Not possible while it is"):
        stack_services_act(stack, "deactivate", actor=actor_of("bob"))


def test_an_action_that_a_service_does_not_have_now_is_refused(serve: Any, actor_of: Any):
    row = serve()
    for action in ("deactivate", "purge"):
        with pytest.raises(ActionNotAvailable):
            service_act(row, action, actor=actor_of("alice"))


def test_links_are_replaced_as_a_whole(serve: Any, actor_of: Any):
    web, db, cache = serve("web"), serve("db"), serve("cache")
    links_set(web, [(db, "mysql"), (cache, "")], actor=actor_of("bob"))
    assert links_of(web) == [("cache", "cache"), ("mysql", "db")]
    links_set(web, [(cache, "redis")], actor=actor_of("bob"))
    assert links_of(web) == [("redis", "cache")]
    links_set(web, [], actor=actor_of("bob"))
    assert links_of(web) == []


def test_a_link_s_name_points_at_one_service(serve: Any, actor_of: Any):
    web, db, cache = serve("web"), serve("db"), serve("cache")
    for _twice in range(2):
        link_add(web, db, "store", actor=actor_of("bob"))
    for name in ("store", "Store"):
        with pytest.raises(Invalid, match=f"Two links are called '{name}'") as caught:
            link_add(web, cache, name, actor=actor_of("bob"))
        assert (caught.value.field, caught.value.code) == ("serviceLink", "NotUnique")
    link_add(web, cache, "", actor=actor_of("bob"))
    assert links_of(web) == [("cache", "cache"), ("store", "db")]


def test_unlinking_takes_one_name_or_every_name_of_a_service(serve: Any, actor_of: Any):
    web, db, cache = serve("web"), serve("db"), serve("cache")
    links_set(web, [(db, "a"), (db, "b"), (db, "c"), (cache, "d")], actor=actor_of("bob"))
    link_remove(web, db, "a", actor=actor_of("bob"))
    assert [name for name, _ in links_of(web)] == ["b", "c", "d"]
    link_remove(web, cache, "b", actor=actor_of("bob"))  # that name is db's
    assert [name for name, _ in links_of(web)] == ["b", "c", "d"]
    link_remove(web, db, "", actor=actor_of("bob"))
    assert links_of(web) == [("d", "cache")]


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_operate_links_nothing(who: str, serve: Any, actor_of: Any):
    web, db = serve("web"), serve("db")
    link_add(web, db, "kept", actor=actor_of("rex"))
    for change in (
        lambda: links_set(web, [], actor=actor_of(who)),
        lambda: link_add(web, db, "x", actor=actor_of(who)),
        lambda: link_remove(web, db, "", actor=actor_of(who)),
    ):
        with pytest.raises(Forbidden):
            change()
    assert links_of(web) == [("kept", "db")]


def test_what_is_gone_or_elsewhere_cannot_be_linked_to(serve: Any, far: Service, actor_of: Any):
    web, gone = serve("web"), serve("gone")
    service_remove(gone, actor=actor_of("bob"))
    for target in (far, gone):
        for change in (
            lambda target=target: link_add(web, target, "x", actor=actor_of("bob")),
            lambda target=target: links_set(web, [(target, "x")], actor=actor_of("bob")),
        ):
            with pytest.raises(Invalid) as caught:
                change()
            assert (caught.value.field, caught.value.code) == ("serviceId", "InvalidReference")
    assert links_of(web) == []


def test_one_bad_link_leaves_the_old_ones(serve: Any, actor_of: Any):
    web, db = serve("web"), serve("db")
    link_add(web, db, "kept", actor=actor_of("bob"))
    with pytest.raises(Invalid, match="at most 253"):
        links_set(web, [(db, "fine"), (db, "x" * 256)], actor=actor_of("bob"))
    assert links_of(web) == [("kept", "db")]


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [(("db", "x"), ("cache", "x"), "x"), (("db", ""), ("cache", "db"), "db"), (("db", ""), ("db", ""), "db")],
    ids=["both named", "one by its service", "the same twice"],
)
def test_two_links_of_one_name_are_refused_and_the_old_ones_stay(
    first: tuple[str, str], second: tuple[str, str], name: str, serve: Any, actor_of: Any
):
    web, others = serve("web"), {"db": serve("db"), "cache": serve("cache")}
    link_add(web, others["db"], "kept", actor=actor_of("bob"))
    with pytest.raises(Invalid, match=f"Two links are called '{name}'") as caught:
        links_set(web, [(others[first[0]], first[1]), (others[second[0]], second[1])], actor=actor_of("bob"))
    assert (caught.value.field, caught.value.code) == ("serviceLinks", "NotUnique")
    assert links_of(web) == [("kept", "db")]
    assert not AuditEntry.all_objects.filter(event="service.setservicelinks").exists()


def test_a_service_may_be_linked_under_two_names(serve: Any, actor_of: Any):
    web, db = serve("web"), serve("db")
    links_set(web, [(db, ""), (db, "store")], actor=actor_of("bob"))
    assert links_of(web) == [("db", "db"), ("store", "db")]


def test_every_change_of_links_is_in_the_audit_log(serve: Any, actor_of: Any, people: Any):
    web, db = serve("web"), serve("db")
    links_set(web, [(db, "a")], actor=actor_of("bob"))
    link_add(web, db, "b", actor=actor_of("rex"))
    link_remove(web, db, "a", actor=actor_of("alice"))
    entries = AuditEntry.all_objects.filter(kind="service", target=web.pk, event__contains="link").order_by("pk")
    assert [(row.event, row.account) for row in entries] == [
        ("service.setservicelinks", people.bob),
        ("service.addservicelink", people.rex),
        ("service.removeservicelink", people.alice),
    ]
    assert entries[0].request == {"serviceLinks": [{"service": "db", "name": "a"}]}
    assert {row.environment_id for row in entries} == {web.environment_id}


def test_stacks_are_listed_to_readers(stack: Stack, far: Service, lab: Environment, actor_of: Any):
    for who, seen in (("rita", [stack]), ("alice", [stack]), ("mallory", [])):
        assert list(stacks_of(actor_of(who), lab.pk)) == seen
    assert list(stacks_of(actor_of("mallory"), far.environment_id)) == [far.stack]


def test_a_stack_goes_out_as_files_to_those_who_may_see_values(serve: Any, stack: Stack, actor_of: Any):
    web, db = serve("web", scale=2), serve("db", description="the store")
    link_add(web, db, "mysql", actor=actor_of("bob"))
    docker, rancher = stack_export(actor_of("bob"), stack)
    assert docker.index("db:") < docker.index("web:")
    assert "- db:mysql" in docker
    assert "description: the store" in rancher
    only, _rancher = stack_export(actor_of("bob"), stack, [db.pk])
    assert "web" not in only
    for who in ("rita", "mallory"):
        with pytest.raises(Forbidden):
            stack_export(actor_of(who), stack)


def test_views_cost_the_same_for_one_service_and_for_many(serve: Any, actor_of: Any, django_assert_num_queries: Any):
    rows = [serve(name) for name in ("a", "b", "c")]
    link_add(rows[0], rows[1], "", actor=actor_of("bob"))
    for some in (rows[:1], rows):
        with django_assert_num_queries(2):
            views = service_views(some)
        assert [view.service for view in views] == some
    assert [link.target.name for link in views[0].links] == ["b"]
    assert (views[0].running, views[0].endpoints) == (0, [])


def test_removing_an_environment_removes_its_own_stacks_only(
    stack: Stack, far: Service, lab: Environment, actor_of: Any
):
    stack_create(actor=actor_of("alice"), environment=lab, name="other")
    assert [remove_environment_stacks(lab.pk), remove_environment_stacks(lab.pk)] == [2, 2]
    reconcile_until_idle()
    assert remove_environment_stacks(lab.pk) == 0
    far.stack.refresh_from_db()
    assert not far.stack.removal_requested
