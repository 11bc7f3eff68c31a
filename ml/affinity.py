"""How well a new product fits what a customer already bought: item-to-item measures of one shop."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ml.history import tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.history import Bools, Floats, History, Ints, Matrix

MAX_ITEMS = 2_000
SHRINKAGE = 5.0
RECENT_DAYS = 45.0
RIDGE = 200.0
HABIT_HALF_LIFE = 60.0
HABIT_RIDGE = 300.0
CUSTOMERS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Affinity:
    """Item-to-item weights, learned from all customers of a history.

    items: product codes; place[product] is the item or -1. log_lift[a, b]: shrunk log lift of sharing
    customers. ease[a, b]: weights of EASE, a ridge regression of every item on all others. usual_ease: the
    mean score of each item over all customers. habit[a, b]: the same regression on how much and how lately
    each item was bought, log(1 + decayed purchases), rather than on whether it ever was: what a customer buys
    now says more about the next month than what they once tried. Its diagonal is zero, so the score of an item
    that the customer has rests on the others alone.
    Source: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW; the decay is ours.
    """

    items: Ints
    place: Ints
    log_lift: Matrix
    ease: Matrix
    usual_ease: Matrix
    habit: Matrix


def learn(h: History, first: Bools | None = None, max_items: int = MAX_ITEMS) -> Affinity:
    """Learn from who bought what before `h.until`; `first` marks products that must be among the items."""
    buyers = tally(h.pair_product, h.n_products)
    wanted = np.zeros(h.n_products, dtype=bool) if first is None else first
    order = np.lexsort((np.arange(h.n_products), -buyers, ~wanted))
    items = order[buyers[order] > 0][:max_items]
    place = np.full(h.n_products, -1, dtype=np.int64)
    place[items] = np.arange(len(items))
    owned = ownership(h, place, len(items), np.arange(h.n_customers))
    together = (owned.T @ owned).toarray().astype(np.float64)
    count = np.diag(together).copy()
    customers = max(len(np.unique(h.customer)), 1)
    expected = np.outer(count, count) / customers
    log_lift = np.log((together + SHRINKAGE) / (expected + SHRINKAGE))
    np.fill_diagonal(log_lift, 0.0)
    ease = _ease(together, RIDGE)
    usual = (count / customers).astype(np.float32) @ ease
    strength = habits(h, place, len(items), np.arange(h.n_customers))
    habit = _ease((strength.T @ strength).toarray().astype(np.float64), HABIT_RIDGE)
    return Affinity(items, place, log_lift.astype(np.float32), ease, usual, habit)


def _ease(together: npt.NDArray[np.float64], ridge: float) -> Matrix:
    if len(together) == 0:
        return np.zeros((0, 0), dtype=np.float32)
    inverse = np.linalg.inv(together + ridge * np.eye(len(together)))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def _pairs_of(h: History, place: Ints, customers: Ints) -> tuple[Ints, Ints, Ints]:
    """Pairs of these sorted customers and of known items: pair number, row (position in `customers`), item."""
    if len(customers) == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    # Pairs are sorted by customer: a block of customers is looked for among its own pairs only.
    start, end = np.searchsorted(h.pair_customer, [customers[0], customers[-1] + 1])
    pair = np.arange(start, end)
    row = np.searchsorted(customers, h.pair_customer[pair])
    item = place[h.pair_product[pair]]
    kept = (customers[np.minimum(row, len(customers) - 1)] == h.pair_customer[pair]) & (item >= 0)
    return pair[kept], row[kept], item[kept]


def ownership(h: History, place: Ints, n_items: int, customers: Ints, since: float = -np.inf) -> sparse.csr_matrix:
    """Customers x items: 1 where the customer (row: position in sorted `customers`) bought the item since."""
    pair, rows, columns = _pairs_of(h, place, customers)
    kept = h.pair_last[pair] >= since
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows[kept], columns[kept])), shape=(len(customers), n_items))


def habits(h: History, place: Ints, n_items: int, customers: Ints) -> sparse.csr_matrix:
    """Customers x items: log(1 + purchases, each worth half as much per HABIT_HALF_LIFE days of age)."""
    pair, rows, columns = _pairs_of(h, place, customers)
    strength = np.log1p(h.decayed_counts(HABIT_HALF_LIFE, pair)).astype(np.float32)
    return sparse.csr_matrix((strength, (rows, columns)), shape=(len(customers), n_items))


@dataclass(frozen=True)
class Fit:
    """Customers x items: log lift, summed over the recent basket, mean and highest of all owned; both EASE scores.

    highest is None where nobody asked for it.
    """

    recent: Matrix
    mean: Matrix
    highest: Matrix | None
    ease: Matrix
    habit: Matrix
    owned: Bools


def fit_of(h: History, affinity: Affinity, customers: Ints, *, highest: bool = False) -> Fit:
    """How well every item fits each of these customers (sorted codes)."""
    size = len(affinity.items)
    owned = ownership(h, affinity.place, size, customers)
    recent = ownership(h, affinity.place, size, customers, h.until - RECENT_DAYS)
    count = np.maximum(np.asarray(owned.sum(axis=1)).reshape(-1, 1), 1.0)
    return Fit(
        recent=np.asarray(recent @ affinity.log_lift),
        mean=np.asarray(owned @ affinity.log_lift) / count,
        highest=_highest(owned, affinity.log_lift) if highest else None,
        ease=np.asarray(owned @ affinity.ease),
        habit=np.asarray(habits(h, affinity.place, size, customers) @ affinity.habit),
        owned=owned.toarray() > 0,
    )


def _highest(owned: sparse.csr_matrix, log_lift: Matrix) -> Matrix:
    """Of all that each customer owns, what speaks loudest for each item; 0 for who owns nothing known."""
    found = np.zeros((owned.shape[0], log_lift.shape[1]), dtype=np.float32)
    for row, (start, end) in enumerate(pairwise(owned.indptr)):
        if end > start:
            found[row] = log_lift[owned.indices[start:end]].max(axis=0)
    return found


def habit_of_pairs(h: History, affinity: Affinity) -> Floats:
    """For every pair of the history, how well its product fits what else the customer buys; 0 off the items."""
    found = np.zeros(len(h.pair_starts))
    for start in range(0, h.n_customers, CUSTOMERS_AT_ONCE):
        block = np.arange(start, min(start + CUSTOMERS_AT_ONCE, h.n_customers))
        pair, row, item = _pairs_of(h, affinity.place, block)
        fit = np.asarray(habits(h, affinity.place, len(affinity.items), block) @ affinity.habit)
        found[pair] = fit[row, item]
    return found


class Affinities:
    """The affinity of a shop at each moment, learned once for both kinds of prediction."""

    def __init__(self, first: Callable[[History], Bools], max_items: int = MAX_ITEMS) -> None:
        """`first` marks the products of a history that must be among the items."""
        self._first, self._max_items = first, max_items
        self._learned: dict[float, Affinity] = {}

    def at(self, h: History) -> Affinity:
        """The affinity at `h.until`; all calls must be about one shop."""
        if h.until not in self._learned:
            self._learned[h.until] = learn(h, self._first(h), self._max_items)
        return self._learned[h.until]
