"""Bulk export files → staging tables, by DuckDB's own JSON reader (tens of times a Python loop)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.money import exponent

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

MONEY = "STRUCT(shopMoney STRUCT(amount VARCHAR))"
ID = "STRUCT(id VARCHAR)"

CUSTOMER_COLUMNS = {
    "id": "VARCHAR",
    "__parentId": "VARCHAR",
    "firstName": "VARCHAR",
    "lastName": "VARCHAR",
    "locale": "VARCHAR",
    "tags": "VARCHAR[]",
    "createdAt": "TIMESTAMPTZ",
    "updatedAt": "TIMESTAMPTZ",
    "numberOfOrders": "BIGINT",
    "amountSpent": "STRUCT(amount VARCHAR)",
    "statistics": "STRUCT(rfmGroup VARCHAR)",
    "defaultEmailAddress": (
        "STRUCT(emailAddress VARCHAR, validFormat BOOLEAN, marketingState VARCHAR, marketingOptInLevel VARCHAR, "
        "marketingUpdatedAt TIMESTAMPTZ, openTrackingLevel VARCHAR)"
    ),
    "defaultPhoneNumber": "STRUCT(phoneNumber VARCHAR, smsMarketingConsent STRUCT(state VARCHAR))",
    "defaultAddress": (
        "STRUCT(address1 VARCHAR, city VARCHAR, provinceCode VARCHAR, countryCodeV2 VARCHAR, zip VARCHAR, "
        "latitude DOUBLE, longitude DOUBLE)"
    ),
    "namespace": "VARCHAR",
    "key": "VARCHAR",
    "value": "VARCHAR",
}
PRODUCT_COLUMNS = {
    "id": "VARCHAR",
    "__parentId": "VARCHAR",
    "title": "VARCHAR",
    "handle": "VARCHAR",
    "status": "VARCHAR",
    "vendor": "VARCHAR",
    "productType": "VARCHAR",
    "tags": "VARCHAR[]",
    "category": "STRUCT(fullName VARCHAR)",
    "createdAt": "TIMESTAMPTZ",
    "updatedAt": "TIMESTAMPTZ",
    "onlineStoreUrl": "VARCHAR",
    "isGiftCard": "BOOLEAN",
    "totalInventory": "BIGINT",
    "requiresSellingPlan": "BOOLEAN",
    "featuredMedia": "STRUCT(preview STRUCT(image STRUCT(url VARCHAR)))",
    "priceRangeV2": "STRUCT(minVariantPrice STRUCT(amount VARCHAR))",
    "sku": "VARCHAR",
    "price": "VARCHAR",
    "availableForSale": "BOOLEAN",
    "inventoryItem": "STRUCT(unitCost STRUCT(amount VARCHAR))",
}
ORDER_COLUMNS = {
    "id": "VARCHAR",
    "__parentId": "VARCHAR",
    "name": "VARCHAR",
    "createdAt": "TIMESTAMPTZ",
    "processedAt": "TIMESTAMPTZ",
    "updatedAt": "TIMESTAMPTZ",
    "cancelledAt": "TIMESTAMPTZ",
    "test": "BOOLEAN",
    "sourceName": "VARCHAR",
    "currencyCode": "VARCHAR",
    "displayFinancialStatus": "VARCHAR",
    "discountCodes": "VARCHAR[]",
    "tags": "VARCHAR[]",
    "email": "VARCHAR",
    "customer": ID,
    "subtotalPriceSet": MONEY,
    "totalPriceSet": MONEY,
    "totalDiscountsSet": MONEY,
    "totalRefundedSet": MONEY,
    "refundDiscrepancySet": MONEY,
    "refunds": "STRUCT(createdAt TIMESTAMPTZ)[]",
    "totalShippingPriceSet": MONEY,
    "totalTaxSet": MONEY,
    "shippingAddress": "STRUCT(city VARCHAR, provinceCode VARCHAR, countryCodeV2 VARCHAR)",
    "title": "VARCHAR",
    "quantity": "INTEGER",
    "currentQuantity": "INTEGER",
    "isGiftCard": "BOOLEAN",
    "product": ID,
    "variant": ID,
    "sellingPlan": "STRUCT(name VARCHAR)",
    "originalUnitPriceSet": MONEY,
    "discountedTotalSet": MONEY,
}
MAX_LINE_BYTES = 64 << 20


def stage(connection: duckdb.DuckDBPyConnection, currency: str, files: dict[str, Path]) -> None:
    """Fill the staging tables from `customers`, `products` and `orders` JSONL files.

    A missing or empty file stages nothing of its kind. An export may repeat a record that changed while it was
    written, with all its children: the newest is staged, and each child once. Raises duckdb.Error on a malformed line.
    """
    connection.execute(
        "CREATE OR REPLACE MACRO gid(text) AS CAST(split_part(split_part(text, '?', 1), '/', 5) AS BIGINT)"
    )
    connection.execute(
        "CREATE OR REPLACE MACRO minor(amount) AS "
        f"CAST(round(CAST(amount AS DECIMAL(28, 6)) * {10 ** exponent(currency)}) AS BIGINT)"
    )
    steps = {"customers": _customers, "products": _products, "orders": _orders}
    for name, step in steps.items():
        file = files.get(name)
        if file is not None and file.exists() and file.stat().st_size:
            step(connection, file)


def _source(file: Path, columns: dict[str, str]) -> str:
    listed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    return (
        f"read_json('{file}', format = 'newline_delimited', columns = {{{listed}}}, "
        f"maximum_object_size = {MAX_LINE_BYTES})"
    )


def _customers(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM {_source(file, CUSTOMER_COLUMNS)}")
    connection.execute("""
        INSERT INTO stage_customers BY NAME
        WITH each_field AS (
            SELECT __parentId AS parent, namespace || '.' || key AS name, value FROM raw WHERE __parentId IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY __parentId, namespace, key) = 1
        ), fields AS (
            SELECT parent, map_from_entries(list((name, value) ORDER BY name)) AS metafields
            FROM each_field GROUP BY parent
        )
        SELECT gid(id) AS shopify_id, c.defaultEmailAddress.emailAddress AS email,
               c.defaultPhoneNumber.phoneNumber AS phone, firstName AS first_name, lastName AS last_name,
               c.defaultAddress.address1 AS address1, c.defaultAddress.city AS city,
               c.defaultAddress.provinceCode AS province, c.defaultAddress.countryCodeV2 AS country,
               c.defaultAddress.zip AS zip, c.defaultAddress.latitude AS latitude,
               c.defaultAddress.longitude AS longitude, locale AS language, tags,
               coalesce(metafields, MAP {}::MAP(VARCHAR, VARCHAR)) AS metafields,
               createdAt AS created_at, updatedAt AS updated_at,
               coalesce(c.defaultEmailAddress.validFormat, false) AS email_valid,
               coalesce(c.defaultEmailAddress.marketingState, 'NOT_SUBSCRIBED') AS email_consent,
               c.defaultEmailAddress.marketingUpdatedAt AS email_consent_at,
               c.defaultEmailAddress.marketingOptInLevel AS email_opt_in_level,
               coalesce(c.defaultPhoneNumber.smsMarketingConsent.state, 'NOT_SUBSCRIBED') AS sms_consent,
               c.defaultEmailAddress.openTrackingLevel AS open_tracking,
               numberOfOrders AS orders_count, minor(c.amountSpent.amount) AS amount_spent_minor,
               c.statistics.rfmGroup AS rfm_group
        FROM raw c LEFT JOIN fields ON fields.parent = c.id
        WHERE __parentId IS NULL
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY updatedAt DESC) = 1
        ORDER BY shopify_id""")
    connection.execute("DROP TABLE raw")


def _products(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM {_source(file, PRODUCT_COLUMNS)}")
    connection.execute("""
        INSERT INTO stage_products BY NAME
        SELECT gid(id) AS product_id, title, productType AS product_type, vendor, status, handle, tags,
               p.category.fullName AS category, createdAt AS created_at, updatedAt AS updated_at,
               isGiftCard AS is_gift_card, totalInventory AS total_inventory,
               minor(p.priceRangeV2.minVariantPrice.amount) AS price_minor, onlineStoreUrl AS url,
               p.featuredMedia.preview.image.url AS image_url, requiresSellingPlan AS requires_selling_plan
        FROM raw p WHERE __parentId IS NULL
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY updatedAt DESC) = 1
        ORDER BY product_id""")
    connection.execute("""
        INSERT INTO stage_variants BY NAME
        SELECT gid(id) AS variant_id, gid(__parentId) AS product_id, title, nullif(sku, '') AS sku,
               minor(price) AS price_minor, minor(v.inventoryItem.unitCost.amount) AS cost_minor,
               availableForSale AS available
        FROM raw v WHERE __parentId IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY id) = 1
        ORDER BY variant_id""")
    connection.execute("DROP TABLE raw")


def _orders(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW raw_orders AS SELECT * FROM {_source(file, ORDER_COLUMNS)}")
    connection.execute("""
        INSERT INTO stage_orders BY NAME
        SELECT gid(id) AS order_id, name, coalesce(processedAt, createdAt) AS processed_at, createdAt AS created_at,
               updatedAt AS updated_at, cancelledAt AS cancelled_at, test,
               coalesce(displayFinancialStatus, 'PENDING') AS financial_status, currencyCode AS currency,
               minor(o.subtotalPriceSet.shopMoney.amount) AS subtotal_minor,
               minor(o.totalPriceSet.shopMoney.amount) AS total_minor,
               minor(o.totalDiscountsSet.shopMoney.amount) AS discounts_minor,
               minor(o.totalRefundedSet.shopMoney.amount) AS refunded_minor,
               -- Shopify's difference between goods taken back and money given back; below zero it favours the customer
               greatest(-coalesce(minor(o.refundDiscrepancySet.shopMoney.amount), 0), 0) AS refund_excess_minor,
               list_max([r.createdAt for r in o.refunds]) AS refunded_at,
               minor(o.totalShippingPriceSet.shopMoney.amount) AS shipping_minor,
               minor(o.totalTaxSet.shopMoney.amount) AS tax_minor, discountCodes AS discount_codes, tags,
               sourceName AS source_name, o.shippingAddress.countryCodeV2 AS country,
               o.shippingAddress.provinceCode AS province, o.shippingAddress.city AS city,
               gid(o.customer.id) AS shopify_customer_id, nullif(trim(email), '') AS email
        FROM raw_orders o WHERE __parentId IS NULL
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY updatedAt DESC) = 1""")
    connection.execute("""
        INSERT INTO stage_lines BY NAME
        SELECT gid(__parentId) AS order_id, gid(id) AS line_id, gid(l.product.id) AS product_id,
               gid(l.variant.id) AS variant_id, title, quantity, currentQuantity AS current_quantity,
               minor(l.originalUnitPriceSet.shopMoney.amount) AS unit_price_minor,
               minor(l.discountedTotalSet.shopMoney.amount) AS total_minor, isGiftCard AS is_gift_card,
               l.sellingPlan IS NOT NULL AS by_subscription
        FROM raw_orders l WHERE __parentId IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY id) = 1""")
    connection.execute("DROP VIEW raw_orders")
