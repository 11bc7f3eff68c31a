"""Campaigns over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.content import Content, ContentPatch, Utm, UtmPatch
from app.domain.campaigns import Frequency, Reason

CampaignState = Literal["draft", "active", "paused", "ended", "deleted"]
Weekday = Annotated[int, Field(ge=0, le=6)]
Kind = Literal["repurchase", "cross_sell"]
Step = Literal["name", "sender", "audience", "timing", "content", "discount"]
Outcome = Literal["selected", "held_out", "skipped", "lost"]
MessageState = Literal["queued", "sending", "sent", "failed", "unknown", "capped", "cancelled", "held_out"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CampaignPath(BaseModel):
    """Which campaign: `cmp_<int>`."""

    campaign_id: str


class CampaignCreate(_Request):
    """A new draft: empty, or prefilled from a recommendation or a segment."""

    recommendation_id: str | None = None
    segment_id: str | None = None


class AudiencePatch(_Request):
    """Whom the campaign considers. Automatic: every customer, with the best product for each."""

    type: Literal["segment", "automatic"]
    segment_id: str | None = None


class TimingPatch(_Request):
    """How often and how soon; fields left out stay."""

    frequency: Frequency | None = None
    every_days: int | None = None
    wait_days: int | None = None
    repeats: int | None = None
    send_from_hour: int | None = Field(default=None, ge=0, le=23, description="On the customer's clock; null: no limit")
    send_until_hour: int | None = Field(default=None, ge=1, le=24)
    send_weekdays: list[Weekday] | None = Field(default=None, description="0 = Monday; null: every day")
    ends_on: date | None = Field(default=None, description="Last day, of the shop's calendar; null: open end")


class DiscountPatch(_Request):
    """No discount, one code for everyone, or codes that Encore manages; fields left out stay."""

    mode: Literal["off", "single", "managed"] | None = None
    code: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    expires_on: date | None = None


class CampaignPatch(_Request):
    """What to change of a campaign; each part validates alone and is saved at once."""

    name: str | None = Field(default=None, max_length=1000)
    sender_id: str | None = None
    audience: AudiencePatch | None = None
    timing: TimingPatch | None = None
    content: ContentPatch | None = None
    utm: UtmPatch | None = None
    discount: DiscountPatch | None = None
    reset_content: bool = Field(default=False, description="Put the suggested words back")


class Audience(_Answer):
    """Whom the campaign considers."""

    type: Literal["segment", "automatic"] | None
    segment_id: str | None
    segment_name: str | None
    kind: Kind | None = Field(description="Null: custom segment or automatic")
    product_no: int | None
    product_title: str | None
    size: int | None
    reachable: int | None
    evaluated_at: datetime | None


class Timing(_Answer):
    """How often and how soon."""

    frequency: Frequency = Field(description="optimise: the app draws each customer's wait and learns from it")
    every_days: int
    wait_days: int
    repeats: int
    send_from_hour: int | None
    send_until_hour: int | None
    send_weekdays: list[int] | None
    ends_on: date | None


class Discount(_Answer):
    """No discount, one code for everyone, or codes that Encore manages."""

    mode: Literal["off", "single", "managed"]
    code: str | None
    description: str | None
    expires_on: date | None


class Unresolved(_Answer):
    """One thing that keeps the campaign from being activated."""

    step: Step
    field: str
    message: str


class ReasonCount(_Answer):
    """How many customers were not mailed for one reason."""

    reason: Reason
    text: str
    count: int


class CampaignCounts(_Answer):
    """Customers by where they stand: candidates, counted by itself, is the sum of all; `reasons` itemises `skipped`."""

    candidates: int
    queued: int
    sending: int
    sent: int
    failed: int
    unknown: int
    capped: int
    cancelled: int
    held_out: int
    skipped: int
    reasons: list[ReasonCount]
    messages_sent: int = Field(description="Messages, not customers: one customer may get several over time")
    last_tick: datetime | None


class CampaignSummary(_Answer):
    """A campaign in the list."""

    id: str
    name: str | None
    state: CampaignState
    audience: Audience
    counts: CampaignCounts
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None


class CampaignList(_Answer):
    """The shop's campaigns, newest first."""

    items: list[CampaignSummary]
    next: str | None = None


class Campaign(CampaignSummary):
    """A campaign with everything that the wizard edits."""

    sender_id: str | None
    timing: Timing
    content: Content
    utm: Utm
    discount: Discount
    holdout_percent: int
    suggested: list[str] = Field(description="Prefilled fields that nobody has edited, as `step.field`")
    placeholders: list[str] = Field(description="The placeholders that this campaign's words may hold")
    unresolved: list[Unresolved]
    stale: str | None = Field(description="Why the recommendation it was made from no longer holds")


class PreviewRequest(_Request):
    """Whose mail to show; left out: the most likely buyer of the audience."""

    customer_no: int | None = None


class PreviewMember(_Answer):
    """A member to view the campaign as."""

    customer_no: int
    label: str


class Preview(_Answer):
    """One message as the sending renderer makes it; nothing is sent or counted."""

    customer_no: int | None
    header_from: str
    reply_to: str | None
    subject: str
    preview_text: str
    html: str
    text: str
    fallbacks: list[str] = Field(description="Placeholders that took their fallback")
    members: list[PreviewMember]
    testers: list[str] = Field(description="Whom the shop's last kept test went to")


class TestRequest(_Request):
    """Where test messages go; they carry a TEST banner and touch neither cap nor counts."""

    addresses: list[str] = Field(min_length=1, max_length=10)
    customer_no: int | None = None
    remember: bool = Field(default=False, description="Keep the addresses for the next tests")


class TestOutcome(_Answer):
    """What the mail server said about one test message."""

    address: str
    state: Literal["sent", "failed", "unknown"]
    detail: str | None


class TestResult(_Answer):
    """One outcome per address."""

    items: list[TestOutcome]


class DecisionsQuery(BaseModel):
    """Filters of the decision diary."""

    search: str | None = Field(default=None, max_length=320, description="Customer number or exact e-mail address")
    reason: Reason | None = None
    outcome: Outcome | None = None
    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class Decision(_Answer):
    """What was decided for one customer, and why; kept from `since` until a tick decided otherwise."""

    id: str = Field(description="Names the decision for ever")
    customer_no: int
    label: str
    product_no: int | None
    product_title: str | None
    kind: Kind | None
    outcome: Outcome
    reason: Reason | None
    reason_text: str
    probability: float | None
    lift: float | None
    received: int = Field(description="E-mails of this campaign about this product that the customer ever got")
    received_since_purchase: int = Field(description="Of these, since the customer last bought the product")
    since: datetime
    last_tick: datetime
    current: bool
    message_id: str | None
    message_state: MessageState | None
    wait_days: int | None = Field(description="Until the campaign may mail the customer again, if the app drew it")
    wait_probability: float | None = Field(description="How likely that draw was")


class DecisionList(_Answer):
    """Decisions, newest first."""

    items: list[Decision]
    next: str | None
