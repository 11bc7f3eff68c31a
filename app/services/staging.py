"""The staging area of an import: what every source must deliver before the second half begins.

A source (bulk export, CSV files) fills these DuckDB tables; `import_shop` turns them into store and
lake. Ids are the source's, money is minor units of the shop's currency, times are UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

TABLES: dict[str, str] = {
    "stage_customers": """
        shopify_id BIGINT, email VARCHAR, phone VARCHAR, first_name VARCHAR, last_name VARCHAR, address1 VARCHAR,
        city VARCHAR, province VARCHAR, country VARCHAR, zip VARCHAR, language VARCHAR, tags VARCHAR[],
        metafields MAP(VARCHAR, VARCHAR), created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, email_valid BOOLEAN,
        email_consent VARCHAR, email_consent_at TIMESTAMPTZ, email_opt_in_level VARCHAR, sms_consent VARCHAR,
        open_tracking VARCHAR, orders_count BIGINT, amount_spent_minor BIGINT, rfm_group VARCHAR,
        latitude DOUBLE, longitude DOUBLE""",
    "stage_products": """
        product_id BIGINT, title VARCHAR, product_type VARCHAR, vendor VARCHAR, status VARCHAR, handle VARCHAR,
        tags VARCHAR[], category VARCHAR, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, is_gift_card BOOLEAN,
        total_inventory BIGINT, price_minor BIGINT, url VARCHAR, image_url VARCHAR, requires_selling_plan BOOLEAN""",
    "stage_variants": """
        variant_id BIGINT, product_id BIGINT, title VARCHAR, sku VARCHAR, price_minor BIGINT, cost_minor BIGINT,
        available BOOLEAN""",
    "stage_orders": """
        order_id BIGINT, name VARCHAR, processed_at TIMESTAMPTZ, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ,
        cancelled_at TIMESTAMPTZ, test BOOLEAN, financial_status VARCHAR, currency VARCHAR, subtotal_minor BIGINT,
        total_minor BIGINT, discounts_minor BIGINT, refunded_minor BIGINT, shipping_minor BIGINT, tax_minor BIGINT,
        discount_codes VARCHAR[], tags VARCHAR[], source_name VARCHAR, country VARCHAR, province VARCHAR,
        city VARCHAR, shopify_customer_id BIGINT, email VARCHAR, refunded_at TIMESTAMPTZ,
        refund_excess_minor BIGINT""",
    "stage_lines": """
        order_id BIGINT, line_id BIGINT, product_id BIGINT, variant_id BIGINT, title VARCHAR, quantity INTEGER,
        current_quantity INTEGER, unit_price_minor BIGINT, total_minor BIGINT, is_gift_card BOOLEAN,
        by_subscription BOOLEAN""",
}
"""Staging tables and their columns. A null shopify_customer_id with an email is a guest order; with
neither, an order of nobody known. `current_quantity` is what was neither refunded nor removed;
`refund_excess_minor` is what was refunded beyond the goods so taken back (null: the source says only how much
was refunded in all), `refunded_at` the latest refund."""


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the staging tables, empty."""
    for table, columns in TABLES.items():
        connection.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")


def counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows per staged object."""
    found: dict[str, int] = {}
    for table in TABLES:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        found[table.removeprefix("stage_")] = int(row[0]) if row else 0
    return found
