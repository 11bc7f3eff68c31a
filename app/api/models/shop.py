"""The shop over HTTP: who it is, where it stands, its key numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.campaign_reports import WholeShop


class Step(BaseModel):
    """One step of the import or the refresh."""

    model_config = ConfigDict(extra="ignore")
    name: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int | None
    unit: str


class ProgressAnswer(BaseModel):
    """Where the first import and refresh are."""

    phase: Literal["waiting", "importing", "refreshing", "ready", "failed"]
    steps: list[Step]
    message: str
    running: bool = Field(description="Something is being computed now, also when older numbers are shown")


class ShopAnswer(BaseModel):
    """The shop itself."""

    domain: str
    name: str
    currency: str
    timezone: str
    installed_at: datetime


class CountDifference(BaseModel):
    """One object's count at the shop and in Encore."""

    object: str
    shop: int
    imported: int
    difference: int
    reason: str | None


class Stage(BaseModel):
    """One stage of the customer's rhythm; the five partition all buyers."""

    segment_id: str
    key: str
    name: str
    size: int
    change: int | None = Field(description="Against the run before; null at the first")


class Mover(BaseModel):
    """A segment whose size changed most since the run before."""

    segment_id: str
    name: str
    size: int
    entered: int
    left: int


class ModelBasis(BaseModel):
    """What the predictions of one kind rest on."""

    kind: Literal["repurchase", "cross_sell"]
    basis: Literal["model", "baseline", "prior"]
    grade: Literal["good", "fair", "weak", "too_little_data"] | None = Field(description="As the model card says")


class Health(BaseModel):
    """How fresh things are."""

    last_import: datetime | None
    last_refresh: datetime | None
    failed_jobs: int
    running_jobs: int
    missed_refreshes: int = Field(description="Failed one after the other since the last that ended well")
    differences: list[CountDifference]
    models: list[ModelBasis]


class MeasuredInterval(BaseModel):
    """A measured sum with its 95% interval, and the wider one that holds at every look. Money in minor units."""

    estimate: float
    low: float
    high: float
    sure_low: float
    sure_high: float


class CampaignsTogether(BaseModel):
    """What the shop's campaigns added, and, apart from it, what followed them."""

    as_of: datetime | None
    emails_sent: int
    incremental_orders: MeasuredInterval | None = Field(description="Null before any campaign has an interval")
    incremental_revenue: MeasuredInterval | None
    measured: int = Field(description="Campaigns in the sum")
    collecting: int = Field(description="Campaigns with too few customers held out so far")
    attributed_orders: int
    attributed_revenue_minor: int
    whole_shop: WholeShop | None = Field(description="Null before the first measurement")


class DashboardAnswer(BaseModel):
    """Key numbers of the published run; null before the first."""

    as_of: datetime | None
    run_id: int | None
    customers: int | None
    buyers: int | None
    reachable: int | None
    net_sales_30d_minor: int | None
    orders_30d: int | None
    expected_buyers_30d: float | None = Field(description="Sum over customers of P(order within 30 days)")
    stages: list[Stage]
    movers: list[Mover]
    campaigns: CampaignsTogether
    health: Health
