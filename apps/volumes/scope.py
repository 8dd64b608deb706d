"""Whose volume it is, by its name, its labels and the containers that mounted it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

CONTAINER, STACK, ENVIRONMENT, ENGINE = "container", "stack", "environment", "engine"
SCOPES = (CONTAINER, STACK, ENVIRONMENT, ENGINE)

VOLUME_LABEL = "io.corral.volume"
"""On volumes that Corral makes: the row's uuid, by which a row finds what an earlier reconcile made for it."""
RESERVED_LABELS = ("io.corral.",)
_ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_UNNAMED = re.compile(r"[0-9a-f]{64}")


def is_unnamed(name: str, labels: Mapping[str, str]) -> bool:
    """Whether an engine made it for one container and named it itself."""
    return _ANONYMOUS_LABEL in labels or _UNNAMED.fullmatch(name) is not None


def scope_of(name: str, labels: Mapping[str, str], stack_name: str) -> str:
    """The scope of a volume; `stack_name` is the stack whose containers mounted it last, empty if none did.

    `container`: nobody named it, and it goes with its container. `stack`: a file of that stack declares it.
    `environment`: made here, for whoever mounts it. `engine`: anything else, such as what was made at the engine.
    """
    if is_unnamed(name, labels):
        return CONTAINER
    if stack_name and name.startswith(f"{stack_name}_"):
        return STACK
    return ENVIRONMENT if VOLUME_LABEL in labels else ENGINE
