"""An image is built from a context on any engine: its log as it goes on, and the reason where it fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.drivers.base import Driver, EngineDown, EngineError
from apps.drivers.image_builds import BuildOutput, BuildRequest
from tests.drivers.build_contexts import context_of

NAME = "bb:built"


@pytest.fixture(autouse=True)
def without_the_image(driver: Driver) -> Iterator[None]:
    yield
    if driver.find_image(NAME) is not None:
        driver.remove_image(NAME, force=True)


def test_an_image_is_built_and_says_how_it_goes(driver: Driver):
    request = BuildRequest(NAME, arguments={"WORD": "hello"})
    context = context_of("FROM bb:local\nARG WORD\nCOPY greeting /\nRUN echo $WORD\n", greeting="hi")
    found = list(driver.build(request, context))
    said = "".join(each.text for each in found)
    assert "Step 1/4 : FROM bb:local" in said
    assert "hello\n" in said
    image = driver.find_image(NAME)
    assert image is not None
    assert found[-1] == BuildOutput("", image.id)


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM bb:local\nRUN exit 1\n", "non-zero code: 1"),
        ("FROM bb:local\nCOPY nothing /\n", "nothing"),
        ("NONSENSE\n", "unknown instruction"),
        ("", "(?i)no instructions|empty"),
    ],
)
def test_a_step_that_fails_is_said_in_the_engines_words(driver: Driver, dockerfile: str, reason: str):
    with pytest.raises(EngineError, match=reason):
        list(driver.build(BuildRequest(NAME), context_of(dockerfile)))
    assert driver.find_image(NAME) is None


def test_a_context_without_the_dockerfile_is_refused(driver: Driver):
    with pytest.raises(EngineError, match="other"):
        list(driver.build(BuildRequest(NAME, dockerfile="other"), context_of("FROM bb:local\n")))


def test_what_is_no_archive_is_refused(driver: Driver):
    with pytest.raises(EngineError):
        list(driver.build(BuildRequest(NAME), [b"no archive" * 100]))


def test_a_build_that_is_closed_ends_without_an_image(driver: Driver):
    stream = driver.build(BuildRequest(NAME), context_of("FROM bb:local\nRUN echo a\nRUN sleep 60\n"))

    def close_after_the_first_step() -> None:
        for each in stream:
            if "Step 1" in each.text:
                stream.close()

    with pytest.raises(EngineDown):
        close_after_the_first_step()
    assert driver.find_image(NAME) is None
