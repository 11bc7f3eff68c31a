"""What campaigns will do: many seeded futures of a shop, day by day, under the rules that decide and send.

In each future every customer buys by chance, as the predictions say, and each day the campaigns choose one message
for each customer, as a tick does. What differs from a tick: a day is one decision, purchases of a day are known the
next, ties in probability fall to the older campaign, and who is held out is drawn anew in each future.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.hazards import HORIZON, Tables, tables

if TYPE_CHECKING:
    from ml.hazards import Pairs, Singles
    from ml.history import Bools, Floats, Ints

STAMP_LAG = 1 / 1440  # days; a message is stamped a moment after the tick that decided it
NEVER = -1


@dataclass(frozen=True)
class Rules:
    """How one campaign decides, in days.

    every: since its last message to the customer; None: it mails once. waits, chances: if the app draws that wait
    anew for each message, from what and how likely. holdout: share of the customers, 0 to 1.
    """

    every: float | None
    wait: float
    repeats: int
    holdout: float
    waits: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()


@dataclass(frozen=True)
class Crowd:
    """(n,) customers. Times are days from the beginning, negative before it, -inf for never.

    last_order, last_mail: the last order of anything, the last message of any campaign (or the stamp of a holdout).
    order_rate: orders a day of what no pair stands for.
    """

    last_order: Floats
    last_mail: Floats
    order_rate: Floats


@dataclass(frozen=True)
class Slots:
    """(s,) customers in campaigns: both by position, the last message, and the wait drawn with it (NaN: none)."""

    customer: Ints
    campaign: Ints
    last: Floats
    drawn: Floats


@dataclass(frozen=True)
class Offers:
    """(m,) messages that could be sent, sorted by pair, and by the campaigns' age within a pair.

    slot: whose and which campaign's. threshold: from which chance of buying within 30 days on the campaign considers
    it. given: how often it was sent already, as repeats are counted.
    """

    pair: Ints
    slot: Ints
    threshold: Floats
    given: Ints


@dataclass(frozen=True)
class Setting:
    """How long, how often, and what is not known.

    tick: days between two decisions. cap: days between two messages to one customer. lift: what a message adds to
    the chance of buying within 30 days, as a share, with its standard deviation. spread: per kind (cross-sell,
    repurchase), the error that all chances share, in log-odds. refreshed: whether predictions are renewed daily.
    """

    days: int
    draws: int
    tick: float
    cap: float
    lift: float
    lift_error: float
    spread: tuple[float, float]
    refreshed: bool = True


@dataclass
class Futures:
    """What happened, per draw (D), campaign (k) and day (T).

    emails: (D, k, T). held_out: (D, k) messages withheld. reached: (D, k) customers mailed; reached_any: (D,).
    capped, beaten: (D, k) days of customers on which the campaign could have mailed but for the weekly cap, or but
    for a better message of another campaign. orders: (D, k) purchases of what was recommended, within 30 days of the
    message; added: (D, k) those among them that would not have been; cost: (D, k) sum of the pairs' cost over them.
    per_customer: name → (k, n) mean of emails, reached, orders, cost per draw.
    """

    emails: Ints
    held_out: Ints
    reached: Ints
    reached_any: Ints
    capped: Ints
    beaten: Ints
    orders: Ints
    added: Ints
    cost: Floats
    per_customer: dict[str, Floats]


def simulate(
    crowd: Crowd,
    pairs: Pairs,
    slots: Slots,
    offers: Offers,
    rules: list[Rules],
    setting: Setting,
    rng: np.random.Generator,
) -> Futures:
    """Live through `setting.days` days `setting.draws` times. Time and memory grow with draws times offers."""
    run = _Run(crowd, pairs, slots, offers, rules, setting, rng)
    for day in range(setting.days):
        run.decide(day)
        run.buy(day)
    return run.futures()


class _Run:
    """The state of all futures at once: rows are draws."""

    def __init__(
        self,
        crowd: Crowd,
        pairs: Pairs,
        slots: Slots,
        offers: Offers,
        rules: list[Rules],
        setting: Setting,
        rng: np.random.Generator,
    ) -> None:
        self.crowd, self.pairs, self.slots, self.offers, self.rules, self.setting, self.rng = (
            crowd, pairs, slots, offers, rules, setting, rng,
        )  # fmt: skip
        draws, self.k, self.n = setting.draws, len(rules), len(crowd.last_order)
        self.paths: Tables = tables(pairs, setting.days)
        self.slack = 1.0 - setting.tick
        self.last_order = np.tile(crowd.last_order.astype(np.float32), (draws, 1))
        self.last_mail = np.tile(crowd.last_mail.astype(np.float32), (draws, 1))
        self.slot_last = np.tile(slots.last.astype(np.float32), (draws, 1))
        self.slot_need = np.tile(self._needs(), (draws, 1))
        self.slot_wait = np.array([one.wait for one in rules], dtype=np.float32)[slots.campaign]
        self.row_repeats = np.array([one.repeats for one in rules], dtype=np.int16)[slots.campaign[offers.slot]]
        self.row_customer = slots.customer[offers.slot]
        self.given = np.tile(offers.given.astype(np.int16), (draws, 1))
        self.coin = (
            rng.random((draws, len(slots.customer)), dtype=np.float32)
            < np.array([one.holdout for one in rules], dtype=np.float32)[slots.campaign]
        )
        size = (draws, len(pairs.customer))
        self.bought = np.full(size, NEVER, dtype=np.int16)
        self.boosted = np.full(size, NEVER, dtype=np.int16)
        self.credited = np.zeros(size, dtype=np.int16)
        self.mailed_slot = np.zeros(self.slot_last.shape, dtype=bool)
        self.lift = np.maximum(rng.normal(setting.lift, setting.lift_error, draws), 0.0).astype(np.float32)
        shared = np.exp(rng.normal(0.0, 1.0, (draws, 2)) * np.array(setting.spread))
        self.factor = shared.astype(np.float32)[:, pairs.again.astype(int)]
        starts = np.searchsorted(offers.pair, np.arange(len(pairs.customer) + 1))
        self.row_start, self.row_count = starts[:-1], np.diff(starts)
        self.emails = np.zeros((draws, self.k, setting.days), dtype=np.int64)
        self.held_out, self.capped, self.beaten, self.orders, self.added = (
            np.zeros((draws, self.k), dtype=np.int64) for _ in range(5)
        )
        self.cost = np.zeros((draws, self.k))
        self.of_customer = {name: np.zeros((self.k, self.n)) for name in ("emails", "orders", "cost")}

    def _needs(self) -> Floats:
        """(s,) days that must pass since the campaign's last message."""
        every = np.array([np.inf if one.every is None else one.every for one in self.rules])[self.slots.campaign]
        return np.where(np.isnan(self.slots.drawn), every, self.slots.drawn).astype(np.float32)

    def decide(self, day: int) -> None:
        """One decision for everybody."""
        clock = day + self.slack
        ready = clock - self.slot_last >= self.slot_need + STAMP_LAG
        ready &= (clock - self.last_order)[:, self.slots.customer] >= self.slot_wait
        chance = self.paths.chance_at(day, self.bought, refreshed=self.setting.refreshed)
        open_ = ready[:, self.offers.slot] & (self.given < self.row_repeats)
        open_ &= chance[:, self.offers.pair] >= self.offers.threshold.astype(np.float32)
        draw, row = np.nonzero(open_)
        free = clock - self.last_mail[draw, self.row_customer[row]] >= self.setting.cap + STAMP_LAG
        self._count_slots(self.capped, draw[~free], row[~free])
        draw, row = draw[free], row[free]
        if len(draw):
            won, group = self._best(draw, row, chance[draw, self.offers.pair[row]])
            winner = self.slots.campaign[self.offers.slot[row[won]]][group]
            lost = winner != self.slots.campaign[self.offers.slot[row]]
            self._count_slots(self.beaten, draw[lost], row[lost])
            self._hand_out(day, draw[won], row[won])

    def _best(self, draw: Ints, row: Ints, chance: Singles) -> tuple[Ints, Ints]:
        """(positions of the winners, for every row the place of its winner); rows of a customer stand together."""
        pair = self.offers.pair[row]
        # Repurchase before cross-sell; the lift as a rank, below 1.
        score = np.where(self.pairs.again[pair], 2.0 + chance, self.pairs.preference[pair])
        key = draw * self.n + self.row_customer[row]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        group = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
        best = np.flatnonzero(score == np.maximum.reduceat(score, starts)[group])
        return best[np.diff(group[best], prepend=-1) != 0], group

    def _hand_out(self, day: int, draw: Ints, row: Ints) -> None:
        slot, pair, customer = self.offers.slot[row], self.offers.pair[row], self.row_customer[row]
        campaign = self.slots.campaign[slot]
        self.last_mail[draw, customer] = day
        self.slot_last[draw, slot] = day
        self.given[draw, row] += 1
        for number, one in enumerate(self.rules):
            if one.waits:
                mine = campaign == number
                drawn = self.rng.choice(np.array(one.waits), size=int(mine.sum()), p=np.array(one.chances))
                self.slot_need[draw[mine], slot[mine]] = drawn
        held = self.coin[draw, slot]
        self.held_out += self._by_campaign(draw[held], campaign[held])
        draw, row, slot, pair, customer, campaign = (
            part[~held] for part in (draw, row, slot, pair, customer, campaign)
        )
        self.emails[:, :, day] += self._by_campaign(draw, campaign)
        self.mailed_slot[draw, slot] = True
        self.boosted[draw, pair] = day
        self.credited[draw, pair] = campaign
        self._of_customers("emails", campaign, customer)

    def buy(self, day: int) -> None:
        """What customers buy until the next day."""
        rate = self.paths.rate_at(day, self.bought) * self.factor
        live = (self.boosted != NEVER) & (day - self.boosted < HORIZON)
        rate *= np.where(live, 1 + self.lift[:, None], np.float32(1.0))
        draw, pair = np.nonzero(self.rng.standard_exponential(rate.shape, dtype=np.float32) < rate)
        customer = self.pairs.customer[pair]
        self._credit(draw, pair, live[draw, pair])
        self.bought[draw, pair] = day
        again = self.pairs.again[pair]
        for place in range(int(self.row_count.max(initial=0))):
            there = again & (place < self.row_count[pair])
            self.given[draw[there], self.row_start[pair[there]] + place] = 0
        self.last_order[draw, customer] = day + self.rng.random(len(draw), dtype=np.float32)
        others = self.rng.standard_exponential((self.setting.draws, self.n), dtype=np.float32)
        draw, customer = np.nonzero(others < self.crowd.order_rate.astype(np.float32))
        self.last_order[draw, customer] = day + self.rng.random(len(draw), dtype=np.float32)

    def _credit(self, draw: Ints, pair: Ints, live: Bools) -> None:
        draw, pair = draw[live], pair[live]
        campaign, lift = self.credited[draw, pair].astype(np.int64), self.lift[draw]
        self.orders += self._by_campaign(draw, campaign)
        # At a rate 1 + lift times as high, this share of the purchases would not have been.
        caused = self.rng.random(len(draw)) < lift / (1 + lift)
        self.added += self._by_campaign(draw[caused], campaign[caused])
        cost = self.pairs.cost[pair]
        self.cost += self._by_campaign(draw, campaign, cost)
        customer = self.pairs.customer[pair]
        self._of_customers("orders", campaign, customer)
        self._of_customers("cost", campaign, customer, cost)

    def _count_slots(self, into: Ints, draw: Ints, row: Ints) -> None:
        """A customer counts once a day in a campaign, however many of its products they could get."""
        seen = np.zeros(self.slot_last.shape, dtype=bool)
        seen[draw, self.offers.slot[row]] = True
        draw, slot = np.nonzero(seen)
        into += self._by_campaign(draw, self.slots.campaign[slot])

    def _by_campaign(self, draw: Ints, campaign: Ints, weight: Floats | None = None) -> Ints:
        found = np.bincount(draw * self.k + campaign, weight, minlength=self.setting.draws * self.k)
        counts: Ints = found.reshape(self.setting.draws, self.k)
        return counts

    def _of_customers(self, name: str, campaign: Ints, customer: Ints, weight: Floats | None = None) -> None:
        found = np.bincount(campaign * self.n + customer, weight, minlength=self.k * self.n)
        self.of_customer[name] += found.reshape(self.k, self.n) / self.setting.draws

    def futures(self) -> Futures:
        """What came of it."""
        draws, (draw, slot) = self.setting.draws, np.nonzero(self.mailed_slot)
        campaign, customer = self.slots.campaign[slot], self.slots.customer[slot]
        anyone = np.zeros((draws, self.n), dtype=bool)
        anyone[draw, customer] = True
        self.of_customer["reached"] = np.zeros((self.k, self.n))
        self._of_customers("reached", campaign, customer)
        return Futures(
            emails=self.emails,
            held_out=self.held_out,
            reached=self._by_campaign(draw, campaign),
            reached_any=anyone.sum(axis=1),
            capped=self.capped,
            beaten=self.beaten,
            orders=self.orders,
            added=self.added,
            cost=self.cost,
            per_customer=self.of_customer,
        )
