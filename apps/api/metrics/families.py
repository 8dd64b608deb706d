"""What a metric is: its name, what it says, and its samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """One metric with all its samples; each has a value for every one of `labels`.

    A counter only grows while its process runs; its name ends with `_total`.
    """

    name: str
    about: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def is_counter(self) -> bool:
        """Whether it only grows."""
        return self.name.endswith("_total")


def single(name: str, about: str, value: float) -> MetricFamily:
    """A metric without labels."""
    return MetricFamily(name, about, (), (((), value),))


def labelled(name: str, about: str, labels: str, samples: Iterable[Sample]) -> MetricFamily:
    """A metric with labels, given as words."""
    return MetricFamily(name, about, tuple(labels.split()), tuple(sorted(samples)))
