"""The policy of a service for lost hosts as people write it: `wait`, or `reschedule` after some seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid

LOST_HOST_LABEL = "io.corral.lost_host"
WAIT, RESCHEDULE = "wait", "reschedule"
DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 60, 10, 86_400


def policy_name(lost_after: int | None) -> str:
    """The policy's name."""
    return WAIT if lost_after is None else RESCHEDULE


def parse_lost_after(policy: Any, seconds: Any, current: int | None = None) -> int | None:
    """Seconds after which containers of a lost host are replaced, None to wait; what is not said stays as `current`.

    Raises `Invalid` for an unknown policy, for seconds out of 10 to 86,400, and for seconds to a policy of waiting.
    """
    if policy in {None, ""}:
        policy = policy_name(current)
        if policy == WAIT and seconds is not None:
            text = "A service that waits needs no seconds; say lostHostPolicy=reschedule as well."
            raise Invalid("lostHostSeconds", "InvalidOption", text)
    if policy == WAIT:
        return None
    if policy != RESCHEDULE:
        raise Invalid("lostHostPolicy", "InvalidOption", "The policy for lost hosts is wait or reschedule.")
    return _check_seconds(current or DEFAULT_SECONDS if seconds is None else seconds)


def _check_seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("lostHostSeconds", "InvalidFormat", "The seconds are a whole number.")
    if value < MIN_SECONDS:
        raise Invalid(
            "lostHostSeconds", "MinLimitExceeded", f"Give a lost host at least {MIN_SECONDS} seconds to return."
        )
    if value > MAX_SECONDS:
        raise Invalid(
            "lostHostSeconds", "MaxLimitExceeded", f"At most {MAX_SECONDS} seconds (a day); or choose to wait."
        )
    return value


def lost_after_from_labels(labels: Mapping[str, str]) -> int | None:
    """What the label `io.corral.lost_host` says (`wait`, `reschedule`, `reschedule 90`); None without it."""
    text = labels.get(LOST_HOST_LABEL, WAIT)
    policy, _, rest = text.strip().partition(" ")
    digits = rest.strip().removesuffix("s")
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) < 9):
        raise Invalid("labels", "InvalidFormat", f"{LOST_HOST_LABEL}: {text[:40]!r}; write `wait` or `reschedule 60`.")
    try:
        return parse_lost_after(policy, int(digits) if digits else None)
    except Invalid as problem:
        raise Invalid("labels", problem.code, f"{LOST_HOST_LABEL}: {problem.message}") from None


def with_lost_host_label(config: LaunchConfig, after: int | None) -> LaunchConfig:
    """The configuration with the label that reads back as `after`, for compose files and copies."""
    labels = {name: value for name, value in config.labels.items() if name != LOST_HOST_LABEL}
    if after is not None:
        labels[LOST_HOST_LABEL] = f"{RESCHEDULE} {after}"
    return replace(config, labels=labels)
