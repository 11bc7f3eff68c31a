"""Discounts of a campaign over HTTP. Amounts are whole minor units of the shop's currency."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DiscountPlanPatch(_Request):
    """What to change of what Encore may give away; fields left out stay."""

    levels: list[int] | None = Field(default=None, max_length=10)
    ceiling_minor: int | None = None
    min_basket_minor: int | None = None
    validity_days: int | None = None
    budget_minor: int | None = None
    budget_period: Literal["campaign", "month"] | None = None
    none_percent: int | None = Field(default=None, ge=0, le=100)
    margin_percent: int | None = None


class DiscountPlan(_Answer):
    """What Encore may give away."""

    levels: list[int] = Field(description="Fixed amounts, rising")
    ceiling_minor: int
    min_basket_minor: int
    validity_days: int
    budget_minor: int
    budget_period: Literal["campaign", "month"]
    none_percent: int = Field(description="Get none by chance, so that the effect can be measured")
    margin_percent: int


class DiscountUnresolved(_Answer):
    """One thing that keeps the plan from being used."""

    field: str
    message: str


class DiscountStanding(_Answer):
    """How a campaign's managed discounts stand."""

    plan: DiscountPlan
    saved: bool
    unresolved: list[DiscountUnresolved]
    blocked: str | None = Field(description="Why Encore can't make discounts in this shop at all")
    problem: str | None = Field(description="Why the last try to make codes failed")
    reachable: int | None
    most_cost_minor: int | None = Field(description="Were every code used; never above the budget")
    reserved_minor: int = Field(description="Of the current budget: codes out, and codes used")
    ready: int
    issued: int
    redeemed: int
    waiting: int = Field(description="Messages that were promised a code which is not ready yet")
    basis: Literal["start", "constant", "customers"]


class CodeCheckRequest(_Request):
    """A code to ask Shopify about."""

    code: str = Field(max_length=255)


class CodeCheck(_Answer):
    """What Shopify says of a code."""

    ok: bool
    problem: str | None
    warnings: list[str]
    summary: str | None
    ends_at: datetime | None


class CodeCreate(_Request):
    """One code for everyone, once per customer, made in Shopify."""

    code: str = Field(max_length=255)
    amount_minor: int
    min_basket_minor: int = 0
    days: int


class DiscountLevelFigure(_Answer):
    """What became of one level, over messages that went out."""

    amount_minor: int
    offered: int
    settled: int = Field(description="Whose time has run out, so that all that could happen has")
    bought: int = Field(description="Of the settled: ordered before the code's end")


class DiscountEffect(_Answer):
    """Purchases that a code adds per 100 customers, against none by chance; a 95% interval."""

    estimate: float
    low: float
    high: float


class DiscountFigures(_Answer):
    """What discounts cost and brought."""

    given: int
    given_minor: int
    redeemed: int
    redeemed_minor: int
    saved_minor: int = Field(description="Customers given none who bought anyway, at the mean worth of a code")
    bought_without: int
    levels: list[DiscountLevelFigure]
    effect: DiscountEffect | None = Field(description="Null: not yet known")
