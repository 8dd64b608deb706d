"""The page of a service's revisions, going back from it, and the restart dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy


@pytest.fixture
def web(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[[], Service]:
    """A running service with two revisions; calls give it anew, the loop done."""
    bob = actor_of("bob")
    sim.local_images.add("bb:new")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    old = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "environment": {"PIN": "value-one"}})
    new = LaunchConfig.from_wire({"imageUuid": "docker:bb:new", "environment": {"PIN": "value-two"}})
    row = service_create(actor=bob, stack=stack, name="web", config=old, scale=2, start_on_create=True)

    def read() -> Service:
        run_loop()
        row.refresh_from_db()
        return row

    service_upgrade(read(), actor=bob, config=new, strategy=UpgradeStrategy(2, 100), note="faster")
    service_upgrade_step(read(), "finishupgrade", actor=bob)
    return read


def page_of(row: Service) -> str:
    return f"/env/{row.environment_id}/services/{row.pk}"


def test_the_list_says_who_and_what_and_the_difference_hides_values(web: Any, browser_as: Any) -> None:
    row = web()
    shown = browser_as("bob").get(f"{page_of(row)}/revisions").content.decode()
    for text in ("faster", "Bob", "bb:local", "bb:new", "From revision 1 to 2", "Go back", "PIN", "another value"):
        assert text in shown, text
    assert "value-one" not in shown
    assert "value-two" not in shown


@pytest.mark.parametrize("query", ["?from=1&to=2", "?from=x&to=99999999999", "?from=-1&to=7", "?from=²"])
def test_any_two_numbers_give_a_page(web: Any, browser_as: Any, query: str) -> None:
    assert browser_as("bob").get(f"{page_of(web())}/revisions{query}").status_code == 200


def test_the_other_way_round(web: Any, browser_as: Any) -> None:
    shown = browser_as("bob").get(f"{page_of(web())}/revisions?from=2&to=1").content.decode()
    assert "From revision 2 to 1" in shown


def test_going_back_from_the_dialog(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    path = f"{page_of(row)}/revisions/1/return"
    shown = bob.get(path).content.decode()
    for text in ("back to revision 1", "Its own containers are recreated.", "shop_web_1, shop_web_2", "bb:new"):
        assert text in shown, text
    assert 'value="start-first"' in shown
    answer = bob.post(path, {"batchSize": "0", "interval": "0.1", "order": "stop-first", "note": ""})
    assert answer.status_code == 422
    assert "at least 1" in answer.content.decode()
    form = {"batchSize": "2", "interval": "0.1", "order": "stop-first", "note": "too slow"}
    assert bob.post(path, form).status_code in {200, 204, 302}
    row = web()
    assert (row.display_state, row.image, row.revision) == ("upgraded", "bb:local", 3)
    assert "too slow" in bob.get(f"{page_of(row)}/revisions").content.decode()


def test_a_sidekick_s_change_is_shown_under_its_name_and_without_values(
    lab: Environment, host: Host, actor_of: Any, browser_as: Any, run_loop: Callable[[], None]
) -> None:
    bob, bare = actor_of("bob"), {"imageUuid": "docker:bb:local"}
    log = Sidekick("log", LaunchConfig.from_wire({**bare, "environment": {"PIN": "value-one"}}))
    unit = UnitConfig(LaunchConfig.from_wire(bare), (log,))
    stack = stack_create(actor=bob, environment=lab, name="shop")
    row = service_create(actor=bob, stack=stack, name="web", config=unit, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    changed = {**bare, "networkLaunchConfig": "web", "environment": {"PIN": "value-two"}}
    new = Sidekick("log", LaunchConfig.from_wire(changed))
    service_upgrade(row, actor=bob, config=None, sidekicks=[new], strategy=UpgradeStrategy(1, 100))
    run_loop()
    row.refresh_from_db()
    service_upgrade_step(row, "finishupgrade", actor=bob)
    run_loop()
    for path in ("revisions", "revisions/1/return"):
        shown = browser_as("bob").get(f"{page_of(row)}/{path}").content.decode()
        for text in ('<span class="chip">log</span>', "PIN", "<code>web</code>"):
            assert text in shown, (path, text)
        assert "value-" not in shown
        assert "io.rancher" not in shown
    assert 'value="start-first"' not in shown, "it is refused for a service with sidekicks"
    assert "New containers cannot start first" in shown


def test_a_revision_that_is_not_there_is_not_found(web: Any, browser_as: Any) -> None:
    assert browser_as("bob").get(f"{page_of(web())}/revisions/9/return").status_code == 404


def test_going_back_to_what_it_is_already_is_not_offered(web: Any, browser_as: Any) -> None:
    shown = browser_as("bob").get(f"{page_of(web())}/revisions/2/return").content.decode()
    assert "There is no difference." in shown
    assert "are recreated" not in shown


def test_readers_see_the_list_and_cannot_go_back(web: Any, browser_as: Any) -> None:
    row, rita = web(), browser_as("rita")
    assert rita.get(f"{page_of(row)}/revisions").status_code == 200
    for path in ("revisions/1/return", "restart"):
        assert rita.get(f"{page_of(row)}/{path}").status_code == 403
        rita.post(f"{page_of(row)}/{path}", {"batchSize": "1", "interval": "1"})
    assert (web().display_state, web().revision) == ("active", 2)


def test_restart_from_the_dialog(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    assert f"{page_of(row)}/restart" in bob.get(page_of(row)).content.decode()
    assert "a few at a time" in bob.get(f"{page_of(row)}/restart").content.decode()
    refused = bob.post(f"{page_of(row)}/restart", {"batchSize": "two", "interval": "1"})
    assert (refused.status_code, "how many" in refused.content.decode()) == (422, True)
    assert bob.post(f"{page_of(row)}/restart", {"batchSize": "2", "interval": "0.1"}).status_code in {200, 204, 302}
    row.refresh_from_db()
    assert row.display_state == "restarting"
    assert web().display_state == "active"
    assert set(Container.all_objects.filter(removed=None).values_list("restart_mark", flat=True)) == {1}
