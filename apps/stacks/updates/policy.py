"""What is done about a newer image, and when: as people write it, as v1 does, as it is stored. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.core.texts import labeled
from apps.stacks.cron import check_cron, check_time_zone, due_between, next_due

NOTIFY, UPGRADE, NEVER = "notify", "upgrade", "never"
MODES = (NOTIFY, UPGRADE, NEVER)
UPDATE_LABEL = "io.corral.image_update"
FIELDS = ("mode", "days", "from", "to", "timeZone")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_EXAMPLE = "notify, never, upgrade, or upgrade MON-FRI 02:00-05:00 Europe/Berlin"
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """`mode` is notify, upgrade or never; never: nobody looks for newer images either.

    Upgrades begin on `days` (as cron has days of the week) from `start` to `end` ("02:00", "05:00", over midnight if
    the end comes first) in `time_zone`; without a `start` at any time.
    """

    mode: str = NOTIFY
    days: str = "*"
    start: str = ""
    end: str = ""
    time_zone: str = "UTC"

    @property
    def has_window(self) -> bool:
        """Whether upgrades begin at some times only."""
        return bool(self.start)

    def to_json(self) -> dict[str, Any]:
        """As v1 and the rows have it."""
        if not self.has_window:
            return {"mode": self.mode}
        return {"mode": self.mode, "days": self.days, "from": self.start, "to": self.end, "timeZone": self.time_zone}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> UpdatePolicy | None:
        """What a row has; None where it follows its environment."""
        if not stored:
            return None
        more = (str(stored.get(name, "")) for name in ("days", "from", "to", "timeZone"))
        return cls(str(stored["mode"]), *more) if stored.get("from") else cls(str(stored["mode"]))

    def __str__(self) -> str:
        if not self.has_window:
            return self.mode
        return f"{self.mode} {self.days} {self.start}-{self.end} {self.time_zone}"

    @property
    def _cron(self) -> str:
        hour, minute = self.start.split(":")
        return f"{int(minute)} {int(hour)} * * {self.days}"

    @property
    def _length(self) -> timedelta:
        """How long a window is; from a time to the same one is a whole day."""
        return timedelta(minutes=(_minutes(self.end) - _minutes(self.start)) % _DAY or _DAY)

    def is_open(self, now: datetime) -> bool:
        """Whether an upgrade may begin now."""
        if self.mode != UPGRADE or not self.has_window:
            return self.mode == UPGRADE
        return due_between(self._cron, self.time_zone, now - self._length, now) is not None

    def next_open(self, now: datetime) -> datetime | None:
        """When an upgrade may begin: now, or with the next window; None where none ever does."""
        if self.mode != UPGRADE or self.is_open(now):
            return now if self.mode == UPGRADE else None
        return next_due(self._cron, self.time_zone, now)


def _minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def parse_policy(sent: Any, field: str = "imageUpdatePolicy") -> UpdatePolicy | None:
    """What was sent, checked; None to follow the environment. Raises `Invalid`."""
    if sent is None or sent == {}:
        return None
    if not isinstance(sent, Mapping):
        raise Invalid(field, "InvalidFormat", f"{field} is an object such as {{'mode': 'notify'}}.")
    unknown = sorted(str(name) for name in sent if name not in FIELDS)
    if unknown:
        name = unknown[0][:64]
        raise Invalid(f"{field}.{name}", "InvalidOption", f"{field} has no {name!r}; it has {', '.join(FIELDS)}.")
    given = {name: value for name, value in sent.items() if value not in {None, ""}} if _is_flat(sent) else {}
    if given.get("mode") not in MODES:
        raise Invalid(f"{field}.mode", "InvalidOption", f"{field}.mode is {', '.join(MODES[:-1])} or {MODES[-1]}.")
    if given["mode"] != UPGRADE or not {"days", "from", "to"} & given.keys():
        return UpdatePolicy(given["mode"])
    return UpdatePolicy(
        UPGRADE,
        _check_days(given.get("days", "*"), f"{field}.days"),
        _check_clock(given.get("from", "00:00"), f"{field}.from"),
        _check_clock(given.get("to", "00:00"), f"{field}.to"),
        check_time_zone(given.get("timeZone", "UTC"), f"{field}.timeZone"),
    )


def _is_flat(sent: Mapping[Any, Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in sent.values())


def _check_days(value: str, field: str) -> str:
    """Days of the week as cron writes them. Raises `Invalid`."""
    days = value.strip().upper()
    if re.search(r"\s|[#L]", days):  # cron's last Friday of a month is no window of every week
        raise Invalid(field, "InvalidFormat", f"{field}: write days of the week such as MON-FRI or SAT,SUN.")
    return check_cron(f"0 0 * * {days or '*'}", field).split(" ")[-1]


def _check_clock(value: str, field: str) -> str:
    if not _TIME.fullmatch(value.strip()):
        raise Invalid(field, "InvalidFormat", f"{field}: {value[:20]!r} is no time of day; write it like 02:30.")
    return value.strip()


def parse_policy_text(text: str, field: str) -> UpdatePolicy | None:
    """A policy in one line, as labels have it; None for an empty text. Raises `Invalid`."""
    parts = text.split()
    if not parts:
        return None
    if len(parts) == 1:
        return parse_policy({"mode": parts[0]}, field)
    start, dash, end = parts[2].partition("-") if len(parts) in {3, 4} else ("", "", "")
    if parts[0] != UPGRADE or not dash:
        raise Invalid(field, "InvalidFormat", f"{field}: {text[:60]!r} is no policy; write {_EXAMPLE}.")
    zone = parts[3] if len(parts) == 4 else "UTC"
    return parse_policy({"mode": UPGRADE, "days": parts[1], "from": start, "to": end, "timeZone": zone}, field)


def policy_from_labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """What the label `io.corral.image_update` says, as it is stored; empty without it. Raises `Invalid`."""
    try:
        found = parse_policy_text(labels.get(UPDATE_LABEL, ""), UPDATE_LABEL)
    except Invalid as problem:
        raise Invalid("labels", problem.code, labeled(UPDATE_LABEL, problem.message)) from None
    return found.to_json() if found else {}


def with_policy_label(config: LaunchConfig, stored: Mapping[str, Any]) -> LaunchConfig:
    """The configuration with the label that reads back as the policy, for compose files and copies."""
    labels = {name: value for name, value in config.labels.items() if name != UPDATE_LABEL}
    policy = UpdatePolicy.from_json(stored)
    if policy is not None:
        labels[UPDATE_LABEL] = str(policy)
    return replace(config, labels=labels)
