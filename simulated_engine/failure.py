"""How a container of a simulated engine is to fail, by its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulated_engine.errors import EngineApiError

LABEL = "io.corral.sim.fail"
_STEPS, _TIMED = {"create", "start"}, {"exit", "oom", "unhealthy"}
_MAX_DELAY = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class FailureScript:
    """`at` is create, start, exit, oom or unhealthy, "" for none; `after` in seconds from its start."""

    at: str = ""
    after: float | None = None

    def raise_if_scripted(self, step: str) -> None:
        """Raise `EngineApiError` where the label wants this step to fail."""
        if self.at == step:
            raise EngineApiError(500, f"the simulated engine was told to fail here ({LABEL}={step})")

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> FailureScript:
        """As the label says; one that makes no sense is ignored."""
        step, _, rest = str(labels.get(LABEL, "")).partition(":")
        if step in _STEPS:
            return cls(step)
        try:
            after = float(rest)
        except ValueError:
            return cls()
        return cls(step, after) if step in _TIMED and 0 <= after <= _MAX_DELAY else cls()
