"""What balancers say of old and new containers: added up over reloads, compared, and left out where there are none."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.drivers.base import EngineDown
from apps.environments.models import Environment
from apps.stacks.balancer.selectors import server_name
from apps.stacks.balancer.traffic import BalancerTraffic, ServerTraffic
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import BALANCER
from apps.stacks.verdict import responses
from apps.stacks.verdict.groups import Groups
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.responses import ResponseCount, failed_responses, read_responses
from apps.stacks.verdict.signals import LEVEL_AT_END, NOT_WORSE, UNKNOWN, WORSE


class Scene:
    """A service behind a balancer whose counters are set by hand."""

    def __init__(self, lab: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        stack = Stack.all_objects.create(environment=lab, name="shop")
        self.web = Service.all_objects.create(environment=lab, stack=stack, name="web", revision=2, desired="active")
        self.balancer = Service.all_objects.create(
            environment=lab, stack=stack, name="lb", kind=BALANCER, desired="active"
        )
        ServiceLink.objects.create(service=self.balancer, target=self.web, name="web")
        self.row = UpgradeObservation.objects.create(service=self.web, revision=2, started=timezone.now())
        self.old, self.new = (
            Container.all_objects.create(environment=lab, spread_key=str(self.web.uuid), name=f"shop_web_{at}")
            for at in (1, 2)
        )
        self.groups = Groups([self.old], [self.new])
        self.counters: dict[int, tuple[int, int]] = {}
        self.fails = False
        monkeypatch.setattr(responses, "traffic_of", self._traffic)

    def _traffic(self, row: Service) -> BalancerTraffic:
        assert row.pk == self.balancer.pk
        if self.fails:
            raise EngineDown("away")
        servers = [
            ServerTraffic(
                server_name(each), "10.42.0.9", 80, requests=self.counters[each.pk][0], errors=self.counters[each.pk][1]
            )
            for each in (self.old, self.new)
            if each.pk in self.counters
        ]
        return BalancerTraffic(servers=(*servers, ServerTraffic("somebody-else", "10.42.0.8", 80, requests=9999)))

    def read(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        self.counters = {self.old.pk: old, self.new.pk: new}
        read_responses(self.row, self.web, self.groups)

    def found(self) -> Any:
        (rate,) = failed_responses(self.row, self.groups)
        return rate


@pytest.fixture
def scene(lab: Environment, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(lab, monkeypatch)


def test_what_was_counted_before_does_not_count_and_reloads_lose_nothing(scene: Scene) -> None:
    scene.read((1000, 900), (0, 0))
    scene.read((1100, 901), (100, 10))
    scene.read((50, 0), (20, 5))  # it was reloaded in between
    rate = scene.found()
    assert (rate.beside.count, rate.beside.seconds) == (1, 150)
    assert (rate.new.count, rate.new.seconds) == (15, 120)
    found = rate.find(LEVEL_AT_END)
    assert found.word == WORSE
    assert found.new == pytest.approx(12.5), "percent"
    scene.row.refresh_from_db()
    assert scene.found() == rate, "it is in the row"


def test_the_same_share_of_failures_is_not_worse_and_no_answer_is_not_known(scene: Scene) -> None:
    scene.read((0, 0), (0, 0))
    assert scene.found().find(LEVEL_AT_END).word == UNKNOWN
    scene.read((1000, 10), (1000, 11))
    assert scene.found().find(LEVEL_AT_END).word == NOT_WORSE


def test_a_balancer_that_does_not_answer_changes_nothing(scene: Scene) -> None:
    scene.read((0, 0), (0, 0))
    scene.read((10, 1), (10, 1))
    before = scene.found()
    scene.fails = True
    scene.read((99, 99), (99, 99))
    assert scene.found() == before


def test_without_a_balancer_the_signal_is_not_there(scene: Scene) -> None:
    ServiceLink.objects.all().delete()
    scene.read((10, 1), (10, 1))
    assert failed_responses(scene.row, scene.groups) == ()
    scene.row.refresh_from_db()
    assert scene.row.responses is None


def test_a_count_that_fell_has_begun_anew() -> None:
    assert ResponseCount(5, 1, 5, 1).with_reading(2, 0) == ResponseCount(7, 1, 2, 0)
    assert ResponseCount(5, 1, 5, 1).with_reading(9, 3) == ResponseCount(9, 3, 9, 3)
