"""How many of a group will buy, as an interval, and how wide it must be for what models don't know.

Chances of single customers may be right on average and still be wrong together: a month is warmer, a product is
talked about, a competitor closes. So the count of buyers varies by more than the toss of each customer's coin,
and by how much is learned from earlier promises and what came of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

if TYPE_CHECKING:
    from ml.history import Floats, Ints

COVERAGE = 0.8  # narrow enough to be of use, and two misses in ten are soon seen to be too many or too few
PRIOR_SPREAD = 0.38  # in log-odds, measured on groceries and gifts, both kinds: docs/decisions.md
PRIOR_DATES = 3.0  # how many dates of promises the prior counts as
LEAST_SPREAD, MOST_SPREAD = 0.1, 1.5
NEGLIGIBLE = 1e-3  # of a customer: beyond, quantiles of the beta distribution are lost to rounding
LEAST_OF_COINS = 0.01  # of the variance of equal coins; members whose chances differ vary by less, never by this
MOST_OF_RANGE = 0.95  # of the largest variance that a count between 0 and size can have


@dataclass(frozen=True)
class Promise:
    """Expected buyers, and the interval that holds the count with a chance of COVERAGE or a little more."""

    expected: float
    low: int
    high: int


def promise(size: int, expected: float, variance: float, spread: float) -> Promise:
    """The interval of the number of buyers among `size` customers.

    expected: sum of their chances p. variance: sum of p * (1 - p), what independent coins vary by. spread: standard
    deviation of the error that all of them share, in log-odds: at 0.3, everybody's odds may be a third higher or a
    quarter lower than said. To first order it moves the count by spread * variance.

    The rate of buying is taken as beta distributed with the mean and the variance that follow; its quantiles, with
    half a customer of continuity correction, are the counts. The ends are whole numbers: at most a tenth of the
    chance lies below `low`, at most a tenth above `high`. Nobody, or nobody with a chance, promises 0 to 0.
    """
    if expected < NEGLIGIBLE or size - expected < NEGLIGIBLE:
        surely = 0 if expected < NEGLIGIBLE else size
        return Promise(expected, surely, surely)
    rate = expected / size
    largest = size * size * rate * (1 - rate)
    total = min(max(variance + (spread * variance) ** 2, LEAST_OF_COINS * largest / size), MOST_OF_RANGE * largest)
    weight = largest / total - 1
    tail = (1 - COVERAGE) / 2
    ends = betaincinv(rate * weight, (1 - rate) * weight, np.array([tail, 1 - tail])) * size
    low, high = (min(max(ceil(float(end) - 0.5), 0), size) for end in ends)
    return Promise(expected, low, high)


def learned_spread(prior: float, date: Ints | Floats, expected: Floats, variance: Floats, actual: Floats) -> float:
    """The spread for `promise`, learned from promises that came due; `prior` without any.

    date: of each promise, any number that is the same for the same month; expected, variance as in `promise`;
    actual: buyers who came.

    Groups of one date share their month, so a date counts once however many groups it has: each gives its squared
    error in log-odds less what coins explain, small groups weighing less, and the prior counts as PRIOR_DATES more.
    """
    usable = variance > 0
    date, expected, variance, actual = date[usable], expected[usable], variance[usable], actual[usable]
    excess = ((actual - expected) ** 2 - variance) / variance**2
    weight = (1 / variance + prior**2) ** -2
    dates = [float(np.average(excess[date == one], weights=weight[date == one])) for one in np.unique(date)]
    squared = (PRIOR_DATES * prior**2 + sum(dates)) / (PRIOR_DATES + len(dates))
    return float(np.clip(sqrt(max(squared, 0.0)), LEAST_SPREAD, MOST_SPREAD))
