"""Volumes of every engine: made, listed, measured, removed, and their files read through a container that never ran."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from uuid import uuid4

import pytest

from apps.drivers.base import Driver, EngineConflict, EngineNotFound
from apps.drivers.simulated.engine import SimulatedDriver
from tests.drivers.conformance import make, read_until_end

SYSTEM = {"io.corral.system": "volume-reader"}


@pytest.fixture
def volume(driver: Driver) -> Iterator[str]:
    """The name of a volume with a label."""
    name = f"v{uuid4().hex[:12]}"
    driver.create_volume(name, "local", {}, {"io.corral.test": "yes"})
    yield name
    for seen in driver.containers():
        driver.remove(seen.id)
    driver.remove_volume(name)


def fill(driver: Driver, volume: str) -> None:
    """Put two files in a folder and a link beside them into the volume."""
    script = "mkdir -p /d/sub; printf hello > /d/sub/a.txt; printf 0123456789 > /d/b.txt; ln -s /etc /d/out"
    if isinstance(driver, SimulatedDriver):
        driver.write_file(volume, "sub/a.txt", b"hello")
        driver.write_file(volume, "b.txt", b"0123456789")
        driver.write_file(volume, "out", "/etc")
        return
    writer = make(driver, "writer", HostConfig={"Binds": [f"{volume}:/d"]})
    session = driver.exec(writer, ["sh", "-c", script], tty=False)
    read_until_end(session)
    session.close()
    driver.remove(writer)


def reader(driver: Driver, volume: str) -> str:
    """A container that only mounts the volume; agents open files of such ones alone."""
    binds = {"Binds": [f"{volume}:/corral-volume:ro"]}
    return make(driver, "reader", start=False, Labels=SYSTEM, HostConfig=binds)


def test_a_volume_is_listed_with_driver_and_labels(driver: Driver, volume: str):
    listed = {each.name: each for each in driver.volumes()}
    assert listed[volume].driver == "local"
    assert dict(listed[volume].labels) == {"io.corral.test": "yes"}
    assert listed[volume].created[:2] == "20"
    assert listed[volume].mountpoint.endswith("_data")
    assert driver.find_volume(volume) == listed[volume]
    assert driver.find_volume("none-of-this-name") is None


def test_a_volume_that_is_made_twice_stays_the_same_one(driver: Driver, volume: str):
    again = driver.create_volume(volume, "local", {}, {"other": "label"})
    assert dict(again.labels) == {"io.corral.test": "yes"}


def test_a_volume_in_use_is_not_removed(driver: Driver, volume: str):
    made = reader(driver, volume)
    with pytest.raises(EngineConflict, match="in use"):
        driver.remove_volume(volume)
    driver.remove(made)
    driver.remove_volume(volume)
    assert driver.find_volume(volume) is None
    driver.remove_volume(volume)


def test_what_a_container_mounts_by_name_is_made_with_it_and_outlives_it(driver: Driver):
    name = f"v{uuid4().hex[:12]}"
    made = make(driver, "maker", start=False, HostConfig={"Binds": [f"{name}:/d"]}, Volumes={"/unnamed": {}})
    unnamed = next(each.name for each in driver.inspect(made).mounts if each.target == "/unnamed")
    assert {name, unnamed} <= {each.name for each in driver.volumes()}
    driver.remove(made)
    left = {each.name for each in driver.volumes()}
    assert name in left
    assert unnamed not in left
    driver.remove_volume(name)


@pytest.fixture
def filled(driver: Driver, volume: str) -> str:
    """A reader's id, of the volume with files in it."""
    if not _can_write(driver):
        pytest.skip("nothing can be written into the volumes of this engine")
    fill(driver, volume)
    return reader(driver, volume)


def _can_write(driver: Driver) -> bool:
    """The simulated hosts' commands write no files."""
    return isinstance(driver, SimulatedDriver) or driver.info().storage_driver != "memory"


def test_sizes_are_those_of_the_files(driver: Driver, volume: str, filled: str):
    assert driver.volume_sizes()[volume] >= 15


def test_files_are_described_without_following_a_link(driver: Driver, filled: str):
    assert driver.file_at(filled, "/corral-volume").is_folder
    found = driver.file_at(filled, "/corral-volume/b.txt")
    assert (found.name, found.size, found.is_folder, found.link) == ("b.txt", 10, False, "")
    link = driver.file_at(filled, "/corral-volume/out")
    assert link.link
    assert not link.is_folder
    with pytest.raises(EngineNotFound):
        driver.file_at(filled, "/corral-volume/nothing")


def test_a_folder_comes_as_an_archive(driver: Driver, filled: str):
    data = b"".join(driver.archive(filled, "/corral-volume"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = {each.name.rstrip("/") for each in tar.getmembers()}
        assert {"corral-volume/b.txt", "corral-volume/sub/a.txt", "corral-volume/out"} <= names
        content = tar.extractfile("corral-volume/sub/a.txt")
        assert content is not None
        assert content.read() == b"hello"
    with pytest.raises(EngineNotFound):
        list(driver.archive(filled, "/corral-volume/nothing"))


def test_an_empty_volume_can_be_read_through_the_agents_proxy_too(driver: Driver, volume: str):
    made = reader(driver, volume)
    assert driver.file_at(made, "/corral-volume").is_folder
    assert volume in driver.volume_sizes()
    assert b"corral-volume" in b"".join(driver.archive(made, "/corral-volume"))
