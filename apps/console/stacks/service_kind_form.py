"""The part of the service form that says how many containers there are: a number, what fits, or one on each host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import GLOBAL_LABEL, is_global
from apps.core.errors import Invalid, Problem
from apps.stacks.models import Service

FIELD = "runs"
NUMBER, GLOBAL, FIT = "number", "global", "fit"
_LIMITS = {"min": "fitMin", "max": "fitMax", "increment": "fitStep"}


def with_kind(config: LaunchConfig, sent: QueryDict) -> LaunchConfig:
    """The configuration with the label that the choice in the form stands for."""
    if sent.get(FIELD) == GLOBAL:
        return replace(config, labels={**config.labels, GLOBAL_LABEL: "true"})
    return config


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


def kind_errors(problem: Problem) -> dict[str, str]:
    """What is wrong with the limits, for the field that they share."""
    return {FIELD: problem.message} if str(problem.field or "").startswith("scalePolicy") else {}


def without_kind(config: LaunchConfig) -> LaunchConfig:
    """The configuration as the form shows it, which has a field of its own instead of the label."""
    return replace(config, labels={name: text for name, text in config.labels.items() if name != GLOBAL_LABEL})


def kind_values(row: Service) -> dict[str, Any]:
    """What the form shows of a service that is copied."""
    found: dict[str, Any] = {FIELD: GLOBAL if is_global(row.config) else NUMBER, "scale": row.scale}
    if row.scale_policy:
        found |= {FIELD: FIT, **{field: row.scale_policy.get(name, 1) for name, field in _LIMITS.items()}}
    return found
