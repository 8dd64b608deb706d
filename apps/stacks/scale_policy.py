"""The policy of a service that runs as many containers as fit: from `min` to `max`, in steps of `increment`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.core.errors import Invalid
from apps.stacks.plan import ServicePlan, SlotView, containers_of_slots, numbers_of, plan_service

MAX_SCALE = 1000


@dataclass(frozen=True, slots=True)
class ScalePolicy:
    """At least `min` containers, which is an error where they do not fit, and up to `max` while they do."""

    min: int = 1
    max: int = 1
    increment: int = 1

    @classmethod
    def from_wire(cls, data: Mapping[str, Any] | None) -> ScalePolicy | None:
        """What a client sent; None for no policy: an empty one lacks its `min`. Raises `Invalid`."""
        if data is None:
            return None
        if data.get("min") is None:
            raise Invalid("scalePolicy.min", "MissingRequired", "scalePolicy.min: say how many there are at least.")
        least = _check(data["min"], "min")
        most = _check(data.get("max") if data.get("max") is not None else max(least, 1), "max")
        if most < least:
            why = f"scalePolicy.max is {most}, less than min ({least}); make it {least} or more."
            raise Invalid("scalePolicy.max", "MinLimitExceeded", why)
        return cls(least, most, _check(1 if data.get("increment") is None else data["increment"], "increment"))

    def to_wire(self) -> dict[str, int]:
        """As v1 says it, and as it is stored."""
        return {"min": self.min, "max": self.max, "increment": self.increment}


def _check(value: Any, name: str) -> int:
    field = f"scalePolicy.{name}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field, "InvalidFormat", f"{field} must be a whole number.")
    if value < 1:
        raise Invalid(field, "MinLimitExceeded", f"{field} is at least 1.")
    if value > MAX_SCALE:
        raise Invalid(field, "MaxLimitExceeded", f"{field} is at most {MAX_SCALE}.")
    return value


@dataclass(frozen=True, slots=True)
class Fit:
    """How many containers an active service is held to now, with the steps, and whether no more of them fit."""

    scale: int
    plan: ServicePlan
    is_full: bool


def plan_policy(
    policy: ScalePolicy, scale: int | None, slots: Sequence[SlotView], unplaced: frozenset[int], *, is_full: bool
) -> Fit:
    """The steps of an active service under a policy; `scale` is what it was held to before, None at first.

    `unplaced` are the numbers of slots whose container found no host: above the minimum they are given up. The next
    step up is taken once everything is where it should be, unless it was found to be full already.
    """
    held = min(max(scale or policy.min, policy.min), policy.max)
    homeless = [slot for slot in slots if slot.number in unplaced]
    surplus = sorted(homeless, key=lambda slot: -slot.number)[: max(0, len(slots) - policy.min)]
    if surplus:
        stay = [slot for slot in slots if slot not in surplus]
        held = max(policy.min, min(held, len(stay)))
        plan = plan_service("active", held, stay)
        # A number that is given up is taken again once its row is gone, so that none is filled in the same step.
        plan = replace(
            plan,
            fill=tuple(number for number in plan.fill if number in {slot.number for slot in stay}),
            drop=plan.drop + numbers_of(surplus),
            remove=plan.remove + containers_of_slots(surplus),
        )
        return Fit(held, plan, is_full=True)
    plan = plan_service("active", held, slots)
    if plan.is_in_sync and held < policy.max and not is_full:
        held = min(policy.max, held + policy.increment)
        plan = plan_service("active", held, slots)
    return Fit(held, plan, is_full and held < policy.max)
