"""Recommendations over HTTP: one object for the dashboard, the campaigns page and segment details."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class RecommendationPath(BaseModel):
    """Which recommendation: `rec_<int>`."""

    recommendation_id: str


class RecommendationsQuery(BaseModel):
    """Only those of one segment, for its details page."""

    segment_id: str | None = None


class Recommendation(_Answer):
    """A campaign worth starting, with the numbers behind it."""

    id: str
    kind: Literal["repurchase", "cross_sell"]
    segment_id: str
    segment_key: str
    segment_name: str
    product_no: int | None = Field(description="Null: any product of `product_type`")
    product_type: str | None
    product_title: str
    members: int
    reachable: int
    covered: int = Field(description="Reachable members whom an active campaign already addresses with this product")
    expected_orders: float = Field(description="Over 30 days: sum of probability over uncovered members x lift")
    expected_label: str
    prior: float = Field(description="The share of those orders that a mail is assumed to add before any measurement")
    lift: float = Field(
        description="The share in use: measured, drawn towards the prior; the prior if none was measured"
    )
    lift_campaigns: int = Field(description="Measured campaigns behind `lift`")
    title: str
    reason: str = Field(description="One sentence naming the numbers")
    as_of: datetime


class RecommendationList(_Answer):
    """Best first; dismissed and acted-on ones are left out."""

    items: list[Recommendation]
    automatic_campaign: str | None = Field(
        description="The active campaign that chooses customers and products by itself, so that none is recommended"
    )
    next: str | None = None
