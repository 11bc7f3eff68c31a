"""Campaigns, the versions of their words, the links in them, and the decision diary."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Date,
    Dialect,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.blocks import Block, parse, plain
from app.store.base import Base, JsonColumn, ShopRow


class Blocks(TypeDecorator[tuple[Block, ...]]):
    """Blocks as a list of objects."""

    impl = JsonColumn
    cache_ok = True

    def process_bind_param(self, value: tuple[Block, ...] | None, dialect: Dialect) -> list[dict[str, Any]] | None:  # noqa: ARG002 - SQLAlchemy's signature
        """As JSON."""
        return None if value is None else plain(value)

    def process_result_value(self, value: list[dict[str, Any]] | None, dialect: Dialect) -> tuple[Block, ...] | None:  # noqa: ARG002 - SQLAlchemy's signature
        """As they were."""
        return None if value is None else parse(value)


class Campaign(ShopRow, Base):
    """A standing instruction: whom to mail about which products, how often, with which words."""

    __tablename__ = "campaigns"
    __table_args__ = (
        Index(
            "ux_campaigns_name",
            "shop_id",
            "folded_name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL AND folded_name IS NOT NULL"),
            postgresql_where=text("deleted_at IS NULL AND folded_name IS NOT NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(1000), comment="Internal; never in a message")
    folded_name: Mapped[str | None] = mapped_column(String(1000), comment="Null while the name can't be kept")
    state: Mapped[str] = mapped_column(String(16), comment="draft | active | paused | ended | deleted")
    sender_id: Mapped[int | None]
    audience_type: Mapped[str | None] = mapped_column(String(16), comment="segment | automatic")
    segment_id: Mapped[int | None]
    frequency: Mapped[str] = mapped_column(String(8), comment="once | every | optimise")
    every_days: Mapped[int]
    wait_days: Mapped[int]
    repeats: Mapped[int]
    send_from_hour: Mapped[int | None] = mapped_column(comment="0..23 on the customer's clock; null: no limit")
    send_until_hour: Mapped[int | None] = mapped_column(comment="1..24, later than send_from_hour")
    send_weekdays: Mapped[list[Any] | None] = mapped_column(comment="0 = Monday; null: every day")
    ends_on: Mapped[date | None] = mapped_column(Date, comment="Last day, of the shop's calendar")
    content_version: Mapped[int]
    discount_mode: Mapped[str] = mapped_column(String(8), comment="off | single | managed")
    discount_code: Mapped[str | None] = mapped_column(String(255))
    discount_description: Mapped[str | None] = mapped_column(String(255))
    discount_expires_on: Mapped[date | None] = mapped_column(Date, comment="Shop's calendar day")
    utm: Mapped[dict[str, Any] | None] = mapped_column(comment="Tags of links; null: the usual ones; {}: none")
    holdout_percent: Mapped[int]
    suggested: Mapped[list[Any]] = mapped_column(comment="Prefilled fields nobody has edited")
    recommendation_id: Mapped[int | None]
    stale: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class CampaignContent(ShopRow, Base):
    """One version of a campaign's words. A version that a message names is never changed."""

    __tablename__ = "campaign_contents"
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(Text)
    preview_text: Mapped[str] = mapped_column(Text)
    blocks: Mapped[tuple[Block, ...] | None] = mapped_column(Blocks, comment="Null: made before there were blocks")
    # These three are only read where there are no blocks.
    body_html: Mapped[str] = mapped_column(Text, default="")
    button_label: Mapped[str] = mapped_column(Text, default="")
    show_image: Mapped[bool] = mapped_column(default=False)
    first_name_fallback: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Link(ShopRow, Base):
    """A destination in mailed messages; fixed when it is made, so a token can't be bent elsewhere.

    A cart's address is that of the shop's empty cart: what goes into it is the message's.
    """

    __tablename__ = "links"
    __table_args__ = (UniqueConstraint("shop_id", "campaign_id", "url"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    url: Mapped[str] = mapped_column(String(2000))
    kind: Mapped[str | None] = mapped_column(String(8), comment="product | cart | url; null: product, of before")


class Decision(ShopRow, Base):
    """One entry of the diary: a message that was decided, or a decision of another kind that stands no more.

    Decisions that no message came of are kept on `DecisionSheet` as long as they stand: a million of them, the same
    every minute, are no million rows. The rows are what happened and what changed; so they grow with changes, not
    with ticks or customers. `current`: it stands. Its `last_tick` is the campaign's, this one is of its end.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "campaign_id"], ["campaigns.shop_id", "campaigns.id"], ondelete="CASCADE"),
        Index(
            "ux_decisions_current",
            "shop_id",
            "campaign_id",
            "customer_no",
            unique=True,
            sqlite_where=text("current"),
            postgresql_where=text("current"),
        ),
        Index("ix_decisions_campaign", "shop_id", "campaign_id", "id"),
        Index("ix_decisions_customer", "shop_id", "customer_no"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    customer_no: Mapped[int]
    product_no: Mapped[int | None]
    kind: Mapped[str | None] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(16), comment="selected | held_out | skipped | lost")
    reason: Mapped[str | None] = mapped_column(String(32))
    probability: Mapped[float | None]
    lift: Mapped[float | None]
    message_id: Mapped[str | None] = mapped_column(String(36))
    since: Mapped[datetime]
    last_tick: Mapped[datetime]
    current: Mapped[bool]


class DecisionHead(ShopRow, Base):
    """What stands in a campaign, counted, and as of when."""

    __tablename__ = "decision_heads"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "campaign_id"], ["campaigns.shop_id", "campaigns.id"], ondelete="CASCADE"),
    )
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_tick: Mapped[datetime]
    counts: Mapped[dict[str, Any]] = mapped_column(comment="Reason, or `selected` → customers")


class DecisionSheet(ShopRow, Base):
    """The decisions that stand in a campaign for 65,536 customer numbers, as columns; see services.decision_sheets."""

    __tablename__ = "decision_sheets"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "campaign_id"], ["campaigns.shop_id", "campaigns.id"], ondelete="CASCADE"),
    )
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="customer_no // 65536")
    columns: Mapped[bytes] = mapped_column(LargeBinary, comment="Arrow, compressed")


class PlanTick(ShopRow, Base):
    """A tick that was decided: planning it again adds nothing."""

    __tablename__ = "plan_ticks"
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    run_id: Mapped[int]
    counts: Mapped[dict[str, Any]]
    inputs: Mapped[str | None] = mapped_column(String(64), comment="Digest of what it was decided from")
