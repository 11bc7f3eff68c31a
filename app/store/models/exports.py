"""Downloads of segments, and the times at which they are made again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


def _of_segment() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["shop_id", "segment_id"], ["segments.shop_id", "segments.id"], ondelete="CASCADE")


class _WhatIsAsked:
    """The choices of a download; a schedule asks for the same ones each time."""

    format: Mapped[str] = mapped_column(String(16), comment="plain | meta | google | tiktok | pinterest")
    hashed: Mapped[bool]
    include_unsubscribed: Mapped[bool]
    with_value: Mapped[bool] = mapped_column(default=False, comment="Meta only: predicted sales of the next 12 months")
    countries_mode: Mapped[str] = mapped_column(String(8), default="all", comment="all | only | without")
    countries: Mapped[list[Any]] = mapped_column(default=list, comment="ISO codes and EEA_UK")


class SegmentExport(_WhatIsAsked, ShopRow, Base):
    """One download, logged: who was in the file, who was left out and why. The file itself lies sealed for a day."""

    __tablename__ = "segment_exports"
    __table_args__ = (_of_segment(),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default="ready", comment="preparing | ready | failed")
    problem: Mapped[str | None] = mapped_column(String(500))
    members: Mapped[int]
    looked_at: Mapped[int] = mapped_column(default=0, comment="Members so far, while it is prepared")
    rows: Mapped[int]
    exclusions: Mapped[list[Any]] = mapped_column(comment="[{reason, count}]")
    included: Mapped[bytes] = mapped_column(LargeBinary, comment="Bitmap of the customers in the file")
    evaluated_at: Mapped[datetime]
    created_at: Mapped[datetime]
    filename: Mapped[str] = mapped_column(String(255))
    file_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64), comment="Of the file, in hex")
    made_by: Mapped[str | None] = mapped_column(String(64), comment="Shopify's number of the member of staff")
    schedule_id: Mapped[int | None] = mapped_column(comment="Made by this schedule")
    delivered_to: Mapped[str | None] = mapped_column(String(500), comment="Where a schedule put it")


class ExportSchedule(_WhatIsAsked, ShopRow, Base):
    """A download that is made every day or week, at an hour of the shop's own clock.

    state: active | paused (by the merchant) | stopped (its segment is gone; reason says so).
    """

    __tablename__ = "export_schedules"
    __table_args__ = (_of_segment(), Index("ix_export_schedules_due", "shop_id", "state", "next_at"))
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int]
    every: Mapped[str] = mapped_column(String(8), comment="day | week")
    weekday: Mapped[int | None] = mapped_column(comment="Of a week: 0 = Monday")
    hour: Mapped[int] = mapped_column(comment="0..23, the shop's time zone")
    destination: Mapped[str] = mapped_column(String(8), comment="link | file")
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(500), comment="Why it stopped")
    next_at: Mapped[datetime]
    last_at: Mapped[datetime | None]
    last_export_id: Mapped[int | None]
    problem: Mapped[str | None] = mapped_column(String(500), comment="Of the last run, if it failed")
    created_at: Mapped[datetime]
    made_by: Mapped[str | None] = mapped_column(String(64), comment="Shopify's number of the member of staff")
