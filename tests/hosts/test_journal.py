"""An agent's journal becomes its host's timeline: once each, in the portal's time, gaps and limits included."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.services import setting_write
from apps.drivers.base import EngineEvent
from apps.hosts import watch
from apps.hosts.models import Host, HostEvent
from apps.hosts.tunnels import journal


def event(seq: int, action: str = "start", **event_fields: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": timezone.now().timestamp(),
        "kind": "container",
        "action": action,
        "id": f"c{seq}",
        **event_fields,
    }


def answer(*events: dict[str, Any], first: int = 1, last: int | None = None) -> dict[str, Any]:
    return {"events": list(events), "first": first, "last": events[-1]["seq"] if last is None else last}


def lines() -> list[tuple[int | None, str]]:
    return [(row.seq, row.action) for row in HostEvent.objects.order_by("at", "id")]


def test_what_was_read_is_written_once_and_remembered(host: Host) -> None:
    assert journal.store_page(host.pk, answer(event(1), event(2))) == (2, False)
    assert journal.store_page(host.pk, answer(event(1), event(2), event(3))) == (3, False)
    assert lines() == [(1, "start"), (2, "start"), (3, "start")]
    assert Host.all_objects.get(pk=host.pk).journal_seq == 3


def test_a_page_of_more_says_that_there_is_more(host: Host) -> None:
    assert journal.store_page(host.pk, answer(event(1), event(2), last=5)) == (2, True)
    assert journal.store_page(host.pk, answer(event(3), event(4), event(5))) == (5, False)


def test_an_empty_page_ends_the_reading_whatever_it_claims(host: Host) -> None:
    assert journal.store_page(host.pk, {"events": [], "first": 1, "last": 9}) == (0, False)
    assert journal.store_page(host.pk, {}) == (0, False)


def test_what_the_ring_lost_is_reported_as_a_gap(host: Host) -> None:
    journal.store_page(host.pk, answer(event(1), event(2)))
    journal.store_page(host.pk, answer(event(13), event(14), first=13))
    assert lines() == [(1, "start"), (2, "start"), (None, "lost"), (13, "start"), (14, "start")]
    assert HostEvent.objects.get(kind="gap").details == {"count": 10}


def test_a_first_reading_has_no_gap(host: Host) -> None:
    journal.store_page(host.pk, answer(event(900), first=900))
    assert lines() == [(900, "start")]


def test_a_journal_that_was_started_again_is_read_from_its_start(host: Host) -> None:
    journal.store_page(host.pk, answer(event(1), event(2), event(3)))
    assert journal.store_page(host.pk, answer(event(1, "create"), last=1)) == (0, True)
    assert journal.store_page(host.pk, answer(event(1, "create"))) == (1, False)
    assert lines() == [(None, "start"), (None, "start"), (None, "start"), (1, "create")]


def test_times_are_the_portals_and_lateness_is_reported(host: Host) -> None:
    Host.all_objects.filter(pk=host.pk).update(skew=300.0)
    now = timezone.now().timestamp()
    journal.store_page(host.pk, answer(event(1, at=now + 300), event(2, at=now + 300 - 60)))
    recent, old = HostEvent.objects.order_by("seq")
    assert abs(recent.at.timestamp() - now) < 1
    assert (recent.is_late, old.is_late) == (False, True)


def test_only_what_people_want_to_know_is_kept(host: Host) -> None:
    event_fields = {"name": "web", "image": "nginx", "exitCode": "137", "password": "hunter2", "io.x": "y" * 9999}
    journal.store_page(host.pk, answer(event(1, "die", attributes=event_fields), event(2, "exec_start: sh -c ls")))
    row = HostEvent.objects.get()
    assert (row.name, row.details) == ("web", {"image": "nginx", "exitCode": "137"})


def test_long_words_are_cut_to_their_columns(host: Host) -> None:
    long = event(1, "a" * 500, kind="k" * 500, id="i" * 500, attributes={"name": "n" * 500, "image": "m" * 5000})
    journal.store_page(host.pk, answer(long))
    row = HostEvent.objects.get()
    assert [len(text) for text in (row.action, row.kind, row.subject, row.name)] == [64, 32, 128, 255]


@pytest.mark.parametrize("bad", [{}, {"seq": 1}, {"seq": "x", "at": 1, "kind": "", "action": ""}])
def test_what_is_no_event_is_refused_whole(bad: dict[str, Any], host: Host) -> None:
    with pytest.raises((KeyError, ValueError)):
        journal.store_page(host.pk, {"events": [bad], "first": 1, "last": 2})
    assert HostEvent.objects.count() == 0


@pytest.mark.parametrize("at", [1e30, -1e30, float("inf"), float("nan"), 1e12])
def test_a_time_that_no_calendar_knows_is_no_event_either(at: float, host: Host) -> None:
    with pytest.raises(ValueError, match="time"):
        journal.store_page(host.pk, answer(event(1, at=at)))
    assert HostEvent.objects.count() == 0


def test_the_oldest_lines_make_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_EVENTS", 5)
    now = timezone.now().timestamp()
    journal.store_page(host.pk, answer(*(event(n, at=now + n) for n in range(1, 9))))
    assert [seq for seq, _ in lines()] == [4, 5, 6, 7, 8]


def test_lines_older_than_the_setting_says_are_thrown_away(host: Host, actor_of: Callable[..., Any]) -> None:
    setting_write("retention.events.days", "2", actor=actor_of("root"))
    old = (timezone.now() - timedelta(days=3)).timestamp()
    journal.store_page(host.pk, answer(event(1, at=old), event(2)))
    assert [seq for seq, _ in lines()] == [2]


def test_hosts_without_an_agent_have_a_timeline_too(host: Host) -> None:
    now = timezone.now().timestamp()
    notes = watch.TimelineBuffer(host)
    notes.add(EngineEvent(now, "container", "die", "c0ffee", {"name": "web", "exitCode": "1"}))
    notes.write()
    row = HostEvent.objects.get()
    assert (row.host, row.seq, row.action, row.name, row.details) == (host, None, "die", "web", {"exitCode": "1"})


def test_a_burst_is_written_at_once_and_once(host: Host, django_assert_num_queries: Any) -> None:
    now = timezone.now().timestamp()
    notes = watch.TimelineBuffer(host)
    for number in range(100):
        notes.add(EngineEvent(now + number, "container", "start", f"c{number}", {}))
    with django_assert_num_queries(4):
        notes.write()
    with django_assert_num_queries(0):
        notes.write()
    assert HostEvent.objects.count() == 100


def test_a_time_that_no_calendar_knows_costs_that_line_only(host: Host) -> None:
    notes = watch.TimelineBuffer(host)
    notes.add(EngineEvent(1e30, "container", "die", "c0ffee", {}))
    notes.add(EngineEvent(timezone.now().timestamp(), "container", "start", "c0ffee", {}))
    notes.write()
    assert [row.action for row in HostEvent.objects.all()] == ["start"]
