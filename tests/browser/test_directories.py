"""Logging in through each of the four in a real browser; groups give a role, and its end closes what is open."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.accounts import samba as ad
from tests.accounts import slapd as openldap
from tests.accounts.fake_github import FakeGitHub
from tests.accounts.samba import Samba
from tests.accounts.slapd import Slapd
from tests.browser.browser_session import (
    BrowserSession,
    OpenWindow,
    log_in,
    wait_until_live,
)
from tests.docker.portal_process import (
    PASSWORD,
    Api,
    PortalProcess,
    wait_until,
)

pytestmark = pytest.mark.browser

SOON = 2000
CREW = f"cn=crew,ou=groups,{openldap.BASE}"


class AdminSession:
    """The administrator at the API, logged in with a password just now."""

    def __init__(self, portal: PortalProcess) -> None:
        self.base = portal.base
        answer = requests.post(f"{self.base}/v1/token", json={"code": f"root:{PASSWORD}"}, timeout=30)
        self._headers = {"Authorization": f"Bearer {answer.json()['jwt']}", "Accept": "application/json"}

    def post(self, path: str, body: Any) -> Any:
        url = path if path.startswith("http") else f"{self.base}/v1/{path}"
        answer = requests.post(url, json=body, headers=self._headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def off(self, plural: str) -> None:
        """Switch a provider off."""
        url = self.get(plural)["data"][0]["links"]["self"]
        requests.put(url, json={"enabled": False}, headers=self._headers, timeout=30)

    def get(self, path: str) -> Any:
        return requests.get(f"{self.base}/v1/{path}", headers=self._headers, timeout=30).json()

    def members(self, *more: tuple[str, str]) -> None:
        """Root owns Default; these (kind, id) may read."""
        entries = [{"externalIdType": "rancher_id", "externalId": "1a1", "role": "owner"}]
        entries += [{"externalIdType": kind, "externalId": name, "role": "readonly"} for kind, name in more]
        self.post("projects/1a5/?action=setmembers", {"members": entries})


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    """A real OpenLDAP, a real Active Directory where that is possible, a make-believe GitHub."""
    pytest.importorskip("ldap")
    with ExitStack() as stack:
        made: dict[str, Any] = {"github": FakeGitHub()}
        stack.callback(made["github"].close)
        for name, kind in (("openldap", Slapd), ("ad", Samba)):
            if name == "ad" and os.geteuid() != 0:
                continue  # its ports are below 1024
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"corral-{name}-")))
            made[name] = kind(folder)
            stack.callback(made[name].stop)
            made[name].start()
        yield made


@pytest.fixture(scope="module")
def root(portal: PortalProcess, api: Api) -> Iterator[AdminSession]:
    made = AdminSession(portal)
    before = made.get("projects/1a5/projectmembers")["data"]
    yield made
    members_before = [{name: each[name] for name in ("externalId", "externalIdType", "role")} for each in before]
    made.post("projects/1a5/?action=setmembers", {"members": members_before})
    for plural in ("openldapconfigs", "ldapconfigs", "githubconfigs"):
        made.off(plural)


@pytest.fixture
def logs(shop: Any, api: Api) -> str:
    """The page that follows a container's log."""
    return f"/env/5/containers/{api.containers('shop_web_')[0]['id'].removeprefix('1i')}/logs"


def follow(page: Page, logs: str) -> None:
    """Open the log's page, and see that it follows and that the page is live."""
    page.goto(logs)
    expect(page.locator("#logs [data-status]")).to_have_text("Following")
    expect(page.locator("#logs .lines")).to_contain_text("serves port 80")
    wait_until_live(page)


def closes(page: Page, tab: Page, take_away: Callable[[], Any]) -> None:
    """Within two seconds of it the log stream ends, and the open pages say that nothing of this is there."""
    page.bring_to_front()
    take_away()
    began = time.monotonic()
    expect(page.get_by_text("Following", exact=True)).to_have_count(0, timeout=SOON)
    for each in (page, tab):
        left = max(1.0, SOON - (time.monotonic() - began) * 1000)
        expect(each.locator("main")).to_contain_text("There is no such environment", timeout=left)
    answer = page.request.get("/env/5/stacks")
    assert answer.status == 404


def try_out(page: Page, logs: str, take_away: Callable[[], Any]) -> None:
    """Somebody who just logged in sees the shop, follows a log, and loses both."""
    tab = page.context.new_page()
    tab.goto("/env/5/stacks")
    expect(tab.locator("main")).to_contain_text("shop")
    wait_until_live(tab)
    follow(page, logs)
    closes(page, tab, take_away)


@pytest.fixture
def tolerant(browser_session: BrowserSession) -> None:
    """What browsers log about pages that are not found any more."""
    browser_session.allow_complaints("status of 404", "status of 403", "status of 401", "WebSocket")


def resync(window: OpenWindow, kind: str) -> Callable[[], None]:
    """The administrator's page of the provider, ready for the button."""
    page = window("root")
    page.goto(f"/admin/access/{kind}")
    button = page.get_by_role("button", name="Re-sync now")
    expect(button).to_be_visible()
    return button.click


def test_a_local_account_loses_what_is_open_with_its_membership(
    window: OpenWindow, root: AdminSession, logs: str, tolerant: None
):
    made = root.post("accounts", {"login": "lola", "name": "Lola", "password": PASSWORD, "kind": "user"})
    root.members(("rancher_id", made["id"]))
    page = window()
    log_in(page, "lola")
    try_out(page, logs, root.members)


def test_openldap_is_set_up_tried_and_confirmed_in_the_console_and_lets_a_group_in(
    window: OpenWindow, root: AdminSession, servers: dict[str, Any], logs: str, tolerant: None
):
    slapd: Slapd = servers["openldap"]
    admin = window("root")
    admin.goto("/admin/access/openldap")
    admin.get_by_text("Attributes", exact=True).click()
    for name, value in slapd.config(tls=True, port=slapd.tls_port).items():
        if name != "tls":
            admin.fill(f"[name={name}]", str(value))
    admin.select_option("[name=encryption]", "tls")
    admin.fill("[name=caCertificate]", slapd.ca)
    admin.get_by_role("button", name="Save").click()
    expect(admin.locator("#provider-status")).to_contain_text("Off")
    admin.fill("[name=login]", "ann")
    admin.fill("[name=password]", openldap.PASSWORD)
    admin.get_by_role("button", name="Test", exact=True).click()
    expect(admin.locator("#toasts .toast").last).to_contain_text("Your groups: crew, fleet, loop")
    admin.get_by_role("button", name="Enable on probation (5 min to confirm)").click()
    expect(admin.locator("#provider-status")).to_contain_text("unless someone logs in through it")
    root.members(("openldap_group", CREW))
    page = window()
    log_in(page, "ann", openldap.PASSWORD)
    expect(admin.locator("#provider-status")).to_contain_text("Re-sync now")  # the log-in confirmed it
    press = resync(window, "openldap")
    slapd.change(slapd.crew, "member", slapd.people["dora"])
    try:
        try_out(page, logs, press)
    finally:
        slapd.change(slapd.crew, "member", slapd.people["ann"], slapd.people["dora"])


@pytest.mark.skipif(os.geteuid() != 0, reason="the ports of Active Directory are below 1024")
def test_a_nested_group_left_in_active_directory_takes_what_is_open(
    window: OpenWindow, root: AdminSession, servers: dict[str, Any], logs: str, tolerant: None
):
    samba: Samba = servers["ad"]
    me = {"login": "ann", "password": ad.PASSWORD}
    root.post("ldapconfigs", {**samba.config(), "enabled": True, **me})
    root.members(("ldap_group", "CN=Fleet,CN=Users,DC=ad,DC=test"))
    page = window()
    log_in(page, "ann@ad.test", ad.PASSWORD)
    press = resync(window, "ad")
    samba.tool("group", "removemembers", "Crew", "ann")
    try_out(page, logs, press)


def test_somebody_of_a_github_team_loses_what_is_open_with_the_team_s_membership(
    window: OpenWindow, root: AdminSession, servers: dict[str, Any], logs: str, tolerant: None
):
    root.post("githubconfigs", {**servers["github"].config(), "enabled": True})
    root.members(("github_team", "70"))
    page = window()
    page.goto("/login")
    page.get_by_role("button", name="Log in with GitHub").click()
    page.wait_for_url(lambda url: "/login" not in url)
    try_out(page, logs, root.members)
    wait_until(lambda: root.get("githubconfigs")["data"][0]["state"] == "on", seconds=60, what="the log-in confirms")
