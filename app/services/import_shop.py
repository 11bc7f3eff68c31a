"""The second half of every import: staged tables → store and lake → one published snapshot.

Each stage may be repeated: numbers are looked up before they are given, lake tables are written whole
or by key, and nothing is seen before the snapshot row is. A process killed anywhere leaves what the
next one completes to the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import insert, select

from app.lake.schemas import SORTED
from app.services import deletions, runs, staging
from app.services.import_customers import lake_customers, note_gone, register_numbers, upsert_customers
from app.services.published import latest_history
from app.store.counters import allocate
from app.store.models.customers import ProductId
from app.store.models.shops import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import duckdb

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

STEPS = ("products", "customers", "orders")
PAID = ("PAID", "PARTIALLY_PAID", "AUTHORIZED", "PARTIALLY_REFUNDED", "REFUNDED")
"""Money came, or is reserved until the goods leave. Of a pending order nothing is known yet but the wish."""

ORDER_ROWS = f"""
    SELECT coalesce(n.customer_no, g.customer_no) AS customer_no, 0::SMALLINT AS bucket,
           o.* EXCLUDE (shopify_customer_id, email),
           o.cancelled_at IS NULL AND NOT o.test AND o.financial_status IN {PAID} AS counts
    FROM stage_orders o
    LEFT JOIN numbers n ON n.shopify_id = o.shopify_customer_id
    LEFT JOIN guest_numbers g ON o.shopify_customer_id IS NULL AND g.address = lower(trim(o.email))"""

# What was refunded without a return is taken from the kept lines in proportion to their value, to the last minor unit:
# each line gets the difference of two rounded-down running sums, and these add up to the whole.
LINE_ROWS = """
    WITH valued AS (
        SELECT *, CASE WHEN quantity > 0 THEN CAST(round(total_minor * current_quantity / quantity) AS BIGINT)
                  ELSE 0 END AS kept_minor
        FROM stage_lines
    ), excess AS (
        SELECT order_id, CAST(sum(greatest(kept_minor, 0)) AS HUGEINT) AS kept,
               CAST(least(sum(greatest(kept_minor, 0)), greatest(0, coalesce(
                   first(o.refund_excess_minor), first(o.refunded_minor) - sum(total_minor - kept_minor)
               ))) AS HUGEINT) AS taken
        FROM valued JOIN (
            SELECT order_id, refunded_minor, refund_excess_minor FROM order_rows WHERE refunded_minor > 0
        ) o USING (order_id) GROUP BY order_id
    ), running AS (
        SELECT order_id, line_id, kept, taken, greatest(kept_minor, 0) AS own,
               CAST(sum(greatest(kept_minor, 0)) OVER (
                   PARTITION BY order_id ORDER BY line_id ROWS UNBOUNDED PRECEDING) AS HUGEINT) AS upto
        FROM valued JOIN excess USING (order_id) WHERE taken > 0
    ), shares AS (
        SELECT order_id, line_id, CAST(taken * upto // kept - taken * (upto - own) // kept AS BIGINT) AS share
        FROM running
    )
    SELECT o.customer_no, o.bucket, l.order_id, l.line_id, o.processed_at AS ordered_at, p.product_no, l.variant_id,
           l.title, l.quantity, l.current_quantity, l.unit_price_minor, l.total_minor,
           l.kept_minor - coalesce(s.share, 0) AS net_minor,
           greatest(l.unit_price_minor * l.quantity - l.total_minor, 0) AS discount_minor, l.is_gift_card,
           l.by_subscription, o.counts AND NOT l.is_gift_card AND l.unit_price_minor > 0 AND l.current_quantity > 0
               AND p.product_no IS NOT NULL AND NOT (coalesce(s.share, 0) > 0 AND l.kept_minor = s.share) AS counts
    FROM valued l JOIN order_rows o USING (order_id) LEFT JOIN shares s USING (order_id, line_id)
    LEFT JOIN product_numbers p USING (product_id)"""


def apply(
    rooms: Rooms,
    ctx: ShopContext,
    run: runs.LiveRun,
    staged: duckdb.DuckDBPyConnection,
    *,
    full: bool,
    watermark: datetime,
    reconcile: Callable[[dict[str, int]], list[dict[str, Any]]],
    border: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Bring everything staged into store and lake and publish it.

    full:      the staged tables are the whole shop; otherwise only what changed.
    watermark: history is complete up to here.
    reconcile: given the lake's counts, lists each difference to the shop's own.
    border:    called at every stage border; tests stop the process there.

    Returns the lake's counts (customers, guests, orders, order_lines, products) and how many staged rows
    and deletions were `changed`.
    """
    changed = sum(staging.counts(staged).values())
    gone = deletions.pending(rooms, ctx)
    deletions.unstage(staged, gone)
    stages: dict[str, Callable[[], int]] = {
        "products": lambda: _products(rooms, ctx, staged, gone["product"], full=full),
        "customers": lambda: _customers(rooms, ctx, staged, run.source, gone["customer"], full=full),
        "orders": lambda: _orders(rooms, ctx, staged, gone["order"], full=full),
    }
    for name, stage in stages.items():
        border(name)
        runs.step(rooms, ctx, run.id, name, "running", done=0)
        rows = stage()
        runs.step(rooms, ctx, run.id, name, "done", done=rows, total=rows, unit=name)
    border("publish")
    counts = _publish(rooms, ctx, run, watermark, gone, reconcile)
    border("published")
    return {**counts, "changed": changed + sum(map(len, gone.values()))}


def _products(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, gone: list[int], *, full: bool) -> int:
    ids = [row[0] for row in staged.execute("SELECT product_id FROM stage_products ORDER BY 1").fetchall()]
    with rooms.store.session(ctx) as session:
        known = dict(_product_numbers(session, ctx))
        new = [product_id for product_id in ids if product_id not in known]
        if new:
            first = allocate(session, ctx.shop_id, "products", len(new))
            rows = [{"shop_id": ctx.shop_id, "product_no": first + i, "shopify_id": p} for i, p in enumerate(new)]
            session.execute(insert(ProductId), rows)
            known.update({row["shopify_id"]: row["product_no"] for row in rows})
    _register_products(staged, known)
    products = staged.sql(
        "SELECT n.product_no, p.* FROM stage_products p JOIN product_numbers n USING (product_id) ORDER BY 1"
    ).to_arrow_table()
    variants = staged.sql(
        "SELECT v.*, n.product_no FROM stage_variants v JOIN product_numbers n USING (product_id) ORDER BY v.variant_id"
    ).to_arrow_table()
    if full:
        rooms.lake.write(ctx, "products", _with_deleted(rooms, ctx, staged, products))
        rooms.lake.write(ctx, "variants", variants)
    elif ids:
        numbers = products.column("product_no").to_pylist()
        rooms.lake.replace(ctx, "products", "product_no", numbers, products)
        rooms.lake.replace(ctx, "variants", "product_no", numbers, variants)
    rooms.lake.mark(ctx, "products", "product_id", gone, status="DELETED")
    return len(ids)


def _with_deleted(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, products: pa.Table) -> pa.Table:
    """Keep products that the shop no longer has, as DELETED: history speaks of them."""
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
    if history is None:
        return products
    before = rooms.lake.connect(ctx, history.tables)
    old = before.sql("SELECT * REPLACE ('DELETED' AS status) FROM products").to_arrow_table()
    before.close()
    staged.register("products_now", products)
    staged.register("products_before", old)
    both = staged.sql("""
        FROM products_now
        UNION ALL BY NAME
        SELECT * FROM products_before WHERE product_no NOT IN (SELECT product_no FROM products_now)
        ORDER BY product_no""").to_arrow_table()
    staged.unregister("products_now")
    staged.unregister("products_before")
    return both


def _customers(
    rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, source: str, gone: list[int], *, full: bool
) -> int:
    merged = upsert_customers(rooms, ctx, staged, "csv" if source == "csv" else "shopify")
    # A merchant may export orders without customers; from the API a whole import names everybody.
    note_gone(rooms, ctx, staged, whole=full and source != "csv")
    register_numbers(rooms, ctx, staged)
    if full:
        rows = lake_customers(rooms, ctx, staged, None)
        rooms.lake.write(ctx, "customers", rows)
    else:
        guests = {row[0] for row in staged.execute("SELECT customer_no FROM guest_numbers").fetchall()}
        rows = lake_customers(rooms, ctx, staged, guests)
        if len(rows):
            rooms.lake.replace(ctx, "customers", "customer_no", rows.column("customer_no").to_pylist(), rows)
        rooms.lake.remove(ctx, "customers", "customer_no", gone)
        rooms.lake.renumber(ctx, merged)
    return len(rows)


def _orders(rooms: Rooms, ctx: ShopContext, staged: duckdb.DuckDBPyConnection, gone: list[int], *, full: bool) -> int:
    register_numbers(rooms, ctx, staged)
    with rooms.store.reading(ctx) as session:
        _register_products(staged, dict(_product_numbers(session, ctx)))
    staged.execute(f"CREATE OR REPLACE TEMP TABLE order_rows AS {ORDER_ROWS}")
    orders = staged.sql(f"SELECT * FROM order_rows ORDER BY {SORTED['orders']}").to_arrow_table()
    lines = staged.sql(f"SELECT * FROM ({LINE_ROWS}) ORDER BY {SORTED['order_lines']}").to_arrow_table()
    if full:
        rooms.lake.write(ctx, "orders", orders)
        rooms.lake.write(ctx, "order_lines", lines)
    elif len(orders):
        ids = orders.column("order_id").to_pylist()
        rooms.lake.replace(ctx, "orders", "order_id", ids, orders)
        rooms.lake.replace(ctx, "order_lines", "order_id", ids, lines)
    for table in ("orders", "order_lines"):
        rooms.lake.remove(ctx, table, "order_id", gone)
    return len(orders)


def _publish(
    rooms: Rooms,
    ctx: ShopContext,
    run: runs.LiveRun,
    watermark: datetime,
    gone: deletions.Gone,
    reconcile: Callable[[dict[str, int]], list[dict[str, Any]]],
) -> dict[str, int]:
    versions = rooms.lake.versions(ctx)
    connection = rooms.lake.connect(ctx, versions)
    counts: dict[str, int] = {}
    for table in ("customers", "orders", "order_lines", "products"):
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        counts[table] = int(row[0]) if row else 0
    row = connection.execute("SELECT count(*) FROM customers WHERE customer_id IS NULL").fetchone()
    counts["guests"] = int(row[0]) if row else 0
    connection.close()
    differences = reconcile(counts)
    with rooms.store.session(ctx) as session:
        session.add(
            Snapshot(
                shop_id=ctx.shop_id,
                id=allocate(session, ctx.shop_id, "snapshots"),
                run_id=run.id,
                created_at=rooms.clock.now(),
                watermark=watermark,
                tables=dict(versions),
            )
        )
        deletions.settle(session, ctx, gone)
        runs.finish(session, rooms, ctx, run.id, counts=counts, differences=differences)
    return counts


def _product_numbers(session: Any, ctx: ShopContext) -> list[tuple[int, int]]:
    rows = session.execute(select(ProductId.shopify_id, ProductId.product_no).where(ProductId.shop_id == ctx.shop_id))
    return [(row.shopify_id, row.product_no) for row in rows]


def _register_products(staged: duckdb.DuckDBPyConnection, numbers: dict[int, int]) -> None:
    table = pa.table(
        {"product_id": pa.array(numbers.keys(), pa.int64()), "product_no": pa.array(numbers.values(), pa.int32())}
    )
    staged.register("incoming", table)
    staged.execute("CREATE OR REPLACE TABLE product_numbers AS SELECT * FROM incoming")
    staged.unregister("incoming")
