"""What became of messages after the hand-over, and what follows for sending: stops, checked domains, choices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow

KINDS = ("delivered", "opened", "clicked", "bounced", "complained")


class MailEvent(ShopRow, Base):
    """Append-only: one thing that was reported of a message. Its id is the report's, so that a repeat is none."""

    __tablename__ = "mail_events"
    __table_args__ = (
        Index("ix_mail_events_message", "shop_id", "message_id"),
        Index("ix_mail_events_kind", "shop_id", "kind", "at"),
    )
    id: Mapped[str] = mapped_column(String(64), primary_key=True, comment="Keyed by the report; random of our own")
    message_id: Mapped[str] = mapped_column(String(36))
    customer_no: Mapped[int] = mapped_column(comment="As of the message")
    campaign_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12), comment="delivered | opened | clicked | bounced | complained")
    at: Mapped[datetime] = mapped_column(comment="When it happened, by whoever reports it")
    recorded_at: Mapped[datetime]
    machine: Mapped[bool] = mapped_column(comment="Of opens and clicks: probably no person")
    severity: Mapped[str | None] = mapped_column(String(8), comment="Of bounces: hard | soft")
    link_id: Mapped[int | None] = mapped_column(comment="Of clicks")
    source: Mapped[str] = mapped_column(String(8), comment="ses | report | smtp (refused at hand-over) | pixel | link")
    raw: Mapped[dict[str, Any]] = mapped_column(comment="What the classification was made from; no address")


class SendingStop(ShopRow, Base):
    """A circuit breaker that opened: nothing is sent for the shop until a person releases it."""

    __tablename__ = "sending_stops"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(12), comment="complaints | bounces")
    evidence: Mapped[dict[str, Any]] = mapped_column(comment="Counts, rate, limit and window")
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(64), comment="Shopify's number of the member of staff")


class SendingHour(ShopRow, Base):
    """How many messages left the shop from one domain in one hour: what limits and rates are counted from."""

    __tablename__ = "sending_hours"
    domain: Mapped[str] = mapped_column(String(255), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True, comment="Its beginning, UTC")
    handed_over: Mapped[int]


class SenderDomain(ShopRow, Base):
    """A domain that the shop sends from: what DNS last said of it."""

    __tablename__ = "sender_domains"
    domain: Mapped[str] = mapped_column(String(255), primary_key=True)
    checked_at: Mapped[datetime]
    checks: Mapped[dict[str, Any]] = mapped_column(comment="spf, dkim, dmarc: state, found, problem")


class MailSetting(ShopRow, Base):
    """The shop's choices about mail; without a row the defaults hold."""

    __tablename__ = "mail_settings"
    open_tracking: Mapped[str] = mapped_column(String(20), comment="off | opted_in | unless_opted_out")
    hourly_limit: Mapped[int | None] = mapped_column(comment="Messages an hour; null: as many as the server takes")
