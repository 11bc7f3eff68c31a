"""Which product leads to which: customers who bought A and later, for the first time, B.

Lift = P(B later | A) / P(B) over distinct customers. The order of purchases counts: someone who bought both in
one order, or B first, is no evidence for A -> B. A pair is only believed after a one-sided Fisher test and
Benjamini-Hochberg over all ordered pairs of products. As chance alone puts A first in only about half of the
joint buyers, the test is conservative: it may miss a weak pair, it does not invent one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from ml.history import Floats, History, Ints, group_ends, group_starts, tally

MAX_PRODUCTS = 4_000  # the most bought; rarer ones can't reach significance in a shop that has so many
SHRINKAGE = 5.0  # lift_shrunk = (seen + k) / (expected + k): a gamma prior around 1, worth k expected customers
MIN_TOGETHER = 5
MAX_Q = 0.05
TAIL_END = 1e-12
COLUMNS = {
    "a": np.int32,
    "b": np.int32,
    "customers_a": np.int32,
    "customers_b": np.int32,
    "customers_ab": np.int32,
    "lift": np.float64,
    "lift_shrunk": np.float64,
    "p_value": np.float64,
    "q_value": np.float64,
}


@dataclass(frozen=True)
class Sequences:
    """Distinct customers: `buyers` of each item, `then[a, b]` who bought a before their first b.

    items are product codes, most bought first; place[product] is the item or -1. customers: how many in all.
    products: how many sold products the shop has, items or not.
    """

    items: Ints
    place: Ints
    buyers: Floats
    then: npt.NDArray[np.int32]
    customers: int
    products: int

    def expected(self, a: Ints, b: Ints) -> Floats:
        """Customers with a and b if the two had nothing to do with each other."""
        return self.buyers[a] * self.buyers[b] / max(self.customers, 1)

    def shrunk_lift(self, a: Ints, b: Ints) -> Floats:
        """Lift pulled to 1 where little was expected."""
        result: Floats = (self.then[a, b] + SHRINKAGE) / (self.expected(a, b) + SHRINKAGE)
        return result


def count_sequences(h: History, max_products: int = MAX_PRODUCTS) -> Sequences:
    """Count A-before-B over distinct customers for the most bought products."""
    buyers = tally(h.pair_product, h.n_products)
    order = np.lexsort((np.arange(h.n_products), -buyers))
    items = order[buyers[order] > 0][:max_products]
    place = np.full(h.n_products, -1, dtype=np.int64)
    place[items] = np.arange(len(items))
    then = np.zeros((len(items), len(items)), dtype=np.int32)
    first_order = h.order[h.pair_starts]
    kept = place[h.pair_product] >= 0
    customer, item, first = h.pair_customer[kept], place[h.pair_product[kept]], h.day[h.pair_starts][kept]
    number = first_order[kept]
    starts = group_starts(customer)
    for start, end in zip(starts, group_ends(starts, len(customer)), strict=True):
        if end - start > 1:
            mine, day, order_no = item[start:end], first[start:end], number[start:end]
            # Orders of one moment have no order; the number only separates lines of the same one.
            later = (day[:, None] < day[None, :]) & (order_no[:, None] != order_no[None, :])
            then[np.ix_(mine, mine)] += later
    sold = int((buyers > 0).sum())
    return Sequences(items, place, buyers[items].astype(np.float64), then, len(np.unique(h.customer)), sold)


def fisher_tail(seen: Floats, marked: Floats, drawn: Floats, total: float) -> Floats:
    """P(X >= seen) for the hypergeometric: `drawn` out of `total`, of which `marked` count.

    All arrays of one length, whole numbers. Source: Fisher's exact test, one-sided.
    """
    seen, marked, drawn = (np.asarray(values, dtype=np.float64) for values in (seen, marked, drawn))
    lowest = np.maximum(0.0, marked + drawn - total)
    top = np.minimum(marked, drawn)
    start = np.maximum(seen, lowest)
    possible = start <= top
    term = np.zeros(len(seen))
    term[possible] = np.exp(_log_mass(start[possible], marked[possible], drawn[possible], total))
    tail, k = term.copy(), start.copy()
    going = np.flatnonzero(possible & (k < top))
    while len(going):
        at, m, d = k[going], marked[going], drawn[going]
        term[going] *= (m - at) * (d - at) / ((at + 1) * (total - m - d + at + 1))
        tail[going] += term[going]
        k[going] += 1
        # Below the mode terms still grow, so they may only be dropped once past it.
        past = k[going] > m * d / total
        going = going[(k[going] < top[going]) & ~(past & (term[going] < TAIL_END * tail[going]))]
    return np.minimum(tail, 1.0)


def _log_mass(k: Floats, marked: Floats, drawn: Floats, total: float) -> Floats:
    def choose(n: Floats | float, r: Floats) -> Floats:
        value: Floats = gammaln(np.asarray(n) + 1.0) - gammaln(r + 1.0) - gammaln(np.asarray(n) - r + 1.0)
        return value

    return choose(marked, k) + choose(total - marked, drawn - k) - choose(total, drawn)


def benjamini_hochberg(p_values: Floats, tests: float) -> Floats:
    """Adjusted p-values when `tests` hypotheses were looked at, of which these are the smallest ones.

    Hypotheses that are left out must have larger p-values or be counted in `tests` all the same: then the
    result is only ever too large. Source: Benjamini & Hochberg (1995).
    """
    order = np.argsort(p_values, kind="stable")
    ranked = p_values[order] * tests / np.arange(1, len(p_values) + 1)
    adjusted = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    result = np.empty(len(p_values))
    result[order] = adjusted
    return result


def associations(h: History, sequences: Sequences, max_q: float = MAX_Q) -> pd.DataFrame:
    """The pairs that hold after the test, by falling shrunk lift; columns as COLUMNS says.

    At least MIN_TOGETHER customers must have gone from a to b. The floor is applied before the adjustment,
    which still counts every ordered pair of sold products.
    """
    a, b = np.nonzero(sequences.then >= MIN_TOGETHER)
    seen = sequences.then[a, b].astype(np.float64)
    above = seen > sequences.expected(a, b)
    a, b, seen = a[above], b[above], seen[above]
    expected = sequences.expected(a, b)
    p_values = fisher_tail(seen, sequences.buyers[a], sequences.buyers[b], float(sequences.customers))
    q_values = benjamini_hochberg(p_values, float(sequences.products) * (sequences.products - 1))
    table = pd.DataFrame(
        {
            "a": h.product_no[sequences.items[a]],
            "b": h.product_no[sequences.items[b]],
            "customers_a": sequences.buyers[a],
            "customers_b": sequences.buyers[b],
            "customers_ab": seen,
            "lift": seen / expected,
            "lift_shrunk": sequences.shrunk_lift(a, b),
            "p_value": p_values,
            "q_value": q_values,
        }
    ).astype(COLUMNS)
    table = table.loc[table["q_value"] <= max_q]
    return table.sort_values(["lift_shrunk", "a", "b"], ascending=[False, True, True], ignore_index=True)


def best_reason(
    h: History, sequences: Sequences, customer: Ints, product: Ints
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """For pairs sorted by customer: the highest shrunk lift of anything owned, and that product's code.

    NaN and -1 where the customer owns nothing that was counted, or the product was not.
    """
    lift, because = np.full(len(customer), np.nan), np.full(len(customer), -1, dtype=np.int64)
    first = np.searchsorted(h.pair_customer, np.arange(h.n_customers + 1))
    starts = group_starts(customer)
    for start, end in zip(starts, group_ends(starts, len(customer)), strict=True):
        mine = slice(first[customer[start]], first[customer[start] + 1])
        owned = np.sort(sequences.place[h.pair_product[mine]])
        owned = owned[owned >= 0]
        rows = np.arange(start, end)
        target = sequences.place[product[start:end]]
        rows, target = rows[target >= 0], target[target >= 0]
        if len(owned) and len(rows):
            grid = np.ix_(owned, target)
            expected = np.outer(sequences.buyers[owned], sequences.buyers[target]) / sequences.customers
            lifts = (sequences.then[grid] + SHRINKAGE) / (expected + SHRINKAGE)
            best = lifts.argmax(axis=0)
            lift[rows] = lifts[best, np.arange(len(rows))]
            because[rows] = sequences.items[owned[best]]
    return lift, because
