"""Images as archives, down and up: by permission, passed on as they come, a few at a time, and always let go of."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.built_images import is_own_name
from apps.containers.images import archives
from apps.containers.images.archives import MAX_DOWNLOADS, MAX_IMPORTS, archive_name, image_download, image_import
from apps.containers.images.services import image_tag
from apps.containers.models import HostImage
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from apps.core.streams import FileBrokenOff
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


def archive_of(sim: SimulatedDriver, name: str = "shop:1") -> bytes:
    """An archive of an image that the host does not keep."""
    sim.local_images.add(name)
    found = b"".join(sim.save(name))
    sim.local_images.discard(name)
    return found


def arriving(data: bytes, size: int = 100) -> Callable[[int], Iterator[bytes]]:
    """The file of a request, in small pieces."""
    return lambda _largest: iter([data[start : start + size] for start in range(0, len(data), size)])


def free_imports() -> int:
    """How many more imports may begin."""
    return int(archives._imports._value)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_owners_and_members_import_an_archive(host: Host, actor_of: Any, sim: SimulatedDriver, who: str):
    assert image_import(host, arriving(archive_of(sim), 100_000), actor=actor_of(who)) == ["shop:1"]
    assert sim.find_image("shop:1")
    assert HostImage.all_objects.filter(name="shop:1").exists(), "it is listed at once"
    entry = AuditEntry.all_objects.get(event="image.import")
    assert (entry.target, entry.request["images"], entry.account.login) == (host.pk, ["shop:1"], who)
    assert free_imports() == MAX_IMPORTS


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_nobody_else_imports_and_nothing_is_read(host: Host, actor_of: Any, sim: SimulatedDriver, who: str):
    def unread(_largest: int) -> Iterator[bytes]:
        raise AssertionError

    with pytest.raises(Forbidden):
        image_import(host, unread, actor=actor_of(who))
    assert sim.calls["load"] == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no file"),
        (b"no archive", "no tar archive"),
        (b"\0" * 2000, "no tar archive"),
        (b"{}" * 600, "no tar archive"),
    ],
)
def test_what_is_no_archive_is_refused_before_the_engine_is_asked(
    host: Host, actor_of: Any, sim: SimulatedDriver, data: bytes, reason: str
):
    with pytest.raises(Invalid, match=reason):
        image_import(host, arriving(data), actor=actor_of("bob"))
    assert sim.calls["load"] == 0
    assert free_imports() == MAX_IMPORTS


def test_an_archive_without_images_is_refused_with_the_engines_words(host: Host, actor_of: Any):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(Invalid, match="cannot load this archive"):
        image_import(host, arriving(file.getvalue()), actor=actor_of("bob"))


@pytest.mark.parametrize("name", ["corral/agent:system-1", "corral/haproxy:2.6", "docker.io/corral/agent:v1"])
def test_an_archive_cannot_take_the_names_of_the_portals_own_images(
    host: Host, actor_of: Any, sim: SimulatedDriver, name: str
):
    whole = archive_of(sim, name)
    with pytest.raises(Invalid, match="own images"):
        image_import(host, arriving(whole, 100_000), actor=actor_of("alice"))
    assert sim.find_image(name) is None
    assert not HostImage.all_objects.filter(name=name).exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("corral/agent", True),
        ("corral/agent:v1", True),
        ("corral/agent@sha256:00", True),
        ("index.docker.io/corral/agent:v1", True),
        ("corral/agents", False),
        ("registry.test:5000/corral/agent:v1", False),
        ("agent", False),
    ],
)
def test_which_names_are_the_portals_own(db: None, name: str, *, expected: bool):
    assert is_own_name(name) is expected


def test_no_image_is_given_a_name_of_the_portals_own(image: HostImage, actor_of: Any):
    with pytest.raises(Invalid, match="own images"):
        image_tag(actor=actor_of("alice"), image=image, name="corral/agent:system-1")


def test_an_archive_that_breaks_off_leaves_nothing(host: Host, actor_of: Any, sim: SimulatedDriver):
    whole = archive_of(sim)

    def breaking(_largest: int) -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise FileBrokenOff

    with pytest.raises(FileBrokenOff):
        image_import(host, breaking, actor=actor_of("bob"))
    assert sim.find_image("shop:1") is None
    assert free_imports() == MAX_IMPORTS


def test_a_host_that_is_away_or_not_active_takes_no_archive(host: Host, actor_of: Any, sim: SimulatedDriver):
    whole = archive_of(sim)
    sim.fail_next("load", EngineDown("the cable"))
    with pytest.raises(Problem, match="the cable") as refused:
        image_import(host, arriving(whole, 100_000), actor=actor_of("bob"))
    assert refused.value.status == 502
    host.state = "inactive"
    with pytest.raises(Conflict, match="active hosts only"):
        image_import(host, arriving(whole), actor=actor_of("bob"))


def test_few_are_imported_at_a_time(host: Host, actor_of: Any):
    taken = [archives._imports.acquire(blocking=False) for _ in range(MAX_IMPORTS)]
    try:
        with pytest.raises(Problem, match="Others are importing") as refused:
            image_import(host, arriving(b""), actor=actor_of("bob"))
        assert refused.value.status == 429
    finally:
        for _each in taken:
            archives._imports.release()
