"""Segments, their versions, who is in them, what changed, and uploaded lists."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Double, ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, ShopRow


def _of_segment() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["shop_id", "segment_id"], ["segments.shop_id", "segments.id"], ondelete="CASCADE")


class Segment(ShopRow, Base):
    """A named group of customers. Who is in it: the membership that `membership_id` names.

    state: ready | empty (reason says why) | off (until enabled) | merged (same members as another) |
           failed (last good membership stands) | pending (never evaluated) | retired (a product segment
           that no longer qualifies; kept for its history, not listed).
    size ... evaluated_at: of the current membership, once more, because lists sort by them: beside the members' bitmap
           SQLite would read all of that too.
    """

    __tablename__ = "segments"
    __table_args__ = (
        UniqueConstraint("shop_id", "key"),
        UniqueConstraint("shop_id", "name_key"),
        Index("ix_segments_listed", "shop_id", "deleted_at", "category"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str | None] = mapped_column(String(100), comment="auto:..., buy_again:<product>, buy_new:<product>")
    name: Mapped[str] = mapped_column(String(300))
    name_key: Mapped[str | None] = mapped_column(
        String(300), comment="Name ignoring case; null for automatic and deleted ones, which may repeat"
    )
    description: Mapped[str] = mapped_column(String(500))
    category: Mapped[str] = mapped_column(
        String(16), comment="cross_sell | repurchase | custom | retain | behavioral | demographics"
    )
    source: Mapped[str] = mapped_column(String(16), comment="automatic | rule | upload")
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    rule_text: Mapped[str | None] = mapped_column(Text, comment="JSON as saved; null for an uploaded list")
    rule_hash: Mapped[str | None] = mapped_column(String(64), comment="Of the canonical form")
    definition: Mapped[str] = mapped_column(Text, comment="One sentence")
    why: Mapped[str | None] = mapped_column(String(500))
    action: Mapped[str | None] = mapped_column(String(500))
    product_no: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1)
    membership_id: Mapped[int | None] = mapped_column(comment="The current one; the last good after a failure")
    size: Mapped[int] = mapped_column(default=0, server_default="0")
    reachable: Mapped[int] = mapped_column(default=0, server_default="0")
    net_share: Mapped[float] = mapped_column(Double, default=0.0, server_default="0")
    expected_buyers: Mapped[float | None] = mapped_column(Double)
    evaluated_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text, comment="Of the last evaluation, if it failed")
    failed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class SegmentVersion(ShopRow, Base):
    """A rule as it was saved at some time."""

    __tablename__ = "segment_versions"
    __table_args__ = (_of_segment(),)
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(300))
    rule_text: Mapped[str | None] = mapped_column(Text)
    definition: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime]


class Membership(ShopRow, Base):
    """Who is in a segment as of one evaluation: a roaring bitmap of customer numbers."""

    __tablename__ = "memberships"
    __table_args__ = (
        _of_segment(),
        Index("ix_memberships_segment", "shop_id", "segment_id", "id"),
        Index("ix_memberships_next_flip", "next_flip_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int]
    run_id: Mapped[int | None] = mapped_column(comment="The refresh whose data it was evaluated on")
    evaluated_at: Mapped[datetime]
    watermark: Mapped[datetime | None] = mapped_column(comment="History was complete up to here")
    next_flip_at: Mapped[datetime | None] = mapped_column(comment="Earliest change by time alone")
    size: Mapped[int]
    members: Mapped[bytes] = mapped_column(LargeBinary, comment="Portable roaring format")
    leaves: Mapped[list[Any]] = mapped_column(comment="[{path, sentence, count, missing, remaining}]")
    from_missing: Mapped[int] = mapped_column(default=0)
    statistics: Mapped[dict[str, Any]]
    duration_ms: Mapped[int]


class MembershipChange(ShopRow, Base):
    """Who came and who left at one evaluation; kept when old memberships go."""

    __tablename__ = "membership_changes"
    __table_args__ = (_of_segment(), Index("ix_membership_changes_segment", "shop_id", "segment_id", "at"))
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="The membership's id")
    segment_id: Mapped[int]
    at: Mapped[datetime]
    size: Mapped[int]
    entered_count: Mapped[int]
    left_count: Mapped[int]
    entered: Mapped[bytes] = mapped_column(LargeBinary)
    left: Mapped[bytes] = mapped_column(LargeBinary)


class SegmentDay(ShopRow, Base):
    """A segment's store day: its size at the end, and who came and went over the whole day.

    The bitmaps are for adding the day's next evaluation to it; when a new day begins they go.
    """

    __tablename__ = "segment_days"
    __table_args__ = (_of_segment(),)
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True, comment="Of the shop's zone")
    size: Mapped[int] = mapped_column(comment="At the day's last evaluation")
    entered_count: Mapped[int] = mapped_column(comment="In at its end and not at its start")
    left_count: Mapped[int] = mapped_column(comment="In at its start and not at its end")
    entered: Mapped[bytes | None] = mapped_column(LargeBinary, comment="Bitmap; of the newest day alone")
    left: Mapped[bytes | None] = mapped_column(LargeBinary, comment="Bitmap; of the newest day alone")


class SegmentUpload(ShopRow, Base):
    """One uploaded file and what became of its rows."""

    __tablename__ = "segment_uploads"
    __table_args__ = (_of_segment(),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int]
    mode: Mapped[str] = mapped_column(String(8), comment="replace | add | remove")
    filename: Mapped[str] = mapped_column(String(255))
    column: Mapped[str] = mapped_column(String(255))
    identifier: Mapped[str] = mapped_column(String(16), comment="email | customer_id")
    encoding: Mapped[str] = mapped_column(String(32))
    delimiter: Mapped[str] = mapped_column(String(4))
    rows: Mapped[int]
    matched: Mapped[int]
    unmatched: Mapped[int]
    duplicate: Mapped[int]
    invalid: Mapped[int]
    size_before: Mapped[int]
    size_after: Mapped[int]
    at: Mapped[datetime]
    report: Mapped[bytes] = mapped_column(LargeBinary, comment="Sealed: rows hold addresses")
