"""Images that come from the mirror of their registry first: which name and digest they have, and what failing says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.containers import mirror_pulls
from apps.containers.image_pulls import image_pull, tasks_of
from apps.containers.images.inventory import take_inventory
from apps.containers.images.selectors import image_activity
from apps.containers.launch.config import LaunchConfig
from apps.containers.mirror_pulls import digests_by_image, engine_reference, prune_mirrored_images
from apps.containers.models import Container, HostImage, MirroredImage, Pull
from apps.containers.pull_failures import classify_pull_failure
from apps.containers.services import container_create
from apps.control.models import OperationLine
from apps.control.reconcile import reconcile_one
from apps.drivers.base import EngineDown, EngineError, EngineTimeout, PullProgress
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.vault.models import Registry
from apps.vault.registries.services import registry_add, registry_update
from apps.vault.registries.shared_services import shared_registry_create
from simulated_engine.images import image_id

IMAGE, MIRROR, SECRET, ORIGIN_SECRET = "web:1", "mirror.example.org:5000", "s3cret-w0rd", "origin-w0rd"
MIRRORED = f"{MIRROR}/library/web:1"
DIGEST = f"sha256:{'a' * 64}"
Run = Callable[[], None]


@pytest.fixture
def hub(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Run) -> Registry:
    """Docker Hub, with an account, pulled from through a mirror; both have the image."""
    sim.registry.update({IMAGE, MIRRORED})
    account = {"public_value": "alice", "secret_value": ORIGIN_SECRET}
    row = registry_add(actor=actor_of("bob"), environment=lab, server_address="docker.io", mirror=MIRROR, **account)
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def sent(sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Each pull of the engine: the name, and the account that went with it."""
    found: list[tuple[str, Any]] = []
    pull = SimulatedDriver.pull

    def noted(engine: SimulatedDriver, image: str, auth: Any = None, **more: Any) -> Iterator[PullProgress]:
        found.append((image, auth))
        return pull(engine, image, auth, **more)

    monkeypatch.setattr(SimulatedDriver, "pull", noted)
    return found


@pytest.fixture
def launch(lab: Environment, hub: Registry, actor_of: Any, run_loop: Run) -> Callable[..., Container]:
    def make(image: str = IMAGE) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
        Container.all_objects.update(keep_running=True)
        run_loop()
        row.refresh_from_db()
        return row

    return make


def _the_pull() -> Pull:
    row: Pull = Pull.all_objects.get()
    return row


def _lines() -> str:
    return "\n".join(OperationLine.objects.order_by("pk").values_list("text", flat=True))


def _names(engine: SimulatedDriver) -> set[str]:
    return {name for image in engine.images() for name in image.tags}


def test_a_container_s_image_comes_from_the_mirror_under_the_name_that_was_asked_for(
    launch: Any, sim: SimulatedDriver, sent: list[Any]
):
    row = launch()
    assert row.display_state == "running"
    assert sent == [(MIRRORED, None)]  # and the account at Docker Hub went nowhere
    assert IMAGE in _names(sim)
    assert MIRRORED not in _names(sim)
    assert row.image == IMAGE
    assert image_activity(row.environment_id).pulls == ()
    assert _the_pull().message == f"Pulled from the mirror {MIRROR}."
    assert f"web:1 came from the mirror {MIRROR}" in _lines()


def test_the_digest_of_the_registry_stays_known_though_the_engine_loses_it(
    launch: Any, sim: SimulatedDriver, host: Host
):
    launch()
    found = sim.find_image(IMAGE)
    assert found is not None
    assert found.digests == ()
    name = f"web@{image_id(MIRRORED)}"
    assert digests_by_image([host.pk]) == {(host.pk, found.id): [name]}
    take_inventory(host)
    assert HostImage.all_objects.get(image_id=found.id).digests == name


def test_the_mirror_gets_the_account_of_its_own_address(
    launch: Any, sim: SimulatedDriver, sent: list[Any], lab: Environment, actor_of: Any
):
    sim.registry.accounts[MIRROR] = ("robot", SECRET)
    account = {"public_value": "robot", "secret_value": SECRET}
    registry_add(actor=actor_of("bob"), environment=lab, server_address=MIRROR, **account)
    assert launch().display_state == "running"
    ((name, auth),) = sent
    assert (name, auth["username"], auth["password"], auth["serveraddress"]) == (MIRRORED, "robot", SECRET, MIRROR)


def test_what_the_mirror_does_not_have_comes_from_the_registry_and_that_is_said(
    launch: Any, sim: SimulatedDriver, sent: list[Any]
):
    sim.registry.discard(MIRRORED)
    assert launch().display_state == "running"
    assert [(name, auth and auth["username"]) for name, auth in sent] == [(MIRRORED, None), (IMAGE, "alice")]
    said = _the_pull().message
    assert said.startswith(
        f"Pulled from Docker Hub: the mirror {MIRROR} failed: There is no such repository at {MIRROR}"
    )
    assert f"The mirror {MIRROR} failed: There is no such repository" in _lines()
    assert "web:1 is pulled from Docker Hub instead." in _lines()
    assert [each.image for each in image_activity(_the_pull().environment_id).pulls] == [IMAGE]


def test_a_wrong_password_at_the_mirror_is_said_without_it(
    launch: Any, sim: SimulatedDriver, lab: Environment, actor_of: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    sim.registry.accounts[MIRROR] = ("robot", "another-w0rd")
    account = {"public_value": "robot", "secret_value": SECRET}
    registry_add(actor=actor_of("bob"), environment=lab, server_address=MIRROR, **account)
    sim.fail_next("pull", EngineError(f"unauthorized: incorrect username or password: robot:{SECRET}"))
    assert launch().display_state == "running"
    assert f"Access denied by {MIRROR}." in _the_pull().message
    assert f"credential of {MIRROR}" in _the_pull().message
    with connection.cursor() as cursor:
        stored = ""
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the names of our own tables
            stored += str(cursor.fetchall())
    assert "incorrect username" in stored
    for secret in (SECRET, ORIGIN_SECRET):
        assert secret not in stored
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            EngineError('Get "https://mirror/v2/": dial tcp 10.0.0.9:5000: connect: connection refused'),
            "cannot connect",
        ),
        (EngineTimeout("The engine at unix:// did not answer in time."), "it did not answer within 60 seconds"),
        (EngineDown("The engine at unix:// cannot be reached."), "cannot be reached"),
    ],
)
def test_a_mirror_that_is_away_holds_nothing_up(error: EngineError, said: str, launch: Any, sim: SimulatedDriver):
    sim.fail_next("pull", error)
    assert launch().display_state == "running"
    assert f"the mirror {MIRROR} failed: " in _the_pull().message
    assert said in _the_pull().message


def test_a_silent_mirror_is_given_up_before_the_lease_ends(
    launch: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    found: list[float] = []

    def silent(_engine: SimulatedDriver, *_given: Any, idle_timeout: float = 300.0, **_more: Any) -> Any:
        found.append(idle_timeout)
        raise EngineTimeout("silent")

    monkeypatch.setattr(SimulatedDriver, "pull", silent)
    launch()
    assert found[:2] == [mirror_pulls.MIRROR_SILENCE, 300.0]
    assert mirror_pulls.MIRROR_SILENCE < 90


def test_an_engine_that_is_away_is_not_the_mirror_s_fault(
    hub: Registry, lab: Environment, sim: SimulatedDriver, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    def cut(engine: SimulatedDriver, *_given: Any, **_more: Any) -> Any:
        engine.fail_next("find_image", EngineDown("cut"))
        raise EngineDown("cut")

    image_pull(actor=actor_of("bob"), environment=lab, image=IMAGE, labels={})
    with monkeypatch.context() as patched:
        patched.setattr(SimulatedDriver, "pull", cut)
        reconcile_one("pull", _the_pull().pk)
    assert (_the_pull().display_state, _the_pull().message) == ("pulling", "cut")
    reconcile_one("pull", _the_pull().pk)
    assert (_the_pull().display_state, _the_pull().message) == ("pulled", f"Pulled from the mirror {MIRROR}.")
    assert "failed" not in _lines()


def test_where_both_fail_the_registry_s_words_count_and_the_mirror_s_are_added(launch: Any, sim: SimulatedDriver):
    sim.registry.clear()
    sim.fail_next("pull", EngineError("dial tcp: connect: connection refused"))
    row = launch()
    assert row.message == "Image pull failed: There is no such repository at Docker Hub, or it is private."
    said = _the_pull().message
    assert f"Before that, the mirror {MIRROR} failed: The host cannot connect to the registry." in said
    assert classify_pull_failure(said, IMAGE).kind == "no access"


def test_a_mirror_that_is_added_is_used_at_once_by_what_waits(
    launch: Any, sim: SimulatedDriver, hub: Registry, actor_of: Any, run_loop: Run
):
    registry_update(hub, actor=actor_of("bob"), mirror="")
    sim.registry.discard(IMAGE)
    row = launch()
    assert row.display_state != "running"
    hub.refresh_from_db()
    registry_update(hub, actor=actor_of("bob"), mirror=MIRROR)
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "running"


def test_an_image_held_to_a_digest_comes_from_the_mirror_and_is_what_the_container_is_made_from(
    launch: Any, sim: SimulatedDriver, host: Host, sent: list[Any]
):
    at_mirror = f"{MIRROR}/library/web@{DIGEST}"
    sim.registry.add(at_mirror)
    row = launch(f"web:1@{DIGEST}")
    assert (row.display_state, sent) == ("running", [(at_mirror, None)])
    assert engine_reference(host.pk, f"web:1@{DIGEST}") == at_mirror
    assert engine_reference(host.pk, f"web@{DIGEST}") == at_mirror
    assert engine_reference(host.pk + 1, f"web@{DIGEST}") == f"web@{DIGEST}"
    (image,) = [each for each in sim.images() if each.id == row.status["image_id"]]
    assert image.digests == (at_mirror,)
    assert MirroredImage.objects.get().digest_name == f"web@{DIGEST}"


def test_another_image_than_the_digest_s_is_not_taken(launch: Any, sim: SimulatedDriver, monkeypatch: Any):
    at_mirror, other = f"{MIRROR}/library/web@{DIGEST}", "sha256:" + "b" * 64
    sim.registry.update({at_mirror, f"web:1@{DIGEST}"})
    digests = mirror_pulls._digests_of
    monkeypatch.setattr(mirror_pulls, "_digests_of", lambda image, name: digests(image, name) and [other])
    row = launch(f"web:1@{DIGEST}")
    assert f"What came is not {DIGEST}." in _the_pull().message
    assert row.display_state == "running"  # from the registry
    assert not MirroredImage.objects.exists()


def test_the_mirror_s_name_stays_where_somebody_else_put_it(launch: Any, sim: SimulatedDriver):
    sim.local_images.add(MIRRORED)
    launch()
    assert {IMAGE, MIRRORED} <= _names(sim)


class Killed(BaseException):
    """What ends a reconcile as a killed process does: nothing is written any more."""


@pytest.mark.parametrize("step", ["find_image", "tag_image", "remove_image"])
def test_a_pull_that_was_killed_half_way_completes_and_leaves_no_name_of_the_mirror(
    step: str, lab: Environment, hub: Registry, sim: SimulatedDriver, actor_of: Any, monkeypatch: Any, run_loop: Run
):
    image_pull(actor=actor_of("bob"), environment=lab, image=IMAGE, labels={})
    called = getattr(SimulatedDriver, step)

    def killed(engine: SimulatedDriver, *given: Any, **more: Any) -> Any:
        if step == "find_image" and not engine.local_images.has(MIRRORED):
            return called(engine, *given, **more)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(SimulatedDriver, step, killed)
        with pytest.raises(Killed):
            reconcile_one("pull", _the_pull().pk)
    assert sim.local_images.has(MIRRORED)
    Pull.all_objects.update(lease="", lease_until=None, next_attempt_at=timezone.now())
    run_loop()
    assert _the_pull().display_state == "pulled"
    assert IMAGE in _names(sim)
    assert MIRRORED not in _names(sim)


def test_a_pull_that_somebody_requested_says_which_mirror_it_came_from(
    lab: Environment, hub: Registry, sim: SimulatedDriver, actor_of: Any, run_loop: Run
):
    image_pull(actor=actor_of("bob"), environment=lab, image=IMAGE, labels={})
    run_loop()
    (task,) = tasks_of([lab.pk])
    assert (task.status, task.messages) == ({"h1": "Done"}, [f"h1: Pulled from the mirror {MIRROR}."])


def test_the_portal_s_own_images_come_through_mirrors_of_administrators_only(
    lab: Environment, hub: Registry, actor_of: Any, host: Host
):
    row = Pull(environment=lab, host=host, image="corral/agent:1")
    assert mirror_pulls.mirror_of(row) is None
    registry_update(hub, actor=actor_of("bob"), mirror="")
    nobody: dict[str, Any] = {"public_value": "", "secret_value": ""}
    shared_registry_create(actor=actor_of("root"), server_address="docker.io", mirror="site.example.org", **nobody)
    found = mirror_pulls.mirror_of(row)
    assert found is not None
    assert found.is_lent


def test_what_left_the_host_is_pruned_but_not_what_came_just_now(launch: Any, host: Host):
    launch()
    prune_mirrored_images(host.pk, [])
    assert MirroredImage.objects.exists()
    MirroredImage.objects.update(created=host.created - mirror_pulls._SETTLED * 2)
    prune_mirrored_images(host.pk, [MirroredImage.objects.get().image_id])
    assert MirroredImage.objects.exists()
    prune_mirrored_images(host.pk, [])
    assert not MirroredImage.objects.exists()
