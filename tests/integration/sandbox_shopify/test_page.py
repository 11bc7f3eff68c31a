"""The stand-in's own page: orders placed, days passed, all of it kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .conftest import TINY, run_stage

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Shopper

WEEKS_52 = timedelta(weeks=52)


class TestPage:
    def test_shows_the_shop_and_says_what_is_invented(self, reader: Shopper) -> None:
        page = reader.http.get("/sandbox").text
        assert "Encore Tiny Shop" in page
        assert "All of it is invented." in page
        assert "Place an order" in page

    def test_its_form_places_an_order_and_says_so(self, shopper: Shopper) -> None:
        answer = shopper.http.post(f"/sandbox/orders?shop={TINY}", data={"customer_id": "", "quantity": "1"})
        assert answer.status_code == 302
        assert "was placed" in shopper.http.get(answer.headers["Location"]).text

    def test_what_is_typed_is_shown_as_text(self, reader: Shopper) -> None:
        page = reader.http.get("/sandbox", params={"find": "<script>alert(1)</script>"}).text
        assert "<script>alert(1)" not in page


class TestPlacingAnOrder:
    def test_makes_a_real_order_that_the_api_gives_back(self, shopper: Shopper) -> None:
        shop = shopper.stand_in.shops[TINY]
        before = shop.get("Customer", 6_000_000_000_003)
        assert before is not None
        lines = [{"variant_id": 1010, "quantity": 2}, {"variant_id": 1050, "quantity": 1}]
        placed = shopper.sandbox("orders", customer_id=6_000_000_000_003, lines=lines)
        assert placed.status_code == 201
        text = """query($id: ID!) { order(id: $id) { customer { numberOfOrders } totalPriceSet { shopMoney { amount } }
            lineItems(first: 5) { nodes { quantity variant { id price } } } } }"""
        order = shopper.ask(text, id=placed.json()["admin_graphql_api_id"])["order"]
        nodes = order["lineItems"]["nodes"]
        total = sum(node["quantity"] * float(node["variant"]["price"]) for node in nodes)
        assert [node["quantity"] for node in nodes] == [2, 1]
        assert float(order["totalPriceSet"]["shopMoney"]["amount"]) == round(total, 2)
        assert int(order["customer"]["numberOfOrders"]) == before.values["orders_count"] + 1

    def test_a_guest_orders_without_being_a_customer(self, shopper: Shopper) -> None:
        placed = shopper.sandbox("orders", email="passer.by@example.com", product_id=8_000_000_000_001).json()
        assert placed["customer"] is None
        assert placed["email"] == "passer.by@example.com"

    def test_unknown_records_are_refused(self, shopper: Shopper) -> None:
        for body in ({"customer_id": 1}, {"variant_id": 1}, {"product_id": 1}, {"quantity": "many"}):
            assert shopper.sandbox("orders", **body).status_code == 422

    def test_survives_a_restart(self, tmp_path: Path) -> None:
        for stage in run_stage(tmp_path):
            number = stage.shopper().sandbox("orders").json()["id"]
        for stage in run_stage(tmp_path):
            assert stage.stand_in.shops[TINY].get("Order", number) is not None


class TestLettingDaysPass:
    def test_repeats_what_customers_did_a_year_before(self, shopper: Shopper) -> None:
        shop, clock = shopper.stand_in.shops[TINY], shopper.stand_in.clock
        before = clock.now()
        last = shop.find("Order", "1", (), "ORDER BY id DESC LIMIT 1")[0].values["id"]
        result = shopper.sandbox("advance", days=30).json()
        assert clock.now() - before >= timedelta(days=30)
        copies = shop.find("Order", "t.id > ?", (last,), "ORDER BY t.id")
        assert len(copies) == result["orders"] > 0
        for copy in copies:
            at = datetime.fromisoformat(copy.values["processed_at"])
            source = (at - WEEKS_52).strftime("%Y-%m-%dT%H:%M:%SZ")
            [original] = shop.find(
                "Order",
                "t.processed_at = ? AND t.customer_id IS ? AND t.tags = '[]'",
                (source, copy.values["customer_id"]),
            )
            lines = [
                [(v["variant_id"], v["quantity"], v["total"]) for v in (line.values for line in found)]
                for found in (
                    shop.find("LineItem", "t.order_id = ?", (row.values["id"],), "ORDER BY t.id")
                    for row in (original, copy)
                )
            ]
            assert lines[0] == lines[1]

    def test_keeps_the_customers_totals_right(self, shopper: Shopper) -> None:
        shopper.sandbox("advance", days=20)
        wrong = shopper.stand_in.shops[TINY].find(
            "Customer",
            "t.orders_count != (SELECT count(*) FROM orders o WHERE o.customer_id = t.id AND o.test = 0) OR t.spent != "
            "(SELECT coalesce(sum(current_total), 0) FROM orders o WHERE o.customer_id = t.id AND o.test = 0)",
            (),
        )
        assert wrong == []

    def test_goes_on_from_where_it_stopped(self, shopper: Shopper) -> None:
        shop = shopper.stand_in.shops[TINY]
        for _ in range(3):
            shopper.sandbox("advance", days=200)
        numbers = [row.values["id"] for row in shop.find("Order", "1", (), "ORDER BY t.id")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    def test_refuses_to_go_back(self, shopper: Shopper) -> None:
        for days in (-1, 0, 367, "soon"):
            assert shopper.sandbox("advance", days=days).status_code == 422
