"""Connections to vendors, the syncs that use them, what each sync has put there, and its runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Connection(ShopRow, Base):
    """A merchant's account at a vendor. The key is sealed under `connection:<id>`."""

    __tablename__ = "connections"
    __table_args__ = (UniqueConstraint("shop_id", "vendor", "account_id"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    vendor: Mapped[str] = mapped_column(String(32))
    account_id: Mapped[str] = mapped_column(String(120), comment="The vendor's; a new key of it keeps the syncs")
    account_name: Mapped[str] = mapped_column(String(255))
    sealed: Mapped[bytes] = mapped_column(LargeBinary, comment="Credentials")
    state: Mapped[str] = mapped_column(String(24), comment="connected | needs_reconnect")
    problem: Mapped[str | None] = mapped_column(Text, comment="For the merchant")
    created_at: Mapped[datetime]
    checked_at: Mapped[datetime]


class Sync(ShopRow, Base):
    """A segment kept in one list or tag. At most one process runs it: the holder of the lease."""

    __tablename__ = "syncs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["shop_id", "connection_id"], ["connections.shop_id", "connections.id"], ondelete="CASCADE"
        ),
        # Two segments in one list would each remove the other's members.
        UniqueConstraint("shop_id", "connection_id", "target_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int]
    connection_id: Mapped[int]
    target_id: Mapped[str] = mapped_column(String(120), comment="As the adapter names it")
    target_name: Mapped[str] = mapped_column(String(255))
    container_id: Mapped[str | None] = mapped_column(String(60))
    container_name: Mapped[str | None] = mapped_column(String(255))
    schedule: Mapped[str] = mapped_column(String(24), comment="manual | after_refresh")
    without_consent: Mapped[str] = mapped_column(String(24), comment="skip | transactional")
    state: Mapped[str] = mapped_column(String(16), comment="active | paused")
    problem_code: Mapped[str | None] = mapped_column(String(64))
    problem: Mapped[str | None] = mapped_column(Text, comment="For the merchant")
    started_by_merchant: Mapped[bool] = mapped_column(comment="The schedule waits for a first run by hand")
    approved_removals: Mapped[int | None] = mapped_column(comment="The next run may remove up to this many")
    faults_in_a_row: Mapped[int] = mapped_column(comment="Runs that ended in a fault that may pass by itself")
    not_before: Mapped[datetime | None] = mapped_column(comment="The vendor asked to wait until then")
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SyncMember(ShopRow, Base):
    """What a sync knows of one address: by address, since that is who the vendor keeps.

    Two customers with one address are one row; a changed address is a row that leaves and one that
    comes. The address is kept sealed, under `sync:<sync>:<email_hash>`, because it must still be known
    when the customer has another one. A row is `sending` from before the vendor is asked until it answers: the
    vendor may have acted and the answer been lost.
    """

    __tablename__ = "sync_members"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "sync_id"], ["syncs.shop_id", "syncs.id"], ondelete="CASCADE"),
        Index("ix_sync_members_state", "shop_id", "sync_id", "state", "job_id"),
        Index("ix_sync_members_customer", "shop_id", "customer_no"),
    )
    sync_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer_no: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), comment="sending | pending | present | absent | skipped | failed")
    at_vendor: Mapped[bool] = mapped_column(comment="Put there and not taken off since, as far as is known")
    payload_hash: Mapped[str] = mapped_column(String(64), comment="Keyed hash of what the vendor was sent")
    consent: Mapped[str] = mapped_column(String(12), comment="none | single | confirmed, when last sent")
    version: Mapped[str] = mapped_column(String(40), comment="Customer's updated_at when last looked at")
    sealed_address: Mapped[bytes | None] = mapped_column(LargeBinary)
    remote_id: Mapped[str | None] = mapped_column(String(120))
    job_id: Mapped[str | None] = mapped_column(String(120), comment="Vendor's job that a pending row waits for")
    action: Mapped[str | None] = mapped_column(String(16), comment="added | updated, while pending")
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(String(300))
    changed_at: Mapped[datetime]


class SyncRun(ShopRow, Base):
    """One run of a sync. Members' outcomes stand in `SyncOutcome`."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "sync_id"], ["syncs.shop_id", "syncs.id"], ondelete="CASCADE"),
        Index("ix_sync_runs_sync", "shop_id", "sync_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sync_id: Mapped[int]
    state: Mapped[str] = mapped_column(String(24), comment="running | done | partial | needs_approval | failed")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    queried: Mapped[int]
    plan: Mapped[dict[str, Any]] = mapped_column(comment="What it set out to do: counts")
    problem: Mapped[str | None] = mapped_column(Text)


class SyncOutcome(ShopRow, Base):
    """The members of a run that met one outcome for one reason: a bitmap of customer numbers.

    One row per reason instead of one per member: a million unchanged members cost a few kilobytes.
    """

    __tablename__ = "sync_outcomes"
    __table_args__ = (
        ForeignKeyConstraint(["shop_id", "run_id"], ["sync_runs.shop_id", "sync_runs.id"], ondelete="CASCADE"),
    )
    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(String(300))
    members: Mapped[bytes] = mapped_column(LargeBinary, comment="Roaring bitmap")
    count: Mapped[int]
