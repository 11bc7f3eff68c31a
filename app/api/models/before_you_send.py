"""What a campaign would have done and will do, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.campaigns import Frequency
from app.services.simulate import DEFAULT_DAYS, MOST_DAYS


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TargetedWeek(_Answer):
    """A past week: who would have been mailed, and who bought what would have been recommended within 30 days."""

    at: datetime
    ends: datetime
    targeted: int
    expected: float
    low: int
    high: int
    bought: int


class TargetedProduct(_Answer):
    """A product of the mix, over all weeks."""

    product_no: int
    title: str
    targeted: int
    expected: float
    bought: int


class CampaignLookBack(_Answer):
    """Had the campaign been active for the last twelve months. Purchases of those targeted, not caused by e-mail."""

    state: Literal["ready", "working", "too_short", "none", "failed"]
    first_at: datetime | None = Field(description="When the first week is, or was, possible")
    as_of: datetime | None
    planned: int
    members_of_today: bool = Field(description="A custom segment: its members of today, in past weeks")
    share: float = Field(description="Of the customers that were looked at; counts are multiplied to all")
    reachable_share: float | None = Field(description="Of those targeted in the last week, who can be mailed today")
    weeks: list[TargetedWeek]
    products: list[TargetedProduct] = Field(description="The ten with most customers")
    other_products: int


class SimulationRequest(BaseModel):
    """Settings to try instead of the campaign's own; what is left out stays. Nothing is saved."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MOST_DAYS)
    frequency: Frequency | None = None
    every_days: int | None = None
    wait_days: int | None = None
    repeats: int | None = None
    holdout_percent: int | None = Field(default=None, ge=0, le=100)
    discount_percent: float | None = Field(default=None, ge=0, le=100)
    discount_amount_minor: int | None = Field(default=None, ge=0)
    discount_ceiling_minor: int | None = Field(default=None, ge=0, description="At most so much off one order")


class SimulatedInterval(_Answer):
    """The mean of the simulated futures, and the bounds that nine in ten lie within."""

    expected: float
    low: int
    high: int


class SimulatedStretch(_Answer):
    """A day or a week; the last week may be shorter."""

    first: int = Field(description="Days from now")
    days: int
    starts_at: datetime
    emails: SimulatedInterval
    all_emails: SimulatedInterval


class SimulatedTiming(_Answer):
    """The timing that was simulated."""

    frequency: Frequency
    every_days: int
    wait_days: int
    repeats: int


class SimulatedLift(_Answer):
    """What e-mails of a kind are taken to add, as a share of the orders that come anyway."""

    kind: Literal["repurchase", "cross_sell"]
    lift: float
    low: float
    high: float
    campaigns: int = Field(description="How many measured campaigns say so; 0: the stated prior")


class Simulation(_Answer):
    """What a campaign will do from now on, beside all active campaigns."""

    as_of: datetime
    predicted_at: datetime
    days: int
    draws: int
    share: float = Field(description="Of the customers that were looked at; counts are multiplied to all")
    customers: int
    others: int = Field(description="Active campaigns that compete")
    timing: SimulatedTiming
    holdout_percent: int
    emails: SimulatedInterval
    all_emails: SimulatedInterval
    reached: SimulatedInterval
    all_reached: SimulatedInterval
    held_out: SimulatedInterval
    weeks: list[SimulatedStretch]
    by_day: list[SimulatedStretch]
    capped_days: SimulatedInterval = Field(description="Days of customers on which only the weekly cap was in the way")
    beaten_days: SimulatedInterval = Field(
        description="Days of customers on which another campaign's message was better"
    )
    limited_days: SimulatedInterval = Field(
        description="Days of customers on which only how much may be sent was in the way: a domain that warms up "
        "or has no DKIM, or the shop's limit an hour"
    )
    withdrawn: SimulatedInterval = Field(
        description="Messages whose customers bought while they waited for the campaign's hours"
    )
    orders: SimulatedInterval = Field(
        description="Of what was recommended, within 30 days of the e-mail, by those mailed"
    )
    all_orders: SimulatedInterval
    baseline: SimulatedInterval = Field(description="Those of them that would come anyway")
    added: SimulatedInterval = Field(description="What reminders bring, labelled by added_label")
    added_label: str
    lifts: list[SimulatedLift] = Field(description="Of each kind of e-mail that the campaign may send")
    discount_minor: SimulatedInterval | None = Field(description="Taken off orders; null: no discount to reckon with")
    discount_from: Literal["tried", "plan"] | None = Field(
        description="tried: off every one of these orders. plan: off each customer's first order before their code ends"
    )
    codes: SimulatedInterval | None = Field(description="Codes given by the plan")
    codes_minor: SimulatedInterval | None = Field(description="What those codes are worth together")
