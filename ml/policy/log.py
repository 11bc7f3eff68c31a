"""A log of choices made with known probabilities: what a policy learns from and is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from ml.history import Bools, Floats, Ints

SUM_ERROR = 1e-6
SUSPICIOUS = 1e-6  # two-sided, split over the arms: a sound log is refused once in a million


class UnsoundLog(ValueError):
    """The log can't be judged by its propensities; the message says what is wrong."""


@dataclass(frozen=True)
class Log:
    """n choices among k arms.

    context:    (n, d) float, known when the choice was made; d may be 0
    action:     (n,) int, the arm taken, 0 to k - 1
    propensity: (n, k) float, the probability that each arm had at the time; rows sum to 1
    reward:     (n,) float, what came of it, in the unit that the policy maximises
    group:      (n,) int, choices that depend on one another (one customer's) share a number
    """

    context: Floats
    action: Ints
    propensity: Floats
    reward: Floats
    group: Ints

    def __post_init__(self) -> None:
        check(self)

    def __len__(self) -> int:
        return len(self.action)

    @property
    def arms(self) -> int:
        """How many arms there are."""
        return int(self.propensity.shape[1])

    @property
    def taken(self) -> Floats:
        """(n,) the probability of what was done."""
        result: Floats = self.propensity[np.arange(len(self)), self.action]
        return result

    def rows(self, chosen: Bools | Ints) -> Log:
        """The same log with these rows only."""
        return Log(*(column[chosen] for column in vars(self).values()))


def check(log: Log) -> None:
    """Raise UnsoundLog unless shapes agree, numbers are finite, and every propensity can be what it says.

    Beyond each row, the whole log must fit: an arm cannot have been taken far more or far less often
    than its propensities add up to (z-test per arm with Bonferroni; a sum of bounded martingale
    differences, so it holds for policies that learned on the way).
    """
    n = len(log.action)
    shapes = {len(column) for column in vars(log).values()}
    if shapes != {n} or log.propensity.ndim != 2 or log.context.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise UnsoundLog("columns of the log differ in length, or context or propensity is no table")
    if n == 0:
        return
    if not all(np.isfinite(column).all() for column in (log.context, log.propensity, log.reward)):
        raise UnsoundLog("the log holds numbers that are not finite")
    if log.action.min() < 0 or log.action.max() >= log.arms:
        raise UnsoundLog("an action names no arm")
    if log.propensity.min() < 0 or np.abs(log.propensity.sum(axis=1) - 1).max() > SUM_ERROR:
        rows = (log.propensity < 0).any(axis=1) | (np.abs(log.propensity.sum(axis=1) - 1) > SUM_ERROR)
        raise UnsoundLog(f"propensities of {int(rows.sum())} rows are negative or do not sum to 1")
    if log.taken.min() <= 0:
        raise UnsoundLog(f"{int((log.taken <= 0).sum())} rows took an arm of propensity 0")
    z = surprise(log)
    limit = float(norm.isf(SUSPICIOUS / 2 / log.arms))
    if np.abs(z).max() > limit:
        arm = int(np.abs(z).argmax())
        raise UnsoundLog(f"arm {arm} was taken {'more' if z[arm] > 0 else 'less'} often than its propensities allow")


def surprise(log: Log) -> Floats:
    """(k,) standard scores of how often each arm was taken against its propensities; 0 where nothing varied."""
    expected = log.propensity.sum(axis=0)
    spread = np.sqrt((log.propensity * (1 - log.propensity)).sum(axis=0))
    counts = np.bincount(log.action, minlength=log.arms)
    # Under a handful of expected choices either way the normal curve says nothing.
    enough = (expected >= 10) & (len(log) - expected >= 10)  # noqa: PLR2004
    result: Floats = np.where(enough, (counts - expected) / np.maximum(spread, SUM_ERROR), 0.0)
    return result


def folds(group: Ints, count: int, seed: int) -> Ints:
    """(n,) fold of each row, 0 to count - 1; a group stays together, folds have almost equally many groups."""
    _, position = np.unique(group, return_inverse=True)
    groups = int(position.max()) + 1 if len(position) else 0
    assigned = np.random.default_rng(seed).permutation(groups) % count
    result: Ints = assigned[position].astype(np.int64)
    return result
