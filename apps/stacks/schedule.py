"""When and how a scheduled service runs: as v1 writes it, as labels of a compose file do, as it is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.core.fields import boolean, integer
from apps.core.texts import labeled
from apps.stacks.cron import DueTimes, check_cron, check_time_zone, due_between, next_due, next_times

SKIP, WAIT, REPLACE = "skip", "wait", "replace"
OVERLAPS = (SKIP, WAIT, REPLACE)
MAX_KEPT = 100
MAX_SECONDS = 30 * 86_400
SCHEDULE_LABEL = "io.corral.schedule"
_LABELS = {
    "cron": SCHEDULE_LABEL,
    "timeZone": f"{SCHEDULE_LABEL}.time_zone",
    "overlap": f"{SCHEDULE_LABEL}.overlap",
    "keepRuns": f"{SCHEDULE_LABEL}.keep_runs",
    "timeLimit": f"{SCHEDULE_LABEL}.time_limit",
    "catchUp": f"{SCHEDULE_LABEL}.catch_up",
}
_SINCE = "since"
_TRUTHS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression in a time zone.

    `overlap` says what becomes of a run that is due while another goes on: it is skipped, waits, or replaces that one.
    The containers of the last `keep_runs` runs are kept, with their logs. A run is stopped after `time_limit` seconds;
    None lets it take as long as it likes. `catch_up` runs the last one that was missed while the portal was down.
    """

    cron: str
    time_zone: str = "UTC"
    overlap: str = SKIP
    keep_runs: int = 5
    time_limit: int | None = None
    catch_up: bool = False

    @classmethod
    def from_wire(cls, data: Mapping[str, Any] | None, at: str = "schedule.") -> Self | None:
        """What a client sent, as v1's fields; None for no schedule: an empty one lacks its cron. Raises `Invalid`."""
        if data is None:
            return None
        given = {name: value for name, value in data.items() if value is not None and value != ""}
        overlap = given.get("overlap", SKIP)
        if overlap not in OVERLAPS:
            why = (
                f"{at}overlap is one of {', '.join(OVERLAPS)}: what becomes of a run that is due while another goes on."
            )
            raise Invalid(f"{at}overlap", "InvalidOption", why)
        limit = given.get("timeLimit")
        return cls(
            cron=check_cron(given.get("cron", ""), f"{at}cron"),
            time_zone=check_time_zone(given.get("timeZone", "UTC"), f"{at}timeZone"),
            overlap=overlap,
            keep_runs=integer(1, MAX_KEPT)(f"{at}keepRuns", given.get("keepRuns", 5)),
            time_limit=None if limit is None else integer(1, MAX_SECONDS)(f"{at}timeLimit", limit),
            catch_up=boolean(f"{at}catchUp", given.get("catchUp", False)),
        )

    def to_wire(self) -> dict[str, Any]:
        """As v1 says it."""
        return {
            "cron": self.cron,
            "timeZone": self.time_zone,
            "overlap": self.overlap,
            "keepRuns": self.keep_runs,
            "timeLimit": self.time_limit,
            "catchUp": self.catch_up,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From what was stored."""
        return cls(**{name: value for name, value in stored.items() if name != _SINCE})

    def to_json(self, since: datetime) -> dict[str, Any]:
        """As it is stored: due times up to `since` are none of its."""
        return {**asdict(self), _SINCE: since.isoformat()}

    def next_due(self, after: datetime) -> datetime | None:
        """The first due time after a moment."""
        return next_due(self.cron, self.time_zone, after)

    def next_times(self, after: datetime, count: int) -> list[datetime]:
        """The next due times, as clocks of the time zone show them."""
        return next_times(self.cron, self.time_zone, after, count)

    def due_between(self, after: datetime, until: datetime) -> DueTimes | None:
        """The due times after one moment up to another."""
        return due_between(self.cron, self.time_zone, after, until)

    def local(self, moment: datetime) -> datetime:
        """A moment, as clocks of the time zone show it."""
        return moment.astimezone(ZoneInfo(self.time_zone))

    @property
    def limit(self) -> timedelta | None:
        """How long a run may take."""
        return None if self.time_limit is None else timedelta(seconds=self.time_limit)


def since_of(stored: Mapping[str, Any]) -> datetime:
    """From when on a stored schedule counts."""
    return datetime.fromisoformat(stored[_SINCE])


def starting(stored: Mapping[str, Any], since: datetime) -> dict[str, Any]:
    """A stored schedule that counts from another moment on: what was due while it was stopped is not missed."""
    return {**stored, _SINCE: since.isoformat()}


def schedule_from_labels(labels: Mapping[str, str]) -> Schedule | None:
    """What the label `io.corral.schedule`, and those below it, say; None without any of them. Raises `Invalid`."""
    if SCHEDULE_LABEL not in labels:
        lonely = next((label for label in _LABELS.values() if labels.get(label, "") != ""), None)
        if lonely is not None:
            why = f"{lonely} says nothing without {SCHEDULE_LABEL}: add that label, or leave this one out."
            raise Invalid("labels", "InvalidOption", why)
        return None
    given: dict[str, Any] = {name: labels[label] for name, label in _LABELS.items() if labels.get(label, "") != ""}
    try:
        for name in ("keepRuns", "timeLimit"):
            given |= {name: _read_number(name, given[name])} if name in given else {}
        given |= {"catchUp": _read_truth(given["catchUp"])} if "catchUp" in given else {}
        return Schedule.from_wire(given or {"cron": ""}, at="")
    except Invalid as problem:
        label = _LABELS.get(str(problem.field), SCHEDULE_LABEL)
        reason = problem.message.removeprefix(str(problem.field))
        text = labeled(label, problem.message) if reason == problem.message else f"{label}{reason}"
        raise Invalid("labels", problem.code, text) from None


def _read_number(name: str, text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9):
        raise Invalid(name, "InvalidFormat", f"{text[:40]!r} is no whole number.")
    return int(digits)


def _read_truth(text: str) -> bool:
    if text.strip().lower() not in _TRUTHS:
        raise Invalid("catchUp", "InvalidFormat", f"{text[:40]!r} is neither true nor false.")
    return _TRUTHS[text.strip().lower()]


def without_schedule_labels(config: LaunchConfig) -> LaunchConfig:
    """The configuration without the labels that say when it runs."""
    return replace(config, labels={name: text for name, text in config.labels.items() if name not in _LABELS.values()})


def with_schedule_labels(config: LaunchConfig, schedule: Schedule | None) -> LaunchConfig:
    """The configuration with the labels that read back as the schedule, for compose files; defaults are left out."""
    if schedule is None:
        return without_schedule_labels(config)
    plain = Schedule(schedule.cron).to_wire()
    said = {name: value for name, value in schedule.to_wire().items() if name == "cron" or value != plain[name]}
    labels = {
        _LABELS[name]: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()
    }
    return replace(without_schedule_labels(config), labels={**without_schedule_labels(config).labels, **labels})
