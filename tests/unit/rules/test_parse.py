from __future__ import annotations

from typing import Any

import pytest

from app.domain.rules.parse import MAX_LEAVES, RuleError, parse
from app.domain.rules.tree import EVER, Did, Group, references

LEAF: dict[str, Any] = {"did": "ordered"}


def fault(match: Any) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse({"v": 1, "match": match})
    return caught.value


class TestParse:
    def test_did_counts_at_least_one_ever_unless_told(self) -> None:
        assert parse({"v": 1, "match": LEAF}).match == Did("ordered", (), "gte", 1, EVER)

    def test_count_zero_stands_alone(self) -> None:
        rule = parse({"v": 1, "match": {"did": "ordered", "count": {"op": "eq", "n": 0}}})
        assert isinstance(rule.match, Did)
        assert rule.match.n == 0

    def test_none_stands_alone(self) -> None:
        rule = parse({"v": 1, "match": {"none": [LEAF]}})
        assert isinstance(rule.match, Group)
        assert rule.match.kind == "none"

    def test_segments_that_a_rule_names_are_found_at_any_depth(self) -> None:
        rule = parse({"v": 1, "match": {"all": [{"in": "seg_3"}, {"none": [{"in": "auto:vip"}]}]}})
        assert references(rule) == {"seg_3", "auto:vip"}

    @pytest.mark.parametrize(
        ("match", "path", "words"),
        [
            ({"all": [LEAF, {"attr": "orders.count", "op": "gte", "value": "3"}]}, "match.all[1].value", "must be a number"),  # noqa: E501 - a table
            ({"all": []}, "match.all", "at least one"),
            ({"all": [LEAF], "any": [LEAF]}, "match.any", "not known here"),
            ({"attr": "shoe_size", "op": "is", "value": 3}, "match.attr", "no attribute is called 'shoe_size'"),
            ({"attr": "orders.count"}, "match.op", "takes is, is_not"),
            ({"attr": "orders.count", "op": "contains", "value": 3}, "match.op", "not 'contains'"),
            ({"attr": "orders.count", "op": "gte", "value": True}, "match.value", "must be a number"),
            ({"attr": "orders.count", "op": "gte", "value": float("nan")}, "match.value", "beyond"),
            ({"attr": "spend.net", "op": "between", "value": [5, 1]}, "match.value", "lowest comes first"),
            ({"attr": "country", "op": "in", "value": []}, "match.value", "at least one"),
            ({"attr": "country", "op": "in", "value": ["DE", 7]}, "match.value[1]", "must be a text"),
            ({"attr": "country", "op": "in", "value": ["x"] * 10_001}, "match.value", "10,000"),
            ({"attr": "country", "op": "set", "value": "x"}, "match.value", "takes no value"),
            ({"attr": "country", "op": "is", "value": "DE", "missing": []}, "match.missing", "match or skip"),
            ({"attr": "country", "op": "is", "value": "DE", "colour": 1}, "match.colour", "not known"),
            ({"attr": "order.last", "op": "gte", "value": 3}, "match.op", "set, unset"),
            ({"attr": "country", "during": {"last": "3d"}}, "match.during", "no date"),
            ({"did": "email_forwarded"}, "match.did", "must be one of"),
            ({"did": "danced"}, "match.did", "must be one of ordered"),
            ({"did": "ordered", "count": {"op": "gte", "n": -1}}, "match.count.n", "at least 0"),
            ({"did": "ordered", "count": {"op": "gte"}}, "match.count.n", "missing"),
            ({"did": "ordered", "during": {"last": "30"}}, "match.during.last", "e.g. 30d"),
            ({"did": "ordered", "during": {"last": "0d"}}, "match.during.last", "between 1d"),
            ({"did": "ordered", "during": {"next": "3d"}}, "match.during", "future"),
            ({"did": "ordered", "during": {"ago": ["30d", "60d"]}}, "match.during.ago", "longer"),
            ({"did": "ordered", "during": {"from": "2026-02-30", "to": "2026-03-01"}}, "match.during.from", "must be a date"),  # noqa: E501 - a table
            ({"did": "ordered", "during": {"from": "2026-02-01"}}, "match.during", "belong together"),
            ({"did": "ordered", "where": [{"attr": "bot", "op": "true"}]}, "match.where[0].attr", "not 'bot'"),
            ({"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "p_1"}]}, "match.where[0].value",
             "numeric Shopify id"),
            ({"measure": "median", "of": "ordered.net", "op": "gt", "value": 1}, "match.measure", "sum, avg"),
            ({"measure": "sum", "of": "ordered.shoes", "op": "gt", "value": 1}, "match.of", "must be one of"),
            ({"predict": "buy_again", "op": "gte", "value": 0.2}, "match.product", "missing"),
            ({"predict": "buy_again", "product": "7", "horizon": "60d", "op": "gte", "value": 0.2}, "match.horizon", "30d"),  # noqa: E501 - a table
            ({"predict": "buy_new", "product": "7", "product_type": "Tea", "op": "gte", "value": 0.2}, "match.product_type", "not both"),  # noqa: E501 - a table
            ({"predict": "buy_new", "product_type": "", "op": "gte", "value": 0.2}, "match.product_type", "must be a text"),  # noqa: E501 - a table
            ({"predict": "lapse", "product_type": "Tea", "op": "gte", "value": 0.2}, "match.product_type", "not known"),
            ({"predict": "lapse", "op": "gte", "value": 60}, "match.value", "between 0 and 1"),
            ({"in": "wholesale"}, "match.in", "seg_12"),
            ({"in": "seg_1", "during": {"last": "3d"}}, "match.moved", "entered, left, was_in"),
            ({"in": "seg_1", "moved": "left", "during": {"next": "3d"}}, "match.during", "future"),
            ({"consent": "fax", "is": "yes"}, "match.consent", "email or sms"),
            ({"sample": {"percent": 0, "salt": "x"}}, "match.sample.percent", "above 0"),
            ({"rank": "country", "top_percent": 10}, "match.rank", "not by 'country'"),
            ({"rank": "spend.net"}, "match.top_percent", "is missing"),
            ({"rank": "spend.net", "top_percent": 0}, "match.top_percent", "above 0"),
            ({"rank": "spend.net", "quintile": [0, 5]}, "match.quintile", "from 1 to 5"),
            ({"rank": "spend.net", "top_percent": 10, "among": {"did": "danced"}}, "match.among.did", "must be one of"),
            ({"life": "asleep", "event": "ordered"}, "match.life", "first_time, stopped"),
            ({"life": "stopped", "event": "ordered"}, "match.gap", "is missing"),
            ({"life": "first_time", "event": "ordered", "gap": "3d"}, "match.gap", "not known here"),
            ({"life": "first_time", "event": "email_forwarded"}, "match.event", "must be one of"),
            ({"near": {"lat": 91, "lon": 2, "km": 3}}, "match.near.lat", "between -90 and 90"),
            ({"near": {"lat": 1, "lon": 2, "km": 0}}, "match.near.km", "above 0"),
            ({"first": LEAF, "within": "3d"}, "match.then", "is missing"),
            ({"first": {"reachable": "email"}, "then": LEAF, "within": "3d"}, "match.first", "is a condition like"),
            ({"first": {**LEAF, "count": {"op": "eq", "n": 0}}, "then": LEAF, "within": "3d"}, "match.first.count",
             "begins with something that happened"),
            ({"latest": "ordered", "has": []}, "match.has", "at least one filter"),
            ({"latest": "ordered", "has": [{"attr": "bot", "op": "true"}]}, "match.has[0].attr", "not 'bot'"),
            ({"did": "ordered", "during": {"anniversary": {"next": "3d"}}}, "match.during", "of dates, not of events"),
            ({"attr": "created", "during": {"anniversary": {"next": "3h"}}}, "match.during.anniversary.next", "at most a year"),  # noqa: E501 - a table
            ({"attr": "created", "during": {"anniversary": {"next": "13mo"}}}, "match.during.anniversary.next", "at most a year"),  # noqa: E501 - a table
            ({"attr": "country", "during": {"anniversary": {"next": "3d"}}}, "match.during", "no date"),
            ({"colour": "red"}, "match", "unknown condition"),
            ([], "match", "is an object"),
        ],
    )  # fmt: skip
    def test_a_fault_is_named_with_its_place(self, match: Any, path: str, words: str) -> None:
        found = fault(match)
        assert found.path == path
        assert words in found.problem

    def test_a_hundred_conditions_are_the_limit(self) -> None:
        parse({"v": 1, "match": {"any": [LEAF] * MAX_LEAVES}})
        assert fault({"any": [LEAF] * (MAX_LEAVES + 1)}).path == "match.any[100]"

    def test_five_groups_deep_is_the_limit(self) -> None:
        nested: dict[str, Any] = LEAF
        for _ in range(5):
            nested = {"all": [nested]}
        parse({"v": 1, "match": nested})
        assert "at most 5 deep" in fault({"all": [nested]}).problem

    @pytest.mark.parametrize(
        "raw", [None, [], "rule", {"match": LEAF}, {"v": 2, "match": LEAF}, {"v": True, "match": LEAF}]
    )
    def test_what_is_no_rule_is_refused(self, raw: Any) -> None:
        with pytest.raises(RuleError):
            parse(raw)
