"""The main job, all in the browser: ten containers deployed, watched live, scaled, healed and deleted."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import docker
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browser_session import (
    BrowserSession,
    is_marked,
    mark,
    wait_until_live,
)
from tests.docker.portal_process import PortalProcess, wait_until

pytestmark = pytest.mark.browser

PREFIX = "WEB-Server_nginx-cluster_"


@pytest.fixture(scope="module")
def cluster(shared_browser_session: BrowserSession) -> Iterator[str]:
    """The address of the service, made by the console's forms and with ten running containers."""
    page = shared_browser_session.window("root")
    page.goto("/env/5/hosts")  # with several environments, "/" leads a new browser to the first one by name
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Stacks").click()
    page.get_by_role("link", name="Add stack").first.click()
    page.fill("[name=name]", "WEB-Server")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="WEB-Server")).to_be_visible()
    page.get_by_role("link", name="Add service", exact=True).first.click()
    page.fill("[name=name]", "nginx-cluster")
    page.fill("[name=scale]", "10")
    page.fill("[name=image]", "bb:local")
    page.locator("[name=portPrivate]").first.fill("80")
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/services/\d+$"))
    mark(page)
    expect(rows(page, "running")).to_have_count(10, timeout=60_000)
    assert is_marked(page)
    yield page.url
    page.close()


@pytest.fixture
def watched(cluster: str, page: Page) -> Iterator[Page]:
    """The page of the service with its ten containers; it must never be reloaded."""
    page.goto(cluster)
    wait_until_live(page)
    expect(rows(page, "running")).to_have_count(10)
    mark(page)
    yield page
    assert is_marked(page)


def rows(page: Page, state: str) -> Locator:
    """The containers that the page shows in a state."""
    return page.locator("tr[id^=container-]").filter(has=page.locator(".state", has_text=re.compile(f"^{state}$")))


def ports(page: Page) -> dict[str, str]:
    """The published address of each container, as the page shows it."""
    found = {}
    for row in page.locator("tr[id^=container-]").all():
        found[row.locator(".name").inner_text()] = str(row.locator("a.chip").get_attribute("href")).removeprefix(
            "http://"
        )
    return found


def answer(address: str) -> str:
    """What a published port says."""
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def names(terminal: docker.APIClient) -> dict[str, Any]:
    """The engine's ids by name."""
    listed = terminal.containers(filters={"name": PREFIX})
    return {each["Names"][0].lstrip("/"): each["Id"] for each in listed}


def test_ten_are_running_and_each_one_answers_on_its_port(watched: Page):
    page_ports = ports(watched)
    assert sorted(page_ports) == sorted(f"{PREFIX}{n}" for n in range(1, 11))
    assert len(set(page_ports.values())) == 10
    assert len({answer(address) for address in page_ports.values()}) == 10  # each says its own host name
    expect(watched.locator(".page-head .state").first).to_have_text("active")


def test_the_link_of_a_port_opens_what_the_container_serves(watched: Page, browser_session: BrowserSession):
    browser_session.allow_complaints("status of 404")  # its icon
    with watched.context.expect_page() as opened:
        watched.locator("tr[id^=container-] a.chip").first.click()
    expect(opened.value.locator("h1")).to_have_text(re.compile(r"^\w+"))


def test_the_stacks_page_counts_along(watched: Page, browser_session: BrowserSession, cluster: str):
    beside = browser_session.window("root")
    beside.goto("/env/5/stacks")
    wait_until_live(beside)
    mark(beside)
    ratio = beside.locator("tr[id^=service-]").filter(has_text="nginx-cluster").locator(".ratio")
    expect(ratio).to_have_text(re.compile(r"^10\s*/\s*10$"))
    watched.get_by_label("One less").click()
    confirm_scale_down(watched)
    expect(ratio).to_have_text(re.compile(r"^9\s*/\s*9$"), timeout=30_000)  # it can be undone for ten seconds
    expect(rows(watched, "running")).to_have_count(9)
    watched.get_by_label("One more").click()
    expect(ratio).to_have_text(re.compile(r"^10\s*/\s*10$"))
    expect(rows(watched, "running")).to_have_count(10)
    assert is_marked(beside)


def confirm_scale_down(page: Page) -> None:
    """Their ports go with the containers, so that the page asks."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("These published ports will close")
    dialog.get_by_role("button", name="Scale down").click()


def test_scaling_to_four_and_back_to_ten(watched: Page, terminal: docker.APIClient):
    scale = watched.get_by_label("Scale", exact=True)
    scale.fill("4")
    scale.press("Enter")
    confirm_scale_down(watched)
    expect(watched.locator("tr[id^=container-]")).to_have_count(4, timeout=30_000)
    wait_until(
        lambda: sorted(names(terminal)) == [f"{PREFIX}{n}" for n in range(1, 5)], seconds=60, what="four on the engine"
    )
    scale.fill("10")
    scale.press("Enter")
    expect(rows(watched, "running")).to_have_count(10, timeout=40_000)
    assert len(names(terminal)) == 10
    assert all(answer(address) for address in ports(watched).values())


@pytest.mark.parametrize("how", ["kill", "rm -f"])
def test_one_lost_on_the_engine_is_seen_replaced(watched: Page, terminal: docker.APIClient, how: str):
    name = f"{PREFIX}{3 if how == 'kill' else 7}"
    before, started = ports(watched)[name], started_at(terminal, name)
    if how == "kill":
        terminal.kill(name)
    else:
        terminal.remove_container(name, force=True)
    wait_until(  # sooner than the scan of each minute would find it
        lambda: started_at(terminal, name) not in {"", started},
        seconds=120,
        what=f"{name} anew on the engine",
        pause=0.1,
    )
    published = f":{port_of(terminal, name)}"
    chip = watched.locator("tr[id^=container-]").filter(has=watched.get_by_role("link", name=name, exact=True))
    expect(chip.locator("a.chip")).to_have_attribute("href", re.compile(f"{published}$"), timeout=30_000)
    expect(rows(watched, "running")).to_have_count(10, timeout=30_000)
    assert ports(watched)[name] == before  # who knows its address finds it again
    assert answer(ports(watched)[name])


def started_at(terminal: docker.APIClient, name: str) -> str:
    """When the container of that name was started, if it runs."""
    try:
        state = terminal.inspect_container(name)["State"]
    except docker.errors.NotFound:
        return ""
    return str(state["StartedAt"]) if state["Running"] else ""


def port_of(terminal: docker.APIClient, name: str) -> str:
    return str(terminal.inspect_container(name)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])


def test_a_page_outlives_a_stop_of_the_portal(
    watched: Page, browser_session: BrowserSession, portal: PortalProcess, terminal: docker.APIClient
):
    browser_session.allow_complaints("ERR_CONNECTION", "WebSocket", "status of 503")
    before, seen = names(terminal), ports(watched)
    portal.end(signal.SIGTERM)
    expect(watched.locator("#pulse")).not_to_have_attribute("data-pulse", "live")
    assert names(terminal) == before
    portal.start()
    wait_until_live(watched)
    expect(rows(watched, "running")).to_have_count(10)
    assert names(terminal) == before
    assert ports(watched) == seen
    watched.get_by_label("One less").click()  # and it works, not only looks alive
    confirm_scale_down(watched)
    expect(rows(watched, "running")).to_have_count(9, timeout=30_000)  # it can be undone for ten seconds
    watched.get_by_label("One more").click()
    expect(rows(watched, "running")).to_have_count(10)


def test_deleting_the_stack_takes_all_away(cluster: str, page: Page, terminal: docker.APIClient):
    page.goto(cluster)
    page.locator(".crumbs a").last.click()
    expect(page.get_by_role("heading", name="WEB-Server")).to_be_visible()
    page.get_by_role("link", name="Delete").first.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("nginx-cluster")
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/stacks$"))
    expect(page.get_by_text("WEB-Server", exact=True)).to_have_count(0, timeout=30_000)  # after the time to undo it
    wait_until(lambda: not names(terminal), seconds=120, what="no container left")
