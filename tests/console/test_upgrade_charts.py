"""The charts of an upgrade that is watched: paths that a browser draws, and a table that says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.console.stacks.upgrade_charts import HEIGHT, MOST_ROWS, WIDTH, signal_charts
from apps.stacks.verdict.history import SignalSample

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def samples(*values: tuple[float | None, float | None]) -> list[SignalSample]:
    return [SignalSample(BEGIN + timedelta(minutes=at), old, new) for at, (old, new) in enumerate(values)]


def test_a_chart_has_both_lines_with_gaps_and_a_table() -> None:
    (chart,) = signal_charts({"cpu": samples((0.0, None), (2.0, 1.0), (None, 1.0), (2.0, None))})
    assert (chart.label, chart.top) == ("CPU", "2.00")
    assert chart.old == f"M0.0 {HEIGHT - 2}.0h0L100.0 2.0M300.0 2.0h0"
    assert chart.new == "M100.0 40.0h0L200.0 40.0"
    assert [(each.old, each.new) for each in chart.rows] == [
        ("0.00", "–"),
        ("2.00", "1.00"),
        ("–", "1.00"),
        ("2.00", "–"),
    ]


def test_what_says_nothing_is_not_drawn_and_zero_is_a_line_at_the_bottom() -> None:
    nothing = samples((None, None), (None, None))
    assert signal_charts({"cpu": nothing, "memory": samples((1.0, 2.0)), "unheard": samples((1, 1), (1, 1))}) == []
    (chart,) = signal_charts({"restarts": samples((0.0, 0.0), (0.0, 0.0))})
    assert chart.new == f"M0.0 {HEIGHT - 2}.0h0L{WIDTH}.0 {HEIGHT - 2}.0"


def test_a_long_time_is_a_short_table_that_ends_with_now() -> None:
    (chart,) = signal_charts({"memory": samples(*[(float(at), float(at)) for at in range(200)])})
    assert len(chart.rows) == MOST_ROWS
    assert chart.rows[-1].at == BEGIN + timedelta(minutes=199)
