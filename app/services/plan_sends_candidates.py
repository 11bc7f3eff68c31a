"""Candidates of a tick: who could get which product from which campaign, and who can't, with the reason.

Reads only. What it finds is arbitrated and written by plan_sends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.arbitration import Candidate, rank
from app.domain.campaigns import Reason
from app.domain.placeholders import Placeholder
from app.services import campaigns
from app.services.automatic_segments_products import FLOOR, TIMES_BASE_RATE
from app.services.campaigns_audience import Product, audience_of, newest_history, products
from app.services.content import words_of
from app.services.published import open_run
from app.services.reachable import Reach, reach
from app.store import cap
from app.store.models.customers import Customer
from app.store.models.sending import Message
from app.store.models.waits import WaitChoice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.mail.words import Words
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

# What a segment without a product, and the automatic audience, consider likely enough: the same
# bars that product segments have.
HANDED_OVER = ("sending", "sent", "unknown", "held_out")  # held out counts: both arms go through the same steps
REACH_REASONS = {
    "no_email": Reason.NO_ADDRESS,
    "invalid_email": Reason.INVALID_ADDRESS,
    "suppressed": Reason.SUPPRESSED,
}

PAIRS = """
SELECT p.customer_no, p.product_no, p.kind, p.probability, coalesce(a.lift_shrunk, p.lift) AS lift,
       p.because_product_no, date_diff('second', p.expected_at, $tick) / 86400.0 AS overdue_days
FROM pairs p
JOIN members m USING (customer_no)
LEFT JOIN associations a ON a.a = p.because_product_no AND a.b = p.product_no
LEFT JOIN base_rates b ON b.product_no = p.product_no AND b.kind = p.kind
"""
OF_PRODUCT = "WHERE p.product_no = $product_no AND p.kind = $kind"
OF_TYPE = """WHERE p.kind = $kind
    AND p.product_no IN (SELECT product_no FROM products WHERE product_type = $product_type)"""
LIKELY = """WHERE p.probability >= greatest(
    CASE p.kind WHEN 'repurchase' THEN $again ELSE $new END,
    $times * CASE WHEN b.base_rate IS NULL OR isnan(b.base_rate) THEN 0 ELSE b.base_rate END)"""


@dataclass(frozen=True)
class Runner:
    """An active campaign, read once per tick."""

    campaign: Campaign
    words: Words
    members: BitMap | None
    kind: str | None
    product_no: int | None
    product_type: str | None = None

    @property
    def needs_purchase(self) -> bool:
        """Whether its words name a purchased product."""
        return Placeholder.PURCHASED_PRODUCT in self.words.used


@dataclass(frozen=True)
class Verdict:
    """What one campaign can do for one customer: its best candidate, and the reason if it can't be sent."""

    candidate: Candidate | None
    reason: Reason | None


@dataclass
class Past:
    """What was handed over before, of the campaigns at hand. Instants are stamps."""

    last: dict[tuple[int, int], datetime] = field(default_factory=dict)
    times: dict[tuple[int, int, int], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    rows: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    waits: dict[tuple[int, int], int] = field(default_factory=dict)  # days drawn with the last one, if any were


@dataclass
class Purchases:
    """When customers last ordered anything, and when they last bought a product."""

    any: dict[int, datetime] = field(default_factory=dict)
    product: dict[tuple[int, int], datetime] = field(default_factory=dict)


@dataclass
class Assessment:
    """Everything a tick knows before arbitration.

    verdicts: campaign id → customer number → verdict; every member of the audience has one.
    eligible: customer number → the candidates that may be sent.
    """

    tick: datetime
    runners: dict[int, Runner]
    verdicts: dict[int, dict[int, Verdict]] = field(default_factory=dict)
    eligible: dict[int, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    products: dict[int, Product] = field(default_factory=dict)
    email_hashes: dict[int, str] = field(default_factory=dict)
    live: dict[int, Message] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    purchases: Purchases = field(default_factory=Purchases)


def runners(session: Session, ctx: ShopContext, rows: Iterable[Campaign]) -> dict[int, Runner]:
    """Campaigns with their words and members; a campaign whose segment is gone has no members."""
    found: dict[int, Runner] = {}
    for row in rows:
        words = words_of(campaigns.content_of(session, row))
        if row.audience_type == "segment":
            audience = audience_of(session, ctx, row.segment_id)
            members = audience.members if audience else BitMap()
            if audience is None:
                found[row.id] = Runner(row, words, members, None, None)
            else:
                found[row.id] = Runner(row, words, members, audience.kind, audience.product_no, audience.product_type)
        else:
            found[row.id] = Runner(row, words, None, None, None)
    return found


def assess(rooms: Rooms, ctx: ShopContext, run: PublishedRun, rows: Iterable[Campaign], tick: datetime) -> Assessment:
    """Look at every customer of every given campaign's audience. Writes nothing."""
    with rooms.store.reading(ctx) as session:
        found = Assessment(tick, runners(session, ctx, rows))
        reached = reach(session, ctx)
        busy = cap.busy(session, ctx, tick)
        found.email_hashes = _email_hashes(session, ctx)
        found.live = {m.customer_no: m for m in session.scalars(_live(ctx))}
        found.past = past(session, ctx, found.runners)
    with open_run(rooms, ctx, run) as connection:
        pairs = {number: _pairs(connection, runner, reached, tick) for number, runner in found.runners.items()}
    shown = {c.product_no for found_pairs in pairs.values() for of in found_pairs.values() for c in of}
    shown |= {r.product_no for r in found.runners.values() if r.product_no is not None}
    if history := newest_history(rooms, ctx):
        connection = history[1]
        because = {c.because_product_no for pairs_of in pairs.values() for of in pairs_of.values() for c in of}
        found.products = products(connection, ctx, shown | {number for number in because if number is not None})
        found.purchases = purchases(connection, _customers(pairs), sorted(shown))
        connection.close()
    for number, runner in found.runners.items():
        members = runner.members if runner.members is not None else BitMap(pairs[number])
        judge = _Judge(found, runner, reached, busy)
        found.verdicts[number] = {
            customer: judge.verdict(customer, pairs[number].get(customer, [])) for customer in members
        }
    return found


def purchases(
    connection: duckdb.DuckDBPyConnection, customers: Iterable[int], product_numbers: Iterable[int]
) -> Purchases:
    """Last orders of these customers, and last purchases among these products."""
    given = {"customers": list(customers)}
    orders = connection.execute(
        """SELECT customer_no, max(processed_at) FROM orders
           WHERE counts AND customer_no IN (SELECT unnest($customers::INTEGER[])) GROUP BY customer_no""",
        given,
    ).fetchall()
    lines = connection.execute(
        """SELECT customer_no, product_no, max(ordered_at) FROM order_lines
           WHERE counts AND customer_no IN (SELECT unnest($customers::INTEGER[]))
             AND product_no IN (SELECT unnest($products::INTEGER[])) GROUP BY ALL""",
        {**given, "products": list(product_numbers)},
    ).fetchall()
    return Purchases(dict(orders), {(customer, product): at for customer, product, at in lines})


class _Judge:
    """Decides for one campaign, customer by customer, in a fixed order of reasons."""

    def __init__(self, found: Assessment, runner: Runner, reached: Reach, busy: set[str]) -> None:
        self._found, self._runner, self._reached, self._busy = found, runner, reached, busy
        self._timing = campaigns.timing_of(runner.campaign)
        self._needs_purchase = runner.needs_purchase

    def verdict(self, customer: int, candidates: list[Candidate]) -> Verdict:
        best = min(candidates, key=rank, default=None)
        reason = self._of_customer(customer)
        if reason is not None:
            return Verdict(best, reason)
        if best is None:
            return Verdict(None, Reason.NO_PRODUCT)
        possible = [candidate for candidate in candidates if self._of_product(candidate) is None]
        if not possible:
            return Verdict(best, self._of_product(best))
        self._found.eligible[customer] += possible
        return Verdict(min(possible, key=rank), None)

    def _of_customer(self, customer: int) -> Reason | None:
        if customer not in self._reached.reachable:
            if customer not in self._reached.universe:
                return Reason.ERASED
            return REACH_REASONS.get(self._reached.why_not(customer) or "", Reason.NOT_SUBSCRIBED)
        if customer in self._found.live:
            return Reason.MESSAGE_UNDER_WAY
        if not self._busy.isdisjoint(cap.keys_of(customer, self._found.email_hashes[customer])):
            return Reason.WEEKLY_CAP
        tick, timing = self._found.tick, self._timing
        ordered = self._found.purchases.any.get(customer)
        if ordered is not None and tick - ordered < timedelta(days=timing.wait_days):
            return Reason.WAIT_AFTER_PURCHASE
        key = (self._runner.campaign.id, customer)
        past = self._found.past
        return timing.too_soon(past.last.get(key), tick, past.waits.get(key))

    def _of_product(self, candidate: Candidate) -> Reason | None:
        product = self._found.products.get(candidate.product_no)
        if product is None or not product.on_sale:
            return Reason.PRODUCT_INACTIVE
        if not product.in_stock:
            return Reason.OUT_OF_STOCK
        bought = self._found.purchases.product.get((candidate.customer_no, candidate.product_no))
        if candidate.kind == "cross_sell":
            if bought is not None:
                return Reason.ALREADY_BOUGHT
            if self._needs_purchase and candidate.because_product_no is None:
                return Reason.NO_PRODUCT
        key = (candidate.campaign_id, candidate.customer_no, candidate.product_no)
        return self._timing.used_up(self._found.past.times[key], bought if candidate.kind == "repurchase" else None)


def _pairs(
    connection: duckdb.DuckDBPyConnection, runner: Runner, reached: Reach, tick: datetime
) -> dict[int, list[Candidate]]:
    members = runner.members if runner.members is not None else reached.universe
    numbers = np.fromiter(members, dtype=np.int32, count=len(members))
    connection.register("members", {"customer_no": numbers})
    given: dict[str, Any] = {"tick": tick}
    if runner.product_no is not None:
        query, given = PAIRS + OF_PRODUCT, {**given, "product_no": runner.product_no, "kind": runner.kind}
    elif runner.product_type is not None:
        query, given = PAIRS + OF_TYPE, {**given, "product_type": runner.product_type, "kind": runner.kind}
    else:
        query = PAIRS + LIKELY
        given |= {"again": FLOOR["buy_again"], "new": FLOOR["buy_new"], "times": TIMES_BASE_RATE}
    rows = connection.execute(query, given).fetchall()
    connection.unregister("members")
    found: dict[int, list[Candidate]] = defaultdict(list)
    campaign = runner.campaign
    for customer, product, kind, probability, lift, because, overdue in rows:
        found[customer].append(
            Candidate(
                campaign_id=campaign.id,
                campaign_created_at=campaign.created_at,
                customer_no=customer,
                product_no=product,
                kind=kind,
                probability=probability,
                overdue_days=overdue,
                lift=None if lift is None or lift != lift else lift,  # noqa: PLR0124 - not a number is not itself
                because_product_no=because,
                segment_id=campaign.segment_id,
            )
        )
    return found


def _customers(pairs: dict[int, dict[int, list[Candidate]]]) -> list[int]:
    return sorted({customer for of in pairs.values() for customer in of})


def _email_hashes(session: Session, ctx: ShopContext) -> dict[int, str]:
    query = select(Customer.customer_no, Customer.email_hash).where(
        Customer.shop_id == ctx.shop_id, Customer.email_hash.is_not(None), Customer.merged_into.is_(None)
    )
    return {number: str(email_hash) for number, email_hash in session.execute(query)}


def _live(ctx: ShopContext) -> Any:
    return select(Message).where(Message.shop_id == ctx.shop_id, Message.state.in_(("queued", "sending")))


def past(
    session: Session, ctx: ShopContext, campaign_ids: Iterable[int], customers: Collection[int] | None = None
) -> Past:
    """What these campaigns handed over (to these customers), under the number that each has after merges."""
    query = (
        select(
            Message.campaign_id, Message.customer_no, Message.product_no, Message.state, Message.stamped_at,
            WaitChoice.days,
        )
        .outerjoin(WaitChoice, (WaitChoice.shop_id == Message.shop_id) & (WaitChoice.message_id == Message.id))
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(list(campaign_ids)))
    )  # fmt: skip
    survivors = _survivors(session, ctx)
    if customers is not None:
        losers = [loser for loser, survivor in survivors.items() if survivor in customers]
        query = query.where(Message.customer_no.in_([*customers, *losers]))
    found = Past()
    for campaign, mailed, product, state, stamped_at, days in session.execute(query):
        customer = survivors.get(mailed, mailed)
        found.rows[campaign, customer, product] += 1
        if state in HANDED_OVER and stamped_at is not None:
            found.times[campaign, customer, product].append(stamped_at)
            last = found.last.get((campaign, customer))
            if last is None or stamped_at > last:
                found.last[campaign, customer] = stamped_at
                found.waits.pop((campaign, customer), None)
                if days is not None:
                    found.waits[campaign, customer] = days
    return found


def _survivors(session: Session, ctx: ShopContext) -> dict[int, int]:
    """Merged customer → who they are now, at the end of the chain of merges."""
    query = select(Customer.customer_no, Customer.merged_into).where(
        Customer.shop_id == ctx.shop_id, Customer.merged_into.is_not(None)
    )
    steps: dict[int, int] = {loser: int(into or 0) for loser, into in session.execute(query)}
    found: dict[int, int] = {}
    for loser, into in steps.items():
        seen, end = {loser}, into
        while end in steps and end not in seen:  # a ring can't be, but must not hang a tick either
            seen.add(end)
            end = steps[end]
        found[loser] = end
    return found
