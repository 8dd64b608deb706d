"""An upgrade from one service to another: how many containers each of them has next. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handover:
    """Where both scales are to end, `batch_size` containers at a time.

    The one that takes over grows to `final`, the other shrinks to `floor`: 0, or on the way back what it had before.
    """

    final: int
    floor: int = 0
    batch_size: int = 1

    def next_scales(self, growing: int, shrinking: int) -> tuple[int, int]:
        """The next scales of the two, once all of their containers do their work; the same when it is over.

        Containers go only while both together have more than in the end, and only so many: never are there fewer than
        that, unless there were to begin with, and never a batch more.
        """
        excess = growing + shrinking - (self.final + self.floor)
        if shrinking > self.floor and excess > 0:
            return growing, max(self.floor, shrinking - min(excess, self.batch_size))
        if growing < self.final:
            return min(self.final, growing + self.batch_size), shrinking
        return max(self.final, growing - self.batch_size), shrinking

    def next_scales_back(self, growing: int, shrinking: int, at_work: int) -> tuple[int, int]:
        """The next scales on the way back, where only `at_work` of the containers of the one that shrinks serve.

        What does not serve counts as gone, so that the one that goes back never waits for the other: where nothing
        serves it has all of its containers at once.
        """
        if growing < self.final:
            if not at_work:
                return self.final, shrinking
            excess = growing + at_work - (self.final + self.floor)
            if shrinking > self.floor and excess > 0:
                return growing, max(self.floor, shrinking - min(excess, self.batch_size))
            return min(self.final, growing + self.batch_size), shrinking
        if shrinking > self.floor:
            return growing, max(self.floor, shrinking - self.batch_size)
        return max(self.final, growing - self.batch_size), shrinking

    def is_over(self, growing: int, shrinking: int) -> bool:
        """Whether both are where they are to end."""
        return growing == self.final and shrinking <= self.floor
