"""Sidekicks in the forms that add, clone and upgrade a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from apps.console.stacks.sidekick_form import SidekickForm
from apps.containers.launch.config import LaunchConfig
from apps.environments.models import Environment, Member
from apps.environments.services import member_change, role_create
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from tests.console.form_page import FormPage

IMAGE = {"imageUuid": "docker:bb:local"}
BLANK = dict.fromkeys(
    ("Name", "Was", "Image", "Command", "Env", "Ports", "Volumes", "Network", "VolumesFrom", "Runs"), ""
)
LOG = {**BLANK, "Name": "log", "Image": "bb:local", "Network": "web", "Command": "tail -f '/a b'", "Env": "A=1"}
DATA = {**BLANK, "Name": "data", "Image": "bb:local", "Volumes": "files:/data /tmp/x", "Runs": "once"}


@pytest.fixture
def stack(lab: Environment, host: Host, actor_of: Any) -> Stack:
    return stack_create(actor=actor_of("bob"), environment=lab, name="shop")


@pytest.fixture
def service(stack: Stack, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    log = LaunchConfig.from_wire(
        {**IMAGE, "networkLaunchConfig": "web", "environment": {"A": "secret-word"}, "oomScoreAdj": 5}
    )
    primary = LaunchConfig.from_wire(
        {**IMAGE, "dataVolumesFromLaunchConfigs": ["data"], "labels": {"io.rancher.sidekicks": "log,data"}}
    )
    row = service_create(
        actor=actor_of("bob"),
        stack=stack,
        name="web",
        config=UnitConfig(primary, (Sidekick("log", log), Sidekick("data", LaunchConfig.from_wire(IMAGE)))),
        start_on_create=True,
    )
    run_loop()
    return row


def page_of(browser: Client, url: str) -> FormPage:
    answer = browser.get(url)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return FormPage(answer.content.decode())


def url(row: Service, action: str) -> str:
    return f"/env/{row.environment_id}/services/{row.pk}/{action}"


def test_a_service_is_added_with_its_sidekicks(stack: Stack, browser_as: Any) -> None:
    browser, address = browser_as("bob"), f"/env/{stack.environment_id}/stacks/{stack.pk}/services/new"
    form = page_of(browser, address)
    form.set("name", "web")
    form.set("image", "bb:local")
    form.set("unitVolumesFrom", "data")
    form.add_row("sidekick", **LOG)
    form.add_row("sidekick", **DATA)
    preview = browser.post(f"/env/{stack.environment_id}/services/preview", form.data()).content.decode()
    assert "io.rancher.sidekicks: log,data" in preview
    assert browser.post(address, form.data()).status_code in {204, 302}
    row = Service.all_objects.get(name="web")
    log, data = row.sidekicks
    assert row.config.data_volumes_from_launch_configs == ("data",)
    assert (log.config.network_launch_config, log.config.command) == (PRIMARY, ("tail", "-f", "/a b"))
    assert log.config.environment == {"A": "1"}
    assert [str(each) for each in data.config.data_volumes] == ["files:/data", "/tmp/x"]
    assert data.config.labels == {"io.rancher.container.start_once": "true"}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"Image": ""}, "Name an image for the sidekick log"),
        ({"Command": "echo 'x"}, "quotation mark"),
        ({"Env": "nonsense"}, "write KEY=value"),
        ({"Network": "nobody"}, "There is no &#x27;nobody&#x27;"),
        ({"VolumesFrom": "log"}, "wait for each other"),
        ({"Ports": "80:many"}, "many"),
        ({"Volumes": "here:there:and:every:where"}, "where"),
        ({"Name": "web"}, "there twice"),
        ({"Image": "UPPER CASE"}, "UPPER CASE"),
    ],
)
def test_a_mistake_is_named_and_what_was_typed_stays(
    stack: Stack, browser_as: Any, row: dict[str, str], text: str
) -> None:
    browser, address = browser_as("bob"), f"/env/{stack.environment_id}/stacks/{stack.pk}/services/new"
    form = page_of(browser, address)
    form.set("name", "web")
    form.set("image", "bb:local")
    form.add_row("sidekick", **{**LOG, **row})
    answer = browser.post(address, form.data())
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert FormPage(answer.content.decode()).data()["sidekickCommand"] == [{**LOG, **row}["Command"]]
    assert not Service.all_objects.filter(name="web").exists()


def test_a_clone_has_sidekicks_of_new_names_that_refer_to_each_other(service: Service, browser_as: Any) -> None:
    browser = browser_as("alice")
    form = page_of(browser, url(service, "clone"))
    assert form.values("sidekickName") == ["log-copy", "data-copy"]
    assert form.values("sidekickNetwork") == ["web-copy", ""]
    form.set("name", "front")
    assert browser.post(url(service, "clone"), form.data()).status_code in {204, 302}
    made = Service.all_objects.get(name="front")
    log, data = made.sidekicks
    assert (log.name, log.config.network_launch_config, data.name) == ("log-copy", PRIMARY, "data-copy")
    assert made.config.data_volumes_from_launch_configs == ("data-copy",)
    assert (log.config.environment, log.config.to_wire()["oomScoreAdj"]) == ({"A": "secret-word"}, 5)


def test_a_copy_by_who_may_not_see_values_has_none(
    service: Service, browser_as: Any, people: Any, actor_of: Any
) -> None:
    role_create(actor=actor_of("root"), name="operator", permissions=["view", "operate"])
    member = Member.objects.get(environment=service.environment, account=people.rex)
    identity = (member.identity_type, member.identity)
    member_change(service.environment, identity, "operator", actor=actor_of("alice"))
    form = page_of(browser_as("rex"), url(service, "clone"))
    form.set("name", "front")
    assert browser_as("rex").post(url(service, "clone"), form.data()).status_code in {204, 302}
    made = Service.all_objects.get(name="front")
    assert [each.config.environment for each in made.sidekicks] == [{}, {}]
    assert made.config.environment == {}


def upgraded(browser: Client, row: Service, form: FormPage, run_loop: Callable[[], None]) -> Service:
    answer = browser.post(url(row, "upgrade"), form.data())
    assert answer.status_code in {204, 302}, answer.content.decode()[:3000]
    run_loop()
    row.refresh_from_db()
    return row


def test_an_upgrade_changes_one_sidekick_and_leaves_the_rest(
    service: Service, browser_as: Any, run_loop: Callable[[], None], sim: Any
) -> None:
    sim.local_images.add("bb:new")
    browser = browser_as("bob")
    form = page_of(browser, url(service, "upgrade"))
    assert form.values("sidekickName") == ["log", "data"]
    form.set("sidekickImage", "bb:new")
    row = upgraded(browser, service, form, run_loop)
    log, data = row.sidekicks
    assert (log.config.image, log.version, data.version, row.current_version) == ("bb:new", 2, 1, 1)
    assert log.config.to_wire()["oomScoreAdj"] == 5
    assert log.config.environment == {"A": "secret-word"}


def test_an_upgrade_adds_and_takes_away_sidekicks(
    service: Service, browser_as: Any, run_loop: Callable[[], None]
) -> None:
    browser = browser_as("bob")
    form = page_of(browser, url(service, "upgrade"))
    form.take_row("sidekick", 0)
    form.add_row("sidekick", **{**BLANK, "Name": "proxy", "Image": "bb:local", "Network": "web"})
    row = upgraded(browser, service, form, run_loop)
    assert [(each.name, each.version) for each in row.sidekicks] == [("data", 1), ("proxy", 2)]
    assert row.config.labels == {"io.rancher.sidekicks": "data,proxy"}
    assert row.current_version == 1


def test_an_upgrade_without_changes_replaces_the_service_s_own_containers(
    service: Service, browser_as: Any, run_loop: Callable[[], None]
) -> None:
    browser = browser_as("bob")
    row = upgraded(browser, service, page_of(browser, url(service, "upgrade")), run_loop)
    assert ([each.version for each in row.sidekicks], row.current_version) == ([1, 1], 2)


def test_a_client_that_knows_no_sidekicks_loses_none(
    service: Service, browser_as: Any, run_loop: Callable[[], None]
) -> None:
    form = page_of(browser_as("bob"), url(service, "upgrade"))
    form.fields = [(name, value) for name, value in form.fields if not name.startswith(("sidekick", "unit"))]
    row = upgraded(browser_as("bob"), service, form, run_loop)
    assert [each.name for each in row.sidekicks] == ["log", "data"]


def test_variables_that_somebody_may_not_see_stay(service: Service) -> None:
    form = SidekickForm.of(service, can_see_values=False)
    rows = form.values()["sidekickRows"]
    assert [row["Env"] for row in rows] == ["", ""]
    sent = QueryDict(mutable=True)
    sent["name"] = sent["unitService"] = service.name
    sent["unitVolumesFrom"] = "data"
    for row in rows:
        for part, text in {**row, "Command": "sleep 9"}.items():
            sent.appendlist(f"sidekick{part}", text)
    log, _data = form.parse(sent)
    assert (log.config.environment, log.config.command) == ({"A": "secret-word"}, ("sleep", "9"))


def test_a_taken_name_is_shown_where_it_was_typed(service: Service, browser_as: Any) -> None:
    new = f"/env/{service.environment_id}/stacks/{service.stack_id}/services/new"
    rows = {f"sidekick{part}": [text] for part, text in {**BLANK, "Name": "log", "Image": "bb:local"}.items()}
    sent = {"name": "api", "scale": "1", "image": "bb:local", "unitNetwork": "", "unitVolumesFrom": ""}
    for fields, in_rows in (({**sent, **rows}, True), ({**sent, "name": "log"}, False)):
        answer = browser_as("bob").post(new, fields, headers={"HX-Request": "true"})
        assert answer.status_code == 422
        errors = answer.context["errors"]
        assert list(errors) == ["sidekicks" if in_rows else "name"]
        assert "has a sidekick 'log' already" in next(iter(errors.values()))
