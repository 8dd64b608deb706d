"""Whatever one host's engine sends or does, its own timeline and those of the other hosts are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from apps.core.texts import REPLACEMENT
from apps.drivers.base import EngineEvent
from apps.environments.models import Environment
from apps.hosts import watch
from apps.hosts.models import Host, HostEvent
from apps.hosts.tunnels import journal

Made = dict[int, "Paper"]


def event(**changes: Any) -> EngineEvent:
    found: dict[str, Any] = {
        "at": timezone.now().timestamp(),
        "kind": "container",
        "action": "start",
        "id": "c1",
        "attributes": {},
    }
    return EngineEvent(**found | changes)


@pytest.mark.parametrize("sign", ["\x00", "\ud800"])
def test_a_line_holds_nothing_that_a_database_refuses(host: Host, sign: str) -> None:
    word = f"a{sign}b"
    attributes = {"name": word, **dict.fromkeys(journal._DETAIL_FIELDS, word)}
    row = journal.build_event(host, 1.0, word, word, word, attributes)
    assert {row.kind, row.action, row.subject, row.name, *row.details.values()} == {f"a{REPLACEMENT}b"}


def test_an_agents_journal_is_cleaned_by_the_same_hand(host: Host) -> None:
    entry = {"seq": 1, "at": 1.0, "kind": "container", "action": "die", "id": "c\x00", "attributes": {"image": "\x00"}}
    entry["at"] = timezone.now().timestamp()
    journal.store_page(host.pk, {"events": [entry], "first": 1, "last": 1})
    row = HostEvent.objects.get()
    assert (row.subject, row.details) == (f"c{REPLACEMENT}", {"image": REPLACEMENT})


@pytest.mark.parametrize("sizes", [{"kind": 32, "action": 64, "subject": 128, "name": 255}])
def test_long_words_are_cut_to_their_columns(host: Host, sizes: dict[str, int]) -> None:
    row = journal.build_event(host, 1.0, "k" * 999, "a" * 999, "s" * 999, {"name": "n" * 999, "image": "i" * 999})
    assert {name: len(getattr(row, name)) for name in sizes} == sizes
    assert len(row.details["image"]) == 255


@pytest.mark.parametrize(
    "changes", [{"attributes": None}, {"at": "soon"}, {"at": None}, {"at": float("nan")}, {"at": 1e30}]
)
def test_an_event_that_makes_no_sense_costs_its_own_line_only(host: Host, changes: dict[str, Any]) -> None:
    timeline = watch.TimelineBuffer(host)
    timeline.add(event(**changes))
    timeline.add(event(action="stop"))
    timeline.write()
    assert [row.action for row in HostEvent.objects.all()] == ["stop"]


@pytest.mark.parametrize(
    ("trouble", "level"), [(DatabaseError("gone"), logging.INFO), (RuntimeError("surprise"), logging.ERROR)]
)
def test_lines_that_cannot_be_written_are_logged_and_not_raised(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: Exception, level: int
) -> None:
    def refuse(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(journal, "write", refuse)
    caplog.set_level(logging.INFO)
    timeline = watch.TimelineBuffer(host)
    timeline.add(event())
    timeline.write()
    (found,) = [record for record in caplog.records if "not written down" in record.getMessage()]
    assert (found.levelno, found.exc_info is not None) == (level, True)


class Paper:
    """A watcher without a thread, which may have troubles."""

    troubles: dict[int, str] = {}

    def __init__(self, host: Host) -> None:
        self.host, self.timeline = host, self
        self.done: list[str] = []

    def _do(self, what: str) -> None:
        self.done.append(what)
        if self.troubles.get(self.host.pk) == what:
            raise RuntimeError(what)

    def start(self) -> None:
        self._do("start")

    def write(self) -> None:
        self._do("write")

    def stop(self) -> None:
        self._do("stop")

    def is_alive(self) -> bool:
        return True


@pytest.fixture
def two(lab: Environment, host: Host) -> list[Host]:
    return [host, Host.objects.create(environment=lab, name="other", url="sim://other", engine_id="SIM:other")]


@pytest.fixture
def fake_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    made: Made = {}

    def make(host: Host) -> Paper:
        made[host.pk] = Paper(host)
        return made[host.pk]

    monkeypatch.setattr(watch, "_Watcher", make)
    yield made
    Paper.troubles = {}


Spoil = Callable[[Host], Any]


def removed(host: Host) -> None:
    Host.all_objects.filter(pk=host.pk).update(desired="removed")


def test_a_host_whose_notes_surprise_costs_no_other(two: list[Host], fake_threads: Made, caplog: Any) -> None:
    gateway = watch.Gateway()
    gateway.run_once()
    Paper.troubles = {two[0].pk: "write"}
    gateway.run_once()
    gateway.run_once()
    assert [fake_threads[host.pk].done for host in two] == [["start", "write", "write"]] * 2
    assert f"gateway of host {two[0].pk}" in caplog.text
    assert f"gateway of host {two[1].pk}" not in caplog.text


def test_a_thread_that_cannot_begin_costs_no_other_and_is_tried_again(two: list[Host], fake_threads: Made) -> None:
    Paper.troubles = {two[0].pk: "start"}
    gateway = watch.Gateway()
    gateway.run_once()
    assert fake_threads[two[1].pk].done == ["start"]
    first = fake_threads[two[0].pk]
    Paper.troubles = {}
    gateway.run_once()
    assert fake_threads[two[0].pk] is not first
    assert fake_threads[two[0].pk].done == ["start"]


def test_a_stream_that_cannot_be_closed_is_let_go_all_the_same(two: list[Host], fake_threads: Made) -> None:
    gateway = watch.Gateway()
    gateway.run_once()
    Paper.troubles = {two[0].pk: "stop"}
    for host in two:
        removed(host)
    gateway.run_once()
    gateway.run_once()
    assert [fake_threads[host.pk].done for host in two] == [["start", "write", "stop"]] * 2
    assert gateway._watchers == {}
