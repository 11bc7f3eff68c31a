"""Shopify's CSV exports become the same history as the API's; what can't be read is named and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from sqlalchemy import select

from app.errors import Conflict, Invalid
from app.services.import_csv import CsvFiles, import_csv
from app.services.published import latest_history
from app.services.shops import context_by_name
from app.store.models.customers import Customer
from app.store.models.shops import Shop
from tests.conftest import SHARED
from tests.fakes import FakeClock
from tests.orders_export import NO_PRODUCT, write_exports
from tests.standins import connect, fresh_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.services.rooms import Rooms

ONLINE_RETAIL = SHARED / "data" / "online_retail" / "online_retail.parquet"
HEADER = (
    "Name,Email,Financial Status,Currency,Total,Refunded Amount,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem sku,Cancelled at"
)
ORDERS = f"""{HEADER}
#1,ann@example.com,paid,GBP,25.00,,2026-03-01 10:00:00 +0000,2,Tea,10.00,TEA,
#1,,,,,,2026-03-01 10:00:00 +0000,1,Cup,5.00,CUP,
#2,bob@example.com,paid,GBP,10.00,,2026-07-01 10:00:00 +0100,1,Tea,10.00,TEA,
#3,ann@example.com,refunded,GBP,5.00,5.00,2026-03-05 10:00:00 +0000,1,Cup,5.00,CUP,
#4,ann@example.com,voided,GBP,10.00,,2026-03-06 10:00:00 +0000,1,Tea,10.00,TEA,2026-03-07 10:00:00 +0000
#5,,paid,GBP,10.00,,2026-03-08 10:00:00 +0000,1,Tea,10.00,TEA,
#6,ann@example.com,paid,GBP,20.00,,2026-03-09 10:00:00 +0000,1,"Gift card, £20",20.00,,
"""
CUSTOMERS = """Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Phone,Default Address Zip
'1001,Ann,Example,ann@example.com,yes,'+15550100,'N1
"""


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    store = fresh_store(tmp_path)
    connected = connect("http://127.0.0.1:1", tmp_path, store, FakeClock(datetime(2026, 8, 1, tzinfo=UTC)))
    yield connected.rooms
    connected.close()
    store.close()


def files(folder: Path, orders: str = ORDERS, customers: str | None = CUSTOMERS) -> CsvFiles:
    """Write the exports; as bytes, so that line ends and marks stay as given."""
    (folder / "orders_export.csv").write_bytes(orders.encode())
    if customers is None:
        return CsvFiles(folder / "orders_export.csv")
    (folder / "customers_export.csv").write_bytes(customers.encode())
    return CsvFiles(folder / "orders_export.csv", folder / "customers_export.csv")


def run(rooms: Rooms, given: CsvFiles, **zone: str) -> dict[str, int]:
    return import_csv(rooms, "tea", given, **{"timezone": "Europe/London", "currency": "GBP", **zone})


def rows(rooms: Rooms, query: str, slug: str = "tea") -> list[tuple[Any, ...]]:
    ctx = context_by_name(rooms, slug)
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
    assert history is not None
    lake = rooms.lake.connect(ctx, history.tables)
    found = lake.sql(query).fetchall()
    lake.close()
    return found


class TestASmallShop:
    def test_counts_orders_lines_customers_guests_and_products(self, rooms: Rooms, tmp_path: Path) -> None:
        assert run(rooms, files(tmp_path)) == {
            "customers": 2, "orders": 6, "order_lines": 7, "products": 3, "guests": 1, "changed": 17,
        }  # fmt: skip

    def test_further_rows_of_an_order_are_its_further_lines(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        query = """SELECT o.name, l.title, l.quantity, l.net_minor FROM order_lines l JOIN orders o USING (order_id)
                   WHERE o.name = '#1' ORDER BY l.title"""
        assert rows(rooms, query) == [("#1", "Cup", 1, 500), ("#1", "Tea", 2, 2000)]

    def test_times_keep_their_offset(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        assert rows(rooms, "SELECT processed_at FROM orders WHERE name = '#2'")[0][0] == datetime(
            2026, 7, 1, 9, tzinfo=UTC
        )

    def test_refunded_cancelled_and_gift_card_lines_are_no_purchases(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        query = """SELECT o.name FROM order_lines l JOIN orders o USING (order_id) WHERE l.counts
                   GROUP BY 1 ORDER BY 1"""
        assert [name for (name,) in rows(rooms, query)] == ["#1", "#2", "#5"]

    def test_orders_find_their_customer_by_address_and_others_are_guests(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        query = "SELECT o.name, c.customer_id FROM orders o LEFT JOIN customers c USING (customer_no) ORDER BY 1"
        assert rows(rooms, query) == [
            ("#1", "1001"), ("#2", None), ("#3", "1001"), ("#4", "1001"), ("#5", None), ("#6", "1001"),
        ]  # fmt: skip

    def test_consent_is_the_exports_and_a_guest_has_none(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        ctx = context_by_name(rooms, "tea")
        with rooms.store.reading(ctx) as session:
            states = session.execute(select(Customer.shopify_id, Customer.email_consent).order_by(Customer.customer_no))
            assert [tuple(row) for row in states] == [(1001, "SUBSCRIBED"), (None, "NOT_SUBSCRIBED")]

    def test_the_same_files_again_change_no_row(self, rooms: Rooms, tmp_path: Path) -> None:
        query = "SELECT * FROM order_lines ORDER BY line_id"
        run(rooms, files(tmp_path))
        first = rows(rooms, query)
        run(rooms, files(tmp_path))
        assert rows(rooms, query) == first

    def test_without_a_customer_file_every_address_is_a_guest(self, rooms: Rooms, tmp_path: Path) -> None:
        assert run(rooms, files(tmp_path, customers=None))["guests"] == 2


class TestWhatCantBeRead:
    @pytest.mark.parametrize(
        ("orders", "words"),
        [
            ("", "orders_export.csv"),
            ("a,b\n1,2\n", "lacks the column 'Name'"),
            (ORDERS.replace("#2,bob", ",bob"), "row 4, column 'Name'"),
            (ORDERS.replace("2026-07-01 10:00:00 +0100", "last July"), "row 4, column 'Created at': 'last July'"),
            (
                ORDERS.replace(",1,Cup,5.00,CUP,\n#2", ",one,Cup,5.00,CUP,\n#2"),
                "row 3, column 'Lineitem quantity': 'one'",
            ),
            (ORDERS.replace(",2,Tea,10.00", ",2,Tea,ten"), "row 2, column 'Lineitem price': 'ten'"),
        ],
    )
    def test_is_named_with_file_row_and_column_and_makes_no_shop(
        self, rooms: Rooms, tmp_path: Path, orders: str, words: str
    ) -> None:
        with pytest.raises(Invalid) as fault:
            run(rooms, files(tmp_path, orders))
        assert words in fault.value.message
        with rooms.store.operator_session() as session:
            assert session.scalars(select(Shop)).all() == []

    def test_a_wrong_zone_is_refused(self, rooms: Rooms, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="no IANA time zone"):
            run(rooms, files(tmp_path), timezone="London")

    def test_another_currency_is_refused_for_the_same_shop(self, rooms: Rooms, tmp_path: Path) -> None:
        run(rooms, files(tmp_path))
        with pytest.raises(Conflict, match="imported in GBP"):
            run(rooms, files(tmp_path), currency="EUR")


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="the Online Retail data set exists only beside the repository")
class TestOnlineRetail:
    def test_half_a_million_lines_arrive_whole(self, rooms: Rooms, tmp_path: Path) -> None:
        written = write_exports(ONLINE_RETAIL, tmp_path)
        counts = import_csv(rooms, "retail", CsvFiles(**written), timezone="Europe/London", currency="GBP")
        source = pd.read_parquet(ONLINE_RETAIL)
        kept = source[(source.quantity > 0) & (source.unit_price > 0) & ~source.stock_code.isin(NO_PRODUCT)]
        assert counts["order_lines"] == len(kept)
        assert counts["orders"] == kept["invoice_no"].nunique()
        assert counts["customers"] == kept["customer_id"].nunique()
        assert counts["products"] == kept["stock_code"].nunique()
        total = rows(rooms, "SELECT sum(total_minor) FROM order_lines", "retail")[0][0]
        assert total == (kept["unit_price"].mul(100).round() * kept["quantity"]).sum()
