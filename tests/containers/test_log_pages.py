"""Older lines, time ranges and searches of a log, each within its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.containers import log_pages
from apps.containers.launch.config import LaunchConfig
from apps.containers.log_pages import download_lines, find_matches, lines_before, lines_between, search_lines
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.containers.streams import logs_open
from apps.core.errors import Invalid
from apps.drivers.base import LogLine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

COUNT = 1300


@pytest.fixture
def box(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Container:
    """A running container with 1,300 numbered lines."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("alice"), environment=lab, name="box", config=config)
    run_loop()
    for number in range(COUNT):
        sim.write_log("box", f"line {number}")
    row.refresh_from_db()
    return row


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines if line.text.startswith("line ")]


def all_lines(row: Container) -> list[LogLine]:
    return [line for line in logs_open(row, tail=None, follow=False) if line.text.startswith("line ")]


def test_page_after_page_leads_back_to_the_start(box: Container):
    shown = all_lines(box)[-500:]
    for _page in range(2):
        page = lines_before(box, until=shown[0].at, newer=len(shown))
        assert not page.is_complete or len(page.lines) < 500
        shown = [*page.lines, *shown]
    assert texts(shown) == [f"line {number}" for number in range(COUNT)]
    assert page.is_complete


@pytest.mark.parametrize("newer", [0, 1, 100, 500])
def test_lines_that_came_since_they_were_counted_hide_none(newer: int, box: Container):
    lines = all_lines(box)
    page = lines_before(box, until=lines[-500].at, newer=newer, limit=50)
    assert texts(page.lines) == [f"line {number}" for number in range(COUNT - 550, COUNT - 500)]


def test_a_range_begins_at_its_start_and_says_when_it_is_cut(box: Container):
    lines = all_lines(box)
    page = lines_between(box, since=lines[9].at, until=lines[20].at)
    assert (texts(page.lines), page.is_complete) == ([f"line {number}" for number in range(10, 20)], True)
    cut = lines_between(box, since=lines[9].at, until="", limit=5)
    assert (len(cut.lines), cut.is_complete) == (5, False)


def test_a_search_counts_all_and_shows_the_lines_around(box: Container):
    page = search_lines(box, text="LINE 77")
    hits = [page.lines[at].text for at in sorted(page.matches)]
    assert hits == ["line 77", *(f"line {number}" for number in range(770, 780))]
    assert (page.match_count, page.is_complete) == (11, True)
    assert texts(page.lines)[:5] == ["line 75", "line 76", "line 77", "line 78", "line 79"]
    assert len(texts(page.lines)) == len(set(texts(page.lines))), "a line is shown twice"


def test_a_search_keeps_the_latest_matches_and_the_count_of_all():
    lines = [LogLine("stdout", f"{number:09}", "hit") for number in range(2000)]
    page = find_matches(lines, "hit")
    assert (page.match_count, len(page.matches), page.lines[-1]) == (2000, log_pages.MAX_MATCHES, lines[-1])


def test_a_log_that_is_too_long_is_said_to_be_searched_in_part(box: Container, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_pages._Budget.__init__, "__defaults__", (2000, 15.0))
    assert not search_lines(box, text="nowhere").is_complete
    assert not lines_before(box, until=all_lines(box)[-1].at, newer=1).is_complete


@pytest.mark.parametrize("text", [" ", "x" * 201])
def test_a_text_that_cannot_be_searched_is_refused(text: str, box: Container):
    with pytest.raises(Invalid, match="between 1 and 200") as caught:
        search_lines(box, text=text)
    assert caught.value.field == "q"


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_time_that_is_none_is_refused_by_name(name: str, box: Container):
    with pytest.raises(Invalid, match="2026-01-31T12:00:00Z") as caught:
        download_lines(box, **{name: "yesterday"})
    assert caught.value.field == name


def test_a_download_says_where_it_was_cut(box: Container, monkeypatch: pytest.MonkeyPatch):
    assert len([line for line in download_lines(box) if " line " in line]) == COUNT
    monkeypatch.setattr(log_pages, "MAX_DOWNLOAD_BYTES", 1000)
    *lines, last = download_lines(box)
    assert sum(map(len, lines)) <= 1000
    assert last.startswith("... cut after")


def client_of(people: Any, name: str) -> Client:
    made = Client()
    made.force_login(getattr(people, name), backend="apps.accounts.providers.LocalBackend")
    return made


def test_the_pages_serve_lines_and_files_to_those_who_may_read_logs(box: Container, people: Any):
    base = f"/env/{box.environment_id}/containers/{box.pk}/logs"
    client = client_of(people, "alice")
    found = client.get(f"{base}/lines?q=line+12").json()
    assert (found["count"], found["complete"]) == (111, True)
    newest = client.get(f"{base}/lines?until=2100-01-01T00:00:00Z").json()
    assert newest["lines"][-1][2] == f"line {COUNT - 1}"
    file: Any = client.get(f"{base}/file")
    assert "line 7\n" in b"".join(file.streaming_content).decode()
    assert client.get(f"{base}/lines?since=yesterday").status_code == 422
    assert client.get(f"{base}/lines?newer=-5&until=2100-01-01T00:00:00Z").status_code == 200
    for path in (f"{base}/lines", f"{base}/file"):
        assert client_of(people, "mallory").get(path).status_code == 404
