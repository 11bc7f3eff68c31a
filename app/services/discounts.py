"""Discounts at hand-over: what a message offers is drawn, paid from the budget and given a code of its own.

All of it happens in the transaction of the stamp, under the lock of the campaign's plan: what is not committed was
never offered, and what is committed stays with its message, whatever becomes of the process. A code is bound to one
message by a conditional write and is never bound again. A message that was promised a code and finds none ready
waits; it does not go without, as that would make "got none" depend on how fast codes are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.domain.campaigns import uniform
from app.domain.discounts import GIVE_DAYS, Claims, Given, Plan, period_of, window, words
from app.store.models.discounts import DiscountBudget, DiscountCode, DiscountOffer, DiscountPlan, DiscountPool
from ml.policy.discount import EXPLORE_BUDGET, EXPLORE_SHARE, Customers, DiscountPolicy, Response, offer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.store.models.campaigns import Campaign

WAIT = timedelta(minutes=5)
WAITS_FOR = "waits for a discount code"
MANAGED = "managed"
BASKETS = """SELECT customer_no, CAST(round(avg(total_minor)) AS BIGINT) FROM orders
WHERE counts AND total_minor IS NOT NULL AND customer_no IN (SELECT unnest($customers::INTEGER[])) GROUP BY 1"""


@dataclass(frozen=True)
class Asked:
    """A message that is about to go out. probability: of buying without a discount. basket_minor: 0 if not known."""

    message_id: str
    customer_no: int
    probability: float
    basket_minor: int


def baskets(connection: duckdb.DuckDBPyConnection, customers: Collection[int]) -> dict[int, int]:
    """Customer → what their orders came to on average, minor units."""
    found = connection.execute(BASKETS, {"customers": sorted(customers)}).fetchall()
    return {int(customer): int(total) for customer, total in found}


def claim(session: Session, ctx: ShopContext, campaign: Campaign, asked: Sequence[Asked], now: datetime) -> Claims:
    """Decide what these messages offer and bind their codes. Call it in the stamp's transaction.

    asked: of this campaign, at most one per customer. A message that has a code keeps it. Of a campaign that
    doesn't manage discounts only messages that were tried before, when it did, have anything.
    """
    ids = [one.message_id for one in asked]
    plan = session.get(
        DiscountPlan,
        {"shop_id": ctx.shop_id, "campaign_id": campaign.id},
        with_for_update=True,
        populate_existing=True,
    )
    offers = _offers(session, ctx, ids)
    claims = Claims(given=shown(session, ctx, ids))
    if plan is None or campaign.discount_mode != MANAGED:
        stale = [one.message_id for one in offers.values() if one.amount_minor and one.message_id not in claims.given]
        undo(session, ctx, stale)
        return claims
    fresh = [one for one in asked if one.message_id not in offers]
    if fresh:
        drawn = _draw(session, ctx, plan, fresh, now)
        offers |= {row.message_id: row for row in drawn}
        claims.fresh = {row.message_id for row in drawn}
    short = [row for row in offers.values() if row.amount_minor and row.message_id not in claims.given]
    for amount in sorted({row.amount_minor for row in short}):
        rows = sorted((row for row in short if row.amount_minor == amount), key=lambda row: row.message_id)
        bound = _bind(session, ctx, plan, amount, [row.message_id for row in rows], now)
        for row in rows:
            if row.message_id in bound:
                claims.given[row.message_id] = bound[row.message_id]
                row.ends_at = bound[row.message_id].ends_at or row.ends_at
    claims.waiting = {row.message_id for row in short if row.message_id not in claims.given}
    session.flush()
    return claims


def undo(session: Session, ctx: ShopContext, message_ids: Collection[str]) -> None:
    """Take back offers that were made in this transaction, or that have no code yet: nobody ever saw them."""
    if not message_ids:
        return
    session.flush()
    for row in _offers(session, ctx, message_ids).values():
        give_back(session, ctx, row)
    mine = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.message_id.in_(list(message_ids)))
    session.execute(update(DiscountCode).where(*mine).values(state="ready", message_id=None, issued_at=None))
    gone = (DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.message_id.in_(list(message_ids)))
    session.execute(delete(DiscountOffer).where(*gone))


def shown(session: Session, ctx: ShopContext, message_ids: Collection[str]) -> dict[str, Given]:
    """The codes that these messages carry, as they carry them: for sending again and for the web view."""
    query = (
        select(DiscountCode, DiscountPool)
        .join(DiscountPool, (DiscountPool.shop_id == DiscountCode.shop_id) & (DiscountPool.id == DiscountCode.pool_id))
        .where(DiscountCode.shop_id == ctx.shop_id, DiscountCode.message_id.in_(list(message_ids)))
    )
    return {code.message_id or "": _given(ctx, code.code, pool) for code, pool in session.execute(query)}


def sample(ctx: ShopContext, plan: DiscountPlan | None, now: datetime) -> Given | None:
    """What a preview shows: the largest amount, a code that says it is none, and the last day of one sent now."""
    if plan is None or not plan.levels:
        return None
    _, ends_at = window(ctx, plan.validity_days, now)
    amount = max(plan.levels)
    return Given("SAMPLE-CODE", words(ctx, amount, plan.min_basket_minor, ends_at), amount, ends_at)


def plan_of(row: DiscountPlan) -> Plan:
    """The merchant's bounds as a value."""
    period: Any = row.budget_period
    return Plan(
        levels=tuple(row.levels),
        ceiling_minor=row.ceiling_minor,
        min_basket_minor=row.min_basket_minor,
        validity_days=row.validity_days,
        budget_minor=row.budget_minor,
        budget_period=period,
        none_percent=row.none_percent,
        margin_percent=row.margin_percent,
    )


def policy_of(row: DiscountPlan) -> DiscountPolicy:
    """What the plan's offers have taught; without any, no discount but by chance."""
    kept = row.policy or {}
    response = Response(
        intercept=float(kept.get("intercept", 0.0)),
        weights=np.zeros(0),
        centre=np.zeros(0),
        spread=np.ones(0),
        slopes=np.array(kept.get("slopes", [0.0] * 4), dtype=float),
    )
    return DiscountPolicy(response, tuple(kept.get("levels", (0,))), str(kept.get("basis", "start")))


def none_and_random(plan: Plan, policy: DiscountPolicy) -> tuple[float, float]:
    """The shares of messages that get none whatever the policy says, and that get a level at random."""
    none = plan.none_percent / 100
    # Before anything is known, chance is the best teacher: everybody outside the slice gets a level at random.
    return none, 1 - none if policy.basis == "start" else min(EXPLORE_SHARE, 1 - none)


def reserved(session: Session, ctx: ShopContext, campaign_id: int, period: str) -> int:
    """Minor units of the period's budget that are spoken for."""
    row = session.get(
        DiscountBudget,
        {"shop_id": ctx.shop_id, "campaign_id": campaign_id, "period": period},
        populate_existing=True,
    )
    return row.reserved_minor if row is not None else 0


def give_back(session: Session, ctx: ShopContext, row: DiscountOffer) -> None:
    """Return an offer's amount to its budget, once."""
    if not row.amount_minor or row.released_at is not None:
        return
    mine = (
        DiscountBudget.shop_id == ctx.shop_id,
        DiscountBudget.campaign_id == row.campaign_id,
        DiscountBudget.period == row.period,
    )
    left = DiscountBudget.reserved_minor - row.amount_minor
    session.execute(update(DiscountBudget).where(*mine).values(reserved_minor=left))


def _draw(
    session: Session, ctx: ShopContext, row: DiscountPlan, asked: Sequence[Asked], now: datetime
) -> list[DiscountOffer]:
    """Draw what each gets within what is left of the budget, and take that from it. The plan is locked."""
    plan, policy = plan_of(row), policy_of(row)
    period = period_of(ctx, plan.budget_period, now)
    left = max(plan.budget_minor - reserved(session, ctx, row.campaign_id, period), 0)
    basket = np.array([max(one.basket_minor, plan.min_basket_minor) for one in asked], dtype=np.int64)
    customers = Customers(
        customer_no=np.array([one.customer_no for one in asked], dtype=np.int64),
        probability=np.array([one.probability for one in asked], dtype=float),
        context=np.zeros((len(asked), 0)),
        basket_minor=basket,
        margin_minor=basket * plan.margin_percent // 100,
    )
    none, random = none_and_random(plan, policy)
    found = offer(
        policy,
        customers,
        plan.ceiling_minor,
        left,
        seed=int(uniform("discount", ctx.shop_id, *sorted(one.message_id for one in asked)) * 2**53),
        levels_minor=plan.levels,
        none_share=none,
        explore_share=random,
        explore_budget=1 if policy.basis == "start" else EXPLORE_BUDGET,
    )
    _, ends_at = window(ctx, plan.validity_days, now)
    amounts = [0, *(min(amount, plan.ceiling_minor) for amount in plan.levels)]
    rows = [
        DiscountOffer(
            shop_id=ctx.shop_id,
            message_id=one.message_id,
            campaign_id=row.campaign_id,
            customer_no=one.customer_no,
            plan_version=row.version,
            level=int(found.level[place]),
            amount_minor=int(found.amount_minor[place]),
            amounts=amounts,
            propensities=found.propensity[place].tolist(),
            probability=one.probability,
            basket_minor=int(basket[place]),
            margin_minor=int(customers.margin_minor[place]),
            basis=policy.basis,
            period=period,
            offered_at=now,
            ends_at=ends_at,
        )
        for place, one in enumerate(asked)
    ]
    _take(session, ctx, row.campaign_id, period, sum(one.amount_minor for one in rows), plan.budget_minor)
    session.add_all(rows)
    session.flush()
    return rows


def _take(session: Session, ctx: ShopContext, campaign_id: int, period: str, minor: int, budget_minor: int) -> None:
    """Speak for `minor` of the budget by a conditional write: it can't be overdrawn whoever else writes."""
    if not minor:
        return
    insert: Any = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    key = {"shop_id": ctx.shop_id, "campaign_id": campaign_id, "period": period}
    session.execute(insert(DiscountBudget).values(**key, reserved_minor=0).on_conflict_do_nothing())
    after = DiscountBudget.reserved_minor + minor
    mine = [getattr(DiscountBudget, name) == value for name, value in key.items()]
    taken = update(DiscountBudget).where(*mine, after <= budget_minor).values(reserved_minor=after)
    if session.execute(taken.returning(DiscountBudget.period)).first() is None:
        raise RuntimeError("discounts were drawn beyond their budget")  # the transaction rolls back: nothing went out


def _bind(
    session: Session, ctx: ShopContext, plan: DiscountPlan, amount: int, message_ids: list[str], now: datetime
) -> dict[str, Given]:
    """Bind ready codes of this amount, one to each message while they last."""
    if amount > plan.ceiling_minor:
        return {}
    query = (
        select(DiscountCode.id, DiscountCode.code, DiscountPool)
        .join(DiscountPool, (DiscountPool.shop_id == DiscountCode.shop_id) & (DiscountPool.id == DiscountCode.pool_id))
        .where(
            DiscountCode.shop_id == ctx.shop_id,
            DiscountCode.state == "ready",
            DiscountCode.message_id.is_(None),
            DiscountPool.campaign_id == plan.campaign_id,
            DiscountPool.state == "ready",
            DiscountPool.amount_minor == amount,
            DiscountPool.min_basket_minor == plan.min_basket_minor,
            DiscountPool.give_until > now,
            # Not next week's yet: a customer is mailed at most once in a pool's week, and may use one code of a pool.
            DiscountPool.give_until <= now + timedelta(days=GIVE_DAYS, hours=1),
            # A promise of days that was lengthened since: older codes end too early.
            DiscountPool.ends_at >= now + timedelta(days=plan.validity_days),
        )
        .order_by(DiscountPool.ends_at, DiscountCode.id)
        .limit(len(message_ids))
        .with_for_update(skip_locked=True, of=DiscountCode)
    )
    bound: dict[str, Given] = {}
    for message_id, (number, code, pool) in zip(message_ids, session.execute(query).all(), strict=False):
        mine = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.id == number, DiscountCode.message_id.is_(None))
        taken = update(DiscountCode).where(*mine).values(state="issued", message_id=message_id, issued_at=now)
        if session.execute(taken.returning(DiscountCode.id)).first() is not None:
            bound[message_id] = _given(ctx, code, pool)
    return bound


def _given(ctx: ShopContext, code: str, pool: DiscountPool) -> Given:
    text = words(ctx, pool.amount_minor, pool.min_basket_minor, pool.ends_at)
    return Given(code, text, pool.amount_minor, pool.ends_at)


def _offers(session: Session, ctx: ShopContext, message_ids: Collection[str]) -> dict[str, DiscountOffer]:
    query = select(DiscountOffer).where(
        DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.message_id.in_(list(message_ids))
    )
    return {row.message_id: row for row in session.scalars(query.execution_options(populate_existing=True))}
