"""How long to wait before a customer gets a campaign again: Thompson sampling with a floor, over seven waits.

A choice is a wait in days, drawn when an e-mail is handed over. What it changes is when the next e-mail comes and how
that one is met, so its window is the wait shifted by a week: from a week after the e-mail before it to a week after
the e-mail that ends it. Counted from the draw on, a short wait would be credited with the e-mail that preceded it, and
never with the unsubscribe that came of mailing again so soon. A customer's windows follow each other without a gap.

The reward is money per customer-week: margin in the window, less the cost of an unsubscribe in it, over the weeks of
the wait. So a long wait is not favoured for gathering orders longer.

The model is normal and hierarchical, with a posterior in closed form. In units of s, the standard deviation of one
customer-week's reward, the expected reward of wait a in segment g is

    shop + level[g] + arm[a] + cell[g, a]

    level  sd 1      segments differ in what they spend anyway; it cancels between waits
    arm    sd 0.1    as heavy as 100 customer-weeks of data per wait; waits within a factor of two lean on each other
    cell   sd 0.05   as heavy as 400 customer-weeks of data per segment and wait

so with n customer-weeks of its own a cell moves n / (n + 400) of the way from its wait's effect. The prior mean of a
wait falls by 0.05 s per doubling or halving from 21 days.

Sources: Thompson (1933), Biometrika 25; Russo et al. (2018), "A Tutorial on Thompson Sampling", Foundations and
Trends in Machine Learning 11(1); Hong et al. (2022), "Hierarchical Bayesian Bandits", AISTATS 25, for shrinking
arms to a shared mean; Gelman et al., Bayesian Data Analysis, 3rd ed., chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from ml.policy.log import Log
from ml.policy.off_policy import Verdict, cross_fit_policy, judge, one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.history import Bools, Floats, Ints

ARMS = (7, 10, 14, 21, 28, 45, 60)
START_DAYS = 21
RESPONSE_DAYS = 7  # an e-mail's orders and unsubscribes come within a week, or as if it had not been
CAP_DAYS = 7.0
FLOOR = 0.05
LEVEL_SD, ARM_SD, CELL_SD = 1.0, 0.1, 0.05
OCTAVES = 1.0  # how far, in doublings of the wait, one wait tells about another
START_PULL = 0.5  # of ARM_SD, per doubling away from START_DAYS
DRAWS = 20_000  # the share of draws in which a wait is best lies within 0.007 of its probability, 19 times in 20
SAME, LEAST_SPREAD = 1e-9, 1e-100  # a smaller spread, of the reward or at all, is rounding
MIN_CHOICES = 500  # below, evaluation would only say "not yet"
ORDERS = (2, 4)  # a first order, a second or third, more
GAPS = (1.0, 2.0)  # times the customer's expected gap since the last order: in rhythm, late, very late
SEGMENTS = (len(ORDERS) + 1) * (len(GAPS) + 1)


@dataclass(frozen=True)
class Choices:
    """Waits that were chosen, one row each.

    segment:    (n,) int, by `segments`, when the choice was made
    arm:        (n,) int, position in ARMS of the wait taken
    propensity: (n, 7) float, what each wait's probability was; 0 where the cap forbade it
    reward:     (n,) float, by `reward_per_week`, over the window
    customer:   (n,) int
    age_days:   (n,) float, days since the choice was made
    """

    segment: Ints
    arm: Ints
    propensity: Floats
    reward: Floats
    customer: Ints
    age_days: Floats

    def rows(self, chosen: Bools) -> Choices:
        """The same with these rows only."""
        return Choices(*(column[chosen] for column in vars(self).values()))

    def finished(self) -> Choices:
        """Choices whose window is over, so that their reward is whole."""
        return self.rows(self.age_days >= np.array(ARMS, dtype=float)[self.arm] + RESPONSE_DAYS)

    def log(self, days: tuple[int, ...]) -> Log:
        """What can be judged among the waits `days`: context is the segment, one column each.

        Only choices older than the longest window: of younger ones the long waits would be missing, and to leave
        out by what was taken is to falsify propensities. Choices whose wait is no longer allowed are left out
        with their share of the propensity, which is sound, as is leaving out those made without any chance.
        """
        columns = [ARMS.index(wait) for wait in days]
        position = np.full(len(ARMS), -1)
        position[columns] = np.arange(len(columns))
        share = self.propensity[:, columns]
        ripe = (self.age_days >= max(days) + RESPONSE_DAYS) & (position[self.arm] >= 0) & (share > 0).all(axis=1)
        kept = self.rows(ripe)
        share = share[ripe] / share[ripe].sum(axis=1, keepdims=True)
        return Log(one_hot(kept.segment, SEGMENTS), position[kept.arm], share, kept.reward, kept.customer)


@dataclass(frozen=True)
class FrequencyPolicy:
    """Probabilities of each wait per segment, from which waits are drawn.

    days:    the waits in play, ascending
    chance:  (SEGMENTS, len(days)); rows sum to 1; these are the propensities, exactly, as waits are drawn from them
    basis:   start (nothing learned yet), shop (one ranking of waits for all), segments (one per segment)
    choices: how many finished choices it learned from
    verdict: segments against the best constant wait, None with too few choices to say
    """

    days: tuple[int, ...]
    chance: Floats
    basis: str
    choices: int
    verdict: Verdict | None = None

    def choose(self, segment: Ints, uniform: Floats) -> tuple[Ints, Floats]:
        """Draw a wait per customer: (n,) days, and (n, 7) propensities of the waits in ARMS.

        uniform: (n,) in [0, 1), from a seeded source; equal numbers give equal waits.
        """
        chance = self.chance[segment]
        drawn = (chance.cumsum(axis=1) <= uniform[:, None]).sum(axis=1)
        # A sum that ends just under 1 must not draw a wait that has no chance.
        last = len(self.days) - 1 - (chance[:, ::-1] > 0).argmax(axis=1)
        drawn = np.minimum(drawn, last)
        propensity = np.zeros((len(segment), len(ARMS)))
        propensity[:, [ARMS.index(wait) for wait in self.days]] = chance
        return np.array(self.days)[drawn], propensity


def waits(cap_days: float = CAP_DAYS) -> tuple[int, ...]:
    """The waits that a cap of `cap_days` (>= 7) leaves; 7 is the cap's own window and margin, whatever they are.

    Raises ValueError for a cap under a week, or longer than the longest wait: there is nothing to choose then.
    """
    if not CAP_DAYS <= cap_days <= max(ARMS):
        raise ValueError(f"a cap of {cap_days} days leaves no choice between {CAP_DAYS:.0f} and {max(ARMS)} days")
    return tuple(wait for wait in ARMS if wait >= ceil(cap_days))


def segments(orders: Ints, gap_ratio: Floats) -> Ints:
    """(n,) segment, 0 to SEGMENTS - 1, by loyalty (orders, >= 1) and recency (days since over expected gap)."""
    loyalty = np.searchsorted(ORDERS, orders, side="right")
    recency = np.searchsorted(GAPS, np.nan_to_num(gap_ratio, nan=0.0), side="right")
    result: Ints = (loyalty * (len(GAPS) + 1) + recency).astype(np.int64)
    return result


def reward_per_week(margin: Floats, unsubscribed: Bools, unsubscribe_cost: Floats, days: Ints) -> Floats:
    """Money per customer-week: (margin in the window - cost of an unsubscribe in it) / weeks of the wait.

    margin: credited to the campaign, money; unsubscribe_cost: what e-mail to the customer was still worth, money.
    """
    return (margin - np.where(unsubscribed, unsubscribe_cost, 0.0)) * 7.0 / days


def learn(choices: Choices, cap_days: float = CAP_DAYS, seed: int = 0) -> FrequencyPolicy:
    """The policy that these choices teach.

    Without a finished choice everyone waits 21 days (or the least allowed wait above). Then waits are drawn as
    often as the posterior holds them for the best, with 5% spread evenly. Segments get a ranking of their own
    only while `judge` finds that this beats every constant wait. Equal input and seed give an equal policy.
    """
    days = waits(cap_days)
    done = choices.finished()
    if len(done.arm) == 0:
        start = min((wait for wait in days if wait >= START_DAYS), default=max(days))
        chance = one_hot(np.full(SEGMENTS, days.index(start)), len(days))
        return FrequencyPolicy(days, chance, "start", 0)
    verdict = _verdict(choices, days, seed)
    personal = verdict is not None and verdict.promote
    mean, covariance = posterior(done.segment, done.arm, done.reward, CELL_SD if personal else 0.0)
    chance = _best_shares(mean, covariance, days, seed)
    return FrequencyPolicy(days, chance, "segments" if personal else "shop", len(done.arm), verdict)


def posterior(segment: Ints, arm: Ints, reward: Floats, cell_sd: float) -> tuple[Floats, Floats]:
    """Mean (SEGMENTS, 7) and covariance (SEGMENTS, 7, 7) of the expected reward of each wait in each segment.

    The covariance is that within a segment. Segments without data get what the others teach.
    """
    weeks = np.array(ARMS, dtype=float)[arm] / 7.0
    centre = float((weeks * reward).sum() / weeks.sum())
    scale = float(np.sqrt((weeks * (reward - centre) ** 2).sum() / max(len(reward) - 1, 1)))
    if scale <= max(SAME * float(np.abs(reward).max()), LEAST_SPREAD):
        scale = 1.0  # equal rewards, but for rounding, tell nothing: the prior ranks
    octaves = np.log2(np.array(ARMS) / START_DAYS)
    prior = centre - scale * ARM_SD * START_PULL * np.abs(octaves)
    near = np.exp(-0.5 * ((octaves[:, None] - octaves) / OCTAVES) ** 2)
    same = np.eye(SEGMENTS)
    covariance = scale**2 * (
        ARM_SD**2 * np.kron(np.ones((SEGMENTS, SEGMENTS)), near)
        + LEVEL_SD**2 * np.kron(same, np.ones((len(ARMS), len(ARMS))))
        + cell_sd**2 * np.eye(SEGMENTS * len(ARMS))
    )
    mean = np.tile(prior, SEGMENTS)
    cell = segment * len(ARMS) + arm
    exposure = np.bincount(cell, weights=weeks, minlength=len(mean))
    seen = exposure > 0
    average = np.bincount(cell, weights=weeks * reward, minlength=len(mean))[seen] / exposure[seen]
    gain = np.linalg.solve(covariance[np.ix_(seen, seen)] + np.diag(scale**2 / exposure[seen]), covariance[seen]).T
    mean = mean + gain @ (average - mean[seen])
    covariance = covariance - gain @ covariance[seen]
    blocks = covariance.reshape(SEGMENTS, len(ARMS), SEGMENTS, len(ARMS))
    return mean.reshape(SEGMENTS, len(ARMS)), blocks[np.arange(SEGMENTS), :, np.arange(SEGMENTS), :]


def _best_shares(mean: Floats, covariance: Floats, days: tuple[int, ...], seed: int) -> Floats:
    """(SEGMENTS, k) share of posterior draws in which each wait is best, mixed with the floor.

    The draws are the same standard normals for every segment, so equal posteriors have equal shares.
    """
    columns = [ARMS.index(wait) for wait in days]
    noise = np.random.default_rng(seed).standard_normal((DRAWS, len(days)))
    middle = np.eye(len(days)) - 1 / len(days)
    shares = np.empty((SEGMENTS, len(days)))
    for number in range(SEGMENTS):
        # The level is common to all waits; without it the differences keep their digits.
        value, vector = np.linalg.eigh(middle @ covariance[number][np.ix_(columns, columns)] @ middle)
        root = vector * np.sqrt(np.maximum(value, 0.0))
        best = (mean[number, columns] + noise @ root.T).argmax(axis=1)
        shares[number] = np.bincount(best, minlength=len(days)) / DRAWS
    return (1 - FLOOR) * shares + FLOOR / len(days)


def _verdict(choices: Choices, days: tuple[int, ...], seed: int) -> Verdict | None:
    log = choices.log(days)
    if len(log) < MIN_CHOICES or len(days) == 1:
        return None
    columns = np.array([ARMS.index(wait) for wait in days])

    def greedy(train: Log, _seed: int) -> Callable[[Floats], Floats]:
        mean, _ = posterior(train.context.argmax(axis=1), columns[train.action], train.reward, CELL_SD)
        favourite = mean[:, columns].argmax(axis=1)
        return lambda context: one_hot(favourite[context.argmax(axis=1)], len(days))

    return judge(log, cross_fit_policy(log, greedy, seed), seed)
