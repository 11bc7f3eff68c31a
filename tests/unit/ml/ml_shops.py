"""Small invented shops for the tests of prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.affinity import Affinities

if TYPE_CHECKING:
    from ml.history import History

AS_OF = pd.Timestamp("2026-06-01", tz="UTC")
COLUMNS = ["customer_no", "order_id", "ordered_at", "product_no", "quantity", "unit_price"]


def lines(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows (customer, order, time, product[, quantity[, price]]); one piece for 2.00 if not said."""
    full = [(*row, *(1, 2.0)[len(row) - 4 :]) for row in rows]
    frame = pd.DataFrame(full, columns=COLUMNS)
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], utc=True, format="ISO8601")
    return frame.astype({"customer_no": "int32", "product_no": "int32", "quantity": float, "unit_price": float})


def day(number: float) -> pd.Timestamp:
    """So many days before AS_OF."""
    return AS_OF - pd.Timedelta(days=number)


def steady_shop(customers: int = 300, products: int = 12, days: int = 270, seed: int = 1) -> pd.DataFrame:
    """Everyone has a few favourites and buys each again and again, at a gap of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        for product in rng.choice(products, size=3, replace=False):
            gap = rng.uniform(10, 90)
            moment = rng.uniform(0, gap)
            while moment < days:
                rows.append((customer, f"{customer}-{product}-{moment:.3f}", day(days - moment), int(product)))
                moment += gap * rng.lognormal(0, 0.3)
    return lines(*rows)


def taste_shop(customers: int, seed: int) -> pd.DataFrame:
    """Two tastes of ten products each; everyone discovers products of their own taste over a year."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        taste = customer % 2
        for number, moment in enumerate(np.sort(rng.uniform(0, 365, rng.integers(6, 14)))):
            own = rng.random() < 0.9
            product = int(rng.integers(0, 10) + 10 * (taste if own else 1 - taste))
            rows.append((customer, f"{customer}-{number}", day(365 - moment), product))
    return lines(*rows)


def every(h: History) -> Affinities:
    """Affinities that put every product of the shop among the items."""
    return Affinities(lambda known: np.ones(known.n_products, dtype=bool))
