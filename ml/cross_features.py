"""What is known about a customer and a product they never bought: the inputs of the cross-sell model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ml.affinity import Fit, fit_of
from ml.history import Bools, Floats, History, Ints, Matrix, contains, tally
from ml.pair_model import CLOSED_FORM
from ml.repurchase_features import category_weights, customer_columns

if TYPE_CHECKING:
    from ml.shop import Shop

MAXIMUM_LIFT = "maximum_lift"
RETRIEVED = 120
FIT_LIMIT = 3.0
RECENT_WEIGHT = 0.02  # log-odds per summed log lift; the sum runs over a whole basket and is large


@dataclass(frozen=True)
class Block:
    """Some customers of a shop: their own history (their codes from 0), beside what the whole shop says."""

    h: History
    shop: Shop

    @cached_property
    def customer_columns(self) -> dict[str, Floats]:
        """What is known about each customer alone."""
        h = self.h

        def discovered(days: float) -> Floats:
            return tally(h.pair_customer, h.n_customers, h.pair_first >= h.until - days)

        found = {f"customer_log_new_{days}d": np.log1p(discovered(float(days))) for days in (30, 90)}
        return customer_columns(h) | found

    @cached_property
    def _categories(self) -> tuple[Ints, Floats, int]:
        return category_weights(self.h)

    @cached_property
    def _category_totals(self) -> Floats:
        keys, weights, n_categories = self._categories
        return tally(keys // n_categories, self.h.n_customers, weights)

    def category_columns(self, customer: Ints, product: Ints) -> dict[str, Floats]:
        """How much the customer buys of the product's category."""
        keys, weights, n_categories = self._categories
        wanted = customer * n_categories + self.h.category[product]
        ever = contains(keys, wanted)
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        weight = np.where(ever, weights[place], 0.0) if len(keys) else np.zeros(len(wanted))
        return {
            "category_ever": ever.astype(np.float64),
            "category_log_recent": np.log(weight + 0.1),
            "category_share": weight / np.maximum(self._category_totals[customer], 1e-9),
        }


@dataclass(frozen=True)
class Candidates:
    """Pairs to score for one block of customers. listed: the product was asked for, not retrieved."""

    customer: Ints
    product: Ints
    listed: Bools


def candidates(block: Block, customers: Ints, listed: Ints, fit: Fit, retrievable: Bools | None) -> Candidates:
    """Every customer with every listed product, and with those retrieved as fitting best; never an owned one.

    retrievable: per product, whether it may be retrieved; None retrieves nothing. Retrieval takes the union
    of the best by EASE and by recent basket, a wide net that the model then ranks.
    """
    h = block.h
    rows = np.repeat(np.arange(len(customers)), len(listed))
    product = np.tile(listed, len(customers))
    extra_rows, extra_product = rows[:0], rows[:0]
    if retrievable is not None:
        extra_rows, extra_product = _retrieve(block.shop, fit, retrievable)
    fresh = ~np.isin(extra_product, listed)
    rows, product = np.concatenate([rows, extra_rows[fresh]]), np.concatenate([product, extra_product[fresh]])
    is_listed = np.arange(len(rows)) < len(customers) * len(listed)
    customer = customers[rows]
    new = ~contains(h.pair_keys, h.key(customer, product))
    customer, product, is_listed = customer[new], product[new], is_listed[new]
    order = np.lexsort((product, customer))
    return Candidates(customer[order], product[order], is_listed[order])


def _retrieve(shop: Shop, fit: Fit, retrievable: Bools) -> tuple[Ints, Ints]:
    items = shop.affinity.items
    closed = fit.owned | ~retrievable[items][None, :]
    half = min(RETRIEVED // 2, len(items))
    if half == 0 or len(fit.ease) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    popular = shop.new_columns["new_buyer_rate"][items].astype(np.float32)
    picked = np.zeros(fit.owned.shape, dtype=bool)
    for score in (fit.ease, fit.recent + popular[None, :]):
        open_score = np.where(closed, -np.inf, score)
        best = np.argpartition(-open_score, half - 1, axis=1)[:, :half]
        np.put_along_axis(picked, best, values=True, axis=1)
    rows, columns = np.nonzero(picked & ~closed)
    return rows, items[columns]


@dataclass(frozen=True)
class PairInputs:
    """The model's inputs and the closed-form scores of pairs."""

    features: Matrix
    closed: dict[str, Floats]
    names: list[str]


def inputs(block: Block, customers: Ints, fit: Fit, customer: Ints, product: Ints) -> PairInputs:
    """Describe pairs of a block of customers; `fit` has one row per customer of the block."""
    row = np.searchsorted(customers, customer)
    shop = block.shop
    item = shop.affinity.place[product]
    known = item >= 0

    def gather(matrix: Matrix) -> Floats:
        values = np.zeros(len(row))
        values[known] = matrix[row[known], item[known]]
        return values

    recent, mean, ease, habit = gather(fit.recent), gather(fit.mean), gather(fit.ease), gather(fit.habit)
    columns = {
        "recent_lift": recent,
        "mean_lift": mean,
        "ease": ease,
        "log_ease": np.log(np.maximum(ease, 0.0) + 0.01),
        "habit": habit,
        "log_habit": np.log(np.maximum(habit, 0.0) + 0.003),
    }
    columns |= block.category_columns(customer, product)
    columns |= {name: values[product] for name, values in shop.new_columns.items()}
    columns |= {name: values[customer] for name, values in block.customer_columns.items()}
    usual = np.zeros(len(row))
    usual[known] = shop.affinity.usual_ease[item[known]]
    fits = np.log((np.maximum(ease, 0.0) + 0.01) / (np.maximum(usual, 0.0) + 0.01))
    # A product finds new buyers at its own rate, more among those it fits and whose last baskets lead to it.
    closed_form = columns["new_buyer_rate"] + np.clip(fits, -FIT_LIMIT, FIT_LIMIT) + RECENT_WEIGHT * recent
    matrix = np.column_stack([values.astype(np.float32) for values in columns.values()])
    closed = {
        CLOSED_FORM: closed_form,
        "recent_lift": recent,
        "mean_lift": mean,
        "ease": ease,
        "habit": habit,
        "customer_activity": columns["customer_log_orders_90d"],
        "best_sellers": columns["log_penetration"],
    }
    if fit.highest is not None:
        closed[MAXIMUM_LIFT] = gather(fit.highest)
    return PairInputs(matrix, closed, list(columns))


def block_fit(block: Block, customers: Ints, *, highest: bool) -> Fit:
    """Fit of all items to some customers of a block; `highest` for the rule of maximum lift."""
    return fit_of(block.h, block.shop.affinity, customers, highest=highest)
