"""Two environments with a host each, a stack in the first, and what promotes it to the second."""

from __future__ import annotations

from tests.stacks.promotions.promoting import clock, dev, go, live, prod, promote

__all__ = ["clock", "dev", "go", "live", "prod", "promote"]
