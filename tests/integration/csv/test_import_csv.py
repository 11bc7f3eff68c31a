"""Shopify's CSV exports become the same history as the API's; what can't be read is named and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from sqlalchemy import select

from app.errors import Conflict
from app.services.import_csv import CsvFiles, import_csv
from app.services.shops import context_by_name
from app.store.counters import new_shop_id
from app.store.models.customers import Customer
from tests.conftest import SHARED
from tests.orders_export import NO_PRODUCT, write_exports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.csv.conftest import CsvShop

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


class TestASmallShop:
    def test_counts_orders_lines_customers_guests_and_products(self, shop_on_both: CsvShop) -> None:
        assert shop_on_both.imports(ORDERS) == {
            "customers": 2, "orders": 6, "order_lines": 7, "products": 3, "guests": 1, "changed": 17,
        }  # fmt: skip

    def test_further_rows_of_an_order_are_its_further_lines(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(ORDERS)
        query = """SELECT o.name, l.title, l.quantity, l.net_minor FROM order_lines l JOIN orders o USING (order_id)
                   WHERE o.name = '#1' ORDER BY l.title"""
        assert shop_on_both.lake(query) == [("#1", "Cup", 1, 500), ("#1", "Tea", 2, 2000)]

    def test_times_keep_their_offset(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(ORDERS)
        assert shop_on_both.lake("SELECT processed_at FROM orders WHERE name = '#2'")[0][0] == datetime(
            2026, 7, 1, 9, tzinfo=UTC
        )

    def test_refunded_cancelled_and_gift_card_lines_are_no_purchases(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(ORDERS)
        query = """SELECT o.name FROM order_lines l JOIN orders o USING (order_id) WHERE l.counts
                   GROUP BY 1 ORDER BY 1"""
        assert [name for (name,) in shop_on_both.lake(query)] == ["#1", "#2", "#5"]

    def test_orders_find_their_customer_by_address_and_others_are_guests(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(ORDERS)
        query = "SELECT o.name, c.customer_id FROM orders o LEFT JOIN customers c USING (customer_no) ORDER BY 1"
        assert shop_on_both.lake(query) == [
            ("#1", "1001"), ("#2", None), ("#3", "1001"), ("#4", "1001"), ("#5", None), ("#6", "1001"),
        ]  # fmt: skip

    def test_consent_is_the_exports_and_a_guest_has_none(self, shop_on_both: CsvShop) -> None:
        shop_on_both.imports(ORDERS)
        ctx = context_by_name(shop_on_both.rooms, "tea")
        with shop_on_both.rooms.store.reading(ctx) as session:
            states = session.execute(select(Customer.shopify_id, Customer.email_consent).order_by(Customer.customer_no))
            assert [tuple(row) for row in states] == [(1001, "SUBSCRIBED"), (None, "NOT_SUBSCRIBED")]

    def test_the_same_files_again_change_no_row(self, shop_on_both: CsvShop) -> None:
        query = "SELECT * FROM order_lines ORDER BY line_id"
        shop_on_both.imports(ORDERS)
        first = shop_on_both.lake(query)
        shop_on_both.imports(ORDERS)
        assert shop_on_both.lake(query) == first

    def test_without_a_customer_file_every_address_is_a_guest(self, shop_on_both: CsvShop) -> None:
        assert shop_on_both.imports(ORDERS, customers=None)["guests"] == 2


class TestANewShop:
    def test_gets_a_number_that_no_other_ever_had(self, shop_on_both: CsvShop) -> None:
        with shop_on_both.rooms.store.operator_session() as session:
            erased = new_shop_id(session)
        shop_on_both.imports(ORDERS)
        assert context_by_name(shop_on_both.rooms, "tea").shop_id > erased


class TestWhatCantBeRead:
    @pytest.mark.parametrize(
        ("orders", "words"),
        [
            ("a,b\n1,2\n", "lacks the column 'Name'"),
            (ORDERS.replace("#2,bob", ",bob"), "row 4, column 'Name': a blank"),
            (ORDERS.replace("2026-07-01 10:00:00 +0100", "last July"), "row 4, column 'Created at': 'last July'"),
            (ORDERS.replace("2026-07-01 10:00:00 +0100", ""), "row 4, column 'Created at': a blank"),
            (ORDERS.replace("2026-03-07 10:00:00 +0000", "later"), "row 6, column 'Cancelled at': 'later'"),
            (
                ORDERS.replace(",1,Cup,5.00,CUP,\n#2", ",one,Cup,5.00,CUP,\n#2"),
                "row 3, column 'Lineitem quantity': 'one'",
            ),
            (ORDERS.replace(",2,Tea,10.00", ",-2,Tea,10.00"), "row 2, column 'Lineitem quantity': '-2'"),
            (ORDERS.replace(",2,Tea,10.00", ",2,Tea,ten"), "row 2, column 'Lineitem price': 'ten'"),
            (ORDERS.replace(",2,Tea,10.00", ",2,Tea,"), "row 2, column 'Lineitem price': a blank"),
            (ORDERS.replace(",2,Tea,10.00", ",2,,10.00"), "row 2, column 'Lineitem name': a blank"),
        ],
    )
    def test_is_named_with_file_row_and_column(self, shop: CsvShop, orders: str, words: str) -> None:
        message = shop.refuses(orders)
        assert message.startswith("orders_export.csv")
        assert words in message
        assert message.endswith("Nothing was changed.")

    def test_a_wrong_zone_is_refused(self, shop: CsvShop) -> None:
        assert "no IANA time zone" in shop.refuses(ORDERS, timezone="London")

    @pytest.mark.parametrize("currency", ["XX1", "GBX", "POUND", "", "gbp"])
    def test_a_currency_that_iso_4217_does_not_know_is_refused(self, shop: CsvShop, currency: str) -> None:
        assert "no currency's ISO 4217 code" in shop.refuses(ORDERS, currency=currency)

    def test_another_currency_is_refused_for_the_same_shop(self, shop: CsvShop) -> None:
        shop.imports(ORDERS)
        with pytest.raises(Conflict, match="imported in GBP"):
            shop.imports(ORDERS.replace("GBP", "EUR"), currency="EUR")


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="the Online Retail data set exists only beside the repository")
class TestOnlineRetail:
    def test_half_a_million_lines_arrive_whole(self, shop: CsvShop, tmp_path: Path) -> None:
        written = write_exports(ONLINE_RETAIL, tmp_path)
        counts = import_csv(shop.rooms, "tea", CsvFiles(**written), **shop.zone)
        source = pd.read_parquet(ONLINE_RETAIL)
        kept = source[(source.quantity > 0) & (source.unit_price > 0) & ~source.stock_code.isin(NO_PRODUCT)]
        assert counts["order_lines"] == len(kept)
        assert counts["orders"] == kept["invoice_no"].nunique()
        assert counts["customers"] == kept["customer_id"].nunique()
        assert counts["products"] == kept["stock_code"].nunique()
        total = shop.lake("SELECT sum(total_minor) FROM order_lines")[0][0]
        assert total == (kept["unit_price"].mul(100).round() * kept["quantity"]).sum()
