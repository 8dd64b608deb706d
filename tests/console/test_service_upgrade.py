"""The upgrade form: filled in, only what was changed is changed, and the decision afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import QueryDict

from apps.console.containers.launch_form import changed_config, config_to_form
from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create

FULL = LaunchConfig.from_wire(
    {
        "imageUuid": "docker:bb:local",
        "environment": {"A": "1"},
        "ports": ["8080:80"],
        "logConfig": {"driver": "json-file", "config": {"max-size": "1m"}},
        "restartPolicy": {"name": "on-failure", "maximumRetryCount": 3},
        "oomScoreAdj": 5,
        "labels": {"tier": "front"},
    }
)


def sent(config: LaunchConfig, **changes: str) -> QueryDict:
    """The form as a browser sends it back, with a few fields changed."""
    form = QueryDict(mutable=True)
    values = config_to_form(config)
    for public, private, protocol in values.pop("portRows"):
        form.appendlist("portPublic", str(public))
        form.appendlist("portPrivate", str(private))
        form.appendlist("portProtocol", protocol)
    for name, value in {**{k: v for k, v in values.items() if v}, **changes}.items():
        form[name] = "on" if value is True else str(value)
    return form


def test_what_was_not_changed_stays_even_where_the_form_shows_a_part() -> None:
    made = changed_config(FULL, config_to_form(FULL), sent(FULL, image="bb:new"))
    assert made.to_wire() == {**FULL.to_wire(), "imageUuid": "docker:bb:new"}


def test_a_field_is_emptied() -> None:
    assert changed_config(FULL, config_to_form(FULL), sent(FULL, labels="")).labels == {}


def test_variables_that_were_not_shown_stay() -> None:
    shown = {name: value for name, value in config_to_form(FULL).items() if name != "env"}
    form = sent(FULL, image="bb:new")
    del form["env"]
    assert changed_config(FULL, shown, form).environment == {"A": "1"}


def test_a_mistake_is_refused() -> None:
    with pytest.raises(Invalid):
        changed_config(FULL, config_to_form(FULL), sent(FULL, memory="lots"))


@pytest.fixture
def web(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[[], Service]:
    """A running service; calls give it anew, the loop done."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=2, start_on_create=True)

    def read() -> Service:
        run_loop()
        row.refresh_from_db()
        return row

    return read


STRATEGY = {"batchSize": "2", "interval": "0.1", "order": "stop-first"}


def test_upgrade_in_the_console_and_finish(web: Any, browser_as: Any) -> None:
    row = web()
    bob = browser_as("bob")
    page = f"/env/{row.environment_id}/services/{row.pk}"
    assert b"bb:local" in bob.get(f"{page}/upgrade").content
    answer = bob.post(f"{page}/upgrade", {"image": "bb:new", "check": "none", **STRATEGY})
    assert answer.status_code in {200, 204, 302}
    row = web()
    assert (row.display_state, row.image) == ("upgraded", "bb:new")
    shown = bob.get(page).content.decode()
    assert "Finish upgrade" in shown
    assert "Roll back" in shown
    bob.post(f"{page}/do/finishupgrade")
    assert web().display_state == "active"
    assert "Finish upgrade" not in bob.get(page).content.decode()


def selected(page: str) -> str:
    """What is chosen for the end of a container, as a browser sends it."""
    options = re.search(r'<select name="restart">(.*?)</select>', page, re.DOTALL)
    assert options is not None
    chosen = re.search(r'<option value="([^"]*)"\s*selected', options[1])
    return chosen[1] if chosen else ""


@pytest.mark.parametrize("name", ["no", "on-failure", "unless-stopped", "always"])
def test_an_upgrade_in_the_console_keeps_what_happens_when_a_container_ends(
    web: Any, browser_as: Any, name: str
) -> None:
    row, bob = web(), browser_as("bob")
    policy = {"name": name, "maximumRetryCount": 3 if name == "on-failure" else 0}
    Service.all_objects.filter(pk=row.pk).update(spec={**row.spec, "restartPolicy": policy})
    page = f"/env/{row.environment_id}/services/{row.pk}/upgrade"
    shown = bob.get(page).content.decode()
    assert selected(shown) == name
    assert 'name="restartCount"' in shown
    assert ('value="3"' in shown) is (name == "on-failure")
    sent_back = {"restart": name, "restartCount": str(policy["maximumRetryCount"] or "")}
    bob.post(page, {"image": "bb:new", "check": "none", **sent_back, **STRATEGY})
    row.refresh_from_db()
    assert row.config.restart_policy is not None
    assert row.config.restart_policy.to_wire() == policy
    refused = bob.post(page, {"image": "bb:new", "check": "none", "restart": "always", "restartCount": "3", **STRATEGY})
    assert refused.status_code == 422
    assert "is for `on-failure` alone" in refused.content.decode()


def test_finishing_a_canceled_upgrade_says_first_what_it_ends_with(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    page = f"/env/{row.environment_id}/services/{row.pk}"
    Service.all_objects.filter(pk=row.pk).update(state="upgraded", image="bb:new")
    assert "hx-confirm" not in finish_button(bob.get(page).content.decode())
    Service.all_objects.filter(pk=row.pk).update(state="canceled-upgrade")
    button = finish_button(bob.get(page).content.decode())
    assert "replaces the old containers that still run, too: all will be of bb:new." in button
    assert "What is kept for a rollback is removed" in button
    Service.all_objects.filter(pk=row.pk).update(state="canceled-rollback")
    assert "all containers will be of bb:new again" in finish_button(bob.get(page).content.decode())


def finish_button(page: str) -> str:
    """The button that finishes the upgrade, as HTML."""
    found = re.search(r'<button [^>]*data-action="finishupgrade"[^>]*>', page)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("batchSize", "0", "at least 1"),
        ("batchSize", "two", "how many"),
        ("interval", "0.01", "from 0.1"),
        ("interval", "soon", "in seconds"),
        ("interval", "1e9", "in seconds"),
        ("interval", "²", "in seconds"),
        ("image", "", "Name an image"),
    ],
)
def test_what_the_form_refuses(web: Any, browser_as: Any, field: str, text: str, words: str) -> None:
    row = web()
    form = {"image": "bb:new", "check": "none", **STRATEGY, field: text}
    answer = browser_as("bob").post(f"/env/{row.environment_id}/services/{row.pk}/upgrade", form)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert web().display_state == "active"


def test_readers_see_no_form(web: Any, browser_as: Any) -> None:
    row = web()
    answer = browser_as("rita").get(f"/env/{row.environment_id}/services/{row.pk}/upgrade")
    assert answer.status_code == 403


def test_no_two_buttons_of_a_service_have_one_icon(web: Any, browser_as: Any) -> None:
    row = web()
    page = browser_as("bob").get(f"/env/{row.environment_id}/services/{row.pk}").content.decode()
    head = page[page.index('class="page-head') : page.index('class="tabs"')]
    icons = re.findall(r'class="btn[^>]*>\s*<svg[^>]*><use href="[^"#]*#([a-z-]+)"', head)
    assert len(icons) > 4
    assert sorted(icons) == sorted(set(icons))
