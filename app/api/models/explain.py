"""Why a customer is in a segment or is not, and whom the merchant pinned in or out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.segments import SegmentPath

PinKind = Literal["in", "out"]


class CustomerOfSegment(SegmentPath):
    """A segment and a customer."""

    customer_no: int = Field(ge=0, le=2**31 - 1)


class ExplainedPart(BaseModel):
    """One part of the rule for one customer; parts come in the order of the rule, each group before its parts."""

    path: str
    depth: int = Field(description="0 for the whole rule")
    kind: Literal["all", "any", "none", "leaf"]
    holds: bool
    helps: bool = Field(description="Whether this part pushes towards being in: under a `none` to hold is to keep out")
    sentence: str
    missing: bool = Field(description="The customer's value is missing")
    value: str | None = Field(description="The customer's own value")
    fixed: str | None = Field(description="Why nothing that happens to this customer alone changes it")


class Way(BaseModel):
    """A change that would flip membership, found on a copy of the customer's data."""

    text: str = Field(description='After "if": "the customer placed 1 more order now"')
    changes: int = Field(description="How many things would have to change")


class Explanation(BaseModel):
    """Why one customer is in a segment or is not."""

    segment_id: str
    segment_name: str
    customer_no: int
    name: str
    email: str | None
    member: bool = Field(description="In the segment as last worked out")
    holds: bool | None = Field(description="Whether the rule takes the customer now; null without a rule")
    pinned: PinKind | None
    summary: str
    parts: list[ExplainedPart]
    ways: list[Way] = Field(description="The nearest first; at most three")
    no_way: str | None = Field(description="Why there is none")
    flips_at: datetime | None = Field(description="When membership changes if nothing happens, within 400 days")
    flips_to: bool | None = Field(description="What it changes to")
    held: list[str] = Field(description="What is taken as it is now for the date")
    evaluated_at: datetime | None
    as_of: datetime | None = Field(description="Of the data looked at")
    timezone: str


class NewPin(BaseModel):
    """Pin a customer in or out."""

    model_config = ConfigDict(extra="forbid")
    kind: PinKind
    note: str | None = Field(default=None, max_length=200)


class Pin(BaseModel):
    """One pinned customer."""

    customer_no: int
    name: str
    email: str | None
    kind: PinKind
    at: datetime
    note: str | None


class PinList(BaseModel):
    """All pins of a segment, newest first."""

    items: list[Pin]
