"""The automatic segments of the demo: enough of them, all different, and each counted again by hand-written SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.journey.main_job import is_of_a_type, pages, stored
from tests.e2e.journey.segment_sql import Moment, members_sql, numbers, prepare

if TYPE_CHECKING:
    from tests.e2e.journey.main_job import Shop
    from tests.e2e.running_demo import RunningDemo

pytestmark = pytest.mark.browser  # like all that needs the running demo
CATEGORIES = {"cross_sell", "repurchase", "retain", "behavioral", "demographics", "custom"}
STAGES = ("auto:active", "auto:due", "auto:at_risk", "auto:lapsed", "auto:dormant")


@pytest.fixture(scope="module")
def by_hand(shop: Shop, demo: RunningDemo) -> Shop:
    live = """FROM customers c WHERE merged_into IS NULL AND erased_at IS NULL AND gone_at IS NULL AND shop_id = ?"""
    subscribed = f"{live} AND email_consent = 'SUBSCRIBED'"
    reachable = f"""{subscribed} AND email_valid AND email_hash IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM suppressions s WHERE s.shop_id = c.shop_id AND s.email_hash = c.email_hash)"""
    for name, source in (("live", live), ("subscribed", subscribed), ("reachable", reachable)):
        found = [row[0] for row in stored(demo, f"SELECT customer_no {source}", shop.context.shop_id)]
        shop.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT unnest(?::INTEGER[]) AS customer_no", [found])
    for statement in prepare(Moment(shop.as_of, shop.context.timezone)):
        shop.connection.execute(statement)
    return shop


class TestAutomaticSegments:
    def test_there_are_at_least_45_with_members_in_six_categories(self, shop: Shop, demo: RunningDemo) -> None:
        own = [row for row in shop.segments if row["product"] is None and not is_of_a_type(row["key"])]
        assert len([row for row in own if row["state"] == "ready"]) >= 45
        found = {row["category"]: row["count"] for row in demo.api("/api/segments")["categories"]}
        assert set(found) == CATEGORIES
        made = {row["category"] for row in shop.segments if row["size"] > 0}
        assert made == CATEGORIES - {"custom"}  # the sixth is the merchant's own

    def test_no_two_to_show_have_the_same_members(self, shop: Shop) -> None:
        seen: dict[frozenset[int], str] = {}
        for row in shop.segments:
            if row["state"] == "ready":
                members = shop.members[row["key"]]
                assert members not in seen, f"{row['key']} has the members of {seen[members]}"
                seen[members] = row["key"]

    def test_the_size_is_the_number_of_members(self, shop: Shop) -> None:
        for row in shop.segments:
            assert row["size"] == len(shop.members.get(row["key"], ())), row["key"]

    @pytest.mark.parametrize("category", sorted(CATEGORIES - {"custom"}))
    def test_the_pages_of_members_list_them_all(self, demo: RunningDemo, shop: Shop, category: str) -> None:
        ready = [row for row in shop.segments if row["category"] == category and row["state"] == "ready"]
        chosen = min(ready, key=lambda row: abs(row["size"] - 300))  # two pages
        listed = [one["customer_no"] for one in pages(demo, f"/api/segments/{chosen['id']}/members")]
        assert listed == sorted(shop.members[chosen["key"]])

    def test_an_empty_one_says_why(self, shop: Shop) -> None:
        for row in shop.segments:
            if row["size"] == 0:
                assert row["state"] in {"empty", "off", "merged"}, row
                assert len(row["reason"]) > 20, row


class TestCountedByHand:
    def test_every_segment_that_is_not_about_a_product_has_the_members_that_sql_finds(self, by_hand: Shop) -> None:
        moment = Moment(by_hand.as_of, by_hand.context.timezone)
        compared = 0
        for row in by_hand.segments:
            if row["product"] is None and not is_of_a_type(row["key"]) and row["state"] in {"ready", "empty"}:
                found = by_hand.customers(members_sql(row["key"], row["definition"], moment))
                assert found == by_hand.members[row["key"]], f"{row['key']}: {row['definition']}"
                compared += 1
        assert compared >= 45

    def test_a_merged_one_equals_the_one_it_names(self, by_hand: Shop) -> None:
        moment = Moment(by_hand.as_of, by_hand.context.timezone)
        for row in by_hand.segments:
            if row["state"] == "merged":
                named = re.search(r"“(.+)”", row["reason"])
                assert named
                (other,) = [one for one in by_hand.segments if one["name"] == named[1]]
                found = by_hand.customers(members_sql(row["key"], row["definition"], moment))
                assert found == by_hand.members[other["key"]] == by_hand.members[row["key"]]

    def test_the_five_stages_hold_every_buyer_exactly_once(self, by_hand: Shop) -> None:
        buyers = by_hand.customers("SELECT customer_no FROM habit")
        stages = [by_hand.members[key] for key in STAGES]
        assert sum(len(stage) for stage in stages) == len(buyers)
        assert frozenset().union(*stages) == buyers


class TestProductSegments:
    def test_there_are_at_most_fifty_of_each_kind(self, shop: Shop) -> None:
        kinds = [row["category"] for row in shop.segments if row["product"]]
        assert 0 < kinds.count("repurchase") <= 50
        assert 0 < kinds.count("cross_sell") <= 50

    def test_each_holds_exactly_the_pairs_at_or_above_its_threshold(self, shop: Shop) -> None:
        numbers_of = dict(shop.connection.execute("SELECT product_id, product_no FROM products").fetchall())
        for row in shop.segments:
            if row["product"]:
                kind = row["category"]
                product_no = numbers_of[int(row["product"]["product_id"])]
                threshold = shop.rules[row["key"]]["match"]["value"]
                found = shop.customers(
                    f"SELECT customer_no FROM pairs WHERE product_no = {product_no} AND kind = '{kind}'"
                    f" AND probability >= {threshold!r}"
                )
                assert found == shop.members[row["key"]], row["name"]
                assert len(found) >= 25

    def test_one_of_a_type_holds_exactly_the_pairs_of_the_type_at_or_above_its_threshold(self, shop: Shop) -> None:
        of_types = [row for row in shop.segments if is_of_a_type(row["key"])]
        for row in of_types:
            match = shop.rules[row["key"]]["match"]
            found = shop.customers(
                f"SELECT customer_no FROM type_pairs WHERE product_type = '{match['product_type']}'"
                f" AND kind = '{row['category']}' AND probability >= {match['value']!r}"
            )
            assert found == shop.members[row["key"]], row["name"]
            assert len(found) >= 25
        assert of_types

    def test_the_printed_threshold_is_the_stored_one_from_the_base_rate(self, shop: Shop) -> None:
        rates = {
            (str(product_id), kind): rate
            for product_id, kind, rate in shop.connection.execute(
                "SELECT p.product_id, b.kind, b.base_rate FROM base_rates b JOIN products p USING (product_no)"
            ).fetchall()
        }
        floors = {"repurchase": 0.10, "cross_sell": 0.01}
        for row in shop.segments:
            if row["product"]:
                wanted = max(floors[row["category"]], 2 * rates[row["product"]["product_id"], row["category"]])
                assert shop.rules[row["key"]]["match"]["value"] == pytest.approx(wanted)
                printed = re.search(r"at least (\S+%)", row["definition"])
                assert printed
                assert numbers(printed[1])[0] == pytest.approx(wanted, abs=0.00005)

    def test_repurchase_is_for_who_bought_it_and_cross_sell_for_who_never_did(self, shop: Shop) -> None:
        for row in shop.segments:
            if row["product"]:
                bought = shop.customers(
                    "SELECT l.customer_no FROM order_lines l JOIN products p USING (product_no)"
                    f" WHERE p.product_id = {row['product']['product_id']} AND l.counts"
                )
                members = shop.members[row["key"]]
                assert members <= bought if row["category"] == "repurchase" else not (members & bought), row["name"]
