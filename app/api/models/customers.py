"""One customer's page."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.api.models.explain import PinKind
from app.api.models.segments import Category, NotReachable, Source

Channel = Literal["email", "sms"]


class CustomerPath(BaseModel):
    """The customer in the address."""

    customer_no: int = Field(ge=0, le=2**31 - 1)


class CustomerQuery(BaseModel):
    """What to look for."""

    q: str = Field(min_length=1, max_length=320, description="An exact e-mail address, Shopify id or customer number")


class FoundCustomer(BaseModel):
    """A customer found."""

    customer_no: int
    customer_id: str | None = Field(description="Shopify's id; null for a guest")
    name: str
    email: str | None


class FoundCustomers(BaseModel):
    """All who fit; names are sealed, so nobody is found by name."""

    items: list[FoundCustomer]


class ConsentState(BaseModel):
    """What the customer allows on one channel."""

    channel: Channel
    state: str = Field(description="Shopify's state in lower case, e.g. subscribed")
    at: datetime | None
    source: str | None = Field(description="shopify | csv | unsubscribe_link | one_click | complaint")
    opt_in_level: str | None


class CustomerFacts(BaseModel):
    """Worked out from orders that count, by the last refresh."""

    orders: int
    net_minor: int
    gross_minor: int
    average_order_minor: int | None
    first_order_at: datetime
    last_order_at: datetime
    days_since_order: int
    median_gap_days: float | None = Field(description="The customer's own; null before a second order day")
    expected_gap_days: float
    gap_ratio: float = Field(description="Days since the last order over the expected gap")


class CustomerValues(BaseModel):
    """Predictions about the customer."""

    p_order_30d: float | None
    p_order_60d: float | None
    p_order_90d: float | None
    orders_12m: float | None
    value_12m_minor: int | None = None
    next_order_at: datetime | None
    next_order_low: datetime | None
    next_order_high: datetime | None


class LikelyProduct(BaseModel):
    """A product that the customer is likely to buy within 30 days."""

    product_id: str
    title: str
    probability: float
    lift: float | None
    because: str | None = Field(description="The earlier purchase that it rests on")


class MessageCounts(BaseModel):
    """Marketing e-mails so far."""

    sent: int
    held_out: int
    last_sent_at: datetime | None


class Profile(FoundCustomer):
    """All of a customer's page but timeline, segments and decisions."""

    since: datetime
    merged: list[int] = Field(description="Numbers of customers who were merged into this one")
    reachable: bool
    not_reachable: NotReachable | None
    why_not: str | None
    consent: list[ConsentState]
    messages: MessageCounts
    facts: CustomerFacts | None = Field(description="Null for a customer without an order that counts")
    values: CustomerValues | None
    repurchase: list[LikelyProduct]
    cross_sell: list[LikelyProduct]
    as_of: datetime | None
    currency: str
    timezone: str


class TimelineQuery(BaseModel):
    """Which page of the timeline."""

    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=25, ge=1, le=200)


class OrderLine(BaseModel):
    """One line of an order."""

    title: str
    product_id: str | None
    quantity: int
    kept: int = Field(description="Quantity after returns")
    total_minor: int = Field(description="After discounts")
    net_minor: int = Field(description="After refunds, too")


class TimelineOrder(BaseModel):
    """An order with its lines."""

    order_id: str
    name: str | None
    state: Literal["counts", "cancelled", "test", "unpaid"]
    total_minor: int
    refunded_minor: int
    refunded_at: datetime | None
    lines: list[OrderLine]


class TimelineConsent(BaseModel):
    """A change of consent."""

    channel: Literal["email", "sms", "topic"]
    state: str
    previous: str | None
    source: str


class TimelineMessage(BaseModel):
    """A change of a message's state."""

    message_id: str
    campaign_id: str
    campaign: str | None
    state: str
    kind: Literal["repurchase", "cross_sell"]


class TimelineSegment(BaseModel):
    """A segment entered or left."""

    segment_id: str
    name: str
    moved: Literal["entered", "left"]


class TimelineEntry(BaseModel):
    """One thing that happened; the part named by `kind` is there."""

    kind: Literal["order", "consent", "message", "segment"]
    at: datetime
    key: str
    text: str
    order: TimelineOrder | None = None
    consent: TimelineConsent | None = None
    message: TimelineMessage | None = None
    segment: TimelineSegment | None = None


class Timeline(BaseModel):
    """A page of the timeline, newest first."""

    items: list[TimelineEntry]
    next: str | None


class SegmentOfCustomer(BaseModel):
    """A segment that the customer is in, or pinned out of."""

    segment_id: str
    name: str
    category: Category
    source: Source
    member: bool
    pinned: PinKind | None
    reason: str


class SegmentsOfCustomer(BaseModel):
    """By category and name."""

    items: list[SegmentOfCustomer]


class DecisionOfCustomer(BaseModel):
    """What one campaign decided about the customer, and why."""

    campaign_id: str
    campaign: str | None
    outcome: Literal["selected", "held_out", "skipped", "lost"]
    reason: str | None
    text: str
    product: str | None
    probability: float | None
    lift: float | None
    since: datetime
    last_tick: datetime
    current: bool
    message_state: str | None


class DecisionsOfCustomer(BaseModel):
    """Newest first."""

    items: list[DecisionOfCustomer]
