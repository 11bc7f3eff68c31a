"""How the chance of a purchase moves from day to day, when all that is known is today's and when it is expected.

A pair with an expected date renews: gaps are lognormal around the expected gap (as `ml.gaps` has them), and the
hazard is scaled so that the next 30 days have the predicted chance. Without a date the rate is constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

if TYPE_CHECKING:
    from ml.history import Bools, Floats, Ints

Singles = npt.NDArray[np.float32]
Days = npt.NDArray[np.int16]
HORIZON = 30  # days that a predicted chance is of
LEAST_SCALE, MOST_SCALE = 0.05, 5.0  # beyond, the expected date and the chance contradict each other
MOST_CHANCE = 0.995
AT_ONCE = 20_000  # pairs


@dataclass(frozen=True)
class Pairs:
    """(p,) customers with products that they may buy, sorted by customer.

    customer: position. again: repurchase, else cross-sell. chance: of a purchase within 30 days. idle: days since
    the last purchase; gap: days from it to the expected next one, NaN if unknown; spread: standard deviation of the
    gap's logarithm. preference: of cross-sell, its rank by lift, then chance, among all, in [0, 1). cost: what an
    order costs, in any unit, in discount. subscribed: until which day from now a subscription to the product counts as
    running, negative for none; None: nobody has one.
    """

    customer: Ints
    again: Bools
    chance: Floats
    idle: Floats
    gap: Floats
    spread: Floats
    preference: Floats
    cost: Floats
    subscribed: Floats | None = None


@dataclass(frozen=True)
class Tables:
    """Rates (per day) and chances (within 30 days) of every pair, by day.

    rate, chance: (p, 2 (days + 1)) float32: on each day if nothing is bought, then by days since a purchase.
    """

    rate: Singles
    chance: Singles
    days: int

    def rate_at(self, day: int, bought: Days) -> Singles:
        """(D, p) the rate on a day; bought: (D, p), the day of the last purchase, negative for none."""
        return self._take(self.rate, day, bought, day)

    def chance_at(self, day: int, bought: Days, *, refreshed: bool) -> Singles:
        """(D, p) the chance that predictions say on a day; not refreshed, they are those of the first day.

        That a product was bought is known all the same, from the newest orders: then it is no first purchase any more.
        """
        if refreshed:
            return self._take(self.chance, day, bought, day)
        shown: Singles = np.broadcast_to(self.chance[:, 0], bought.shape)
        return np.where((bought >= 0) & (self.chance[:, self.days + 1] < 0), np.float32(-1.0), shown)

    def _take(self, table: Singles, shown: int, bought: Days, day: int) -> Singles:
        result: Singles = np.broadcast_to(table[:, shown], bought.shape).copy()
        draw, pair = np.nonzero(bought >= 0)
        result[draw, pair] = table[pair, self.days + 1 + day - bought[draw, pair]]
        return result


def tables(pairs: Pairs, days: int) -> Tables:
    """Work out all that can happen to each pair within `days`."""
    size = (len(pairs.customer), 2 * (days + 1))
    rate: Singles = np.empty(size, dtype=np.float32)
    chance: Singles = np.empty(size, dtype=np.float32)
    for start in range(0, size[0], AT_ONCE):
        part = slice(start, start + AT_ONCE)
        rate[part], chance[part] = _part(pairs, part, days)
    return Tables(rate, chance, days)


def _part(pairs: Pairs, part: slice, days: int) -> tuple[Floats, Floats]:
    target = -np.log1p(-np.clip(pairs.chance[part], 0.0, MOST_CHANCE))
    constant = np.isnan(pairs.gap[part]) | np.isnan(pairs.idle[part])
    gap = np.where(constant, 1.0, np.maximum(pairs.gap[part], 1.0))
    idle = np.where(constant, 0.0, np.maximum(pairs.idle[part], 0.0))
    spread = np.maximum(pairs.spread[part], 0.05)
    steps = np.arange(days + HORIZON + 2, dtype=np.float64)
    waiting = _cumulative(idle[:, None] + steps, gap, spread)
    fresh = _cumulative(steps + np.zeros_like(idle)[:, None], gap, spread)
    ahead = waiting[:, HORIZON] - waiting[:, 0]
    scale = np.clip(target / np.maximum(ahead, 1e-9), LEAST_SCALE, MOST_SCALE)[:, None]
    steady = (target / HORIZON)[:, None] * steps
    waiting = np.where(constant[:, None], steady, waiting * scale)
    # What today's chance says of the next gaps, too, is at most that they are as usual.
    fresh = np.where(constant[:, None], steady, fresh * np.minimum(scale, 1.0))
    halves = [_rates(path, days) for path in (waiting, fresh)]
    rate, chance = (np.concatenate(both, axis=1) for both in zip(*halves, strict=True))
    # The day itself, exactly as predicted, also where the scale met its limits.
    chance[:, 0] = pairs.chance[part]
    sold = ~pairs.again[part]
    rate[sold, days + 1 :], chance[sold, days + 1 :] = 0.0, -1.0
    return rate, chance


def _cumulative(age: Floats, gap: Floats, spread: Floats) -> Floats:
    """Cumulative hazard of a lognormal gap at each age in days."""
    z = (np.log(np.maximum(age, 1e-3)) - np.log(gap)[:, None]) / spread[:, None]
    hazard: Floats = -log_ndtr(-z)
    return hazard


def _rates(path: Floats, days: int) -> tuple[Floats, Floats]:
    per_day = np.diff(path[:, : days + 2], axis=1)
    within = 1 - np.exp(path[:, : days + 1] - path[:, HORIZON : HORIZON + days + 1])
    return per_day, within
