from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from pyroaring import BitMap

from app.domain.rules.evaluate import evaluate
from app.domain.rules.parse import parse
from tests.unit.rules.shops import connect, random_shop, world

if TYPE_CHECKING:
    from tests.unit.rules import brute

NEW_YORK = ZoneInfo("America/New_York")


class TestEvaluation:
    def rows(self) -> brute.Shop:
        shop = random_shop(3)
        shop.zone, shop.as_of = NEW_YORK, datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
        shop.universe = {1, 2, 3}
        shop.orders = [
            {"order_id": no, "customer_no": no, "processed_at": shop.as_of - timedelta(days=days), "counts": True,
             "test": False, "cancelled_at": None, "refunded_minor": 0, "discount_codes": []}
            for no, days in [(1, 5), (2, 29)]
        ]  # fmt: skip
        shop.lines = []
        return shop

    def found(self, match: dict[str, object], shop: brute.Shop) -> object:
        with connect(shop) as connection:
            return evaluate(parse({"v": 1, "match": match}), world(shop, connection))

    def test_the_funnel_counts_each_condition_alone_and_along_the_way(self) -> None:
        shop = self.rows()
        shop.reachable = {1}
        result = self.found({"all": [{"did": "ordered"}, {"reachable": "email"}]}, shop)
        assert [(leaf.path, leaf.count, leaf.remaining) for leaf in result.leaves] == [
            ("match.all[0]", 2, 2),
            ("match.all[1]", 1, 1),
        ]

    def test_the_next_flip_is_when_the_oldest_order_leaves_the_window(self) -> None:
        result = self.found({"did": "ordered", "during": {"last": "30d"}}, self.rows())
        assert result.members == BitMap([1, 2])
        assert result.next_flip == datetime(2026, 11, 21, 5, tzinfo=UTC)

    def test_members_from_missing_values_are_counted(self) -> None:
        shop = self.rows()
        for customer in shop.customers:
            customer["country"] = {1: "DE", 2: "FR"}.get(customer["customer_no"])
        result = self.found({"attr": "country", "op": "is_not", "value": "DE"}, shop)
        assert result.members == BitMap([2, 3])
        assert result.from_missing == BitMap([3])

    @pytest.mark.parametrize(
        ("match", "members", "from_missing"),
        [
            ({"none": [{"attr": "country", "op": "is", "value": "DE"}]}, [2, 3], [3]),
            ({"none": [{"attr": "country", "op": "is_not", "value": "DE"}]}, [1], []),
            ({"none": [{"attr": "country", "op": "is_not", "value": "DE", "missing": "skip"}]}, [1, 3], [3]),
            ({"any": [{"none": [{"attr": "country", "op": "is", "value": "DE"}]}, {"did": "ordered"}]}, [1, 2, 3], [3]),
            ({"none": [{"attr": "country", "op": "is", "value": "DE"}, {"did": "ordered"}]}, [3], [3]),
            ({"none": [{"all": [{"attr": "country", "op": "is", "value": "DE"}, {"did": "ordered"}]}]}, [2, 3], []),
            ({"all": [{"attr": "country", "op": "is", "value": "DE"}]}, [1], []),
        ],
    )
    def test_who_is_in_because_a_missing_value_did_not_match_counts_too(
        self, match: dict[str, object], members: list[int], from_missing: list[int]
    ) -> None:
        shop = self.rows()
        for customer in shop.customers:
            customer["country"] = {1: "DE", 2: "FR"}.get(customer["customer_no"])
        result = self.found(match, shop)
        assert (list(result.members), list(result.from_missing)) == (members, from_missing)

    @pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-Infinity"])
    @pytest.mark.parametrize("op", ["gt", "lt"])
    def test_words_that_computers_take_for_numbers_are_no_numbers(self, word: str, op: str) -> None:
        shop = self.rows()
        for customer in shop.customers:
            customer["age"] = {1: word, 2: "60" if op == "gt" else "20"}.get(customer["customer_no"])
        result = self.found({"attr": "metafield.custom.age", "op": op, "value": 30}, shop)
        assert result.members == BitMap([2])

    def test_customers_outside_the_universe_are_never_members(self) -> None:
        shop = self.rows()
        shop.universe = {2}
        assert self.found({"did": "ordered"}, shop).members == BitMap([2])
        assert self.found({"none": [{"did": "ordered", "during": {"last": "1d"}}]}, shop).members == BitMap([2])

    def test_an_order_at_as_of_is_not_yet_known(self) -> None:
        shop = self.rows()
        shop.orders[0]["processed_at"] = shop.as_of
        assert self.found({"did": "ordered"}, shop).members == BitMap([2])

    def test_text_with_quotes_is_a_value_and_never_code(self) -> None:
        shop = self.rows()
        rule = {"attr": "country", "op": "is", "value": "x' OR 1=1; DROP TABLE customers; --"}
        assert self.found(rule, shop).members == BitMap()
