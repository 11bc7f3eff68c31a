from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.rules.evaluate import evaluate
from app.domain.rules.parse import parse
from app.domain.rules.shopify_language import LanguageError, parse_query, print_query
from app.domain.rules.shopify_language_export import export_rule
from app.domain.rules.shopify_language_import import UNKNOWN, import_query
from tests.unit.rules.shops import connect, random_shop, world

if TYPE_CHECKING:
    from app.domain.rules.shopify_language import Spelling

BOTH: tuple[Spelling, ...] = ("2026-07", "2026-10")
CARRIED = [
    # what Shopify says, and what we make of it
    ("email_subscription_status = 'SUBSCRIBED'", {"consent": "email", "is": "yes"}),
    ("sms_subscription_status != 'PENDING'", {"none": [{"consent": "sms", "is": "pending"}]}),
    ("customer_tags CONTAINS 'it\\'s'", {"attr": "tags", "op": "is", "value": "it's"}),
    ("customer_tags IS NULL", {"attr": "tags", "op": "unset"}),
    ("customer_countries NOT CONTAINS 'US'", {"attr": "country", "op": "is_not", "value": "US"}),
    ("customer_regions CONTAINS 'US-NY'",
     {"all": [{"attr": "country", "op": "is", "value": "US"}, {"attr": "province", "op": "is", "value": "NY"}]}),
    ("customer_language = 'en'", {"attr": "language", "op": "is", "value": "en"}),
    ("rfm_group != 'LOYAL'", {"attr": "rfm_group", "op": "is_not", "value": "LOYAL"}),
    ("amount_spent BETWEEN 1 AND 999.99", {"attr": "spend.net", "op": "between", "value": [100, 99999]}),
    ("number_of_orders >= 3", {"attr": "orders.count", "op": "gte", "value": 3}),
    ("last_order_date > -30d", {"attr": "order.last", "during": {"last": "30d"}}),
    ("last_order_date >= 30_days_ago", {"attr": "order.last", "during": {"last": "31d"}}),
    ("last_order_date > -2w", {"attr": "order.last", "during": {"last": "14d"}}),
    ("last_order_date > -3m", {"attr": "order.last", "during": {"last": "3mo"}}),
    ("last_order_date < -90d", {"attr": "order.last", "during": {"ago": ["100y", "91d"]}}),
    ("last_order_date <= -1y", {"attr": "order.last", "during": {"ago": ["100y", "1y"]}}),
    ("last_order_date BETWEEN -59d AND -30d", {"attr": "order.last", "during": {"ago": ["60d", "30d"]}}),
    ("last_order_date = yesterday", {"attr": "order.last", "during": {"calendar": "yesterday"}}),
    ("last_order_date IS NOT NULL", {"attr": "order.last", "op": "set"}),
    ("first_order_date = 2020-05-30", {"attr": "order.first", "during": {"from": "2020-05-30", "to": "2020-05-31"}}),
    ("first_order_date > 2020-05-30", {"attr": "order.first", "during": {"since": "2020-05-31"}}),
    ("customer_added_date BETWEEN 2021-01-01 AND today", {"attr": "created", "during": {"since": "2021-01-01"}}),
    ("customer_added_date < 2020-05-30T16:00:00", {"attr": "created", "during": {"before": "2020-05-30T16:00:00"}}),
    ("customer_added_date != 2020-05-30",
     {"none": [{"attr": "created", "during": {"from": "2020-05-30", "to": "2020-05-31"}}]}),
    ("products_purchased(id: 2012162031638) = true",
     {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "2012162031638"}]}),
    ("products_purchased(id: (1, 2), date: BETWEEN -29d AND today) = false",
     {"none": [{"did": "ordered", "during": {"last": "30d"},
                "where": [{"attr": "product.id", "op": "in", "value": ["1", "2"]}]}]}),
    ("products_purchased MATCHES (id = 1, count > 1)",
     {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "1"}], "count": {"op": "gt", "n": 1}}),
    ("products_purchased NOT MATCHES (tag = 'Sports wear', date > -3m)",
     {"none": [{"did": "ordered", "during": {"last": "3mo"},
                "where": [{"attr": "product.tag", "op": "is", "value": "Sports wear"}]}]}),
    ("products_purchased MATCHES (quantity != 5)",
     {"did": "ordered", "where": [{"attr": "line.quantity", "op": "is_not", "value": 5}]}),
    ("products_purchased MATCHES (id NOT IN (7), sum_quantity >= 3)",
     {"measure": "sum", "of": "ordered.quantity", "where": [{"attr": "product.id", "op": "not_in", "value": ["7"]}],
      "op": "gte", "value": 3}),
    ("orders_placed MATCHES (amount > 50, count < 3)",
     {"all": [{"did": "ordered", "where": [{"attr": "order.net", "op": "gt", "value": 5000}]},
              {"did": "ordered", "where": [{"attr": "order.net", "op": "gt", "value": 5000}],
               "count": {"op": "lt", "n": 3}}]}),
    ("orders_placed IS NULL", {"none": [{"did": "ordered"}]}),
    ("customer_within_distance(coordinates: (40.7, -74), distance_mi: 10) = true",
     {"near": {"lat": 40.7, "lon": -74.0, "km": 16.09344}}),
    ("customer_within_distance MATCHES (coordinates = '40.7,-74', distance_km = 25)",
     {"near": {"lat": 40.7, "lon": -74.0, "km": 25.0}}),
    ("anniversary('metafields.facts.birth_date') BETWEEN today AND +30d",
     {"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": "31d"}}}),
    ("anniversary(date: 'metafields.facts.birth_date') = today",
     {"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": "1d"}}}),
]  # fmt: skip


def imported(text: str) -> Any:
    found = import_query(text, 100)
    assert found.left_out == []
    match = found.match
    assert match is not None
    return match["all"][0] if set(match) == {"all"} and len(match["all"]) == 1 else match


class TestImport:
    @pytest.mark.parametrize(("text", "match"), CARRIED)
    def test_a_filter_means_the_same_in_our_grammar(self, text: str, match: Any) -> None:
        assert imported(text) == match
        parse({"v": 1, "match": match})

    def test_and_binds_closer_than_or(self) -> None:
        found = imported("customer_tags CONTAINS 'a' OR customer_tags CONTAINS 'b' AND customer_tags CONTAINS 'c'")
        assert [set(part) & {"all"} for part in found["any"]] == [set(), {"all"}]

    @pytest.mark.parametrize("name", sorted(UNKNOWN))
    def test_what_encore_lacks_is_named_with_the_reason(self, name: str) -> None:
        condition = f"{name} MATCHES ()" if "." in name else f"{name} = 'x'"
        found = import_query(f"number_of_orders > 1 AND {condition}", 100)
        assert found.match == {"all": [{"attr": "orders.count", "op": "gt", "value": 1}]}
        assert [(one.part, one.reason) for one in found.left_out] == [(condition, UNKNOWN[name])]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("email_subscription_status = 'UNSUBSCRIBED'", "tells apart"),
            ("metafields.custom.points > 5", "metafields"),
            ("orders_placed MATCHES (app_id = 129785)", "app_id"),
            ("last_order_date = -1m", "single day"),
            ("last_order_date > +3d", "future"),
            ("last_order_date BETWEEN 2020-01-01 AND -7d", "mix"),
            ("anniversary('metafields.facts.birth_date') = 2026-01-01", "days or weeks ahead"),
            ("shoe_size = 42", "does not know the filter shoe_size"),
        ],
    )
    def test_what_can_not_be_said_exactly_is_left_out_by_name(self, text: str, reason: str) -> None:
        found = import_query(text, 100)
        assert found.match is None
        assert [one.part for one in found.left_out] == [text]
        assert reason in found.left_out[0].reason

    def test_what_differs_slightly_says_how(self) -> None:
        found = import_query("last_order_date >= -12m AND amount_spent > 5", 100)
        assert [one.part for one in found.differs] == ["last_order_date >= -12m", "amount_spent > 5"]

    @pytest.mark.parametrize(
        ("text", "position"),
        [("", 0), ("amount_spent", 12), ("amount_spent >> 3", 14), ("a = 'open", 4), ("(a = 1", 6), ("a = 1 b = 2", 6),
         ("products_purchased(id: 1)", 25), ("a = 1; DROP", 5), ("(" * 30 + "a = 1" + ")" * 30, 20)],
    )  # fmt: skip
    def test_text_that_is_no_query_is_refused_with_its_place(self, text: str, position: int) -> None:
        with pytest.raises(LanguageError) as caught:
            import_query(text, 100)
        assert caught.value.position == position


class TestExport:
    def written(self, match: Any, spelling: Spelling = "2026-10") -> str | None:
        found = export_rule(parse({"v": 1, "match": match}), 100, spelling)
        assert found.left_out == []
        return found.query

    def reason(self, match: Any, spelling: Spelling = "2026-10") -> str:
        found = export_rule(parse({"v": 1, "match": match}), 100, spelling)
        assert found.query is None
        return found.left_out[0].reason

    def test_a_rule_in_both_spellings(self) -> None:
        where = [{"attr": "product.id", "op": "in", "value": ["1", "2"]}]
        rule = {"all": [{"did": "ordered", "where": where, "during": {"last": "30d"}},
                        {"none": [{"attr": "tags", "op": "is", "value": "vip"}, {"did": "ordered", "where": [
                            {"attr": "product.tag", "op": "is", "value": "sale"}]}]}]}  # fmt: skip
        assert self.written(rule) == (
            "products_purchased MATCHES (id IN (1, 2), date > -30d) AND customer_tags NOT CONTAINS 'vip'"
            " AND products_purchased NOT MATCHES (tag = 'sale')"
        )
        assert self.written(rule, "2026-07") == (
            "products_purchased(id: (1, 2), date: BETWEEN -29d AND today) = true AND customer_tags NOT CONTAINS 'vip'"
            " AND products_purchased(tag: 'sale') = false"
        )

    def test_never_is_not_to_match(self) -> None:
        assert self.written({"did": "ordered", "count": {"op": "eq", "n": 0}}) == "orders_placed NOT MATCHES ()"
        assert self.written({"did": "ordered", "count": {"op": "lt", "n": 3}}) == (
            "orders_placed NOT MATCHES (count >= 3)"
        )

    def test_a_date_that_is_not_known_is_no_date_outside_either(self) -> None:
        assert self.written({"none": [{"attr": "order.last", "during": {"last": "30d"}}]}) == (
            "last_order_date <= -30d OR last_order_date IS NULL"
        )

    @pytest.mark.parametrize(
        ("match", "words"),
        [
            ({"predict": "lapse", "op": "gte", "value": 0.5}, "predictions"),
            ({"in": "seg_7"}, "segments"),
            ({"reachable": "email"}, "bounced"),
            ({"sample": {"percent": 10, "salt": "a"}}, "random"),
            ({"rank": "spend.net", "top_percent": 10}, "rank"),
            ({"latest": "ordered", "has": [{"attr": "order.source", "op": "is", "value": "web"}]}, "latest"),
            ({"first": {"did": "ordered"}, "then": {"did": "ordered"}, "within": "3d"}, "after"),
            ({"life": "stopped", "event": "ordered", "gap": "3d"}, "follow"),
            ({"did": "refunded"}, "refunded"),
            ({"did": "ordered", "where": [{"attr": "product.vendor", "op": "is", "value": "A"}]}, "vendor"),
            ({"did": "ordered", "during": {"last": "36h"}}, "hours"),
            ({"did": "ordered", "during": {"calendar": "this_month"}}, "this month"),
            ({"attr": "city", "op": "is", "value": "Berlin"}, "City"),
            ({"attr": "tags", "op": "contains", "value": "vip"}, "whole texts"),
            ({"measure": "avg", "of": "ordered.net", "op": "gt", "value": 5}, "adds up"),
        ],
    )
    def test_what_shopify_lacks_is_named_with_the_reason(self, match: Any, words: str) -> None:
        assert words in self.reason(match)

    def test_the_older_spelling_can_not_compare_parameters(self) -> None:
        assert "2026-10" in self.reason({"did": "ordered", "count": {"op": "gte", "n": 2}}, "2026-07")

    def test_more_than_ten_clauses_are_said_to_be_too_many(self) -> None:
        values = [f"C{number}" for number in range(11)]
        found = export_rule(parse({"v": 1, "match": {"attr": "country", "op": "in", "value": values}}), 100, "2026-10")
        assert "at most 10" in found.differs[-1].reason


class TestRoundTrip:
    @pytest.mark.parametrize("spelling", BOTH)
    @pytest.mark.parametrize(("text", "match"), CARRIED)
    def test_a_query_comes_back_as_a_query_that_means_the_same(self, text: str, match: Any, spelling: Spelling) -> None:
        found = export_rule(parse({"v": 1, "match": match}), 100, spelling)
        if found.left_out:
            assert spelling == "2026-07"  # which can't compare parameters
            return
        assert found.query is not None
        again = export_rule(parse({"v": 1, "match": imported(found.query)}), 100, spelling)
        assert again.query == found.query

    @pytest.mark.parametrize("spelling", BOTH)
    @pytest.mark.parametrize("seed", range(40))
    def test_a_rule_that_both_can_say_selects_the_same_customers_after_a_round_trip(
        self, seed: int, spelling: Spelling
    ) -> None:
        r = random.Random(seed)
        shop = random_shop(seed % 10)
        for row in shop.features:  # no last order lies ahead, and Shopify's `> -30d` would count it
            row["last_order_at"] = min(row["last_order_at"], shop.as_of - timedelta(microseconds=1))
        carried = 0
        with connect(shop) as connection:
            opened = world(shop, connection)
            for _ in range(20):
                raw = {"v": 1, "match": sayable(r, 1)}
                found = export_rule(parse(raw), 100, spelling)
                if found.query is None or found.left_out:
                    continue
                assert parse_query(found.query) == parse_query(print_query(parse_query(found.query), "2026-10"))
                back = import_query(found.query, 100)
                assert back.left_out == []
                again = evaluate(parse({"v": 1, "match": back.match}), opened)
                assert again.members == evaluate(parse(raw), opened).members, (raw, found.query)
                carried += 1
        assert carried >= 3


def sayable(r: random.Random, depth: int) -> dict[str, Any]:
    """A random rule of what Shopify has words for."""
    if depth < 4 and r.random() < 0.4:
        return {r.choice(["all", "any", "none"]): [sayable(r, depth + 1) for _ in range(r.randint(1, 3))]}
    past = r.choice([{"last": "30d"}, {"last": "2w"}, {"last": "1mo"}, {"ago": ["60d", "30d"]}, {"ago": ["1y", "1mo"]},
                     {"from": "2026-01-01", "to": "2026-03-29"}, {"before": "2026-03-29"}, {"since": "2026-03-01"},
                     {"calendar": "yesterday"}, {"from": "2026-03-29T01:30:00", "to": "2026-07-01"}])  # fmt: skip
    where = r.choice([[], [{"attr": "product.id", "op": r.choice(["is", "is_not"]), "value": "1001"}],
                      [{"attr": "product.id", "op": r.choice(["in", "not_in"]), "value": ["1001", "1003"]}],
                      [{"attr": "product.tag", "op": "is", "value": "new"}],
                      [{"attr": "line.quantity", "op": r.choice(["is", "gte", "between"]), "value": 2}]])  # fmt: skip
    where = [{**f, "value": [1, 2]} if f["op"] == "between" else f for f in where]
    compare = r.choice(["eq", "ne", "gt", "gte", "lt", "lte"])
    missing = r.choice([{}, {"missing": "skip"}, {"missing": "match"}])
    return r.choice([
        {"attr": "tags", "op": r.choice(["is", "is_not"]), "value": "vip"},
        {"attr": "tags", "op": r.choice(["in", "not_in"]), "value": ["vip", "wholesale"]},
        {"attr": "tags", "op": r.choice(["set", "unset"])},
        {"attr": "country", "op": r.choice(["is", "is_not"]), "value": "DE", **missing},
        {"attr": "country", "op": r.choice(["in", "not_in"]), "value": ["DE", "FR"], **missing},
        {"attr": "rfm_group", "op": r.choice(["is", "is_not"]), "value": "CHAMPIONS", **missing},
        {"attr": "orders.count", "op": r.choice(["is", "is_not", "gt", "gte", "lt", "lte"]), "value": r.randint(0, 4)},
        {"attr": "spend.net", "op": "between", "value": [0, r.choice([4999, 5000])]},
        {"attr": "spend.net", "op": r.choice(["in", "not_in"]), "value": [0, 5000]},
        {"attr": "order.last", "during": past, **missing},
        {"attr": "created", "during": past},
        {"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": r.choice(["1d", "20w", "30d"])}}},
        {"did": "ordered", "where": where, "during": r.choice([past, {"ever": True}])},
        {"did": "ordered", "where": where, "count": {"op": compare, "n": r.randint(0, 3)}},
        {"measure": "sum", "of": "ordered.net", "during": past, "op": compare, "value": r.choice([0, 1000, 5000])},
        {"measure": "sum", "of": "ordered.quantity", "where": where, "op": compare, "value": r.randint(0, 4)},
        {"consent": "email", "is": r.choice(["yes", "yes"])},
        {"near": {"lat": 40.7, "lon": -74.0, "km": 13.5}},
    ])  # fmt: skip
