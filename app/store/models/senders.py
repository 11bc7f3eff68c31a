"""Senders, and the operational mail that is rationed per shop: confirmations and tests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Sender(ShopRow, Base):
    """An address that campaigns go out from. These are the merchant's own details, no customer's."""

    __tablename__ = "senders"
    __table_args__ = (
        Index(
            "ux_senders_default",
            "shop_id",
            unique=True,
            sqlite_where=text("is_default AND deleted_at IS NULL"),
            postgresql_where=text("is_default AND deleted_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    display_name: Mapped[str] = mapped_column(String(100))
    from_address: Mapped[str] = mapped_column(String(320))
    reply_to: Mapped[str | None] = mapped_column(String(320))
    company: Mapped[str] = mapped_column(String(200))
    postal_address: Mapped[str] = mapped_column(Text, comment="Lines, as printed in the footer")
    is_default: Mapped[bool]
    verified_address: Mapped[str | None] = mapped_column(String(320), comment="Verified while equal to from_address")
    verified_at: Mapped[datetime | None]
    link_no: Mapped[int] = mapped_column(comment="Only the link with this number confirms; raised by use and resend")
    link_sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class OperationalMail(Base):
    """One confirmation or test message that went out, so that the rations hold across processes."""

    __tablename__ = "operational_mails"
    __table_args__ = (Index("ix_operational_mails_ration", "shop_id", "kind", "sent_at"),)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16), comment="confirmation | test")
    sent_at: Mapped[datetime]
