"""Promises of product segments, and what came of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Promise(ShopRow, Base):
    """How many members of a product segment would buy within 30 days, said beforehand; with the receipt, once due.

    A receipt is written once and never changed. It keeps counts only: the members are forgotten with it.
    The segment is named by its key, because it may be retired, and its promise is due all the same.
    """

    __tablename__ = "promises"
    __table_args__ = (
        UniqueConstraint("shop_id", "key", "as_of"),
        Index("ix_promises_due", "shop_id", "settled_at", "due_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(100), comment="The segment's: buy_again:<product>, buy_new:<product>")
    kind: Mapped[str] = mapped_column(String(16), comment="repurchase | cross_sell")
    product_no: Mapped[int]
    title: Mapped[str] = mapped_column(String(300), comment="The product's, as it was then")
    run_id: Mapped[int] = mapped_column(comment="The refresh that published it, or the look back that made it")
    back_dated: Mapped[bool] = mapped_column(comment="Made later, from what was known at `as_of` alone")
    as_of: Mapped[datetime] = mapped_column(comment="Purchases from here on count")
    due_at: Mapped[datetime] = mapped_column(comment="Purchases before here count")
    made_at: Mapped[datetime]
    size: Mapped[int]
    members: Mapped[bytes | None] = mapped_column(LargeBinary, comment="Frozen bitmap; null once the receipt is there")
    expected: Mapped[float] = mapped_column(comment="Sum of the members' chances")
    variance: Mapped[float] = mapped_column(comment="Sum of chance times its complement")
    spread: Mapped[float] = mapped_column(comment="Shared error in log-odds that the interval allows for")
    low: Mapped[int]
    high: Mapped[int]
    threshold: Mapped[float] = mapped_column(comment="Lowest chance of a member")
    base_rate: Mapped[float | None] = mapped_column(comment="Share of all who could that bought in the month before")
    basis: Mapped[str] = mapped_column(String(16), comment="model | baseline | prior")
    settled_at: Mapped[datetime | None] = mapped_column(comment="When the receipt was written")
    watermark: Mapped[datetime | None] = mapped_column(comment="The receipt's history was complete up to here")
    buyers: Mapped[int | None] = mapped_column(comment="Members who bought the product in time")
    mailed: Mapped[int | None] = mapped_column(comment="Members who got a campaign's e-mail in that time")
    mailed_buyers: Mapped[int | None] = mapped_column(comment="Buyers who got one before they bought")
    gone: Mapped[int | None] = mapped_column(comment="Members erased, or merged into another member, before")
