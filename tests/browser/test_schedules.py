"""A schedule in the browser: the next times while it is typed, a run by hand, and another kind in the dialog."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def form(page: Page) -> Page:
    """The form that adds a service to a stack of this test's own."""
    page.goto("/env/5/stacks")
    page.get_by_role("link", name="Add stack").first.click()
    page.fill("[name=name]", "timed")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="timed")).to_be_visible()
    page.get_by_role("link", name="Add service", exact=True).first.click()
    return page


def test_a_schedule_is_previewed_made_run_and_taken_away(form: Page) -> None:
    page = form
    page.fill("[name=name]", "job")
    page.fill("[name=image]", "bb:local")
    expect(page.locator("[name=cron]")).to_be_hidden()
    page.select_option("[name=runs]", "schedule")
    expect(page.locator("[name=cron]")).to_be_visible()
    expect(page.locator("[name=scale]")).to_be_hidden()
    page.fill("[name=cron]", "99 3 * * *")
    expect(page.locator("#next-runs")).to_contain_text("is no minute")
    page.fill("[name=cron]", "30 3 * * *")
    expect(page.locator("#next-runs li")).to_have_count(5)
    page.fill("[name=timeZone]", "Asia/Tokyo")
    expect(page.locator("#next-runs li").first).to_contain_text("03:30 JST")
    expect(page.locator("#preview")).to_contain_text("io.corral.schedule: 30 3 * * *")
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/services/\d+$"))
    expect(page.locator("#runs")).to_contain_text("It has not run yet")
    page.get_by_role("button", name="Run now").first.click()
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    expect(page.locator("#runs tbody tr")).to_contain_text("by hand", timeout=30_000)
    expect(page.locator("#runs tbody tr a").first).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Change", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[name=cron]")).to_have_value("30 3 * * *")
    expect(dialog.locator("#next-runs li")).to_have_count(5)
    dialog.locator("[name=runs]").select_option("number")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".stepper [name=scale]")).to_have_value("1")
