"""What was compared while an upgrade was watched, as small charts that the server draws, with a table of each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from apps.core.sizes import size_text
from apps.stacks.verdict.history import SignalSample

WIDTH, HEIGHT = 300, 80  # of the drawing, which is stretched to the room that there is
MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One line of the table below a chart."""

    at: datetime
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SignalChart:
    """One signal over time: `old` and `new` are SVG paths, `top` is the value at the upper edge."""

    signal: str
    label: str
    top: str
    old: str
    new: str
    begin: datetime
    end: datetime
    rows: list[ChartRow]


def number(value: float | None) -> str:
    """Processors."""
    return "–" if value is None else f"{value:.2f}"


def memory(value: float | None) -> str:
    """Bytes."""
    return "–" if value is None else size_text(value)


def percent(value: float | None) -> str:
    """A share of requests."""
    return "–" if value is None else f"{value:.2g} %"


def _an_hour(value: float | None) -> str:
    return "–" if value is None else _("%(rate).3g an hour") % {"rate": value}


def signal_charts(samples: Mapping[str, Sequence[SignalSample]]) -> list[SignalChart]:
    """The charts of the signals of which there are at least two moments with a value."""
    kinds: dict[str, tuple[str, Callable[[float | None], str]]] = {
        "restarts": (_("Restarts"), _an_hour),
        "cpu": (_("CPU"), number),
        "memory": (_("Memory"), memory),
        "errors": (_("Errors in logs"), _an_hour),
        "responses": (_("Failed responses of balancers"), percent),
    }
    found = []
    for signal, (label, text) in kinds.items():
        known = [each for each in samples.get(signal, ()) if each.old is not None or each.new is not None]
        if len(known) > 1:
            found.append(_chart(signal, label, text, known))
    return found


def _chart(
    signal: str, label: str, text: Callable[[float | None], str], samples: Sequence[SignalSample]
) -> SignalChart:
    top = max(value for each in samples for value in (each.old, each.new) if value is not None)
    scale = top or 1.0
    return SignalChart(
        signal=signal,
        label=label,
        top=text(top),
        old=_path([(each.at, each.old) for each in samples], scale),
        new=_path([(each.at, each.new) for each in samples], scale),
        begin=samples[0].at,
        end=samples[-1].at,
        rows=[ChartRow(each.at, text(each.old), text(each.new)) for each in _thinned(samples)],
    )


def _thinned(samples: Sequence[SignalSample]) -> list[SignalSample]:
    """A few of them, spread evenly, the last one always among them."""
    if len(samples) <= MOST_ROWS:
        return list(samples)
    return [samples[(at + 1) * len(samples) // MOST_ROWS - 1] for at in range(MOST_ROWS)]


def _path(points: Sequence[tuple[datetime, float | None]], top: float) -> str:
    """The SVG path through the values; it is broken where there is none, and a lonely value is a dot."""
    begin, length = points[0][0], (points[-1][0] - points[0][0]).total_seconds() or 1.0
    parts: list[str] = []
    is_drawing = False
    for at, value in points:
        if value is not None:
            x = WIDTH * (at - begin).total_seconds() / length
            y = HEIGHT - 2 - (HEIGHT - 4) * value / top
            parts.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y:.1f}" + ("" if is_drawing else "h0"))
        is_drawing = value is not None
    return "".join(parts)
