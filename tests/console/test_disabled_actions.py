"""Actions that are not allowed stay visible, grey, with the reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.console.components import buttons
from apps.console.request_context import RequestContext
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack

REASON = "Your role here (readonly) may not do this: it lacks the permission"


def disabled_actions(page: str) -> dict[str, str]:
    """The grey buttons of a page: their actions and tooltips."""
    tags = re.findall(r"<button[^>]*aria-disabled=\"true\"[^>]*>", page)
    found = {}
    for tag in tags:
        action = re.search(r'data-action="([^"]*)"', tag)
        title = re.search(r'title="([^"]*)"', tag)
        if action and title:
            found[action[1]] = title[1]
    return found


def live_posts(page: str) -> list[str]:
    """The URLs that the main region of a page would post to."""
    main = page[page.index("<main") : page.index("</main>")]
    return re.findall(r'(?:hx-post|formaction)="([^"]+)"', main)


@pytest.fixture
def visit_of(rf: Any, actor_of: Any) -> Any:
    return lambda name: RequestContext(rf.get("/"), actor_of(name, "console"))


def test_a_reader_sees_every_action_of_a_container_greyed_with_the_reason(
    browser_as: Any, at: Any, container: Container
):
    page = browser_as("rita").get(at("container", pk=container.pk)).content.decode()
    found = disabled_actions(page)
    assert set(found) == {"stop", "restart", "update", "remove"}
    assert all(REASON in title for title in found.values())
    assert live_posts(page) == []


def test_the_same_actions_are_on_every_view_of_a_container(browser_as: Any, at: Any, container: Container):
    client = browser_as("bob")
    for name in ("container", "container-logs", "container-shell"):
        page = client.get(at(name, pk=container.pk)).content.decode()
        assert at("container-do", pk=container.pk, action="stop") in page
        assert at("container-do", pk=container.pk, action="restart") in page
        assert at("container-remove", pk=container.pk) in page


def test_a_reader_finds_no_button_that_posts_anywhere(
    browser_as: Any, at: Any, web: Service, container: Container, host: Host, shop: Stack
):
    client = browser_as("rita")
    for path in (
        at("stacks"),
        at("stack", pk=shop.pk),
        at("service", pk=web.pk),
        at("hosts"),
        at("host", pk=host.pk),
        at("keys"),
    ):
        posts = [post for post in live_posts(client.get(path).content.decode()) if not post.endswith("bulk")]
        assert posts == [], path


def test_a_reader_sees_the_scale_but_cannot_change_it(browser_as: Any, at: Any, web: Service):
    page = browser_as("rita").get(at("service", pk=web.pk)).content.decode()
    assert re.search(r'name="scale"[^>]*value="2"[^>]*disabled', page, re.DOTALL)


def test_a_reader_reads_logs_but_gets_no_shell(browser_as: Any, at: Any, container: Container):
    client = browser_as("rita")
    assert b"data-logs" in client.get(at("container-logs", pk=container.pk)).content
    shell = client.get(at("container-shell", pk=container.pk))
    assert b"data-shell" not in shell.content
    assert REASON.encode() in shell.content


def test_only_the_terminal_may_style_itself(browser_as: Any, at: Any, container: Container):
    client = browser_as("alice")
    assert "unsafe-inline" in client.get(at("container-shell", pk=container.pk))["Content-Security-Policy"]
    assert "unsafe-inline" not in client.get(at("container-logs", pk=container.pk))["Content-Security-Policy"]


def test_a_restricted_member_works_with_containers_but_not_with_hosts(
    browser_as: Any, at: Any, container: Container, host: Host
):
    client = browser_as("rex")
    assert disabled_actions(client.get(at("container", pk=container.pk)).content.decode()) == {}
    assert set(disabled_actions(client.get(at("host", pk=host.pk)).content.decode())) == {
        "deactivate",
        "evacuate",
        "update",
        "remove",
    }


def test_values_are_masked_until_revealed_and_never_for_a_reader(
    browser_as: Any, at: Any, container: Container, web: Service
):
    path = at("container", pk=container.pk)
    owner, reader = browser_as("alice"), browser_as("rita")
    assert b"s3cret-value" not in owner.get(path).content
    assert b"s3cret-value" in owner.get(path + "?reveal=1").content
    assert b"s3cret-value" not in reader.get(path + "?reveal=1").content
    assert b"TOKEN" in reader.get(path).content
    assert b"s3cret-value" not in reader.get(at("service", pk=web.pk)).content
    assert b"s3cret-value" not in reader.get(at("stack-compose", pk=web.stack_id)).content
    assert b"s3cret-value" in owner.get(at("stack-compose", pk=web.stack_id)).content


def test_revealing_values_is_written_down(browser_as: Any, at: Any, container: Container):
    from apps.control.models import AuditEntry

    browser_as("alice").get(at("container", pk=container.pk) + "?reveal=1")
    assert AuditEntry.all_objects.filter(event="container.values", target=container.pk).count() == 1


def test_the_compose_file_is_not_given_to_a_reader(browser_as: Any, at: Any, web: Service):
    path = at("stack-compose", pk=web.stack_id) + "?file=docker-compose.yml"
    assert browser_as("alice").get(path)["Content-Disposition"] == 'attachment; filename="docker-compose.yml"'
    assert "Content-Disposition" not in browser_as("rita").get(path)


def test_the_state_greys_too_and_says_so(container: Container, visit_of: Any, actor_of: Any):
    container_act(container, "remove", actor=actor_of("alice"))
    found = {each.action: each for each in buttons.action_buttons(visit_of("alice"), container)}
    assert not found["restart"].allowed
    assert found["restart"].hint == "Restart: Not possible while it is removing. Wait until that is done."


def test_start_and_stop_share_one_place(container: Container, visit_of: Any, actor_of: Any, run_loop: Any):
    visit = visit_of("alice")
    assert [each.action for each in buttons.action_buttons(visit, container, ("start", "stop"))] == ["stop"]
    container_act(container, "stop", actor=actor_of("alice"))
    run_loop()
    container.refresh_from_db()
    running = container.display_state == "running"
    assert [each.action for each in buttons.action_buttons(visit, container, ("start", "stop"))] == [
        "stop" if running else "start"
    ]


def test_start_all_is_grey_when_everything_runs(browser_as: Any, at: Any, web: Service):
    page = browser_as("alice").get(at("stack", pk=web.stack_id)).content.decode()
    assert disabled_actions(page) == {"activate": "Start all: No service is in a state for this."}


@pytest.mark.parametrize(("who", "opens"), [("alice", True), ("bob", True), ("rex", True), ("rita", False)])
def test_the_menu_of_a_row_offers_a_shell_to_who_may_open_one(
    who: str, opens: bool, browser_as: Any, at: Any, container: Container
):
    menu = browser_as(who).get(at("container-menu", pk=container.pk)).content.decode()
    assert (f'href="{at("container-shell", pk=container.pk)}"' in menu) == opens
    assert (f'title="{REASON}' in menu) == (not opens)
    assert f'href="{at("container-logs", pk=container.pk)}"' in menu
