"""Stages the customer and the product export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from email_validator import EmailNotValidError, validate_email

from app.services.import_csv_read import check_amounts

if TYPE_CHECKING:
    import duckdb

    from app.services.import_csv_read import Export


def stage_customers(customers: Export, *, sandboxed: bool) -> None:
    """Fill stage_customers; `csv_orders` must be read already, it dates them.

    sandboxed: reserved names such as `shop.test` are real addresses.
    """
    customers.check("Customer ID", 'shopify_number("Customer ID") IS NULL', "is no whole number.")
    check_amounts(customers, "Total Spent")
    _find_mailable(customers.staged, sandboxed=sandboxed)
    customers.staged.execute("""
        INSERT INTO stage_customers BY NAME
        SELECT shopify_number("Customer ID") AS shopify_id, "Email" AS email,
               ltrim("Phone", '''') AS phone, "First Name" AS first_name, "Last Name" AS last_name,
               "Default Address Address1" AS address1, "Default Address City" AS city,
               "Default Address Province Code" AS province, "Default Address Country Code" AS country,
               ltrim("Default Address Zip", '''') AS zip,
               CASE WHEN "Tags" IS NULL THEN [] ELSE list_transform(split("Tags", ','), lambda t: trim(t)) END AS tags,
               MAP {}::MAP(VARCHAR, VARCHAR) AS metafields,
               coalesce(f.first_at, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS created_at,
               coalesce(f.last_at, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS updated_at,
               "Email" IN (SELECT address FROM mailable) AS email_valid,
               CASE lower("Accepts Email Marketing") WHEN 'yes' THEN 'SUBSCRIBED' ELSE 'NOT_SUBSCRIBED' END
                   AS email_consent,
               CASE lower("Accepts SMS Marketing") WHEN 'yes' THEN 'SUBSCRIBED' ELSE 'NOT_SUBSCRIBED' END
                   AS sms_consent,
               coalesce(TRY_CAST("Total Orders" AS BIGINT), 0) AS orders_count,
               coalesce(minor("Total Spent"), 0) AS amount_spent_minor
        FROM csv_customers LEFT JOIN (
            SELECT lower("Email") AS address, min(instant("Created at")) AS first_at,
                   max(instant("Created at")) AS last_at
            FROM csv_orders WHERE "Email" IS NOT NULL GROUP BY 1
        ) f ON f.address = lower("Email")
        QUALIFY row_number() OVER (PARTITION BY shopify_number("Customer ID") ORDER BY row) = 1""")


def _find_mailable(staged: duckdb.DuckDBPyConnection, *, sandboxed: bool) -> None:
    """Make the table `mailable`: the addresses that are one by their form; the rest stay as contacts."""
    written = staged.execute('SELECT DISTINCT "Email" FROM csv_customers WHERE "Email" IS NOT NULL').fetchall()
    valid = [address for (address,) in written if _is_mailable(address, sandboxed=sandboxed)]
    staged.register("incoming", pa.table({"address": pa.array(valid, pa.string())}))
    staged.execute("CREATE TABLE mailable AS SELECT * FROM incoming")
    staged.unregister("incoming")


def _is_mailable(address: str, *, sandboxed: bool) -> bool:
    try:
        # Few mail servers take addresses with letters outside ASCII before the @.
        validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=sandboxed)
    except EmailNotValidError:
        return False
    return True


def stage_products(staged: duckdb.DuckDBPyConnection, products: Export | None) -> None:
    """Fill stage_products from the product export, if there is one, and with what only order lines name.

    A product of ours is one variant of Shopify's: order lines name it by SKU or, without one, by
    `Title - Option / Option`. Product fields stand on a product's first row only; rows with neither a
    title nor SKU nor price carry a further image.
    """
    if products is None:
        staged.execute("""
            CREATE TABLE listed (product_id BIGINT, full_title VARCHAR, kind VARCHAR, maker VARCHAR, state VARCHAR,
                                 handle VARCHAR, price_minor BIGINT, image VARCHAR, gift VARCHAR)""")
    else:
        products.check("Handle", '"Handle" IS NULL')
        check_amounts(products, "Variant Price")
        # No alias may differ from a column in case alone: DuckDB would read the column.
        staged.execute("""
            CREATE TABLE listed AS
            WITH filled AS (
                SELECT *, first_value("Title" IGNORE NULLS) OVER w AS main_title,
                       first_value("Type" IGNORE NULLS) OVER w AS kind,
                       first_value("Vendor" IGNORE NULLS) OVER w AS maker,
                       first_value("Status" IGNORE NULLS) OVER w AS state,
                       first_value("Gift Card" IGNORE NULLS) OVER w AS gift,
                       first_value("Image Src" IGNORE NULLS) OVER w AS main_image,
                       concat_ws(' / ', "Option1 Value", "Option2 Value", "Option3 Value") AS options
                FROM csv_products
                WINDOW w AS (PARTITION BY "Handle" ORDER BY row
                             ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
            ), titled AS (
                SELECT *, coalesce(main_title, "Handle")
                    || CASE WHEN options IN ('', 'Default Title') THEN '' ELSE ' - ' || options END AS full_title
                FROM filled WHERE coalesce("Title", "Variant SKU", "Variant Price") IS NOT NULL
            )
            SELECT number('product|' || coalesce("Variant SKU", full_title)) AS product_id, full_title, kind, maker,
                   state, "Handle" AS handle, minor("Variant Price") AS price_minor,
                   coalesce("Variant Image", main_image) AS image, gift
            FROM titled QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY row) = 1""")
    staged.execute("""
        INSERT INTO stage_products BY NAME
        WITH sold AS (
            SELECT product_id, mode(title) AS sold_title, min(o.created_at) AS first_at, max(o.created_at) AS last_at,
                   CAST(median(unit_price_minor) AS BIGINT) AS sold_minor, bool_or(is_gift_card) AS is_gift_card
            FROM stage_lines l JOIN stage_orders o USING (order_id) GROUP BY product_id
        )
        SELECT coalesce(p.product_id, s.product_id) AS product_id, coalesce(p.full_title, s.sold_title) AS title,
               coalesce(p.kind, '') AS product_type, coalesce(p.maker, '') AS vendor,
               upper(coalesce(p.state, 'active')) AS status,
               coalesce(p.handle, lower(regexp_replace(s.sold_title, '[^A-Za-z0-9]+', '-', 'g'))) AS handle,
               []::VARCHAR[] AS tags, s.first_at AS created_at, s.last_at AS updated_at,
               coalesce(lower(p.gift) = 'true', s.is_gift_card, false) AS is_gift_card,
               coalesce(p.price_minor, s.sold_minor) AS price_minor, p.image AS image_url,
               false AS requires_selling_plan
        FROM listed p FULL JOIN sold s USING (product_id) ORDER BY 1""")
