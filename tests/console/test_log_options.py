"""Options of log drivers in the console: shown, and kept by an upgrade, as values of variables are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment, Member
from apps.environments.services import member_change, role_create
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.console.form_page import FormPage

TOKEN = "hunter2-hunter2"


@pytest.fixture
def service(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, people: Any, run_loop: Callable[[], None]
) -> Service:
    """A running service; rex may operate it and see no values."""
    sim.local_images.add("bb:new")
    role_create(actor=actor_of("root"), name="operator", permissions=["view", "operate"])
    member = Member.objects.get(environment=lab, account=people.rex)
    member_change(lab, (member.identity_type, member.identity), "operator", actor=actor_of("alice"))
    wire = {"imageUuid": "docker:bb:local", "logConfig": {"driver": "json-file", "config": {"tag": TOKEN}}}
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire(wire)
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    return row


def test_forms_show_them_to_those_who_see_values_and_an_upgrade_keeps_them(
    service: Service, browser_as: Any, run_loop: Callable[[], None]
) -> None:
    at = f"/env/{service.environment_id}/services/{service.pk}"
    for who, is_shown in (("bob", True), ("rex", False)):
        for page in ("upgrade", "clone"):
            answer = browser_as(who).get(f"{at}/{page}")
            assert answer.status_code == 200
            assert (TOKEN in answer.content.decode()) is is_shown, (who, page)
    form = FormPage(browser_as("rex").get(f"{at}/upgrade").content.decode())
    form.set("image", "bb:new")
    assert browser_as("rex").post(f"{at}/upgrade", form.data()).status_code in {200, 204, 302}
    run_loop()
    service.refresh_from_db()
    assert service.image == "bb:new"
    assert service.config.log_config is not None
    assert service.config.log_config.config == {"tag": TOKEN}


def test_a_comparison_of_revisions_shows_that_they_changed_and_not_to_what(
    service: Service, browser_as: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    later = LaunchConfig.from_wire(
        {"imageUuid": "docker:bb:local", "logConfig": {"driver": "json-file", "config": {"tag": "letmein-letmein"}}}
    )
    service_upgrade(service, actor=actor_of("bob"), config=later, strategy=UpgradeStrategy())
    page = browser_as("bob").get(f"/env/{service.environment_id}/services/{service.pk}/revisions").content.decode()
    assert "********" in page
    assert TOKEN not in page
    assert "letmein" not in page
