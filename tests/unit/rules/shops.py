"""Small random shops."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyroaring import BitMap

from app.domain.rules.evaluate import World
from app.domain.rules.match import Change
from app.lake.lake import bare_connection
from app.lake.schemas import DEMOGRAPHICS, TABLES
from tests.unit.rules.brute import Shop

if TYPE_CHECKING:
    import duckdb

METAFIELDS = {"custom.age": "age", "facts.birth_date": "birth_date"}
BIRTH_DATES = (
    None, "soon", "1992-02-29", "1990-13-01", "2000-03-30T23:30:00Z", "2026-03-29", "2026-10-25T10:00:00",
    "2001-04-06T01:00:00+05:30", "1979-08-15",
)  # fmt: skip
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")
INSTANT = pa.timestamp("us", tz="UTC")
RUN_TABLES = {
    "features": pa.schema(
        [("customer_no", pa.int32()), ("orders", pa.int64()), ("net_minor", pa.int64()),
         ("average_order_minor", pa.int64()), ("last_order_at", INSTANT), ("gap_ratio", pa.float64()),
         ("weekend_share", pa.float64()), ("favourite_type", pa.string())]
    ),
    "demographics": DEMOGRAPHICS,
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
    for customer in shop.customers:
        customer["has_account"] = customer["customer_id"] is not None
    shop.products = [
        {
            "product_no": no,
            "product_id": 1000 + no,
            "title": f"Product {no}",
            "product_type": kind,
            "vendor": vendor,
            "tags": ["new", "Organic"][: no % 3],
        }
        for no, kind, vendor in [(1, "Coffee", "A"), (2, "Coffee", "B"), (3, "Tea", None), (4, None, "B")]
    ]
    line_id = 0
    for order_id in range(1, r.randint(20, 45)):
        order = _order(r, order_id, r.choice([*numbers[:12], None]), as_of, zone)
        shop.orders.append(order)
        for _ in range(r.randint(1, 3)):
            line_id += 1
            shop.lines.append(_line(r, line_id, order))
    for number in range(40):
        shop.events.append(
            {"customer_no": r.choice(numbers), "message_id": f"m{number:03}",
             "kind": r.choice(["email_sent", "email_clicked", "email_unsubscribed"]),
             "at": _moment(r, as_of, zone), "campaign_id": r.choice([None, 1, 2]), "bot": r.choice([True, False])}
        )  # fmt: skip
    _predictions(r, shop, numbers)
    shop.reachable = set(r.sample(sorted(shop.universe), 6))
    shop.consent = {("email", "yes"): shop.reachable, ("email", "no"): shop.universe - shop.reachable,
                    ("sms", "pending"): set(r.sample(sorted(shop.universe), 3))}  # fmt: skip
    shop.demographics = [{"customer_no": no, "gender": r.choice(["female", "male", None])} for no in numbers[:10]]
    shop.history = {"seg_1": _history(r, shop), "seg_2": []}
    shop.segments = {"seg_1": set(r.sample(sorted(shop.universe), 5)), "seg_2": set()}
    return shop


def _history(r: random.Random, shop: Shop) -> list[tuple[datetime, set[int], set[int]]]:
    """Evaluations that follow from each other: who enters was out, who leaves was in."""
    instants = sorted({_moment(r, shop.as_of, shop.zone) for _ in range(r.randint(1, 8))})
    inside: set[int] = set()
    changes = []
    for at in instants:
        if at < shop.as_of:
            now = set(r.sample(sorted(shop.universe), r.randint(0, 8)))
            changes.append((at, now - inside, inside - now))
            inside = now
    return changes


def _customer(r: random.Random, no: int, as_of: datetime) -> dict[str, Any]:
    return {
        "customer_no": no,
        "country": r.choice(["DE", "FR", "us", None]),
        "city": r.choice(["Berlin", "berlin", "Paris", None]),
        "tags": r.sample(["VIP", "wholesale", "new-2026"], r.randint(0, 2)),
        "created_at": as_of - timedelta(days=r.randint(0, 400)),
        "age": r.choice(["25", "60", "secret", None]),
        "birth_date": r.choice([*BIRTH_DATES, f"1985-11-0{r.randint(1, 9)}", f"2025-0{r.randint(1, 9)}-28"]),
        "customer_id": r.choice([None, f"{no}"]),
        "rfm_group": r.choice(["CHAMPIONS", "DORMANT", None]),
        "latitude": r.choice([None, 40.71, 52.52, 40.6, -36.85]),
        "longitude": r.choice([None, -74.01, 13.4, -73.9, 174.76]),
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
        "discounts_minor": r.choice([0, 250]),
        "tags": r.sample(["gift", "VIP"], r.randint(0, 1)),
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
        "discount_minor": r.choice([0, 300]),
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
             "gap_ratio": r.choice([0.5, 1.0, 1.5, 2.0, None]), "weekend_share": chance(),
             "favourite_type": r.choice(["Coffee", "tea", None])}
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
    customers = [
        {**c, "metafields": [(key, c[name]) for key, name in METAFIELDS.items() if c.get(name)]} for c in shop.customers
    ]
    lake = {"orders": shop.orders, "order_lines": shop.lines, "products": shop.products,
            "customers": customers, "events": shop.events}  # fmt: skip
    run = {"features": shop.features, "pairs": shop.pairs, "type_pairs": shop.type_pairs,
           "customer_values": shop.values, "demographics": shop.demographics}  # fmt: skip
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
        history=lambda reference: [
            Change(at, BitMap(entered), BitMap(left)) for at, entered, left in shop.history[reference]
        ],
    )
