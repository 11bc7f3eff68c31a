"""What a treatment adds, from a randomised holdout: contrast, interval, and whether it may be called known.

One row per customer, by the arm that their first decision drew, whatever became of it (intention to treat): later
decisions depend on what the first one did, so they are part of the outcome and never rows of their own.

Sources: covariate adjustment (CUPED) after Deng, Xu, Kohavi & Walker (2013), WSDM; as weighted least squares with
HC2 variance after Lin (2013), Annals of Applied Statistics 7(1), and MacKinnon & White (1985), Journal of
Econometrics 29(3); degrees of freedom after Welch (1947), Biometrika 34; intervals that hold at every look after
Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52(6). Unlike Lin, covariates have one slope for both arms: a tenth held out has too
few customers for slopes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import norm, t

if TYPE_CHECKING:
    from ml.history import Bools, Floats, Ints

CONFIDENCE = 0.95
MIN_ARM = 50  # customers in the smaller arm, below which the normal approximation says too much
MIN_BUYERS = 5  # customers with an order in each arm, for the same reason
TUNED_TO = 500.0  # effective customers at which an interval for every look is narrowest, at three standard errors
USEFUL_LIFT = 0.20  # of the held-out customers' orders: the effect that the needed sample size is stated for
NEGLIGIBLE_LIFT = 0.10  # an effect surely smaller than this, either way, is none worth having
POWER = 0.8
PRIOR_LIFT, PRIOR_SPREAD = 0.05, 0.05  # what a reminder adds before anything is measured, and how sure that is

Verdict = Literal["collecting", "not_yet_known", "adds", "takes_away", "little"]


@dataclass(frozen=True)
class Effect:
    """The effect on one treated customer, in the outcome's unit.

    treated, held_out:         customers of each arm
    treated_mean, held_out_mean: weighted mean outcomes, not adjusted
    treated_buyers, held_out_buyers: customers whose outcome is above zero
    per_customer:              adjusted difference
    standard_error, raw_error: of the adjusted and of the plain difference; infinite while an arm is too small
    effective:                 customers' worth of evidence; that of arms of n and m is n m / (n + m)
    degrees:                   of freedom, of the 95% interval
    """

    treated: int
    held_out: int
    treated_mean: float
    held_out_mean: float
    treated_buyers: int
    held_out_buyers: int
    per_customer: float
    standard_error: float
    raw_error: float
    effective: float
    degrees: float

    @property
    def margin(self) -> float:
        """Half the width of the 95% interval at one look."""
        return float(t.isf((1 - CONFIDENCE) / 2, self.degrees)) * self.standard_error

    @property
    def sure_margin(self) -> float:
        """Half the width of the interval that holds at all looks together with a chance of 95%."""
        return look_factor(self.effective) * self.standard_error

    def relative(self) -> tuple[float, float] | None:
        """The effect as a share of the held-out mean, and its standard error (delta method); None without a base."""
        if self.held_out_mean <= 0 or not np.isfinite(self.standard_error):
            return None
        share = self.per_customer / self.held_out_mean
        # The base is uncertain too; nearly all of the difference's variance is that of the smaller arm.
        error = self.standard_error * (1 + abs(share)) / self.held_out_mean
        return share, error


def look_factor(effective: float) -> float:
    """How many standard errors an interval needs each way to hold at every look, by the evidence so far."""
    if effective <= 0:
        return float("inf")
    alpha = 1 - CONFIDENCE
    rho = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / TUNED_TO
    grown = effective * rho
    return float(np.sqrt((1 + 1 / grown) * (np.log1p(grown) - 2 * np.log(alpha))))


def contrast(outcome: Floats, mailed: Bools, chance: Floats, covariates: Floats) -> Effect:
    """Compare treated with held-out customers, weighted to the treated ones.

    outcome:    (n,) what each customer did after their decision
    mailed:     (n,) the arm that was drawn
    chance:     (n,) the probability of being treated in force at that moment; rows with 0 or 1 have nobody to be
                compared with and are left out
    covariates: (n, k) known before the decision; columns that say nothing are dropped

    Raises ValueError if the lengths differ.
    """
    if not len(outcome) == len(mailed) == len(chance) == len(covariates):
        raise ValueError("outcome, mailed, chance and covariates must have the same length")
    inside = (chance > 0) & (chance < 1)
    y, arm, chance, x = outcome[inside].astype(float), mailed[inside], chance[inside], covariates[inside]
    weight = np.where(arm, 1.0, chance / (1 - chance))
    sizes = int(arm.sum()), int((~arm).sum())
    plain, plain_error, degrees, effective = _fit(y, arm, weight, np.empty((len(y), 0)))
    best, error = plain, plain_error
    useful = _standardised(x, weight)
    if min(sizes) > 2 * useful.shape[1] + 2:
        best, error, degrees, effective = _fit(y, arm, weight, useful)
    return Effect(
        treated=sizes[0],
        held_out=sizes[1],
        treated_mean=_mean(y[arm], weight[arm]),
        held_out_mean=_mean(y[~arm], weight[~arm]),
        treated_buyers=int((y[arm] > 0).sum()),
        held_out_buyers=int((y[~arm] > 0).sum()),
        per_customer=best,
        standard_error=error,
        raw_error=plain_error,
        effective=effective,
        degrees=degrees,
    )


def _mean(values: Floats, weight: Floats) -> float:
    return float(np.average(values, weights=weight)) if len(values) else 0.0


def _standardised(x: Floats, weight: Floats) -> Floats:
    if not len(x):
        return x
    centred = np.nan_to_num(x.astype(float)) - np.average(np.nan_to_num(x), axis=0, weights=weight)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=weight))
    kept: Floats = centred[:, spread > 0] / spread[spread > 0]
    return kept


def _fit(y: Floats, arm: Bools, weight: Floats, x: Floats) -> tuple[float, float, float, float]:
    """(effect, standard error, degrees of freedom, effective customers) by weighted least squares."""
    sizes = int(arm.sum()), int((~arm).sum())
    if min(sizes) < 2:  # noqa: PLR2004 - one customer has no spread
        return 0.0, float("inf"), 1.0, 0.0
    design = np.column_stack([np.ones(len(y)), arm, x])
    weighted = design * weight[:, None]
    inverse = np.linalg.pinv(design.T @ weighted)
    coefficients = inverse @ (weighted.T @ y)
    residual = y - design @ coefficients
    leverage = np.einsum("ij,jk,ik->i", weighted, inverse, design)
    pull = (weighted @ inverse)[:, 1]
    parts = (pull * residual) ** 2 / np.clip(1 - leverage, 1e-6, None)
    variance = float(parts.sum())
    if variance <= 0:
        return float(coefficients[1]), float("inf"), 1.0, 0.0
    by_arm = [float(parts[side].sum()) for side in (arm, ~arm)]
    degrees = variance**2 / sum(part**2 / (size - 1) for part, size in zip(by_arm, sizes, strict=True))
    effective = 1 / sum(float((weight[side] ** 2).sum() / weight[side].sum() ** 2) for side in (arm, ~arm))
    return float(coefficients[1]), variance**0.5, max(degrees, 1.0), effective


def verdict(effect: Effect) -> Verdict:
    """What may be said of an effect on orders, however often it was looked at before.

    collecting: too few customers or buyers for any interval. not_yet_known: the sure interval holds zero and effects
    that matter. adds, takes_away: it lies on one side of zero. little: it lies within a tenth of the held-out mean.
    """
    small = min(effect.treated, effect.held_out) < MIN_ARM
    if small or min(effect.treated_buyers, effect.held_out_buyers) < MIN_BUYERS:
        return "collecting"
    low, high = effect.per_customer - effect.sure_margin, effect.per_customer + effect.sure_margin
    if low > 0:
        return "adds"
    if high < 0:
        return "takes_away"
    bound = NEGLIGIBLE_LIFT * effect.held_out_mean
    return "little" if -bound < low and high < bound else "not_yet_known"


def customers_needed(effect: Effect) -> int | None:
    """How many customers in all, at this split, show a lift of a fifth as known in four of five cases.

    None while the held-out have bought nothing, or no spread is known.
    """
    useful = USEFUL_LIFT * effect.held_out_mean
    if useful <= 0 or not np.isfinite(effect.standard_error):
        return None
    wanted = useful / (look_factor(TUNED_TO) + float(norm.ppf(POWER)))
    return int(np.ceil((effect.treated + effect.held_out) * (effect.standard_error / wanted) ** 2))


def shrunk_lift(measured: list[tuple[float, float]]) -> tuple[float, float]:
    """Relative lifts of similar treatments, each with its standard error, drawn towards the stated prior.

    Returns mean and standard deviation of a normal posterior, by precision; the prior alone if nothing is measured.
    """
    precision, total = 1 / PRIOR_SPREAD**2, PRIOR_LIFT / PRIOR_SPREAD**2
    for lift, error in measured:
        precision, total = precision + 1 / error**2, total + lift / error**2
    return total / precision, precision**-0.5


def cumulative(
    day: Ints, customer: Ints, amount: Floats, observed_days: Floats, weight: Floats, member: Bools, days: int
) -> list[float]:
    """Mean amount per customer of one arm up to each day 1..days after their decision.

    day, customer, amount: (m,) whole days after the decision, the row of the customer, and what counts, of each event
    observed_days: (n,) how far each customer could be followed; days nobody could be followed on add nothing
    weight, member: (n,) of each customer; whether the customer is of the arm
    """
    share = np.where(member, weight, 0.0)
    total, curve = 0.0, []
    for number in range(days):
        seen = np.where(observed_days >= number + 1, share, 0.0)
        base = float(seen.sum())
        if base > 0:
            on_day = day == number
            total += float((seen[customer[on_day]] * amount[on_day]).sum()) / base
        curve.append(total)
    return curve


def summed(effects: list[tuple[float, float]]) -> tuple[float, float]:
    """Total and standard error of independent effects, each with its standard error."""
    return sum(effect for effect, _ in effects), float(np.sqrt(sum(error**2 for _, error in effects)))


def as_total(effect: Effect, customers: int) -> dict[str, Any]:
    """The effect on all treated customers together, with both intervals; None where nothing bounds it."""
    known = np.isfinite(effect.standard_error)

    def end(margin: float, sign: int) -> float | None:
        return (effect.per_customer + sign * margin) * customers if known else None

    return {
        "estimate": effect.per_customer * customers if known else None,
        "low": end(effect.margin, -1),
        "high": end(effect.margin, 1),
        "sure_low": end(effect.sure_margin, -1),
        "sure_high": end(effect.sure_margin, 1),
        "error": effect.standard_error * customers if known else None,
    }
