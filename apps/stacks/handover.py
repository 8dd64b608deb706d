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

    def next_scales(self, growing: int, shrinking: int, at_work: int | None = None) -> tuple[int, int]:
        """The next scales of the two; the same when it is over.

        Containers go only while both together have more than in the end, and only so many: never are there fewer than
        that, unless there were to begin with, and never a batch more.

        On the way back only `at_work` containers of the one that shrinks serve, and the others count as gone: the one
        that goes back never waits for the other, and where nothing serves it has all of its containers at once.
        """
        is_grown = growing >= self.final
        if at_work == 0 and not is_grown:
            return self.final, shrinking
        excess = growing + (shrinking if at_work is None else at_work) - (self.final + self.floor)
        if shrinking > self.floor and (excess > 0 or is_grown):
            step = self.batch_size if is_grown else min(excess, self.batch_size)
            return growing, max(self.floor, shrinking - step)
        if not is_grown:
            return min(self.final, growing + self.batch_size), shrinking
        return max(self.final, growing - self.batch_size), shrinking

    def is_over(self, growing: int, shrinking: int) -> bool:
        """Whether both are where they are to end."""
        return growing == self.final and shrinking <= self.floor
