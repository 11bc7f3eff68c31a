"""What predictions learn from: the shop's purchases, and the order lines that are none, counted by reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.lines import REASONS

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import pandas as pd

# `counts` is the lake's word on what a purchase is; the rest only says why not.
COUNTS = """l.counts AND l.customer_no IS NOT NULL AND p.product_no IS NOT NULL AND NOT p.is_gift_card
        AND l.ordered_at < $as_of"""
REASON = """CASE WHEN l.ordered_at >= $as_of THEN 'after_as_of'
        WHEN l.is_gift_card OR coalesce(p.is_gift_card, FALSE) THEN 'gift_card'
        WHEN p.product_no IS NULL THEN 'no_product'
        WHEN l.counts THEN 'no_customer'
        WHEN NOT coalesce(o.counts, FALSE) THEN 'order_not_paid'
        WHEN l.current_quantity <= 0 THEN 'nothing_kept'
        WHEN l.unit_price_minor <= 0 THEN 'free'
        ELSE 'refunded' END"""

PURCHASES = f"""
    SELECT l.customer_no, l.order_id, l.ordered_at, l.product_no, l.current_quantity AS quantity,
           greatest(CAST(l.net_minor AS DOUBLE), 0) / l.current_quantity / $unit AS unit_price, p.product_type,
           CAST(l.discount_minor AS DOUBLE) / $unit AS discount
    FROM order_lines l JOIN products p USING (product_no)
    WHERE {COUNTS}"""

LEFT_OUT = f"""
    SELECT {REASON} AS reason, count(*)
    FROM order_lines l LEFT JOIN products p USING (product_no) LEFT JOIN orders o USING (order_id)
    WHERE NOT coalesce({COUNTS}, FALSE) GROUP BY reason ORDER BY reason"""

WORDS = REASONS | {
    "gift_card": "of gift cards",
    "no_product": "of products that are not in the shop's history (deleted, or typed in by hand)",
    "order_not_paid": "of orders that are cancelled, tests or not paid",
    "nothing_kept": "returned or removed from the order",
    "free": "without a price",
    "refunded": "refunded in full",
    "no_customer": "of nobody known",
}
"""Every reason in words, to follow a count: "12 lines of gift cards"."""


def purchases(connection: duckdb.DuckDBPyConnection, as_of: datetime, unit: int) -> pd.DataFrame:
    """The purchases before an instant, a row per order line, as `ml.api.predict` wants them.

    connection: with the lake's views. unit: minor units in one of the shop's currency.
    Money is net of refunds and never negative: who was given back more than they paid has bought all the same.
    """
    found: pd.DataFrame = connection.sql(PURCHASES, params={"unit": unit, "as_of": as_of}).to_arrow_table().to_pandas()
    return found


def with_left_out(connection: duckdb.DuckDBPyConnection, as_of: datetime, card: dict[str, Any]) -> dict[str, Any]:
    """The model card with the lines that never reached the model among those left out; `lines` counts them too."""
    before = dict(connection.execute(LEFT_OUT, {"as_of": as_of}).fetchall())
    left_out = {reason: before.get(reason, 0) + card["left_out"].get(reason, 0) for reason in WORDS}
    return {
        **card,
        "lines": card["lines"] + sum(before.values()),
        "left_out": {reason: count for reason, count in left_out.items() if count},
    }
