"""The lake's tables: columns, types, keys. Columns may be added, never renamed."""

from __future__ import annotations

import pyarrow as pa

INSTANT = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


ORDERS = _schema(
    customer_no=pa.int32(),
    bucket=pa.int16(),
    order_id=pa.int64(),
    name=pa.string(),
    processed_at=INSTANT,
    created_at=INSTANT,
    updated_at=INSTANT,
    cancelled_at=INSTANT,
    test=pa.bool_(),
    financial_status=pa.string(),
    currency=pa.string(),
    subtotal_minor=pa.int64(),
    total_minor=pa.int64(),
    discounts_minor=pa.int64(),
    refunded_minor=pa.int64(),
    shipping_minor=pa.int64(),
    tax_minor=pa.int64(),
    discount_codes=TEXTS,
    tags=TEXTS,
    source_name=pa.string(),
    country=pa.string(),
    province=pa.string(),
    city=pa.string(),
    counts=pa.bool_(),
    refunded_at=INSTANT,
)
"""One row per order; `counts`: paid, neither cancelled nor a test. A null customer_no: nobody
known. Money is what the order says; net of refunds = total - refunded. `refunded_at`: the latest refund."""

ORDER_LINES = _schema(
    customer_no=pa.int32(),
    bucket=pa.int16(),
    order_id=pa.int64(),
    line_id=pa.int64(),
    ordered_at=INSTANT,
    product_no=pa.int32(),
    variant_id=pa.int64(),
    title=pa.string(),
    quantity=pa.int32(),
    current_quantity=pa.int32(),
    unit_price_minor=pa.int64(),
    total_minor=pa.int64(),
    net_minor=pa.int64(),
    discount_minor=pa.int64(),
    is_gift_card=pa.bool_(),
    counts=pa.bool_(),
    by_subscription=pa.bool_(),
)
"""One row per order line. `total_minor` is after discounts, `net_minor` also after refunds: returned quantities, and
the line's share of what was refunded without a return. `counts`: a purchase of a product (order counts, no gift
card, price above zero, something kept and not all of it refunded). `by_subscription`: sold with a selling plan; null:
the source does not say."""

PRODUCTS = _schema(
    product_no=pa.int32(),
    product_id=pa.int64(),
    title=pa.string(),
    product_type=pa.string(),
    vendor=pa.string(),
    status=pa.string(),
    handle=pa.string(),
    tags=TEXTS,
    category=pa.string(),
    created_at=INSTANT,
    updated_at=INSTANT,
    is_gift_card=pa.bool_(),
    total_inventory=pa.int64(),
    price_minor=pa.int64(),
    url=pa.string(),
    image_url=pa.string(),
    requires_selling_plan=pa.bool_(),
)
"""One row per product; a deleted one stays with status DELETED, because history speaks of it."""

VARIANTS = _schema(
    variant_id=pa.int64(),
    product_no=pa.int32(),
    title=pa.string(),
    sku=pa.string(),
    price_minor=pa.int64(),
    cost_minor=pa.int64(),
    available=pa.bool_(),
)
"""One row per variant of a product."""

CUSTOMERS = _schema(
    customer_no=pa.int32(),
    bucket=pa.int16(),
    customer_id=pa.string(),
    created_at=INSTANT,
    updated_at=INSTANT,
    city=pa.string(),
    province=pa.string(),
    country=pa.string(),
    language=pa.string(),
    tags=TEXTS,
    metafields=pa.map_(pa.string(), pa.string()),
    orders_count=pa.int64(),
    amount_spent_minor=pa.int64(),
    rfm_group=pa.string(),
    latitude=pa.float64(),
    longitude=pa.float64(),
)
"""One row per customer, guests included (null customer_id). No name, address or phone, ever: `latitude` and `longitude`
are Shopify's coordinates of the address in degrees, rounded to two decimals (about 1 km), which is a quarter of a town
and no door."""

EVENTS = _schema(
    customer_no=pa.int32(),
    kind=pa.string(),
    at=INSTANT,
    campaign_id=pa.int64(),
    message_id=pa.string(),
    bot=pa.bool_(),
)
"""What became of messages: email_sent, email_clicked, ..."""

DEMOGRAPHICS = _schema(
    customer_no=pa.int32(),
    contact_seal=pa.int64(),
    gender=pa.string(),
    gender_from=pa.string(),
    gender_accuracy=pa.float32(),
    area_income=pa.string(),
    area_accuracy=pa.float32(),
)
"""A run's file: classes of customers, for estimates that are on. `contact_seal`: which sealing of the contact was read;
`gender_from`: field | name; null `area_income`: off, or the merchant's own field says the income."""

TABLES: dict[str, pa.Schema] = {
    "orders": ORDERS,
    "order_lines": ORDER_LINES,
    "products": PRODUCTS,
    "variants": VARIANTS,
    "customers": CUSTOMERS,
    "events": EVENTS,
}

PARTITIONED = frozenset({"orders", "order_lines", "customers"})
"""Tables partitioned by the customer's bucket."""

SORTED = {"orders": "processed_at, order_id", "order_lines": "product_no, customer_no, ordered_at, order_id, line_id"}
"""The order in which an import writes rows, for what rules ask most: a stretch of time, a product. Only for speed."""
