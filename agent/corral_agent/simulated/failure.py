"""What a container of a simulated engine was told to suffer, by its label."""

from __future__ import annotations

from dataclasses import dataclass

from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.errors import EngineApiError

LABEL = "io.corral.sim.fail"
_MAX_DELAY = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class FailureScript:
    """`at` is create, start, exit, oom or unhealthy, "" for a quiet life; `after` in seconds from its start."""

    at: str = ""
    after: float | None = None

    def raise_if_scripted(self, step: str) -> None:
        """Raise `EngineApiError` where the label wants this step to fail."""
        if self.at == step:
            raise EngineApiError(500, f"the simulated engine was told to fail here ({LABEL}={step})")

    @classmethod
    def of(cls, container: SimulatedContainer) -> FailureScript:
        """As the label says; one that says nonsense is no fate."""
        step_name, _, rest = container.labels.get(LABEL, "").partition(":")
        if step_name in {"create", "start"}:
            return cls(step_name)
        try:
            after = float(rest)
        except ValueError:
            return cls()
        return (
            cls(step_name, after) if step_name in {"exit", "oom", "unhealthy"} and 0 <= after <= _MAX_DELAY else cls()
        )
