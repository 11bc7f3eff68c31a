"""A counter where messages are given their discounts: campaigns, codes and messages made by hand, no lake, no mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.domain.discounts import Claims, Plan, new_code, window
from app.services.discounts import Asked, claim
from app.store import outbox
from app.store.counters import allocate
from app.store.models.campaigns import Campaign
from app.store.models.discounts import DiscountCode, DiscountOffer, DiscountPlan, DiscountPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.store.session import Store

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PLAN = Plan(levels=(500, 1000), ceiling_minor=1000, validity_days=14, budget_minor=100_000, none_percent=20)


def add_campaign(store: Store, ctx: ShopContext, plan: Plan = PLAN, number: int = 1, mode: str = "managed") -> int:
    """An active campaign with this plan."""
    values: dict[str, Any] = vars(plan) | {"levels": list(plan.levels)}
    with store.session(ctx) as session:
        session.add(
            Campaign(
                shop_id=ctx.shop_id, id=number, name=f"Campaign {number}", folded_name=f"campaign {number}",
                state="active", frequency="once", every_days=7, wait_days=0, repeats=1, content_version=1,
                discount_mode=mode, holdout_percent=0, suggested=[], created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            DiscountPlan(shop_id=ctx.shop_id, campaign_id=number, version=1, policy=None, updated_at=NOW, **values)
        )
    return number


def add_codes(store: Store, ctx: ShopContext, count: int, plan: Plan = PLAN, campaign: int = 1) -> None:
    """`count` ready codes of every level, as the refill leaves them."""
    until, ends = window(ctx, plan.validity_days, NOW)
    with store.session(ctx) as session:
        for amount in plan.levels:
            pool = allocate(session, ctx.shop_id, "discount_pools")
            session.add(
                DiscountPool(
                    shop_id=ctx.shop_id, id=pool, campaign_id=campaign, amount_minor=amount,
                    ceiling_minor=plan.ceiling_minor, min_basket_minor=plan.min_basket_minor, give_until=until,
                    ends_at=ends, state="ready", shopify_gid=f"gid://shopify/DiscountCodeNode/{pool}", created_at=NOW,
                )
            )  # fmt: skip
            session.flush()
            first = allocate(session, ctx.shop_id, "discount_codes", count) if count else 0
            session.add_all(
                DiscountCode(shop_id=ctx.shop_id, id=first + step, pool_id=pool, code=new_code(), state="ready")
                for step in range(count)
            )


def add_messages(store: Store, ctx: ShopContext, customers: Sequence[int], campaign: int = 1) -> list[Asked]:
    """One queued message per customer, as claims are asked for."""
    made = []
    with store.session(ctx) as session:
        for customer in customers:
            new = outbox.NewMessage(
                customer_no=customer, campaign_id=campaign, occurrence=f"{campaign}", content_version=1, sender_id=1,
                product_no=1, purchased_product_no=None, kind="repurchase", probability=0.2, lift=None,
                expires_at=NOW + timedelta(days=1),
            )  # fmt: skip
            message_id = outbox.enqueue(session, ctx, NOW, new)
            assert message_id is not None
            made.append(Asked(message_id, customer, 0.2, 4000))
    return made


def serve(store: Store, ctx: ShopContext, asked: Sequence[Asked], campaign: int = 1, now: datetime = NOW) -> Claims:
    """Claim for these messages in a transaction of their own."""
    with store.session(ctx) as session:
        return claim(session, ctx, find(session, ctx, campaign), asked, now)


def find(session: Session, ctx: ShopContext, campaign: int) -> Campaign:
    return session.get_one(Campaign, {"shop_id": ctx.shop_id, "id": campaign})


def offers(store: Store, ctx: ShopContext, campaign: int = 1) -> list[DiscountOffer]:
    with store.reading(ctx) as session:
        query = select(DiscountOffer).where(DiscountOffer.shop_id == ctx.shop_id, DiscountOffer.campaign_id == campaign)
        return list(session.scalars(query))


def issued(store: Store, ctx: ShopContext) -> list[DiscountCode]:
    with store.reading(ctx) as session:
        query = select(DiscountCode).where(DiscountCode.shop_id == ctx.shop_id, DiscountCode.message_id.is_not(None))
        return list(session.scalars(query))
