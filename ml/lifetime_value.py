"""When a customer orders again and what a year of them is worth: BG/NBD and Gamma-Gamma by maximum likelihood.

Sources: Fader, Hardie & Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24(2);
Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value". Time is in weeks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, hyp2f1

from ml.calibration import fit_platt, to_logit
from ml.history import Bools, Floats, History, group_ends, group_starts, moments, tally
from ml.metrics import calibration_table, probability_quality

WEEK = 7.0
YEAR_WEEKS = 365.0 / WEEK
HORIZONS = (30, 60, 90)
LIKELY = 0.5
BORDERS = (0.1, 0.5, 0.9)
LOG_BOUNDS = (-8.0, 8.0)
START = (0.5, 5.0, 0.5, 2.0)
START_VALUE = (5.0, 4.0, 1.0)
SHOP_PENALTY = 3.0  # pulls the logs to START as hard as a handful of customers would
LATEST_DAYS = 3650.0
MAX_FIT = 100_000


@dataclass(frozen=True)
class Recency:
    """Per customer: repeat orders, weeks from first to last order, weeks from first order to now."""

    repeats: Floats
    last: Floats
    age: Floats


@dataclass(frozen=True)
class BgNbd:
    """Orders come at a gamma-distributed rate (r, alpha per week); after each a customer may leave (a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, seen: Recency) -> Floats:
        """P(still a customer). Always 1 for one-time buyers, so never rank by it: use p_order."""
        x, repeat = seen.repeats, seen.repeats > 0
        power = (self.r + x) * np.log((self.alpha + seen.age) / (self.alpha + seen.last))
        odds = self.a / np.where(repeat, self.b + x - 1, 1.0) * np.exp(np.minimum(power, 500.0))
        return np.where(repeat, 1.0 / (1.0 + odds), 1.0)

    def p_order(self, seen: Recency, weeks: float) -> Floats:
        """P(at least one order in the next `weeks`)."""
        shape = self.r + seen.repeats
        return self.alive(seen) * (1 - (1 + weeks / (self.alpha + seen.age)) ** -shape)

    def next_order(self, seen: Recency, quantile: float) -> Floats:
        """Weeks until the next order, at this quantile, for someone who is still a customer."""
        return (self.alpha + seen.age) * ((1 - quantile) ** (-1 / (self.r + seen.repeats)) - 1)

    def expected_orders(self, seen: Recency, weeks: float) -> Floats:
        """Expected number of orders in the next `weeks`."""
        x = seen.repeats
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # noqa: PLR2004 - the formula divides by a - 1
        share = weeks / (self.alpha + seen.age + weeks)
        decay = (1 + weeks / (self.alpha + seen.age)) ** -(self.r + x)
        with np.errstate(all="ignore"):
            series = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, share)
            expected = (a + self.b + x - 1) / (a - 1) * (1 - decay * series) * self.alive(seen)
        steady = self.alive(seen) * (self.r + x) / (self.alpha + seen.age) * weeks
        # Far out the series loses its digits; nobody orders faster than their own rate without leaving.
        return np.where(np.isfinite(expected) & (expected >= 0) & (expected <= steady), expected, steady)


def _bgnbd_terms(theta: Floats, seen: Recency, weight: Floats) -> tuple[float, Floats]:
    """Log-likelihood and its gradient in the logs of (r, alpha, a, b)."""
    r, alpha, a, b = np.exp(theta)
    x, repeat = seen.repeats, seen.repeats > 0
    log_age, log_last = np.log(alpha + seen.age), np.log(alpha + seen.last)
    stays = -(r + x) * log_age
    left = np.where(repeat, np.log(a) - np.log(np.where(repeat, b + x - 1, 1.0)) - (r + x) * log_last, -np.inf)
    either = np.logaddexp(stays, left)
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    gone = np.exp(left - either)
    d_r = digamma(r + x) - digamma(r) + np.log(alpha) - (1 - gone) * log_age - gone * log_last
    d_alpha = r / alpha - (r + x) * ((1 - gone) / (alpha + seen.age) + gone / (alpha + seen.last))
    d_a = digamma(a + b) - digamma(a + b + x) + gone / a
    d_b = digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x)
    d_b = d_b - np.where(repeat, gone / np.where(repeat, b + x - 1, 1.0), 0.0)
    gradient = np.array([(weight * d).sum() for d in (d_r, d_alpha, d_a, d_b)]) * np.exp(theta)
    return float((weight * (common + either)).sum()), gradient


def fit_bgnbd(seen: Recency, penalty: float = 0.0) -> BgNbd:
    """Maximum likelihood over customers; equal customers are counted once.

    penalty: weight of a pull of the four logs to START, for shops too small to tell.
    """
    rows, weight = np.unique(np.column_stack([seen.repeats, seen.last, seen.age]), axis=0, return_counts=True)
    if len(rows) > MAX_FIT:
        drawn = np.sort(np.random.default_rng(0).choice(len(rows), MAX_FIT, replace=False))
        rows, weight = rows[drawn], weight[drawn]
    unique = Recency(rows[:, 0], rows[:, 1], rows[:, 2])
    start = np.log(START)

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = _bgnbd_terms(theta, unique, weight.astype(np.float64))
        away = theta - start
        return -value + penalty * float(away @ away), -gradient + 2 * penalty * away

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[LOG_BOUNDS] * 4, options={"ftol": 1e-12})
    value, _ = _bgnbd_terms(found.x, unique, weight.astype(np.float64))
    r, alpha, a, b = (float(number) for number in np.exp(found.x))
    return BgNbd(r, alpha, a, b, value)


@dataclass(frozen=True)
class GammaGamma:
    """Order values vary around a customer's own mean, which varies around the shop's (p, q, v)."""

    p: float
    q: float
    v: float
    log_likelihood: float

    def expected_value(self, orders: Floats, mean_value: Floats) -> Floats:
        """A customer's expected order value, pulled to the shop's mean while they have few orders."""
        return self.p * (self.v + orders * mean_value) / np.maximum(self.p * orders + self.q - 1, 1e-6)


def _gamma_gamma_terms(theta: Floats, x: Floats, mean: Floats) -> tuple[float, Floats]:
    p, q, v = np.exp(theta)
    total = np.log(v + x * mean)
    value = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
    value = value + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * total
    d_p = x * (digamma(p * x + q) - digamma(p * x) + np.log(mean) + np.log(x) - total)
    d_q = digamma(p * x + q) - digamma(q) + np.log(v) - total
    d_v = q / v - (p * x + q) / (v + x * mean)
    return float(value.sum()), np.array([d_p.sum(), d_q.sum(), d_v.sum()]) * np.exp(theta)


def fit_gamma_gamma(orders: Floats, mean_value: Floats, penalty: float = 0.0) -> GammaGamma:
    """Maximum likelihood; only customers with an order and a positive mean value may be given."""
    unit = float(np.median(mean_value))
    scaled = mean_value / unit
    start = np.log(START_VALUE)

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = _gamma_gamma_terms(theta, orders, scaled)
        away = theta - start
        return -value + penalty * float(away @ away), -gradient + 2 * penalty * away

    # q > 1, or the mean over customers would not exist.
    bounds = [LOG_BOUNDS, (0.01, LOG_BOUNDS[1]), LOG_BOUNDS]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    p, q, v = (float(number) for number in np.exp(found.x))
    value = _gamma_gamma_terms(np.log([p, q, v * unit]), orders, mean_value)[0]
    return GammaGamma(p, q, v * unit, value)


def recency(h: History) -> tuple[Recency, Floats, Floats]:
    """Per customer code with an order: recency, all orders, mean order value.

    Orders of the same moment count once; the customers are those of `h.order_customer`, each once.
    """
    starts = group_starts(h.order_customer)
    counts = group_ends(starts, len(h.order_customer)) - starts
    first, last = h.order_day[starts], h.order_day[starts + counts - 1]
    customer = np.repeat(np.arange(len(starts)), counts)
    later = np.diff(h.order_day, prepend=np.nan) > 0
    later[starts] = False
    repeats = tally(customer, len(starts), later)
    value = tally(customer, len(starts), h.order_value)
    seen = Recency(repeats, (last - first) / WEEK, (h.until - first) / WEEK)
    return seen, counts.astype(np.float64), value / counts


@dataclass(frozen=True)
class _Then:
    """The shop as it stood some days ago, and the model that it would have had."""

    known: History
    seen: Recency
    model: BgNbd


def _then(h: History, days: float) -> _Then | None:
    known = h.before(h.until - days)
    if len(known.order_day) == 0:
        return None
    seen, _, _ = recency(known)
    return _Then(known, seen, fit_bgnbd(seen, SHOP_PENALTY))


def _ordered(h: History, then: _Then, days: float) -> Bools:
    """Which customers known then ordered in the `days` after."""
    start = then.known.until
    came = h.order_customer[(h.order_day >= start) & (h.order_day < start + days)]
    return np.isin(np.unique(then.known.order_customer), came)


def _p_orders(h: History, model: BgNbd, seen: Recency, past: dict[int, _Then | None]) -> tuple[list[Floats], list[str]]:
    """P(order) within each horizon, calibrated on its latest complete window where there are enough customers."""
    chances: list[Floats] = []
    bases: list[str] = []
    for days in HORIZONS:
        chance, basis = model.p_order(seen, days / WEEK), "prior"
        then = past[days]
        if then is not None:
            earlier = then.model.p_order(then.seen, days / WEEK)
            curve = fit_platt(to_logit(earlier), _ordered(h, then, days))
            if curve is not None:
                chance, basis = curve.probability(to_logit(chance)), "baseline"
        # A longer horizon can't be less likely.
        chances.append(np.maximum(chance, chances[-1]) if chances else chance)
        bases.append(basis)
    return chances, bases


def _check(h: History, then: _Then | None, before: _Then | None) -> dict[str, Any] | None:
    """How the customers' model would have met the last complete window, frozen at its start; None without customers.

    Orders of customers known at the start: expected against actual. P(order) is calibrated on the window before, if
    there are enough customers, and measured on this one.
    """
    if then is None:
        return None
    days = float(HORIZONS[0])
    start, members = then.known.until, np.unique(then.known.order_customer)
    inside = (h.order_day >= start) & np.isin(h.order_customer, members)
    # As the model counts: orders of one moment are one.
    actual = len(np.unique(np.stack([h.order_customer[inside], h.order_day[inside]]), axis=1).T)
    ordered = _ordered(h, then, days)
    chance = then.model.p_order(then.seen, days / WEEK)
    curve = None
    if before is not None:
        earlier = before.model.p_order(before.seen, days / WEEK)
        curve = fit_platt(to_logit(earlier), _ordered(h, before, days))
    if curve is not None:
        chance = curve.probability(to_logit(chance))
    return {
        "customers": len(members),
        "orders_expected": float(then.model.expected_orders(then.seen, days / WEEK).sum()),
        "orders_actual": actual,
        "calibrated": curve is not None,
        "buyers_actual": int(ordered.sum()),
        **{name: value for name, value in probability_quality(ordered, chance).items() if name != "expected"},
        "buyers_expected": float(chance.sum()),
        "table": calibration_table(ordered, chance),
    }


def order_chance(h: History, days: float) -> Floats:
    """P(any order in the next `days`) per customer code, 0 for customers without an order; not calibrated."""
    chance = np.zeros(h.n_customers)
    if len(h.order_day):
        seen, _orders, _values = recency(h)
        chance[np.unique(h.order_customer)] = fit_bgnbd(seen, SHOP_PENALTY).p_order(seen, days / WEEK)
    return chance


def customer_values(h: History) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row per customer with an order before `h.until`: columns as the package's interface says.

    orders_12m and value_12m (the lines' money) are expectations for the next 365 days. next_order_at is the
    median, low and high the 10% and 90% borders, cut at ten years; null where an order within a year is unlikely.
    """
    if len(h.order_day) == 0:
        empty = {name: np.zeros(0) for name in ("p_order_30d", "p_order_60d", "p_order_90d", "orders_12m", "value_12m")}
        frame = pd.DataFrame({"customer_no": np.zeros(0, dtype=np.int32)} | empty)
        for name in ("next_order_at", "next_order_low", "next_order_high"):
            frame[name] = moments(np.zeros(0))
        return frame, {"customers": 0}
    h = h.orders_alone()  # three earlier views are held below
    seen, orders, mean_value = recency(h)
    model = fit_bgnbd(seen, SHOP_PENALTY)
    past = {days: _then(h, days) for days in HORIZONS}
    chances, bases = _p_orders(h, model, seen, past)
    expected = model.expected_orders(seen, YEAR_WEEKS)
    paying = mean_value > 0
    values = np.zeros(len(orders))
    card: dict[str, Any] = {"customers": len(orders), "basis": dict(zip(map(str, HORIZONS), bases, strict=True))}
    card["bg_nbd"] = asdict(model)
    card["check"] = _check(h, past[30], past[60])
    if paying.any():
        money = fit_gamma_gamma(orders[paying], mean_value[paying], SHOP_PENALTY)
        values[paying] = money.expected_value(orders[paying], mean_value[paying])
        card["gamma_gamma"] = asdict(money)
    likely = model.p_order(seen, YEAR_WEEKS) >= LIKELY
    frame = pd.DataFrame({"customer_no": h.customer_no[np.unique(h.order_customer)]})
    for days, chance in zip(HORIZONS, chances, strict=True):
        frame[f"p_order_{days}d"] = chance
    frame["orders_12m"] = expected
    frame["value_12m"] = expected * values
    for name, quantile in zip(("next_order_low", "next_order_at", "next_order_high"), BORDERS, strict=True):
        wait = np.minimum(WEEK * model.next_order(seen, quantile), LATEST_DAYS)
        frame[name] = moments(np.where(likely, h.until + wait, np.nan))
    return frame, card
