"""An archive is taken whole or not at all, whoever wrote it."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulated_engine.errors import EngineApiError
from simulated_engine.images import LoadedImage, image_id, read_archive
from tests.simulated_engine.still_engine import StillEngine


def archive() -> bytes:
    still = StillEngine()
    for name in ("app:1", "app:2"):
        still.core.images.add(name)
    return b"".join(still.core.images.save(["app:1", "app:2"]))


ARCHIVE = archive()
LAYER_END = ARCHIVE.rindex(b"ustar") + 255 + 4_000_000  # after this only the end marks are missing


def test_an_archive_names_its_images():
    assert [(found.id, found.names) for found in read_archive(io.BytesIO(ARCHIVE))] == [
        (image_id("app:1"), ("app:1",)),
        (image_id("app:2"), ("app:2",)),
    ]


@given(size=st.integers(0, LAYER_END - 1))
@example(size=1024)  # between the manifest and the layer
def test_an_archive_that_is_cut_off_anywhere_is_refused(size: int):
    with pytest.raises(EngineApiError, match="cut off") as error:
        read_archive(io.BytesIO(ARCHIVE[:size]))
    assert error.value.status == 400


@given(data=st.binary(max_size=2000))
def test_what_is_no_archive_is_refused(data: bytes):
    with pytest.raises(EngineApiError):
        read_archive(io.BytesIO(data))


@pytest.mark.parametrize("manifest", [b"{", b"5", b"null", b'["app:1"]', b'[{"RepoTags": 5}]'])
def test_a_manifest_that_is_none_is_refused(manifest: bytes):
    with pytest.raises(EngineApiError, match="no images"):
        read_archive(io.BytesIO(tar_of(("manifest.json", manifest))))


def test_the_manifest_may_come_last_as_a_real_engine_writes_it():
    manifest = json.dumps([{"RepoTags": None}, {"RepoTags": ["real:1"]}]).encode()
    found = read_archive(io.BytesIO(tar_of(("abc/layer.tar", b"x" * 5000), ("manifest.json", manifest))))
    assert [each.names for each in found] == [(), ("real:1",)]


def test_the_id_of_an_image_comes_from_the_name_of_its_configuration():
    for config in (f"{'ab' * 32}.json", f"blobs/sha256/{'ab' * 32}"):
        manifest = json.dumps([{"Config": config, "RepoTags": ["real:1"]}]).encode()
        (found,) = read_archive(io.BytesIO(tar_of(("manifest.json", manifest))))
        assert found.id == f"sha256:{'ab' * 32}"


def tar_of(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_an_image_goes_by_name_with_or_without_its_tag_and_by_id(still: StillEngine):
    images = still.core.images
    images.add("team/app")
    assert all(images.has(name) for name in ("team/app", "team/app:latest", image_id("team/app"), "sim:any", "sim/any"))
    assert images.require(image_id("team/app")) == "team/app:latest"
    images.discard("team/app")
    images.discard("team/app")
    assert not images.has("team/app:latest")
    assert len(images) == 0


def test_what_arrives_leaves_an_event_and_what_is_put_there_does_not(still: StillEngine):
    still.core.images.add("app:1")
    still.core.images.receive("app:2")
    still.core.images.load(LoadedImage(image_id("app:3"), ("app:3",)))
    still.core.images.remove("app:2", [], force=False)
    assert still.actions() == ["image pull", "image load", "image untag", "image delete"]


def test_a_network_and_a_volume_in_use_stay(still: StillEngine):
    still.core.networks.make("lab", {})
    still.core.volumes.ensure("data", "", {})
    box = still.run(HostConfig={"NetworkMode": "lab", "Binds": ["data:/data"]})
    with pytest.raises(EngineApiError, match="active endpoints"):
        still.core.networks.remove("lab")
    with pytest.raises(EngineApiError, match="volume is in use"):
        still.core.volumes.remove("data", still.core.containers)
    still.core.containers.remove(box, force=True)
    still.core.networks.remove("lab")
    still.core.volumes.remove("data", still.core.containers)
    assert [action for action in still.actions() if "network" in action] == ["network create", "network destroy"]
    with pytest.raises(EngineApiError, match="pre-defined"):
        still.core.networks.remove("bridge")


def test_a_name_that_goes_to_another_image_leaves_the_first_without_one(still: StillEngine):
    images = still.core.images
    images.add("app:1")
    images.add("app:2")
    images.tag("app:2", "app:1")
    assert {row["Id"]: row["RepoTags"] for row in images.summaries()} == {
        image_id("app:1"): [],
        image_id("app:2"): ["app:1", "app:2"],
    }
    assert images.remove("app:1", [], force=False) == [{"Untagged": "app:1"}], "it has another name left"
    assert images.remove(image_id("app:1"), [], force=False) == [{"Deleted": image_id("app:1")}]
    assert len(images) == 1


def test_an_image_is_removed_by_id_only_with_one_name_at_most_or_by_force(still: StillEngine):
    images = still.core.images
    images.add("app:1")
    images.tag("app:1", "app:stable")
    with pytest.raises(EngineApiError, match="multiple repositories"):
        images.remove(image_id("app:1"), [], force=False)
    images.remove(image_id("app:1"), [], force=True)
    assert len(images) == 0


def test_what_a_running_container_uses_keeps_its_image_whatever_is_asked(still: StillEngine):
    images = still.core.images
    images.add("app:1")
    box = still.run(Image="app:1")
    with pytest.raises(EngineApiError, match="cannot be forced"):
        images.remove(image_id("app:1"), [box], force=True)
    with pytest.raises(EngineApiError, match="must force"):
        images.remove("app:1", [box], force=False)
    assert images.remove("app:1", [box], force=True) == [{"Untagged": "app:1"}]
    assert images.has(image_id("app:1")), "it lost its name, and is there as long as its container"


@pytest.mark.parametrize("name", ["Upper:1", "app@sha256:abc", "", "app:bad tag", "-x"])
def test_what_cannot_be_a_name_is_none(still: StillEngine, name: str):
    still.core.images.add("app:1")
    with pytest.raises(EngineApiError, match="invalid reference"):
        still.core.images.tag("app:1", name)
