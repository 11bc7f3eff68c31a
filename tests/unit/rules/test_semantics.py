"""Section 4.2 of the design, line by line: what rules mean."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from pyroaring import BitMap

from app.domain.rules.canonical import rule_hash
from app.domain.rules.evaluate import Evaluation, evaluate
from app.domain.rules.parse import MAX_DEPTH, MAX_LEAVES, MAX_VALUES, RuleError, parse
from app.domain.rules.sentence import Wording, leaf_sentence, sentence
from app.domain.rules.windows import span
from app.domain.rules.windows_parse import parse_window
from tests.unit.rules import brute
from tests.unit.rules.random_rules import LEAVES, random_rule
from tests.unit.rules.shops import connect, world

NEW_YORK = ZoneInfo("America/New_York")
AS_OF = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)  # 10:30 in New York
DAY = timedelta(days=1)
WORDING = Wording("USD", lambda _id: None, {"seg_7": "Wholesale"}.get)
LEAF: dict[str, Any] = {"did": "ordered"}


def order(number: int, customer: int, ago: timedelta, **more: Any) -> dict[str, Any]:
    return {"order_id": number, "customer_no": customer, "processed_at": AS_OF - ago, "counts": True, "test": False,
            "cancelled_at": None, "refunded_minor": 0, "refunded_at": None, "discounts_minor": 0, "discount_codes": [],
            "tags": [], "source_name": "web", "country": None, **more}  # fmt: skip


def line(order_id: int, product: int, net: int, total: int | None = None) -> dict[str, Any]:
    return {"order_id": order_id, "line_id": order_id * 10 + product, "product_no": product, "quantity": 1,
            "current_quantity": 1, "unit_price_minor": total or net, "total_minor": total or net, "net_minor": net,
            "discount_minor": 0, "is_gift_card": False, "counts": True}  # fmt: skip


def shop(count: int = 3, **tables: Any) -> brute.Shop:
    made = brute.Shop(as_of=AS_OF, zone=NEW_YORK, universe=set(range(1, count + 1)))
    made.products = [
        {"product_no": 1, "product_id": 1001, "title": "Camera", "product_type": "Camera", "vendor": "A", "tags": []},
        {"product_no": 2, "product_id": 1002, "title": "Lens", "product_type": "Lens", "vendor": "A", "tags": []},
    ]
    for name, rows in tables.items():
        setattr(made, name, rows)
    return made


def found(match: Any, of: brute.Shop) -> Evaluation:
    with connect(of) as connection:
        return evaluate(parse({"v": 1, "match": match}), world(of, connection))


def members(match: Any, of: brute.Shop) -> list[int]:
    return list(found(match, of).members)


def customers(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    blank = {"tags": [], "birth_date": None, "age": None, "customer_id": None}
    return [{**blank, "customer_no": number, **row} for number, row in enumerate(rows, start=1)]


class TestLine1EverybodyIsInOrOutAndMissingValuesHaveARule:
    people = shop(customers=customers({"country": "DE"}, {"country": "FR"}, {"country": None}))

    def test_positive_operators_are_false_on_a_missing_value(self) -> None:
        assert members({"attr": "country", "op": "is", "value": "DE"}, self.people) == [1]

    def test_negative_operators_are_true_on_a_missing_value(self) -> None:
        assert members({"attr": "country", "op": "is_not", "value": "DE"}, self.people) == [2, 3]

    def test_missing_overrides_both(self) -> None:
        assert members({"attr": "country", "op": "is", "value": "DE", "missing": "match"}, self.people) == [1, 3]
        assert members({"attr": "country", "op": "is_not", "value": "DE", "missing": "skip"}, self.people) == [2]

    def test_those_who_come_from_missing_values_are_counted(self) -> None:
        result = found({"attr": "country", "op": "is_not", "value": "DE"}, self.people)
        assert (result.from_missing, result.leaves[0].missing) == (BitMap([3]), 1)

    def test_the_universe_holds_customers_of_whom_nothing_is_known(self) -> None:
        assert members({"none": [{"attr": "country", "op": "set"}]}, shop(4, customers=[])) == [1, 2, 3, 4]

    def test_a_text_that_is_no_date_is_a_missing_date(self) -> None:
        people = shop(customers=customers({"birth_date": "soon"}, {"birth_date": "1990-05-17"}, {}))
        leaf = {"attr": "metafield.facts.birth_date", "during": {"before": "2000-01-01"}}
        assert members(leaf, people) == [2]
        assert members({**leaf, "missing": "match"}, people) == [1, 2, 3]

    def test_an_address_without_coordinates_is_a_missing_place(self) -> None:
        people = shop(customers=customers({"latitude": 40.71, "longitude": -74.01}, {"latitude": None}, {}))
        near = {"near": {"lat": 40.7, "lon": -74.0, "km": 5}}
        assert members(near, people) == [1]
        assert found({"none": [near]}, people).from_missing == BitMap([2, 3])


class TestLine2AbsenceStandsAlone:
    ordered = shop(orders=[order(1, 1, 3 * DAY)])

    def test_count_zero_needs_no_positive_partner(self) -> None:
        assert members({"did": "ordered", "count": {"op": "eq", "n": 0}}, self.ordered) == [2, 3]

    def test_none_needs_no_positive_partner(self) -> None:
        assert members({"none": [{"did": "ordered"}]}, self.ordered) == [2, 3]


class TestLine3WindowsAreHalfOpenStoreTime:
    def test_what_happens_as_a_window_begins_is_in_and_as_it_ends_is_out(self) -> None:
        begin = datetime(2026, 10, 1, 4, tzinfo=UTC)  # 1 October, midnight in New York
        end = datetime(2026, 11, 1, 4, tzinfo=UTC)
        people = shop(orders=[order(1, 1, AS_OF - begin), order(2, 2, AS_OF - end)])
        assert members({"did": "ordered", "during": {"from": "2026-10-01", "to": "2026-11-01"}}, people) == [1]

    def test_last_30d_is_the_thirty_store_days_that_end_now(self) -> None:
        found_span = span(parse_window({"last": "30d"}, "during"), AS_OF, NEW_YORK)
        assert found_span.start == datetime(2026, 10, 22, 4, tzinfo=UTC)
        assert found_span.end == AS_OF

    def test_hours_are_exact(self) -> None:
        people = shop(orders=[order(1, 1, timedelta(hours=36)), order(2, 2, timedelta(hours=36, microseconds=1))])
        assert members({"did": "ordered", "during": {"last": "36h"}}, people) == [1]

    def test_months_clamp_to_the_end_of_the_month(self) -> None:
        late = datetime(2026, 3, 31, 16, tzinfo=UTC)
        assert span(parse_window({"last": "1mo"}, "during"), late, NEW_YORK).start == datetime(
            2026, 3, 1, 5, tzinfo=UTC
        )

    def test_the_store_day_counts_and_not_the_utc_day(self) -> None:
        late = shop(orders=[order(1, 1, timedelta(hours=20))])
        late.as_of = datetime(2026, 11, 21, 2, tzinfo=UTC)  # still the 20th in New York
        late.orders[0]["processed_at"] = datetime(2026, 11, 20, 4, 59, tzinfo=UTC)  # the 19th in New York
        assert members({"did": "ordered", "during": {"last": "1d"}}, late) == []

    @pytest.mark.parametrize(
        ("born", "as_of", "hit"),
        [
            ("1992-02-29", datetime(2027, 2, 28, 12, tzinfo=UTC), True),  # no leap year: kept on the 28th
            ("1992-02-29", datetime(2028, 2, 28, 12, tzinfo=UTC), False),
            ("1992-02-29", datetime(2028, 2, 29, 12, tzinfo=UTC), True),
            ("1992-02-28", datetime(2028, 2, 28, 12, tzinfo=UTC), True),
            ("1992-03-01", datetime(2027, 2, 28, 12, tzinfo=UTC), False),
            ("2027-02-28", datetime(2027, 2, 28, 12, tzinfo=UTC), False),  # the day itself is no anniversary
        ],
    )
    def test_an_anniversary_is_the_same_store_day_of_a_later_year(self, born: str, as_of: datetime, hit: bool) -> None:
        people = shop(1, customers=customers({"birth_date": born}))
        people.as_of = as_of
        leaf = {"attr": "metafield.facts.birth_date", "during": {"anniversary": {"next": "1d"}}}
        assert members(leaf, people) == ([1] if hit else [])


class TestLine4OrdersThatCountAndMoneyNetOfRefunds:
    def test_cancelled_and_test_orders_are_no_orders(self) -> None:
        people = shop(
            orders=[
                order(1, 1, DAY),
                order(2, 2, DAY, counts=False, cancelled_at=AS_OF - DAY),
                order(3, 3, DAY, counts=False, test=True),
            ]
        )
        assert members({"did": "ordered"}, people) == [1]
        assert members({"life": "first_time", "event": "ordered"}, people) == [1]
        assert members({"did": "cancelled"}, people) == [2]

    def test_money_is_net_of_refunds_unless_gross(self) -> None:
        people = shop(1, orders=[order(1, 1, DAY)], lines=[line(1, 1, net=3000, total=5000)])
        assert members({"measure": "sum", "of": "ordered.net", "op": "eq", "value": 3000}, people) == [1]
        assert members({"measure": "sum", "of": "ordered.gross", "op": "eq", "value": 5000}, people) == [1]


class TestLine5TheCanonicalForm:
    @pytest.mark.parametrize("seed", range(20))
    def test_siblings_in_another_order_have_the_same_hash(self, seed: int) -> None:
        r = random.Random(seed)
        one, other = (r.choice(LEAVES)(r, MAX_DEPTH) for _ in range(2))
        hashes = {rule_hash(parse({"v": 1, "match": {"all": nodes}})) for nodes in ([one, other], [other, one])}
        assert len(hashes) == 1

    @pytest.mark.parametrize(
        ("short", "long"),
        [
            ({"did": "ordered"}, {"did": "ordered", "count": {"op": "gte", "n": 1}, "during": {"ever": True}}),
            ({"rank": "spend.net", "top_percent": 10}, {"rank": "spend.net", "top_percent": 10.0, "among": LEAF}),
            ({"rank": "spend.net", "quintile": [5, 4]}, {"rank": "spend.net", "quintile": [4, 5, 4]}),
            ({"life": "regular", "event": "ordered", "gap": "30d"},
             {"life": "regular", "event": "ordered", "gap": "30d", "during": {"ever": True}}),
            ({"in": "seg_7", "moved": "left"}, {"in": "seg_7", "moved": "left", "during": {"ever": True}}),
            ({"near": {"lat": 40, "lon": -74, "km": 5}}, {"near": {"km": 5.0, "lat": 40.0, "lon": -74}}),
            ({"latest": "ordered", "has": [{"attr": "order.source", "op": "is", "value": "web"},
                                           {"attr": "order.country", "op": "set"}]},
             {"has": [{"attr": "order.country", "op": "set"}, {"attr": "order.source", "op": "is", "value": "web"}],
              "where": [], "latest": "ordered"}),
        ],
    )  # fmt: skip
    def test_defaults_are_filled(self, short: Any, long: Any) -> None:
        assert rule_hash(parse({"v": 1, "match": short})) == rule_hash(parse({"v": 1, "match": long}))

    def test_a_sequence_is_not_its_reverse(self) -> None:
        first, then = {"did": "ordered"}, {"did": "refunded"}
        one = parse({"v": 1, "match": {"first": first, "then": then, "within": "3d"}})
        assert rule_hash(one) != rule_hash(parse({"v": 1, "match": {"first": then, "then": first, "within": "3d"}}))


class TestLine6Limits:
    def refused(self, match: Any) -> str:
        with pytest.raises(RuleError) as caught:
            parse({"v": 1, "match": match})
        return caught.value.problem

    def test_a_hundred_leaves_also_inside_sequences_and_ranks(self) -> None:
        sequence = {"first": LEAF, "then": LEAF, "within": "3d"}
        rank = {"rank": "spend.net", "top_percent": 10, "among": {"any": [LEAF] * 48}}
        parse({"v": 1, "match": {"any": [LEAF] * MAX_LEAVES}})
        parse({"v": 1, "match": {"any": [*[sequence] * 25, rank, LEAF]}})
        assert "at most 100" in self.refused({"any": [LEAF] * (MAX_LEAVES + 1)})
        assert "at most 100" in self.refused({"any": [*[sequence] * 25, rank, LEAF, LEAF]})

    def test_five_groups_deep_also_through_among(self) -> None:
        nested: dict[str, Any] = LEAF
        for _ in range(MAX_DEPTH - 1):
            nested = {"all": [nested]}
        parse({"v": 1, "match": {"all": [nested]}})
        parse({"v": 1, "match": {"rank": "spend.net", "top_percent": 10, "among": nested}})
        assert "at most 5 deep" in self.refused({"all": [{"all": [nested]}]})
        assert "at most 5 deep" in self.refused({"all": [{"rank": "spend.net", "top_percent": 10, "among": nested}]})

    def test_ten_thousand_values(self) -> None:
        parse({"v": 1, "match": {"attr": "country", "op": "in", "value": ["DE"] * MAX_VALUES}})
        assert "10,000" in self.refused({"attr": "country", "op": "in", "value": ["DE"] * (MAX_VALUES + 1)})

    def test_no_regular_expressions(self) -> None:
        people = shop(customers=customers({"country": "D.E"}, {"country": "DXE"}, {}))
        assert members({"attr": "country", "op": "contains", "value": "D.E"}, people) == [1]
        assert "takes" in self.refused({"attr": "country", "op": "matches", "value": ".*"})


class TestLine7SegmentsAreJoinedByMembership:
    def test_a_reference_asks_for_members_and_never_for_a_rule(self) -> None:
        people = shop(segments={"seg_7": {2, 3}})
        assert members({"in": "seg_7"}, people) == [2, 3]

    def test_history_is_what_evaluations_found(self) -> None:
        start = AS_OF - 20 * DAY
        history = [(start, {1, 2}, set()), (start + 5 * DAY, {3}, {1}), (start + 15 * DAY, set(), {3})]
        people = shop(4, history={"seg_7": history}, segments={"seg_7": {2}})

        def moved(how: str, **during: Any) -> list[int]:
            return members({"in": "seg_7", "moved": how, **({"during": during} if during else {})}, people)

        assert moved("entered") == [3]  # the first evaluation found 1 and 2 there: nobody knows when they came
        assert moved("left") == [1, 3]
        assert moved("left", last="10d") == [3]
        assert moved("was_in") == [1, 2, 3]
        assert moved("was_in", last="10d") == [2, 3]
        assert moved("was_in", before="2026-11-01") == [1, 2]
        assert moved("was_in", before="2026-10-01") == []  # nothing is known from before history began


class TestLine8WhatAnEvaluationYields:
    def test_members_counts_funnel_flip_and_duration(self) -> None:
        people = shop(orders=[order(1, 1, 29 * DAY), order(2, 2, 5 * DAY)])
        people.reachable = {2, 3}
        result = found({"all": [{"did": "ordered", "during": {"last": "30d"}}, {"reachable": "email"}]}, people)
        assert (list(result.members), result.reachable) == ([2], 1)
        assert [(leaf.count, leaf.remaining) for leaf in result.leaves] == [(2, 2), (2, 1)]
        assert result.next_flip == datetime(2026, 11, 21, 5, tzinfo=UTC)
        assert result.seconds >= 0


class TestLine9OneGeneratorWritesTheSentence:
    @pytest.mark.parametrize(
        ("match", "text"),
        [
            ({"first": {"did": "ordered", "where": [{"attr": "product.type", "op": "is", "value": "Camera"}]},
              "then": {"did": "ordered", "where": [{"attr": "product.type", "op": "is", "value": "Lens"}],
                       "count": {"op": "eq", "n": 0}}, "within": "60d"},
             ("Customers who ordered (product type is “Camera”) and, within 60 days after that, never ordered"
             " (product type is “Lens”).")),
            ({"latest": "ordered", "has": [{"attr": "order.net", "op": "gt", "value": 5000}]},
             "Customers who last ordered such that order value is more than $50."),
            ({"life": "first_time", "event": "ordered", "during": {"last": "30d"}},
             "Customers who ordered for the first time in the last 30 days."),
            ({"life": "stopped", "event": "ordered", "gap": "90d"},
             "Customers who ordered, but not in the last 90 days."),
            ({"life": "returned", "event": "ordered", "gap": "6mo", "during": {"calendar": "this_month"}},
             "Customers who ordered again this month after more than 6 months without."),
            ({"life": "regular", "event": "ordered", "gap": "30d", "during": {"last": "1y"}},
             "Customers who ordered in the last year at least 3 times, never more than 30 days apart."),
            ({"in": "seg_7", "moved": "entered", "during": {"last": "7d"}},
             "Customers who entered segment “Wholesale” in the last 7 days."),
            ({"near": {"lat": 40.71, "lon": -74.01, "km": 25}},
             "Customers who have an address within 25 km of 40.71° N, 74.01° W."),
            ({"rank": "spend.net", "top_percent": 10},
             "Customers whose total spend is in the top 10% of customers with an order."),
            ({"rank": "spend.net", "quintile": [4, 5], "among": {"in": "seg_7"}},
             ("Customers whose total spend is in fifth 4 or 5 (5 is the highest) of customers who are in segment"
             " “Wholesale”.")),
            ({"attr": "order.first", "during": {"anniversary": {"next": "14d"}}},
             "Customers whose first order has its anniversary in the next 14 days."),
        ],
    )  # fmt: skip
    def test_every_kind_of_condition_reads_as_english(self, match: Any, text: str) -> None:
        assert sentence(parse({"v": 1, "match": match}), WORDING) == text

    @pytest.mark.parametrize("seed", range(100))
    def test_every_random_rule_can_be_said(self, seed: int) -> None:
        assert sentence(parse(random_rule(random.Random(seed))), WORDING).startswith("Customers ")


class TestLine10AbsenceInASequenceWaits:
    camera: ClassVar = {"did": "ordered", "where": [{"attr": "product.type", "op": "is", "value": "Camera"}]}
    lens: ClassVar = {"did": "ordered", "where": [{"attr": "product.type", "op": "is", "value": "Lens"}]}

    def bought(self, *what: tuple[int, int, int]) -> brute.Shop:
        """(customer, product, days ago) each."""
        orders = [order(number, customer, ago * DAY) for number, (customer, _, ago) in enumerate(what, start=1)]
        lines = [line(number, product, 1000) for number, (_, product, _) in enumerate(what, start=1)]
        return shop(orders=orders, lines=lines)

    def test_it_is_pending_until_the_window_has_fully_passed(self) -> None:
        people = self.bought((1, 1, 60), (2, 1, 59), (3, 1, 90), (3, 2, 80))
        rule = {"first": self.camera, "then": {**self.lens, "count": {"op": "eq", "n": 0}}, "within": "60d"}
        result = found(rule, people)
        assert list(result.members) == [1]
        assert result.next_flip == datetime(2026, 11, 21, 5, tzinfo=UTC)  # then customer 2 has waited long enough
        people.as_of = datetime(2026, 11, 21, 5, tzinfo=UTC)
        assert members(rule, people) == [1, 2]

    def test_presence_is_true_at_once(self) -> None:
        people = self.bought((1, 1, 2), (1, 2, 1), (2, 2, 2), (2, 1, 1))
        assert members({"first": self.camera, "then": self.lens, "within": "60d"}, people) == [1]

    def test_what_happened_at_the_same_instant_did_not_come_after(self) -> None:
        people = self.bought((1, 1, 3))
        people.lines.append(line(1, 2, 1000))
        assert members({"first": self.camera, "then": self.lens, "within": "60d"}, people) == []

    def test_a_limit_from_above_waits_too(self) -> None:
        people = self.bought((1, 1, 10), (1, 2, 9), (2, 1, 70), (2, 2, 69))
        once = {**self.lens, "count": {"op": "eq", "n": 1}}
        assert members({"first": self.camera, "then": once, "within": "60d"}, people) == [2]

    def test_the_count_of_first_says_which_event_begins(self) -> None:
        people = self.bought((1, 1, 50), (1, 1, 20), (1, 2, 19), (2, 1, 50), (2, 2, 49))
        second = {**self.camera, "count": {"op": "eq", "n": 2}}
        assert members({"first": second, "then": self.lens, "within": "5d"}, people) == [1]


class TestLine11Ranks:
    def spent(self, *amounts: int | None) -> brute.Shop:
        rows = [
            {"customer_no": number, "orders": 1, "net_minor": amount}
            for number, amount in enumerate(amounts, start=1)
            if amount is not None
        ]
        orders = [order(number, number, DAY) for number, amount in enumerate(amounts, start=1) if amount is not None]
        return shop(len(amounts), features=rows, orders=orders)

    def test_customers_with_an_order_are_ranked_unless_told(self) -> None:
        people = self.spent(500, 400, 300, 200, 100, None, None, None, None, None)
        assert members({"rank": "spend.net", "top_percent": 20}, people) == [1]
        assert members({"rank": "spend.net", "top_percent": 20, "among": {"any": [
            {"did": "ordered"}, {"none": [{"did": "ordered"}]}]}}, people) == [1, 2]  # fmt: skip

    def test_ties_share_the_better_rank(self) -> None:
        people = self.spent(500, 400, 400, 400, 100)
        assert members({"rank": "spend.net", "top_percent": 40}, people) == [1, 2, 3, 4]
        assert members({"rank": "spend.net", "quintile": [4]}, people) == [2, 3, 4]
        assert members({"rank": "spend.net", "quintile": [3, 2]}, people) == []

    def test_the_boundary_value_is_printed(self) -> None:
        people = self.spent(500, 400, 300, 20050, 100)
        leaf = found({"rank": "spend.net", "top_percent": 40}, people).leaves[0]
        assert leaf_sentence(leaf.leaf, WORDING, leaf.boundary) == (
            "Total spend is in the top 40% of customers with an order ($5 or more)"
        )
        low = found({"rank": "spend.net", "quintile": [2, 3]}, people).leaves[0]
        assert leaf_sentence(low.leaf, WORDING, low.boundary).endswith("($3 to $4)")

    def test_whoever_has_no_value_is_not_ranked(self) -> None:
        people = self.spent(500, 400)
        people.features[0]["gap_ratio"] = 2.0
        result = found({"none": [{"rank": "gap.ratio", "top_percent": 100}]}, people)
        assert (list(result.members), list(result.from_missing)) == ([2], [2])


class TestTheExamplesOfTheDesign:
    @pytest.mark.parametrize(
        "text",
        [
            """{"v":1,"match":{"all":[
              {"did":"ordered","where":[{"attr":"product.id","op":"in","value":["1001"]}],
               "count":{"op":"gte","n":2},"during":{"last":"1y"}},
              {"did":"ordered","where":[{"attr":"product.id","op":"is","value":"1001"}],
               "count":{"op":"eq","n":0},"during":{"last":"30d"}},
              {"predict":"buy_again","product":"1001","horizon":"30d","op":"gte","value":0.25},
              {"reachable":"email"}]}}""",
            """{"v":1,"match":{"all":[
              {"rank":"spend.net","top_percent":10},
              {"any":[{"life":"stopped","event":"ordered","gap":"90d","during":{"ever":true}},
                      {"predict":"lapse","horizon":"90d","op":"gte","value":0.6}]},
              {"none":[{"in":"seg_7"},{"attr":"country","op":"in","value":["DE","FR"]}]}]}}""",
            """{"v":1,"match":{"all":[
              {"first":{"did":"ordered","where":[{"attr":"product.type","op":"is","value":"Camera"}]},
               "then":{"did":"ordered","where":[{"attr":"product.type","op":"is","value":"Lens"}],
                       "count":{"op":"eq","n":0}},"within":"60d"},
              {"attr":"metafield.facts.birth_date","op":"set"},
              {"did":"email_clicked","where":[{"attr":"bot","op":"false"}],"during":{"last":"90d"}},
              {"sample":{"percent":90,"salt":"q4"}}]}}""",
        ],
    )
    def test_can_be_written_evaluated_and_said(self, text: str) -> None:
        rule = parse(json.loads(text))
        of = shop(segments={"seg_7": {1}})
        with connect(of) as connection:
            assert evaluate(rule, world(of, connection)).members == BitMap()
        assert sentence(rule, WORDING).startswith("Customers ")
