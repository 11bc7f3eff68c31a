"""How well a new product fits what a customer already bought: item-to-item measures of one shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ml.history import tally

if TYPE_CHECKING:
    from ml.history import Bools, History, Ints, Matrix

MAX_ITEMS = 2_000
SHRINKAGE = 5.0
RECENT_DAYS = 45.0
RIDGE = 200.0


@dataclass(frozen=True)
class Affinity:
    """Item-to-item weights, learned from all customers of a history.

    items: product codes; place[product] is the item or -1. log_lift[a, b]: shrunk log lift of sharing
    customers. ease[a, b]: weights of EASE, a ridge regression of every item on all others. usual_ease: the
    mean score of each item over all customers.
    Source: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW.
    """

    items: Ints
    place: Ints
    log_lift: Matrix
    ease: Matrix
    usual_ease: Matrix


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
    ease = _ease(together)
    usual = (count / customers).astype(np.float32) @ ease
    return Affinity(items, place, log_lift.astype(np.float32), ease, usual)


def _ease(together: npt.NDArray[np.float64]) -> Matrix:
    if len(together) == 0:
        return np.zeros((0, 0), dtype=np.float32)
    inverse = np.linalg.inv(together + RIDGE * np.eye(len(together)))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def ownership(h: History, place: Ints, n_items: int, customers: Ints, since: float = -np.inf) -> sparse.csr_matrix:
    """Customers x items: 1 where the customer (row: position in sorted `customers`) bought the item since."""
    row_of = np.full(h.n_customers, -1, dtype=np.int64)
    row_of[customers] = np.arange(len(customers))
    rows, columns = row_of[h.pair_customer], place[h.pair_product]
    kept = (rows >= 0) & (columns >= 0) & (h.pair_last >= since)
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows[kept], columns[kept])), shape=(len(customers), n_items))


@dataclass(frozen=True)
class Fit:
    """Customers x items: summed log lift of the recent basket, mean log lift of all owned, and EASE's score."""

    recent: Matrix
    mean: Matrix
    ease: Matrix
    owned: Bools


def fit_of(h: History, affinity: Affinity, customers: Ints) -> Fit:
    """How well every item fits each of these customers (sorted codes)."""
    size = len(affinity.items)
    owned = ownership(h, affinity.place, size, customers)
    recent = ownership(h, affinity.place, size, customers, h.until - RECENT_DAYS)
    count = np.maximum(np.asarray(owned.sum(axis=1)).reshape(-1, 1), 1.0)
    return Fit(
        recent=np.asarray(recent @ affinity.log_lift),
        mean=np.asarray(owned @ affinity.log_lift) / count,
        ease=np.asarray(owned @ affinity.ease),
        owned=owned.toarray() > 0,
    )
