"""First run: nothing is accessible before the set-up link was used, and the link works once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_session import BrowserSession, OpenWindow, wait_until_live
from tests.docker.portal_process import PASSWORD, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.browser

PAGES = ("/", "/login", "/environments", "/account/keys", "/admin/accounts", "/env/5/stacks", "/env/5/hosts")


@pytest.fixture(scope="module")
def new_installation(engine: PrivateEngine, new_portal: Callable[[str], PortalProcess]) -> Iterator[PortalProcess]:
    """A portal that nobody has set up."""
    portal = new_portal(engine.url)
    portal.start()
    yield portal
    portal.end()


@pytest.fixture(scope="module")
def link(new_installation: PortalProcess) -> str:
    """The set-up link that the portal printed."""
    found = wait_until(
        lambda: re.search(r"http://\S+(/setup/\S+)", new_installation.log.read_text()), seconds=60, what="the link"
    )
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def shared_browser_session(
    new_installation: PortalProcess, open_browser: Callable[[PortalProcess], BrowserSession]
) -> Iterator[BrowserSession]:
    made = open_browser(new_installation)
    yield made
    made.close()


@pytest.fixture
def visitor(window: OpenWindow) -> Page:
    return window()


def test_before_set_up_every_page_leads_to_the_notice(visitor: Page):
    for path in PAGES:
        visitor.goto(path)
        expect(visitor).to_have_url(re.compile("/setup$"))
        expect(visitor.get_by_role("heading", name="Almost there")).to_be_visible()
        expect(visitor.locator("form")).to_have_count(0)


def test_before_set_up_the_api_answers_nobody(visitor: Page):
    for path in ("/v1/projects", "/v1/accounts", "/v1/containers"):
        answer = visitor.request.get(path, headers={"Accept": "application/json"})
        assert answer.status == 401, path


def test_a_wrong_link_opens_nothing(visitor: Page, browser_session: BrowserSession):
    browser_session.allow_complaints("status of 404")
    answer = visitor.goto("/setup/guessed-token")
    assert answer is not None
    assert answer.status == 404
    expect(visitor.get_by_role("alert")).to_contain_text("invalid or has expired")
    expect(visitor.locator("form")).to_have_count(0)


def test_the_link_makes_the_administrator_once(visitor: Page, browser_session: BrowserSession, link: str):
    visitor.goto(link)
    visitor.fill("[name=login]", "root")
    visitor.fill("[name=password]", "short")
    visitor.evaluate("document.forms[0].noValidate = true")
    browser_session.allow_complaints("status of 422")
    visitor.click("button[type=submit]")
    expect(visitor.locator(".wrong")).to_contain_text("8 characters")
    expect(visitor.locator("[name=login]")).to_have_value("root")

    visitor.fill("[name=password]", PASSWORD)
    visitor.click("button[type=submit]")
    expect(visitor).to_have_url(re.compile(r"^http://[^/]+/$"))
    expect(visitor.get_by_role("heading", name="First steps")).to_be_visible()
    wait_until_live(visitor)

    visitor_page = browser_session.window()
    visitor_page.goto(link)
    expect(visitor_page).to_have_url(re.compile("/login"))


def test_after_set_up_pages_ask_for_the_log_in_and_lead_back(visitor: Page, browser_session: BrowserSession):
    visitor.goto("/env/5/hosts")
    expect(visitor).to_have_url(re.compile(r"/login\?next="))
    visitor.fill("[name=login]", "root")
    visitor.fill("[name=password]", "wrong")
    browser_session.allow_complaints("status of 403")
    visitor.click("button[type=submit]")
    expect(visitor.get_by_role("alert")).to_contain_text("wrong")
    visitor.fill("[name=password]", PASSWORD)
    visitor.click("button[type=submit]")
    expect(visitor).to_have_url(re.compile("/env/5/hosts$"))
    expect(visitor.locator("tbody tr .name")).to_have_count(1)  # the engine of this machine became a host by itself
