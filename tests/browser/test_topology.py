"""The topology in Chromium: drawn, walked through by keyboard, live, and legible on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.browser_session import OpenWindow

pytestmark = pytest.mark.browser
IMAGE = {"imageUuid": "docker:bb:local", "command": ["sleep", "9999"], "stopSignal": "SIGKILL"}


@pytest.fixture
def linked(api: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Three services in a row, in a stack of their own."""
    stack = api.create("environments", name=f"graph-{request.node.callspec.id}")
    made = {
        name: api.create("services", name=name, environmentId=stack["id"], launchConfig=IMAGE)
        for name in ("front", "middle", "back")
    }
    for source, target in (("front", "middle"), ("middle", "back")):
        api.act(made[source], "addservicelink", serviceLink={"serviceId": made[target]["id"], "name": target})
    return {"stack": stack, **made}


@pytest.mark.parametrize(
    "size", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}], ids=["desktop", "phone"]
)
def test_the_graph_is_walked_through_by_keyboard_and_follows_changes(
    window: OpenWindow, api: Any, linked: dict[str, Any], size: Any
):
    page = window("root", viewport=size)
    page.goto(f"/env/5/stacks/{linked['stack']['id'].removeprefix('1e')}/topology")
    page.locator(".topology-node").nth(2).wait_for()
    assert page.locator(".topology-link").count() == 2
    page.locator(".topology-node", has_text="front").focus()
    page.keyboard.press("ArrowRight")
    label = "document.activeElement.textContent"
    assert page.evaluate(label).startswith("middle ")
    assert page.evaluate("document.activeElement.getAttribute('aria-description')") == "inactive, leads to back"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(label).startswith("back ")
    letters = page.locator(".topology-node text.name").first.bounding_box()
    assert letters is not None
    assert letters["height"] >= 9
    late = f"late{size['width']}"
    api.create("services", name=late, environmentId=linked["stack"]["id"], launchConfig=IMAGE)
    page.locator(".topology-node", has_text=late).wait_for()
    assert page.evaluate(label).startswith("back ")  # the focus stayed where it was
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/services/{linked['back']['id'].removeprefix('1s')}")
