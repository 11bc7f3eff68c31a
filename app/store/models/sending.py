"""The weekly cap, the outbox with its history, and the send ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store import slots
from app.store.base import Base, ShopRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

MESSAGE_STATES = ("queued", "sending", "sent", "failed", "unknown", "capped", "cancelled", "held_out")
MAILED = ("sent", "unknown")  # unknown: the server may have taken it
LIVE = "state IN ('queued', 'sending')"
IN_LINE = "state = 'queued'"
SENDING = "state = 'sending'"
SENT = "state = 'sent'"
SLOTTED = "slot_from IS NOT NULL"


class Cap(ShopRow, Base):
    """When a key was last stamped. Two keys per message: `c:<customer_no>` and `e:<email_hash>`."""

    __tablename__ = "cap"
    __table_args__ = (Index("ix_cap_holder", "shop_id", "holder"),)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    last_at: Mapped[datetime] = mapped_column(comment="By the database's clock")
    holder: Mapped[str] = mapped_column(String(36), comment="The message that stamped it, and may stamp it again")


class Message(ShopRow, Base):
    """One message to one customer, handed over at most once. Its id is also the Message-ID."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(f"state IN {MESSAGE_STATES}", name="state"),
        UniqueConstraint("shop_id", "campaign_id", "customer_no", "occurrence"),
        Index(
            "ux_outbox_one_live",
            "shop_id",
            "customer_no",
            unique=True,
            sqlite_where=text(LIVE),
            postgresql_where=text(LIVE),
        ),
        Index(  # few at a time: whose worker fell silent
            "ix_outbox_sending", "shop_id", "stamped_at", sqlite_where=text(SENDING), postgresql_where=text(SENDING)
        ),
        Index(  # to be counted
            "ix_outbox_sent", "shop_id", "campaign_id", sqlite_where=text(SENT), postgresql_where=text(SENT)
        ),
        Index(  # the line, in order: a batch is its beginning, however long it is
            "ix_outbox_line",
            "shop_id",
            "not_before",
            "planned_at",
            "id",
            sqlite_where=text(IN_LINE),
            postgresql_where=text(IN_LINE),
        ),
        Index(  # SQLite's guard of the slots looks here; both look up a customer's mails here
            "ix_outbox_slots",
            "shop_id",
            "customer_no",
            "slot_from",
            sqlite_where=text(SLOTTED),
            postgresql_where=text(SLOTTED),
        ),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    customer_no: Mapped[int]
    campaign_id: Mapped[int]
    occurrence: Mapped[str] = mapped_column(String(100), comment="<product>:<last purchase or 'life'>:<n>")
    content_version: Mapped[int]
    sender_id: Mapped[int]
    product_no: Mapped[int]
    purchased_product_no: Mapped[int | None]
    kind: Mapped[str] = mapped_column(String(16), comment="repurchase | cross_sell")
    probability: Mapped[float]
    lift: Mapped[float | None]
    holdout_probability: Mapped[float | None] = mapped_column(comment="Of the campaign's coin, in force when it fell")
    shop_holdout_probability: Mapped[float | None] = mapped_column(comment="Of the shop's coin")
    held_by: Mapped[str | None] = mapped_column(String(8), comment="campaign | shop: the coin that held it out")
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(32), comment="Of capped and cancelled: a Reason")
    planned_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    stamped_at: Mapped[datetime | None] = mapped_column(comment="Its place in the week; kept whatever comes after")
    slot_from: Mapped[datetime | None] = mapped_column(comment="Its stamp; given up if it surely never left")
    slot_until: Mapped[datetime | None] = mapped_column(comment="The store itself refuses slots that overlap")
    finished_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(Text, comment="The server's code and class, no address")
    consent_source: Mapped[str | None] = mapped_column(String(80), comment="State and instant of the consent relied on")


def is_live() -> ColumnElement[bool]:
    """Of a message that is in line or being handed over; written so that the index of those is found."""
    return Message.state.in_(bindparam("live", ("queued", "sending"), expanding=True, literal_execute=True))


event.listen(Message.__table__, "after_create", slots.guard)


class MessageEvent(Base):
    """Append-only: every change of a message's state."""

    __tablename__ = "outbox_events"
    __table_args__ = (Index("ix_outbox_events_message", "shop_id", "message_id"),)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(String(36))
    at: Mapped[datetime]
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    detail: Mapped[dict[str, Any]]


class SendingEpoch(ShopRow, Base):
    """Which installation this shop's store belongs to; another's is locked. See app.store.marks."""

    __tablename__ = "sending_epochs"
    epoch: Mapped[str] = mapped_column(String(64))
    not_before: Mapped[datetime | None] = mapped_column(comment="After a restore: nothing is stamped earlier")
    unlocked_at: Mapped[datetime | None]
    unlocked_how: Mapped[str | None] = mapped_column(String(16), comment="wait | relay_log | complete")


class LedgerHead(ShopRow, Base):
    """Where a shop's chain ends; locked while an entry is appended."""

    __tablename__ = "send_ledger_heads"
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


class LedgerEntry(ShopRow, Base):
    """One stamp, chained to the one before. Keyed hashes only: it outlives an erasure."""

    __tablename__ = "send_ledger"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stamped_at: Mapped[datetime]
    customer_hash: Mapped[str] = mapped_column(String(64))
    email_hash: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[str] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(8), comment="mail | holdout")
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
