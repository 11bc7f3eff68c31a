"""Encore on an empty store and lake, on both databases, and shops that tell it what a test wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.jobs.queue import StoredJobs
from app.lake.lake import Lake, bare_connection
from app.services import import_shop, runs, staging
from app.services.published import latest_history
from app.services.rooms import Rooms
from app.store.models.customers import Customer
from tests.fakes import FakeClock
from tests.standins import settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def customer(shopify_id: int, email: str | None = None, **given: Any) -> dict[str, Any]:
    """A registered customer as a source stages one: subscribed on the first of January."""
    return {
        "shopify_id": shopify_id, "email": email or f"c{shopify_id}@example.com", "tags": [], "created_at": START,
        "updated_at": START, "email_valid": True, "email_consent": "SUBSCRIBED", "orders_count": 1,
        "email_consent_at": datetime(2026, 1, 1, tzinfo=UTC), "sms_consent": "NOT_SUBSCRIBED", "city": "Boston",
        "amount_spent_minor": 1000, **given,
    }  # fmt: skip


def product(product_id: int, **given: Any) -> dict[str, Any]:
    return {
        "product_id": product_id, "title": f"Product {product_id}", "product_type": "", "vendor": "", "tags": [],
        "status": "ACTIVE", "created_at": START, "updated_at": START, "is_gift_card": False, "price_minor": 500,
        **given,
    }  # fmt: skip


def order(order_id: int, **given: Any) -> dict[str, Any]:
    """A paid order of ten dollars; `shopify_customer_id` or `email` say whose."""
    return {
        "order_id": order_id, "name": f"#{order_id}", "processed_at": START, "created_at": START, "updated_at": START,
        "test": False, "financial_status": "PAID", "currency": "USD", "subtotal_minor": 1000, "total_minor": 1000,
        "discounts_minor": 0, "refunded_minor": 0, "shipping_minor": 0, "tax_minor": 0, "discount_codes": [],
        "tags": [], **given,
    }  # fmt: skip


def line(order_id: int, line_id: int = 1, product_id: int = 1, **given: Any) -> dict[str, Any]:
    quantity = given.get("quantity", 1)
    price = given.get("unit_price_minor", 1000)
    return {
        "order_id": order_id, "line_id": order_id * 100 + line_id, "product_id": product_id, "title": "Tea",
        "quantity": quantity, "current_quantity": quantity, "unit_price_minor": price,
        "total_minor": price * quantity, "is_gift_card": False, **given,
    }  # fmt: skip


def put(staged: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Stage rows by hand."""
    for row in rows:
        marks = ", ".join("?" for _ in row)
        staged.execute(f"INSERT INTO stage_{table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


class World:
    """One shop, told by hand what a source would have staged."""

    def __init__(self, rooms: Rooms, ctx: ShopContext, clock: FakeClock) -> None:
        self.rooms, self.ctx, self.clock = rooms, ctx, clock

    def bring(self, *, full: bool, border: Any = lambda _: None, **rows: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Import staged rows, given by table: `customers`, `products`, `orders`, `lines`."""
        staged = bare_connection()
        staging.create(staged)
        for table, each in rows.items():
            put(staged, table, each)
        source = "bulk" if full else "changes"
        run = runs.begin(self.rooms, self.ctx, "import", source, list(import_shop.STEPS))
        try:
            return import_shop.apply(
                self.rooms, self.ctx, run, staged, full=full, watermark=self.clock.now(),
                reconcile=lambda _: [], border=border,
            )  # fmt: skip
        finally:
            staged.close()

    def later(self, **by: float) -> datetime:
        """Let time pass; returns the new instant."""
        self.clock.advance(timedelta(**by))
        return self.clock.now()

    def lake(self, query: str) -> list[tuple[Any, ...]]:
        """What the newest history says."""
        with self.rooms.store.reading(self.ctx) as session:
            history = latest_history(session, self.ctx)
        assert history is not None
        lake = self.rooms.lake.connect(self.ctx, history.tables)
        found = lake.sql(query).fetchall()
        lake.close()
        return found

    def customer(self, customer_no: int) -> Customer:
        with self.rooms.store.reading(self.ctx) as session:
            return session.get_one(Customer, (self.ctx.shop_id, customer_no))

    def contact(self, customer_no: int) -> dict[str, Any]:
        """What the sealed contact says."""
        row = self.customer(customer_no)
        return self.rooms.vault.open(self.ctx.shop_id, f"customer:{customer_no}", row.contact)


@pytest.fixture
def world(store: Store, ctx: ShopContext, vault: Vault, tmp_path: Path) -> World:
    clock = FakeClock(START)
    settings = settings_for(tmp_path)
    rooms = Rooms(
        settings=settings, clock=clock, store=store, lake=Lake(settings.lake_dir), vault=vault,
        jobs=StoredJobs(store, clock), connectors=None, transport=None, consent_writer=None,  # type: ignore[arg-type]
    )  # fmt: skip
    return World(rooms, ctx, clock)
