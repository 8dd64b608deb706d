"""How many containers a service has, in the console: a number, one on each host, or as many as fit."""

from __future__ import annotations

from typing import Any

import pytest

from apps.stacks.models import Service, Stack

HX = {"HX-Request": "true"}


@pytest.fixture
def add(browser_as: Any, at: Any, shop: Stack, run_loop: Any) -> Any:
    """Posts the form as an operator; the answer."""

    def post(**fields: str) -> Any:
        form = {"name": "api", "image": "bb:local", "scale": "1", "start": "on", **fields}
        answer = browser_as("bob").post(at("service-new", stack=shop.pk), form, headers=HX)
        run_loop()
        return answer

    return post


def page_of(browser_as: Any, at: Any) -> tuple[str, str]:
    """What the service's page and the copying form say."""
    row, bob = Service.all_objects.get(name="api"), browser_as("bob")
    return bob.get(at("service", pk=row.pk)).content.decode(), bob.get(at("service-clone", pk=row.pk)).content.decode()


def test_one_on_each_host_is_chosen_shown_and_copied(add: Any, browser_as: Any, at: Any):
    add(runs="global", labels="a=b")
    row = Service.all_objects.get(name="api")
    assert row.config.labels == {"a": "b", "io.rancher.scheduler.global": "true"}
    page, copy = page_of(browser_as, at)
    assert "one on each host: 1 of 1 host" in page
    assert 'name="by"' not in page  # there is no scale to step
    assert '<option value="global" selected>' in copy
    assert "io.rancher.scheduler.global" not in copy


def test_as_many_as_fit_is_chosen_shown_and_copied(add: Any, browser_as: Any, at: Any):
    add(runs="fit", fitMin="1", fitMax="3", fitStep="2")
    assert Service.all_objects.get(name="api").scale_policy == {"min": 1, "max": 3, "increment": 2}
    page, copy = page_of(browser_as, at)
    assert "as many as fit: 3, between 1 and 3" in page
    assert '<option value="fit" selected>' in copy
    assert 'name="fitMax" value="3"' in " ".join(copy.split())


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"fitMin": "3", "fitMax": "2"}, "less than min"),
        ({"fitMin": "x"}, "whole numbers"),
        ({"fitMin": "0"}, "at least 1"),
    ],
)
def test_bad_limits_are_reported_at_their_field_and_nothing_is_made(add: Any, limits: dict[str, str], words: str):
    answer = add(runs="fit", **limits)
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not Service.all_objects.filter(name="api").exists()
