"""The proof: the compiler and an evaluator that knows nothing of it agree on random rules about random shops."""

from __future__ import annotations

import ast
import os
import random
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest

from app.domain.rules.evaluate import evaluate
from app.domain.rules.parse import parse
from tests.unit.rules import brute, brute_time
from tests.unit.rules.random_rules import EXPECTED, random_rule, tally
from tests.unit.rules.shops import connect, random_shop, world

CASES = int(os.environ.get("ENCORE_RULES_PROOF", "3000"))
WHOLE = 10_000
SHOPS = 25
LEAST = 100 if CASES >= WHOLE else 50 * CASES // WHOLE  # a slice of the proof asks for half its share


class TestAgainstBruteForce:
    used: ClassVar[Counter[str]] = Counter()
    telling: ClassVar[int] = 0

    @pytest.mark.parametrize("seed", range(SHOPS))
    def test_every_random_rule_selects_the_same_customers(self, seed: int) -> None:
        shop = random_shop(seed)
        r = random.Random(seed + 1000)
        with connect(shop) as connection:
            opened = world(shop, connection)
            for _ in range(CASES // SHOPS):
                raw = random_rule(r)
                expected = brute.members(raw, shop)
                found = evaluate(parse(raw), opened)
                assert set(found.members) == expected, raw
                assert found.reachable == len(expected & shop.reachable)
                tally(raw, self.used)
                type(self).telling += expected not in (set(), shop.universe)

    def test_at_least_a_third_of_the_cases_tell_something(self) -> None:
        assert self.telling >= CASES * 0.3

    def test_every_production_operator_window_and_missing_mode_is_used(self) -> None:
        assert {name: self.used[name] for name in EXPECTED if self.used[name] < LEAST} == {}

    @pytest.mark.parametrize("module", [brute, brute_time])
    def test_the_other_evaluator_imports_nothing_of_encore(self, module: object) -> None:
        tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        assert [name for name in imported if name.startswith("app")] == []
