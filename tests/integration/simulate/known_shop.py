"""A shop whose customers buy by a process that is known, living day by day under the real planner and sender.

The process is not the simulator's: gaps are gamma distributed (there lognormal), predictions are off by some noise,
orders come at any time of the day. Its random streams have a domain of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gamma
from sqlalchemy import select

from app.services import plan_sends, send_due
from app.store.models.segments import Segment
from app.store.models.sending import Message
from ml.streams import stream
from tests.integration.sending.world import COFFEE, MUG, NOW, TEA, World

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import numpy.typing as npt

    from app.domain.context import ShopContext

DOMAIN = "actual"
SHAPE = 6.0  # of gaps: their standard deviation is two fifths of their mean
HISTORY_DAYS = 240
MONTH = 30
NOISE = 0.2  # of predictions, in log-odds
OTHER_ORDERS = 0.01  # a day and customer
THRESHOLD = {COFFEE: 0.25, TEA: 0.3, MUG: 0.03}
A_DAY, A_MINUTE = timedelta(days=1), timedelta(minutes=1)
SOMETHING = 9  # a product that no campaign is about


@dataclass
class Pairs:
    """(p,) customers and products: gap is the mean of their own gaps in days, last days from NOW on, NaN for never."""

    customer: npt.NDArray[np.int64]
    product: npt.NDArray[np.int64]
    gap: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]

    def hazard(self, day: float, ahead: float) -> npt.NDArray[np.float64]:
        """(p,) cumulative hazard of the next days."""
        new = self.product == MUG
        scale = self.gap / SHAPE
        age = np.where(new, 0.0, day - np.nan_to_num(self.last))
        again = gamma.logsf(age, SHAPE, scale=scale) - gamma.logsf(age + ahead, SHAPE, scale=scale)
        # Who has no mug may buy one at any time, the same chance each day; nobody buys two.
        once = np.where(np.isnan(self.last), ahead / self.gap, 0.0)
        result: npt.NDArray[np.float64] = np.where(new, once, again)
        return result

    def chance(self, day: float) -> npt.NDArray[np.float64]:
        """(p,) what predictions say: the truth with some noise."""
        true = np.clip(-np.expm1(-self.hazard(day, MONTH)), 1e-6, 1 - 1e-6)
        result: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.log(true / (1 - true)) - self.noise))
        return result


@dataclass(frozen=True)
class Actual:
    """What thirty days did, of one campaign and of all."""

    emails: int
    reached: int
    orders: int
    all_emails: int
    all_reached: int
    all_orders: int


class KnownShop:
    """The shop. lift: by what share an e-mail raises the rate of buying what it recommends, for a month."""

    def __init__(self, store_url: str, ctx: ShopContext, folder: Path, seed: int, customers: int, lift: float) -> None:
        self.world = World(store_url, ctx, folder)
        self.rng = stream(DOMAIN, seed)
        self.lift, self.customers, self.day = lift, customers, 0
        rows = [row for number in range(1, customers + 1) for row in self._customer(number)]
        self.pairs = Pairs(*(np.array(column) for column in zip(*rows, strict=True)))
        self.orders: list[tuple[int, int, datetime]] = []
        self.world.sender()
        self.segments = {
            COFFEE: self.world.segment("buy_again:101", "repurchase", [], COFFEE),
            TEA: self.world.segment("buy_again:102", "repurchase", [], TEA),
            MUG: self.world.segment("buy_new:103", "cross_sell", [], MUG),
        }
        self._set_rules()
        self.renew()

    def _customer(self, number: int) -> list[tuple[int, int, float, float, float]]:
        rng = self.rng
        self.world.customer(number, consent="SUBSCRIBED" if rng.random() < 0.85 else "NOT_SUBSCRIBED")
        found = []
        for product, share in ((COFFEE, 0.8), (TEA, 0.6)):
            if rng.random() < share:
                gap = float(rng.uniform(18, 70))
                at, last = -HISTORY_DAYS + float(rng.uniform(0, gap)), np.nan
                while at < 0:
                    last = at
                    self.world.bought(number, product, NOW + at * A_DAY)
                    at += float(rng.gamma(SHAPE, gap / SHAPE))
                found.append((number, product, gap, float(rng.normal(0, NOISE)), last))
        found.append((number, MUG, 30 / float(rng.uniform(0.005, 0.1)), float(rng.normal(0, NOISE)), np.nan))
        return found

    def _set_rules(self) -> None:
        with self.world.store.session(self.world.ctx) as session:
            for product, segment in self.segments.items():
                what = "buy_new" if product == MUG else "buy_again"
                match = {"predict": what, "product": str(100 + product), "horizon": "30d", "op": "gte"}
                row = session.get_one(Segment, {"shop_id": self.world.ctx.shop_id, "id": segment})
                row.rule_text = json.dumps({"v": 1, "match": match | {"value": THRESHOLD[product]}})

    def renew(self) -> None:
        """A refresh: predictions as they are at this moment, segments by them."""
        pairs, world = self.pairs, self.world
        chance = pairs.chance(self.day)
        live = (pairs.product != MUG) | np.isnan(pairs.last)
        low, high = (gamma.ppf(tail, SHAPE, scale=pairs.gap / SHAPE) for tail in (0.1, 0.9))
        world.pairs, world.values = [], []
        for row in np.flatnonzero(live):
            dates = {}
            if not np.isnan(pairs.last[row]):
                ends = {"expected_at": pairs.gap, "expected_low": low, "expected_high": high}
                dates = {name: NOW + float(pairs.last[row] + after[row]) * A_DAY for name, after in ends.items()}
            product = int(pairs.product[row])
            kind = "cross_sell" if product == MUG else "repurchase"
            world.pair(int(pairs.customer[row]), product, kind, float(chance[row]), lift=1.5, **dates)
        total = np.bincount(pairs.customer, pairs.hazard(self.day, MONTH), minlength=self.customers + 1)
        for customer in range(1, self.customers + 1):
            any_order = -np.expm1(-total[customer] - MONTH * OTHER_ORDERS)
            world.values.append({"customer_no": customer, "p_order_30d": float(any_order)})
        world.publish()
        for product, segment in self.segments.items():
            inside = live & (pairs.product == product) & (chance >= THRESHOLD[product])
            world.members(segment, pairs.customer[inside].tolist())

    def live(self, days: int) -> None:
        """Let days pass: each begins with a decision and hand-over, then customers buy, then all is refreshed."""
        for _ in range(days):
            plan_sends.plan(self.world.rooms, self.world.ctx)
            self.world.clock.advance(A_MINUTE)
            send_due.send(self.world.rooms, self.world.ctx)
            self._buy()
            self.world.clock.advance(A_DAY - A_MINUTE)
            self.day += 1
            self.renew()

    def _buy(self) -> None:
        now, pairs = self.world.clock.now(), self.pairs
        mailed = {(m.customer_no, m.product_no): m.stamped_at for m in self.messages()}
        hazard = pairs.hazard(self.day, 1)
        for row, key in enumerate(zip(pairs.customer.tolist(), pairs.product.tolist(), strict=True)):
            sent = mailed.get(key)
            if sent is not None and now - sent < MONTH * A_DAY:
                hazard[row] *= 1 + self.lift
        for row in np.flatnonzero(self.rng.exponential(size=len(hazard)) < hazard):
            customer, product, after = int(pairs.customer[row]), int(pairs.product[row]), self.rng.uniform(0, 0.99)
            pairs.last[row] = self.day + after
            self.orders.append((customer, product, now + after * A_DAY))
            self.world.bought(*self.orders[-1])
        for customer in np.flatnonzero(self.rng.random(self.customers) < OTHER_ORDERS):
            self.world.bought(int(customer) + 1, SOMETHING, now + self.rng.uniform(0, 0.99) * A_DAY)

    def messages(self) -> list[Message]:
        """All that were handed over, oldest first."""
        with self.world.store.reading(self.world.ctx) as session:
            query = select(Message).where(Message.state == "sent").order_by(Message.stamped_at)
            return list(session.scalars(query))

    def actual(self, campaign_id: str) -> Actual:
        """What the campaigns did so far; an order belongs to the last e-mail about its product, for a month."""
        sent, number = self.messages(), int(campaign_id[4:])
        mine = [m for m in sent if m.campaign_id == number]
        credited: list[int] = []
        for customer, product, at in self.orders:
            before = [
                m.campaign_id
                for m in sent
                if (m.customer_no, m.product_no) == (customer, product)
                and m.stamped_at is not None
                and m.stamped_at <= at
                and at - m.stamped_at < MONTH * A_DAY
            ]
            credited += before[-1:]
        return Actual(
            emails=len(mine),
            reached=len({m.customer_no for m in mine}),
            orders=credited.count(number),
            all_emails=len(sent),
            all_reached=len({m.customer_no for m in sent}),
            all_orders=len(credited),
        )
