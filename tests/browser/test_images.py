"""Images in the browser: one that has no name is cleaned up once it was shown what goes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import docker
import pytest
from docker.errors import ImageNotFound
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.console_pages import too_wide

pytestmark = pytest.mark.browser


@pytest.fixture
def nameless(terminal: docker.APIClient) -> Iterator[str]:
    """The id of an image without a name on the only host."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("left-behind"))
    before = {each["Id"] for each in terminal.images()}
    terminal.import_image_from_data(content.getvalue())
    (made,) = {each["Id"] for each in terminal.images()} - before
    yield made
    if made in {each["Id"] for each in terminal.images()}:
        terminal.remove_image(made)


def test_an_image_without_a_name_is_cleaned_up(page: Page, terminal: docker.APIClient, nameless: str) -> None:
    short = nameless.removeprefix("sha256:")[:12]
    page.goto("/env/5/images?use=dangling")
    expect(page.locator("tbody")).to_contain_text(short)
    assert violations(page) == []
    page.get_by_role("link", name="Clean up").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("frees up to")
    expect(dialog).to_contain_text(short)
    dialog.locator("[name=days]").select_option("90")
    expect(dialog).to_contain_text("There is nothing to remove.")
    dialog.locator("[name=days]").select_option("0")
    expect(dialog).to_contain_text(short)
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator(".note")).to_contain_text("removed from")
    with pytest.raises(ImageNotFound):
        terminal.inspect_image(nameless)
    page.goto("/env/5/images")
    page.locator("a.name").first.click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert too_wide(page) == []
    page.goto("/env/5/images")
    assert too_wide(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
