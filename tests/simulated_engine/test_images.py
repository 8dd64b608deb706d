"""An archive is taken whole or not at all, whoever wrote it."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulated_engine.errors import EngineApiError
from simulated_engine.images import image_id, read_archive
from tests.simulated_engine.still_engine import StillEngine


def archive() -> bytes:
    still = StillEngine()
    for name in ("app:1", "app:2"):
        still.core.images.add(name)
    return b"".join(still.core.images.save(["app:1", "app:2"]))


ARCHIVE = archive()
LAYER_END = ARCHIVE.rindex(b"ustar") + 255 + 4_000_000  # after this only the end marks are missing


def test_an_archive_names_its_images():
    assert read_archive(io.BytesIO(ARCHIVE)) == ["app:1", "app:2"]


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
    assert read_archive(io.BytesIO(tar_of(("abc/layer.tar", b"x" * 5000), ("manifest.json", manifest)))) == ["real:1"]


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
    still.core.images.receive("app:3", "load")
    still.core.images.remove("app:2", [], force=False)
    assert still.actions() == ["image pull", "image load", "image delete"]


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
