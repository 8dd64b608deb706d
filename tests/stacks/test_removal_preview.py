"""What hangs on something that is about to be deleted, and how many queries it takes to say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.console.components.removal_sections import removal_sections
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Invalid
from apps.environments.models import Environment, OpenSocket
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.removal_preview import IncomingLink, MountedVolume, removal_preview, scale_down_preview
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import link_add, service_create, service_update, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.webhooks.services import deploy_webhook_act, deploy_webhook_create

CONFIG = {"imageUuid": "docker:bb:local", "ports": ["80/tcp"]}
UNNAMED = "0" * 64


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A stack without services."""
    return stack_create(actor=actor_of("alice"), environment=lab, name="shop")


@pytest.fixture
def serve(shop: Stack, actor_of: Any) -> Callable[..., Service]:
    """Creates a service of the stack that runs."""

    def make(name: str, stack: Stack = shop, **more: Any) -> Service:
        config = LaunchConfig.from_wire(CONFIG)
        more = {"config": config, "start_on_create": True, **more}
        row = service_create(actor=actor_of("alice"), stack=stack, name=name, **more)
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make


def mount(row: Service, *names: str) -> None:
    """Have the engine report volumes of a service's containers."""
    mounts = [{"kind": "volume", "name": name, "target": "/data"} for name in names]
    for container in Container.all_objects.filter(spread_key=str(row.uuid)):
        Container.all_objects.filter(pk=container.pk).update(status={**container.status, "mounts": mounts})


def open_socket(row: Container, verb: str, **more: Any) -> None:
    columns = {"environment": row.environment_id, "kind": "container", "target": row.pk, **more}
    OpenSocket.objects.create(process="p", verb=verb, permission="exec", **columns)


def test_links_and_aliases_of_others_are_lost(serve: Any, shop: Stack, lab: Environment, actor_of: Any):
    web, db = serve("web"), serve("db")
    other = stack_create(actor=actor_of("alice"), environment=lab, name="tools")
    report = serve("report", stack=other)
    alias = serve("store", config=LaunchConfig(), options=ServiceOptions(kind="dnsService"))
    for row, name in ((web, "database"), (report, "db"), (alias, "")):
        link_add(row, db, name, actor=actor_of("alice"))
    assert ServiceLink.objects.count() == 3
    found = removal_preview(db)
    assert found.links == (IncomingLink("report", "tools", "db"), IncomingLink("web", "shop", "database"))
    assert found.aliases == (IncomingLink("store", "shop", "db"),)
    assert removal_preview(shop).links == (IncomingLink("report", "tools", "db"),)  # the others go with the stack
    assert removal_preview(web).links == ()


def test_ports_volumes_and_containers_of_a_service(serve: Any, host: Host):
    web = serve("web", scale=2)
    mount(web, "orders", UNNAMED)
    found = removal_preview(web)
    assert found.containers == ("shop_web_1", "shop_web_2")
    assert found.services == (("web", 2),)
    assert len(found.ports) == 2
    assert found.volumes == (
        MountedVolume("orders", host.name, is_kept=True),
        MountedVolume("shop_web_1:/data", host.name, is_kept=False),
        MountedVolume("shop_web_2:/data", host.name, is_kept=False),
    )
    assert {volume.size for volume in found.volumes} == {None}


@pytest.mark.parametrize("with_sidekick", [True, False], ids=["a sidekick", "the primary container"])
def test_old_containers_that_are_kept_have_another_line(
    serve: Any, actor_of: Any, run_loop: Callable[[], None], *, with_sidekick: bool
):
    config, changed = LaunchConfig.from_wire(CONFIG), LaunchConfig.from_wire({**CONFIG, "labels": {"a": "b"}})
    web = serve("web", config=UnitConfig(config, (Sidekick("log", config),)) if with_sidekick else config)
    upgraded = {"config": None, "sidekicks": (Sidekick("log", changed),)} if with_sidekick else {"config": changed}
    service_upgrade(web, actor=actor_of("alice"), strategy=UpgradeStrategy(2, 100), **upgraded)
    run_loop()
    web.refresh_from_db()
    assert web.display_state == "upgraded"
    name = "sidekick shop_web_log_1" if with_sidekick else "container shop_web_1"
    found = removal_preview(web)
    lines = removal_sections(web, found)[0].lines
    assert [line for line in lines if line.startswith(name)] == [name, f"{name} (old, kept for a rollback)"]
    assert found.kept == (name.split()[1],)


def test_open_shells_and_log_streams_are_counted_while_their_process_lives(serve: Any, lab: Environment):
    web = serve("web")
    container = Container.all_objects.get(spread_key=str(web.uuid))
    open_socket(container, "exec")
    open_socket(container, "logs")
    open_socket(container, "logs")
    open_socket(container, "logs", seen=timezone.now() - 2 * OpenSocket.STALE)
    open_socket(container, "exec", target=container.pk + 1)
    for row in (web, web.stack, container, container.host):
        found = removal_preview(row)
        assert (found.shells, found.log_streams) == (1, 2), row
    assert removal_preview(lab).shells == 2


def test_what_is_under_way_is_named(serve: Any, shop: Stack, actor_of: Any):
    web = serve("web")
    service_update(web, actor=actor_of("alice"), scale=2)
    for row in (web, shop):
        assert [(each.name, each.target) for each in removal_preview(row).operations] == [("service.update", "web")]
    reconcile_until_idle()
    reconcile_one("service", web.pk)
    assert removal_preview(web).operations == ()


def test_a_host_keeps_what_runs_on_it(serve: Any, host: Host):
    mount(serve("web", scale=2), "orders", UNNAMED)
    found = removal_preview(host)
    assert found.services == (("shop/web", 2),)
    assert all(volume.is_kept for volume in found.volumes)
    assert found.must_type_name


def test_an_environment_names_stacks_and_hosts(serve: Any, lab: Environment, host: Host):
    serve("web")
    found = removal_preview(lab)
    assert (found.stacks, found.hosts, found.containers) == (("shop",), (host.name,), ("shop_web_1",))
    assert found.must_type_name


def test_only_a_stack_with_volumes_is_heavy(serve: Any, shop: Stack):
    web = serve("web")
    assert not removal_preview(shop).must_type_name
    mount(web, "orders")
    assert removal_preview(shop).must_type_name
    assert not removal_preview(web).must_type_name


def test_deploy_webhooks_go_with_their_service(serve: Any, shop: Stack, actor_of: Any):
    web = serve("web")
    for name, gone in (("deploy", False), ("old", True)):
        row = deploy_webhook_create(actor=actor_of("alice"), service=web, name=name, task="redeploy").row
        if gone:
            deploy_webhook_act(row, "remove", actor=actor_of("alice"))
    serve("db")
    assert removal_preview(shop).webhooks == removal_preview(web).webhooks == ("web: deploy",)
    assert scale_down_preview(web, 0).webhooks == ()
    lines = [line for section in removal_sections(web, removal_preview(web)) for line in section.lines]
    assert "deploy webhook web: deploy" in lines


def test_a_smaller_scale_takes_the_containers_with_the_highest_numbers(serve: Any):
    web = serve("web", scale=3)
    assert scale_down_preview(web, 1).containers == ("shop_web_2", "shop_web_3")
    assert scale_down_preview(web, 3).containers == ()
    with pytest.raises(Invalid):
        scale_down_preview(web, -1)


def test_services_that_find_it_by_a_selector_are_named(serve: Any, shop: Stack):
    labels = {"imageUuid": "docker:bb:local", "labels": {"tier": "front"}}
    web = serve("web", config=LaunchConfig.from_wire(labels))
    serve("probe", options=ServiceOptions(selector_link="tier=front"))
    group = {"config": LaunchConfig.from_wire({"imageUuid": "docker:rancher/none"})}
    serve("group", options=ServiceOptions(selector_container="tier in (front, back)"), **group)
    serve("other", options=ServiceOptions(selector_link="tier=back", selector_container="tier=back"), **group)
    link = IncomingLink("probe", "shop", "web")
    found = removal_preview(web)
    assert (found.links, found.selectors) == ((link,), ("shop/group",))
    ServiceLink.objects.all().delete()  # as before the other one is reconciled
    assert removal_preview(web).links == (link,)
    assert (removal_preview(shop).links, removal_preview(shop).selectors) == ((), ())
    text = str(removal_sections(web, found))
    assert "shop/probe, as web" in text
    assert "shop/group, whose selector finds its containers" in text


def test_as_many_queries_for_many_services_as_for_one(serve: Any, shop: Stack, host: Host, lab: Environment):
    def counts() -> list[int]:
        found = []
        for row in (shop, host, lab, Service.all_objects.get(name="web")):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                removal_preview(row)
            found.append(len(queries))
        return found

    serve("web")
    before = counts()
    for number in range(3):
        serve(f"more-{number}", scale=2)
    assert counts() == before
