"""Which kinds of marketing mail customers do not want, although they are subscribed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class DeclinedTopic(ShopRow, Base):
    """A customer declined a topic on the preferences page. Taken back: the row is gone, the consent event stays."""

    __tablename__ = "declined_topics"
    __table_args__ = (Index("ix_declined_topics_email_hash", "shop_id", "email_hash"),)
    customer_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    topic: Mapped[str] = mapped_column(String(16), primary_key=True, comment="repurchase | cross_sell")
    email_hash: Mapped[str | None] = mapped_column(String(64), comment="Of the address then")
    declined_at: Mapped[datetime]
