"""Two tests without assumptions about distributions: whether one group's levels, or its rate of events, are higher.

Both are one-sided and answer: were old and new the same, how often would chance alone make the new ones look at least
as bad as they do? Pure functions of numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist

# Up to this many values together the distribution of ranks is counted out, beyond it is approximated. Counting is
# cubic; the approximation is good to two digits from about 20 values in each group on.
EXACT_UP_TO = 40


def chance_of_higher_levels(old: Sequence[float], new: Sequence[float]) -> float:
    """The one-sided p-value of the Mann-Whitney rank test that `new` tends to be higher than `old`.

    Exact by counting every way to share out the ranks while the groups are small, ties included (mid-ranks); else the
    normal approximation with corrections for ties and continuity. H. B. Mann, D. R. Whitney: On a test of whether one
    of two random variables is stochastically larger than the other, Ann. Math. Stat. 18 (1947); E. L. Lehmann:
    Nonparametrics (1975), section 1.4, for ties. 1.0 where a group is empty.
    """
    if not old or not new:
        return 1.0
    ranks = _doubled_midranks([*old, *new])
    observed = sum(ranks[len(old) :])
    if len(ranks) <= EXACT_UP_TO:
        return _exact_tail(ranks, len(new), observed)
    return _approximate_tail([*old, *new], len(old), len(new), observed / 2)


def share_of_higher(old: Sequence[float], new: Sequence[float]) -> float:
    """How often a new value is higher than an old one, ties counted by half: 0.5 when they are alike."""
    if not old or not new:
        return 0.5
    ranks = _doubled_midranks([*old, *new])
    size = len(new)
    return (sum(ranks[len(old) :]) / 2 - size * (size + 1) / 2) / (size * len(old))


def _doubled_midranks(values: Sequence[float]) -> list[int]:
    """The rank of each value from 1, twice over so that the middle of tied ranks is a whole number."""
    order = sorted(values)
    first = {value: at for at, value in reversed(list(enumerate(order, 1)))}
    counts = Counter(order)
    return [2 * first[value] + counts[value] - 1 for value in values]


def _exact_tail(ranks: Sequence[int], size: int, observed: int) -> float:
    """Among all choices of `size` ranks, the share whose sum is at least `observed`."""
    ways: list[Counter[int]] = [Counter() for _ in range(size + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for chosen in range(size, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] += count
    reached = sum(count for total, count in ways[size].items() if total >= observed)
    return reached / math.comb(len(ranks), size)


def _approximate_tail(values: Sequence[float], old: int, new: int, rank_sum: float) -> float:
    size = old + new
    ties = sum(count**3 - count for count in Counter(values).values())
    variance = old * new / 12 * (size + 1 - ties / (size * (size - 1)))
    if variance <= 0:  # every value is the same
        return 1.0
    excess = rank_sum - new * (size + 1) / 2 - 0.5
    return 1.0 - NormalDist().cdf(excess / math.sqrt(variance))


def chance_of_more_events(old_events: int, old_seconds: float, new_events: int, new_seconds: float) -> float:
    """The one-sided p-value that events come at a higher rate in `new_seconds` than in `old_seconds`.

    The conditional test of two Poisson rates: given how many events there were in all, each would fall upon the new
    ones with their share of the time, so that their number is binomial. J. Przyborowski, H. Wilenski: Homogeneity of
    results in testing samples from Poisson series, Biometrika 31 (1940). 1.0 where a group was not observed.
    """
    if old_seconds <= 0 or new_seconds <= 0 or new_events <= 0:
        return 1.0
    return binomial_tail(old_events + new_events, new_seconds / (old_seconds + new_seconds), new_events)


def binomial_tail(trials: int, chance: float, least: int) -> float:
    """The probability of at least `least` successes in `trials`; `chance` is more than 0 and less than 1."""
    if least <= 0:
        return 1.0
    log_chance, log_other = math.log(chance), math.log1p(-chance)

    def log_term(hits: int) -> float:
        choices = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        return choices + hits * log_chance + (trials - hits) * log_other

    return min(1.0, math.fsum(math.exp(log_term(hits)) for hits in range(least, trials + 1)))
