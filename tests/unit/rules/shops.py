"""Small random shops, and random rules about them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyroaring import BitMap

from app.domain.rules.evaluate import World
from app.lake.lake import bare_connection
from app.lake.schemas import TABLES
from tests.unit.rules.brute import Shop

if TYPE_CHECKING:
    import duckdb

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")
INSTANT = pa.timestamp("us", tz="UTC")
RUN_TABLES = {
    "features": pa.schema(
        [("customer_no", pa.int32()), ("orders", pa.int64()), ("net_minor", pa.int64()),
         ("average_order_minor", pa.int64()), ("last_order_at", INSTANT), ("gap_ratio", pa.float64()),
         ("weekend_share", pa.float64())]
    ),
    "pairs": pa.schema(
        [("customer_no", pa.int32()), ("product_no", pa.int32()), ("kind", pa.string()), ("probability", pa.float64())]
    ),
    "type_pairs": pa.schema(
        [("customer_no", pa.int32()), ("product_type", pa.string()), ("kind", pa.string()),
         ("probability", pa.float64())]
    ),
    "customer_values": pa.schema(
        [("customer_no", pa.int32()), ("p_order_30d", pa.float64()), ("p_order_60d", pa.float64()),
         ("p_order_90d", pa.float64()), ("value_12m", pa.float64()), ("next_order_at", INSTANT)]
    ),
}  # fmt: skip


def random_shop(seed: int) -> Shop:
    r = random.Random(seed)
    zone = ZoneInfo(r.choice(ZONES))
    # Around clock changes on purpose: late March, early April, late October, early November.
    as_of = r.choice([datetime(2026, 3, 30, 2, tzinfo=UTC), datetime(2026, 11, 2, 23, 30, tzinfo=UTC),
                      datetime(2026, 7, 31, 12, tzinfo=UTC), datetime(2026, 4, 6, 11, 59, tzinfo=UTC)])  # fmt: skip
    numbers = list(range(1, 15))
    shop = Shop(as_of=as_of, zone=zone, universe=set(r.sample(numbers, 13)) | {99})
    shop.customers = [_customer(r, no, as_of) for no in numbers]
    shop.products = [
        {"product_no": no, "product_id": 1000 + no, "title": f"Product {no}", "product_type": kind, "vendor": vendor}
        for no, kind, vendor in [(1, "Coffee", "A"), (2, "Coffee", "B"), (3, "Tea", None), (4, None, "B")]
    ]
    line_id = 0
    for order_id in range(1, r.randint(20, 45)):
        order = _order(r, order_id, r.choice([*numbers[:12], None]), as_of, zone)
        shop.orders.append(order)
        for _ in range(r.randint(1, 3)):
            line_id += 1
            shop.lines.append(_line(r, line_id, order))
    for _ in range(30):
        shop.events.append(
            {"customer_no": r.choice(numbers), "kind": r.choice(["email_sent", "email_clicked"]),
             "at": _moment(r, as_of, zone), "campaign_id": r.choice([None, 1, 2]), "bot": r.choice([True, False])}
        )  # fmt: skip
    _predictions(r, shop, numbers)
    shop.reachable = set(r.sample(sorted(shop.universe), 6))
    shop.consent = {("email", "yes"): shop.reachable, ("email", "no"): shop.universe - shop.reachable,
                    ("sms", "pending"): set(r.sample(sorted(shop.universe), 3))}  # fmt: skip
    shop.segments = {"seg_1": set(r.sample(sorted(shop.universe), 5)), "seg_2": set()}
    return shop


def _customer(r: random.Random, no: int, as_of: datetime) -> dict[str, Any]:
    return {
        "customer_no": no,
        "country": r.choice(["DE", "FR", "us", None]),
        "city": r.choice(["Berlin", "berlin", "Paris", None]),
        "tags": r.sample(["VIP", "wholesale", "new-2026"], r.randint(0, 2)),
        "created_at": as_of - timedelta(days=r.randint(0, 400)),
        "age": r.choice(["25", "60", "secret", None]),
    }


def _moment(r: random.Random, as_of: datetime, zone: ZoneInfo) -> datetime:
    """Any time of the last 400 days, often right at a store midnight, now and then after `as_of`."""
    at = as_of - timedelta(minutes=r.choice([r.randint(-2000, 3000), r.randint(0, 60 * 24 * 70), r.randint(0, 576000)]))
    if r.random() < 0.4:
        local = at.astimezone(zone)
        at = datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC)
        at += timedelta(seconds=r.choice([-1, 0, 1]))
    return at


def _order(r: random.Random, order_id: int, no: int | None, as_of: datetime, zone: ZoneInfo) -> dict[str, Any]:
    test, cancelled = r.random() < 0.1, r.random() < 0.15
    at = _moment(r, as_of, zone)
    return {
        "order_id": order_id,
        "customer_no": no,
        "processed_at": at,
        "cancelled_at": at + timedelta(hours=3) if cancelled else None,
        "test": test,
        "counts": not test and not cancelled,
        "refunded_minor": r.choice([0, 0, 500]),
        # Days after the order, as refunds are; a source without refund dates leaves it open.
        "refunded_at": r.choice([None, at + timedelta(days=r.randint(0, 40))]),
        "discount_codes": r.sample(["SPRING", "VIP10"], r.randint(0, 1)),
        "source_name": r.choice(["web", "pos", None]),
        "country": r.choice(["DE", "FR", None]),
    }


def _line(r: random.Random, line_id: int, order: dict[str, Any]) -> dict[str, Any]:
    quantity = r.randint(1, 4)
    kept = r.choice([quantity, quantity, 0])
    price = r.choice([0, 500, 1250, 9900])
    product, gift = r.choice([1, 1, 2, 3, 4, 77, None]), r.random() < 0.1
    return {
        "order_id": order["order_id"],
        "line_id": line_id,
        "customer_no": order["customer_no"],
        "ordered_at": order["processed_at"],
        "product_no": product,
        "quantity": quantity,
        "current_quantity": kept,
        "unit_price_minor": price,
        "total_minor": price * quantity,
        "net_minor": price * kept,
        "discount_minor": 0,
        "is_gift_card": gift,
        "counts": bool(order["counts"] and not gift and price and kept and product),
    }


def _predictions(r: random.Random, shop: Shop, numbers: list[int]) -> None:
    def chance() -> float:
        return r.choice([0.1, 0.25, 0.5, 0.75, round(r.random(), 3)])

    for no in r.sample(numbers, 9):
        shop.features.append(
            {"customer_no": no, "orders": r.randint(1, 6), "net_minor": r.choice([0, 5000, 12500]),
             "average_order_minor": r.choice([5000, 7500]), "last_order_at": _moment(r, shop.as_of, shop.zone),
             "gap_ratio": r.choice([0.5, 1.0, 1.5, 2.0, None]), "weekend_share": chance()}
        )  # fmt: skip
        shop.values.append(
            {"customer_no": no, "p_order_30d": chance(), "p_order_60d": chance(), "p_order_90d": chance(),
             "value_12m": r.choice([0.0, 10.0, 990.5]),
             "next_order_at": r.choice([None, shop.as_of + timedelta(days=r.randint(0, 30))])}
        )  # fmt: skip
        for product in r.sample([1, 2, 3], 2):
            kind = r.choice(["repurchase", "cross_sell"])
            shop.pairs.append({"customer_no": no, "product_no": product, "kind": kind, "probability": chance()})
        kind = r.choice(["repurchase", "cross_sell"])
        shop.type_pairs.append({"customer_no": no, "product_type": "Coffee", "kind": kind, "probability": chance()})


def connect(shop: Shop) -> duckdb.DuckDBPyConnection:
    connection = bare_connection(1)
    customers = [{**c, "metafields": [("custom.age", c["age"])] if c["age"] else []} for c in shop.customers]
    lake = {"orders": shop.orders, "order_lines": shop.lines, "products": shop.products,
            "customers": customers, "events": shop.events}  # fmt: skip
    run = {"features": shop.features, "pairs": shop.pairs, "type_pairs": shop.type_pairs,
           "customer_values": shop.values}  # fmt: skip
    for name, rows in {**lake, **run}.items():
        schema = TABLES.get(name, RUN_TABLES.get(name))
        full = [{column: row.get(column) for column in schema.names} for row in rows]
        connection.register(f"{name}_rows", pa.Table.from_pylist(full, schema=schema))
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_rows")
    return connection


def world(shop: Shop, connection: duckdb.DuckDBPyConnection) -> World:
    return World(
        connection=connection,
        universe=BitMap(shop.universe),
        as_of=shop.as_of,
        zone=shop.zone,
        reachable=BitMap(shop.reachable),
        consent=lambda channel, state: BitMap(shop.consent[channel, state]),
        segment=lambda reference: BitMap(shop.segments[reference]),
    )


def random_rule(r: random.Random) -> dict[str, Any]:
    return {"v": 1, "match": _node(r, 1)}


def _node(r: random.Random, depth: int) -> dict[str, Any]:
    if depth > 1 and (depth > 3 or r.random() < 0.6):
        return r.choice([_attr, _attr, _did, _did, _measure, _predict, _other])(r)
    kind = r.choice(["all", "any", "none"])
    return {kind: [_node(r, depth + 1) for _ in range(r.randint(1, 3))]}


def _during(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [{"last": "30d"}, {"last": "1d"}, {"last": "36h"}, {"last": "2w"}, {"last": "1mo"}, {"ever": True},
         {"ago": ["60d", "30d"]}, {"from": "2026-01-01", "to": "2026-03-29"}, {"before": "2026-03-29"},
         {"since": "2026-10-25"}, {"calendar": "last_month"}]
    )  # fmt: skip


def _attr(r: random.Random) -> dict[str, Any]:
    leaf = r.choice(
        [
            {
                "attr": "country",
                "op": r.choice(["is", "is_not", "contains", "starts"]),
                "value": r.choice(["DE", "US", "f"]),
            },
            {"attr": "city", "op": r.choice(["in", "not_in"]), "value": ["BERLIN", "Rome"]},
            {"attr": "city", "op": r.choice(["set", "unset"])},
            {
                "attr": "tags",
                "op": r.choice(["is", "is_not", "contains", "not_contains"]),
                "value": r.choice(["vip", "2026"]),
            },
            {"attr": "tags", "op": r.choice(["in", "not_in"]), "value": ["vip", "Wholesale"]},
            {"attr": "tags", "op": r.choice(["set", "unset"])},
            {"attr": "created", "during": _during(r)},
            {"attr": "metafield.custom.age", "op": r.choice(["gt", "lte"]), "value": 30},
            {"attr": "metafield.custom.age", "op": r.choice(["is", "is_not", "ends"]), "value": "60"},
            {"attr": "orders.count", "op": r.choice(["is", "is_not", "gte", "lt", "lte"]), "value": r.randint(0, 4)},
            {"attr": "spend.net", "op": r.choice(["is", "gt", "lte"]), "value": r.choice([0, 5000, 12500])},
            {"attr": "order.average", "op": "between", "value": [5000, r.choice([6000, 7500])]},
            {"attr": "order.last", "during": _during(r)},
            {"attr": "gap.ratio", "op": r.choice(["gt", "lte", "is_not"]), "value": r.choice([1, 1.5])},
            {"attr": "share.weekend", "op": "gte", "value": 0.5},
            {"attr": "predicted.order_30d", "op": "lt", "value": 0.5},
        ]
    )
    if "during" not in leaf and leaf["op"] not in {"set", "unset"} and r.random() < 0.4:
        leaf["missing"] = r.choice(["match", "skip"])
    if leaf["attr"] == "tags":
        leaf.pop("missing", None)
    return leaf


def _where(r: random.Random) -> list[dict[str, Any]]:
    options = [
        {"attr": "product.id", "op": r.choice(["is", "is_not"]), "value": "1001"},
        {"attr": "product.id", "op": "in", "value": ["1001", "1003", "5"]},
        {"attr": "product.type", "op": r.choice(["is", "is_not"]), "value": "coffee"},
        {"attr": "product.vendor", "op": r.choice(["set", "unset"])},
        {"attr": "line.quantity", "op": "gte", "value": 2},
        {"attr": "line.price", "op": "between", "value": [400, 1300]},
        {"attr": "order.net", "op": r.choice(["gt", "lte"]), "value": 2500},
        {"attr": "order.discount_code", "op": r.choice(["is", "is_not"]), "value": "spring"},
        {"attr": "order.source", "op": r.choice(["is", "is_not"]), "value": "web"},
        {"attr": "order.country", "op": "in", "value": ["DE"]},
    ]
    return r.sample(options, r.randint(0, 2))


def _did(r: random.Random) -> dict[str, Any]:
    event = r.choice(["ordered", "ordered", "ordered", "refunded", "cancelled", "email_clicked", "email_sent"])
    leaf: dict[str, Any] = {"did": event}
    if event == "ordered":
        leaf["where"] = _where(r)
    elif event.startswith("email"):
        leaf["where"] = r.choice([[], [{"attr": "bot", "op": r.choice(["true", "false"])}],
                                  [{"attr": "campaign.id", "op": "is", "value": 1}]])  # fmt: skip
    if r.random() < 0.7:
        op = r.choice(["eq", "ne", "gt", "gte", "lt", "lte"])
        leaf["count"] = {"op": op, "n": r.randint(0, 3)}
    if r.random() < 0.8:
        leaf["during"] = _during(r)
    return leaf


def _measure(r: random.Random) -> dict[str, Any]:
    function, of = r.choice(
        [("sum", "ordered.net"), ("avg", "ordered.net"), ("max", "ordered.gross"), ("min", "ordered.quantity"),
         ("sum", "ordered.quantity"), ("distinct", "ordered.product"), ("distinct", "ordered.type")]
    )  # fmt: skip
    limit = r.choice([0, 1, 2]) if of not in {"ordered.net", "ordered.gross"} else r.choice([0, 1000, 5000])
    return {"measure": function, "of": of, "where": _where(r), "during": _during(r),
            "op": r.choice(["eq", "ne", "gt", "gte", "lt", "lte"]), "value": limit}  # fmt: skip


def _predict(r: random.Random) -> dict[str, Any]:
    op = r.choice(["gte", "gt", "lt", "lte", "ne", "eq"])
    return r.choice(
        [
            {"predict": r.choice(["buy_again", "buy_new"]), "product": r.choice(["1001", "1002", "9"]), "op": op,
             "value": r.choice([0.25, 0.5])},
            {"predict": r.choice(["buy_again", "buy_new"]), "product_type": r.choice(["Coffee", "Tea"]), "op": op,
             "value": r.choice([0.25, 0.5])},
            {"predict": "value", "op": op, "value": 1000},
            {"predict": "lapse", "horizon": r.choice(["30d", "60d", "90d"]), "op": op, "value": 0.5},
            {"predict": "next_order", "during": {"next": "14d"}},
        ]
    )  # fmt: skip


def _other(r: random.Random) -> dict[str, Any]:
    return r.choice(
        [
            {"in": r.choice(["seg_1", "seg_2"])},
            {"consent": "email", "is": r.choice(["yes", "no"])},
            {"consent": "sms", "is": "pending"},
            {"reachable": "email"},
            {"sample": {"percent": r.choice([10, 50, 33.33]), "salt": r.choice(["q4", "x"])}},
        ]
    )
