"""A shop that lives from CSV exports, and small exports in Shopify's columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.errors import Invalid
from app.services.import_csv import CsvFiles, import_csv
from app.services.published import latest_history
from app.services.shops import context_by_name
from app.store.models.customers import Customer
from app.store.models.shops import Run, Shop
from app.store.session import Store
from tests.fakes import FakeClock
from tests.standins import connect, fresh_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.services.rooms import Rooms

ORDER_HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Shipping City,Shipping Province,Shipping Country,Notes,Cancelled at,Refunded Amount,"
    "Vendor,Id,Tags,Source,Lineitem discount"
)
CUSTOMERS = """Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Phone,Default Address Zip
'1001,Ann,Example,ann@example.com,yes,'+15550100,'N1
"""


def order(name: str, *lines: str, **fields: str) -> str:
    """Rows of one order as Shopify writes them: `lines` are "quantity,name,price,sku", fields stand on the first row.

    Fields are named like columns, in small letters with underscores: `discount_amount="2.50"`.
    """
    columns = ORDER_HEADER.split(",")
    first = {
        "Name": name, "Email": "ann@example.com", "Financial Status": "paid", "Currency": "GBP",
        "Created at": "2026-03-01 10:00:00 +0000", "Source": "web", "Lineitem discount": "0.00",
    }  # fmt: skip
    known = {column.casefold().replace(" ", "_"): column for column in columns}
    first |= {known[key]: value for key, value in fields.items()}
    follow = {c: first[c] for c in ("Name", "Email", "Created at", "Lineitem discount")}
    rows = []
    for values, line in zip([first, *[follow] * (len(lines) - 1)], lines, strict=True):
        quantity, title, price, sku = line.split(",")
        filled = values | {
            "Lineitem quantity": quantity, "Lineitem name": title, "Lineitem price": price, "Lineitem sku": sku,
        }  # fmt: skip
        rows.append(",".join(filled.get(column, "") for column in columns))
    return "\n".join(rows) + "\n"


def orders(*blocks: str) -> str:
    """An order export."""
    return f"{ORDER_HEADER}\n{''.join(blocks)}"


ANNS = order("#1", "2,Tea,10.00,TEA", "1,Cup,5.00,CUP", subtotal="25.00", total="25.00", id="7410991464714")
BOBS = order("#2", "1,Tea,10.00,TEA", subtotal="10.00", total="10.00", id="7410991464715", email="bob@example.com")


@dataclass
class CsvShop:
    """The shop `tea`, its files in `folder`."""

    rooms: Rooms
    folder: Path
    zone: dict[str, str] = field(default_factory=lambda: {"timezone": "Europe/London", "currency": "GBP"})

    def imports(
        self,
        orders: str | bytes,
        customers: str | bytes | None = CUSTOMERS,
        products: str | bytes | None = None,
        **zone: str,
    ) -> dict[str, int]:
        """Import files with this content; texts are written byte by byte, so that line ends stay as given."""
        given = {"orders": orders, "customers": customers, "products": products}
        files = {name: self._written(name, content) for name, content in given.items() if content is not None}
        return import_csv(self.rooms, "tea", CsvFiles(**files), **{**self.zone, **zone})

    def refuses(
        self,
        orders: str | bytes,
        customers: str | bytes | None = CUSTOMERS,
        products: str | bytes | None = None,
        **zone: str,
    ) -> str:
        """The message with which files with this content are refused."""
        with pytest.raises(Invalid) as fault:
            self.imports(orders, customers, products, **zone)
        return fault.value.message

    def lake(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the history that is published."""
        ctx = context_by_name(self.rooms, "tea")
        with self.rooms.store.reading(ctx) as session:
            history = latest_history(session, ctx)
        assert history is not None
        connection = self.rooms.lake.connect(ctx, history.tables)
        found = connection.sql(query).fetchall()
        connection.close()
        return found

    def lines(self, columns: str = "o.name, l.title, l.quantity, l.net_minor") -> list[tuple[Any, ...]]:
        """Order lines by order and title."""
        return self.lake(f"SELECT {columns} FROM order_lines l JOIN orders o USING (order_id) ORDER BY o.name, l.title")

    def everything(self) -> dict[str, Any]:
        """What store and lake hold of all shops: to see that nothing changed."""
        with self.rooms.store.operator_session() as session:
            return {
                "shops": [shop.domain for shop in session.scalars(select(Shop))],
                "runs": [(run.id, run.state) for run in session.scalars(select(Run).order_by(Run.id))],
                "customers": len(session.scalars(select(Customer)).all()),
                "files": sorted(str(f) for f in (self.folder / "lake").rglob("*") if f.is_file()),
            }

    def _written(self, name: str, content: str | bytes) -> Path:
        file = self.folder / f"{name}_export.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CsvShop]:
    """On SQLite."""
    yield from _shop(tmp_path, fresh_store(tmp_path))


@pytest.fixture
def shop_on_both(tmp_path: Path, store_url: str) -> Iterator[CsvShop]:
    """On SQLite and on PostgreSQL."""
    yield from _shop(tmp_path, Store(store_url))


def _shop(folder: Path, store: Store) -> Iterator[CsvShop]:
    connected = connect("http://127.0.0.1:1", folder, store, FakeClock(datetime(2026, 8, 1, tzinfo=UTC)))
    yield CsvShop(connected.rooms, folder)
    connected.close()
    store.close()
