"""A shop whose customers buy by a process that is known, living day by day under the real planner and sender.

The process is not the simulator's: gaps are gamma distributed (there lognormal), predictions are off by some noise,
orders come at any time of the day. Its random streams have a domain of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gamma
from sqlalchemy import select

from app.domain.timetable import next_time
from app.services import discount_pools, plan_sends, send_due
from app.store.models.discounts import DiscountOffer
from app.store.models.segments import Segment
from app.store.models.sending import Message
from app.store.models.shops import ShopToken
from ml.streams import stream
from tests.integration.discounts.test_pools import FakeDiscountShop
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
    discount_minor: int


class KnownShop:
    """The shop. lift: by what share an e-mail raises the rate of buying what it recommends, for a month."""

    def __init__(self, store_url: str, ctx: ShopContext, folder: Path, seed: int, customers: int, lift: float) -> None:
        self.world = World(store_url, ctx, folder)
        self.rng = stream(DOMAIN, seed)
        self.lift, self.customers, self.day = lift, customers, 0
        rows = [row for number in range(1, customers + 1) for row in self._customer(number)]
        self.pairs = Pairs(*(np.array(column) for column in zip(*rows, strict=True)))
        self.orders: list[tuple[int, int, datetime]] = []
        self.any_orders: list[tuple[int, datetime]] = []
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

    def gives_codes(self) -> None:
        """Let it make codes at a Shopify in memory."""
        self.world.rooms = replace(self.world.rooms, discount_shop=FakeDiscountShop())
        with self.world.store.session(self.world.ctx) as session:
            session.add(
                ShopToken(
                    shop_id=self.world.ctx.shop_id, scopes="write_discounts", sealed=b"x", expires_at=NOW,
                    refresh_expires_at=NOW,
                )
            )  # fmt: skip

    def live(self, days: int, opens: int | None = None) -> None:
        """Let days pass: each begins with a decision and hand-over, then customers buy, then all is refreshed.

        opens: the hour at which a campaign's hours open; then there is a second hand-over, which knows what was bought
        before it.
        """
        world = self.world
        for _ in range(days):
            begins = world.clock.now()
            plan_sends.plan(world.rooms, world.ctx)
            self._hand_over()
            orders = sorted(self._buy(begins), key=lambda order: order[2])
            if opens is not None:
                world.clock.advance(next_time(begins, world.ctx.zone, opens) - world.clock.now())
                orders = self._take_in(orders)
                world.publish()
                self._hand_over()
            world.clock.advance(begins + A_DAY - world.clock.now())
            self._take_in(orders)
            self.day += 1
            if self.day < days:
                self.renew()

    def _hand_over(self) -> None:
        world = self.world
        with_codes = world.rooms.discount_shop is not None
        if with_codes:
            discount_pools.tend(world.rooms, world.ctx)
        world.clock.advance(A_MINUTE)
        send_due.send(world.rooms, world.ctx)
        if with_codes and "queued" in world.message_states().values():  # whose code was not ready gets it soon
            discount_pools.tend(world.rooms, world.ctx)
            world.clock.advance(6 * A_MINUTE)
            send_due.send(world.rooms, world.ctx)

    def _take_in(self, orders: list[tuple[int, int, datetime]]) -> list[tuple[int, int, datetime]]:
        """Import what was ordered by now; returns the rest."""
        for customer, product, at in orders:
            if at <= self.world.clock.now():
                self.world.bought(customer, product, at)
        return [order for order in orders if order[2] > self.world.clock.now()]

    def _buy(self, now: datetime) -> list[tuple[int, int, datetime]]:
        """The orders of the day that began: customer, product, moment."""
        pairs = self.pairs
        mailed = {(m.customer_no, m.product_no): m.stamped_at for m in self.messages()}
        hazard = pairs.hazard(self.day, 1)
        for row, key in enumerate(zip(pairs.customer.tolist(), pairs.product.tolist(), strict=True)):
            sent = mailed.get(key)
            if sent is not None and now - sent < MONTH * A_DAY:
                hazard[row] *= 1 + self.lift
        orders = []
        for row in np.flatnonzero(self.rng.exponential(size=len(hazard)) < hazard):
            customer, product, after = int(pairs.customer[row]), int(pairs.product[row]), self.rng.uniform(0, 0.99)
            pairs.last[row] = self.day + after
            orders.append((customer, product, now + after * A_DAY))
        self.orders += orders
        others = np.flatnonzero(self.rng.random(self.customers) < OTHER_ORDERS)
        orders += [(int(one) + 1, SOMETHING, now + self.rng.uniform(0, 0.99) * A_DAY) for one in others]
        self.any_orders += [(customer, at) for customer, _, at in orders]
        return orders

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
            discount_minor=self._codes_used(number),
        )

    def _codes_used(self, campaign: int) -> int:
        """What codes took off: each order uses the newest that its customer has, if one still works."""
        with self.world.store.reading(self.world.ctx) as session:
            same = (DiscountOffer.shop_id == Message.shop_id) & (DiscountOffer.message_id == Message.id)
            columns = (Message.customer_no, Message.stamped_at, DiscountOffer.ends_at, DiscountOffer.amount_minor)
            query = select(*columns).join(DiscountOffer, same)
            query = query.where(
                Message.campaign_id == campaign, Message.state == "sent", DiscountOffer.amount_minor > 0
            )
            codes = [tuple(row) for row in session.execute(query)]
        total = 0
        for customer, at in sorted(self.any_orders, key=lambda order: order[1]):
            live = [one for one in codes if one[0] == customer and one[1] <= at < one[2]]
            if live:
                newest = max(live, key=lambda one: one[1])
                codes.remove(newest)
                total += newest[3]
        return total
