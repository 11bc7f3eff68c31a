"""Predictions over HTTP: the model card and the back-test."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["repurchase", "cross_sell"]
Basis = Literal["model", "baseline", "prior"]
Grade = Literal["good", "fair", "weak", "too_little_data"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Windows(_Answer):
    """Label windows, each as long as the horizon, by their first moment."""

    history_begins: datetime
    latest: datetime | None = Field(description="The last complete window, which everything is measured on")
    training: list[datetime]


class Sizes(_Answer):
    """What the models saw."""

    customers: int
    products: int
    orders: int
    purchases: int


class ScorerQuality(_Answer):
    """One way to predict, on the last complete window; rankings are means over products with 10 or more buyers."""

    key: str
    name: str
    served: bool
    products: int
    average_precision: float | None
    auc: float | None
    lift_top5: float | None = Field(description="How much more often the best 5% of customers buy than all")
    lift_top10: float | None
    recall_top10: float | None = Field(description="Share of a product's buyers among the best 10% of customers")
    customer_recall10: float | None = Field(description="Share of what a customer bought among their 10 best products")
    brier: float | None = Field(description="Mean squared error; curves are fitted on the window before")
    ece: float | None = Field(description="Expected calibration error, 15 bins of equal size")


class CalibrationBin(_Answer):
    """Pairs of similar probability."""

    pairs: float
    predicted: float
    observed: float
    low: float = Field(description="95% interval of the observed share (Wilson)")
    high: float


class Calibration(_Answer):
    """How the served probabilities met the last complete window."""

    out_of_time: bool = Field(description="Fitted on the window before, not on this one")
    error: float | None
    brier: float | None
    brier_base_rate: float = Field(description="Of giving every pair the base rate")
    expected: float | None
    observed: int
    table: list[CalibrationBin]


class ProductQuality(_Answer):
    """One product with 10 or more buyers in the window."""

    product_no: int
    title: str
    pairs: int
    positives: int
    expected: float | None
    average_precision: float | None
    auc: float | None
    lift_top5: float | None
    lift_top10: float | None
    recall_top10: float | None


class Drift(_Answer):
    """Against the card before."""

    since: datetime
    level: Literal["none", "some", "strong"] | None
    stability_index: float | None = Field(description="Population stability index of all probabilities")
    calibration_before: float | None = Field(description="Buyers that came per buyer expected")
    calibration_now: float | None
    average_precision_before: float | None
    average_precision_now: float | None
    basis_before: Basis


class KindCard(_Answer):
    """One kind of prediction."""

    kind: Kind
    grade: Grade
    basis: Basis
    basis_reason: str
    base_rate: float | None
    pairs: int
    buyers: int
    training_pairs: int
    scorers: list[ScorerQuality]
    calibration: Calibration | None
    products: list[ProductQuality]
    drift: Drift | None = Field(description="Null for the first card")


class BgNbdParameters(_Answer):
    """Purchase rate and dropout of customers."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float


class GammaGammaParameters(_Answer):
    """Order values of customers."""

    p: float
    q: float
    v: float
    log_likelihood: float


class CustomersCheck(_Answer):
    """The customers' model, frozen at the beginning of the last 30 days."""

    customers: int
    orders_expected: float
    orders_actual: int
    buyers_expected: float
    buyers_actual: int
    calibrated: bool
    brier: float | None
    ece: float | None
    table: list[CalibrationBin]


class CustomersCard(_Answer):
    """What predicts orders and value of customers."""

    customers: int
    bg_nbd: BgNbdParameters
    gamma_gamma: GammaGammaParameters | None
    check: CustomersCheck | None


class Finding(_Answer):
    """A weak spot; `code` is one of a closed list."""

    code: str
    kind: Kind | None
    severity: Literal["note", "warning"]
    text: str


class EarlierKind(_Answer):
    """Headline figures of one kind."""

    kind: Kind
    grade: Grade
    basis: Basis
    average_precision: float | None
    best_other_average_precision: float | None
    lift_top5: float | None
    calibration_error: float | None
    calibration_ratio: float | None
    buyers: int


class EarlierCard(_Answer):
    """Headline figures of one run."""

    run_id: int
    as_of: datetime
    grade: Grade
    kinds: list[EarlierKind]


class LeftOut(_Answer):
    """Order lines that are no purchase, for one reason."""

    reason: str
    lines: int
    text: str = Field(description='Follows the count: "12 lines of gift cards"')


class ModelCard(_Answer):
    """What the predictions of one run are worth."""

    run_id: int
    as_of: datetime
    horizon_days: int
    grade: Grade
    headline: str
    windows: Windows
    sizes: Sizes
    left_out: list[LeftOut] = Field(description="Most lines first")
    kinds: list[KindCard]
    customers: CustomersCard | None
    findings: list[Finding]
    earlier: list[EarlierCard] = Field(description="Newest first, this run's included")


class ModelCardAnswer(_Answer):
    """The newest card; null before the first predictions."""

    card: ModelCard | None


class BacktestKind(_Answer):
    """One kind of prediction at one moment."""

    kind: Kind
    basis: Basis
    pairs: int
    expected: float
    expected_low: float = Field(description="90% range if purchases were independent")
    expected_high: float
    actual: int
    calibration_error: float | None
    average_precision: float | None
    lift_top5: float | None
    best_rule: str
    best_rule_average_precision: float | None


class BacktestMoment(_Answer):
    """Predictions frozen at one moment, and the horizon after it."""

    at: datetime
    ends: datetime
    kinds: list[BacktestKind]


class BacktestAnswer(_Answer):
    """Every fourth week with 120 days of history before it and a complete horizon after it."""

    state: Literal["none", "working", "ready", "too_short", "failed"]
    done: int
    planned: int
    first_at: datetime | None = Field(description="When the first result is, or was, possible")
    as_of: datetime | None
    sample_share: float = Field(description="Share of customers that counts are of; 1 but in large shops")
    moments: list[BacktestMoment]
