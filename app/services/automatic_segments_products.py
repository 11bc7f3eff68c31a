"""Product segments: who will probably buy a product again, or for the first time, within 30 days.

Rules with stored thresholds: `buy_again` at least max(10%, twice the product's base rate), `buy_new` at least
max(1%, twice base rate); for products with at least 25 reachable members, at most 50 per kind, those
with most expected buyers. Below the minimum a product has no segment of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.services.automatic_segments import Definition

if TYPE_CHECKING:
    import duckdb
    from pyroaring import BitMap

MOST_PER_KIND = 50
LEAST_REACHABLE = 25
FLOOR = {"buy_again": 0.10, "buy_new": 0.01}
TIMES_BASE_RATE = 2
PAIR_KIND = {"buy_again": "repurchase", "buy_new": "cross_sell"}

SQL = """
WITH wanted AS (
    SELECT p.product_no, p.product_id, p.title,
           greatest(?, ? * coalesce(CASE WHEN isnan(b.base_rate) THEN 0 ELSE b.base_rate END, 0)) AS threshold,
           coalesce(CASE WHEN isnan(b.base_rate) THEN 0 ELSE b.base_rate END, 0) AS base_rate
    FROM products p LEFT JOIN base_rates b ON b.product_no = p.product_no AND b.kind = ?
    WHERE p.status = 'ACTIVE' AND NOT p.is_gift_card AND p.price_minor > 0
)
SELECT w.product_no, w.product_id, w.title, w.threshold, w.base_rate,
       sum(a.probability) AS expected
FROM pairs a JOIN wanted w USING (product_no) JOIN reachable_now r USING (customer_no)
WHERE a.kind = ? AND a.probability >= w.threshold
GROUP BY ALL HAVING count(*) >= ?
ORDER BY expected DESC, w.product_no LIMIT ?
"""


def definitions(connection: duckdb.DuckDBPyConnection, reachable: BitMap) -> list[Definition]:
    """The product segments of both kinds, most expected buyers first."""
    numbers = np.fromiter(reachable, dtype=np.int32, count=len(reachable))
    connection.register("reachable_now", {"customer_no": numbers})
    try:
        return [
            _definition(what, *row)
            for what in ("buy_again", "buy_new")
            for row in connection.execute(
                SQL,
                [FLOOR[what], TIMES_BASE_RATE, PAIR_KIND[what], PAIR_KIND[what], LEAST_REACHABLE, MOST_PER_KIND],
            ).fetchall()
        ]
    finally:
        connection.unregister("reachable_now")


def _definition(
    what: str, product_no: int, product_id: int, title: str, threshold: float, base_rate: float, _expected: float
) -> Definition:
    again = what == "buy_again"
    rule = {
        "v": 1,
        "match": {
            "predict": what,
            "product": str(product_id),
            "horizon": "30d",
            "op": "gte",
            "value": threshold,
        },
    }
    bought = "Bought it before, and has" if again else "Never bought it, and has"
    verb = "buy it again" if again else "buy it for the first time"
    return Definition(
        key=f"{what}:{product_id}",
        name=f"Likely to buy {title} {'again ' if again else ''}within 30 days",
        category="repurchase" if again else "cross_sell",
        definition=(
            f"{bought} a chance of at least {threshold:.2%} to {verb} within 30 days"
            f" (of all who could, {base_rate:.2%} do)."
        ),
        why="They are about to run out of it." if again else "What they bought before leads to this product.",
        action="Remind them at the right time." if again else "Recommend it, and say what it goes with.",
        rule=rule,
        product_no=product_no,
    )
