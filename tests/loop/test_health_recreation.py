"""An unhealthy container is replaced as its check says, with reports as an agent sends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.check_sharing import check_versions as versions
from apps.containers.engine import containers_awaiting_name
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.network_checks import checks_on, store_reports
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.base import EngineDown
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks import recreation
from apps.stacks.models import Service, Slot
from apps.stacks.recreation import Attempts, CheckedContainer, plan_recreation
from apps.stacks.rollout import revision_of
from apps.stacks.selectors import service_events
from apps.stacks.services import service_create, stack_create
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

CHECK = {"port": 80, "requestLine": "GET /up HTTP/1.0"}


@pytest.fixture(autouse=True)
def _loop(run_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "reconcile_until_idle", run_loop)


@pytest.fixture
def serve(lab: Environment, host: Host, actor_of: Any) -> Callable[..., Service]:
    """An active service with a health check, at rest."""

    def make(scale: int = 2, launch: Any = None, **check: Any) -> Service:
        wire = {"imageUuid": "docker:bb:local", "healthCheck": {**CHECK, **check}, **(launch or {})}
        config = LaunchConfig.from_wire(wire)
        stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
        row = service_create(
            actor=actor_of("bob"), stack=stack, name="web", config=config, scale=scale, start_on_create=True
        )
        reconcile_until_idle()
        return reload(row)

    return make


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def containers(service: Service) -> list[Container]:
    slots = Slot.objects.filter(service=service).select_related("container").order_by("number")
    return [slot.container for slot in slots if slot.container is not None]


def report(*rows: Container, state: str, reason: str = "") -> None:
    """What whoever makes the checks says of these containers."""
    for row in rows:
        run = reload(row).status["started_at"]
        store_reports(row.host_id or 0, {str(row.uuid): {"state": state, "reason": reason, "run": run}})
    reconcile_until_idle()


def health(service: Service) -> list[str]:
    return [row.health for row in containers(service)]


def test_a_container_is_initializing_until_its_check_has_succeeded(serve: Any) -> None:
    service = serve()
    assert health(service) == ["initializing"] * 2
    assert reload(service).status["health"] == "initializing"
    first, second = containers(service)
    report(first, second, state="healthy")
    assert (health(service), reload(service).status["health"]) == (["healthy"] * 2, "healthy")
    store_reports(first.host_id or 0, {str(first.uuid): {"state": "unhealthy", "run": "of before"}})
    reconcile_until_idle()
    assert health(service) == ["initializing", "healthy"]  # a report about an earlier run says nothing of this one


def test_what_nobody_can_check_counts_as_it_runs(serve: Any) -> None:
    service = serve(scale=1)
    report(*containers(service), state="unchecked", reason="no agent")
    assert (health(service), reload(service).status["health"]) == ([""], "healthy")


def test_the_document_has_the_checks_of_running_containers(serve: Any, host: Host) -> None:
    service = serve(scale=1, initializingTimeout=1000, reinitializingTimeout=2000)
    (row,) = containers(service)
    (check,) = checks_on(host.pk)
    assert (check["id"], check["port"], check["request"]) == (str(row.uuid), 80, "GET /up HTTP/1.0")
    assert (check["address"], check["initializing"], check["last"]) == (row.address, 1000, "")
    assert row.address
    before = versions()
    report(row, state="healthy")
    assert versions().keys() == before.keys() == {host.pk}
    assert versions() != before
    assert checks_on(host.pk)[0]["last"] == "healthy"
    Container.all_objects.update(start_count=2)
    assert checks_on(host.pk)[0]["initializing"] == 2000


@pytest.mark.parametrize("found", [None, [], {}, {"state": "great"}, {"state": 1}])
def test_reports_that_are_none_change_nothing(serve: Any, host: Host, found: Any) -> None:
    service = serve(scale=1)
    store_reports(host.pk, {str(containers(service)[0].uuid): found, "nonsense": found})
    reconcile_until_idle()
    assert health(service) == ["initializing"]


def test_a_report_of_another_host_is_not_heard(serve: Any, host: Host) -> None:
    (row,) = containers(serve(scale=1))
    store_reports(host.pk + 1, {str(row.uuid): {"state": "unhealthy", "run": row.status["started_at"]}})
    assert reload(row).check_report == {}


def test_an_unhealthy_container_is_replaced_and_the_reason_kept(serve: Any) -> None:
    service = serve()
    first, second = containers(service)
    report(first, second, state="healthy")
    report(first, state="unhealthy", reason="HTTP status 500")
    new, kept = containers(service)
    assert new.pk != first.pk
    assert (kept.pk, reload(first).state, new.name) == (second.pk, "removed", "shop_web_1")
    reasons = list(service_events(service).values_list("kind", "reason"))
    assert ("unhealthy", "HTTP status 500") in reasons
    assert ("replaced", "shop_web_1: its health check failed (HTTP status 500).") in reasons
    assert reload(service).display_state == "active"


def report_while_none_is_removed(row: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_busy(*_: Any, **__: Any) -> None:
        raise EngineDown("busy")

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedDriver, "remove", be_busy)
        report(row, state="unhealthy")


def test_what_an_unhealthy_container_is_replaced_by_does_not_wait_for_its_end(
    serve: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(launch={"dataVolumes": ["page:/page:ro"]})
    first, _ = containers(service)
    report_while_none_is_removed(first, monkeypatch)
    new, _ = containers(service)
    assert (new.pk == first.pk, new.state, reload(first).state) == (False, "running", "removing")
    names = {seen.id: seen.name for seen in sim.containers()}
    assert names[new.external_id] == "shop_web_1"
    assert names[first.external_id] == f"shop_web_1_{str(first.uuid)[:8]}"
    Container.all_objects.filter(pk=first.pk).update(next_attempt_at=service.created)
    reconcile_until_idle()
    assert reload(first).state == "removed"
    assert sorted(seen.name for seen in sim.containers()) == ["shop_web_1", "shop_web_2"]


@pytest.mark.parametrize(
    "launch",
    [
        {"ports": ["8080:80/tcp"]},
        {"dataVolumes": ["data:/data"]},
        {"dataVolumes": ["/data"]},
    ],
)
def test_what_two_must_not_have_at_once_is_given_up_first(
    serve: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch, launch: Any
) -> None:
    service = serve(scale=1, launch=launch)
    (first,) = containers(service)
    report_while_none_is_removed(first, monkeypatch)
    assert [seen.name for seen in sim.containers()] == ["shop_web_1"]
    assert reload(containers(service)[0]).external_id == ""


def test_an_unhealthy_container_does_not_wait_for_others_that_start(serve: Any) -> None:
    service = serve()
    first, second = containers(service)
    report(first, second, state="healthy")
    Container.all_objects.filter(pk=second.pk).update(state="starting", next_attempt_at=None)
    report(first, state="unhealthy")
    assert containers(service)[0].pk != first.pk


def test_what_waits_for_the_name_of_a_container_that_is_gone_need_not_wait_for_its_next_try(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(launch={"dataVolumes": ["data:/data"]})
    first, _ = containers(service)
    report_while_none_is_removed(first, monkeypatch)
    waiting = Container.all_objects.get(name=first.name, desired="running")
    assert (waiting.external_id, waiting.message) == ("", "Waits for the earlier shop_web_1 to go.")
    assert list(containers_awaiting_name(reload(first))) == [("container", waiting.pk)]
    assert list(containers_awaiting_name(waiting)) == []
    Container.all_objects.filter(pk=first.pk).update(next_attempt_at=service.created)
    reconcile_until_idle()
    assert reload(waiting).state == "running"


def test_a_container_that_fails_again_is_replaced_later_and_later(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = serve(scale=1)
    (first,) = containers(service)
    report(first, state="unhealthy")
    (second,) = containers(service)
    assert second.pk != first.pk
    assert second.avoid_host is None
    report(second, state="unhealthy", reason="connection refused")
    (still,) = containers(service)
    assert still.pk == second.pk
    assert "shop_web_1: Its health check fails (connection refused)." in reload(service).message
    assert "The next unhealthy container is replaced in" in reload(service).message
    monkeypatch.setattr(recreation, "FIRST_DELAY", 0.0)
    Service.all_objects.filter(pk=service.pk).update(next_attempt_at=service.created)
    reconcile_until_idle()
    (third,) = containers(service)
    assert third.pk != second.pk
    assert third.avoid_host == second.host  # the second time it may be the host's fault


def test_without_a_strategy_it_is_only_reported(serve: Any) -> None:
    service = serve(scale=1, strategy="none")
    (row,) = containers(service)
    report(row, state="unhealthy")
    assert [each.pk for each in containers(service)] == [row.pk]
    assert reload(service).status["health"] == "unhealthy"


def test_on_quorum_it_is_replaced_only_while_enough_others_are_healthy(serve: Any) -> None:
    service = serve(scale=3, strategy="recreateOnQuorum", recreateOnQuorumStrategyConfig={"quorum": 2})
    first, second, third = containers(service)
    report(first, second, state="healthy")
    report(third, state="unhealthy")
    assert containers(service)[2].pk != third.pk
    report(first, state="unhealthy")
    assert [each.pk for each in containers(service)[:2]] == [first.pk, second.pk]


def test_an_upgrade_waits_for_each_batch_to_be_healthy(serve: Any, actor_of: Any) -> None:
    service = serve(scale=3)
    report(*containers(service), state="healthy")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "environment": {"A": "2"}, "healthCheck": CHECK})
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100)
    service_upgrade(service, config=config, strategy=strategy, actor=actor_of("bob"))
    for upgraded in (1, 2, 3):
        for _ in range(4):  # however often it is looked at, and however long ago the last batch began
            reconcile_until_idle()
            status = {**reload(service).status, "next_batch_at": "2000-01-01T00:00:00+00:00"}
            Service.all_objects.filter(pk=service.pk).update(status=status, next_attempt_at=service.created)
        new = [row for row in containers(service) if revision_of(row) == 2]
        assert len(new) == upgraded
        report(*[row for row in new if row.health == "initializing"], state="healthy")
    reconcile_until_idle()
    assert reload(service).display_state == "upgraded"


NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECKED = st.lists(
    st.builds(
        CheckedContainer,
        slot=st.integers(1, 5),
        key=st.integers(1, 500),
        name=st.sampled_from(["web", "log"]),
        health=st.sampled_from(["", "initializing", "healthy", "unhealthy"]),
        strategy=st.sampled_from(["none", "recreate", "recreateOnQuorum"]),
        quorum=st.integers(0, 4),
        attempts=st.builds(
            Attempts, st.integers(1, 60), st.integers(-1000, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
        ),
    ),
    unique_by=lambda each: each.key,
    max_size=12,
)


@given(CHECKED)
def test_only_what_is_unhealthy_and_due_is_recreated_and_never_below_the_quorum(
    checked: list[CheckedContainer],
) -> None:
    now, later = plan_recreation(checked, NOW)
    for each in checked:
        healthy = sum(other.health == "healthy" and other.name == each.name for other in checked)
        allowed = each.health == "unhealthy" and each.strategy != "none"
        allowed = allowed and (each.strategy == "recreate" or healthy >= each.quorum)
        due = each.attempts.due
        assert due is not None
        assert (each in now) == (allowed and due <= NOW)
        if allowed and due > NOW:
            assert later is not None
            assert NOW < later <= due


def test_the_delay_grows_and_has_an_end() -> None:
    delays = [Attempts(count).delay for count in range(60)]
    assert delays[:5] == [0.0, 10.0, 20.0, 40.0, 80.0]
    assert delays == sorted(delays)
    assert max(delays) == 300.0
