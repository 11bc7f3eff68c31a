"""A synthetic shop as an installation holds it: store, lake, sealed contacts, and predictions to refresh on.

The predictions are drawn, not learned: their number, order and columns are those of a real run, so that what reads
them costs what it costs; `make bench-prediction` measures the learning.
"""

from __future__ import annotations

import base64
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
from pydantic import SecretStr
from sqlalchemy import insert

from app import wiring
from app.domain.context import ShopContext
from app.lake.schemas import TABLES
from app.settings import Settings
from app.store.counters import allocate, new_shop_id
from app.store.crypto import customer_subject
from app.store.models.customers import Customer, ProductId
from app.store.models.shops import Run, Shop, Snapshot
from benchmarks.synthetic_shop import synthetic_shop

if TYPE_CHECKING:
    from app.services.rooms import Rooms
    from app.wiring import Encore

AT_ONCE = 20_000
NEW_PAIRS_EACH = 40
NEW_TYPES_EACH = 12
FIRST_PRODUCT_ID = 7_000_000_000
COUNTRIES = ["US", "US", "US", "US", "CA", "GB", "DE", "AU", "FR", "JP"]
CONSENT = ["SUBSCRIBED"] * 6 + ["NOT_SUBSCRIBED"] * 3 + ["UNSUBSCRIBED"]

ORDERS = """
SELECT customer_no, 0::SMALLINT AS bucket, order_id, '#' || order_id AS name, placed AS processed_at,
       placed AS created_at,
       placed AS updated_at, NULL::TIMESTAMPTZ AS cancelled_at, false AS test, 'PAID' AS financial_status,
       'USD' AS currency, total AS subtotal_minor, total AS total_minor, 0 AS discounts_minor, 0 AS refunded_minor,
       0 AS shipping_minor, 0 AS tax_minor, []::VARCHAR[] AS discount_codes, []::VARCHAR[] AS tags,
       'web' AS source_name, $countries[1 + customer_no % 10] AS country, NULL AS province,
       'City ' || customer_no % 500 AS city, true AS counts, NULL::TIMESTAMPTZ AS refunded_at
FROM (SELECT customer_no, order_id, any_value(ordered_at) AS placed,
             CAST(sum(round(unit_price * 100) * quantity) AS BIGINT) AS total FROM lines GROUP BY 1, 2)
ORDER BY processed_at, order_id"""
LINES = """
SELECT customer_no, 0::SMALLINT AS bucket, order_id, row_number() OVER () AS line_id, ordered_at, product_no,
       product_no::BIGINT AS variant_id, 'Product ' || product_no AS title, quantity::INTEGER AS quantity,
       quantity::INTEGER AS current_quantity, CAST(round(unit_price * 100) AS BIGINT) AS unit_price_minor,
       CAST(round(unit_price * 100) * quantity AS BIGINT) AS total_minor,
       CAST(round(unit_price * 100) * quantity AS BIGINT) AS net_minor, 0 AS discount_minor, false AS is_gift_card,
       true AS counts
FROM lines ORDER BY product_no, customer_no, ordered_at"""
PRODUCTS = """
SELECT product_no, $first + product_no AS product_id, 'Product ' || product_no AS title, product_type,
       'Vendor ' || product_no % 40 AS vendor, 'ACTIVE' AS status, 'product-' || product_no AS handle,
       []::VARCHAR[] AS tags, NULL AS category, $began AS created_at, $began AS updated_at, false AS is_gift_card,
       100 AS total_inventory, 2000 AS price_minor, NULL AS url, NULL AS image_url, false AS requires_selling_plan
FROM kinds ORDER BY product_no"""
CUSTOMERS = """
SELECT range::INTEGER AS customer_no, 0::SMALLINT AS bucket, CAST(9000000000 + range AS VARCHAR) AS customer_id,
       $began AS created_at, $began AS updated_at, 'City ' || range % 500 AS city, 'CA' AS province,
       $countries[1 + range % 10] AS country, 'en' AS language,
       CASE WHEN range % 50 = 0 THEN ['VIP'] ELSE [] END AS tags, MAP {}::MAP(VARCHAR, VARCHAR) AS metafields,
       0 AS orders_count, 0 AS amount_spent_minor, NULL AS rfm_group
FROM range($customers)"""
PAIRS = """
COPY (
    WITH bought AS (SELECT DISTINCT customer_no, product_no FROM lines)
    SELECT customer_no, product_no, 'repurchase' AS kind, (hash(customer_no, product_no) % 3000) / 10000 AS probability,
           NULL::DOUBLE AS lift, NULL::INTEGER AS because_product_no, $until AS expected_at, $until AS expected_low,
           $until AS expected_high, 'model' AS basis FROM bought
    UNION ALL
    SELECT c.customer_no, p.product_no, 'cross_sell', (hash(c.customer_no, p.product_no) % 400) / 10000,
           1.5, p.product_no, NULL, NULL, NULL, 'model'
    FROM (SELECT DISTINCT customer_no FROM lines) c,
         LATERAL (SELECT (hash(c.customer_no, r.range) % 300)::INTEGER AS product_no FROM range($each) r) p
    ANTI JOIN bought b ON b.customer_no = c.customer_no AND b.product_no = p.product_no
    ORDER BY product_no, customer_no
) TO '{target}' (FORMAT PARQUET, COMPRESSION ZSTD)"""
TYPE_PAIRS = """
COPY (
    WITH bought AS (SELECT DISTINCT customer_no, product_type FROM lines JOIN kinds USING (product_no))
    SELECT customer_no, product_type, 'repurchase' AS kind, (hash(customer_no, product_type) % 4000) / 10000
        AS probability, NULL::TIMESTAMPTZ AS expected_at FROM bought
    UNION ALL
    SELECT c.customer_no, t.product_type, 'cross_sell', (hash(c.customer_no, t.product_type) % 500) / 10000, NULL
    FROM (SELECT DISTINCT customer_no FROM lines) c,
         LATERAL (SELECT 'type ' || lpad(CAST(hash(c.customer_no, r.range) % 60 AS VARCHAR), 2, '0') AS product_type
                  FROM range($each) r) t
    ANTI JOIN bought b ON b.customer_no = c.customer_no AND b.product_type = t.product_type
    ORDER BY product_type, customer_no
) TO '{target}' (FORMAT PARQUET, COMPRESSION ZSTD)"""
VALUES = """
COPY (
    SELECT customer_no, u AS p_order_30d, least(1, u * 1.6) AS p_order_60d, least(1, u * 2) AS p_order_90d,
           12 * u AS orders_12m, 600 * u AS value_12m, $until + to_days(CAST(60 * (1 - u) AS INTEGER)) AS next_order_at,
           $until AS next_order_low, $until + INTERVAL 90 DAY AS next_order_high
    FROM (SELECT customer_no, (hash(customer_no) % 10000) / 10000 AS u
          FROM (SELECT DISTINCT customer_no FROM lines)) ORDER BY customer_no
) TO '{target}' (FORMAT PARQUET)"""
RATES = """
COPY (
    SELECT k.{what}, kind, CASE kind WHEN 'repurchase' THEN 0.05 ELSE 0.005 END::DOUBLE AS base_rate, 100.0 AS positives
    FROM (SELECT DISTINCT {what} FROM kinds) k, (VALUES ('repurchase'), ('cross_sell')) v(kind) ORDER BY ALL
) TO '{target}' (FORMAT PARQUET)"""
NO_ASSOCIATIONS = """
COPY (SELECT 0::INTEGER AS a, 0::INTEGER AS b, 0 AS customers_a, 0 AS customers_b, 0 AS customers_ab, 1.0 AS lift,
             1.0 AS lift_shrunk, 1.0 AS p_value, 1.0 AS q_value WHERE false) TO '{target}' (FORMAT PARQUET)"""


def settings(folder: Path) -> Settings:
    """Settings of an installation below a folder, with keys that say that it holds nobody real."""
    return Settings(
        _env_file=None,
        env="development",
        data_dir=folder,
        keys=SecretStr("1:" + base64.b64encode(b"benchmark".ljust(32, b".")).decode()),
        pepper=SecretStr("benchmark-pepper"),
    )


def build_shop(folder: Path, customers: int, products: int = 5_000) -> tuple[Encore, ShopContext]:
    """Make the shop below an empty folder, with an import and a first published run to refresh on."""
    made = synthetic_shop(customers, products)
    until = made.until.to_pydatetime().astimezone(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    encore = wiring.build(settings(folder))
    rooms = encore.rooms
    with rooms.store.operator_session() as session:
        shop = Shop(
            id=new_shop_id(session), domain="bench", name="Bench", currency="USD", timezone="America/New_York",
            source="csv", installed_at=until,
        )  # fmt: skip
        session.add(shop)
        ctx = ShopContext(shop.id, shop.domain, shop.currency, shop.timezone)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.register("lines", pa.Table.from_pandas(made.lines, preserve_index=False))
    connection.register("kinds", pa.Table.from_pandas(made.products, preserve_index=False))
    _lake(rooms, ctx, connection, customers, until)
    _contacts(rooms, ctx, customers, products, until)
    _published(rooms, ctx, connection, until)
    return encore, ctx


def open_shop(folder: Path) -> tuple[Encore, ShopContext]:
    """Open a shop that `build_shop` made."""
    encore = wiring.build(settings(folder))
    with encore.rooms.store.operator_session(writing=False) as session:
        shop = session.query(Shop).one()
        return encore, ShopContext(shop.id, shop.domain, shop.currency, shop.timezone)


def _lake(
    rooms: Rooms, ctx: ShopContext, connection: duckdb.DuckDBPyConnection, customers: int, until: datetime
) -> None:
    began = until - timedelta(days=800)
    sources: dict[str, tuple[str, dict[str, Any]]] = {
        "products": (PRODUCTS, {"first": FIRST_PRODUCT_ID, "began": began}),
        "customers": (CUSTOMERS, {"began": began, "customers": customers, "countries": COUNTRIES}),
        "orders": (ORDERS, {"countries": COUNTRIES}),
        "order_lines": (LINES, {}),
    }
    for table, (sql, given) in sources.items():
        rows = connection.sql(sql, params=given).to_arrow_table()
        for name in TABLES[table].names:  # columns that the history of this shop does not say
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.nulls(len(rows), TABLES[table].field(name).type))
        rooms.lake.write(ctx, table, rows)


def _contacts(rooms: Rooms, ctx: ShopContext, customers: int, products: int, until: datetime) -> None:
    for start in range(0, customers, AT_ONCE):
        rows = [_contact(rooms, ctx, no, until) for no in range(start, min(start + AT_ONCE, customers))]
        with rooms.store.session(ctx) as session:
            session.execute(insert(Customer), rows)
    with rooms.store.session(ctx) as session:
        rows = [{"shop_id": ctx.shop_id, "product_no": no, "shopify_id": FIRST_PRODUCT_ID + no}
                for no in range(products)]  # fmt: skip
        session.execute(insert(ProductId), rows)
        allocate(session, ctx.shop_id, "customers", customers)
        allocate(session, ctx.shop_id, "products", products)


def _contact(rooms: Rooms, ctx: ShopContext, no: int, until: datetime) -> dict[str, Any]:
    email = f"customer{no}@example.com"
    contact = {
        "email": email, "phone": f"+1212555{no % 10_000:04d}" if no % 2 else None, "first_name": f"First{no % 997}",
        "last_name": f"Last{no % 4999}", "address1": None, "city": f"City {no % 500}", "province_code": "CA",
        "country_code": COUNTRIES[no % 10], "zip": f"{10_000 + no % 80_000}",
    }  # fmt: skip
    return {
        "shop_id": ctx.shop_id, "customer_no": no, "shopify_id": 9_000_000_000 + no,
        "email_hash": rooms.vault.email_hash(email),
        "contact": rooms.vault.seal(ctx.shop_id, customer_subject(no), contact),
        "email_valid": no % 100 != 1, "email_consent": CONSENT[no * 7 % 10], "email_consent_at": until,
        "email_opt_in_level": None, "sms_consent": "NOT_SUBSCRIBED", "open_tracking": None, "created_at": until,
        "updated_at": until,
    }  # fmt: skip


def _published(rooms: Rooms, ctx: ShopContext, connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    with rooms.store.session(ctx) as session:
        for run_id, kind in ((1, "import"), (2, "refresh")):
            session.add(
                Run(shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "runs"), kind=kind, state="done",
                    as_of=until, started_at=until, finished_at=until, source="bulk", steps=[], detail={}, error=None)
            )  # fmt: skip
            session.flush()
            session.add(
                Snapshot(shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "snapshots"), run_id=run_id,
                         created_at=until, watermark=until, tables=rooms.lake.versions(ctx))
            )  # fmt: skip
            session.flush()
    folder = rooms.lake.run_dir(ctx, 2)
    given = {"until": until}
    for name, sql, values in (
        ("pairs", PAIRS, {**given, "each": NEW_PAIRS_EACH}),
        ("type_pairs", TYPE_PAIRS, {"each": NEW_TYPES_EACH}),
        ("customer_values", VALUES, given),
        ("base_rates", RATES.replace("{what}", "product_no"), {}),
        ("type_base_rates", RATES.replace("{what}", "product_type"), {}),
        ("associations", NO_ASSOCIATIONS, {}),
    ):
        connection.execute(sql.replace("{target}", str(folder / f"{name}.parquet")), values)
    card = {"run_id": 2, "made_at": until.isoformat(), "served": {}, "grades": {}}
    (folder / "card.json").write_bytes(orjson.dumps(card))


def some_changed_orders(ctx: ShopContext, rooms: Rooms, orders: int, at: datetime) -> None:
    """Put new orders into the lake, as an import of changes does, and publish the history."""
    rng = np.random.default_rng(5)
    before = rooms.lake.versions(ctx)
    connection = rooms.lake.connect(ctx, before)
    buyers = connection.execute("SELECT DISTINCT customer_no FROM orders ORDER BY 1").fetchnumpy()["customer_no"]
    some = rng.choice(buyers, min(orders, len(buyers)), replace=False)
    given = {"customers": some.tolist(), "at": at}
    first = connection.execute("SELECT max(order_id) FROM orders").fetchall()[0][0] + 1
    rows = connection.sql(
        """SELECT o.* REPLACE ($first + row_number() OVER () AS order_id, $at AS processed_at, $at AS updated_at)
           FROM orders o WHERE customer_no IN (SELECT unnest($customers::INTEGER[]))
           QUALIFY row_number() OVER (PARTITION BY customer_no ORDER BY order_id) = 1""",
        params={**given, "first": first},
    ).to_arrow_table()
    connection.register("fresh", rows)
    lines = connection.sql(
        """SELECT l.* REPLACE (f.order_id AS order_id, $at AS ordered_at,
                  1000000000 + row_number() OVER () AS line_id)
           FROM fresh f JOIN order_lines l USING (customer_no)
           QUALIFY row_number() OVER (PARTITION BY l.customer_no ORDER BY l.line_id) <= 2""",
        params={"at": at},
    ).to_arrow_table()
    connection.close()
    ids = rows.column("order_id").to_pylist()
    rooms.lake.replace(ctx, "orders", "order_id", ids, rows)
    rooms.lake.replace(ctx, "order_lines", "order_id", ids, lines)
    with rooms.store.session(ctx) as session:
        run_id = allocate(session, ctx.shop_id, "runs")
        session.add(
            Run(shop_id=ctx.shop_id, id=run_id, kind="import", state="done", as_of=at, started_at=at, finished_at=at,
                source="changes", steps=[], detail={}, error=None)
        )  # fmt: skip
        session.flush()
        session.add(
            Snapshot(shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "snapshots"), run_id=run_id,
                     created_at=at, watermark=at, tables=rooms.lake.versions(ctx))
        )  # fmt: skip


if __name__ == "__main__":
    build_shop(Path(sys.argv[1]), int(sys.argv[2]))
