"""Customers as the store knows them: who they are (sealed), and what they allow."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow

DEPARTED = "merged_into IS NOT NULL OR erased_at IS NOT NULL OR gone_at IS NOT NULL"
"""Customers who count no more. Written out, because a database uses the index only for these very words."""

MERGED = "merged_into IS NOT NULL"


class Customer(ShopRow, Base):
    """One customer: the dense number that the lake and every bitmap use, the sealed contact, consent.

    The sealed contact holds email, phone, first_name, last_name, address1, city, province_code,
    country_code, zip (each may be null). Subject: `crypto.customer_subject(customer_no)`.
    """

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("shop_id", "shopify_id"),
        Index("ix_customers_email_hash", "shop_id", "email_hash"),
        Index(
            "ix_customers_merged",
            "shop_id",
            "merged_into",
            sqlite_where=text(MERGED),
            postgresql_where=text(MERGED),
        ),
        Index(
            "ix_customers_departed",
            "shop_id",
            "customer_no",
            sqlite_where=text(DEPARTED),
            postgresql_where=text(DEPARTED),
        ),
    )
    customer_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shopify_id: Mapped[int | None] = mapped_column(BigInteger, comment="Null: a guest")
    email_hash: Mapped[str | None] = mapped_column(String(64))
    contact: Mapped[bytes] = mapped_column(LargeBinary)
    mail_provider: Mapped[str | None] = mapped_column(String(8), comment="Of the address's domain; null: not known yet")
    email_valid: Mapped[bool] = mapped_column(comment="The address has a form that mail can reach")
    email_consent: Mapped[str] = mapped_column(String(24), comment="Shopify's state, upper case; unknown = not sent")
    email_consent_at: Mapped[datetime | None]
    email_opt_in_level: Mapped[str | None] = mapped_column(String(24))
    sms_consent: Mapped[str] = mapped_column(String(24))
    open_tracking: Mapped[str | None] = mapped_column(String(24), comment="The customer's own choice at Shopify")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(comment="Shopify's; an older update never overwrites")
    merged_into: Mapped[int | None] = mapped_column(comment="The surviving customer_no")
    erased_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None] = mapped_column(comment="A whole import no longer found the customer at the shop")


class ConsentEvent(ShopRow, Base):
    """Append-only: how and when a customer's consent came to be what it is."""

    __tablename__ = "consent_events"
    __table_args__ = (Index("ix_consent_events_customer", "shop_id", "customer_no"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_no: Mapped[int]
    channel: Mapped[str] = mapped_column(String(8), comment="email | sms")
    state: Mapped[str] = mapped_column(String(24))
    previous: Mapped[str | None] = mapped_column(String(24), comment="What it was before, if the source knew")
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(32), comment="shopify | csv | unsubscribe_link | one_click | complaint")
    message_id: Mapped[str | None] = mapped_column(String(36), comment="Whose link it was, or who called it spam")


class Suppression(ShopRow, Base):
    """An address that is never mailed, whatever its consent: bounce, complaint, manual, erased."""

    __tablename__ = "suppressions"
    email_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(24), comment="hard_bounce | complaint | manual | erased | invalid")
    at: Mapped[datetime]
    evidence: Mapped[str | None] = mapped_column(String(500))


class ProductId(ShopRow, Base):
    """Shopify's product id ↔ our dense product number, never reused. All else of a product is in the lake."""

    __tablename__ = "product_ids"
    __table_args__ = (UniqueConstraint("shop_id", "shopify_id"),)
    product_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shopify_id: Mapped[int] = mapped_column(BigInteger)
