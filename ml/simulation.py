"""What campaigns will do: many seeded futures of a shop, day by day, under the rules that decide and send.

In each future every customer buys by chance, as the predictions say, and each day the campaigns choose one message
for each customer, as a tick does. What differs from a tick: a day is one decision, purchases of a day are known the
next, ties in probability fall to the older campaign, and who is held out is drawn anew in each future. A message that
waits for its campaign's hours goes out later that day, unless its customer buys before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.hazards import HORIZON, Tables, tables
from ml.simulation_codes import Codes
from ml.simulation_limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.hazards import Pairs, Singles
    from ml.history import Bools, Floats, Ints
    from ml.simulation_codes import Terms
    from ml.simulation_limits import Limit

STAMP_LAG = 1 / 1440  # days; a message is stamped a moment after the tick that decided it
NEVER = -1
LEAST_LIFT = -0.5  # below, more purchases would be missing than are seen


@dataclass(frozen=True)
class Rules:
    """How one campaign decides, in days.

    every: since its last message to the customer; None: it mails once. waits, chances: if the app draws that wait
    anew for each message, from what and how likely. holdout: share of the customers, 0 to 1.
    opens, closes: (z, T) per zone and day, how far into the day messages may leave first and last, 0 to 1; NaN: not
    that day. None: always.
    """

    every: float | None
    wait: float
    repeats: int
    holdout: float
    waits: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    opens: Floats | None = None
    closes: Floats | None = None


@dataclass(frozen=True)
class Crowd:
    """(n,) customers. Times are days from the beginning, negative before it, -inf for never.

    last_order, last_mail: the last order of anything, the last message of any campaign (or the stamp of a holdout).
    order_rate: orders a day of what no pair stands for. zone: which zone's hours they live by; None: all the first.
    """

    last_order: Floats
    last_mail: Floats
    order_rate: Floats
    zone: Ints | None = None


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

    tick: days between two decisions. cap: days between two messages to one customer. lift: per kind (cross-sell,
    repurchase), what a message adds to the rate of buying for 30 days, as a share, with its standard deviation.
    spread: per kind, the error that all chances share, in log-odds. refreshed: whether predictions are renewed daily.
    subscription: days after a delivery that a subscription counts as running.
    """

    days: int
    draws: int
    tick: float
    cap: float
    lift: tuple[float, float]
    lift_error: tuple[float, float]
    spread: tuple[float, float]
    refreshed: bool = True
    subscription: float = 0.0


@dataclass
class Futures:
    """What happened, per draw (D), campaign (k) and day (T).

    emails: (D, k, T). held_out: (D, k) messages withheld. reached: (D, k) customers mailed; reached_any: (D,).
    capped, beaten, limited: (D, k) days of customers on which the campaign could have mailed but for the weekly cap,
    for a better message of another campaign, or for how much may be sent a day. orders: (D, k) purchases of what was
    recommended, within 30 days of the message; added: (D, k) those among them that would not have been, less those
    that e-mails prevented; cost: (D, k) sum of the pairs' cost over them, or of the codes that were used. withdrawn:
    (D, k) messages whose customer bought while they waited for their hours. codes, codes_minor: (D,) codes given, and
    what they are worth together; None without terms.
    per_customer: name → (k, n) mean of emails, reached, orders, cost per draw.
    """

    emails: Ints
    held_out: Ints
    reached: Ints
    reached_any: Ints
    capped: Ints
    beaten: Ints
    limited: Ints
    orders: Ints
    added: Ints
    cost: Floats
    withdrawn: Ints
    codes: Ints | None
    codes_minor: Floats | None
    per_customer: dict[str, Floats]


def simulate(
    crowd: Crowd,
    pairs: Pairs,
    slots: Slots,
    offers: Offers,
    rules: list[Rules],
    setting: Setting,
    rng: np.random.Generator,
    terms: Terms | None = None,
    limits: Sequence[Limit] = (),
) -> Futures:
    """Live through `setting.days` days `setting.draws` times. Time and memory grow with draws times offers.

    terms: of the one campaign whose discount codes are followed, if any. limits: of how much may be sent a day.
    """
    run = _Run(crowd, pairs, slots, offers, rules, setting, rng)
    run.codes = Codes(terms, setting.draws, rng) if terms is not None else None
    run.limits = Limits(limits, setting.draws, rng) if limits else None
    for day in range(setting.days):
        run.decide(day)
        run.buy(day)
        run.catch_up(day)
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
        self.codes: Codes | None = None
        self.limits: Limits | None = None
        self.first, self.last = self._hours()
        self.waiting: tuple[Ints, Ints] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
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
        self.lift = np.maximum(rng.normal(setting.lift, setting.lift_error, (draws, 2)), LEAST_LIFT)
        self.boost = np.ones(size, dtype=np.float32)
        self.subscribed = None
        if pairs.subscribed is not None:
            self.subscribed = np.tile(pairs.subscribed.astype(np.float32), (draws, 1))
        shared = np.exp(rng.normal(0.0, 1.0, (draws, 2)) * np.array(setting.spread))
        self.factor = shared.astype(np.float32)[:, pairs.again.astype(int)]
        starts = np.searchsorted(offers.pair, np.arange(len(pairs.customer) + 1))
        self.row_start, self.row_count = starts[:-1], np.diff(starts)
        self.emails = np.zeros((draws, self.k, setting.days), dtype=np.int64)
        self.held_out, self.capped, self.beaten, self.limited, self.orders, self.added, self.withdrawn = (
            np.zeros((draws, self.k), dtype=np.int64) for _ in range(7)
        )
        self.cost = np.zeros((draws, self.k))
        self.of_customer = {name: np.zeros((self.k, self.n)) for name in ("emails", "orders", "cost")}

    def _needs(self) -> Floats:
        """(s,) days that must pass since the campaign's last message."""
        every = np.array([np.inf if one.every is None else one.every for one in self.rules])[self.slots.campaign]
        return np.where(np.isnan(self.slots.drawn), every, self.slots.drawn).astype(np.float32)

    def _hours(self) -> tuple[Singles, Singles]:
        """(s, T) how far into each day a slot's messages may leave first, and last; NaN where not at all."""
        days, zone = self.setting.days, self.crowd.zone
        first: Singles = np.zeros((len(self.slots.customer), days), dtype=np.float32)
        last: Singles = np.ones_like(first)
        where = np.zeros(self.n, dtype=np.int64) if zone is None else zone
        for number, one in enumerate(self.rules):
            if one.opens is not None and one.closes is not None:
                mine = self.slots.campaign == number
                first[mine] = one.opens[where[self.slots.customer[mine]]]
                last[mine] = one.closes[where[self.slots.customer[mine]]]
        return first, last

    def decide(self, day: int) -> None:
        """One decision for everybody. What may leave at once does; what waits for its hours is kept for `catch_up`."""
        # Decided at the last tick of the day at which it can still leave; NaN, which nothing reaches, where it can't.
        clock = day + np.maximum(self.last[:, day] - np.float32(self.setting.tick), 0)
        ready = clock - self.slot_last >= self.slot_need + STAMP_LAG
        ready &= clock - self.last_order[:, self.slots.customer] >= self.slot_wait
        chance = self.paths.chance_at(day, self.bought, refreshed=self.setting.refreshed)
        open_ = ready[:, self.offers.slot] & (self.given < self.row_repeats)
        open_ &= chance[:, self.offers.pair] >= self.offers.threshold.astype(np.float32)
        if self.subscribed is not None:
            open_ &= self.subscribed[:, self.offers.pair] <= day
        draw, row = np.nonzero(open_)
        since = clock[self.offers.slot[row]] - self.last_mail[draw, self.row_customer[row]]
        free = since >= self.setting.cap + STAMP_LAG
        self._count_slots(self.capped, draw[~free], row[~free])
        draw, row = draw[free], row[free]
        if len(draw):
            won, group = self._best(draw, row, chance[draw, self.offers.pair[row]])
            winner = self.slots.campaign[self.offers.slot[row[won]]][group]
            lost = winner != self.slots.campaign[self.offers.slot[row]]
            self._count_slots(self.beaten, draw[lost], row[lost])
            draw, row = self._within_limits(day, draw[won], row[won])
            later = self.first[self.offers.slot[row], day] > 0
            self.waiting = (draw[later], row[later])
            self._hand_out(day, draw[~later], row[~later], chance)

    def _within_limits(self, day: int, draw: Ints, row: Ints) -> tuple[Ints, Ints]:
        """Those that may go today; a message that is withheld for measurement takes nobody's place."""
        if self.limits is None:
            return draw, row
        slot = self.offers.slot[row]
        leaves = self.coin[draw, slot]
        mailed = ~leaves
        leaves[mailed] = self.limits.admit(day, draw[mailed], self.slots.campaign[slot[mailed]])
        self._count_slots(self.limited, draw[~leaves], row[~leaves])
        return draw[leaves], row[leaves]

    def catch_up(self, day: int) -> None:
        """The end of a day: what waited for its hours has left, but to those who bought before; codes run out."""
        draw, row = self.waiting
        self.waiting = (draw[:0], row[:0])
        if len(draw):
            slot, pair = self.offers.slot[row], self.offers.pair[row]
            bought = self.last_order[draw, self.row_customer[row]]
            gone = (bought >= day) & (bought < day + self.first[slot, day])
            gone &= (self.slot_wait[slot] > 0) | (self.bought[draw, pair] == day)
            self.withdrawn += self._by_campaign(draw[gone], self.slots.campaign[slot[gone]])
            chance = self.paths.chance_at(day, self.bought, refreshed=self.setting.refreshed)
            self._hand_out(day, draw[~gone], row[~gone], chance)
        if self.codes is not None:
            self.codes.run_out(day)

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

    def _hand_out(self, day: int, draw: Ints, row: Ints, chance: Singles) -> None:
        slot, pair, customer = self.offers.slot[row], self.offers.pair[row], self.row_customer[row]
        campaign = self.slots.campaign[slot]
        stamp = day + self.first[slot, day]
        self.last_mail[draw, customer] = stamp
        self.slot_last[draw, slot] = stamp
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
        self.boost[draw, pair] = 1 + self.lift[draw, self.pairs.again[pair].astype(int)]
        self.credited[draw, pair] = campaign
        if self.codes is not None:
            mine = campaign == self.codes.terms.campaign
            of = (draw[mine], pair[mine])
            self.boost[of] *= self.codes.give(day, draw[mine], customer[mine], np.maximum(chance[of], 0.0))
        self._of_customers("emails", campaign, customer)

    def buy(self, day: int) -> None:
        """What customers buy until the next day."""
        rate = self.paths.rate_at(day, self.bought) * self.factor
        live = (self.boosted != NEVER) & (day - self.boosted < HORIZON)
        rate *= np.where(live, self.boost, np.float32(1.0))
        draw, pair = np.nonzero(self.rng.standard_exponential(rate.shape, dtype=np.float32) < rate)
        customer = self.pairs.customer[pair]
        self._credit(draw, pair, live[draw, pair])
        self.bought[draw, pair] = day
        again = self.pairs.again[pair]
        for place in range(int(self.row_count.max(initial=0))):
            there = again & (place < self.row_count[pair])
            self.given[draw[there], self.row_start[pair[there]] + place] = 0
        if self.subscribed is not None:  # what a running subscription delivers keeps it running
            running = self.subscribed[draw, pair] > day
            self.subscribed[draw[running], pair[running]] = day + self.setting.subscription
        self._ordered(draw, customer, day)
        others = self.rng.standard_exponential((self.setting.draws, self.n), dtype=np.float32)
        draw, customer = np.nonzero(others < self.crowd.order_rate.astype(np.float32))
        self._ordered(draw, customer, day)

    def _ordered(self, draw: Ints, customer: Ints, day: int) -> None:
        """Orders at some moment of the day, with the code that the customer may have."""
        at = day + self.rng.random(len(draw), dtype=np.float32)
        self.last_order[draw, customer] = at
        if self.codes is not None:
            mine = np.full(len(draw), self.codes.terms.campaign)
            draw, customer, worth = self.codes.redeem(draw, customer, at)
            self.cost += self._by_campaign(draw, mine[: len(draw)], worth)
            self._of_customers("cost", mine[: len(draw)], customer, worth)

    def _credit(self, draw: Ints, pair: Ints, live: Bools) -> None:
        draw, pair = draw[live], pair[live]
        campaign = self.credited[draw, pair].astype(np.int64)
        self.orders += self._by_campaign(draw, campaign)
        # This share of the purchases at a raised rate would not have been; at a lowered one, as many again are missing.
        share = 1 - 1 / self.boost[draw, pair]
        changed = self.rng.random(len(draw)) < np.abs(share)
        self.added += self._by_campaign(draw[changed], campaign[changed], np.sign(share[changed])).astype(np.int64)
        customer = self.pairs.customer[pair]
        self._of_customers("orders", campaign, customer)
        if self.codes is None:
            cost = self.pairs.cost[pair]
            self.cost += self._by_campaign(draw, campaign, cost)
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
            limited=self.limited,
            orders=self.orders,
            added=self.added,
            cost=self.cost,
            withdrawn=self.withdrawn,
            codes=None if self.codes is None else self.codes.given,
            codes_minor=None if self.codes is None else self.codes.given_minor,
            per_customer=self.of_customer,
        )
