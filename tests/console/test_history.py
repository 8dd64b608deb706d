"""The recorded statistics that charts load."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.containers.models import Container
from apps.drivers.base import StatsSample
from apps.hosts.models import Host
from apps.hosts.stats.history import store_samples

BrowserAs = Callable[[str], Client]


def at(row: Any, noun: str) -> str:
    return reverse(f"console:{noun}-history", kwargs={"environment": row.environment_id, "pk": row.pk})


def recorded(row: Any, minutes: int = 4) -> None:
    start = timezone.now() - timedelta(minutes=minutes + 1)
    for minute in range(minutes):
        taken = StatsSample((start + timedelta(minutes=minute)).timestamp(), 0, 1, 1 << 20, 2 << 20, 0, 0, 0, 0)
        store_samples(row.environment_id, {(row.KIND, row.pk): taken})


def test_a_page_gets_its_points(host: Host, web: Any, browser_as: BrowserAs) -> None:
    container = Container.all_objects.first()
    recorded(host)
    recorded(container)
    for row, noun in ((host, "host"), (container, "container")):
        points = browser_as("rita").get(at(row, noun)).json()["points"]
        assert [point["memory"] for point in points] == [1 << 20] * 3


def test_a_day_is_thinned(host: Host, browser_as: BrowserAs) -> None:
    recorded(host, 800)
    points = browser_as("alice").get(at(host, "host") + "?hours=24").json()["points"]
    assert 200 < len(points) <= 360


@pytest.mark.parametrize("hours", ["0", "x", "9999"])
def test_bad_hours_are_refused_in_words(hours: str, host: Host, browser_as: BrowserAs) -> None:
    answer = browser_as("alice").get(at(host, "host") + f"?hours={hours}")
    assert answer.status_code == 422


def test_non_members_find_nothing(host: Host, browser_as: BrowserAs) -> None:
    recorded(host)
    assert browser_as("mallory").get(at(host, "host")).status_code == 404


def test_pages_offer_the_ranges(host: Host, browser_as: BrowserAs) -> None:
    text = browser_as("alice").get(reverse("console:host", kwargs={"environment": host.environment_id, "pk": host.pk}))
    assert f'data-history="{at(host, "host")}"' in text.content.decode()
    assert text.content.decode().count("data-range=") == 3
