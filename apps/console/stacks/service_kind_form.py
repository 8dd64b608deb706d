"""The part of the service form that says how many containers there are: a number, what fits, one a host, jobs, runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.console.stacks.schedule_form import parse_schedule, schedule_errors, schedule_values
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import GLOBAL_LABEL, START_ONCE_LABEL, is_global, is_start_once
from apps.core.errors import Invalid, Problem
from apps.stacks.models import Service
from apps.stacks.schedule import Schedule, with_schedule_labels, without_schedule_labels

FIELD = "runs"
NUMBER, GLOBAL, ONCE, FIT, SCHEDULE = "number", "global", "once", "fit", "schedule"
_KIND_LABELS = {GLOBAL: GLOBAL_LABEL, ONCE: START_ONCE_LABEL}
_LIMITS = {"min": "fitMin", "max": "fitMax", "increment": "fitStep"}


def with_kind(config: LaunchConfig, sent: QueryDict) -> LaunchConfig:
    """The configuration with the label that the choice in the form stands for."""
    label = _KIND_LABELS.get(sent.get(FIELD, ""))
    return replace(config, labels={**config.labels, label: "true"}) if label else config


def parse_scale_policy(sent: QueryDict) -> dict[str, int] | None:
    """The limits that were typed for as many containers as fit; None where another kind was chosen."""
    if sent.get(FIELD) != FIT:
        return None
    found = {}
    for name, field in _LIMITS.items():
        text = sent.get(field, "").strip() or "1"
        if not (text.isascii() and text.isdigit() and len(text) < 9):
            raise Invalid(f"scalePolicy.{name}", "InvalidFormat", _("Enter whole numbers, 1 or more."))
        found[name] = int(text)
    return found


def parse_kind(sent: QueryDict) -> dict[str, Any]:
    """The policies that the choice stands for, as a service takes them: those of the other choices are none."""
    return {
        "scale_policy": parse_scale_policy(sent),
        "schedule": parse_schedule(sent) if sent.get(FIELD) == SCHEDULE else None,
    }


def preview_kind(config: LaunchConfig, sent: QueryDict) -> LaunchConfig:
    """The configuration as a compose file says it, with the labels of a schedule. Raises `Invalid`."""
    schedule = Schedule.from_wire(parse_schedule(sent)) if sent.get(FIELD) == SCHEDULE else None
    return with_schedule_labels(with_kind(config, sent), schedule) if schedule else with_kind(config, sent)


def kind_errors(problem: Problem) -> dict[str, str]:
    """What is wrong with the limits, for the field that they share, or with the schedule, for one of its own."""
    field = str(problem.field or "")
    is_about_kind = field.startswith("scalePolicy") or field == "schedule"
    return {FIELD: problem.message} if is_about_kind else schedule_errors(problem)


def without_kind(config: LaunchConfig) -> LaunchConfig:
    """The configuration as the form shows it, which has fields of its own instead of the labels."""
    labels = {name: text for name, text in config.labels.items() if name not in _KIND_LABELS.values()}
    return without_schedule_labels(replace(config, labels=labels))


def kind_values(row: Service) -> dict[str, Any]:
    """What the form shows of a service that is copied."""
    kind = GLOBAL if is_global(row.config) else ONCE if is_start_once(row.config) else NUMBER
    found: dict[str, Any] = {FIELD: kind, "scale": row.scale}
    found |= schedule_values(row.timetable)
    if row.schedule:
        found[FIELD] = SCHEDULE
    if row.scale_policy:
        found |= {FIELD: FIT, **{field: row.scale_policy.get(name, 1) for name, field in _LIMITS.items()}}
    return found
