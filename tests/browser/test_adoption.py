"""A compose project on the engine is previewed, adopted and given back in the browser; nothing of it is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator

import docker
import pytest
from playwright.sync_api import Page, expect

from tests.adoption.projects import compose_labels
from tests.browser.axe import violations
from tests.browser.browser_session import wait_until_live
from tests.browser.console_pages import too_wide
from tests.docker.portal_process import Api, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def project(api: Api, terminal: docker.APIClient) -> Iterator[str]:
    """The id of the one container of a project, which the portal knows."""
    made = terminal.create_container(
        "bb:local",
        ["sleep", "99999"],
        name="diary_web_1",
        labels=compose_labels("diary", "web", 1),
        stop_signal="SIGKILL",
        host_config=terminal.create_host_config(auto_remove=True),
    )["Id"]
    terminal.start(made)
    wait_until(
        lambda: "diary" in {each["name"] for each in api.get("adoptioncandidates")["data"]},
        seconds=60,
        what="the project in the list",
    )
    yield made
    terminal.remove_container(made, force=True)


def started(terminal: docker.APIClient, key: str) -> str:
    return str(terminal.inspect_container(key)["State"]["StartedAt"])


def test_a_project_is_adopted_and_given_back(page: Page, project: str, terminal: docker.APIClient) -> None:
    before = started(terminal, project)
    page.goto("/env/5/stacks")
    page.get_by_role("link", name="Adopt what runs").first.click()
    wait_until_live(page)
    row = page.get_by_role("row").filter(has_text="diary")
    assert violations(page) == []
    assert too_wide(page) == []
    row.get_by_role("link", name="Preview").click()
    expect(page.get_by_role("row").filter(has_text="AutoRemove")).to_contain_text("true")
    expect(page.locator("#adopted-file")).to_contain_text("image: bb:local")
    assert violations(page) == []
    assert too_wide(page) == []
    page.fill("main [name=name]", "journal")
    page.get_by_role("button", name="Adopt", exact=True).click()
    expect(page).to_have_url(re.compile(r"/stacks/\d+$"))
    expect(page.locator(".page-head .state").first).to_have_text(re.compile("active|healthy"), timeout=60_000)
    page.get_by_role("link", name="Give back").click()
    page.get_by_role("dialog").get_by_role("button", name="Give back").click()
    expect(page).to_have_url(re.compile(r"/adopt$"))
    expect(page.get_by_role("row").filter(has_text="diary")).to_be_visible(timeout=60_000)
    assert started(terminal, project) == before
