"""Random shops of any shape, as far as automatic segments look: features, predictions, places, reach."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyroaring import BitMap

from app.domain.context import ShopContext
from app.domain.rules.evaluate import World, evaluate
from app.domain.rules.parse import parse
from app.lake.lake import bare_connection
from app.lake.schemas import TABLES
from app.services import customer_features
from app.services.reachable import Reach

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from app.services.automatic_segments import Definition

CTX = ShopContext(1, "first.myshopify.com", "USD", "Europe/Berlin")
AS_OF = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
UNIT = 100
Row = dict[str, Any]


@dataclass
class RandomShop:
    """Its data and who its customers are."""

    connection: duckdb.DuckDBPyConnection
    reach: Reach
    buyers: set[int]
    predicted: set[int]

    def members(self, definition: Definition) -> BitMap:
        """Who the definition's rule selects."""
        world = World(
            connection=self.connection,
            universe=self.reach.universe,
            as_of=AS_OF,
            zone=CTX.zone,
            reachable=self.reach.reachable,
            consent=lambda _channel, state: self.reach.reachable if state == "yes" else BitMap(),
            segment=lambda _reference: BitMap(),
            unit=UNIT,
        )
        return evaluate(parse(definition.rule), world).members


def random_shop(seed: int, customers: int, folder: Path) -> RandomShop:
    """A shop of that many customers, a few without orders; amounts and days full of ties and ends of tiers."""
    r = random.Random(seed)
    orders: list[Row] = []
    lines: list[Row] = []
    for no in range(1, customers + 1):
        _history(r, no, orders, lines)
    bought = sorted({order["customer_no"] for order in orders if order["counts"]})
    predicted = r.sample(bought, len(bought) * 9 // 10)
    values = [
        {"customer_no": no, "p_order_30d": r.choice([0.5, r.random()]), "p_order_60d": r.random(),
         "p_order_90d": r.choice([0.0, 0.25, 0.5, 0.75, 1.0, r.random()]),
         "value_12m": r.choice([0.0, 10.0, round(r.expovariate(0.02), 2)]),
         "next_order_at": r.choice([None, AS_OF + timedelta(days=r.randint(0, 40))])}
        for no in predicted
    ]  # fmt: skip
    products = [
        {"product_no": no, "product_id": 1000 + no, "title": f"Product {no}", "product_type": kind}
        for no, kind in [(1, "Coffee"), (2, "Tea"), (3, "Tea"), (4, None)]
    ]
    people = [
        {"customer_no": no, "customer_id": str(no), "country": r.choice(["US", "us", "DE", None]),
         "province": r.choice(["NY", "TX", None]), "city": r.choice(["Austin", "AUSTIN", "Berlin", ""]),
         "language": r.choice(["en", "de", None]), "metafields": []}
        for no in range(1, customers + 1)
    ]  # fmt: skip
    variants = [{"variant_id": 1, "product_no": 1, "cost_minor": 300}]
    connection = bare_connection(1)
    rows = {"orders": orders, "order_lines": lines, "products": products, "customers": people, "variants": variants}
    for name, table in rows.items():
        full = [{column: row.get(column) for column in TABLES[name].names} for row in table]
        connection.register(name, pa.Table.from_pylist(full, schema=TABLES[name]))
    customer_features.build(connection, CTX, AS_OF, folder / "features.parquet")
    connection.execute(f"CREATE TABLE features AS SELECT * FROM read_parquet('{folder / 'features.parquet'}')")
    connection.register("customer_values", pa.Table.from_pylist(values, schema=VALUES))
    universe = BitMap(range(1, customers + 1))
    reachable = BitMap(r.sample(range(1, customers + 1), customers * 2 // 3))
    reach = Reach(universe, reachable, {"not_subscribed": universe - reachable})
    return RandomShop(connection, reach, set(bought), set(predicted))


VALUES = pa.schema(
    [("customer_no", pa.int32()), ("p_order_30d", pa.float64()), ("p_order_60d", pa.float64()),
     ("p_order_90d", pa.float64()), ("value_12m", pa.float64()), ("next_order_at", pa.timestamp("us", tz="UTC"))]
)  # fmt: skip


def _history(r: random.Random, no: int, orders: list[Row], lines: list[Row]) -> None:
    pace, start = r.choice([3, 9, 10, 45, 60, 120, 300]), r.choice([5, 89, 90, 364, 365, 729, 730, 900])
    for k in range(r.choice([0, 1, 1, 1, 2, 3, 4, 5, 9, 10, 14])):
        at = AS_OF - timedelta(days=start - k * pace, hours=r.randint(0, 23))
        if at >= AS_OF:
            return
        order_id, counts = len(orders) + 1, r.random() > 0.05
        off = r.choice([0, 0, 20])
        for _ in range(r.randint(1, 3)):
            quantity, price = r.randint(1, 3), r.choice([500, 1000, 2550, 9900])
            kept = r.choice([quantity, quantity, quantity, 0])
            paid = quantity * price * (100 - off) // 100
            lines.append(
                {"customer_no": no, "order_id": order_id, "line_id": len(lines) + 1, "ordered_at": at,
                 "product_no": r.randint(1, 4), "variant_id": r.choice([1, 2, None]), "quantity": quantity,
                 "current_quantity": kept, "unit_price_minor": price, "total_minor": paid,
                 "net_minor": paid * kept // quantity, "discount_minor": quantity * price - paid,
                 "is_gift_card": False, "counts": counts and kept > 0}
            )  # fmt: skip
        orders.append({"customer_no": no, "order_id": order_id, "processed_at": at, "counts": counts,
                       "discounts_minor": 0, "test": False})  # fmt: skip
