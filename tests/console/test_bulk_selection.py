"""Checkboxes for bulk actions are shown only to those who may use them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.stacks.models import Service

TICKS = ('name="row"', "data-tick-all", 'class="picked"', "Delete the selected containers?")


def lists(at: Any, web: Service, host: Host) -> list[str]:
    return [at("containers"), at("service", pk=web.pk), at("host", pk=host.pk)]


@pytest.mark.parametrize("who", ["alice", "bob", "rex"])
def test_who_may_act_chooses_and_acts(who: str, browser_as: Any, at: Any, web: Service, host: Host):
    client = browser_as(who)
    for url in lists(at, web, host):
        text = client.get(url).content.decode()
        assert [mark for mark in TICKS if mark not in text] == [], url


def test_a_reader_has_nothing_to_choose(browser_as: Any, at: Any, web: Service, host: Host):
    client = browser_as("rita")
    for url in lists(at, web, host):
        text = client.get(url).content.decode()
        assert [mark for mark in TICKS if mark in text] == [], url
        assert "shop_web_1" in text
        assert text.count("<th") >= 5


def test_a_reader_who_sends_it_all_the_same_is_refused(browser_as: Any, at: Any, container: Container):
    sent = {"action": "stop", "row": [container.pk]}
    answer = browser_as("rita").post(at("containers-bulk"), sent, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    container.refresh_from_db()
    assert container.desired == "running"
