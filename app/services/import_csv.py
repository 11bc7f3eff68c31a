"""Shopify's CSV exports as a source: the same second half as the API's bulk exports.

Columns as Shopify writes them: order fields stand on an order's first row only, further rows carry
further line items. The order export names no customer id, so orders find their customer by address.
Reference: https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import structlog
from sqlalchemy import func, select

from app.domain.money import exponent
from app.errors import Conflict, Invalid
from app.lake.lake import bare_connection
from app.services import import_shop, runs, staging
from app.services.shops import context_of, find_shop
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

ORDER_COLUMNS = ("Name", "Email", "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price")
OPTIONAL_ORDER_COLUMNS = (
    "Id", "Financial Status", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code", "Discount Amount",
    "Cancelled at", "Refunded Amount", "Lineitem sku", "Lineitem discount", "Source", "Tags", "Vendor", "Shipping City",
    "Shipping Province", "Shipping Country",
)  # fmt: skip
CUSTOMER_COLUMNS = ("Customer ID", "Email")
OPTIONAL_CUSTOMER_COLUMNS = (
    "First Name", "Last Name", "Accepts Email Marketing", "Accepts SMS Marketing", "Default Address Address1",
    "Default Address City", "Default Address Province Code", "Default Address Country Code", "Default Address Zip",
    "Phone", "Total Spent", "Total Orders", "Tags",
)  # fmt: skip
PRODUCT_COLUMNS = ("Handle", "Title")
OPTIONAL_PRODUCT_COLUMNS = (
    "Vendor",
    "Type",
    "Tags",
    "Variant SKU",
    "Variant Price",
    "Image Src",
    "Gift Card",
    "Status",
)


@dataclass(frozen=True)
class CsvFiles:
    """The files of one import; only orders are required."""

    orders: Path
    customers: Path | None = None
    products: Path | None = None


def import_csv(rooms: Rooms, slug: str, files: CsvFiles, *, timezone: str, currency: str) -> dict[str, int]:
    """Import CSV exports as the shop `slug`, whole; the same files again change nothing.

    Raises Invalid naming file, column and row for what can't be read; nothing is then changed.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as fault:
        raise Invalid(f"{timezone!r} is no IANA time zone, for example Europe/London.", field="timezone") from fault
    staged = bare_connection()
    staging.create(staged)
    _macros(staged, currency, timezone)
    _read(staged, "orders", files.orders, ORDER_COLUMNS, OPTIONAL_ORDER_COLUMNS)
    if files.customers:
        _read(staged, "customers", files.customers, CUSTOMER_COLUMNS, OPTIONAL_CUSTOMER_COLUMNS)
        _stage_customers(staged, files.customers)
    if files.products:
        _read(staged, "products", files.products, PRODUCT_COLUMNS, OPTIONAL_PRODUCT_COLUMNS)
    _check_orders(staged, files.orders)
    _stage_orders(staged)
    _stage_products(staged, has_file=files.products is not None)
    ctx = _shop(rooms, slug, timezone=timezone, currency=currency)
    run = runs.begin(rooms, ctx, "import", "csv", list(import_shop.STEPS))
    here = staging.counts(staged)
    try:
        counts = import_shop.apply(
            rooms, ctx, run, staged, full=True, watermark=run.as_of, reconcile=lambda lake: _reconcile(here, lake)
        )
    except Exception as fault:
        runs.fail(rooms, ctx, run.id, str(fault))
        raise
    staged.close()
    log.info("csv_imported", shop_id=ctx.shop_id, **counts)
    return counts


def _macros(staged: duckdb.DuckDBPyConnection, currency: str, timezone: str) -> None:
    staged.execute(
        "CREATE MACRO minor(amount) AS CAST(round(TRY_CAST(replace(amount, ',', '') AS DECIMAL(28, 6)) "
        f"* {10 ** exponent(currency)}) AS BIGINT)"
    )
    # The first 60 bits of MD5: stable for ever, unlike DuckDB's own hash, and positive.
    staged.execute("CREATE MACRO number(text) AS CAST('0x' || left(md5(text), 15) AS BIGINT)")
    staged.execute(
        "CREATE MACRO instant(text) AS coalesce(try_strptime(text, '%Y-%m-%d %H:%M:%S %z'), "
        f"timezone('{timezone}', try_strptime(text, ['%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d'])))"
    )


def _read(
    staged: duckdb.DuckDBPyConnection, name: str, file: Path, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    """Read a file as text columns into `csv_<name>`, with its row numbers; absent optional columns are null."""
    # Shopify's dialect, not a guessed one: order names begin with "#", which is easily taken for a comment.
    options = (
        "all_varchar = true, header = true, comment = '', delim = ',', quote = '\"', escape = '\"', parallel = false, "
        "null_padding = true, max_line_size = 10000000"
    )
    try:
        staged.execute(f"CREATE TABLE raw_{name} AS SELECT * FROM read_csv($file, {options})", {"file": str(file)})
    except duckdb.Error as fault:
        raise Invalid(f"{file.name} is no readable CSV file: {str(fault).splitlines()[0]}", field=name) from fault
    found = {row[0] for row in staged.execute(f"DESCRIBE raw_{name}").fetchall()}
    missing = [column for column in required if column not in found]
    if missing:
        raise Invalid(f"{file.name} lacks the column {missing[0]!r}; is it Shopify's {name} export?", field=name)
    columns = ", ".join(f'"{c}"' if c in found else f'NULL::VARCHAR AS "{c}"' for c in (*required, *optional))
    staged.execute(f"CREATE TABLE csv_{name} AS SELECT row_number() OVER () + 1 AS row, {columns} FROM raw_{name}")
    staged.execute(f"DROP TABLE raw_{name}")


def _check_orders(staged: duckdb.DuckDBPyConnection, file: Path) -> None:
    checks = {
        "Name": '"Name" IS NULL OR trim("Name") = \'\'',
        "Created at": 'instant("Created at") IS NULL',
        "Lineitem quantity": 'TRY_CAST("Lineitem quantity" AS INTEGER) IS NULL',
        "Lineitem price": 'minor("Lineitem price") IS NULL',
    }
    for column, wrong in checks.items():
        row = staged.execute(f'SELECT row, "{column}" FROM csv_orders WHERE {wrong} ORDER BY row LIMIT 1').fetchone()
        if row is not None:
            raise Invalid(f"{file.name}, row {row[0]}, column {column!r}: {row[1]!r} can't be read.", field="orders")


def _stage_customers(staged: duckdb.DuckDBPyConnection, file: Path) -> None:
    wrong = staged.execute(
        """SELECT row, "Customer ID" FROM csv_customers
           WHERE TRY_CAST(ltrim("Customer ID", '''') AS BIGINT) IS NULL LIMIT 1"""
    ).fetchone()
    if wrong is not None:
        raise Invalid(
            f"{file.name}, row {wrong[0]}, column 'Customer ID': {wrong[1]!r} is no number.", field="customers"
        )
    staged.execute("""
        INSERT INTO stage_customers BY NAME
        SELECT CAST(ltrim("Customer ID", '''') AS BIGINT) AS shopify_id, nullif(trim("Email"), '') AS email,
               ltrim("Phone", '''') AS phone, "First Name" AS first_name, "Last Name" AS last_name,
               "Default Address Address1" AS address1, "Default Address City" AS city,
               "Default Address Province Code" AS province, "Default Address Country Code" AS country,
               ltrim("Default Address Zip", '''') AS zip,
               CASE WHEN "Tags" IS NULL THEN [] ELSE list_transform(split("Tags", ','), lambda t: trim(t)) END AS tags,
               MAP {}::MAP(VARCHAR, VARCHAR) AS metafields,
               coalesce(f.first_at, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS created_at,
               coalesce(f.last_at, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS updated_at,
               regexp_full_match(trim("Email"), '[^@\\s]+@[^@\\s]+\\.[^@\\s]+') AS email_valid,
               CASE lower("Accepts Email Marketing") WHEN 'yes' THEN 'SUBSCRIBED' ELSE 'NOT_SUBSCRIBED' END
                   AS email_consent,
               CASE lower("Accepts SMS Marketing") WHEN 'yes' THEN 'SUBSCRIBED' ELSE 'NOT_SUBSCRIBED' END
                   AS sms_consent,
               coalesce(TRY_CAST("Total Orders" AS BIGINT), 0) AS orders_count,
               coalesce(minor("Total Spent"), 0) AS amount_spent_minor
        FROM csv_customers LEFT JOIN (
            SELECT lower(trim("Email")) AS address, min(instant("Created at")) AS first_at,
                   max(instant("Created at")) AS last_at
            FROM csv_orders WHERE "Email" IS NOT NULL GROUP BY 1
        ) f ON f.address = lower(trim("Email"))
        QUALIFY row_number() OVER (PARTITION BY "Customer ID" ORDER BY row) = 1""")


def _stage_orders(staged: duckdb.DuckDBPyConnection) -> None:
    staged.execute("""
        CREATE TABLE csv_lines AS
        SELECT *, coalesce(TRY_CAST(ltrim("Id", '''') AS BIGINT), number('order|' || "Name")) AS order_id,
               number('product|' || coalesce(nullif(trim("Lineitem sku"), ''), trim("Lineitem name"))) AS product_id
        FROM (SELECT * EXCLUDE ("Id"), first_value("Id" IGNORE NULLS) OVER (PARTITION BY "Name" ORDER BY row) AS "Id"
              FROM csv_orders)""")
    staged.execute("""
        INSERT INTO stage_orders BY NAME
        SELECT order_id, first("Name" ORDER BY row) AS name, min(instant("Created at")) AS processed_at,
               min(instant("Created at")) AS created_at, min(instant("Created at")) AS updated_at,
               max(instant("Cancelled at")) AS cancelled_at, false AS test,
               upper(coalesce(max("Financial Status"), 'paid')) AS financial_status,
               max("Currency") AS currency, coalesce(max(minor("Subtotal")), sum(amount)) AS subtotal_minor,
               coalesce(max(minor("Total")), sum(amount)) AS total_minor,
               coalesce(max(minor("Discount Amount")), 0) AS discounts_minor,
               coalesce(max(minor("Refunded Amount")), 0) AS refunded_minor,
               coalesce(max(minor("Shipping")), 0) AS shipping_minor, coalesce(max(minor("Taxes")), 0) AS tax_minor,
               list_filter([max("Discount Code")], lambda c: c IS NOT NULL) AS discount_codes,
               []::VARCHAR[] AS tags, max("Source") AS source_name, max("Shipping Country") AS country,
               max("Shipping Province") AS province, max("Shipping City") AS city,
               nullif(trim(max("Email")), '') AS email
        FROM (SELECT *, minor("Lineitem price") * CAST("Lineitem quantity" AS INTEGER) AS amount FROM csv_lines)
        GROUP BY order_id ORDER BY order_id""")
    # An address that the customer export knows belongs to that customer; the rest are guests.
    staged.execute("""
        UPDATE stage_orders SET shopify_customer_id = c.shopify_id
        FROM (SELECT lower(email) AS address, min(shopify_id) AS shopify_id FROM stage_customers
              WHERE email IS NOT NULL GROUP BY 1) c
        WHERE lower(stage_orders.email) = c.address""")
    # The order export says how much was refunded, not which lines: a whole refund takes every line back.
    staged.execute("""
        INSERT INTO stage_lines BY NAME
        SELECT l.order_id,
               number('line|' || l.order_id || '|' || row_number() OVER (PARTITION BY l.order_id ORDER BY row))
                   AS line_id,
               product_id, NULL AS variant_id, trim("Lineitem name") AS title,
               CAST("Lineitem quantity" AS INTEGER) AS quantity,
               CASE WHEN o.total_minor > 0 AND o.refunded_minor >= o.total_minor THEN 0
                    ELSE CAST("Lineitem quantity" AS INTEGER) END AS current_quantity,
               minor("Lineitem price") AS unit_price_minor,
               minor("Lineitem price") * CAST("Lineitem quantity" AS INTEGER)
                   - coalesce(minor("Lineitem discount"), 0) AS total_minor,
               lower("Lineitem name") LIKE '%gift card%' AS is_gift_card
        FROM csv_lines l JOIN stage_orders o USING (order_id)""")


def _stage_products(staged: duckdb.DuckDBPyConnection, *, has_file: bool) -> None:
    """Products from their file, and those that only order lines name."""
    if has_file:
        staged.execute("""
            CREATE TABLE listed AS
            SELECT number('product|' || coalesce(nullif(trim("Variant SKU"), ''), trim(title))) AS product_id, *
            FROM (SELECT *, first_value("Title" IGNORE NULLS) OVER w AS title,
                         first_value("Type" IGNORE NULLS) OVER w AS kind,
                         first_value("Vendor" IGNORE NULLS) OVER w AS maker,
                         first_value("Status" IGNORE NULLS) OVER w AS state
                  FROM csv_products WINDOW w AS (PARTITION BY "Handle" ORDER BY row))
            QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY row) = 1""")
    else:
        staged.execute("""
            CREATE TABLE listed (product_id BIGINT, title VARCHAR, kind VARCHAR, maker VARCHAR, state VARCHAR,
                                 "Handle" VARCHAR, "Variant Price" VARCHAR, "Image Src" VARCHAR,
                                 "Gift Card" VARCHAR)""")
    staged.execute("""
        INSERT INTO stage_products BY NAME
        WITH sold AS (
            SELECT product_id, mode(title) AS title, min(o.created_at) AS first_at, max(o.created_at) AS last_at,
                   CAST(median(unit_price_minor) AS BIGINT) AS price_minor, bool_or(is_gift_card) AS is_gift_card
            FROM stage_lines l JOIN stage_orders o USING (order_id) GROUP BY product_id
        )
        SELECT coalesce(p.product_id, s.product_id) AS product_id, coalesce(p.title, s.title) AS title,
               coalesce(p.kind, '') AS product_type, coalesce(p.maker, '') AS vendor,
               upper(coalesce(p.state, 'active')) AS status,
               coalesce(p."Handle", lower(regexp_replace(s.title, '[^A-Za-z0-9]+', '-', 'g'))) AS handle,
               []::VARCHAR[] AS tags, s.first_at AS created_at, s.last_at AS updated_at,
               coalesce(lower(p."Gift Card") = 'true', s.is_gift_card, false) AS is_gift_card,
               coalesce(minor(p."Variant Price"), s.price_minor) AS price_minor, p."Image Src" AS image_url,
               false AS requires_selling_plan
        FROM listed p FULL JOIN sold s USING (product_id) ORDER BY 1""")


def _shop(rooms: Rooms, slug: str, *, timezone: str, currency: str) -> ShopContext:
    with rooms.store.operator_session() as session:
        shop = find_shop(session, slug)
        if shop is None:
            shop = Shop(
                id=(session.scalar(select(func.max(Shop.id))) or 0) + 1,
                domain=slug,
                name=slug,
                currency=currency,
                timezone=timezone,
                source="csv",
                installed_at=rooms.clock.now(),
            )
            session.add(shop)
            session.flush()
        elif shop.source != "csv":
            raise Conflict(f"{slug} is connected to Shopify; CSV files would mix two histories.")
        elif shop.currency != currency:
            raise Conflict(f"{slug} was imported in {shop.currency}; its amounts can't become {currency}.")
        return context_of(shop)


def _reconcile(here: dict[str, int], lake: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of the files against rows of the lake."""
    pairs = {
        "customers": (here["customers"], lake["customers"] - lake["guests"]),
        "orders": (here["orders"], lake["orders"]),
        "products": (here["products"], lake["products"]),
    }
    return [
        {
            "object": name,
            "shop": files,
            "imported": kept,
            "difference": kept - files,
            "reason": "Kept from an earlier import." if kept != files else None,
        }
        for name, (files, kept) in pairs.items()
    ]
