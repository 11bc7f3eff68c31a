"""What campaigns added, as measured, and how their holdouts changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow

WHOLE_SHOP = 0
"""In place of a campaign's number: all campaigns of the shop together."""


class CampaignMeasurement(ShopRow, Base):
    """One campaign's figures, or the whole shop's, at a day's last computation; earlier days stay."""

    __tablename__ = "campaign_measurements"
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="0: the whole shop")
    day: Mapped[date] = mapped_column(Date, primary_key=True, comment="Of the shop's zone")
    as_of: Mapped[datetime] = mapped_column(comment="History is complete up to here")
    measured_at: Mapped[datetime]
    figures: Mapped[dict[str, Any]]


class HoldoutChange(ShopRow, Base):
    """A percentage of customers held out, from `at` on, and why."""

    __tablename__ = "holdout_changes"
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="0: the whole shop")
    at: Mapped[datetime] = mapped_column(primary_key=True)
    before: Mapped[int]
    percent: Mapped[int]
    reason: Mapped[str] = mapped_column(String(300))
