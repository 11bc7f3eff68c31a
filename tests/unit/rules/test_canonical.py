from __future__ import annotations

import json
import random
from typing import Any

import pytest

from app.domain.rules.canonical import rule_hash
from app.domain.rules.parse import parse
from tests.unit.rules.random_rules import random_rule


def hashed(match: Any) -> str:
    return rule_hash(parse({"v": 1, "match": match}))


def shuffled(node: Any, r: random.Random) -> Any:
    if isinstance(node, dict):
        pairs = [
            (key, r.sample(value, len(value)) if key in {"all", "any", "none", "where"} else value)
            for key, value in node.items()
        ]
        r.shuffle(pairs)
        return {key: shuffled(value, r) for key, value in pairs}
    if isinstance(node, list):
        return [shuffled(item, r) for item in node]
    return node


class TestRuleHash:
    @pytest.mark.parametrize("seed", range(30))
    def test_the_order_of_siblings_and_keys_does_not_matter(self, seed: int) -> None:
        r = random.Random(seed)
        raw = random_rule(r)
        assert rule_hash(parse(raw)) == rule_hash(parse(shuffled(raw, r)))

    def test_defaults_are_filled(self) -> None:
        written = {"did": "ordered", "where": [], "count": {"op": "gte", "n": 1}, "during": {"ever": True}}
        assert hashed({"did": "ordered"}) == hashed(written)

    def test_the_missing_default_follows_the_operator(self) -> None:
        leaf = {"attr": "country", "op": "is_not", "value": "DE"}
        assert hashed(leaf) == hashed({**leaf, "missing": "match"})
        assert hashed(leaf) != hashed({**leaf, "missing": "skip"})

    def test_the_order_of_listed_values_does_not_matter(self) -> None:
        one, other = ({"attr": "country", "op": "in", "value": v} for v in (["DE", "FR"], ["FR", "DE", "FR"]))
        assert hashed(one) == hashed(other)

    def test_rules_from_before_product_types_keep_their_hash(self) -> None:
        known = "002e10a3386f84cddce0487dbba21058d0739d519d9ba81e840f6b95bbfc283f"
        assert hashed({"predict": "buy_again", "product": "7", "op": "gte", "value": 0.2}) == known
        assert hashed({"predict": "buy_again", "product_type": "7", "op": "gte", "value": 0.2}) != known

    def test_between_keeps_its_order(self) -> None:
        assert hashed({"attr": "spend.net", "op": "between", "value": [1, 2]}) != hashed(
            {"attr": "spend.net", "op": "between", "value": [1, 3]}
        )

    def test_different_rules_differ(self) -> None:
        rules = [random_rule(random.Random(seed)) for seed in range(200)]
        by_hash = {rule_hash(parse(rule)) for rule in rules}
        assert len(by_hash) >= len({json.dumps(rule, sort_keys=True) for rule in rules}) * 0.95
