"""Images that only one host has: copied to those that need them, one at a time, never to another environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers import pull_reconcile
from apps.containers.images.selectors import image_activity
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.services import container_create, image_copy, image_remove, pull_cancel
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import (
    ActionNotAvailable,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from apps.drivers import registry
from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_create

IMAGE = "shop:1"


@pytest.fixture
def two(lab: Environment, host: Host) -> Host:
    """A second host, `lab2`, that has the image; the first one has not."""
    second = engine.simulated_engine("lab2")
    second.local_images.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    return row


@pytest.fixture
def engine2(two: Host) -> SimulatedDriver:
    return engine.simulated_engine("lab2")


@pytest.fixture
def wanted(lab: Environment, host: Host, two: Host, actor_of: Any) -> Container:
    """A container that must be on the first host."""
    fields = {"imageUuid": f"docker:{IMAGE}", "requestedHostId": f"1h{host.pk}"}
    config = LaunchConfig.from_wire(fields)
    return container_create(actor=actor_of("alice"), environment=lab, config=config, name="needs-it")


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def the_pull() -> Pull:
    row: Pull = Pull.all_objects.get(image=IMAGE)
    return row


def lines(kind: str) -> list[str]:
    return list(OperationLine.objects.filter(operation__kind=kind).values_list("text", flat=True))


def test_a_container_gets_its_image_from_the_host_that_has_it(
    wanted: Container, sim: SimulatedDriver, run_loop: Callable[[], None]
):
    run_loop()
    assert reload(wanted).display_state == "running"
    assert sim.find_image(IMAGE)
    assert (the_pull().display_state, the_pull().sender, the_pull().status) == ("pulled", None, {"percent": 100})


def test_both_operations_tell_where_it_came_from(wanted: Container, run_loop: Callable[[], None]):
    run_loop()
    for kind in ("pull", "container"):
        log_text = " / ".join(lines(kind))
        assert "Copying shop:1 from h2 to h1 (3.8 MB)" in log_text
        assert "shop:1 is on h1" in log_text


def test_the_registry_is_asked_first(
    wanted: Container, sim: SimulatedDriver, engine2: SimulatedDriver, run_loop: Callable[[], None]
):
    sim.registry.add(IMAGE)
    run_loop()
    assert reload(wanted).display_state == "running"
    assert engine2.calls["save"] == 0


def test_nobody_has_it_and_the_registrys_words_stay(
    wanted: Container, engine2: SimulatedDriver, run_loop: Callable[[], None]
):
    engine2.local_images.clear()
    run_loop()
    assert reload(wanted).display_state == "error"
    assert "pull access denied" in reload(wanted).message


def test_a_silent_neighbour_is_passed_over(wanted: Container, engine2: SimulatedDriver, run_loop: Callable[[], None]):
    engine2.fail_next("find_image", EngineDown("away"), times=99)
    run_loop()
    assert reload(wanted).display_state == "error"
    assert engine2.calls["save"] == 0


def test_never_from_another_environment(
    lab: Environment, wanted: Container, two: Host, actor_of: Any, engine2: SimulatedDriver
):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    Host.all_objects.filter(pk=two.pk).update(environment=other)
    for _ in range(3):
        reconcile_until_idle()
    assert the_pull().display_state == "error"
    assert engine2.calls["save"] == 0


def test_a_source_that_breaks_off_is_tried_again(wanted: Container, engine2: SimulatedDriver, sim: SimulatedDriver):
    reconcile_one("container", wanted.pk)
    sim.fail_next("load", EngineDown("cut"))
    reconcile_one("pull", the_pull().pk)
    row = the_pull()
    assert (row.display_state, row.message, row.sender) == ("pulling", "cut", None)
    reconcile_one("pull", row.pk)
    assert the_pull().display_state == "pulled"


def test_an_engine_that_does_not_take_it_says_why(wanted: Container, sim: SimulatedDriver):
    reconcile_one("container", wanted.pk)
    sim.fail_next("load", EngineError("no space left on device"))
    reconcile_one("pull", the_pull().pk)
    row = the_pull()
    assert (row.display_state, row.sender) == ("error", None)
    assert row.message == "shop:1 could not be copied from h2 to h1: no space left on device"
    assert Operation.all_objects.get(kind="pull", target=row.pk).state == "failed"


@pytest.fixture
def copying(two: Host, host: Host, actor_of: Any) -> Pull:
    return image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=[host])[0]


def test_who_asks_for_a_copy_gets_it_without_a_registry(copying: Pull, sim: SimulatedDriver, actor_of: Any):
    reconcile_one("pull", copying.pk)
    assert reload(copying).display_state == "pulled"
    assert sim.find_image(IMAGE)
    assert sim.calls["pull"] == 0
    operation = Operation.all_objects.get(kind="pull", target=copying.pk)
    assert (operation.account, operation.input["from"], operation.input["to"]) == (actor_of("alice").user, "h2", "h1")
    assert AuditEntry.all_objects.filter(kind="pull", target=copying.pk).exists()


def test_a_host_sends_to_one_other_at_a_time(copying: Pull, two: Host, lab: Environment, actor_of: Any):
    third = host_create(actor=None, environment=lab, url="sim://lab3", name="h3")
    reconcile_until_idle()
    second = image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=[third])[0]
    soon = timezone.now() + timedelta(seconds=60)
    Pull.all_objects.filter(pk=copying.pk).update(sender=two, lease="somebody", lease_until=soon)
    reconcile_one("pull", second.pk)
    assert (reload(second).display_state, reload(second).message) == ("pulling", "Waiting: h2 is sending shop:1 to h1.")
    assert reload(second).next_attempt_at - timezone.now() < timedelta(seconds=3)
    Pull.all_objects.filter(pk=copying.pk).update(lease_until=timezone.now())  # its process was killed
    reconcile_one("pull", second.pk)
    assert reload(second).display_state == "pulled"
    registry.discard_driver(Endpoint("sim://lab3"))


def test_progress_is_reported_while_it_goes(copying: Pull, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_reconcile, "REPORT_EVERY", 0.0)
    log_text: list[dict[str, Any]] = []
    real = SimulatedDriver.load

    def load(self: SimulatedDriver, pieces: Any) -> None:
        def watched() -> Iterator[bytes]:
            for piece in pieces:
                log_text.append(reload(copying).status)
                yield piece

        real(self, watched())

    monkeypatch.setattr(SimulatedDriver, "load", load)
    reconcile_one("pull", copying.pk)
    percents = [status["percent"] for status in log_text]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 99)
    assert {status["from"] for status in log_text} == {"h2"}


def test_a_container_that_waits_says_whence_it_comes(wanted: Container):
    reconcile_one("container", wanted.pk)
    Pull.all_objects.update(status={"percent": 40, "from": "h2"})
    reconcile_one("container", wanted.pk)
    assert reload(wanted).message == "Copying shop:1 from h2: 40 %"


def test_another_reconcile_ends_the_old_pull(copying: Pull, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_reconcile, "extend_lease", lambda *_: False)
    reconcile_one("pull", copying.pk)
    assert (reload(copying).display_state, reload(copying).message) == ("pulling", "Started again.")
    assert sim.find_image(IMAGE) is None


def test_a_source_that_has_lost_it_says_so(copying: Pull, engine2: SimulatedDriver):
    engine2.local_images.clear()
    reconcile_one("pull", copying.pk)
    assert (reload(copying).display_state, reload(copying).message) == ("error", "h2 does not have shop:1.")


def test_it_may_be_asked_for_again_when_done_and_not_before(copying: Pull, two: Host, host: Host, actor_of: Any):
    with pytest.raises(Invalid, match="on its way"):
        image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=[host])
    reconcile_one("pull", copying.pk)
    again = image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=[host])[0]
    assert (again.pk, again.display_state) == (copying.pk, "pulling")


def test_a_later_container_asks_the_registry_again(copying: Pull, wanted: Container, sim: SimulatedDriver):
    reconcile_one("pull", copying.pk)
    sim.local_images.discard(IMAGE)
    sim.registry.add(IMAGE)
    reconcile_one("container", wanted.pk)
    assert reload(copying).source is None
    reconcile_one("pull", copying.pk)
    assert sim.calls["pull"] == 1


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_who_may_not_manage_hosts_copies_and_removes_nothing(who: str, two: Host, host: Host, actor_of: Any):
    with pytest.raises(Forbidden):
        image_copy(actor=actor_of(who), source=two, image=IMAGE, targets=[host])
    with pytest.raises(Forbidden):
        image_remove(actor=actor_of(who), host=two, image=IMAGE)
    assert not Pull.all_objects.exists()


@pytest.mark.parametrize("image", ["", "x" * 513])
def test_an_image_has_a_name(image: str, two: Host, host: Host, actor_of: Any):
    with pytest.raises(Invalid) as refused:
        image_copy(actor=actor_of("alice"), source=two, image=image, targets=[host])
    assert refused.value.field == "image"


def test_hosts_that_cannot_be_targets(two: Host, host: Host, actor_of: Any, people: Any):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    foreign = Host(environment=other, name="far", url="sim://far", desired="active")
    foreign.save()
    for targets in ([], [two], [foreign]):
        with pytest.raises(Invalid) as refused:
            image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=targets)
        assert refused.value.field == "hostIds"
    assert not Pull.all_objects.exists()


def test_copies_are_seen_from_both_ends_until_they_are_done(copying: Pull, two: Host, host: Host):
    def seen(row: Host) -> list[int]:
        return [each.pk for each in image_activity(row.environment_id, row.pk).pulls]

    assert seen(two) == seen(host) == [copying.pk]
    reconcile_one("pull", copying.pk)
    assert seen(two) == seen(host) == []


def test_a_copy_that_is_stopped_ends_and_can_be_made_again(
    copying: Pull, two: Host, engine2: SimulatedDriver, sim: SimulatedDriver, actor_of: Callable[..., Actor]
):
    with pytest.raises(Forbidden):
        pull_cancel(copying, actor=actor_of("rita"))
    pull_cancel(copying, actor=actor_of("bob"))
    assert copying.display_state == "cancelling"
    reconcile_one("pull", copying.pk)
    copying.refresh_from_db()
    assert (copying.display_state, copying.message, copying.sender) == ("error", "Cancelled.", None)
    assert sim.find_image(IMAGE) is None
    with pytest.raises(ActionNotAvailable):
        pull_cancel(copying, actor=actor_of("bob"))
    image_copy(actor=actor_of("alice"), source=two, image=IMAGE, targets=[copying.host])
    reconcile_one("pull", copying.pk)
    assert sim.find_image(IMAGE)


def test_a_copy_that_is_stopped_in_the_middle_sends_no_more(
    copying: Pull, sim: SimulatedDriver, actor_of: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pull_reconcile, "REPORT_EVERY", 0.0)
    reports: list[int] = []
    report = pull_reconcile._report_progress

    def stop_at_the_third(row: Pull, percent: int, text: str, sender: str = "") -> None:
        reports.append(percent)
        if len(reports) == 3:
            pull_cancel(Pull.all_objects.get(pk=row.pk), actor=actor_of("bob"))
        report(row, percent, text, sender)

    monkeypatch.setattr(pull_reconcile, "_report_progress", stop_at_the_third)
    reconcile_one("pull", copying.pk)
    assert len(reports) == 3, "it stopped with the next piece"
    reconcile_one("pull", copying.pk)
    copying.refresh_from_db()
    assert copying.message == "Cancelled."
    assert sim.find_image(IMAGE) is None


def test_an_image_is_removed_and_written_down(two: Host, engine2: SimulatedDriver, actor_of: Callable[..., Actor]):
    image_remove(actor=actor_of("alice"), host=two, image=IMAGE)
    assert engine2.find_image(IMAGE) is None
    entry = AuditEntry.all_objects.get(event="image.remove")
    assert (entry.target, entry.environment_id, entry.request) == (two.pk, two.environment_id, {"image": IMAGE})
    with pytest.raises(NotFound, match="h2 does not have shop:1"):
        image_remove(actor=actor_of("alice"), host=two, image=IMAGE)


def test_an_image_in_use_stays(host: Host, lab: Environment, actor_of: Any):
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    container_create(actor=actor_of("alice"), environment=lab, config=config, name="user")
    reconcile_until_idle()
    with pytest.raises(Conflict, match="h1 keeps bb:local"):
        image_remove(actor=actor_of("alice"), host=host, image="bb:local")
