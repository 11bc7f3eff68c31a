"""What a merchant set for the shop, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class ShopSettings(ShopRow, Base):
    """One row per shop that changed anything; a shop without one has the defaults."""

    __tablename__ = "shop_settings"
    __table_args__ = (CheckConstraint("cap_days BETWEEN 7 AND 28", name="cap_days"),)
    cap_days: Mapped[int] = mapped_column(comment="Days between two e-mails to one customer; never under 7")
    quiet_from: Mapped[int | None] = mapped_column(comment="Hour of the day, 0 to 23; null: no quiet hours")
    quiet_until: Mapped[int | None]
    holdout_percent: Mapped[int] = mapped_column(comment="Of new campaigns")
    consent_policy: Mapped[str] = mapped_column(String(2000), comment="The merchant's own words; empty: none")
    keep_diary_days: Mapped[int] = mapped_column(comment="Decisions that no longer stand are kept this long")
    version: Mapped[int] = mapped_column(comment="Two people at once: the later save is told")


class SettingsChange(ShopRow, Base):
    """One setting that somebody changed. Append-only."""

    __tablename__ = "settings_changes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(64), comment="Shopify's number of the staff member, or `system`")
    name: Mapped[str] = mapped_column(String(64))
    change: Mapped[dict[str, Any]] = mapped_column(comment="{before, after}")
