"""A balancer in Chromium: added with rules, a certificate and stickiness, with what is wrong shown where it is, and
changed while it runs; at a desk and on a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.browser_session import BrowserSession, OpenWindow
from tests.browser.console_pages import MATRIX, TOO_WIDE
from tests.docker.portal_process import Api, free_port

pytestmark = pytest.mark.browser
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
LOADED = 120_000  # its image is built from a package, once for all tests
PAGE_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
DEFAULTS = "timeout client 70s\ntimeot server 70s"


@pytest.fixture
def stack(api: Api, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A stack of its own for the balancer."""
    made = api.create("environments", name=f"edge-{request.node.callspec.id}")
    yield made
    api.delete(made)


def listener(page: Page, at: int) -> Locator:
    return page.locator("#listeners > div").nth(at)


def target(page: Page, at: int) -> Locator:
    return page.locator("#targets > div").nth(at)


def fold(page: Page, title: str) -> Locator:
    """A part of the form, opened."""
    found = page.locator("details.fold", has=page.locator("summary", has_text=title))
    if found.get_attribute("open") is None:
        found.locator("summary").click()
    return found


def fill_in(page: Page, plain: int, encrypted: int) -> None:
    """Two listeners, two rules, a certificate and stickiness, with a host name that is none."""
    listener(page, 0).locator("[name=listenerPort]").fill(str(plain))
    page.get_by_role("button", name="Add listener").click()
    listener(page, 1).locator("[name=listenerPort]").fill(str(encrypted))
    listener(page, 1).locator("[name=listenerProtocol]").select_option("https")
    target(page, 0).locator("[name=targetService]").select_option(label="shop/web")
    target(page, 0).locator("[name=targetHost]").fill("shop..example")
    target(page, 0).locator("[name=targetPath]").fill("api")
    target(page, 0).locator("[name=targetPort]").fill("8080")
    page.get_by_role("button", name="Add target").click()
    target(page, 1).locator("[name=targetService]").select_option(label="shop/web")
    target(page, 1).locator("[name=targetHost]").fill("*.example.org")
    fold(page, "SSL termination").locator("[name=defaultCertificate]").select_option(label="shop")
    sticky = fold(page, "Stickiness")
    sticky.locator("[name=stickiness]").select_option("own")
    sticky.locator("[name=cookie]").fill("CART")
    fold(page, "Custom haproxy.cfg").locator("[name=customDefaults]").fill(DEFAULTS)


def see_what_is_wrong(page: Page) -> None:
    """It is shown while it is typed, and at its field when it is sent; what was typed stays."""
    page.fill("[name=name]", "lb")
    listener(page, 0).locator("[name=listenerPort]").fill("42")
    expect(page.locator("#preview")).to_contain_text("health check")
    target(page, 0).locator("[name=targetService]").select_option(label="shop/web")
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".field", has=page.locator("#listeners")).locator(".wrong")).to_contain_text("health check")
    expect(page.locator("[name=name]")).to_have_value("lb")


def add(page: Page, plain: int, encrypted: int) -> None:
    """Fill in the rest, correct what is refused, and create it."""
    fill_in(page, plain, encrypted)
    page.get_by_role("button", name="Create").click()
    wrong = page.locator(".field", has=page.locator("#targets")).locator(".wrong")
    expect(wrong).to_contain_text("no host name")
    expect(fold(page, "Stickiness").locator("[name=cookie]")).to_have_value("CART")
    target(page, 0).locator("[name=targetHost]").fill("shop.example.org")
    preview = page.locator("#preview")
    expect(preview).to_contain_text(f"https://shop.example.org:{encrypted}/api")
    expect(preview.locator("li").first).to_contain_text("shop/web:8080")
    expect(preview).to_contain_text("what else comes is answered with 503")
    assert violations(page) == []
    assert page.evaluate(TOO_WIDE, MATRIX) == []
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/services/\d+$"))


def see_the_refused_line(page: Page) -> None:
    """A line that HAProxy refuses is on the page with its place; the rules are there in the order of their rank."""
    expect(page.locator("#main")).to_contain_text("defaults line 2 of its haproxy.cfg", timeout=LOADED)
    expect(page.locator("#main")).to_contain_text("timeot")
    rules = page.locator("#balancer tbody tr")
    expect(rules.first).to_contain_text("shop.example.org")
    expect(rules.nth(1)).to_contain_text("*.example.org")
    assert page.evaluate(PAGE_FITS)


def change(page: Page) -> None:
    """The form has everything as it is; what was wrong is over once it is corrected."""
    page.get_by_role("link", name="Change rules").click()
    expect(target(page, 0).locator("[name=targetPath]")).to_have_value("/api")
    expect(fold(page, "Custom haproxy.cfg").locator("[name=customDefaults]")).to_have_value(DEFAULTS)
    expect(fold(page, "SSL termination").locator("[name=defaultCertificate] option:checked")).to_have_text("shop")
    target(page, 1).locator("[name=targetHost]").fill("")
    expect(page.locator("#preview")).not_to_contain_text("503")
    page.locator("[name=customDefaults]").fill(DEFAULTS.replace("timeot", "timeout"))
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(r"/services/\d+$"))
    expect(page.locator("#main")).not_to_contain_text("of its haproxy.cfg", timeout=LOADED)
    expect(page.locator(".page-head .state").first).to_have_text("active", timeout=LOADED)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("size", SIZES)
def test_a_balancer_is_added_and_changed(
    window: OpenWindow, browser_session: BrowserSession, api: Api, stack: Any, size: str
) -> None:
    browser_session.allow_complaints("422")  # browsers log a refused form as an error
    page = window("root", viewport=SIZES[size])
    page.goto(f"/env/5/stacks/{stack['id'].removeprefix('1e')}/balancers/new")
    see_what_is_wrong(page)
    add(page, free_port(), free_port())
    see_the_refused_line(page)
    change(page)
    (made,) = [each for each in api.get("loadbalancerservices")["data"] if each["environmentId"] == stack["id"]]
    cookie = made["loadBalancerConfig"]["lbCookieStickinessPolicy"]["cookie"]
    assert (cookie, len(made["launchConfig"]["ports"])) == ("CART", 2)
    assert violations(page) == []
