"""Codes made ahead of need, and taken away after their end.

Every code's text is kept before Shopify hears of it, and every call may be repeated: the job may die anywhere and the
next one goes on. Nothing talks to Shopify inside a transaction.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select, update

from app.domain.discounts import new_code, period_of, window
from app.errors import Conflict, EncoreError, Unavailable
from app.services.discounts import MANAGED, give_back, plan_of, reserved
from app.services.published import latest_history
from app.services.shop_ports import DISCOUNT_SCOPES, NewDiscount
from app.services.shop_scopes import lacking
from app.store.counters import allocate
from app.store.models.campaigns import Campaign
from app.store.models.discounts import DiscountCode, DiscountOffer, DiscountPlan, DiscountPool
from app.store.models.sending import Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.domain.discounts import Plan
    from app.services.rooms import Rooms
    from app.services.shop_ports import DiscountShop

log = structlog.get_logger()

JOB = "discounts"
A_CALL = 250
SPARE = 10  # codes beyond what is waiting, of every level
AHEAD = timedelta(days=1)  # next week's codes are made this long before they are handed out
GRACE = timedelta(days=2)  # orders of the last minute are imported by then
NEVER_LEFT = ("capped", "cancelled", "failed")
NO_SHOPIFY = "Encore is not connected to a Shopify store here, so it can't make codes."
NO_SCOPE = "Encore may not make discounts yet. Open Encore from the Shopify admin and grant the new permission."


def tend(rooms: Rooms, ctx: ShopContext) -> int:
    """Make the codes that will soon be needed, and close pools that have ended; returns codes made.

    What goes wrong for one campaign is written on its plan, and the next campaign is tended.
    """
    made = 0
    release_dead(rooms, ctx)
    for number in _managed(rooms, ctx):
        problem = None
        try:
            made += _fill(rooms, ctx, number, _shop(rooms, ctx))
        except EncoreError as fault:
            problem = fault.message
            log.warning("discount_codes_not_made", shop_id=ctx.shop_id, campaign_id=number, code=fault.code)
        with rooms.store.session(ctx) as session:
            mine = (DiscountPlan.shop_id == ctx.shop_id, DiscountPlan.campaign_id == number)
            session.execute(update(DiscountPlan).where(*mine).values(problem=problem))
    _read_redemptions(rooms, ctx)
    _close_ended(rooms, ctx)
    if made:
        log.info("discount_codes_made", shop_id=ctx.shop_id, codes=made)
    return made


def short(session: Session, ctx: ShopContext, now: datetime) -> bool:
    """Whether messages wait for codes, or a campaign has none for this week; not while the last try failed.

    A failed try is repeated by the schedule, not by every tick of sending.
    """
    trying = (DiscountPlan.shop_id == ctx.shop_id, DiscountPlan.problem.is_(None))
    waiting = (
        select(DiscountOffer.message_id)
        .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
        .join(DiscountPlan, (DiscountPlan.shop_id == DiscountOffer.shop_id)
              & (DiscountPlan.campaign_id == DiscountOffer.campaign_id))
        .outerjoin(
            DiscountCode,
            (DiscountCode.shop_id == DiscountOffer.shop_id) & (DiscountCode.message_id == DiscountOffer.message_id),
        )
        .where(*trying, DiscountOffer.amount_minor > 0, DiscountCode.id.is_(None), Message.state == "queued")
    )  # fmt: skip
    if session.execute(waiting.limit(1)).first() is not None:
        return True
    current = select(DiscountPool.campaign_id).where(DiscountPool.shop_id == ctx.shop_id, DiscountPool.give_until > now)
    bare = (
        select(Campaign.id)
        .join(DiscountPlan, (DiscountPlan.shop_id == Campaign.shop_id) & (DiscountPlan.campaign_id == Campaign.id))
        .where(*trying, Campaign.state == "active", Campaign.discount_mode == MANAGED, Campaign.id.not_in(current))
    )
    return session.execute(bare.limit(1)).first() is not None


def ready(session: Session, ctx: ShopContext, campaign_id: int) -> dict[int, int]:
    """Amount → codes that could be given now or next week."""
    query = (
        select(DiscountPool.amount_minor, func.count(DiscountCode.id))
        .join(DiscountCode, (DiscountCode.shop_id == DiscountPool.shop_id) & (DiscountCode.pool_id == DiscountPool.id))
        .where(DiscountPool.shop_id == ctx.shop_id, DiscountPool.campaign_id == campaign_id)
        .where(DiscountCode.state == "ready", DiscountPool.state == "ready")
        .group_by(DiscountPool.amount_minor)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def release_dead(rooms: Rooms, ctx: ShopContext) -> int:
    """Give the budget back what was promised to messages that never left and never had a code; returns how many."""
    query = (
        select(DiscountOffer)
        .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
        .outerjoin(
            DiscountCode,
            (DiscountCode.shop_id == DiscountOffer.shop_id) & (DiscountCode.message_id == DiscountOffer.message_id),
        )
        .where(
            DiscountOffer.shop_id == ctx.shop_id,
            DiscountOffer.amount_minor > 0,
            DiscountOffer.released_at.is_(None),
            DiscountCode.id.is_(None),
            Message.state.in_(NEVER_LEFT),
        )
        .with_for_update(of=DiscountOffer)
    )
    with rooms.store.session(ctx) as session:
        rows = list(session.scalars(query))
        _release(session, ctx, rows, rooms.clock.now())
        return len(rows)


def _shop(rooms: Rooms, ctx: ShopContext) -> DiscountShop:
    if rooms.discount_shop is None or not ctx.domain.endswith(".myshopify.com"):
        raise Unavailable(NO_SHOPIFY)
    with rooms.store.reading(ctx) as session:
        if lacking(session, ctx, DISCOUNT_SCOPES):
            raise Unavailable(NO_SCOPE)
    return rooms.discount_shop


def _managed(rooms: Rooms, ctx: ShopContext) -> list[int]:
    with rooms.store.reading(ctx) as session:
        mine = (Campaign.shop_id == ctx.shop_id, Campaign.discount_mode == MANAGED, Campaign.state == "active")
        return list(session.scalars(select(Campaign.id).where(*mine).order_by(Campaign.id)))


def _fill(rooms: Rooms, ctx: ShopContext, campaign_id: int, shop: DiscountShop) -> int:
    """Bring every level's codes up to what is needed; returns codes made."""
    made = 0
    with rooms.store.reading(ctx) as session:
        row = session.get(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": campaign_id})
        if row is None or plan_of(row).problems(ctx.currency):
            return 0
        plan, now = plan_of(row), rooms.clock.now()
        wanted = _wanted(session, ctx, campaign_id, plan, now)
        name = session.get_one(Campaign, {"shop_id": ctx.shop_id, "id": campaign_id}).name or f"Campaign {campaign_id}"
    windows = sorted({window(ctx, plan.validity_days, at) for at in (now, now + AHEAD)})
    for amount, count in sorted(wanted.items()):
        for place, (give_until, ends_at) in enumerate(windows):
            if amount > plan.ceiling_minor:
                continue
            pool = _pool(rooms, ctx, campaign_id, plan, amount, (give_until, ends_at))
            # Next week's pool starts with the spare; it is filled up when its week comes.
            _plan_codes(rooms, ctx, pool, count if place == 0 else SPARE)
            gid = _made(rooms, ctx, pool, shop, name)
            made += _push(rooms, ctx, pool, gid, shop)
    return made


def _wanted(session: Session, ctx: ShopContext, campaign_id: int, plan: Plan, now: datetime) -> dict[int, int]:
    """Amount → unbound codes that should be there: for who waits, who is in line, and as many again as last day."""
    mine = (Message.shop_id == ctx.shop_id, Message.campaign_id == campaign_id)
    decided = select(DiscountOffer.message_id).where(DiscountOffer.shop_id == ctx.shop_id)
    in_line = session.scalar(
        select(func.count()).select_from(Message).where(*mine, Message.state == "queued", Message.id.not_in(decided))
    )
    lately = session.scalar(
        select(func.count()).select_from(Message).where(*mine, Message.planned_at > now - timedelta(days=1))
    )
    promised = (
        select(DiscountOffer.amount_minor, func.count())
        .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
        .outerjoin(
            DiscountCode,
            (DiscountCode.shop_id == DiscountOffer.shop_id) & (DiscountCode.message_id == DiscountOffer.message_id),
        )
        .where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.campaign_id == campaign_id)
        .where(DiscountOffer.amount_minor > 0, DiscountCode.id.is_(None), Message.state == "queued")
        .group_by(DiscountOffer.amount_minor)
    )
    waiting: Counter[int] = Counter({row[0]: row[1] for row in session.execute(promised)})
    left = plan.budget_minor - reserved(session, ctx, campaign_id, period_of(ctx, plan.budget_period, now))
    # Chance may give one level more than its share; what is left over is used in the days after.
    share = math.ceil(1.5 * ((in_line or 0) + (lately or 0)) / len(plan.levels)) + SPARE
    return {
        amount: waiting[amount] + (min(share, max(left, 0) // amount) if amount in plan.levels else 0)
        for amount in {*plan.levels, *waiting}
    }


def _pool(
    rooms: Rooms, ctx: ShopContext, campaign_id: int, plan: Plan, amount: int, ends: tuple[datetime, datetime]
) -> int:
    """The number of the pool of this amount and week, made if there is none."""
    give_until, ends_at = ends
    with rooms.store.session(ctx) as session:
        _lock(session, ctx, campaign_id)
        found = session.scalars(
            select(DiscountPool.id).where(
                DiscountPool.shop_id == ctx.shop_id,
                DiscountPool.campaign_id == campaign_id,
                DiscountPool.amount_minor == amount,
                DiscountPool.min_basket_minor == plan.min_basket_minor,
                DiscountPool.ends_at == ends_at,
            )
        ).first()
        if found is not None:
            return found
        number = allocate(session, ctx.shop_id, "discount_pools")
        session.add(
            DiscountPool(
                shop_id=ctx.shop_id, id=number, campaign_id=campaign_id, amount_minor=amount,
                ceiling_minor=plan.ceiling_minor, min_basket_minor=plan.min_basket_minor, give_until=give_until,
                ends_at=ends_at, state="planned", created_at=rooms.clock.now(),
            )
        )  # fmt: skip
        return number


def _plan_codes(rooms: Rooms, ctx: ShopContext, pool: int, count: int) -> None:
    """Write down texts of codes until `count` are unbound; at least one, as a discount can't be made without."""
    with rooms.store.session(ctx) as session:
        row = session.get_one(DiscountPool, {"shop_id": ctx.shop_id, "id": pool}, with_for_update=True)
        if row.state == "closed":
            return
        mine = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.pool_id == pool)
        free = session.scalar(
            select(func.count()).select_from(DiscountCode).where(*mine, DiscountCode.state.in_(("planned", "ready")))
        )
        missing = max(count, 0 if row.shopify_gid else 1) - (free or 0)
        if missing <= 0:
            return
        first = allocate(session, ctx.shop_id, "discount_codes", missing)
        session.add_all(
            DiscountCode(shop_id=ctx.shop_id, id=first + step, pool_id=pool, code=new_code(), state="planned")
            for step in range(missing)
        )


def _made(rooms: Rooms, ctx: ShopContext, pool: int, shop: DiscountShop, name: str) -> str:
    """The pool's discount at Shopify, found there if an earlier try made it and died, else made."""
    with rooms.store.reading(ctx) as session:
        row = session.get_one(DiscountPool, {"shop_id": ctx.shop_id, "id": pool})
        mine = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.pool_id == pool)
        first = session.scalars(select(DiscountCode.code).where(*mine).order_by(DiscountCode.id).limit(1)).one()
    if row.shopify_gid:
        return row.shopify_gid
    found = shop.find(ctx, first)
    if found is not None:
        gid = found.gid
    else:
        new = NewDiscount(
            title=f"Encore: {name[:80]}",
            code=first,
            amount_minor=row.amount_minor,
            min_basket_minor=row.min_basket_minor,
            starts_at=row.created_at,
            ends_at=row.ends_at,
            usage_limit=1,
        )
        try:
            gid = shop.create(ctx, new)
        except Conflict as fault:  # another worker was as far, and first
            raced = shop.find(ctx, first)
            if raced is None:
                raise Unavailable("Shopify says that a discount exists and does not find it.") from fault
            gid = raced.gid
    with rooms.store.session(ctx) as session:
        row = session.get_one(DiscountPool, {"shop_id": ctx.shop_id, "id": pool}, with_for_update=True)
        row.shopify_gid, row.state = row.shopify_gid or gid, "ready"
    return gid


def _push(rooms: Rooms, ctx: ShopContext, pool: int, gid: str, shop: DiscountShop) -> int:
    """Tell Shopify of the pool's planned codes; returns how many became ready."""
    mine = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.pool_id == pool, DiscountCode.state == "planned")
    made = 0
    while True:
        with rooms.store.reading(ctx) as session:
            batch = list(
                session.scalars(select(DiscountCode.code).where(*mine).order_by(DiscountCode.id).limit(A_CALL))
            )
        if not batch:
            return made
        there = shop.add_codes(ctx, gid, batch)
        with rooms.store.session(ctx) as session:
            for code in batch:
                state = "ready" if code in there else "broken"
                session.execute(update(DiscountCode).where(*mine, DiscountCode.code == code).values(state=state))
        made += len(there)


def _read_redemptions(rooms: Rooms, ctx: ShopContext) -> None:
    """Find issued codes in the orders of the newest import."""
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        out = (DiscountCode.shop_id == ctx.shop_id, DiscountCode.state == "issued", DiscountCode.order_id.is_(None))
        since = session.scalar(select(func.min(DiscountCode.issued_at)).where(*out))
    if history is None or since is None:
        return
    connection = rooms.lake.connect(ctx, history.tables)
    try:
        rows = connection.execute(
            """SELECT upper(code), order_id, processed_at, coalesce(discounts_minor, 0) FROM (
                 SELECT unnest(discount_codes) AS code, order_id, processed_at, discounts_minor FROM orders
                 WHERE len(discount_codes) > 0 AND processed_at >= $since) ORDER BY processed_at, order_id""",
            {"since": since},
        ).fetchall()
    finally:
        connection.close()
    used: dict[str, tuple[int, datetime, int]] = {}
    for code, order_id, at, minor in rows:
        used.setdefault(code, (order_id, at, minor))
    with rooms.store.session(ctx) as session:
        codes = list(session.execute(select(DiscountCode, DiscountPool.amount_minor).join(
            DiscountPool, (DiscountPool.shop_id == DiscountCode.shop_id) & (DiscountPool.id == DiscountCode.pool_id)
        ).where(*out)))  # fmt: skip
        for code, amount in codes:
            if code.code in used:
                code.order_id, code.redeemed_at, minor = used[code.code]
                code.redeemed_minor = min(amount, minor)


def _close_ended(rooms: Rooms, ctx: ShopContext) -> None:
    """Remove the unused codes of pools that have ended, and give their worth back to the budget.

    Shopify's count of uses decides, not our orders: an import may be late, and a used code stays paid for.
    """
    now = rooms.clock.now()
    with rooms.store.reading(ctx) as session:
        ended = (
            DiscountPool.shop_id == ctx.shop_id,
            DiscountPool.state != "closed",
            DiscountPool.ends_at < now - GRACE,
        )
        pools = list(session.scalars(select(DiscountPool).where(*ended).order_by(DiscountPool.id)))
    for pool in pools:
        try:
            if pool.shopify_gid is None:  # planned and never made: nothing of it can have been given
                _settle(rooms, ctx, pool, {})
                continue
            shop = _shop(rooms, ctx)
            there = shop.codes(ctx, pool.shopify_gid)
            unused = [gid for gid, uses in there.values() if uses == 0]
            for start in range(0, len(unused), A_CALL):
                shop.remove_codes(ctx, pool.shopify_gid, unused[start : start + A_CALL])
            _settle(rooms, ctx, pool, {code.upper(): uses for code, (_, uses) in there.items()})
        except EncoreError as fault:
            log.warning("discount_pool_not_closed", shop_id=ctx.shop_id, pool=pool.id, code=fault.code)


def _settle(rooms: Rooms, ctx: ShopContext, pool: DiscountPool, uses: dict[str, int]) -> None:
    """Close a pool in one transaction: used codes stay, the others go and their budget comes back."""
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        row = session.get_one(DiscountPool, {"shop_id": ctx.shop_id, "id": pool.id}, with_for_update=True)
        if row.state == "closed":
            return
        row.state, row.closed_at = "closed", now
        unused: list[str] = []
        for code in session.scalars(
            select(DiscountCode).where(DiscountCode.shop_id == ctx.shop_id, DiscountCode.pool_id == pool.id)
        ):
            if uses.get(code.code, 0) or code.order_id is not None:
                code.redeemed_at = code.redeemed_at or row.ends_at
                code.redeemed_minor = row.amount_minor if code.redeemed_minor is None else code.redeemed_minor
                continue
            code.state = "removed"
            if code.message_id is not None:
                unused.append(code.message_id)
        offers = select(DiscountOffer).where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.message_id.in_(unused))
        _release(session, ctx, list(session.scalars(offers)), now)


def _release(session: Session, ctx: ShopContext, rows: Sequence[DiscountOffer], now: datetime) -> None:
    for row in rows:
        give_back(session, ctx, row)
        row.released_at = row.released_at or now
    session.flush()


def _lock(session: Session, ctx: ShopContext, campaign_id: int) -> None:
    session.get(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": campaign_id}, with_for_update=True)
