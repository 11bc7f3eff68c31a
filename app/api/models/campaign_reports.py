"""What campaigns added, over HTTP. *Incremental* is only what was measured against customers held out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["collecting", "not_yet_known", "adds", "takes_away", "little"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class EffectTotal(_Answer):
    """An effect on all mailed customers together; null where nothing bounds it. Money in minor units."""

    estimate: float | None
    low: float | None = Field(description="95% interval, at one look")
    high: float | None
    sure_low: float | None = Field(description="Interval that holds at every look together with a chance of 95%")
    sure_high: float | None


class EffectLift(_Answer):
    """The effect as a share of what held-out customers did."""

    estimate: float
    error: float


class EffectContrast(_Answer):
    """One outcome, per customer."""

    treated_mean: float
    held_out_mean: float
    treated_buyers: int
    held_out_buyers: int
    per_customer: float = Field(description="Difference, adjusted by what was known before the decision")
    standard_error: float | None
    raw_error: float | None = Field(description="Of the plain difference, without the adjustment")
    total: EffectTotal
    lift: EffectLift | None


class CurvePoint(_Answer):
    """Orders, and net sales in minor units, per 100 customers up to a day after the first decision."""

    day: int
    mailed: float
    held_out: float
    mailed_minor: float
    held_out_minor: float


class WholeShop(_Answer):
    """Customers whom campaigns may mail against those whom none does: what all campaigns together add."""

    verdict: Verdict
    window_days: int
    treated: int
    held_out: int
    orders: EffectTotal
    revenue: EffectTotal
    curve: list[CurvePoint]


class CampaignEffect(_Answer):
    """Customers whom the coin let through against customers it held out, after the first decision of each."""

    verdict: Verdict
    window_days: int
    treated: int
    held_out: int
    held_out_of_shop: int = Field(description="Held out of all campaigns, so not compared here")
    complete: int = Field(description="Customers whose window is over")
    orders: EffectContrast
    revenue: EffectContrast
    product_orders: EffectContrast = Field(description="Orders of the product that the first e-mail was about")
    customers_needed: int | None = Field(description="In all, for a lift of a fifth to be known in four of five cases")
    customers_per_day: float
    plausible_at: datetime | None = Field(description="When there are enough at this pace; null: not within two years")
    curve: list[CurvePoint]


class CampaignFunnel(_Answer):
    """Customers, from the choice to the order; null where nothing observes the step."""

    eligible: int = Field(description="Won their decision, before the coin")
    held_out: int
    sent: int
    delivered: int | None
    opened: int | None
    clicked: int
    ordered: int = Field(description="With an attributed order")


class AttributedWay(_Answer):
    """Orders attributed in one way."""

    way: Literal["code", "click", "window"]
    orders: int
    revenue_minor: int


class CampaignAttribution(_Answer):
    """Orders that followed an e-mail. They say what came after, not what it added."""

    orders: int
    revenue_minor: int
    ways: list[AttributedWay]


class CampaignArmReceipt(_Answer):
    """What was promised of one arm's customers, and what came of it."""

    customers: int
    promised: float
    bought: int


class CampaignProductReceipt(_Answer):
    """One product's customers whose 30 days are over; `open`: whose are not."""

    product_no: int
    title: str
    kind: Literal["repurchase", "cross_sell"]
    open: int
    mailed: CampaignArmReceipt
    held_out: CampaignArmReceipt


class CampaignLinkClicks(_Answer):
    """Clicks on one destination."""

    url: str
    clicks: int = Field(description="By people")
    customers: int
    machine_clicks: int = Field(description="Within 90 seconds of the hand-over: scanners")


class CampaignDose(_Answer):
    """The n-th e-mail that customers got of the campaign, and what followed it."""

    nth: int
    sent: int
    clicked: int
    ordered: int


class CampaignDiscountCost(_Answer):
    """What the campaign's discounts came to."""

    orders: int
    given_minor: int
    saved_minor: int | None = Field(description="Null: no randomised arm went without")
    basis: str


class CampaignFigures(_Answer):
    """What was measured, as of the report."""

    funnel: CampaignFunnel
    effect: CampaignEffect
    attribution: CampaignAttribution
    products: list[CampaignProductReceipt]
    links: list[CampaignLinkClicks]
    doses: list[CampaignDose]
    discount: CampaignDiscountCost | None
    unsubscribed: int
    complained: int | None
    bounced: int | None


class CampaignMessageCounts(_Answer):
    """Messages now: planned, counted by itself, is the sum of all the others."""

    planned: int
    sent: int
    failed: int
    unknown: int
    capped: int
    cancelled: int
    held_out: int
    waiting: int


class HoldoutStep(_Answer):
    """A change of the percentage held out."""

    at: datetime
    before: int
    percent: int
    reason: str


class MeasuredThen(_Answer):
    """Incremental orders as measured on an earlier day."""

    day: date
    estimate: float | None
    low: float | None
    high: float | None


class ReportRules(_Answer):
    """The constants behind the report, so that the page states them."""

    code_days: int
    click_days: int
    window_days: int
    least_held_out: int
    useful_lift: float
    holdout_default: int


class CampaignReport(_Answer):
    """One campaign's report; `figures` is null before the first measurement."""

    campaign_id: str
    as_of: datetime | None
    measured_at: datetime | None
    messages: CampaignMessageCounts
    figures: CampaignFigures | None
    window_days: int
    holdout_percent: int
    shop_holdout_percent: int
    holdout_changes: list[HoldoutStep]
    history: list[MeasuredThen]
    rules: ReportRules


class CampaignResult(_Answer):
    """One campaign in the list."""

    campaign_id: str
    verdict: Verdict
    incremental_orders: EffectTotal | None = Field(description="Null while too few customers were held out")
    clicked: int
    ordered: int = Field(description="Attributed orders")
    waiting: int = Field(description="Messages waiting to be sent")


class SendsOfDay(_Answer):
    """Messages of one campaign on one store day."""

    day: date
    campaign_id: str
    sent: int


class CampaignResults(_Answer):
    """The list's figures, as of the last measurement."""

    as_of: datetime | None
    items: list[CampaignResult]
    days: list[SendsOfDay]


class ShopHoldout(_Answer):
    """How many customers get no campaign at all, so that it shows what all together add."""

    percent: int
    default: int
    most: int
    changed_at: datetime | None


class ShopHoldoutPatch(BaseModel):
    """From the next decision on."""

    model_config = ConfigDict(extra="forbid")
    percent: int = Field(ge=0, le=10)
