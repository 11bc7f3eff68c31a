"""A shop of sixty customers whose history, predictions and contacts one can reckon with by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.lake.lake import Lake
from app.lake.schemas import TABLES
from app.services import customer_features, evaluate_segments
from app.services.evaluate_segments import evaluate_all
from app.services.published import PublishedRun
from app.services.rooms import Rooms
from app.store.crypto import customer_subject
from app.store.models.customers import Customer
from app.store.models.shops import Run, Snapshot
from tests.fakes import FakeClock, FakeJobs
from tests.standins import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store

AS_OF = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
CUSTOMERS = 60
COFFEE, TEA, MUG = 1, 2, 3
INSTANT = pa.timestamp("us", tz="UTC")
PAIRS = pa.schema(
    [("customer_no", pa.int32()), ("product_no", pa.int32()), ("kind", pa.string()), ("probability", pa.float64())]
)
VALUES = pa.schema(
    [("customer_no", pa.int32()), ("p_order_30d", pa.float64()), ("p_order_60d", pa.float64()),
     ("p_order_90d", pa.float64()), ("orders_12m", pa.float64()), ("value_12m", pa.float64()),
     ("next_order_at", INSTANT)]
)  # fmt: skip
RATES = pa.schema([("product_no", pa.int32()), ("kind", pa.string()), ("base_rate", pa.float64())])


@dataclass
class SmallShop:
    """A shop with a published run."""

    rooms: Rooms
    ctx: ShopContext
    run: PublishedRun
    clock: FakeClock

    def sql(self, query: str) -> list[Any]:
        """What DuckDB says about the run's data."""
        connection = self.rooms.lake.connect(self.ctx, self.run.versions, self.run.dir)
        rows = connection.execute(query).fetchall()
        connection.close()
        return rows


@pytest.fixture
def shop(store: Store, ctx: ShopContext, vault: Vault, tmp_path: Path) -> SmallShop:
    clock = FakeClock(AS_OF)
    lake = Lake(tmp_path / "lake", threads=1)
    rooms = Rooms(
        settings=settings_for(tmp_path),
        clock=clock,
        store=store,
        lake=lake,
        vault=vault,
        jobs=FakeJobs(),
        connectors=cast("Any", None),
        transport=cast("Any", None),
        consent_writer=cast("Any", None),
    )
    for table, rows in history().items():
        full = [{name: row.get(name) for name in TABLES[table].names} for row in rows]
        lake.write(ctx, table, pa.Table.from_pylist(full, schema=TABLES[table]))
    add_customers(store, ctx, vault)
    run = publish(rooms, ctx, 1)
    return SmallShop(rooms, ctx, run, clock)


def refresh_segments(shop: SmallShop, run: PublishedRun | None = None) -> None:
    """Evaluate all segments on a run, the shop's own if not told, and publish them."""
    evaluated = evaluate_all(shop.rooms, shop.ctx, run or shop.run, lambda _done, _total: None)
    with shop.rooms.store.session(shop.ctx) as session:
        evaluate_segments.publish(session, shop.rooms, shop.ctx, evaluated)


def publish(rooms: Rooms, ctx: ShopContext, run_id: int) -> PublishedRun:
    """Compute features, put predictions beside them, and publish."""
    folder = rooms.lake.run_dir(ctx, run_id)
    versions = rooms.lake.versions(ctx)
    connection = rooms.lake.connect(ctx, versions)
    customer_features.build(connection, ctx, AS_OF, folder / "features.parquet")
    connection.close()
    for name, (schema, rows) in predictions().items():
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{name}.parquet")
    with rooms.store.session(ctx) as session:
        session.add(
            Run(shop_id=ctx.shop_id, id=run_id, kind="refresh", state="done", as_of=AS_OF, started_at=AS_OF,
                finished_at=AS_OF, source="refresh", steps=[], detail={}, error=None)
        )  # fmt: skip
        session.flush()
        session.add(
            Snapshot(shop_id=ctx.shop_id, id=run_id, run_id=run_id, created_at=AS_OF, watermark=AS_OF, tables=versions)
        )
    return PublishedRun(run_id, AS_OF, versions, AS_OF, folder, run_id)


def history() -> dict[str, list[dict[str, Any]]]:
    """Customer n of 1..50 placed n % 7 + 1 orders, the last n days ago, each a fortnight apart; 51..60 none.

    Even customers buy coffee, odd ones tea; every third order also a mug. Customer 50's orders are all refunded.
    Customer 7 also has a cancelled and a test order.
    """
    orders, lines = [], []
    for no in range(1, 51):
        for k in range(no % 7 + 1):
            at = AS_OF - timedelta(days=no + 14 * k, hours=1)
            add_order(orders, lines, no, at, [COFFEE if no % 2 == 0 else TEA, *([MUG] if k % 3 == 2 else [])],
                      refunded=no == 50, discount=no % 5 == 0)  # fmt: skip
    add_order(orders, lines, 7, AS_OF - timedelta(days=2), [MUG], cancelled=True)
    add_order(orders, lines, 7, AS_OF - timedelta(days=2), [MUG], test=True)
    return {
        "orders": orders,
        "order_lines": lines,
        "products": [
            {"product_no": no, "product_id": 1000 + no, "title": title, "product_type": kind, "vendor": "Encore",
             "status": "ACTIVE", "handle": title.lower(), "is_gift_card": False, "price_minor": price}
            for no, title, kind, price in [(COFFEE, "Dark Coffee", "Coffee", 1500), (TEA, "Green Tea", "Tea", 900),
                                           (MUG, "Big Mug", "Mug", 2500)]
        ],
        "customers": [
            {"customer_no": no, "bucket": 0, "customer_id": str(9000 + no) if no != 60 else None,
             "created_at": AS_OF - timedelta(days=400 - no), "country": "US" if no % 4 else None,
             "tags": ["VIP"] if no == 3 else [],
             "metafields": [("custom.income", "50-74K" if no % 2 else "Under 15K")] if no <= 40 else []}
            for no in range(1, CUSTOMERS + 1)
        ],
    }  # fmt: skip


def add_order(
    orders: list[dict[str, Any]],
    lines: list[dict[str, Any]],
    no: int,
    at: datetime,
    products: list[int],
    *,
    cancelled: bool = False,
    test: bool = False,
    refunded: bool = False,
    discount: bool = False,
) -> None:
    order_id = len(orders) + 1
    counts = not cancelled and not test
    total = 0
    for product in products:
        price = {COFFEE: 1500, TEA: 900, MUG: 2500}[product]
        off = price // 5 if discount else 0
        total += price - off
        lines.append(
            {"customer_no": no, "bucket": 0, "order_id": order_id, "line_id": len(lines) + 1, "ordered_at": at,
             "product_no": product, "variant_id": product, "title": "x", "quantity": 1,
             "current_quantity": 0 if refunded else 1, "unit_price_minor": price, "total_minor": price - off,
             "net_minor": 0 if refunded else price - off, "discount_minor": off, "is_gift_card": False,
             "counts": counts and not refunded}
        )  # fmt: skip
    orders.append(
        {"customer_no": no, "bucket": 0, "order_id": order_id, "name": f"#{order_id}", "processed_at": at,
         "created_at": at, "updated_at": at, "cancelled_at": at if cancelled else None, "test": test,
         "currency": "USD", "subtotal_minor": total, "total_minor": total, "discounts_minor": 0,
         "refunded_minor": total if refunded else 0, "shipping_minor": 0, "tax_minor": 0, "discount_codes": [],
         "tags": [], "source_name": "web", "counts": counts}
    )  # fmt: skip


def predictions() -> dict[str, tuple[pa.Schema, list[dict[str, Any]]]]:
    """Chance no/50 for all 50 buyers to buy coffee again, for the odd ones also tea; no/1000 for a first mug."""
    pairs = [
        *({"customer_no": no, "product_no": COFFEE, "kind": "repurchase", "probability": no / 50}
          for no in range(1, 51)),
        *({"customer_no": no, "product_no": TEA, "kind": "repurchase", "probability": no / 50}
          for no in range(1, 51, 2)),
        *({"customer_no": no, "product_no": MUG, "kind": "cross_sell", "probability": no / 1000}
          for no in range(1, 51)),
    ]  # fmt: skip
    values = [
        {"customer_no": no, "p_order_30d": no / 60, "p_order_60d": no / 55, "p_order_90d": no / 51,
         "orders_12m": no / 5, "value_12m": float(no), "next_order_at": AS_OF + timedelta(days=no % 20)}
        for no in range(1, 51)
    ]  # fmt: skip
    rates = [{"product_no": COFFEE, "kind": "repurchase", "base_rate": 0.01},
             {"product_no": TEA, "kind": "repurchase", "base_rate": float("nan")},
             {"product_no": MUG, "kind": "cross_sell", "base_rate": 0.009}]  # fmt: skip
    return {"pairs": (PAIRS, pairs), "customer_values": (VALUES, values), "base_rates": (RATES, rates)}


def add_customers(store: Store, ctx: ShopContext, vault: Vault) -> None:
    """Everybody is subscribed but: 1 unsubscribed, 2 pending, 4 invalid address, 6 no address, 8 never subscribed."""
    consent = {1: "UNSUBSCRIBED", 2: "PENDING", 8: "NOT_SUBSCRIBED"}
    with store.session(ctx) as session:
        for no in range(1, CUSTOMERS + 1):
            email = None if no == 6 else f"c{no}@example.com"
            contact = {
                "email": email, "phone": "+1 (212) 555-01" + f"{no:02}", "first_name": "Ann-Marie",
                "last_name": f"O'Hara {no}", "address1": "1 Main St", "city": "New York", "province_code": "NY",
                "country_code": "US",
                "zip": "10001-1234",
            }  # fmt: skip
            session.add(
                Customer(
                    shop_id=ctx.shop_id, customer_no=no, shopify_id=9000 + no if no != 60 else None,
                    email_hash=vault.email_hash(email) if email else None,
                    contact=vault.seal(ctx.shop_id, customer_subject(no), contact), email_valid=no != 4,
                    email_consent=consent.get(no, "SUBSCRIBED"), email_consent_at=None, email_opt_in_level=None,
                    sms_consent="NOT_SUBSCRIBED", open_tracking=None, created_at=AS_OF, updated_at=AS_OF,
                    merged_into=None, erased_at=None,
                )
            )  # fmt: skip
