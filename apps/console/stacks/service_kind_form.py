"""The part of the service form that says how many containers there are: a number, or one on each host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import QueryDict

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import GLOBAL_LABEL, is_global
from apps.stacks.models import Service

FIELD = "runs"
NUMBER, GLOBAL = "number", "global"


def with_kind(config: LaunchConfig, sent: QueryDict) -> LaunchConfig:
    """The configuration with the label that the choice in the form stands for."""
    if sent.get(FIELD) == GLOBAL:
        return replace(config, labels={**config.labels, GLOBAL_LABEL: "true"})
    return config


def without_kind(config: LaunchConfig) -> LaunchConfig:
    """The configuration as the form shows it, which has a field of its own instead of the label."""
    return replace(config, labels={name: text for name, text in config.labels.items() if name != GLOBAL_LABEL})


def kind_values(row: Service) -> dict[str, Any]:
    """What the form shows of a service that is copied."""
    return {FIELD: GLOBAL if is_global(row.config) else NUMBER, "scale": row.scale}
