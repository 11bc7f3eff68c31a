"""Recommendations: campaigns worth starting, one row per product segment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Recommendation(ShopRow, Base):
    """What a campaign on one product segment is expected to bring, as of one run."""

    __tablename__ = "recommendations"
    __table_args__ = (UniqueConstraint("shop_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(100), comment="The segment's key; the row keeps its id over runs")
    kind: Mapped[str] = mapped_column(String(16), comment="repurchase | cross_sell")
    segment_id: Mapped[int]
    segment_name: Mapped[str] = mapped_column(String(300))
    product_no: Mapped[int]
    product_type: Mapped[str | None] = mapped_column(Text)
    product_title: Mapped[str] = mapped_column(Text)
    members: Mapped[int]
    reachable: Mapped[int]
    covered: Mapped[int]
    expected_orders: Mapped[float]
    lift: Mapped[float | None] = mapped_column(comment="The share of expected orders that a mail is taken to add")
    lift_campaigns: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="Measured campaigns behind `lift`; 0: the stated prior"
    )
    title: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    run_id: Mapped[int]
    as_of: Mapped[datetime]
    live: Mapped[bool] = mapped_column(comment="False: the segment is gone, empty or below the minimum value")
    dismissed_until: Mapped[datetime | None]
