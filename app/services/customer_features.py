"""Customer features: one row per customer with an order, by one pass of DuckDB over the history.

Money is net of refunds unless gross, without tax, shipping and gift cards. Days are the shop's.

In two steps: sums of each customer alone, which are most of the work and of which a later run on the same store day
takes over those of customers whose orders did not change; and what depends on all customers or on today.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import duckdb

from app.domain.rules.tree import Duration
from app.domain.rules.windows import start_of_last

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from app.domain.context import ShopContext

GAP_PRIOR_WEIGHT = 2  # the shop's usual gap counts as much as two gaps of the customer's own
GAP_WITHOUT_REPEATS = 90  # days; the shop's gap where nobody has come back yet
QUARTER = Duration(90, "d")
TWO_QUARTERS = Duration(180, "d")
YEAR = Duration(365, "d")
SCORES = 5  # of the RFM grid: fifths of the buyers
SEASONS = {"mar_may": (3, 4, 5), "jun_aug": (6, 7, 8), "sep_nov": (9, 10, 11), "dec_feb": (12, 1, 2)}
"""By months, because a merchant's spring may be another's autumn."""
DAY_PARTS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}
"""Hours of the shop's clock, the last one not included."""

_SHARES = ",\n           ".join(
    f"count(*) FILTER (WHERE {condition}) / count(*) AS {name}_share"
    for name, condition in [
        *((name, f"month(day) IN {months}") for name, months in SEASONS.items()),
        *((name, f"hour >= {start} AND hour < {end}") for name, (start, end) in DAY_PARTS.items()),
    ]
)


KNOWN = "customer_no IS NOT NULL AND processed_at < $as_of"
SEEN = "bit_xor(hash(order_id, updated_at, processed_at, counts, discounts_minor, refunded_minor, customer_no))"
"""What a customer's orders looked like: another value when one of them came, changed or went."""
SUMS_FILE = "sums.parquet"
BASIS_KEY = "basis"


def _score(order: str) -> str:
    """1..5 by the share of buyers that lie below; equals share a score, so that it depends on no order of rows."""
    return f"CAST(1 + {SCORES} * (rank() OVER (ORDER BY {order}) - 1) // count(*) OVER () AS INTEGER)"


SUMS = f"""
WITH placed AS (
    SELECT customer_no, order_id, processed_at, discounts_minor,
           CAST(local AS DATE) AS day, CAST(hour(local) AS TINYINT) AS hour
    FROM (SELECT *, timezone($zone, processed_at) AS local FROM orders_asked)
    WHERE counts AND customer_no IS NOT NULL AND processed_at < $as_of
), costs AS (
    SELECT variant_id, max(cost_minor) AS unit_cost_minor FROM variants
    WHERE cost_minor IS NOT NULL GROUP BY variant_id
), sold AS (
    SELECT order_id, sum(total_minor) AS gross_minor, sum(net_minor) AS net_minor,
           sum(discount_minor) AS discount_minor,
           sum(net_minor) FILTER (WHERE unit_cost_minor IS NOT NULL) AS costed_net_minor,
           sum(unit_cost_minor * current_quantity) AS cost_minor,
           coalesce(sum(current_quantity) FILTER (WHERE counts), 0) AS units,
           count(*) FILTER (WHERE counts) AS lines
    FROM lines_asked LEFT JOIN costs USING (variant_id) WHERE NOT is_gift_card GROUP BY order_id
), each_order AS (
    SELECT placed.*, coalesce(gross_minor, 0) AS gross_minor, coalesce(net_minor, 0) AS net_minor,
           coalesce(discount_minor, 0) AS line_discount_minor, coalesce(units, 0) AS units,
           coalesce(lines, 0) AS lines, coalesce(costed_net_minor, 0) AS costed_net_minor,
           coalesce(cost_minor, 0) AS cost_minor
    FROM placed LEFT JOIN sold USING (order_id)
), money AS (
    SELECT customer_no, count(*) AS orders, CAST(sum(lines) AS BIGINT) AS lines,
           count(*) FILTER (WHERE processed_at >= $year) AS orders_365d,
           CAST(sum(gross_minor) AS BIGINT) AS gross_minor, CAST(sum(net_minor) AS BIGINT) AS net_minor,
           CAST(coalesce(sum(net_minor) FILTER (WHERE processed_at >= $quarter), 0) AS BIGINT) AS net_90d_minor,
           CAST(coalesce(sum(net_minor) FILTER
               (WHERE processed_at >= $two_quarters AND processed_at < $quarter), 0) AS BIGINT)
               AS net_previous_90d_minor,
           min(processed_at) AS first_order_at, max(processed_at) AS last_order_at,
           min(day) AS first_day, max(day) AS last_day,
           CAST(sum(line_discount_minor) AS DOUBLE) AS saved,
           avg(CASE WHEN discounts_minor > 0 OR line_discount_minor > 0 THEN 1.0 ELSE 0.0 END)
               AS discounted_order_share,
           avg(CASE WHEN isodow(day) >= 6 THEN 1.0 ELSE 0.0 END) AS weekend_share,
           CAST(sum(units) AS DOUBLE) / count(*) AS units_per_order,
           CAST(sum(costed_net_minor) AS BIGINT) AS costed_net_minor, CAST(sum(cost_minor) AS BIGINT) AS cost_minor,
           {_SHARES}
    FROM each_order GROUP BY customer_no
), gaps AS (
    SELECT customer_no, median(gap) AS own, count(gap) AS n
    FROM (SELECT customer_no, day - lag(day) OVER (PARTITION BY customer_no ORDER BY day) AS gap
          FROM (SELECT DISTINCT customer_no, day FROM placed))
    WHERE gap IS NOT NULL GROUP BY customer_no
), bought AS (
    SELECT l.customer_no, nullif(p.product_type, '') AS product_type, count(*) AS times,
           count(DISTINCT l.product_no) AS products
    FROM lines_asked l LEFT JOIN products p USING (product_no)
    WHERE l.counts AND l.customer_no IS NOT NULL AND l.ordered_at < $as_of
    GROUP BY l.customer_no, nullif(p.product_type, '')
), taste AS (
    SELECT customer_no, CAST(sum(products) AS BIGINT) AS distinct_products,
           count(product_type) AS distinct_types,
           first(product_type ORDER BY times DESC, product_type) FILTER (WHERE product_type IS NOT NULL)
               AS favourite_type
    FROM bought GROUP BY customer_no
), seen AS (
    SELECT customer_no, {SEEN} AS seen FROM orders_asked WHERE {KNOWN} GROUP BY customer_no
)
SELECT m.*, g.own, coalesce(g.n, 0) AS gaps, coalesce(t.distinct_products, 0) AS distinct_products,
       coalesce(t.distinct_types, 0) AS distinct_types, t.favourite_type, s.seen
FROM money m JOIN seen s USING (customer_no) LEFT JOIN gaps g USING (customer_no) LEFT JOIN taste t USING (customer_no)
"""

FEATURES = f"""
WITH usual AS (
    SELECT coalesce(median(own), {GAP_WITHOUT_REPEATS}) AS gap FROM sums
), expected AS (
    SELECT customer_no,
           greatest(1, (gaps * coalesce(own, 0) + {GAP_PRIOR_WEIGHT} * u.gap) / (gaps + {GAP_PRIOR_WEIGHT})) AS gap
    FROM sums CROSS JOIN usual u
), scored AS (
    SELECT customer_no, {_score("last_day")} AS rfm_recency, {_score("orders")} AS rfm_frequency,
           {_score("net_minor")} AS rfm_monetary
    FROM sums
)
SELECT m.customer_no, m.orders, m.lines, m.orders_365d, m.gross_minor, m.net_minor, m.net_90d_minor,
       m.net_previous_90d_minor,
       CASE WHEN m.net_previous_90d_minor > 0
            THEN CAST(m.net_90d_minor AS DOUBLE) / m.net_previous_90d_minor END AS trend,
       CAST(round(m.net_minor / m.orders) AS BIGINT) AS average_order_minor,
       m.first_order_at, m.last_order_at,
       CAST($today AS DATE) - m.last_day AS days_since_order,
       CAST($today AS DATE) - m.first_day AS tenure_days,
       m.own AS median_gap_days, e.gap AS expected_gap_days,
       (CAST($today AS DATE) - m.last_day) / e.gap AS gap_ratio,
       CASE WHEN m.gross_minor + m.saved > 0 THEN m.saved / (m.gross_minor + m.saved) END AS discount_share,
       m.discounted_order_share,
       CASE WHEN m.gross_minor > 0
            THEN CAST(m.gross_minor - m.net_minor AS DOUBLE) / m.gross_minor END AS refund_share,
       m.weekend_share, m.units_per_order,
       m.distinct_products, m.distinct_types, m.favourite_type,
       {", ".join(f"m.{name}_share" for name in (*SEASONS, *DAY_PARTS))},
       s.rfm_recency, s.rfm_frequency, s.rfm_monetary,
       (s.rfm_frequency + s.rfm_monetary + 1) // 2 AS rfm_worth,
       m.costed_net_minor, m.cost_minor
FROM sums m JOIN expected e USING (customer_no) JOIN scored s USING (customer_no)
ORDER BY m.customer_no
"""


def build(
    connection: duckdb.DuckDBPyConnection,
    ctx: ShopContext,
    as_of: datetime,
    out_path: Path,
    earlier: Path | None = None,
) -> int:
    """Write the features as of an instant to a Parquet file; returns the number of customers.

    connection: with the lake's views, for this call alone.
    earlier:    folder of an earlier run since which every changed order says so in `updated_at`. Sums of customers
                whose orders did not change are taken from there, if it is of the same store day and its products have
                the same types and costs.
    One row per customer with an order that counts before `as_of`:
        customer_no int32; orders, lines, orders_365d; gross_minor, net_minor, net_90d_minor,
        net_previous_90d_minor, average_order_minor (minor units); trend (last 90 days over the 90 before,
        null without the latter); first_order_at, last_order_at (UTC); days_since_order, tenure_days
        (store days); median_gap_days (null before a second order day), expected_gap_days (>= 1, the own
        median drawn towards the shop's), gap_ratio (days since over expected gap); discount_share,
        discounted_order_share, refund_share, weekend_share (0..1); units_per_order; distinct_products,
        distinct_types; favourite_type (null if nothing has a type); mar_may_share ... dec_feb_share,
        night_share ... evening_share (0..1, by the shop's clock); rfm_recency, rfm_frequency, rfm_monetary
        (1..5, 5 best: by last order day, orders, net_minor; equals share the lower score), rfm_worth (their mean of
        frequency and monetary, a half counting up); costed_net_minor, cost_minor (net sales of lines whose variant's
        unit cost is known today, and the cost of the units kept of them).
    """
    zone = ctx.zone
    parameters = {
        "zone": ctx.timezone,
        "as_of": as_of,
        "today": as_of.astimezone(zone).date(),
        "quarter": start_of_last(QUARTER, as_of, zone),
        "two_quarters": start_of_last(TWO_QUARTERS, as_of, zone),
        "year": start_of_last(YEAR, as_of, zone),
    }
    sums = out_path.parent / SUMS_FILE
    _sums(connection, parameters, sums, earlier and earlier / SUMS_FILE)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW sums AS SELECT * FROM read_parquet({_quoted(sums)})")
    today = {"today": parameters["today"]}
    copied = connection.execute(
        f"COPY ({FEATURES}) TO {_quoted(out_path)} (FORMAT PARQUET, COMPRESSION ZSTD)", today
    ).fetchall()
    return int(copied[0][0])


def _sums(
    connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any], target: Path, earlier: Path | None
) -> None:
    basis = _basis(connection, parameters)
    changed = kept = ""
    if earlier is not None and earlier.exists() and _basis_of(connection, earlier) == basis:
        # Whose orders differ, whose are new, and whose are gone: those of a merged or erased customer.
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE changed AS
                SELECT coalesce(b.customer_no, n.customer_no) AS customer_no
                FROM read_parquet({_quoted(earlier)}) b FULL JOIN (
                    SELECT customer_no, {SEEN} AS seen FROM orders WHERE {KNOWN} GROUP BY customer_no
                ) n USING (customer_no) WHERE b.seen IS DISTINCT FROM n.seen""",
            {"as_of": parameters["as_of"]},
        )
        changed = " SEMI JOIN changed USING (customer_no)"
        kept = (
            f"SELECT * FROM read_parquet({_quoted(earlier)}) ANTI JOIN changed USING (customer_no) UNION ALL BY NAME "
        )
    for name, table in (("orders_asked", "orders"), ("lines_asked", "order_lines")):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {table}{changed}")
    query = f"{kept}({SUMS})"
    asked = {name: value for name, value in parameters.items() if name != "today"}
    part = target.with_suffix(".part")
    connection.execute(
        f"COPY ({query}) TO {_quoted(part)} (FORMAT PARQUET, COMPRESSION ZSTD, KV_METADATA {{{BASIS_KEY}: '{basis}'}})",
        asked,
    )
    part.replace(target)


def _basis(connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any]) -> str:
    """What sums rest on beside a customer's orders: the question, the store day, and what the catalogue says."""
    catalogue = connection.execute(
        """SELECT (SELECT bit_xor(hash(product_no, product_type)) FROM products),
                  (SELECT bit_xor(hash(variant_id, cost_minor)) FROM variants WHERE cost_minor IS NOT NULL)"""
    ).fetchall()[0]
    question = {**parameters, "as_of": None}
    return hashlib.sha256(repr((duckdb.__version__, SUMS, question, catalogue)).encode()).hexdigest()


def _basis_of(connection: duckdb.DuckDBPyConnection, file: Path) -> str | None:
    rows = connection.execute(f"SELECT key, value FROM parquet_kv_metadata({_quoted(file)})").fetchall()
    return next((value.decode() for key, value in rows if key == BASIS_KEY.encode()), None)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
