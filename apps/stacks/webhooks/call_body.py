"""What the body of a call asks for, by the webhook's task. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.core.plurals import counted
from apps.stacks.webhooks.lifecycle import REDEPLOY, SCALE
from apps.stacks.webhooks.tag_patterns import parse_tag

UP, DOWN = "up", "down"
MAX_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class ScaleLimits:
    """Between how many containers a webhook may choose, and how many more or fewer a step is."""

    low: int
    high: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a call asks for: a number of containers or a step, a tag, or neither."""

    tag: str = ""
    scale: int | None = None
    direction: str = ""

    def describe(self) -> dict[str, Any]:
        """The same for logs, by the names of the body."""
        found = {"tag": self.tag, "scale": self.scale, "direction": self.direction}
        return {name: value for name, value in found.items() if value not in ("", None)}


def parse_call(task: str, raw: bytes, *, tag_patterns: Collection[str], limits: ScaleLimits) -> CallRequest:
    """The body of a call to a webhook with this task. Raises `Invalid`."""
    sent = _parse_json(raw)
    if task == REDEPLOY:
        _check_names(sent, ())
        return CallRequest()
    if task == SCALE:
        _check_names(sent, ("scale", "direction"))
        return _parse_scale(sent, limits)
    _check_names(sent, ("tag",))
    return CallRequest(tag=parse_tag(sent.get("tag"), tag_patterns))


def _parse_json(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw.decode()) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise Invalid(
            "body", "InvalidBodyContent", 'The body is not valid JSON; send such as {"tag": "1.4"}.'
        ) from None
    if not isinstance(found, dict):
        raise Invalid("body", "InvalidFormat", "The body must be a JSON object.")
    return found


def _check_names(sent: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = next((name for name in sent if name not in known), None)
    if unknown is not None:
        takes = f"takes {' or '.join(known)}" if known else "takes an empty body"
        raise Invalid("body", "InvalidOption", f"There is no {unknown[:64]!r} here: this webhook {takes}.")


def _parse_scale(sent: Mapping[str, Any], limits: ScaleLimits) -> CallRequest:
    scale, direction = sent.get("scale"), sent.get("direction")
    if (scale is None) == (direction is None):
        why = "Send either scale, a number of containers, or direction, which is up or down."
        raise Invalid("scale", "MissingRequired" if scale is None else "InvalidOption", why)
    if direction is not None:
        if direction not in (UP, DOWN):
            raise Invalid("direction", "InvalidOption", "direction is up or down.")
        return CallRequest(direction=direction)
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise Invalid("scale", "InvalidFormat", "scale is a whole number.")
    if scale < limits.low:
        why = f"This webhook may not go below {counted(limits.low, 'container')}."
        raise Invalid("scale", "MinLimitExceeded", why)
    if scale > limits.high:
        raise Invalid(
            "scale", "MaxLimitExceeded", f"This webhook may not go above {counted(limits.high, 'container')}."
        )
    return CallRequest(scale=scale)


def next_scale(requested: CallRequest, current: int, limits: ScaleLimits) -> int:
    """How many containers there are to be after a call, of `current` now. Raises `Invalid` at a limit.

    A step that would pass a limit ends at it.
    """
    if requested.scale is not None:
        return requested.scale
    if requested.direction == UP:
        if current >= limits.high:
            why = f"It has {counted(current, 'container')}, and this webhook may not go above {limits.high}."
            raise Invalid("direction", "MaxLimitExceeded", why)
        return max(limits.low, min(current + limits.step, limits.high))
    if current <= limits.low:
        why = f"It has {counted(current, 'container')}, and this webhook may not go below {limits.low}."
        raise Invalid("direction", "MinLimitExceeded", why)
    return min(limits.high, max(current - limits.step, limits.low))
