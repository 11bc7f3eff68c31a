"""What is known about a customer and a product they bought before: the inputs of the repurchase model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.calibration import to_logit
from ml.gaps import Gaps, pair_gaps, repeat_rates
from ml.history import Floats, History, Ints, Matrix, sums, tally

if TYPE_CHECKING:
    from collections.abc import Callable

HALF_LIVES = (15.0, 30.0, 60.0, 120.0)
WINDOWS = (30.0, 60.0, 90.0)
CATEGORY_HALF_LIFE = 60.0
PRIOR_DAYS = 60.0  # a product's own repeat rate weighs as much as this many days of watching a pair
SHORTEST_EXPOSURE = 1.0
LONGEST_RATIO = 6.0


@dataclass(frozen=True)
class PairScores:
    """Closed-form scores of every pair, in the order of the history's pairs."""

    poisson_gamma: Floats
    ceiling: Floats
    decayed: Floats
    recency: Floats
    best_sellers: Floats


def decayed_counts(h: History, half_life: float) -> Floats:
    """Purchases of each pair, each worth half as much per half-life of age."""
    return sums(0.5 ** ((h.until - h.day) / half_life), h.pair_starts)


def closed_form(h: History, horizon: float) -> PairScores:
    """Score every pair without training.

    poisson_gamma: a customer buys a product at a steady rate, drawn from a gamma distribution around the
    product's own repeat rate; the chance of at least one purchase in the horizon. Needs no more than one
    order. Source: Bhagat et al. (2018), "Buy It Again", KDD.
    ceiling: what the product's repeats allow. Where many watched for long and no one came back, it is ~0.
    """
    watched = np.maximum(h.until - h.pair_first, SHORTEST_EXPOSURE)
    repeats = h.pair_count - 1
    by_product = tally(h.pair_product, h.n_products, repeats)
    exposure = tally(h.pair_product, h.n_products, watched)
    # Before anything was seen, one repeat in a year of watching.
    shop_rate = (by_product.sum() + 1) / (exposure.sum() + 365.0)
    rate = (by_product + 0.5) / (exposure + 0.5 / shop_rate)
    alpha = PRIOR_DAYS * rate[h.pair_product] + repeats
    chance = 1 - (1 + horizon / (PRIOR_DAYS + watched)) ** -alpha
    ceiling = np.where(by_product > 0, 1.0, 1 - np.exp(-horizon * rate))[h.pair_product]
    buyers = tally(h.pair_product, h.n_products)
    mix = decayed_counts(h, HALF_LIVES[-1]) + 0.5 * decayed_counts(h, HALF_LIVES[1])
    return PairScores(
        poisson_gamma=np.minimum(chance, ceiling),
        ceiling=ceiling,
        decayed=mix,
        recency=h.pair_last - h.until,
        best_sellers=buyers[h.pair_product],
    )


def features(h: History, horizon: float) -> tuple[Matrix, list[str]]:
    """The model's inputs: one row per pair of the history, and the names of the columns.

    Counts and days enter as logarithms, shares as log-odds, so that a linear model can use them.
    """
    parts: list[Callable[[], dict[str, Floats]]] = [
        lambda: _own(h, horizon),
        lambda: _timing(h, pair_gaps(h)),
        lambda: {name: values[h.pair_product] for name, values in _of_product(h, horizon).items()},
        lambda: {name: values[h.pair_customer] for name, values in customer_columns(h).items()},
        lambda: _of_category(h),
    ]
    names: list[str] = []
    # Half precision of what is computed, and one group of columns at a time: a shop may have millions of pairs.
    matrices = []
    for part in parts:
        columns = part()
        names += columns
        matrices.append(np.column_stack([values.astype(np.float32) for values in columns.values()]))
    return np.concatenate(matrices, axis=1), names


def _own(h: History, horizon: float) -> dict[str, Floats]:
    age = h.until - h.day
    columns = {"log_count": np.log(h.pair_count), "bought_once": (h.pair_count == 1).astype(np.float64)}
    for days in WINDOWS:
        columns[f"log_count_{days:.0f}d"] = np.log1p(sums(age <= days, h.pair_starts))
    for life in HALF_LIVES:
        columns[f"log_decayed_{life:.0f}d"] = np.log(decayed_counts(h, life) + 0.05)
    columns["log_age"] = np.log1p(h.until - h.pair_last)
    columns["log_known_for"] = np.log1p(h.until - h.pair_first)
    columns["poisson_gamma"] = to_logit(closed_form(h, horizon).poisson_gamma)
    position = h.order - _first_order(h)[h.customer]
    total = tally(h.order_customer, h.n_customers)[h.pair_customer]
    first = position[h.pair_starts]
    last = position[h.pair_starts + h.pair_count.astype(np.int64) - 1]
    columns["log_orders_since"] = np.log1p(total - 1 - last)
    columns["log_per_order"] = np.log(h.pair_count / (total - first))
    value = sums(h.value, h.pair_starts)
    discount = sums(h.discount, h.pair_starts)
    columns["discount_share"] = discount / np.maximum(value + discount, 1e-9)
    return columns


def _first_order(h: History) -> Ints:
    """Number of each customer's first order."""
    count = tally(h.order_customer, h.n_customers)
    return np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)


def _timing(h: History, gaps: Gaps) -> dict[str, Floats]:
    typical = np.where(np.isnan(gaps.product), 365.0, gaps.product)
    expected = np.where(np.isnan(gaps.expected), 365.0, gaps.expected)
    ratio = np.minimum((h.until - h.pair_last) / expected, LONGEST_RATIO)
    return {
        "log_gap": np.log(expected),
        "log_product_gap": np.log(typical),
        "elapsed_over_gap": ratio,
        "log_elapsed_over_gap": np.log(ratio + 0.1),
        "near_due": np.exp(-(np.log(ratio + 0.1) ** 2)),
        "log_quantity_ratio": np.log(np.clip(gaps.quantity_ratio, 0.1, 10.0)),
    }


def _of_product(h: History, horizon: float) -> dict[str, Floats]:
    buyers = tally(h.pair_product, h.n_products)
    again = tally(h.pair_product, h.n_products, h.pair_count > 1)
    share = (again.sum() + 1) / (buyers.sum() + 2)
    recent = tally(h.product, h.n_products, h.day >= h.until - 30)
    quarter = tally(h.product, h.n_products, h.day >= h.until - 90)
    return {
        "last_window_rate": to_logit(repeat_rates(h, horizon)),
        "repeating_share": to_logit((again + 5 * share) / (buyers + 5)),
        "log_penetration": np.log((buyers + 1) / (h.n_customers + 2)),
        "trend": np.log((3 * recent + 5) / (quarter + 5)),
    }


def customer_columns(h: History) -> dict[str, Floats]:
    """What is known about each customer alone; one value per customer code."""
    n = h.n_customers
    age = h.until - h.order_day
    total = tally(h.order_customer, n)

    def within(days: float) -> Floats:
        return tally(h.order_customer, n, age <= days)

    last = h.last_order()
    first = np.full(n, np.inf)
    np.minimum.at(first, h.order_customer, h.order_day)
    items = tally(h.order_customer, n, h.order_items)
    distinct = tally(h.pair_customer, n)
    repeated = tally(h.pair_customer, n, h.pair_count > 1)
    known = np.isfinite(last)
    silent = np.where(known, h.until - np.where(known, last, 0.0), 3650.0)
    tenure = np.where(known, h.until - np.where(known, first, 0.0), 0.0)
    return {
        "customer_log_orders": np.log1p(total),
        "customer_log_orders_30d": np.log1p(within(30.0)),
        "customer_log_orders_90d": np.log1p(within(90.0)),
        "customer_log_silent": np.log1p(silent),
        "customer_log_tenure": np.log1p(tenure),
        "customer_log_rate": np.log((total + 0.5) / (tenure + 30.0)),
        "customer_log_basket": np.log1p(items / np.maximum(total, 1)),
        "customer_log_distinct": np.log1p(distinct),
        "customer_repeat_share": repeated / np.maximum(distinct, 1),
    }


def category_weights(h: History) -> tuple[Ints, Floats, int]:
    """Decayed purchases per (customer, category): sorted keys, weights, number of categories."""
    n_categories = int(h.category.max(initial=0)) + 1
    keys = h.customer * n_categories + h.category[h.product]
    unique, place = np.unique(keys, return_inverse=True)
    weight = 0.5 ** ((h.until - h.day) / CATEGORY_HALF_LIFE)
    return unique, tally(place, len(unique), weight), n_categories


def _of_category(h: History) -> dict[str, Floats]:
    """Purchases of the pair's category beyond the pair itself."""
    keys, weights, n_categories = category_weights(h)
    own = decayed_counts(h, CATEGORY_HALF_LIFE)
    mine = weights[np.searchsorted(keys, h.pair_customer * n_categories + h.category[h.pair_product])]
    return {
        "category_log_others": np.log(np.maximum(mine - own, 0.0) + 0.1),
        "category_own_share": own / np.maximum(mine, 1e-12),
    }
