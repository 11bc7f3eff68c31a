from __future__ import annotations

from typing import Any

import pytest

from app.domain.rules import names
from app.domain.rules.parse import parse
from app.domain.rules.sentence import Wording, money, sentence

WORDING = Wording("USD", {"1001": "Dark Coffee"}.get, {"seg_7": "Wholesale"}.get)


def said(match: Any) -> str:
    return sentence(parse({"v": 1, "match": match}), WORDING)


class TestSentence:
    @pytest.mark.parametrize(
        ("match", "text"),
        [
            ({"did": "ordered", "count": {"op": "gte", "n": 2}, "during": {"last": "1y"}},
             "Customers who ordered at least 2 times in the last year."),
            ({"did": "ordered", "count": {"op": "eq", "n": 0}, "during": {"last": "30d"}},
             "Customers who never ordered in the last 30 days."),
            ({"attr": "spend.net", "op": "gte", "value": 125050}, "Customers whose total spend is at least $1,250.50."),
            ({"attr": "country", "op": "is_not", "value": "DE", "missing": "skip"},
             "Customers whose country is not “DE” and is known."),
            ({"predict": "buy_again", "product": "1001", "op": "gte", "value": 0.1234},
             "Customers whose chance to buy “Dark Coffee” again within 30 days is at least 12.34%."),
            ({"predict": "buy_new", "product_type": "Tea", "op": "gte", "value": 0.05},
             "Customers whose chance to buy anything of type “Tea” for the first time within 30 days is at least 5%."),
            ({"all": [{"reachable": "email"}, {"none": [{"in": "seg_7"}]}]},
             "Customers who can be reached by e-mail and not: who are in segment “Wholesale”."),
            ({"measure": "sum", "of": "ordered.net", "during": {"ago": ["60d", "30d"]}, "op": "lt", "value": 1000},
             "Customers whose total order value between 60 days and 30 days ago is less than $10."),
            ({"did": "ordered", "during": {"from": "2026-01-01", "to": "2026-02-01"}},
             "Customers who ordered from 1 January 2026 up to, not including, 1 February 2026."),
            ({"attr": "country", "op": "in", "value": ["DE", "FR", "IT", "ES"]},
             "Customers whose country is one of “DE”, “FR”, “IT” and 1 more."),
            ({"did": "ordered", "where": [{"attr": "product.type", "op": "is", "value": "Coffee"}]},
             "Customers who ordered (product type is “Coffee”)."),
        ],
    )  # fmt: skip
    def test_a_rule_reads_as_english(self, match: Any, text: str) -> None:
        assert said(match) == text

    @pytest.mark.parametrize("name", sorted(names.ATTRIBUTES))
    def test_every_attribute_can_be_said(self, name: str) -> None:
        assert names.ATTRIBUTES[name].words in said({"attr": name, "op": "set"})


class TestMoney:
    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [(125000, "USD", "$1,250"), (1999, "EUR", "€19.99"), (500, "JPY", "¥500"), (1500, "KWD", "1.500 KWD"),
         (-250, "USD", "-$2.50")],
    )  # fmt: skip
    def test_amounts_follow_the_currency(self, minor: int, currency: str, text: str) -> None:
        assert money(minor, currency) == text
