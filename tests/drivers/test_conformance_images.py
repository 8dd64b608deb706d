"""An image leaves one engine as an archive and arrives at another, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.drivers.base import (
    Driver,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
)
from apps.drivers.simulated.engine import SimulatedDriver


def test_an_image_is_found_by_name_with_its_size(driver: Driver):
    found = driver.find_image("bb:local")
    assert found is not None
    assert "bb:local" in found.tags
    assert found.size > 1_000_000
    assert found.created > 1_000_000_000
    assert driver.find_image("bb:none") is None
    listed = {tag: image for image in driver.images() for tag in image.tags}
    assert listed["bb:local"].id == found.id


def test_an_archive_can_be_taken_in_again(driver: Driver):
    pieces = list(driver.save("bb:local"))
    assert sum(map(len, pieces)) > 1_000_000
    assert max(map(len, pieces)) < 1_000_000, "an image must never be held in one piece"
    driver.remove_image("bb:local", force=True)
    assert driver.find_image("bb:local") is None
    assert driver.load(pieces) == ("bb:local",)
    assert driver.find_image("bb:local") is not None


def test_an_image_gets_another_name_and_loses_it_again(driver: Driver):
    found = driver.find_image("bb:local")
    assert found is not None
    driver.tag_image("bb:local", "bb:conformance")
    named = driver.find_image("bb:conformance")
    assert named is not None
    assert named.id == found.id
    assert {"bb:local", "bb:conformance"} <= set(named.tags)
    driver.remove_image("bb:conformance")
    assert driver.find_image("bb:conformance") is None
    assert driver.find_image("bb:local") is not None


def test_an_image_that_loses_its_name_is_listed_without_one_and_removed_by_its_id(driver: Driver):
    pieces = list(driver.save("bb:local"))
    driver.tag_image("bb:local", "bb:conformance")
    driver.remove_image("bb:conformance")
    driver.remove_image("bb:local", force=True)
    driver.load(pieces)
    listed = driver.find_image("bb:local")
    assert listed is not None
    assert driver.find_image(listed.id) is not None, "it is found by its id too"


def test_names_that_are_none_and_images_that_are_not_there_are_refused(driver: Driver):
    with pytest.raises(EngineRefused):
        driver.tag_image("bb:local", "Not A Name:1")
    with pytest.raises(EngineNotFound):
        driver.tag_image("bb:none", "bb:conformance")
    with pytest.raises(EngineNotFound):
        driver.image_details("bb:none")


def test_an_image_tells_its_history(driver: Driver):
    found = driver.image_details("bb:local")
    assert "bb:local" in found.image.tags
    assert found.os == "linux"
    assert found.architecture
    assert found.layers
    assert sum(layer.size for layer in found.layers) > 1_000_000
    assert all(layer.created >= 0 for layer in found.layers)
    assert "bb:local" in found.layers[0].tags


def test_what_is_not_there_cannot_be_saved(driver: Driver):
    with pytest.raises(EngineNotFound, match=r"No such image|does not exist"):
        list(driver.save("bb:none"))


def test_a_broken_archive_is_refused(driver: Driver):
    pieces = list(driver.save("bb:local"))
    with pytest.raises(EngineError):
        driver.load(pieces[: len(pieces) // 2])
    with pytest.raises(EngineError):
        driver.load([b"no archive at all"])
    assert driver.find_image("bb:local") is not None


def test_a_source_that_breaks_off_says_so_itself(driver: Driver):
    def source() -> Iterator[bytes]:
        yield b"some"
        raise EngineDown("the source is gone")

    with pytest.raises(EngineDown, match="the source is gone"):
        driver.load(source())


def test_saving_may_be_left_in_the_middle(driver: Driver):
    archive = driver.save("bb:local")
    assert next(iter(archive))
    archive.close()
    driver.ping()


def test_a_simulated_engine_that_goes_down_breaks_both_ways():
    one, two = SimulatedDriver("one"), SimulatedDriver("two")
    archive = iter(one.save("bb:local"))
    next(archive)
    one.down = True
    with pytest.raises(EngineDown):
        next(archive)
    pieces = list(SimulatedDriver("three").save("bb:local"))
    two.down = True
    with pytest.raises(EngineDown):
        two.load(pieces)
