"""Images as downloads: by permission, passed on as they come, a few at a time, and always let go of."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.images import archives
from apps.containers.images.archives import MAX_DOWNLOADS, archive_name, image_download
from apps.containers.models import HostImage
from apps.control.models import AuditEntry
from apps.core.errors import Forbidden, NotFound, Problem
from apps.drivers.base import EngineDown, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from simulated_engine.images import read_archive


@pytest.fixture
def image(host: Host) -> HostImage:
    found: HostImage = HostImage.all_objects.select_related("host").get()
    return found


def free() -> int:
    """How many more downloads may begin."""
    return int(archives._downloads._value)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_owners_and_members_download_an_image_that_can_be_loaded(image: HostImage, actor_of: Any, who: str):
    download = image_download(image, actor=actor_of(who))
    assert (download.name, download.kind, download.size) == ("bb-local.tar", "application/x-tar", None)
    pieces = list(download)
    assert max(map(len, pieces)) < 1_000_000, "an image is never held in one piece"
    assert [each.names for each in read_archive(io.BytesIO(b"".join(pieces)))] == [("bb:local",)]
    assert free() == MAX_DOWNLOADS
    entry = AuditEntry.all_objects.get(event="image.download")
    assert (entry.target, entry.request["image"], entry.account.login) == (image.host_id, "bb:local", who)


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_nobody_else_does(image: HostImage, actor_of: Any, sim: SimulatedDriver, who: str):
    with pytest.raises(Forbidden):
        image_download(image, actor=actor_of(who))
    assert sim.calls["save"] == 0
    assert not AuditEntry.all_objects.filter(event="image.download").exists()
    assert free() == MAX_DOWNLOADS


def test_one_without_a_name_is_downloaded_by_its_id(image: HostImage, actor_of: Any, sim: SimulatedDriver):
    image.tags, image.name = "", ""
    download = image_download(image, actor=actor_of("bob"))
    assert download.name == f"{image.short_id}.tar"
    (found,) = read_archive(io.BytesIO(b"".join(download)))
    assert (found.id, found.names) == (image.image_id, ())


def test_a_few_at_a_time(image: HostImage, actor_of: Any):
    begun = [image_download(image, actor=actor_of("bob")) for _ in range(MAX_DOWNLOADS)]
    with pytest.raises(Problem, match="Others are downloading") as refused:
        image_download(image, actor=actor_of("bob"))
    assert refused.value.status == 429
    begun[0].close()
    begun[0].close()
    assert free() == 1, "closed twice, let go of once"
    image_download(image, actor=actor_of("bob")).close()
    for each in begun:
        each.close()
    assert free() == MAX_DOWNLOADS


@pytest.mark.parametrize(("error", "status"), [(EngineDown("the cable"), 502), (EngineError("disk"), 502)])
def test_an_engine_that_fails_is_said_and_holds_nothing(
    image: HostImage, actor_of: Any, sim: SimulatedDriver, error: EngineError, status: int
):
    sim.fail_next("save", error)
    with pytest.raises(Problem, match=str(error)) as refused:
        image_download(image, actor=actor_of("bob"))
    assert refused.value.status == status
    assert free() == MAX_DOWNLOADS


def test_an_image_that_went_meanwhile_is_not_found(image: HostImage, actor_of: Any, sim: SimulatedDriver):
    sim.local_images.clear()
    with pytest.raises(NotFound, match="any more"):
        image_download(image, actor=actor_of("bob"))
    assert free() == MAX_DOWNLOADS


def test_one_that_breaks_off_is_let_go_of(image: HostImage, actor_of: Any, sim: SimulatedDriver):
    download = iter(image_download(image, actor=actor_of("bob")))
    next(download)
    sim.down = True
    with pytest.raises(EngineDown):
        list(download)
    assert free() == MAX_DOWNLOADS


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("app:1.0", "app-1.0.tar"),
        ("registry.test:5000/team/app:1.0", "app-1.0.tar"),
        ("app@sha256:00", "app.tar"),
        ("../..", "image.tar"),
        ("", "image.tar"),
    ],
)
def test_the_name_of_the_file(image: str, name: str):
    assert archive_name(image) == name


@given(text=st.text(max_size=300))
def test_no_image_makes_a_name_that_leads_elsewhere(text: str):
    name = archive_name(text)
    assert name.endswith(".tar")
    assert len(name) <= 104
    assert not name.startswith((".", "-"))
    assert "/" not in name
