"""What the receipts API gives. Instants: UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

Kind = Literal["repurchase", "cross_sell"]


class PromiseOut(BaseModel):
    """How many members would buy between `as_of` and `due_at`, said beforehand."""

    as_of: datetime
    due_at: datetime
    back_dated: bool = Field(description="Made later, from what was known at `as_of` alone")
    size: int = Field(description="Members, frozen at `as_of`")
    expected: float = Field(description="Sum of the members' chances")
    low: int
    high: int
    threshold: float = Field(description="Lowest chance of a member")
    base_rate: float | None = Field(description="Share of all who could that bought in the month before")
    basis: Literal["model", "baseline", "prior"]


class Receipt(PromiseOut):
    """A promise that came due, with what came of it. Never changed."""

    buyers: int
    inside: bool = Field(description="low <= buyers <= high")
    mailed: int = Field(description="Members who got a campaign's e-mail in that time, about any product")
    mailed_buyers: int = Field(description="Buyers who got one before they bought")
    gone: int = Field(description="Members erased, or merged into another member, before the receipt")
    settled_at: datetime


class ReceiptTotals(BaseModel):
    """Sums over receipts. above, below: outside of the interval."""

    receipts: int
    inside: int
    above: int
    below: int
    expected: float
    buyers: int
    mailed_buyers: int


class LookBack(BaseModel):
    """The back-dated promises that a new shop gets: state of their making, and how many moments were possible."""

    state: Literal["waiting", "running", "done", "failed"]
    done: int = Field(description="Moments done so far")
    wanted: int = Field(description="Moments in all: 30, 60 and 90 days before the first promise")
    moments: int = Field(description="Moments with a promise; fewer than `wanted` in a young shop")


class SegmentReceipts(BaseModel):
    """One segment's promises, oldest first."""

    promised: bool = Field(description="Only product segments promise")
    open: list[PromiseOut] = Field(description="Not due yet, or due and waiting for an import; one at most is live")
    receipts: list[Receipt]
    totals: ReceiptTotals
    coverage: float = Field(description="Share of receipts that should lie inside, e.g. 0.8")
    look_back: LookBack
    timezone: str


class KindTotals(ReceiptTotals):
    """Of one kind of segment."""

    kind: Kind


class MonthTotals(ReceiptTotals):
    """Of the promises whose days lie mostly in one month of the shop's calendar."""

    month: str = Field(description="YYYY-MM")
    back_dated: bool = Field(description="All of them are back-dated")


class SegmentTotals(ReceiptTotals):
    """Of one product segment."""

    key: str
    segment_id: str | None = Field(description="Null if the segment is no longer listed")
    title: str = Field(description="The product's")
    kind: Kind


class ShopReceipts(BaseModel):
    """All receipts of the shop's product segments, those no longer listed included."""

    totals: ReceiptTotals
    live: ReceiptTotals
    back_dated: ReceiptTotals
    kinds: list[KindTotals]
    months: list[MonthTotals]
    segments: list[SegmentTotals] = Field(description="Most expected buyers first")
    open: int = Field(description="Promises without a receipt yet")
    expected_open: float
    next_due_at: datetime | None
    coverage: float
    look_back: LookBack
    timezone: str
