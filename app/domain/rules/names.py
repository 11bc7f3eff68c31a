"""The closed table of names that rules may use. The compiler, the sentence and the builder read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "number", "money", "date", "boolean", "list", "share", "product"]

OPERATORS: dict[Type, tuple[str, ...]] = {
    "text": ("is", "is_not", "in", "not_in", "contains", "not_contains", "starts", "ends", "set", "unset"),
    "number": ("is", "is_not", "in", "not_in", "gt", "gte", "lt", "lte", "between", "set", "unset"),
    "money": ("is", "is_not", "in", "not_in", "gt", "gte", "lt", "lte", "between", "set", "unset"),
    "share": ("gt", "gte", "lt", "lte", "between", "set", "unset"),
    "date": ("set", "unset"),
    "boolean": ("true", "false", "set", "unset"),
    "list": ("is", "is_not", "in", "not_in", "contains", "not_contains", "set", "unset"),
    "product": ("is", "is_not", "in", "not_in"),
}
"""By type; a date has a window (`during`) in place of most operators."""

METAFIELD_OPERATORS = (*OPERATORS["text"], "gt", "gte", "lt", "lte", "between")
METAFIELD = re.compile(r"metafield\.([A-Za-z0-9_$-]{1,255})\.([A-Za-z0-9_-]{1,64})")

OPERATOR_WORDS = {
    "is": "is",
    "is_not": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts": "starts with",
    "ends": "ends with",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "between": "is between",
    "set": "is known",
    "unset": "is not known",
    "true": "is yes",
    "false": "is no",
    "eq": "is exactly",
    "ne": "is not",
}


@dataclass(frozen=True)
class Attribute:
    """A customer's attribute.

    column:  SQL over the owner's columns.
    absent:  its value for a customer of whom the owner knows nothing; None = missing.
    words:   how a sentence begins, e.g. "orders" in "orders is at least 3".
    """

    name: str
    label: str
    type: Type
    owner: Literal["customers", "features", "customer_values", "demographics"]
    column: str
    words: str
    absent: int | None = None

    @property
    def nullable(self) -> bool:
        """Whether a customer can lack it."""
        return self.absent is None and self.type != "list"


@dataclass(frozen=True)
class Field:
    """Something an event can be filtered by, or measured.

    table: which of the event's tables has it; `lines` and `products` make the event count lines.
    """

    name: str
    label: str
    type: Type
    table: Literal["orders", "order_money", "order_lines", "products", "events"]
    column: str


@dataclass(frozen=True)
class Event:
    """Something that customers do.

    past: "ordered" in "ordered at least 2 times"; noun: "order" in "2 orders".
    """

    name: str
    label: str
    past: str
    source: Literal["orders", "events"]
    condition: str
    at: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What `measure` can be of: `ordered.net`.

    grain: whether values add up per order (sum, avg, min, max) or are counted (distinct).
    """

    name: str
    label: str
    type: Type
    column: str
    condition: str
    functions: tuple[str, ...]


def _attributes(*rows: Attribute) -> dict[str, Attribute]:
    return {row.name: row for row in rows}


PAIR_KIND = {"buy_again": "repurchase", "buy_new": "cross_sell"}
"""What `predict` asks of a product or a type → the kind of prediction that answers."""


def _feature(name: str, label: str, kind: Type, column: str, words: str, absent: int | None = None) -> Attribute:
    return Attribute(name, label, kind, "features", column, words, absent)


ATTRIBUTES: dict[str, Attribute] = _attributes(
    Attribute("country", "Country", "text", "customers", "country", "country"),
    Attribute("province", "State or province", "text", "customers", "province", "state or province"),
    Attribute("city", "City", "text", "customers", "city", "city"),
    Attribute("language", "Language", "text", "customers", "language", "language"),
    Attribute("tags", "Tags", "list", "customers", "tags", "tags"),
    Attribute("created", "Customer since", "date", "customers", "created_at", "customer since"),
    Attribute("has_account", "Has a customer record at Shopify", "boolean", "customers",
              "customer_id IS NOT NULL", "has a customer record at Shopify"),
    Attribute("rfm_group", "Shopify RFM group", "text", "customers", "rfm_group", "Shopify RFM group"),
    Attribute("gender", "Gender", "text", "demographics", "gender", "gender"),
    Attribute("area_income", "Area income", "text", "demographics", "area_income", "area income"),
    _feature("orders.count", "Orders", "number", "orders", "number of orders", 0),
    _feature("orders.365d", "Orders in the last 365 days", "number", "orders_365d",
             "number of orders in the last 365 days", 0),
    _feature("spend.net", "Total spend", "money", "net_minor", "total spend", 0),
    _feature("spend.gross", "Total spend before refunds", "money", "gross_minor",
             "total spend before refunds", 0),
    _feature("spend.90d", "Spend, last 90 days", "money", "net_90d_minor", "spend in the last 90 days", 0),
    _feature("spend.previous_90d", "Spend, the 90 days before", "money", "net_previous_90d_minor",
             "spend in the 90 days before the last 90", 0),
    _feature("spend.trend", "Spend trend", "number", "trend",
             "spend in the last 90 days as a multiple of the 90 days before"),
    _feature("order.average", "Average order", "money", "average_order_minor", "average order"),
    _feature("order.first", "First order", "date", "first_order_at", "first order"),
    _feature("order.last", "Last order", "date", "last_order_at", "last order"),
    _feature("order.days_since", "Days since the last order", "number", "days_since_order",
             "days since the last order"),
    _feature("tenure.days", "Days since the first order", "number", "tenure_days",
             "days since the first order"),
    _feature("gap.own", "Usual days between orders", "number", "median_gap_days",
             "usual days between orders"),
    _feature("gap.expected", "Expected days between orders", "number", "expected_gap_days",
             "expected days between orders"),
    _feature("gap.ratio", "Expected gaps since the last order", "number", "gap_ratio",
             "time since the last order as a multiple of the customer's expected gap"),
    _feature("share.discount", "Share of money off", "share", "discount_share",
             "share of the list price saved"),
    _feature("share.discounted_orders", "Share of orders with a discount", "share", "discounted_order_share",
             "share of orders with a discount"),
    _feature("share.refund", "Share refunded", "share", "refund_share", "share of spend refunded"),
    _feature("share.weekend", "Share of orders at the weekend", "share", "weekend_share",
             "share of orders on Saturday or Sunday"),
    _feature("products.count", "Different products bought", "number", "distinct_products",
             "number of different products bought", 0),
    _feature("types.count", "Different product types bought", "number", "distinct_types",
             "number of different product types bought", 0),
    _feature("units.per_order", "Units per order", "number", "units_per_order", "units per order"),
    _feature("types.favourite", "Favourite product type", "text", "favourite_type", "favourite product type"),
    _feature("share.mar_may", "Share of orders in March to May", "share", "mar_may_share",
             "share of orders in March, April and May"),
    _feature("share.jun_aug", "Share of orders in June to August", "share", "jun_aug_share",
             "share of orders in June, July and August"),
    _feature("share.sep_nov", "Share of orders in September to November", "share", "sep_nov_share",
             "share of orders in September, October and November"),
    _feature("share.dec_feb", "Share of orders in December to February", "share", "dec_feb_share",
             "share of orders in December, January and February"),
    _feature("share.night", "Share of orders at night", "share", "night_share",
             "share of orders between midnight and 6 am"),
    _feature("share.morning", "Share of orders in the morning", "share", "morning_share",
             "share of orders between 6 am and noon"),
    _feature("share.afternoon", "Share of orders in the afternoon", "share", "afternoon_share",
             "share of orders between noon and 6 pm"),
    _feature("share.evening", "Share of orders in the evening", "share", "evening_share",
             "share of orders between 6 pm and midnight"),
    _feature("rfm.recency", "Recency score, 1 to 5", "number", "rfm_recency",
             "recency score (5 = the fifth of buyers with the latest orders)"),
    _feature("rfm.frequency", "Frequency score, 1 to 5", "number", "rfm_frequency",
             "frequency score (5 = the fifth of buyers with most orders)"),
    _feature("rfm.monetary", "Spend score, 1 to 5", "number", "rfm_monetary",
             "spend score (5 = the fifth of buyers who spent most)"),
    _feature("rfm.worth", "Frequency and spend score, 1 to 5", "number", "rfm_worth",
             "frequency and spend score (the mean of both scores)"),
    Attribute("predicted.orders_12m", "Expected orders, 12 months", "number", "customer_values", "orders_12m",
              "expected orders in the next 12 months"),
    Attribute("predicted.order_30d", "Chance to order within 30 days", "share", "customer_values",
              "p_order_30d", "chance to order within 30 days"),
    Attribute("predicted.order_60d", "Chance to order within 60 days", "share", "customer_values",
              "p_order_60d", "chance to order within 60 days"),
    Attribute("predicted.order_90d", "Chance to order within 90 days", "share", "customer_values",
              "p_order_90d", "chance to order within 90 days"),
)  # fmt: skip


def attribute(name: str) -> Attribute | None:
    """The attribute of that name; `metafield.<namespace>.<key>` is any of the merchant's own fields."""
    known = ATTRIBUTES.get(name)
    if known is not None:
        return known
    own = METAFIELD.fullmatch(name)
    if own is None:
        return None
    key = f"{own[1]}.{own[2]}"
    return Attribute(name, f"Metafield {key}", "text", "customers", f"metafields['{key}']", f"metafield {key}")


def operators(name: str) -> tuple[str, ...]:
    """The operators that an attribute takes."""
    known = ATTRIBUTES.get(name)
    return OPERATORS[known.type] if known else METAFIELD_OPERATORS


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("product.id", "Product", "product", "products", "CAST(p.product_id AS VARCHAR)"),
        Field("product.title", "Product title", "text", "products", "p.title"),
        Field("product.type", "Product type", "text", "products", "p.product_type"),
        Field("product.vendor", "Vendor", "text", "products", "p.vendor"),
        Field("product.tag", "Product tag", "list", "products", "p.tags"),
        Field("line.quantity", "Quantity kept", "number", "order_lines", "l.current_quantity"),
        Field("line.price", "Unit price", "money", "order_lines", "l.unit_price_minor"),
        Field("order.net", "Order value", "money", "order_money", "m.net_minor"),
        Field("order.gross", "Order value before refunds", "money", "order_money", "m.gross_minor"),
        Field("order.discount", "Money off", "money", "orders", "o.discounts_minor"),
        Field("order.discount_code", "Discount code", "list", "orders", "o.discount_codes"),
        Field("order.tag", "Order tag", "list", "orders", "o.tags"),
        Field("order.source", "Sales channel", "text", "orders", "o.source_name"),
        Field("order.country", "Delivery country", "text", "orders", "o.country"),
        Field("bot", "By a machine", "boolean", "events", "e.bot"),
        Field("campaign.id", "Campaign", "number", "events", "e.campaign_id"),
    )
}
LINE_TABLES = frozenset({"order_lines", "products"})
_ORDER_FIELDS = tuple(name for name, field in FIELDS.items() if field.table != "events")
_WHOLE_ORDER_FIELDS = tuple(name for name, field in FIELDS.items() if field.table in {"orders", "order_money"})
_MAIL_FIELDS = ("bot", "campaign.id")


def _mail(kind: str, label: str, past: str) -> Event:
    return Event(kind, label, past, "events", f"e.kind = '{kind}'", "e.at", _MAIL_FIELDS)


EVENTS: dict[str, Event] = {
    event.name: event
    for event in (
        Event("ordered", "Placed an order", "ordered", "orders", "o.counts", "o.processed_at", _ORDER_FIELDS),
        Event("refunded", "Had an order refunded", "had an order refunded", "orders",
              "o.counts AND o.refunded_minor > 0", "coalesce(o.refunded_at, o.processed_at)", _WHOLE_ORDER_FIELDS),
        Event("cancelled", "Had an order cancelled", "had an order cancelled", "orders",
              "o.cancelled_at IS NOT NULL AND NOT o.test", "o.cancelled_at", _WHOLE_ORDER_FIELDS),
        _mail("email_sent", "Was sent an e-mail", "was sent an e-mail"),
        _mail("email_delivered", "Was delivered an e-mail", "was delivered an e-mail"),
        _mail("email_opened", "Opened an e-mail", "opened an e-mail"),
        _mail("email_clicked", "Clicked in an e-mail", "clicked in an e-mail"),
        _mail("email_bounced", "Had an e-mail bounce", "had an e-mail bounce"),
        _mail("email_complained", "Called an e-mail spam", "called an e-mail spam"),
        _mail("email_unsubscribed", "Unsubscribed", "unsubscribed"),
    )
}  # fmt: skip
"""Order events leave out cancelled, test and unpaid orders, but for `cancelled` itself."""

_AMOUNT = ("sum", "avg", "min", "max")
MEASURES: dict[str, Measured] = {
    measured.name: measured
    for measured in (
        Measured("ordered.net", "order value", "money", "l.net_minor", "NOT l.is_gift_card", _AMOUNT),
        Measured("ordered.gross", "order value before refunds", "money", "l.total_minor",
                 "NOT l.is_gift_card", _AMOUNT),
        Measured("ordered.discount", "money off", "money", "l.discount_minor", "NOT l.is_gift_card", _AMOUNT),
        Measured("ordered.quantity", "units kept", "number", "l.current_quantity", "l.counts", _AMOUNT),
        Measured("ordered.product", "products", "number", "l.product_no", "l.counts", ("distinct",)),
        Measured("ordered.type", "product types", "number", "p.product_type", "l.counts", ("distinct",)),
        Measured("ordered.vendor", "vendors", "number", "p.vendor", "l.counts", ("distinct",)),
    )
}  # fmt: skip
"""Money is net of refunds unless gross, without tax, shipping and gift cards."""

HORIZONS: dict[str, tuple[str, ...]] = {
    "buy_again": ("30d",),
    "buy_new": ("30d",),
    "value": ("12mo",),
    "lapse": ("30d", "60d", "90d"),
}
"""The horizons that predictions are made for; the first is the default."""

PERIODS = (
    "today",
    "yesterday",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "this_quarter",
    "last_quarter",
    "this_year",
    "last_year",
)
LIVES = {
    "first_time": "did it for the first time",
    "stopped": "did it, and stopped",
    "returned": "came back after a gap",
    "regular": "do it regularly",
}
"""Where customers can stand with an event."""

MOVES = {"entered": "entered", "left": "left", "was_in": "were in"}
"""What membership of a segment can have been, in a window."""

FIFTHS = 5
"""Into so many parts a rank divides customers; the fifth is the highest."""

REGULAR_LEAST = 3
"""So many events make somebody regular."""


def rankable(name: str) -> bool:
    """Whether customers can be ranked by an attribute: a known number, amount or share."""
    known = ATTRIBUTES.get(name)
    return known is not None and known.type in {"number", "money", "share"}
