"""What the figures of one or several segments look like. Money: minor units; instants: UTC; days: the shop's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field


class OverlapQuery(BaseModel):
    """The segments to compare."""

    ids: str = Field(
        pattern=r"^seg_[1-9][0-9]{0,9}(,seg_[1-9][0-9]{0,9}){1,2}$", description="Two or three, e.g. seg_1,seg_2,seg_3"
    )


class OverlapSegment(BaseModel):
    """One of the segments, whole."""

    id: str
    name: str
    size: int
    reachable: int
    evaluated_at: datetime | None


class OverlapRegion(BaseModel):
    """Customers who are in all of these segments and in none of the others compared."""

    segments: list[str]
    size: int
    reachable: int


class Overlap(BaseModel):
    """How segments overlap. The regions' sizes add up to `together`."""

    segments: list[OverlapSegment]
    regions: list[OverlapRegion] = Field(description="Three of two segments, seven of three; the innermost first")
    together: int = Field(description="Customers in at least one of them")
    together_reachable: int
    timezone: str


class AffinityProduct(BaseModel):
    """One product: how many of the members bought it against how many of all customers, last 365 days."""

    product_id: str
    title: str
    image_url: str | None
    members: int = Field(description="Members who bought it")
    member_share: float
    customers: int = Field(description="Customers of the shop who bought it")
    customer_share: float
    index: float = Field(description="Share of members over share of customers; 1 = as everybody")


class Affinity(BaseModel):
    """What sets the members' purchases apart, widest difference of shares first."""

    items: list[AffinityProduct]
    members: int
    customers: int
    days: int
    least_buyers: int = Field(description="Products of fewer members are left out")
    as_of: datetime
    timezone: str


class TrendDay(BaseModel):
    """One store day. Who came and went within it is in neither count."""

    day: date
    size: int
    entered: int
    left: int


class Trend(BaseModel):
    """The last days of a segment, without a gap; empty before its first evaluation."""

    days: list[TrendDay]
    window_days: int
    evaluated_at: datetime | None
    timezone: str


class GapBin(BaseModel):
    """Gaps of at least `low` and less than `high` days; the last bin may be open."""

    low: int
    high: int | None
    count: int


class Gaps(BaseModel):
    """Days between purchases of the members, on different store days."""

    of: Literal["product", "type", "orders"] = Field(description="Purchases of what")
    product_type: str | None
    bins: list[GapBin]
    gaps: int
    median_days: int | None
    as_of: datetime
    timezone: str
