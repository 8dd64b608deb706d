"""What a container of a simulated engine was told to suffer, by its label."""

from __future__ import annotations

from dataclasses import dataclass

from corral_agent.sim.box import Box
from corral_agent.sim.refusals import Refusal

LABEL = "io.corral.sim.fail"
_LONGEST = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Fate:
    """`at` is create, start, exit, oom or unhealthy, "" for a quiet life; `after` in seconds from its start."""

    at: str = ""
    after: float | None = None

    def meet(self, step: str) -> None:
        """Raise `Refusal` where the label wants this step to fail."""
        if self.at == step:
            raise Refusal(500, f"the simulated engine was told to fail here ({LABEL}={step})")

    @classmethod
    def of(cls, box: Box) -> Fate:
        """As the label says; one that says nonsense is no fate."""
        word, _, rest = box.labels.get(LABEL, "").partition(":")
        if word in {"create", "start"}:
            return cls(word)
        try:
            after = float(rest)
        except ValueError:
            return cls()
        return cls(word, after) if word in {"exit", "oom", "unhealthy"} and 0 <= after <= _LONGEST else cls()
