"""Logs beyond the newest lines: scrolled back, searched, in colours, and of several containers at once."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.docker.portal_process import Api

pytestmark = pytest.mark.browser

COUNT = 1700
WRITE = (
    f"for i in $(seq 1 {COUNT}); do echo number $i; done; "
    r"printf '\033[38;2;1;2;3mtrue\033[0m \033[38;5;208mpalette\033[0m\n'; printf '10%%\r20%%\r30%%\n'; sleep 100000"
)
SHOWN = """() => [...document.querySelectorAll("#logs .lines > div")].map((each) => each.lastChild.textContent)
    .filter((text) => text.startsWith("number "))"""
COLOUR = """(word) => getComputedStyle([...document.querySelectorAll("#logs .lines span span")]
    .find((each) => each.textContent === word)).color"""


@pytest.fixture(scope="module")
def teller(api: Api) -> Any:
    """A service of two containers that have written 1,700 lines each."""
    _stack, service = api.deploy("journal", "teller", 2, command=["sh", "-c", WRITE], ports=[])
    api.until_running("journal_teller_", 2)
    return service


def logs_of(page: Page, path: str) -> None:
    page.goto(f"{path}/logs")
    expect(page.locator("#logs .lines")).to_contain_text("30%")


@pytest.fixture
def address(teller: Any, api: Api) -> str:
    """The page of the first of them."""
    return f"/env/5/containers/{api.containers('journal_teller_')[0]['id'].removeprefix('1i')}"


def test_scrolling_up_leads_to_the_first_line(page: Page, address: str):
    logs_of(page, address)
    expect(page.locator("#logs [data-status]")).to_have_text("Following")
    for _page in range(20):
        page.evaluate("document.querySelector('#logs .lines').scrollTop = 100")
        page.evaluate("document.querySelector('#logs .lines').scrollTop = 0")
        if "number 1" in page.evaluate(SHOWN):
            break
        page.wait_for_timeout(200)
    expect(page.locator("#logs [data-status]")).to_have_text("Paused")
    assert page.evaluate(SHOWN) == [f"number {number}" for number in range(1, COUNT + 1)]
    expect(page.locator("#logs .is-new-day").first).to_be_attached()
    page.locator("#logs [data-do=follow]").click()
    expect(page.locator("#logs [data-status]")).to_have_text("Following")


def test_a_search_reaches_lines_that_were_never_shown(page: Page, address: str):
    logs_of(page, address)
    assert "number 77" not in page.evaluate(SHOWN)
    page.fill("#logs [data-word]", "NUMBER 77")
    expect(page.locator("#logs [data-count]")).to_have_text("11 matches")
    expect(page.locator("#logs .is-hit")).to_have_count(11)
    page.fill("#logs [data-word]", "nowhere to be found")
    expect(page.locator("#logs [data-count]")).to_have_text("No line matches")


def test_true_colours_palettes_and_progress_bars_look_as_in_a_terminal(page: Page, address: str):
    logs_of(page, address)
    assert page.evaluate(COLOUR, "true") == "rgb(1, 2, 3)"
    assert page.evaluate(COLOUR, "palette") == "rgb(255, 135, 0)"
    last = page.locator("#logs .lines > div").last
    assert last.evaluate("(each) => each.lastChild.textContent") == "30%"


def test_a_service_shows_its_containers_together(page: Page, teller: Any):
    logs_of(page, f"/env/5/services/{teller['id'].removeprefix('1s')}")
    for name in ("journal_teller_1", "journal_teller_2"):
        expect(page.locator("#logs .lines b").filter(has_text=name).first).to_be_attached()
    times = page.evaluate("[...document.querySelectorAll('#logs .lines time')].map((each) => each.dateTime)")
    assert times == sorted(times)


def test_a_range_is_downloaded(page: Page, address: str):
    logs_of(page, address)
    with page.expect_download() as download:
        page.locator("#logs [data-file]").click()
    text = download.value.path().read_text()
    assert text.count(" number ") == COUNT
