"""Discounts that Encore manages: what the merchant allows, codes made ahead of need, and who was offered what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


def _of_campaign() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["shop_id", "campaign_id"], ["campaigns.shop_id", "campaigns.id"], ondelete="CASCADE")


class DiscountPlan(ShopRow, Base):
    """What a campaign may give away, and what its offers have taught so far."""

    __tablename__ = "discount_plans"
    __table_args__ = (
        _of_campaign(),
        CheckConstraint("ceiling_minor >= 0", name="ceiling"),
        CheckConstraint("none_percent BETWEEN 0 AND 100", name="none_percent"),
    )
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    levels: Mapped[list[Any]] = mapped_column(comment="Minor units, rising; none of them above the ceiling")
    ceiling_minor: Mapped[int] = mapped_column(BigInteger)
    min_basket_minor: Mapped[int] = mapped_column(BigInteger)
    validity_days: Mapped[int]
    budget_minor: Mapped[int] = mapped_column(BigInteger)
    budget_period: Mapped[str] = mapped_column(String(8), comment="campaign | month (of the shop's zone)")
    none_percent: Mapped[int] = mapped_column(comment="Get no discount by chance, so that its effect can be measured")
    margin_percent: Mapped[int] = mapped_column(comment="What the shop keeps of a price before a discount")
    version: Mapped[int] = mapped_column(comment="Rises when the levels change: offers of one version compare")
    policy: Mapped[dict[str, Any] | None] = mapped_column(comment="What offers of this version taught; null: nothing")
    problem: Mapped[str | None] = mapped_column(Text, comment="Why codes could not be made at the last try")
    updated_at: Mapped[datetime]


class DiscountBudget(ShopRow, Base):
    """How much of a budget is spoken for: codes offered and not surely unused."""

    __tablename__ = "discount_budgets"
    __table_args__ = (_of_campaign(), CheckConstraint("reserved_minor >= 0", name="reserved"))
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(String(8), primary_key=True, comment="`all`, or a month as 2026-03")
    reserved_minor: Mapped[int] = mapped_column(BigInteger)


class DiscountPool(ShopRow, Base):
    """One discount in Shopify, whose codes share amount, minimum and last day."""

    __tablename__ = "discount_pools"
    __table_args__ = (
        _of_campaign(),
        UniqueConstraint("shop_id", "campaign_id", "amount_minor", "min_basket_minor", "give_until"),
        CheckConstraint("amount_minor > 0 AND amount_minor <= ceiling_minor", name="ceiling"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    ceiling_minor: Mapped[int] = mapped_column(BigInteger, comment="The merchant's, when the pool was made")
    min_basket_minor: Mapped[int] = mapped_column(BigInteger)
    give_until: Mapped[datetime] = mapped_column(comment="Codes are handed out before this instant")
    ends_at: Mapped[datetime] = mapped_column(comment="Codes work before this instant")
    state: Mapped[str] = mapped_column(String(8), comment="planned | ready | closed")
    shopify_gid: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class DiscountCode(ShopRow, Base):
    """One single-use code. Its text is kept before Shopify hears of it, so a try after a crash is the same try."""

    __tablename__ = "discount_codes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["shop_id", "pool_id"], ["discount_pools.shop_id", "discount_pools.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("shop_id", "code"),
        UniqueConstraint("shop_id", "message_id"),
        Index("ix_discount_codes_pool", "shop_id", "pool_id", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pool_id: Mapped[int]
    code: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(8), comment="planned | ready | issued | removed | broken")
    message_id: Mapped[str | None] = mapped_column(String(36), comment="Set once; a code is never given twice")
    issued_at: Mapped[datetime | None]
    redeemed_at: Mapped[datetime | None]
    order_id: Mapped[int | None] = mapped_column(BigInteger)
    redeemed_minor: Mapped[int | None] = mapped_column(BigInteger)


class DiscountOffer(ShopRow, Base):
    """What one message was decided to offer, with the chance that each level had; none is an offer too."""

    __tablename__ = "discount_offers"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "message_id"], ["outbox.shop_id", "outbox.id"], ondelete="CASCADE"),
        Index("ix_discount_offers_campaign", "shop_id", "campaign_id", "offered_at"),
    )
    message_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    campaign_id: Mapped[int]
    customer_no: Mapped[int]
    plan_version: Mapped[int]
    level: Mapped[int] = mapped_column(comment="Position in `amounts`; 0 is none")
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amounts: Mapped[list[Any]] = mapped_column(comment="Minor units of every level, none first")
    propensities: Mapped[list[Any]] = mapped_column(comment="The chance of every level")
    probability: Mapped[float] = mapped_column(comment="Of buying without a discount, as predicted then")
    basket_minor: Mapped[int] = mapped_column(BigInteger)
    margin_minor: Mapped[int] = mapped_column(BigInteger)
    basis: Mapped[str] = mapped_column(String(16), comment="start | constant | customers")
    period: Mapped[str] = mapped_column(String(8), comment="Of the budget that holds the amount")
    offered_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(comment="When it can no longer have an effect")
    released_at: Mapped[datetime | None] = mapped_column(comment="Surely unused: the budget has it back")
