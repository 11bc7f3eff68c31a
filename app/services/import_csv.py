"""Shopify's CSV exports as a source: the same second half as the API's bulk exports.

The files are read and checked whole before the store is touched, so a refused file changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from app.domain.currencies import CURRENCIES
from app.errors import Conflict, Invalid
from app.lake.lake import bare_connection
from app.services import import_shop, runs, staging
from app.services.import_csv_orders import stage_orders
from app.services.import_csv_others import stage_customers, stage_products
from app.services.import_csv_read import CUSTOMERS, ORDERS, PRODUCTS, macros, read
from app.services.shops import context_of, find_shop
from app.store.counters import new_shop_id
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()


@dataclass(frozen=True)
class CsvFiles:
    """The files of one import; only orders are required."""

    orders: Path
    customers: Path | None = None
    products: Path | None = None


def import_csv(rooms: Rooms, slug: str, files: CsvFiles, *, timezone: str, currency: str) -> dict[str, int]:
    """Import CSV exports as the shop `slug`, whole; the same files again change nothing.

    Returns the counts of `import_shop.apply` and, if there were any, `repeated_rows_left_out`: rows of
    orders that the file holds twice, word for word.
    Raises Invalid naming file, column and row for what can't be read; nothing is then changed.
    """
    _check_place(timezone, currency)
    with bare_connection() as staged:
        repeated = _stage(rooms, staged, files, timezone=timezone, currency=currency)
        ctx = _shop(rooms, slug, timezone=timezone, currency=currency)
        run = runs.begin(rooms, ctx, "import", "csv", list(import_shop.STEPS))
        here = staging.counts(staged)
        try:
            counts = import_shop.apply(
                rooms, ctx, run, staged, full=True, watermark=run.as_of, reconcile=lambda lake: _reconcile(here, lake)
            )
        except Exception as fault:
            runs.fail(rooms, ctx, run.id, str(fault))
            raise
    log.info("csv_imported", shop_id=ctx.shop_id, repeated_rows=repeated, **counts)
    return {**counts, "repeated_rows_left_out": repeated} if repeated else counts


def _check_place(timezone: str, currency: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as fault:
        raise Invalid(f"{timezone!r} is no IANA time zone, for example Europe/London.", field="timezone") from fault
    if currency not in CURRENCIES:
        raise Invalid(f"{currency!r} is no currency's ISO 4217 code, for example GBP.", field="currency")


def _stage(rooms: Rooms, staged: duckdb.DuckDBPyConnection, files: CsvFiles, *, timezone: str, currency: str) -> int:
    staging.create(staged)
    macros(staged, currency, timezone)
    orders = read(staged, ORDERS, files.orders)
    if files.customers:
        stage_customers(read(staged, CUSTOMERS, files.customers), sandboxed=rooms.settings.env == "development")
    repeated = stage_orders(orders, currency)
    stage_products(staged, read(staged, PRODUCTS, files.products) if files.products else None)
    return repeated


def _shop(rooms: Rooms, slug: str, *, timezone: str, currency: str) -> ShopContext:
    with rooms.store.operator_session() as session:
        shop = find_shop(session, slug)
        if shop is None:
            shop = Shop(
                id=new_shop_id(session),
                domain=slug,
                name=slug,
                currency=currency,
                timezone=timezone,
                source="csv",
                installed_at=rooms.clock.now(),
            )
            session.add(shop)
            session.flush()
        elif shop.source != "csv":
            raise Conflict(f"{slug} is connected to Shopify; CSV files would mix two histories.")
        elif shop.currency != currency:
            raise Conflict(f"{slug} was imported in {shop.currency}; its amounts can't become {currency}.")
        return context_of(shop)


def _reconcile(here: dict[str, int], lake: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of the files against rows of the lake."""
    pairs = {
        "customers": (here["customers"], lake["customers"] - lake["guests"]),
        "orders": (here["orders"], lake["orders"]),
        "products": (here["products"], lake["products"]),
    }
    return [
        {
            "object": name,
            "shop": files,
            "imported": kept,
            "difference": kept - files,
            "reason": "Kept from an earlier import." if kept != files else None,
        }
        for name, (files, kept) in pairs.items()
    ]
