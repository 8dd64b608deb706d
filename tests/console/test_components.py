"""Components of pages: times, state badges, revocations, sizes, pagination, tags."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.console.components import relative_times
from apps.console.components.listing import PAGE_SIZE, Listing, query_filters
from apps.console.components.revocation_summary import describe_revoked
from apps.console.components.state_badges import (
    BAD,
    GOOD,
    OFF,
    WARN,
    StateBadge,
    badge_of,
    tone,
)
from apps.console.templatetags import console as tags
from apps.core.result import RevokedCounts

NOW = datetime(2026, 5, 6, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still at noon."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def text_of(html: str) -> str:
    """The text of a piece of HTML."""
    return re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "just now"),
        (4.9, "just now"),
        (-30, "just now"),
        (5, "5 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 d ago"),
        (86400 * 29, "29 d ago"),
        (86400 * 30, "1 mo ago"),
        (86400 * 364, "12 mo ago"),
        (86400 * 365, "1 y ago"),
        (86400 * 800, "2 y ago"),
    ],
)
def test_how_long_ago_in_its_largest_unit(noon: None, seconds: float, shown: str):
    assert text_of(relative_times.ago(NOW - timedelta(seconds=seconds))) == shown


@pytest.mark.parametrize("at", [None, "", "yesterday", datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_time_that_never_was_is_a_dash(at: Any):
    assert relative_times.ago(at) == "–"


def test_the_exact_time_is_there_for_browser_and_tooltip(noon: None):
    shown = relative_times.ago("2026-05-06T11:59:00+00:00")
    stamp = re.search(r'datetime="([^"]+)"', shown)
    assert stamp is not None
    assert datetime.fromisoformat(stamp[1]) == NOW - timedelta(minutes=1)
    assert f'title="{stamp[1]}"' in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(40, "in 40 s"), (1, "in 1 s"), (0.9, "now"), (0, "now"), (-60, "now"), (7200, "in 2 h")]
)
def test_how_soon_it_will_be(noon: None, seconds: float, shown: str):
    assert text_of(relative_times.ahead(NOW + timedelta(seconds=seconds))) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (1.26, "1.3 s"), (9.9, "9.9 s"), (10, "10 s"), (59.4, "59 s"), (60, "1 min 0 s"),
     (3725, "62 min 5 s")],
)  # fmt: skip
def test_how_long_it_took(noon: None, seconds: float, shown: str):
    began = NOW - timedelta(seconds=seconds)
    assert relative_times.lasted(SimpleNamespace(created=began, ended=NOW)) == shown
    assert relative_times.lasted(SimpleNamespace(created=began, ended=None)) == shown


@given(st.floats(0, 10**9))
def test_a_span_is_a_whole_number_and_a_unit(seconds: float):
    assert re.fullmatch(r"\d+ (y|mo|d|h|min|s)", relative_times._span(seconds))


@pytest.mark.parametrize(
    ("words_", "look"), [(GOOD, "good"), (OFF, "off"), (BAD, "bad"), (WARN, "warn"), (("starting", "new"), "busy")]
)
def test_the_tone_of_a_state(words_: tuple[str, ...], look: str):
    assert {tone(word) for word in words_} == {look}


def row(shown: str, **more: Any) -> SimpleNamespace:
    """A managed row as far as its badge needs it."""
    plain = {"display_state": shown, "status": None, "fault": False, "message": "", "is_ended_by_stop": False}
    return SimpleNamespace(**plain | more)


@pytest.mark.parametrize(
    ("seen", "word", "look"),
    [
        (row("running"), "running", "good"),
        (row("running", health="healthy"), "running", "good"),
        (row("running", health="unhealthy"), "unhealthy", "bad"),
        (row("running", health="starting"), "initializing", "warn"),
        (row("stopped", health="unhealthy"), "stopped", "off"),
        (row("active", status={"health": "degraded"}), "degraded", "warn"),
        (row("active", status={"health": "healthy"}), "active", "good"),
        (row("activating", status={"health": "unhealthy"}), "activating", "busy"),
        (row("active", fault=True), "active", "bad"),
        (row("updating-active"), "updating-active", "busy"),
        (row("active", status={"health": "unknown"}), "unknown", "warn"),
        (row("active", status={"health": "stopped"}), "stopped", "off"),
        (row("active", status={"health": "completed"}), "completed", "good"),
        (row("running", is_crash_looping=True), "crashing", "bad"),
        (row("restarting", is_crash_looping=True), "crashing", "bad"),
        (row("stopped", final_exit_code=0), "completed", "good"),
        (row("stopped", final_exit_code=3), "failed", "bad"),
        (row("stopped", final_exit_code=137, is_ended_by_stop=True), "stopped", "off"),
        (row("paused"), "paused", "warn"),
        (row("creating", fault=True, status={"pull_failed": "denied"}), "image pull failed", "bad"),
    ],
)
def test_the_badge_of_a_row(seen: Any, word: str, look: str):
    badge = badge_of(seen)
    assert (badge.word, badge.tone) == (word, look)


@pytest.mark.parametrize(
    ("host", "is_stale"), [(None, False), (SimpleNamespace(is_unreachable=True), True),
     (SimpleNamespace(is_unreachable=False), False)]
)  # fmt: skip
def test_what_is_unreachable_is_stale(host: Any, is_stale: bool):
    assert badge_of(row("running", host=host)).is_stale is is_stale


@pytest.mark.parametrize(
    ("visited", "address"), [("portal.lan:8080", "portal.lan"), ("[fd00::1]:8080", "[fd00::1]"), ("portal", "portal")]
)
def test_a_port_of_the_portal_s_own_machine_is_reached_by_the_visited_name(visited: str, address: str):
    port = {"ipAddress": "127.0.0.1", "port": 81, "private": 80, "protocol": "tcp", "isPortalHost": True}
    request = SimpleNamespace(get_host=lambda: visited)
    assert f'href="http://{address}:81"' in tags.port_link({"ctx": SimpleNamespace(request=request)}, port)
    assert 'href="http://127.0.0.1:81"' in tags.port_link({}, {**port, "isPortalHost": False})


def test_every_tone_has_an_icon_of_its_own():
    tones = ["good", "off", "bad", "warn", "busy"]
    assert len({StateBadge("x", each).icon for each in tones}) == len(tones)


def test_a_badge_says_state_and_reason_without_letting_markup_in():
    shown = tags.state(row("error", message='<b>"no"</b>'))
    assert "is-bad" in shown
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown


@pytest.mark.parametrize(
    ("revoked_counts", "text"),
    [
        ([], ""),
        ([RevokedCounts()], ""),
        ([RevokedCounts(sockets=1)], "Closed 1 socket."),
        ([RevokedCounts(sockets=2, sessions=1)], "Closed 2 sockets, 1 session."),
        ([RevokedCounts(sessions=1), RevokedCounts(sessions=2)], "Closed 3 sessions."),
        ([RevokedCounts(keys=1)], "1 key lost rights."),
        ([RevokedCounts(sockets=1, keys=2)], "Closed 1 socket. 2 keys lost rights."),
    ],
)
def test_what_a_change_revoked_in_words(revoked_counts: list[RevokedCounts], text: str):
    assert describe_revoked(revoked_counts) == text


def page(total: int, number: int) -> Listing:
    """A page of a list with `total` rows."""
    here = max(0, min(PAGE_SIZE, total - (number - 1) * PAGE_SIZE))
    return Listing([0] * here, total, number, max(1, -(-total // PAGE_SIZE)), "")


@pytest.mark.parametrize(
    ("total", "number", "first", "last", "previous", "next_page"),
    [
        (0, 1, 0, 0, 0, 0),
        (1, 1, 1, 1, 0, 0),
        (PAGE_SIZE, 1, 1, PAGE_SIZE, 0, 0),
        (PAGE_SIZE + 1, 1, 1, PAGE_SIZE, 0, 2),
        (PAGE_SIZE + 1, 2, PAGE_SIZE + 1, PAGE_SIZE + 1, 1, 0),
        (3 * PAGE_SIZE, 2, PAGE_SIZE + 1, 2 * PAGE_SIZE, 1, 3),
    ],
)
def test_where_a_page_stands(total: int, number: int, first: int, last: int, previous: int, next_page: int):
    found = page(total, number)
    assert (found.first, found.last, found.previous, found.next_page) == (first, last, previous, next_page)


@given(st.integers(1, 1000))
def test_pages_hold_every_row_once(total: int):
    pages = [page(total, number) for number in range(1, page(total, 1).pages + 1)]
    assert [each.first for each in pages[1:]] == [each.last + 1 for each in pages[:-1]]
    assert (pages[0].first, pages[-1].last) == (1, total)


@pytest.mark.parametrize(("query", "is_filtered"), [({}, False), ({"q": ""}, False), ({"q": "", "state": "x"}, True)])
def test_a_list_knows_whether_it_is_filtered(query: dict[str, str], is_filtered: bool):
    assert Listing([], 0, 1, 1, "", query).is_filtered is is_filtered


@pytest.mark.parametrize(
    ("sent", "word"), [("a", "a"), ("  a ", "a"), ("a\0b", "ab"), ("x" * 500, "x" * 200), ("\0", ""), ("☃", "☃")]
)
def test_a_filter_is_trimmed_and_bounded(sent: str, word: str):
    assert query_filters(RequestFactory().get("/", {"q": sent}), "q", "state") == {"q": word, "state": ""}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),
        (0, "–"),
        (1, "1.0\xa0MB"),
        ("64", "64.0\xa0MB"),
        (2048, "2.0\xa0GB"),
        (24_094, "23.5\xa0GB"),
        (3 * 1024**2, "3.0\xa0TB"),
    ],
)
def test_a_size_in_mebibytes(count: Any, shown: str):
    assert tags.mebibytes(count) == shown


def test_nothing_to_copy_is_a_dash_and_what_is_copied_is_escaped():
    assert tags.copyable("") == "–"
    shown = tags.copyable('a"<b>', "short")
    assert "<b>" not in shown
    assert ">short</code>" in shown


@pytest.mark.parametrize(
    ("address", "url"), [("10.0.0.1", "http://10.0.0.1:80"), ("2001:db8::1", "http://[2001:db8::1]:80")]
)
def test_a_published_port_leads_to_its_address(address: str, url: str):
    port = {"ipAddress": address, "port": 80, "private": 8080, "protocol": "tcp"}
    assert f'href="{url}"' in tags.port_link({}, port)
    assert text_of(tags.port_link({}, port)) == "80→8080"
    assert text_of(tags.port_link({}, port, full=True)).endswith(":80→8080/tcp")


def test_json_is_shown_long_or_short():
    assert tags.pretty({"ä": [1]}) == '{\n  "ä": [\n    1\n  ]\n}'
    assert tags.compact({"ä": "x" * 500}).startswith('{"ä": "xxx')
    assert len(tags.compact({"ä": "x" * 500})) == 160


@pytest.mark.parametrize(
    ("cookie", "chosen"), [("light", "light"), ("dark", "dark"), ("<script>", "auto"), ("", "auto")]
)
def test_a_theme_is_one_of_three(cookie: str, chosen: str):
    request = RequestFactory().get("/")
    request.COOKIES["corral_theme"] = cookie
    assert tags.theme({"request": request}) == chosen


def test_a_command_reads_as_it_would_be_typed():
    assert tags.command_line(["sh", "-c", "echo a; exit 3"]) == "sh -c 'echo a; exit 3'"
