"""Discount codes in simulated futures: who is given one, within a budget, and whether it is used before its end.

The chances are those of `ml.policy.discount.offer`. What differs: the samples have the right size on average instead
of exactly, and the budget is spent message by message, as many small batches spend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.policy.discount import Customers

if TYPE_CHECKING:
    from ml.hazards import Singles
    from ml.history import Bools, Floats, Ints
    from ml.policy.discount import DiscountPolicy

GRACE = 2  # days after a code's end until the budget has its worth back
MOST_RATIO = 10.0
HELD = 3  # codes of one customer at a time; who has so many has ordered little


@dataclass(frozen=True)
class Terms:
    """What one campaign may give away. Amounts in minor units.

    campaign: position. amounts: (a,) none first, none above the ceiling. none_share, explore_share: of the messages,
    who get none, and a level at random. basket, margin: (n,) of the customers. left: (b,) of each period's budget;
    period: (T,) which one each day's codes come from; lasts: (T,) how many days a code works that is given that day.
    """

    campaign: int
    amounts: Ints
    policy: DiscountPolicy
    none_share: float
    explore_share: float
    basket: Ints
    margin: Ints
    left: Floats
    period: Ints
    lasts: Floats


class Codes:
    """The codes of all futures. given, given_minor: (D,) how many were given, and what they are worth together."""

    def __init__(self, terms: Terms, draws: int, rng: np.random.Generator) -> None:
        self.terms, self.rng = terms, rng
        size = (HELD, draws, len(terms.basket))  # the newest first
        self.amount = np.zeros(size, dtype=np.float32)
        self.until = np.zeros(size, dtype=np.float32)
        self.serial = np.full(size, -1, dtype=np.int64)
        self.left = np.tile(terms.left.astype(float), (draws, 1))
        self.given = np.zeros(draws, dtype=np.int64)
        self.given_minor = np.zeros(draws)
        self.used: set[int] = set()
        self.issued = 0
        self.ending: dict[int, list[tuple[Ints, Ints, Floats, int]]] = {}

    def give(self, day: int, draw: Ints, customer: Ints, chance: Floats) -> Floats:
        """Decide what these messages offer; returns by how much it raises each customer's rate of buying.

        draw: (r,) sorted. chance: (r,) of buying without a discount, as predicted.
        """
        terms, rows = self.terms, np.arange(len(draw))
        people = Customers(
            rows, np.asarray(chance, dtype=float), np.zeros((len(rows), 0)), terms.basket[customer],
            terms.margin[customer],
        )  # fmt: skip
        worth = np.tile(terms.amounts, (len(rows), 1))
        buys = terms.policy.response.probability(people, worth)
        allowed = np.array(terms.policy.levels)
        gain = buys * (people.margin_minor[:, None] - worth)
        level = allowed[gain[:, allowed].argmax(axis=1)]
        lot = self.rng.random(len(rows))
        tried = (lot >= terms.none_share) & (lot < terms.none_share + terms.explore_share)
        level = np.where(tried, self.rng.integers(0, len(terms.amounts), len(rows)), level)
        level[lot < terms.none_share] = 0
        level[~self._paid_for(day, draw, terms.amounts[level], tried)] = 0
        price = terms.amounts[level].astype(float)
        self._bind(day, draw, customer, price)
        with np.errstate(divide="ignore"):
            ratio = np.log1p(-buys[rows, level]) / np.log1p(-buys[:, 0])
        return np.clip(np.nan_to_num(ratio, nan=1.0), 1.0, MOST_RATIO)

    def _paid_for(self, day: int, draw: Ints, price: Ints, tried: Bools) -> Bools:
        """(r,) what the budget still pays for. Chance stops where it couldn't pay for any level."""
        total = np.cumsum(price)
        starts = np.flatnonzero(np.diff(draw, prepend=-1))
        before = np.repeat(total[starts] - price[starts], np.diff([*starts, len(draw)]))
        spent = total - before
        asked = np.where(tried, spent - price + self.terms.amounts.max(initial=0), spent)
        result: Bools = asked <= self.left[draw, self.terms.period[day]]
        return result

    def _bind(self, day: int, draw: Ints, customer: Ints, price: Floats) -> None:
        some = np.flatnonzero(price)
        draw, customer, price = draw[some], customer[some], price[some]
        period, draws = int(self.terms.period[day]), len(self.given)
        spent = np.bincount(draw, price, minlength=draws)
        self.left[:, period] -= spent
        self.given_minor += spent
        self.given += np.bincount(draw, minlength=draws)
        serial = self.issued + np.arange(len(some))
        self.issued += len(some)
        until = np.full(len(some), day + self.terms.lasts[day])
        for held, new in ((self.amount, price), (self.until, until), (self.serial, serial)):
            held[1:, draw, customer] = held[:-1, draw, customer]
            held[0, draw, customer] = new
        ends = int(np.ceil(day + self.terms.lasts[day])) + GRACE
        self.ending.setdefault(ends, []).append((serial, draw, price, period))

    def redeem(self, draw: Ints, customer: Ints, at: Singles) -> tuple[Ints, Ints, Floats]:
        """(draws, customers, minor units) of the codes that these purchases use: each the newest that still works.

        A customer may stand there twice, and uses one.
        """
        several = self.amount.shape[2]
        key, first = np.unique(draw * several + customer, return_index=True)
        draw, customer = np.divmod(key, several)
        works = (self.amount[:, draw, customer] > 0) & (at[first] < self.until[:, draw, customer])
        some = works.any(axis=0)
        draw, customer, which = draw[some], customer[some], works.argmax(axis=0)[some]
        worth = self.amount[which, draw, customer].astype(float)
        self.used.update(self.serial[which, draw, customer].tolist())
        self.amount[which, draw, customer] = 0
        return draw, customer, worth

    def run_out(self, day: int) -> None:
        """Return to the budget what ended unused."""
        for serial, draw, price, period in self.ending.pop(day, []):
            unused = np.array([one not in self.used for one in serial.tolist()], dtype=bool)
            self.left[:, period] += np.bincount(draw[unused], price[unused], minlength=len(self.given))
