"""The discount step of a campaign: what may be given, how it stands, and checks of a merchant's own code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from app.domain.discounts import Plan, period_of
from app.domain.money import to_text
from app.errors import Invalid, Unavailable
from app.services import campaigns
from app.services.campaigns_audience import audience_of, newest_history
from app.services.discount_checks import DEFAULT, blocked_by, plan_row
from app.services.discount_pools import JOB, NEVER_LEFT, NO_SHOPIFY, ready
from app.services.discounts import MANAGED, give_back, plan_of, reserved
from app.services.reachable import reachable
from app.services.shop_ports import NewDiscount
from app.store.models.discounts import DiscountCode, DiscountOffer, DiscountPlan, DiscountPool
from app.store.models.sending import Message

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.campaigns import Unresolved
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.shop_ports import DiscountShop, FoundDiscount


@dataclass(frozen=True)
class Standing:
    """How a campaign's managed discounts stand. Amounts in minor units.

    blocked: why Encore can't make discounts here at all. problem: why the last try to make codes failed.
    waiting: messages in line that were promised a code that is not ready. most_cost_minor: what all members who can
    be mailed could cost at most with the plan as it is, were every code used.
    """

    plan: Plan
    saved: bool
    unresolved: list[Unresolved]
    blocked: str | None
    problem: str | None
    reachable: int | None
    most_cost_minor: int | None
    reserved_minor: int
    ready: int
    issued: int
    redeemed: int
    waiting: int
    basis: str


@dataclass(frozen=True)
class CodeCheck:
    """What Shopify says of a merchant's code. ok: nothing speaks against it. warnings: it works, but."""

    ok: bool
    problem: str | None
    warnings: tuple[str, ...]
    summary: str | None
    ends_at: datetime | None


def standing(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Standing:
    """How the campaign's managed discounts stand. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        row = plan_row(session, ctx, campaign.id)
        plan = plan_of(row) if row is not None else DEFAULT
        audience = audience_of(session, ctx, campaign.segment_id)
        able = reachable(session, ctx)
        whole = campaign.audience_type == "automatic"
        people = len(able) if whole else len(audience.members & able) if audience else None
        counts = _counts(session, ctx, campaign.id)
        blocked = blocked_by(rooms, session, ctx)
        period = period_of(ctx, plan.budget_period, rooms.clock.now())
        spoken = reserved(session, ctx, campaign.id, period)
        codes = sum(ready(session, ctx, campaign.id).values())
    most = None
    if people is not None and plan.levels:
        most = min(people * max(plan.levels) * (100 - plan.none_percent) // 100, plan.budget_minor)
    return Standing(
        plan=plan,
        saved=row is not None,
        unresolved=plan.problems(ctx.currency),
        blocked=blocked,
        problem=row.problem if row is not None else None,
        reachable=people,
        most_cost_minor=most,
        reserved_minor=spoken,
        ready=codes,
        basis=str((row.policy or {}).get("basis", "start")) if row is not None else "start",
        **counts,
    )


def save(rooms: Rooms, ctx: ShopContext, campaign_id: str, changes: dict[str, Any]) -> None:
    """Keep what is given of the plan, even if unfinished in a draft; fields left out stay.

    Promises that nobody has seen yet are taken back, and drawn anew under the new bounds. Raises Invalid if an
    active or paused campaign would be left with a plan that can't be used.
    """
    if "levels" in changes:
        changes = changes | {"levels": tuple(sorted(changes["levels"]))}
    with rooms.store.session(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        row = plan_row(session, ctx, campaign.id, lock=True)
        before = plan_of(row) if row is not None else DEFAULT
        plan = replace(before, **changes)
        problems = plan.problems(ctx.currency)
        for one in problems:
            if campaign.state != "draft" and campaign.discount_mode == MANAGED:
                raise Invalid(one.message, field=f"discount.{one.field}")
        values = asdict(plan) | {"levels": list(plan.levels), "updated_at": rooms.clock.now()}
        if row is None:
            session.add(DiscountPlan(shop_id=ctx.shop_id, campaign_id=campaign.id, version=1, policy=None, **values))
        else:
            if (plan.levels, plan.min_basket_minor) != (before.levels, before.min_basket_minor):
                row.version, row.policy = row.version + 1, None
            for name, value in values.items():
                setattr(row, name, value)
            row.problem = None
        session.flush()
        if plan != before:
            _take_back(session, ctx, campaign.id)
    rooms.jobs.enqueue(ctx, JOB)


def check_code(rooms: Rooms, ctx: ShopContext, campaign_id: str, code: str) -> CodeCheck:
    """Ask Shopify about a code: it exists, works now, and works for the campaign's product. Raises Unavailable."""
    shop = _shop(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        audience = audience_of(session, ctx, campaign.segment_id)
    if not code.strip():
        raise Invalid("Enter the code.", field="code")
    found = shop.find(ctx, code.strip())
    if found is None:
        return CodeCheck(False, "Your store has no such code.", (), None, None)
    problem = None
    if found.status == "EXPIRED":
        problem = "The code has expired."
    elif found.status == "SCHEDULED":
        problem = "The code does not work yet: its first day has not come."
    elif found.usage_limit is not None and found.used >= found.usage_limit:
        problem = "The code was used as often as it may be."
    elif audience and audience.product_no is not None and found.product_ids is not None:
        product = _product_id(rooms, ctx, audience.product_no)
        if product is not None and product not in found.product_ids:
            problem = "The code does not work for the product that this campaign recommends."
    return CodeCheck(problem is None, problem, _warnings(rooms, found), found.summary, found.ends_at)


def create_code(
    rooms: Rooms, ctx: ShopContext, campaign_id: str, *, code: str, amount_minor: int, min_basket_minor: int, days: int
) -> None:
    """Make one code for everyone in Shopify, once per customer, and use it in the campaign.

    Raises Conflict if the store has the code, Invalid for a bad amount or length, Unavailable.
    """
    shop = _shop(rooms, ctx)
    code = code.strip()
    if not code or len(code) > 40 or any(ord(letter) <= 32 or letter in "[]" for letter in code):  # noqa: PLR2004 - blanks
        raise Invalid("A code has 1 to 40 letters, digits or dashes, and no blanks.", field="code")
    bounds = Plan((amount_minor,), max(amount_minor, 1), min_basket_minor, days, max(amount_minor, 1))
    for one in bounds.problems(ctx.currency):
        raise Invalid(one.message, field={"levels": "amount_minor", "validity_days": "days"}.get(one.field, one.field))
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        name = campaign.name or campaign_id
    now = rooms.clock.now()
    last_day = now.astimezone(ctx.zone).date() + timedelta(days=days)
    end = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), ctx.zone).astimezone(UTC)
    shop.create(ctx, NewDiscount(f"Encore: {name[:80]}", code, amount_minor, min_basket_minor, now, end, None))
    floor = f" of {to_text(min_basket_minor, ctx.currency)} or more" if min_basket_minor else ""
    described = f"{to_text(amount_minor, ctx.currency)} off one order{floor}"
    wanted = {"mode": "single", "code": code, "description": described, "expires_on": last_day}
    campaigns.change(rooms, ctx, campaign_id, {"discount": wanted})


def _warnings(rooms: Rooms, found: FoundDiscount) -> tuple[str, ...]:
    warnings = []
    if found.ends_at is not None and found.ends_at < rooms.clock.now() + timedelta(days=14):
        warnings.append("The code ends within two weeks; e-mails after its last day go without it.")
    if found.usage_limit is not None:
        left = found.usage_limit - found.used
        warnings.append(f"The code may be used {left:,} more times; whoever comes later finds it used up.")
    return tuple(warnings)


def _shop(rooms: Rooms, ctx: ShopContext) -> DiscountShop:
    with rooms.store.reading(ctx) as session:
        blocked = blocked_by(rooms, session, ctx)
    if blocked or rooms.discount_shop is None:
        raise Unavailable(blocked or NO_SHOPIFY)
    return rooms.discount_shop


def _take_back(session: Session, ctx: ShopContext, campaign_id: int) -> None:
    """Forget promises without a code, of messages in line."""
    query = (
        select(DiscountOffer)
        .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
        .outerjoin(
            DiscountCode,
            (DiscountCode.shop_id == DiscountOffer.shop_id) & (DiscountCode.message_id == DiscountOffer.message_id),
        )
        .where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.campaign_id == campaign_id)
        .where(DiscountCode.id.is_(None), DiscountOffer.amount_minor > 0, Message.state == "queued")
    )
    ids = []
    for row in session.scalars(query).all():
        give_back(session, ctx, row)
        ids.append(row.message_id)
    gone = (DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.message_id.in_(ids))
    session.execute(delete(DiscountOffer).where(*gone))


def _counts(session: Session, ctx: ShopContext, campaign_id: int) -> dict[str, int]:
    of_campaign = (
        select(
            func.count(DiscountCode.message_id),
            func.count(DiscountCode.redeemed_at),
        )
        .join(DiscountPool, (DiscountPool.shop_id == DiscountCode.shop_id) & (DiscountPool.id == DiscountCode.pool_id))
        .where(DiscountCode.shop_id == ctx.shop_id, DiscountPool.campaign_id == campaign_id)
    )
    issued, redeemed = session.execute(of_campaign).one()
    waiting = (
        select(func.count())
        .select_from(DiscountOffer)
        .join(Message, (Message.shop_id == DiscountOffer.shop_id) & (Message.id == DiscountOffer.message_id))
        .outerjoin(
            DiscountCode,
            (DiscountCode.shop_id == DiscountOffer.shop_id) & (DiscountCode.message_id == DiscountOffer.message_id),
        )
        .where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.campaign_id == campaign_id)
        .where(DiscountOffer.amount_minor > 0, DiscountCode.id.is_(None), Message.state.not_in(NEVER_LEFT))
    )
    return {"issued": issued, "redeemed": redeemed, "waiting": session.scalar(waiting) or 0}


def _product_id(rooms: Rooms, ctx: ShopContext, product_no: int) -> int | None:
    history = newest_history(rooms, ctx)
    if history is None:
        return None
    try:
        found = history[1].execute("SELECT product_id FROM products WHERE product_no = ?", [product_no]).fetchone()
    finally:
        history[1].close()
    return int(found[0]) if found else None
