"""Images are built on hosts: of a context that is sent or fetched, with a log, and stopped when somebody wants that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.builds import context_files, reconcile, services
from apps.builds.build_log import MAX_LOG, BuildLogWriter
from apps.builds.context_files import context_path
from apps.builds.models import BuildLogPart, ImageBuild
from apps.builds.selectors import log_tail, read_log
from apps.builds.services import GitSource, build_cancel, build_remove, build_send_context
from apps.containers.models import HostImage
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.control.retention import delete_expired_rows
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden, Invalid, Problem
from apps.core.models import Setting
from apps.core.streams import FileBrokenOff
from apps.drivers.base import EngineDown
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from tests.catalog.repositories import Repository
from tests.drivers.build_contexts import context_of

IMAGE = "shop:2"
DOCKERFILE = "FROM bb:local\nARG WORD\nRUN echo $WORD\n"


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return tmp_path / "data"


Begin = Callable[..., ImageBuild]


def create_build(**given: Any) -> ImageBuild:
    """Begin a build, with the fields of the repository beside the others."""
    git = {name: given.pop(name) for name in ("url", "branch", "folder", "username", "secret") if name in given}
    return services.build_create(git=GitSource(**git), **given)


@pytest.fixture
def begin(host: Host, actor_of: Any) -> Begin:
    """Begins a build and sends it a context with this Dockerfile; nothing has been built yet."""

    def make(dockerfile: str = DOCKERFILE, *, who: str = "bob", **given: Any) -> ImageBuild:
        row = create_build(actor=actor_of(who), host=host, **{"image": IMAGE, **given})
        reconcile_one("imageBuild", row.pk)
        row.refresh_from_db()
        build_send_context(row, arriving(*context_of(dockerfile, greeting="hi")), actor=actor_of(who))
        return row

    return make


def arriving(*pieces: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda _largest: iter(pieces)


def ended(row: ImageBuild) -> ImageBuild:
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def test_an_image_is_built_from_a_context(begin: Begin, sim: SimulatedDriver, actor_of: Any, data_dir: Path):
    row = ended(begin(arguments={"WORD": "hello"}))
    image = sim.find_image(IMAGE)
    assert image is not None
    assert (row.display_state, row.image_id, row.message) == ("built", image.id, "Built shop:2.")
    assert row.ended is not None
    assert "Step 1/3 : FROM bb:local" in log_tail(row)
    assert "hello\n" in log_tail(row)
    assert HostImage.all_objects.filter(image_id=image.id).exists(), "it is listed at once"
    assert not list((data_dir / "builds").iterdir()), "the context is not kept"
    assert {each.state for each in Operation.all_objects.filter(kind="imageBuild")} == {"succeeded", "superseded"}


def test_it_waits_for_its_context_and_says_so(host: Host, actor_of: Any):
    row = ended(create_build(actor=actor_of("bob"), host=host, image="shop"))
    assert (row.display_state, row.message, row.image) == ("waiting", "Waiting for the context.", "shop:latest")
    ImageBuild.all_objects.update(created=timezone.now() - timedelta(hours=2), next_attempt_at=timezone.now())
    row = ended(row)
    assert (row.display_state, row.transitioning) == ("error", "error")
    assert "No context was sent" in row.message


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM bb:local\nRUN exit 1\n", "non-zero code: 1"),
        ("FROM nowhere/x\n", "pull access denied"),
        ("FROM bb:local\nCOPY nothing /\n", "file not found"),
        ("BROKEN\n", "unknown instruction"),
    ],
)
def test_a_build_that_fails_says_the_engines_words(begin: Begin, dockerfile: str, reason: str, data_dir: Path):
    row = ended(begin(dockerfile))
    assert (row.display_state, row.ended is not None) == ("error", True)
    assert reason in row.message
    assert reason in log_tail(row)
    assert Operation.all_objects.filter(kind="imageBuild", state="failed").exists()
    assert not list((data_dir / "builds").iterdir())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"image": ""}, "imageName"),
        ({"image": "Shop:2"}, "imageName"),
        ({"image": "corral/agent:system-1"}, "imageName"),
        ({"image": "docker.io/corral/haproxy:2.6"}, "imageName"),
        ({"image": "shop@sha256:" + "0" * 64}, "imageName"),
        ({"dockerfile": "../Dockerfile"}, "dockerfile"),
        ({"dockerfile": "/etc/passwd"}, "dockerfile"),
        ({"dockerfile": "a\nb"}, "dockerfile"),
        ({"target": "a b"}, "target"),
        ({"arguments": {"1x": "y"}}, "buildArgs"),
        ({"arguments": {"x": 1}}, "buildArgs"),
        ({"arguments": {f"a{n}": "" for n in range(101)}}, "buildArgs"),
        ({"url": "ftp://x/y"}, "gitUrl"),
        ({"url": "https://user:secret@host/x.git"}, "gitUrl"),
        ({"url": "https://host/x.git", "branch": "-x"}, "branch"),
        ({"url": "https://host/x.git", "folder": "../x"}, "folder"),
        ({"url": "ssh://git@host/x.git", "secret": "word"}, "secretValue"),
        ({"branch": "main"}, "branch"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field(host: Host, actor_of: Any, given: dict[str, Any], field: str):
    with pytest.raises(Invalid) as refused:
        create_build(actor=actor_of("bob"), host=host, **{"image": IMAGE, **given})
    assert refused.value.field == field
    assert not ImageBuild.all_objects.exists()


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_only_owners_and_members_build(host: Host, actor_of: Any, begin: Begin, who: str):
    with pytest.raises(Forbidden):
        create_build(actor=actor_of(who), host=host, image=IMAGE)
    row = create_build(actor=actor_of("bob"), host=host, image=IMAGE)
    for act in (build_cancel, build_remove):
        with pytest.raises(Forbidden):
            act(row, actor=actor_of(who))
    with pytest.raises(Forbidden):
        build_send_context(row, arriving(b"x"), actor=actor_of(who))


def test_a_host_that_is_not_active_builds_nothing_and_a_busy_one_only_so_much(
    host: Host, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(services, "MAX_UNDER_WAY", 1)
    create_build(actor=actor_of("bob"), host=host, image=IMAGE)
    with pytest.raises(Conflict, match="under way"):
        create_build(actor=actor_of("bob"), host=host, image=IMAGE)
    host.state = "inactive"
    with pytest.raises(Conflict, match="active hosts only"):
        create_build(actor=actor_of("bob"), host=host, image=IMAGE)


def test_a_context_that_is_no_archive_too_large_or_broken_is_refused_and_another_can_be_sent(
    host: Host, actor_of: Any, data_dir: Path
):
    row = create_build(actor=actor_of("bob"), host=host, image=IMAGE)

    def broken(_largest: int) -> Iterator[bytes]:
        yield b"".join(context_of(DOCKERFILE))
        raise FileBrokenOff

    def too_large(largest: int) -> Iterator[bytes]:
        assert largest == 512 * 1024**2
        yield b"".join(context_of(DOCKERFILE))
        raise Invalid("file", "MaxLimitExceeded", "The file is larger than 512 MB.")

    for receive, error in ((arriving(b"no archive"), Invalid), (too_large, Invalid), (broken, FileBrokenOff)):
        with pytest.raises(error):
            build_send_context(row, receive, actor=actor_of("bob"))
        assert not list((data_dir / "builds").glob("*")), "nothing half-made stays"
    build_send_context(row, arriving(*context_of(DOCKERFILE)), actor=actor_of("bob"))
    assert ended(row).display_state == "built"


def test_a_context_is_taken_once(begin: Begin, actor_of: Any):
    row = begin()
    for _state in ("building", "built"):
        with pytest.raises(ActionNotAvailable):
            build_send_context(row, arriving(b"x"), actor=actor_of("bob"))
        ended(row)


def test_a_full_disk_is_said(begin: Begin, host: Host, actor_of: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context_files, "_MIN_FREE", 2**62)
    with pytest.raises(Problem, match="nearly full") as refused:
        begin()
    assert refused.value.status == 507


def test_a_setting_bounds_the_context(db: None):
    assert context_files.max_context() == 512 * 1024**2
    Setting.objects.create(name="build.context.megabytes", value="3")
    assert context_files.max_context() == 3 * 1024**2


def test_a_build_that_goes_on_is_cancelled(
    begin: Begin, sim: SimulatedDriver, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    sim.delay = 0.2
    row = begin("FROM bb:local\n" + "RUN echo a\n" * 50)
    said = threading.Event()
    kept = reconcile._report

    def cancel(build: ImageBuild, message: str) -> None:
        kept(build, message)
        if not said.is_set():
            said.set()
            build_cancel(ImageBuild.all_objects.get(pk=build.pk), actor=actor_of("bob"))

    monkeypatch.setattr(reconcile, "_report", cancel)
    row = ended(row)
    assert said.is_set()
    assert (row.display_state, row.message) == ("error", "Cancelled.")
    assert sim.find_image(IMAGE) is None
    assert not context_path(row.uuid).exists()


def test_one_that_waits_is_cancelled_and_removed_with_its_log(begin: Begin, host: Host, actor_of: Any):
    waiting = create_build(actor=actor_of("bob"), host=host, image=IMAGE)
    build_cancel(waiting, actor=actor_of("bob"))
    assert ended(waiting).message == "Cancelled."
    row = ended(begin())
    assert BuildLogPart.all_objects.exists()
    build_remove(row, actor=actor_of("bob"))
    row = ended(row)
    assert (row.display_state, row.removed is not None) == ("removed", True)
    assert not BuildLogPart.all_objects.exists()


def test_a_build_whose_worker_was_killed_begins_again_and_not_for_ever(begin: Begin, sim: SimulatedDriver):
    row = begin()
    ImageBuild.all_objects.filter(pk=row.pk).update(
        state="building", status={"attempts": 1}, lease="dead:1", lease_until=timezone.now() - timedelta(seconds=1)
    )
    row = ended(row)
    assert row.display_state == "built"
    assert "begins again" in log_tail(row)
    other = begin()
    ImageBuild.all_objects.filter(pk=other.pk).update(status={"attempts": 3}, message="the cable")
    other = ended(other)
    assert (other.display_state, "broke off" in other.message) == ("error", True)


def test_an_engine_that_goes_away_is_tried_again(begin: Begin, sim: SimulatedDriver):
    sim.fail_next("build", EngineDown("the cable"))
    row = begin()
    reconcile_one("imageBuild", row.pk)
    row.refresh_from_db()
    assert (row.display_state, row.message) == ("building", "the cable")
    ImageBuild.all_objects.update(next_attempt_at=timezone.now())
    assert ended(row).display_state == "built"


def test_a_context_that_is_on_another_machine_is_said(begin: Begin):
    row = begin()
    context_path(row.uuid).unlink()
    row = ended(row)
    assert (row.display_state, "share the data folder" in row.message) == ("error", True)


def test_a_build_of_a_host_that_is_removed_ends(begin: Begin, host: Host):
    row = begin()
    Host.all_objects.filter(pk=host.pk).update(removed=timezone.now())
    row = ended(row)
    assert (row.display_state, row.message) == ("error", "h1 was removed.")


def test_a_few_of_an_environment_are_built_at_a_time(begin: Begin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconcile, "MAX_AT_ONCE", 1)
    first, second = begin(), begin()
    soon = timezone.now() + timedelta(minutes=1)
    ImageBuild.all_objects.filter(pk=first.pk).update(state="building", lease="alive:1", lease_until=soon)
    reconcile_one("imageBuild", second.pk)
    second.refresh_from_db()
    assert (second.display_state, "under way" in second.message) == ("waiting", True)
    ImageBuild.all_objects.filter(pk=first.pk).update(lease="", lease_until=None)
    ImageBuild.all_objects.update(next_attempt_at=timezone.now())
    assert ended(second).display_state == "built"


def test_an_image_is_built_from_a_folder_of_a_repository(
    host: Host, actor_of: Any, sim: SimulatedDriver, tmp_path: Path, data_dir: Path
):
    repository = Repository(tmp_path / "repository")
    repository.commit({"app/Dockerfile": DOCKERFILE, "app/x": "1", "other": "2"})
    given: dict[str, Any] = {"image": IMAGE, "url": repository.url, "arguments": {"WORD": "s3cret-word"}}
    row = ended(create_build(actor=actor_of("bob"), host=host, folder="app", **given))
    assert (row.display_state, len(row.commit)) == ("built", 40)
    assert f"at {row.commit}" in log_tail(row)
    assert sim.find_image(IMAGE)
    assert not list((data_dir / "builds").iterdir())
    again = ended(create_build(actor=actor_of("bob"), host=host, folder="app", branch=row.commit, **given))
    assert again.commit == row.commit, "a commit is fetched by its id"
    missing = ended(create_build(actor=actor_of("bob"), host=host, folder="nothing", **given))
    assert "no folder nothing" in missing.message
    unknown = ended(create_build(actor=actor_of("bob"), host=host, branch="nothing", **given))
    assert (unknown.display_state, "no such branch" in unknown.message) == ("error", True)
    for entry in AuditEntry.all_objects.filter(event__startswith="imageBuild"):
        assert "s3cret-word" not in str(entry.request)


def test_an_address_inside_is_not_fetched_from(host: Host, actor_of: Any):
    row = ended(create_build(actor=actor_of("bob"), host=host, image=IMAGE, url="https://127.0.0.1/x.git"))
    assert row.display_state == "error"
    assert "must not reach" in row.message


def test_secrets_are_encrypted_and_forgotten_at_the_end(host: Host, actor_of: Any):
    from django.db import connection

    row = create_build(
        actor=actor_of("bob"), host=host, image=IMAGE, url="https://127.0.0.1/x.git", secret="t0ken-value",
        arguments={"A": "v4lue-of-a"},
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, arguments FROM builds_imagebuild")
        stored = str(cursor.fetchall())
    assert "t0ken-value" not in stored
    assert "v4lue-of-a" not in stored
    assert ended(row).secret == ""


def test_a_long_log_keeps_its_beginning_and_its_end(begin: Begin):
    row = begin()
    log = BuildLogWriter(row, str)
    for number in range(3000):
        log.add(f"{number} " + "x" * 1000 + "\n")
    log.end()
    text, after = "", 0
    while (found := read_log(row, after)).text:
        text, after = text + found.text, found.following
    assert text.startswith("0 x")
    assert "lines left out" in text
    assert text.rstrip().endswith("x")
    assert "2999 x" in text
    assert len(text) < MAX_LOG + 200_000


def test_builds_go_with_their_logs_when_their_time_is_over(begin: Begin):
    row = ended(begin())
    old = timezone.now() - timedelta(days=15)
    ImageBuild.all_objects.filter(pk=row.pk).update(ended=old, next_attempt_at=timezone.now())
    assert ended(row).display_state == "removed"
    ImageBuild.all_objects.filter(pk=row.pk).update(removed=old)
    delete_expired_rows()
    assert not ImageBuild.all_objects.exists()
    assert not BuildLogPart.all_objects.exists()


def test_what_is_left_of_builds_that_are_gone_is_deleted(begin: Begin, data_dir: Path):
    import os

    left = data_dir / "builds" / "left.tar"
    left.parent.mkdir()
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    begin()
    assert not left.exists()
