"""What managed discounts cost and brought, and what their offers teach.

The effect is read from chance alone: every offer carries the probability that each level had, and what became of it
is weighted by that. Whose time has not run out is left out, whatever they have done so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import structlog
from sqlalchemy import func, select

from app.errors import NotFound
from app.services.campaigns_audience import newest_history, number_of
from app.services.discount_checks import plan_row
from app.services.discounts import MANAGED
from app.services.published import latest_history
from app.store.models.campaigns import Campaign
from app.store.models.discounts import DiscountCode, DiscountOffer, DiscountPool
from app.store.models.sending import MAILED, Message
from ml.policy.discount import Customers, Trials, learn
from ml.policy.log import Log, UnsoundLog
from ml.policy.off_policy import MIN_EFFECTIVE, Value, snips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from ml.history import Bools, Floats

log = structlog.get_logger()

BOUGHT = """
SELECT w.position, min(o.processed_at) IS NOT NULL FROM windows w
LEFT JOIN orders o ON o.customer_no = w.customer_no AND o.counts AND o.processed_at > w.since
    AND o.processed_at < w.until
GROUP BY w.position ORDER BY w.position"""


@dataclass(frozen=True)
class Level:
    """What became of one amount. settled: offers whose time has run out; bought: of those."""

    amount_minor: int
    offered: int
    settled: int
    bought: int


@dataclass(frozen=True)
class Effect:
    """Purchases added per 100 customers, with a 95% interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Costs in minor units. saved_minor: bought without a code, times the mean worth of a code."""

    given: int
    given_minor: int
    redeemed: int
    redeemed_minor: int
    saved_minor: int
    bought_without: int
    levels: list[Level]
    effect: Effect | None


def figures(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Figures:
    """What the campaign's managed discounts cost and brought so far. Raises NotFound."""
    number = number_of(campaign_id, "cmp_", "campaign")
    with rooms.store.reading(ctx) as session:
        if session.get(Campaign, {"shop_id": ctx.shop_id, "id": number}) is None:
            raise NotFound("There is no such campaign.")
        codes = (
            select(
                func.count(DiscountCode.id),
                func.coalesce(func.sum(DiscountPool.amount_minor), 0),
                func.count(DiscountCode.redeemed_at),
                func.coalesce(func.sum(DiscountCode.redeemed_minor), 0),
            )
            .join(
                DiscountPool, (DiscountPool.shop_id == DiscountCode.shop_id) & (DiscountPool.id == DiscountCode.pool_id)
            )
            .join(Message, (Message.shop_id == DiscountCode.shop_id) & (Message.id == DiscountCode.message_id))
            .where(DiscountCode.shop_id == ctx.shop_id, DiscountPool.campaign_id == number, Message.state.in_(MAILED))
        )
        given, given_minor, redeemed, redeemed_minor = session.execute(codes).one()
    rows, bought, settled = _outcomes(rooms, ctx, number)
    amounts = sorted({row.amount_minor for row in rows})
    level = np.array([row.amount_minor for row in rows], dtype=np.int64)
    levels = [
        Level(amount, int((level == amount).sum()), int((settled & (level == amount)).sum()),
              int((bought & settled & (level == amount)).sum()))
        for amount in amounts
    ]  # fmt: skip
    without = int((bought & settled & (level == 0)).sum())
    mean = int(given_minor or 0) // int(given) if given else 0
    return Figures(
        given=int(given),
        given_minor=int(given_minor or 0),
        redeemed=int(redeemed),
        redeemed_minor=int(redeemed_minor or 0),
        saved_minor=without * mean,
        bought_without=without,
        levels=levels,
        effect=_effect([row for row, done in zip(rows, settled, strict=True) if done], bought[settled]),
    )


def teach(rooms: Rooms, ctx: ShopContext) -> int:
    """Let every plan learn from its offers that are over; returns how many plans changed their basis."""
    with rooms.store.reading(ctx) as session:
        mine = (Campaign.shop_id == ctx.shop_id, Campaign.discount_mode == MANAGED, Campaign.state == "active")
        numbers = list(session.scalars(select(Campaign.id).where(*mine)))
    changed = 0
    for number in numbers:
        rows, bought, settled = _outcomes(rooms, ctx, number)
        with rooms.store.reading(ctx) as session:
            plan = plan_row(session, ctx, number)
        if plan is None:
            continue
        usable = settled & np.array([row.plan_version == plan.version for row in rows], dtype=bool)
        kept = [row for row, use in zip(rows, usable, strict=True) if use]
        if not kept:
            continue
        try:
            policy = learn(_trials(kept, bought[usable]), seed=number)
        except UnsoundLog:
            log.exception("discount_log_unsound", shop_id=ctx.shop_id, campaign_id=number)
            continue
        taught = {
            "basis": policy.basis,
            "levels": list(policy.levels),
            "intercept": policy.response.intercept,
            "slopes": policy.response.slopes.tolist(),
            "trials": len(kept),
        }
        with rooms.store.session(ctx) as session:
            fresh = plan_row(session, ctx, number, lock=True)
            if fresh is not None and fresh.version == plan.version:
                changed += (fresh.policy or {}).get("basis", "start") != policy.basis
                fresh.policy = taught
    return changed


def _outcomes(rooms: Rooms, ctx: ShopContext, campaign_id: int) -> tuple[list[DiscountOffer], Bools, Bools]:
    """(offers that went out, whether each was followed by an order before its end, whether that time is over)."""
    with rooms.store.reading(ctx) as session:
        query = (
            select(DiscountOffer)
            .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
            .where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.campaign_id == campaign_id)
            .where(Message.state.in_(MAILED))
            .order_by(DiscountOffer.offered_at, DiscountOffer.message_id)
        )
        rows = list(session.scalars(query))
        snapshot = latest_history(session, ctx)
    none = np.zeros(len(rows), dtype=bool)
    history = newest_history(rooms, ctx) if rows and snapshot is not None else None
    if history is None or snapshot is None:
        return rows, none, none.copy()
    instant = pa.timestamp("us", tz="UTC")
    windows = pa.table(
        {
            "position": pa.array(range(len(rows))),
            "customer_no": pa.array([row.customer_no for row in rows], pa.int32()),
            "since": pa.array([row.offered_at for row in rows], instant),
            "until": pa.array([row.ends_at for row in rows], instant),
        }
    )
    connection = history[1]
    try:
        connection.register("windows", windows)
        bought = np.array([row[1] for row in connection.execute(BOUGHT).fetchall()], dtype=bool)
    finally:
        connection.close()
    return rows, bought, np.array([row.ends_at <= snapshot.watermark for row in rows], dtype=bool)


def _effect(rows: Sequence[DiscountOffer], bought: Bools) -> Effect | None:
    """A code of any amount against none, over the newest levels; None while there is too little to say."""
    newest = max((row.plan_version for row in rows), default=0)
    kept = np.array([row.plan_version == newest for row in rows], dtype=bool)
    rows, bought = [row for row, use in zip(rows, kept, strict=True) if use], bought[kept]
    # Two arms: none, and any code. Only where both had a chance does either say anything of the other.
    chance = np.array([[row.propensities[0], sum(row.propensities[1:])] for row in rows], dtype=float).reshape(-1, 2)
    both = (chance > 0).all(axis=1)
    if not both.any():
        return None
    action = np.array([int(row.amount_minor > 0) for row in rows], dtype=np.int64)[both]
    customers = np.array([row.customer_no for row in rows], dtype=np.int64)[both]
    chance = chance[both] / chance[both].sum(axis=1, keepdims=True)
    try:
        kept_log = Log(np.zeros((len(action), 0)), action, chance, bought[both].astype(float), customers)
    except UnsoundLog:
        log.exception("discount_log_unsound")
        return None
    arms = [snips(kept_log, _always(arm, len(action))) for arm in (0, 1)]
    if min(arm.effective_size for arm in arms) < MIN_EFFECTIVE:
        return None
    return _difference(arms[1], arms[0])


def _always(arm: int, count: int) -> Floats:
    result: Floats = np.eye(2)[np.full(count, arm)]
    return result


def _difference(code: Value, none: Value) -> Effect:
    """Per 100 customers. The arms are of different customers, so that their errors add up as independent ones do."""
    from scipy.stats import norm  # noqa: PLC0415 - for one number

    estimate = 100 * (code.estimate - none.estimate)
    error = 100 * float(np.hypot(code.standard_error, none.standard_error))
    half = float(norm.isf(0.025)) * error
    return Effect(estimate, estimate - half, estimate + half)


def _trials(rows: Sequence[DiscountOffer], bought: Bools) -> Trials:
    def column(name: str, kind: Any) -> Any:
        return np.array([getattr(row, name) for row in rows], dtype=kind)

    customers = Customers(
        customer_no=column("customer_no", np.int64),
        probability=column("probability", float),
        context=np.zeros((len(rows), 0)),
        basket_minor=column("basket_minor", np.int64),
        margin_minor=column("margin_minor", np.int64),
    )
    return Trials(
        customers=customers,
        amount_minor=np.array([row.amounts for row in rows], dtype=np.int64),
        level=column("level", np.int64),
        propensity=np.array([row.propensities for row in rows], dtype=float),
        bought=bought,
    )
