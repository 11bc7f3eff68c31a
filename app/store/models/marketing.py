"""What Shopify's marketing pages were told about campaigns."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


def _of_campaign() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["shop_id", "campaign_id"], ["campaigns.shop_id", "campaigns.id"], ondelete="CASCADE")


class MarketingActivity(ShopRow, Base):
    """The marketing activity that stands for a campaign in Shopify's admin."""

    __tablename__ = "marketing_activities"
    __table_args__ = (_of_campaign(),)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shopify_gid: Mapped[str | None] = mapped_column(String(80))
    told: Mapped[dict[str, Any] | None] = mapped_column(comment="Title and status as Shopify has them")
    told_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text, comment="Why the last try failed")


class MarketingDay(ShopRow, Base):
    """One day's figures of one campaign, as Shopify has them."""

    __tablename__ = "marketing_days"
    __table_args__ = (_of_campaign(),)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date, primary_key=True, comment="Of the shop's zone")
    told: Mapped[dict[str, Any]]
    told_at: Mapped[datetime]
