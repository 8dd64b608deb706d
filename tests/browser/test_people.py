"""Permissions in the browser: grey buttons with reasons, refused posts, pages that are not found."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import BrowserSession, OpenWindow, post_form
from tests.docker.portal_process import PASSWORD, Api

pytestmark = pytest.mark.browser

ROLES = {"rita": "readonly", "rex": "restricted", "mallory": ""}


@pytest.fixture(scope="module", autouse=True)
def people(shared_browser_session: BrowserSession, shop: Any) -> None:
    """Accounts made by the administrator through the console; two of them become members of Default."""
    page = shared_browser_session.window("root")
    page.goto("/admin/accounts")
    for name in ROLES:
        page.get_by_role("link", name="Add account").click()
        page.fill("#dialog [name=login]", name)
        page.fill("#dialog [name=password]", PASSWORD)
        page.locator("#dialog").get_by_role("button", name="Create").click()
        expect(page.locator("tbody tr").filter(has_text=name)).to_have_count(1)
        expect(page.locator("#dialog")).to_be_hidden()
    page.goto("/environments/5")
    for name, role in ROLES.items():
        if role:
            page.fill("[name=login]", name)
            page.locator("form:has([name=login]) [name=role]").select_option(role)
            page.get_by_role("button", name="Add member").click()
            expect(page.locator("tr[id^=member-]").filter(has_text=name)).to_have_count(1)
    page.context.close()


@pytest.fixture
def here(shop: Any, api: Api) -> dict[str, str]:
    """The pages of the shop."""
    stack, service = shop
    container = api.containers("shop_web_")[0]
    host = api.get("hosts")["data"][0]
    return {
        "stacks": "/env/5/stacks",
        "stack": f"/env/5/stacks/{stack['id'].removeprefix('1e')}",
        "service": f"/env/5/services/{service['id'].removeprefix('1s')}",
        "containers": "/env/5/containers",
        "container": f"/env/5/containers/{container['id'].removeprefix('1i')}",
        "hosts": "/env/5/hosts",
        "host": f"/env/5/hosts/{host['id'].removeprefix('1h')}",
        "keys": "/env/5/keys",
        "activity": "/env/5/activity",
    }


def changing(page: Page, part: str = "main") -> list[tuple[str, str, str]]:
    """The controls of a part that would change something: their text, whether they are grey, their title."""
    script = """(part) => [...part.querySelectorAll("[data-action], [data-new], .stepper .btn")]
        .map((each) => [each.textContent.trim(), each.getAttribute("aria-disabled") || "", each.title])"""
    return [tuple(each) for each in page.locator(part).evaluate(script)]


def test_a_read_only_member_finds_every_button_grey_with_the_reason(window: OpenWindow, here: dict[str, str]):
    page = window("rita")
    seen = 0
    for name, path in here.items():
        page.goto(path)
        buttons = changing(page)
        seen += len(buttons)
        assert all(grey == "true" and "(readonly)" in title for _text, grey, title in buttons), (name, buttons)
    assert seen > 15


def test_a_grey_button_tells_its_reason_and_does_nothing(window: OpenWindow, here: dict[str, str]):
    page = window("rita")
    page.goto(here["service"])
    page.locator("main [data-action=deactivate]").first.click(force=True)  # grey, not dead: it answers why
    expect(page.locator("#toasts .toast")).to_contain_text("Your role here (readonly)")
    expect(page.locator(".page-head .state").first).to_have_text("active")


def test_a_read_only_member_follows_logs_but_is_offered_no_shell(window: OpenWindow, here: dict[str, str]):
    page = window("rita")
    page.goto(f"{here['container']}/logs")
    expect(page.locator("#logs [data-status]")).to_have_text("Following")
    expect(page.locator("#logs .lines")).to_contain_text("serves port 80")
    page.goto(f"{here['container']}/shell")
    expect(page.get_by_role("heading", name="You don't have access to the shell")).to_be_visible()
    expect(page.locator("#shell")).to_have_count(0)


def test_a_read_only_member_sees_no_values(window: OpenWindow, here: dict[str, str]):
    page = window("rita")
    for path in (here["service"], here["container"], f"{here['container']}?reveal=1", f"{here['stack']}/compose"):
        page.goto(path)
        assert "s3cret-value" not in page.content(), path


def test_what_a_read_only_member_posts_anyway_is_refused(
    window: OpenWindow, browser_session: BrowserSession, here: dict[str, str], api: Api
):
    browser_session.allow_complaints("status of 403")
    page = window("rita")
    page.goto(here["stacks"])
    launch = {"name": "sneaked", "image": "bb:local", "scale": "1"}
    tries: list[tuple[str, dict[str, str]]] = [
        ("/env/5/stacks/new", {"name": "sneaked"}),
        (f"{here['stack']}/edit", {"name": "sneaked"}),
        (f"{here['stack']}/remove", {}),
        (f"{here['stack']}/all/deactivate", {}),
        (f"{here['stack']}/services/new", launch),
        (f"{here['service']}/scale", {"scale": "0"}),
        (f"{here['service']}/edit", {"name": "sneaked", "scale": "0"}),
        (f"{here['service']}/do/deactivate", {}),
        (f"{here['service']}/remove", {}),
        ("/env/5/containers/new", launch),
        (f"{here['container']}/do/stop", {}),
        (f"{here['container']}/edit", {"name": "sneaked"}),
        (f"{here['container']}/remove", {}),
        (f"{here['host']}/do/deactivate", {}),
        (f"{here['host']}/edit", {"name": "sneaked"}),
        (f"{here['host']}/remove", {}),
        ("/env/5/hosts/new", {"url": "tcp://203.0.113.7:2376"}),
        ("/env/5/keys/new", {"name": "sneaked"}),
        ("/environments/5/edit", {"name": "sneaked"}),
        ("/environments/5/members", {"login": "mallory", "role": "owner"}),
        ("/environments/5/remove", {}),
    ]
    answers = {path: post_form(page, path, form) for path, form in tries}
    assert {path: code for path, code in answers.items() if code != 403} == {}
    picked = {"action": "remove", "row": here["container"].rpartition("/")[2]}
    browser_session.allow_complaints("status of 4")
    assert post_form(page, "/env/5/containers/bulk", picked) in {403, 422}
    assert [row["state"] for row in api.containers("shop_web_")] == ["running", "running"]
    assert "sneaked" not in str(api.get("environments")["data"])


def test_a_restricted_member_works_but_cannot_touch_hosts(
    window: OpenWindow, browser_session: BrowserSession, here: dict[str, str]
):
    page = window("rex")
    for name, part in (("hosts", "main"), ("host", "main .page-head")):
        page.goto(here[name])
        buttons = changing(page, part)
        assert buttons, name
        assert all(grey == "true" and title for _text, grey, title in buttons), buttons
    browser_session.allow_complaints("status of 403")
    assert post_form(page, f"{here['host']}/do/deactivate") == 403
    assert post_form(page, "/env/5/hosts/new", {"url": "tcp://203.0.113.7:2376"}) == 403
    page.goto(here["service"])
    expect(page.locator("main [data-action=deactivate]").first).not_to_have_attribute("aria-disabled", "true")
    page.goto(f"{here['container']}/shell")
    expect(page.locator("#shell [data-status]")).to_have_text("Connected")


def test_to_an_outsider_nothing_of_it_is_there(
    window: OpenWindow, browser_session: BrowserSession, here: dict[str, str]
):
    browser_session.allow_complaints("status of 404")
    page = window("mallory")
    for path in (*here.values(), "/environments/5", "/admin/accounts", "/admin/settings", f"{here['container']}/logs"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404, path
        assert "shop" not in page.locator("main").inner_text()
    page.goto("/")
    expect(page.get_by_role("heading", name="You are not a member of any environment yet")).to_be_visible()
