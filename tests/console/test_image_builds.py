"""Builds of images in the console: begun in a form, sent a context, followed on a page, stopped, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.builds.models import ImageBuild
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from tests.drivers.build_contexts import context_of

HX = {"HX-Request": "true"}
CONTEXT = b"".join(context_of("FROM bb:local\nRUN echo <b>hello</b>\n"))


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def build(browser_as: Any, at: Any, host: Host) -> ImageBuild:
    """One of bob's that waits for its context."""
    sent = {"image": "shop:2", "host": host.pk, "arguments": "WORD=h1dden\n"}
    answer = browser_as("bob").post(at("image-build-new"), sent, headers=HX)
    row: ImageBuild = ImageBuild.all_objects.get()
    assert answer.headers["HX-Redirect"] == at("image-build", pk=row.pk)
    reconcile_until_idle()
    return row


def test_a_build_is_sent_its_context_and_followed(
    browser_as: Any, at: Any, build: ImageBuild, sim: SimulatedDriver, host: Host
):
    bob = browser_as("bob")
    url = at("image-build", pk=build.pk)
    page = bob.get(url).content.decode()
    assert at("image-build-context", pk=build.pk) in page
    assert "Waiting for the context." in page
    assert "h1dden" not in page
    answer = bob.post(
        at("image-build-context", pk=build.pk), CONTEXT, content_type="application/x-tar", headers=HX
    )  # fmt: skip
    assert answer.status_code == 204
    reconcile_until_idle()
    page = bob.get(url).content.decode()
    assert "Built shop:2." in page
    assert "echo &lt;b&gt;hello" in page
    assert "data-send-file" not in page
    assert b"Step 1/2" in b"".join(bob.get(at("image-build-log", pk=build.pk)).streaming_content)
    assert "shop:2" in bob.get(at("image-builds")).content.decode()
    assert "No build matches" in bob.get(at("image-builds") + "?q=nothing").content.decode()
    assert sim.find_image("shop:2")


def test_a_build_is_stopped_and_removed(browser_as: Any, at: Any, build: ImageBuild):
    bob = browser_as("bob")
    bob.post(at("image-build-do", pk=build.pk, action="cancel"), headers=HX)
    reconcile_until_idle()
    assert "Cancelled." in bob.get(at("image-build", pk=build.pk)).content.decode()
    answer = bob.post(at("image-build-do", pk=build.pk, action="remove"), headers=HX)
    assert answer.headers["HX-Redirect"] == at("image-builds")
    reconcile_until_idle()
    assert "No recent builds" in bob.get(at("image-builds")).content.decode()
    assert bob.post(at("image-build-do", pk=build.pk, action="explode"), headers=HX).status_code == 404


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"image": ""}, "Enter the name"),
        ({"image": "shop", "arguments": "x"}, "name=value"),
        ({"image": "shop", "url": "ftp://x"}, "cannot be used"),
        ({"image": "shop", "dockerfile": "/x"}, "not a path in the context"),
    ],
)
def test_a_form_that_is_wrong_comes_back_with_the_reason(
    browser_as: Any, at: Any, host: Host, sent: dict[str, str], text: str
):
    answer = browser_as("bob").post(at("image-build-new"), {"host": host.pk, "secret": "t0ken", **sent}, headers=HX)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert "t0ken" not in answer.content.decode()
    assert not ImageBuild.all_objects.exists()


def test_who_only_reads_sees_builds_and_changes_nothing(browser_as: Any, at: Any, build: ImageBuild):
    rita = browser_as("rita")
    page = rita.get(at("image-build", pk=build.pk)).content.decode()
    assert "data-send-file" not in page
    assert at("image-build-do", pk=build.pk, action="cancel") not in page
    assert rita.get(at("image-build-new")).status_code == 403
    posts = {
        at("image-build-new"): 403,
        at("image-build-context", pk=build.pk): 403,
        at("image-build-do", pk=build.pk, action="cancel"): 403,
    }
    assert {url: rita.post(url, headers=HX).status_code for url in posts} == posts
    mallory = browser_as("mallory")
    for name in ("image-build", "image-build-log"):
        assert mallory.get(at(name, pk=build.pk)).status_code == 404


def test_more_builds_take_no_more_queries(browser_as: Any, at: Any, build: ImageBuild, host: Host):
    from tests.console.page_costs import queries

    rita = browser_as("rita")
    before = queries(rita, at("image-builds"))
    for number in range(5):
        ImageBuild.all_objects.create(
            environment_id=build.environment_id, host=host, name="x", image=f"x:{number}", source="context",
            desired="built", dockerfile="Dockerfile",
        )  # fmt: skip
    assert queries(rita, at("image-builds")) == before
