"""Which order lines of a shop are purchases, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from app.lake.lake import bare_connection
from app.lake.schemas import TABLES
from app.services.prediction_input import WORDS, purchases, with_left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

AS_OF = datetime(2026, 11, 20, 15, tzinfo=UTC)
GOOD = {
    "customer_no": 1, "order_id": 1, "line_id": 1, "ordered_at": AS_OF - timedelta(days=3), "product_no": 1,
    "quantity": 2, "current_quantity": 2, "unit_price_minor": 500, "total_minor": 1000, "net_minor": 1000,
    "discount_minor": 0, "is_gift_card": False, "counts": True,
}  # fmt: skip
CARD = {"lines": 1, "left_out": {}, "changed_lines": {}}


@pytest.fixture
def lake() -> Iterator[Callable[..., duckdb.DuckDBPyConnection]]:
    """A lake with two products, the second a gift card, an order that counts, one that doesn't, and these lines."""
    connection = bare_connection(1)

    def build(*lines: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        tables: dict[str, list[dict[str, Any]]] = {
            "order_lines": list(lines),
            "orders": [{"order_id": 1, "counts": True}, {"order_id": 2, "counts": False}],
            "products": [{"product_no": no, "product_type": "Tea", "is_gift_card": no == 2} for no in (1, 2)],
        }
        for name, rows in tables.items():
            full = [{column: row.get(column) for column in TABLES[name].names} for row in rows]
            connection.register(name, pa.Table.from_pylist(full, schema=TABLES[name]))
        return connection

    yield build
    connection.close()


class TestPurchases:
    @pytest.mark.parametrize(
        ("reason", "change"),
        [
            ("after_as_of", {"ordered_at": AS_OF}),
            ("after_as_of", {"ordered_at": AS_OF + timedelta(days=4000)}),
            ("gift_card", {"product_no": 2, "counts": False}),
            ("no_product", {"product_no": None, "counts": False}),
            ("no_product", {"product_no": 77}),
            ("order_not_paid", {"order_id": 2, "counts": False}),
            ("order_not_paid", {"order_id": 99, "counts": False}),
            ("nothing_kept", {"current_quantity": 0, "net_minor": 0, "counts": False}),
            ("nothing_kept", {"quantity": -1, "current_quantity": -1, "counts": False}),
            ("free", {"unit_price_minor": 0, "net_minor": 0, "counts": False}),
            ("refunded", {"net_minor": 0, "counts": False}),
            ("no_customer", {"customer_no": None}),
        ],
    )
    def test_leave_a_line_out_and_say_why(self, lake: Any, reason: str, change: dict[str, Any]) -> None:
        connection = lake(GOOD, GOOD | {"line_id": 2} | change)
        assert len(purchases(connection, AS_OF, 100)) == 1
        assert with_left_out(connection, AS_OF, CARD) == {"lines": 2, "left_out": {reason: 1}, "changed_lines": {}}
        assert reason in WORDS

    def test_are_worth_what_was_kept_and_paid(self, lake: Any) -> None:
        row = purchases(lake(GOOD | {"net_minor": 700, "discount_minor": 250}), AS_OF, 100).iloc[0]
        assert (row["quantity"], row["unit_price"], row["discount"], row["product_type"]) == (2, 3.5, 2.5, "Tea")

    def test_are_worth_nothing_where_more_was_given_back_than_paid(self, lake: Any) -> None:
        assert purchases(lake(GOOD | {"net_minor": -300}), AS_OF, 100)["unit_price"].tolist() == [0.0]


class TestLeftOut:
    def test_adds_what_the_model_left_out_itself(self, lake: Any) -> None:
        connection = lake(GOOD, GOOD | {"line_id": 2, "ordered_at": AS_OF})
        card = {"lines": 1, "left_out": {"too_old": 1}, "changed_lines": {"merged": 0}, "seed": 3}
        assert with_left_out(connection, AS_OF, card) == {
            "lines": 2, "left_out": {"after_as_of": 1, "too_old": 1}, "changed_lines": {"merged": 0}, "seed": 3,
        }  # fmt: skip
