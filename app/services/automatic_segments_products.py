"""Product segments: who will probably buy a product again, or for the first time, within 30 days.

Rules with stored thresholds: `buy_again` at least max(10%, twice the product's base rate), `buy_new` at least
max(1%, twice base rate); for products with at least 25 reachable members, at most 50 per kind, those
with most expected buyers. Below the minimum a product has no segment of its own and is served through its type:
under the same rule any product of the type, at most 20 types per kind.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from app.domain.rules.names import PAIR_KIND
from app.services.automatic_segments import Definition

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from pyroaring import BitMap

MOST_PER_KIND = 50
MOST_TYPES_PER_KIND = 20
LONGEST_KEY = 100
TYPE_KEYS = ("buy_again:type", "buy_new:type")
LEAST_REACHABLE = 25
FLOOR = {"buy_again": 0.10, "buy_new": 0.01}
TIMES_BASE_RATE = 2

OFFERED = "status = 'ACTIVE' AND NOT is_gift_card AND price_minor > 0"
THRESHOLD = """greatest($floor, $times * coalesce(CASE WHEN isnan(b.base_rate) THEN 0 ELSE b.base_rate END, 0))
           AS threshold, coalesce(CASE WHEN isnan(b.base_rate) THEN 0 ELSE b.base_rate END, 0) AS base_rate"""

PRODUCTS = f"""
WITH wanted AS (
    SELECT p.product_no, p.product_id, {THRESHOLD}
    FROM products p LEFT JOIN base_rates b ON b.product_no = p.product_no AND b.kind = $kind
    WHERE {OFFERED}
)
SELECT w.product_no, w.product_id, w.threshold, w.base_rate, sum(a.probability) AS expected
FROM pairs a JOIN wanted w USING (product_no) JOIN reachable_now r USING (customer_no)
WHERE a.kind = $kind AND a.probability >= w.threshold
GROUP BY ALL HAVING count(*) >= $least
ORDER BY expected DESC, w.product_no
"""

TYPES = f"""
WITH wanted AS (
    SELECT b.product_type, {THRESHOLD} FROM type_base_rates b
    WHERE b.kind = $kind AND b.product_type IN (
        SELECT product_type FROM products WHERE {OFFERED} AND product_no NOT IN (SELECT unnest($own::INTEGER[])))
)
SELECT w.product_type, w.threshold, w.base_rate, sum(a.probability) AS expected
FROM type_pairs a JOIN wanted w USING (product_type) JOIN reachable_now r USING (customer_no)
WHERE a.kind = $kind AND a.probability >= w.threshold
GROUP BY ALL HAVING count(*) >= $least
ORDER BY expected DESC, w.product_type LIMIT $most
"""


def definitions(connection: duckdb.DuckDBPyConnection, reachable: BitMap, kept: Path | None = None) -> list[Definition]:
    """The segments of both kinds, of products and then of types, most expected buyers first.

    kept: file of what was chosen on these predictions, written if it is missing. As long as predictions serve, their
          segments stay the same, so that none comes and goes through the day; but for products no longer offered.
    """
    chosen = orjson.loads(kept.read_bytes()) if kept is not None and kept.exists() else _choose(connection, reachable)
    if kept is not None and not kept.exists():
        kept.write_bytes(orjson.dumps(chosen))
    titles = dict(connection.execute(f"SELECT product_no, title FROM products WHERE {OFFERED}").fetchall())
    made = []
    for what, (products, types) in chosen.items():
        made += [
            _definition(what, no, product_id, titles[no], *figures)
            for no, product_id, *figures in products
            if no in titles
        ]
        made += [_type_definition(what, *row) for row in types]
    return made


def _choose(connection: duckdb.DuckDBPyConnection, reachable: BitMap) -> dict[str, Any]:
    """By kind: (product_no, product_id, threshold, base rate) of products, (type, threshold, base rate) of types."""
    numbers = np.fromiter(reachable, dtype=np.int32, count=len(reachable))
    connection.register("reachable_now", {"customer_no": numbers})
    try:
        return {what: _of_kind(connection, what) for what in PAIR_KIND}
    finally:
        connection.unregister("reachable_now")


def _of_kind(connection: duckdb.DuckDBPyConnection, what: str) -> tuple[list[Any], list[Any]]:
    given: dict[str, Any] = {
        "floor": FLOOR[what], "times": TIMES_BASE_RATE, "kind": PAIR_KIND[what], "least": LEAST_REACHABLE,
    }  # fmt: skip
    products = connection.execute(PRODUCTS, given).fetchall()
    own = [row[0] for row in products]
    types = connection.execute(TYPES, {**given, "own": own, "most": MOST_TYPES_PER_KIND}).fetchall()
    return [row[:4] for row in products[:MOST_PER_KIND]], [row[:3] for row in types]


def type_key(what: str, product_type: str) -> str:
    """The key of a type's segment; a name too long for one is known by its hash."""
    key = f"{what}:type:{product_type}"
    return key if len(key) <= LONGEST_KEY else f"{what}:type#{hashlib.sha256(product_type.encode()).hexdigest()[:32]}"


def type_of(key: str | None, rule_text: str | None) -> str | None:
    """The product type that a segment with this key is about; None for any other segment."""
    if rule_text is None or key is None or not key.startswith(TYPE_KEYS):
        return None
    found = orjson.loads(rule_text)["match"].get("product_type")
    return str(found) if found is not None else None


def _type_definition(what: str, product_type: str, threshold: float, base_rate: float) -> Definition:
    again = what == "buy_again"
    bought = (
        "Bought something of this type before, and have" if again else "Never bought anything of this type, and have"
    )
    verb = "buy something of it again" if again else "buy something of it for the first time"
    return Definition(
        key=type_key(what, product_type),
        name=f"Likely to buy any {product_type} {'again ' if again else ''}within 30 days",
        category="repurchase" if again else "cross_sell",
        definition=(
            f"{bought} a chance of at least {threshold:.2%} to {verb} within 30 days"
            f" (of all who could, {base_rate:.2%} do). Some of its products have too few likely buyers for a segment"
            " of their own."
        ),
        why="Their next purchase of this type is due." if again else "What they bought before leads to this type.",
        action="Remind them; each gets their likeliest product of the type."
        if again
        else "Introduce the type; each gets their likeliest product of it.",
        rule=_rule(what, threshold, product_type=product_type),
        product_type=product_type,
    )


def _rule(what: str, threshold: float, **about: str) -> dict[str, Any]:
    return {"v": 1, "match": {"predict": what, **about, "horizon": "30d", "op": "gte", "value": threshold}}


def _definition(
    what: str, product_no: int, product_id: int, title: str, threshold: float, base_rate: float
) -> Definition:
    again = what == "buy_again"
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
        rule=_rule(what, threshold, product=str(product_id)),
        product_no=product_no,
    )
