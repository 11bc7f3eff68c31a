"""Customers whom a merchant put into a segment, or kept out of it, by hand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow

KINDS = ("in", "out")


class SegmentPin(ShopRow, Base):
    """One exception to a rule. It outlives the rule's versions; it goes with the segment or the customer."""

    __tablename__ = "segment_pins"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "segment_id"], ["segments.shop_id", "segments.id"], ondelete="CASCADE"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        Index("ix_segment_pins_customer", "shop_id", "customer_no"),
    )
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(3), comment="in | out")
    at: Mapped[datetime]
    note: Mapped[str | None] = mapped_column(String(200), comment="The merchant's own words")
