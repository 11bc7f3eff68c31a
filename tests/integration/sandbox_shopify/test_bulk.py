"""Bulk operations: their files hold the shop's records row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .conftest import TINY, Stage, run_stage, until

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Shopper

ORDERS = """{ orders(query: "status:any") { edges { node { id name test cancelledAt tags email customer { id }
  total: totalPriceSet { shopMoney { amount } } totalRefundedSet { shopMoney { amount currencyCode } }
  refunds { id totalRefundedSet { shopMoney { amount } } }
  lineItems { edges { node { id quantity currentQuantity isGiftCard product { id } variant { id title }
    originalUnitPriceSet { shopMoney { amount } } discountedTotalSet { shopMoney { amount } } } } } } } } }"""


def nested(*connections: str) -> str:
    """A query of connections within connections."""
    inner = "id"
    for name in reversed(connections):
        inner = f"id {name} {{ edges {{ node {{ {inner} }} }} }}"
    return "{" + inner.removeprefix("id") + "}"


def money(cents: int) -> str:
    whole, part = divmod(cents, 100)
    return f"{whole}.{part:02d}".removesuffix("0") if part % 10 == 0 else f"{whole}.{part:02d}"


class TestExport:
    def test_orders_and_lines_equal_the_records_row_by_row(self, reader: Shopper) -> None:
        objects = reader.bulk(ORDERS)
        orders = {item["id"]: item for item in objects if "__parentId" not in item}
        lines = [item for item in objects if "__parentId" in item]
        shop = reader.stand_in.shops[TINY]
        records = {f"gid://shopify/Order/{row.values['id']}": row.values for row in shop.find("Order", "1", ())}
        assert orders.keys() == records.keys()
        for number, order in orders.items():
            record = records[number]
            assert order["total"]["shopMoney"]["amount"] == money(record["total"])
            assert order["email"] == record["email"]
            assert order["test"] == bool(record["test"])
            assert order["cancelledAt"] == record["cancelled_at"]
            refunds = [refund["totalRefundedSet"]["shopMoney"]["amount"] for refund in order["refunds"]]
            assert refunds == ([money(record["refunded"])] if record["refunded"] else [])
        expected = [
            (
                f"gid://shopify/LineItem/{v['id']}",
                f"gid://shopify/Order/{v['order_id']}",
                v["quantity"],
                money(v["total"]),
            )
            for v in (row.values for row in shop.find("LineItem", "1", ()))
        ]
        found = [
            (line["id"], line["__parentId"], line["quantity"], line["discountedTotalSet"]["shopMoney"]["amount"])
            for line in lines
        ]
        assert sorted(found) == sorted(expected)

    def test_every_edge_case_is_in_the_tiny_shop(self, reader: Shopper) -> None:
        objects = reader.bulk(ORDERS)
        orders = [item for item in objects if "__parentId" not in item]
        lines = [item for item in objects if "__parentId" in item]
        cases = {
            "test order": any(order["test"] for order in orders),
            "cancelled": any(order["cancelledAt"] for order in orders),
            "refunded": any(order["refunds"] for order in orders),
            "guest": any(order["customer"] is None and order["email"] for order in orders),
            "gift card": any(line["isGiftCard"] for line in lines),
            "no price": any(line["originalUnitPriceSet"]["shopMoney"]["amount"] == "0.0" for line in lines),
            "product gone": any(line["product"] is None and not line["isGiftCard"] for line in lines),
            "line taken back": any(line["currentQuantity"] < line["quantity"] for line in lines),
        }
        assert [name for name, present in cases.items() if not present] == []

    def test_bulk_and_ordinary_queries_say_the_same(self, reader: Shopper) -> None:
        fields = """id firstName displayName tags numberOfOrders amountSpent { amount }
            defaultEmailAddress { emailAddress marketingState marketingOptInLevel validFormat openTrackingLevel }
            defaultPhoneNumber { phoneNumber smsMarketingConsent { state } } defaultAddress { city zip countryCodeV2 }
            lastOrder { id processedAt } age: metafield(namespace: "custom", key: "age") { value }"""
        exported = reader.bulk(f"{{ customers {{ edges {{ node {{ {fields} }} }} }} }}")
        # a page of ten objects each costs less than the limit; the bucket is refilled by the fixture
        paged = reader.ask(f"{{ customers(first: 60) {{ nodes {{ {fields} }} }} }}")["customers"]["nodes"]
        assert exported == paged

    def test_metafields_come_as_children(self, reader: Shopper) -> None:
        text = "{ customers { edges { node { id metafields { edges { node { id namespace key value } } } } } } }"
        children = [item for item in reader.bulk(text) if "__parentId" in item]
        assert len(children) == reader.stand_in.shops[TINY].count("Metafield") > 0
        assert {(child["namespace"], child["key"]) for child in children} == {("custom", "income"), ("custom", "age")}

    def test_nothing_found_means_no_address(self, reader: Shopper) -> None:
        started = reader.start_bulk("{ orders(query: \"updated_at:>='2099-01-01'\") { edges { node { id } } } }")
        done = reader.finished(started["bulkOperation"]["id"])
        assert (done["status"], done["objectCount"], done["url"]) == ("COMPLETED", "0", None)

    def test_a_window_limits_the_export(self, reader: Shopper) -> None:
        shop = reader.stand_in.shops[TINY]
        border = shop.find("Order", "1", (), "ORDER BY updated_at DESC LIMIT 1 OFFSET 9")[0].values["updated_at"]
        found = reader.bulk(f"{{ orders(query: \"updated_at:>='{border}'\") {{ edges {{ node {{ id }} }} }} }}")
        assert len(found) == shop.count("Order", "t.updated_at >= ?", (border,)) >= 10

    def test_what_was_served_is_counted_by_type(self, shopper: Shopper) -> None:
        shopper.bulk(ORDERS)
        shopper.bulk("{ products { edges { node { id } } } }")
        shop = shopper.stand_in.shops[TINY]
        expected = {kind: shop.count(kind) for kind in ("Order", "LineItem", "Product")}
        assert shopper.http.get("/sandbox/served").json()["total"] == expected


class TestRules:
    @pytest.mark.parametrize(
        ("query", "complaint"),
        [
            ("{ customers { edges { node { id nose } } } }", "Field 'nose' doesn't exist on type 'Customer'"),
            ("{ shop { id } }", "stand-in has no data for QueryRoot.shop"),
            ("query($n: Int) { orders(first: $n) { edges { node { id } } } }", "cannot have variables"),
            (
                "{ orders { edges { node { name lineItems { edges { node { id } } } } } } }",
                "must select the 'id' field",
            ),
            ("{ customers { edges { node { id } } } orders { edges { node { id } } } }", "one top-level field"),
            ("{ customers { edges { node { id taxSettings { id } } } } }", "doesn't exist"),
            ("{ customers { edges { node { id canDelete } } } }", "stand-in has no data for Customer.canDelete"),
            (nested("collections", "products", "collections", "products"), "nesting depth greater than 2"),
        ],
    )
    def test_a_query_that_breaks_one_is_refused(self, reader: Shopper, query: str, complaint: str) -> None:
        started = reader.start_bulk(query)
        assert started["bulkOperation"] is None
        assert started["userErrors"][0]["code"] == "INVALID"
        assert complaint in started["userErrors"][0]["message"]

    def test_connections_nest_two_levels_below_the_root_and_no_deeper(self, reader: Shopper) -> None:
        assert reader.bulk(nested("customers", "orders", "lineItems"))

    def test_five_run_at_once_and_a_sixth_is_refused(self, shopper: Shopper) -> None:
        ledger = shopper.stand_in.ledger
        for number in range(5):
            ledger.run("INSERT INTO bulk (id, shop, query, status) VALUES (?, ?, '', 'RUNNING')", number, TINY)
        refused = shopper.start_bulk("{ orders { edges { node { id } } } }")["userErrors"][0]
        assert refused["code"] == "LIMIT_REACHED"

    def test_an_ended_operation_can_not_be_cancelled(self, reader: Shopper) -> None:
        started = reader.start_bulk("{ orders { edges { node { id } } } }")["bulkOperation"]["id"]
        reader.finished(started)
        text = "mutation($i: ID!) { bulkOperationCancel(id: $i) { bulkOperation { status } userErrors { message } } }"
        answer = reader.ask(text, i=started)["bulkOperationCancel"]
        assert answer["userErrors"][0]["message"] == "A bulk operation cannot be canceled when it is completed"


class TestTrouble:
    def test_a_truncated_download_ends_within_a_line_and_the_next_is_whole(self, shopper: Shopper) -> None:
        started = shopper.start_bulk(ORDERS)["bulkOperation"]["id"]
        done = shopper.finished(started)
        shopper.sandbox("faults", kind="truncate_jsonl", count=1)
        cut, whole = (httpx.get(done["url"]).content for _ in range(2))
        assert whole.startswith(cut)
        assert cut.count(b"\n") < int(done["objectCount"]) == whole.count(b"\n")
        with pytest.raises(json.JSONDecodeError):
            json.loads(cut.splitlines()[-1])

    def test_an_operation_that_a_crash_interrupted_is_done_after_the_restart(self, tmp_path: Path) -> None:
        for stage in run_stage(tmp_path):
            stage.shopper().install()
            stage.stand_in.ledger.run(
                "INSERT INTO bulk (id, shop, query, status, created_at) VALUES (7, ?, ?, 'RUNNING', ?)",
                TINY,
                "{ products { edges { node { id } } } }",
                "2026-01-01T00:00:00Z",
            )
        for stage in run_stage(tmp_path):
            done = stage.shopper().install().finished("gid://shopify/BulkOperation/7")
            assert int(done["objectCount"]) == stage.stand_in.shops[TINY].count("Product")

    def test_the_address_expires_after_seven_days(self, shopper: Shopper) -> None:
        started = shopper.start_bulk("{ products { edges { node { id } } } }")["bulkOperation"]["id"]
        assert shopper.finished(started)["url"]
        shopper.stand_in.clock.advance(8)
        shopper.install()
        expired = shopper.finished(started)
        assert (expired["status"], expired["url"]) == ("EXPIRED", None)

    def test_the_export_is_one_view_although_orders_come_in(self, shopper: Shopper) -> None:
        before = shopper.stand_in.shops[TINY].count("Order")
        started = shopper.start_bulk(ORDERS)["bulkOperation"]["id"]
        until(lambda: shopper.finished(started)["status"] == "COMPLETED", "the export")
        placed = shopper.sandbox("orders").json()["id"]
        lines = [json.loads(line) for line in httpx.get(shopper.finished(started)["url"]).text.splitlines()]
        orders = [line for line in lines if "__parentId" not in line]
        assert len(orders) == before
        assert f"gid://shopify/Order/{placed}" not in {order["id"] for order in orders}
        assert f"gid://shopify/Order/{placed}" in {item["id"] for item in shopper.bulk(ORDERS)}


def test_two_shops_are_exported_apart(shared_stage: Stage) -> None:
    from .conftest import OTHER

    text = "{ products { edges { node { onlineStoreUrl } } } }"
    found: dict[str, list[dict[str, Any]]] = {}
    for shop in (TINY, OTHER):
        found[shop] = shared_stage.shopper(shop).install().bulk(text)
    urls = {shop: {item["onlineStoreUrl"].split("/")[2] for item in items if item["onlineStoreUrl"]}
            for shop, items in found.items()}  # fmt: skip
    assert urls == {TINY: {TINY}, OTHER: {OTHER}}
