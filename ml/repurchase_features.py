"""What is known about a customer and a product they bought before: the inputs of the repurchase model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.affinity import habit_of_pairs
from ml.calibration import to_logit
from ml.closed_forms import closed_form
from ml.gaps import DEFAULT_SPREAD, SHORTEST_GAP, Gaps, pair_gaps
from ml.history import Floats, History, Ints, Matrix, sums, tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.affinity import Affinity
    from ml.shop import Shop

HALF_LIVES = (7.0, 15.0, 30.0, 60.0, 120.0, 240.0)
WINDOWS = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
LAST_ORDERS = (5, 10, 20, 40)
ORDER_HALF_LIVES = (5.0, 15.0)  # in orders of the customer, whatever time they took
CATEGORY_HALF_LIFE = 60.0
LONGEST_RATIO = 6.0
UNKNOWN_GAP = 90.0  # days, where a pair has no gap of its own


def features(h: History, shop: Shop) -> tuple[Matrix, list[str]]:
    """The model's inputs: one row per pair of the history, and the names of the columns.

    h: some customers of the shop, or all.

    Counts and days enter as logarithms, shares as log-odds, so that a linear model can use them.
    """
    parts: list[Callable[[], dict[str, Floats]]] = [
        lambda: _own(h, shop),
        lambda: _by_orders(h),
        lambda: _timing(h, pair_gaps(h, shop.gaps)),
        lambda: _own_gaps(h),
        lambda: {name: values[h.pair_product] for name, values in shop.repurchase_columns.items()},
        lambda: {name: values[h.pair_customer] for name, values in customer_columns(h).items()},
        lambda: {name: values[h.pair_customer] for name, values in _customer_rhythm(h).items()},
        lambda: _of_category(h),
        lambda: _of_others(h, shop.affinity),
    ]
    names: list[str] = []
    # Half precision of what is computed, and one group of columns at a time: a shop may have millions of pairs.
    matrices = []
    for part in parts:
        columns = part()
        names += columns
        matrices.append(np.column_stack([values.astype(np.float32) for values in columns.values()]))
    return np.concatenate(matrices, axis=1), names


def _own(h: History, shop: Shop) -> dict[str, Floats]:
    age = h.until - h.day
    columns = {"log_count": np.log(h.pair_count), "bought_once": (h.pair_count == 1).astype(np.float64)}
    for days in WINDOWS:
        columns[f"log_count_{days:.0f}d"] = np.log1p(sums(age <= days, h.pair_starts))
    for life in HALF_LIVES:
        columns[f"log_decayed_{life:.0f}d"] = np.log(h.decayed_counts(life) + 0.05)
    columns["log_age"] = np.log1p(h.until - h.pair_last)
    columns["log_known_for"] = np.log1p(h.until - h.pair_first)
    columns["poisson_gamma"] = to_logit(closed_form(h, shop.horizon, shop.repeat_rate).poisson_gamma)
    value = sums(h.value, h.pair_starts)
    discount = sums(h.discount, h.pair_starts)
    columns["discount_share"] = discount / np.maximum(value + discount, 1e-9)
    return columns


def _by_orders(h: History) -> dict[str, Floats]:
    """The pair counted in orders of its customer instead of days: who shops rarely forgets less in a month."""
    total = tally(h.order_customer, h.n_customers)
    position = h.order - _first_order(h)[h.customer]
    first = position[h.pair_starts]
    last = position[h.pair_starts + h.pair_count.astype(np.int64) - 1]
    of_pair = total[h.pair_customer]
    since = total[h.customer] - 1 - position
    columns = {
        "log_orders_since": np.log1p(of_pair - 1 - last),
        "log_per_order": np.log(h.pair_count / (of_pair - first)),
    }
    for orders in LAST_ORDERS:
        columns[f"share_of_last_{orders}"] = sums(since < orders, h.pair_starts) / np.minimum(of_pair, orders)
    for life in ORDER_HALF_LIVES:
        columns[f"log_decayed_{life:.0f}_orders"] = np.log(sums(0.5 ** (since / life), h.pair_starts) + 0.05)
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


def _own_gaps(h: History) -> dict[str, Floats]:
    """How steady the pair's own gaps are, and how the wait so far compares with them and with the customer's."""
    gap = np.diff(h.day, prepend=0.0)
    inner = np.ones(len(gap), dtype=bool)
    inner[h.pair_starts] = False
    logs = np.where(inner, np.log(np.maximum(gap, SHORTEST_GAP)), 0.0)
    count = np.maximum(h.pair_count - 1, 1)
    mean = sums(logs, h.pair_starts) / count
    spread = np.sqrt(np.maximum(sums(logs**2, h.pair_starts) / count - mean**2, 0.0))
    again = h.pair_count > 1
    last_gap = gap[h.pair_starts + h.pair_count.astype(np.int64) - 1]
    mean_gap = (h.pair_last - h.pair_first) / count
    waited = h.until - h.pair_last + 1
    silent = h.until - h.last_order()[h.pair_customer] + 1
    return {
        "gap_spread": np.where(h.pair_count > 2, spread, DEFAULT_SPREAD),  # noqa: PLR2004 - two gaps make a spread
        "log_waited_over_last_gap": np.log(waited / (np.where(again, last_gap, UNKNOWN_GAP) + 1)),
        "log_waited_over_mean_gap": np.log(waited / (np.where(again, mean_gap, UNKNOWN_GAP) + 1)),
        "log_waited_over_silent": np.log(waited / silent),
    }


def _customer_rhythm(h: History) -> dict[str, Floats]:
    """How much each customer orders these days."""
    age = h.until - h.order_day
    columns = {"customer_log_orders_7d": np.log1p(tally(h.order_customer, h.n_customers, age <= 7.0))}  # noqa: PLR2004
    for life in (15.0, 60.0):
        decayed = tally(h.order_customer, h.n_customers, 0.5 ** (age / life))
        columns[f"customer_log_decayed_{life:.0f}d"] = np.log(decayed + 0.1)
    return columns


def _of_others(h: History, affinity: Affinity) -> dict[str, Floats]:
    """What else the customer buys, as far as it speaks for this product."""
    habit = habit_of_pairs(h, affinity)
    return {"habit": habit, "log_habit": np.log(np.maximum(habit, 0.0) + 0.01)}


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
    own = h.decayed_counts(CATEGORY_HALF_LIFE)
    mine = weights[np.searchsorted(keys, h.pair_customer * n_categories + h.category[h.pair_product])]
    return {
        "category_log_others": np.log(np.maximum(mine - own, 0.0) + 0.1),
        "category_own_share": own / np.maximum(mine, 1e-12),
    }
