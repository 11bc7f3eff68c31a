"""Bulk export files become staged rows, each record once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.lake.lake import bare_connection
from app.services import staging
from app.shopify.stage_bulk import stage

if TYPE_CHECKING:
    from pathlib import Path

GID = "gid://shopify/"
AT = "2026-01-01T00:00:00Z"


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount}}


ORDER = {
    "id": f"{GID}Order/1", "name": "#1", "createdAt": AT, "processedAt": AT, "updatedAt": AT, "test": False,
    "displayFinancialStatus": "PAID",
}  # fmt: skip
LINE = {
    "id": f"{GID}LineItem/1", "__parentId": f"{GID}Order/1", "title": "Tea", "quantity": 1, "currentQuantity": 1,
    "isGiftCard": False, "originalUnitPriceSet": money("5.0"), "discountedTotalSet": money("5.0"),
}  # fmt: skip
CUSTOMER = {
    "id": f"{GID}Customer/1", "createdAt": AT, "updatedAt": AT, "amountSpent": {"amount": "0"}, "numberOfOrders": "0",
    "tags": [],
}  # fmt: skip
FIELD = {
    "id": f"{GID}Metafield/1", "__parentId": f"{GID}Customer/1", "namespace": "c", "key": "age", "value": "3",
}  # fmt: skip


def staged(folder: Path, name: str, *lines: dict[str, Any], query: str) -> list[tuple[Any, ...]]:
    file = folder / f"{name}.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    connection = bare_connection(1)
    staging.create(connection)
    stage(connection, "USD", {name: file})
    found = connection.sql(query).fetchall()
    connection.close()
    return found


class TestARecordThatAnExportRepeats:
    def test_has_each_line_once(self, tmp_path: Path) -> None:
        newer = {**ORDER, "name": "#1 changed", "updatedAt": "2026-01-02T00:00:00Z"}
        query = "SELECT name, line_id, l.total_minor FROM stage_orders JOIN stage_lines l USING (order_id)"
        assert staged(tmp_path, "orders", ORDER, LINE, newer, LINE, query=query) == [("#1 changed", 1, 500)]

    def test_has_each_metafield_once(self, tmp_path: Path) -> None:
        query = "SELECT metafields FROM stage_customers"
        found = staged(tmp_path, "customers", CUSTOMER, FIELD, CUSTOMER, FIELD, query=query)
        assert found == [({"c.age": "3"},)]


class TestAnAddress:
    def test_is_staged_with_the_coordinates_that_shopify_gives(self, tmp_path: Path) -> None:
        placed = {**CUSTOMER, "defaultAddress": {"city": "Berlin", "latitude": 52.51987, "longitude": 13.40487}}
        query = "SELECT city, latitude, longitude FROM stage_customers"
        assert staged(tmp_path, "customers", placed, query=query) == [("Berlin", 52.51987, 13.40487)]


class TestRefundsOfAnOrder:
    def test_are_staged_with_what_exceeded_the_goods_and_the_latest_day(self, tmp_path: Path) -> None:
        refunds = [{"createdAt": "2026-02-02T00:00:00Z"}, {"createdAt": "2026-02-01T00:00:00Z"}]
        order = {**ORDER, "totalRefundedSet": money("3.0"), "refundDiscrepancySet": money("-2.5"), "refunds": refunds}
        query = "SELECT refunded_minor, refund_excess_minor, CAST(refunded_at AS DATE)::VARCHAR FROM stage_orders"
        assert staged(tmp_path, "orders", order, query=query) == [(300, 250, "2026-02-02")]

    def test_that_gave_less_than_the_goods_were_worth_exceed_nothing(self, tmp_path: Path) -> None:
        order = {**ORDER, "totalRefundedSet": money("3.0"), "refundDiscrepancySet": money("2.0"), "refunds": []}
        query = "SELECT refund_excess_minor, refunded_at FROM stage_orders"
        assert staged(tmp_path, "orders", order, query=query) == [(0, None)]
