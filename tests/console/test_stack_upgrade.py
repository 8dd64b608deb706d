"""Upgrading a stack by file in the console: the preview, what was looked at is done, and the revisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.utils import timezone

from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_update, stack_create
from apps.stacks.stack_history import StackRevision

BEFORE = "web: {image: 'bb:local', environment: {PIN: value-one}}\ndb: {image: 'bb:local'}\n"
AFTER = "web: {image: 'bb:new', environment: {PIN: value-two}}\nqueue: {image: 'bb:local'}\n"


@pytest.fixture
def shop(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[[], Stack]:
    """A running stack of two services; calls give it anew, at rest."""
    sim.local_images.add("bb:new")
    row = stack_create(actor=actor_of("bob"), environment=lab, name="shop", docker_compose=BEFORE, start_on_create=True)

    def read() -> Stack:
        for _again in range(3):
            for model in (Service, Stack):
                model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
            run_loop()
        row.refresh_from_db()
        return row

    return read


def page_of(row: Stack, page: str = "upgrade") -> str:
    return f"/env/{row.environment_id}/stacks/{row.pk}/{page}"


def hidden(shown: str) -> dict[str, str]:
    """What the page's hidden fields carry along."""
    found = {name: re.search(rf'name="{name}"\s+value="([^"]*)"', shown) for name in ("basedOn", "previewed")}
    return {name: match[1] if match else "" for name, match in found.items()}


def changes(shown: str) -> list[str]:
    return re.findall(r'data-change="(\w+)"', shown)


def test_the_page_has_the_files_as_they_are_and_they_change_nothing(shop: Any, browser_as: Any) -> None:
    row, bob = shop(), browser_as("bob")
    shown = bob.get(page_of(row)).content.decode()
    assert "image: bb:local" in shown
    text = re.search(r'<textarea name="dockerCompose"[^>]*>(.*?)</textarea>', shown, re.DOTALL)
    assert text is not None
    answer = bob.post(page_of(row), {"dockerCompose": unescape(text[1]), "step": "preview"})
    assert changes(answer.content.decode()) == ["unchanged", "unchanged"]


def test_look_then_upgrade_then_finish(shop: Any, browser_as: Any) -> None:
    row, bob = shop(), browser_as("bob")
    sent = {"dockerCompose": AFTER, "removeMissing": "on", "note": "a queue"}
    shown = bob.post(page_of(row), {**sent, "step": "preview"}).content.decode()
    assert changes(shown) == ["upgrade", "create", "remove"]
    assert "docker:bb:new" in shown
    aside = shown[shown.index('id="stack-changes"') :]
    assert "value-one" not in aside
    assert "value-two" not in aside
    assert shop().display_state == "active", "looking changes nothing"
    assert bob.post(page_of(row), {**sent, **hidden(shown), "step": "apply"}).status_code == 302
    assert shop().display_state == "upgraded"
    page = bob.get(f"/env/{row.environment_id}/stacks/{row.pk}").content.decode()
    assert "Finish upgrade" in page
    assert "Roll back" in page
    assert bob.post(page_of(row, "do/finishupgrade")).status_code in {200, 302}
    assert shop().display_state == "active"
    assert sorted(Service.all_objects.filter(removed=None).values_list("name", flat=True)) == ["queue", "web"]


def test_a_corrected_file_replaces_an_upgrade_that_cannot_end(shop: Any, browser_as: Any) -> None:
    row, bob = shop(), browser_as("bob")
    for image, state in (("bb:absent", "upgrading"), ("bb:new", "upgraded")):
        sent = {"dockerCompose": AFTER.replace("bb:new", image)}
        shown = bob.post(page_of(row), {**sent, "step": "preview"}).content.decode()
        assert changes(shown)[0] == "upgrade"
        assert bob.post(page_of(row), {**sent, **hidden(shown), "step": "apply"}).status_code == 302
        assert shop().display_state == state
        assert page_of(row) in bob.get(page_of(row, "compose")).content.decode()
    assert bob.post(page_of(row, "do/rollback")).status_code in {200, 302}
    assert shop().display_state == "active"
    assert sorted(Service.all_objects.filter(removed=None).values_list("image", flat=True)) == ["bb:local"] * 2


def test_only_what_was_looked_at_is_done(shop: Any, browser_as: Any, actor_of: Any) -> None:
    row, bob = shop(), browser_as("bob")
    sent = {"dockerCompose": AFTER}
    shown = bob.post(page_of(row), {**sent, "step": "preview"}).content.decode()
    edited = {"dockerCompose": AFTER + "late: {image: 'bb:local'}\n", **hidden(shown), "step": "apply"}
    again = bob.post(page_of(row), edited)
    assert (again.status_code, changes(again.content.decode())) == (200, ["upgrade", "create", "create", "keep"])
    service_update(Service.all_objects.get(name="db"), actor=actor_of("bob"), scale=2)
    late = bob.post(page_of(row), {**sent, **hidden(shown), "step": "apply"})
    assert late.status_code == 422
    assert "was changed by somebody else meanwhile" in late.content.decode()
    assert shop().display_state == "active"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"dockerCompose": "web: ["}, "line"),
        ({"dockerCompose": AFTER, "rancherCompose": "web: {scale: many}"}, "whole number"),
        ({"dockerCompose": ""}, "dockerCompose is empty"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(shop: Any, browser_as: Any, sent: Any, message: str) -> None:
    if not sent["dockerCompose"]:
        sent = {"dockerCompose": "\n"}
    answer = browser_as("bob").post(page_of(shop()), {**sent, "step": "preview"})
    assert answer.status_code == 422
    assert message in answer.content.decode()


def test_a_problem_of_a_service_keeps_the_button_grey(shop: Any, browser_as: Any) -> None:
    row = shop()
    text = AFTER + "bad: {image: 'bb:local', privileged: true, pid: host}\n"
    shown = browser_as("bob").post(page_of(row), {"dockerCompose": text, "step": "preview"}).content.decode()
    assert "bad: " in shown
    assert 'value="apply"' not in shown


def test_the_revisions_and_the_way_back(shop: Any, browser_as: Any) -> None:
    row, bob = shop(), browser_as("bob")
    shown = bob.post(page_of(row), {"dockerCompose": AFTER, "step": "preview"}).content.decode()
    bob.post(page_of(row), {"dockerCompose": AFTER, "note": "a queue", **hidden(shown), "step": "apply"})
    shop()
    bob.post(page_of(row, "do/finishupgrade"))
    shop()
    page = bob.get(page_of(row, "revisions")).content.decode()
    for text in ("a queue", "Bob", "From revision 1 to 2", "another value", "Go back"):
        assert text in page, text
    assert "value-one" not in page
    back = bob.get(page_of(row, "revisions/1/return")).content.decode()
    assert changes(back) == ["upgrade", "remove"]
    answer = bob.post(page_of(row, "revisions/1/return"), {"note": "no queue", **hidden(back)})
    assert answer.status_code in {200, 302}
    assert shop().display_state == "upgraded"
    assert StackRevision.objects.get(number=3).note == "no queue"
    assert bob.get(page_of(row, "revisions/99/return")).status_code == 404


@pytest.mark.parametrize("query", ["?from=1&to=1", "?from=x&to=99999999999", "?from=-1&to=7", "?from=²"])
def test_any_two_numbers_give_a_page(shop: Any, browser_as: Any, query: str) -> None:
    assert browser_as("rita").get(f"{page_of(shop(), 'revisions')}{query}").status_code == 200


def test_readers_look_and_do_nothing(shop: Any, browser_as: Any) -> None:
    row, rita = shop(), browser_as("rita")
    assert rita.get(page_of(row)).status_code == 403
    rita.post(page_of(row), {"dockerCompose": AFTER, "step": "apply"})
    rita.post(page_of(row, "revisions/1/return"), {"note": ""})
    assert (shop().display_state, StackRevision.objects.count()) == ("active", 1)
    assert rita.get(page_of(row, "revisions/1/return")).status_code == 403
    assert "Edit and upgrade" in browser_as("bob").get(page_of(row, "compose")).content.decode()


def test_sidekicks_that_follow_what_changes_are_named_before_it_is_done(
    lab: Environment, host: Host, actor_of: Any, browser_as: Any, run_loop: Any
) -> None:
    file = """
web: {image: 'IMAGE', labels: {io.rancher.sidekicks: 'logger, job'}}
logger: {image: 'bb:local', net: 'container:web'}
job: {image: 'bb:local'}
"""
    old, new = file.replace("IMAGE", "bb:local"), file.replace("IMAGE", "bb:new")
    row = stack_create(actor=actor_of("alice"), environment=lab, name="units", docker_compose=old)
    run_loop()
    shown = browser_as("bob").post(page_of(row), {"dockerCompose": new, "step": "preview"}).content.decode()
    assert "The sidekick logger is recreated, since it uses the network or volumes of one that is." in shown
    assert "The sidekick job stays as it is." in shown
