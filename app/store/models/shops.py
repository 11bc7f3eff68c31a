"""Shops, their vendor tokens, runs, snapshots and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


class Shop(Base):
    """One merchant's store. The row survives an uninstall: a new install finds its history."""

    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(String(255), unique=True, comment="x.myshopify.com, or a slug of a CSV shop")
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(320), comment="The shop's own contact, no customer's")
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16), comment="shopify | csv")
    installed_at: Mapped[datetime] = mapped_column(comment="The newest install or token exchange")
    uninstalled_at: Mapped[datetime | None]
    primary_domain: Mapped[str | None] = mapped_column(String(255), comment="Host of the online store; null: not known")
    described_at: Mapped[datetime | None] = mapped_column(
        comment="When Shopify last said name, currency and time zone; null: they are placeholders"
    )


class InstallationCounter(Base):
    """The next free number of a kind in this installation: shops. Outlives every shop, so none is given twice."""

    __tablename__ = "installation_counters"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next: Mapped[int]


class Counter(ShopRow, Base):
    """The next free number of a kind in a shop; numbers are dense and never reused."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next: Mapped[int]


class ShopToken(ShopRow, Base):
    """The shop's expiring offline token and its rotating refresh token, sealed together."""

    __tablename__ = "shop_tokens"
    sealed: Mapped[bytes] = mapped_column(LargeBinary, comment="access and refresh token")
    scopes: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]
    refresh_expires_at: Mapped[datetime]
    refused_at: Mapped[datetime | None] = mapped_column(comment="Shopify no longer takes it; the next visit exchanges")


class Run(ShopRow, Base):
    """One import or refresh: what it is doing, what it has done, how it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        # One live run of a kind per shop: a second click joins the first.
        Index(
            "ux_runs_live",
            "shop_id",
            "kind",
            unique=True,
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16), comment="import | refresh | look_back")
    state: Mapped[str] = mapped_column(String(16), comment="running | done | failed")
    as_of: Mapped[datetime] = mapped_column(comment="Later events are invisible to the run")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(String(32), comment="bulk | changes | csv | refresh")
    steps: Mapped[list[Any]] = mapped_column(comment="[{name, state, done, total, unit, seconds}] in order")
    detail: Mapped[dict[str, Any]] = mapped_column(comment="Counts, differences, operation ids")
    error: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(
        String(64), comment="Process that works on it; a dead one's is taken over"
    )


class Snapshot(ShopRow, Base):
    """One frozen version of the shop's lake; the newest row is the published one."""

    __tablename__ = "snapshots"
    __table_args__ = (ForeignKeyConstraint(["shop_id", "run_id"], ["runs.shop_id", "runs.id"], ondelete="CASCADE"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[int]
    created_at: Mapped[datetime]
    watermark: Mapped[datetime] = mapped_column(comment="History is complete up to here")
    tables: Mapped[dict[str, Any]] = mapped_column(comment="table name: Delta version")


class Job(ShopRow, Base):
    """The durable record of background work: enqueued twice with one key it runs once."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ux_jobs_live",
            "shop_id",
            "job",
            "key",
            unique=True,
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16), comment="queued | running | done | failed")
    attempts: Mapped[int] = mapped_column(default=0)
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    owner: Mapped[str | None] = mapped_column(String(64), comment="Process that runs it; a dead owner frees it")
    error: Mapped[str | None] = mapped_column(Text)


class Deletion(ShopRow, Base):
    """What the next import must take out of the lake: a deleted product or order, an erased customer."""

    __tablename__ = "deletions"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True, comment="product | order | customer")
    record_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="Shopify's id; of a customer, our number"
    )
    at: Mapped[datetime]


class WebhookDelivery(Base):
    """An inbound webhook, stored before it is acknowledged; the delivery id makes it once only."""

    __tablename__ = "webhook_inbox"
    __table_args__ = (UniqueConstraint("webhook_id"), Index("ix_webhook_inbox_open", "state", "id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str | None] = mapped_column(String(64))
    shop_domain: Mapped[str] = mapped_column(String(255))
    topic: Mapped[str] = mapped_column(String(64))
    api_version: Mapped[str | None] = mapped_column(String(16))
    triggered_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    sealed_body: Mapped[bytes] = mapped_column(LargeBinary, comment="Raw bodies hold personal data")
    state: Mapped[str] = mapped_column(String(16), comment="received | done | dead")
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
