"""How a segment's members behave: sums over dense arrays, so that a hundred segments cost milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.domain.rules.names import PAIR_KIND
from ml.promises import PRIOR_SPREAD, promise

if TYPE_CHECKING:
    import duckdb
    from pyroaring import BitMap

    from app.services.reachable import Reach

BINS = 10
NICE_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Chances:
    """Probabilities of some customers."""

    customers: Array
    probability: Array

    def of(self, members: BitMap) -> Array:
        """The probabilities of those members who have one."""
        if not members or not len(self.customers):
            return self.probability[:0]
        is_member = np.zeros(max(members.max(), int(self.customers.max())) + 1, dtype=bool)
        is_member[numbers(members)] = True
        return self.probability[is_member[self.customers]]


class Figures:
    """The shop's features and predictions as arrays indexed by customer number.

    universe: customers that count; sums over a partition of them equal the shop's totals.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, reach: Reach, unit: int) -> None:
        self._reach = reach
        features = connection.execute(
            "SELECT customer_no, orders, net_minor, median_gap_days, costed_net_minor, cost_minor FROM features"
        ).fetchnumpy()
        values = connection.execute(
            "SELECT customer_no, p_order_30d, value_12m FROM customer_values WHERE p_order_30d IS NOT NULL"
        ).fetchnumpy()
        top = reach.universe.max() + 1 if reach.universe else 1
        self._orders = _dense(features, "orders", top, np.int64)
        self._net = _dense(features, "net_minor", top, np.int64)
        self._costed = _dense(features, "costed_net_minor", top, np.int64)
        self._cost = _dense(features, "cost_minor", top, np.int64)
        self._gap = _dense(features, "median_gap_days", top, np.float64, np.nan)
        self._chance = _dense(values, "p_order_30d", top, np.float64, np.nan)
        self._value = _dense(values, "value_12m", top, np.float64, np.nan) * unit
        everybody = numbers(reach.universe)
        self._all_orders = int(self._orders[everybody].sum())
        self._all_net = int(self._net[everybody].sum())

    def statistics(self, members: BitMap) -> dict[str, Any]:
        """The plain figures of a segment: shape of the API's `Statistics`."""
        who = numbers(members)
        orders, net = self._orders[who], int(self._net[who].sum())
        buyers = int((orders > 0).sum())
        placed = int(orders.sum())
        costed = int(self._costed[who].sum())
        gaps, values = _known(self._gap[who]), _known(self._value[who])
        return {
            "size": len(members),
            "buyers": buyers,
            "share_of_customers": _share(len(members), len(self._reach.universe)),
            "reachable": len(members & self._reach.reachable),
            "not_reachable": self._reach.counts(members),
            "orders": placed,
            "order_share": _share(placed, self._all_orders),
            "net_sales_minor": net,
            "net_share": _share(net, self._all_net),
            "margin_minor": costed - int(self._cost[who].sum()) if costed else None,
            "margin_of_minor": costed,
            "average_order_minor": round(net / placed) if placed else None,
            "repeat_rate": int((orders > 1).sum()) / buyers if buyers else None,
            "median_gap_days": round(float(np.median(gaps)), 1) if len(gaps) else None,
            "orders_per_buyer": placed / buyers if buyers else None,
            "predicted_value_12m_minor": round(float(values.sum())) if len(values) else None,
        }

    def orders_expected(self, members: BitMap) -> dict[str, Any] | None:
        """How many members are expected to order within 30 days, and the histogram of their chances."""
        return summary(_known(self._chance[numbers(members)]), "place an order")


def summary(chances: Array, what: str, spread: float = PRIOR_SPREAD) -> dict[str, Any] | None:
    """Expected buyers with their interval and the histogram; None without any probability.

    spread: as `ml.promises.promise` takes it, and that of a shop without receipts if not said.
    """
    if not len(chances):
        return None
    chances = np.clip(chances, 0.0, 1.0)
    mean, variance = moments(chances)
    interval = promise(len(chances), mean, variance, spread)
    top = next(nice for nice in NICE_TOPS if float(chances.max()) <= nice)
    counts, edges = np.histogram(chances, bins=BINS, range=(0, top))
    return {
        "expected": {
            "buyers": round(mean, 1),
            "low": interval.low,
            "high": interval.high,
            "horizon_days": 30,
            "what": what,
        },
        "probabilities": [
            {"low": round(float(edges[i]), 6), "high": round(float(edges[i + 1]), 6), "count": int(counts[i])}
            for i in range(BINS)
        ],
    }


def moments(chances: Array) -> tuple[float, float]:
    """Mean and variance of the number of buyers, were every customer a coin of their own."""
    return float(chances.sum()), float((chances * (1 - chances)).sum())


def chances(connection: duckdb.DuckDBPyConnection, what: str, about: int | str) -> Chances:
    """The chances of all customers to buy a product, by number, or any product of a type (again | for the first time).

    One at a time: those of a hundred products together would be most of a giant shop's memory.
    """
    table, column = ("pairs", "product_no") if isinstance(about, int) else ("type_pairs", "product_type")
    rows = connection.execute(
        f"SELECT customer_no, probability FROM {table} WHERE kind = ? AND {column} = ? AND probability IS NOT NULL",
        [PAIR_KIND[what], about],
    ).fetchnumpy()
    return Chances(np.asarray(rows["customer_no"]), np.asarray(rows["probability"]))


def products(connection: duckdb.DuckDBPyConnection, wanted: list[int]) -> dict[int, dict[str, Any]]:
    """Products by number: shape of the API's `SegmentProduct`. Kept with the figures, so that pages read no lake."""
    found = connection.execute(
        "SELECT product_no, CAST(product_id AS VARCHAR), title, image_url FROM products"
        " WHERE product_no IN (SELECT unnest(CAST(? AS INTEGER[])))",
        [wanted],
    ).fetchall()
    return {no: {"product_id": product, "title": title, "image_url": image} for no, product, title, image in found}


def numbers(members: BitMap) -> Array:
    """The customer numbers of a bitmap, ascending."""
    return np.frombuffer(members.to_array(), dtype=np.uint32).astype(np.int64)


def _dense(rows: dict[str, Any], column: str, top: int, kind: type[Any], fill: float = 0) -> Array:
    out = np.full(top, fill, dtype=kind)
    who = np.asarray(rows["customer_no"])
    inside = who < top  # beyond are customers erased since the run
    values = rows[column]
    filled = values.filled(fill) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    out[who[inside]] = filled[inside]
    return out


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
