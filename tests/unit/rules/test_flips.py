"""Until the next flip, time alone changes nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.rules.evaluate import World, evaluate
from app.domain.rules.parse import parse
from tests.unit.rules.random_rules import LEAVES
from tests.unit.rules.shops import connect, random_shop, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.rules.brute import Shop

FAR = timedelta(days=1200)
TICK = timedelta(microseconds=1)


def without_a_future(seed: int) -> Shop:
    """A random shop in which nothing more will happen; dates that customers have may lie ahead."""
    shop = random_shop(seed)
    shop.orders = [o for o in shop.orders if o["processed_at"] < shop.as_of]
    for order in shop.orders:
        for column in ("refunded_at", "cancelled_at"):
            if order[column] is not None:
                order[column] = min(order[column], shop.as_of - TICK)
    shop.events = [e for e in shop.events if e["at"] < shop.as_of]
    return shop


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    shops = [without_a_future(seed) for seed in range(8)]
    connections = [connect(shop) for shop in shops]
    yield [world(shop, connection) for shop, connection in zip(shops, connections, strict=True)]
    for connection in connections:
        connection.close()


class TestNextFlip:
    @settings(max_examples=200, deadline=None)
    @given(which=st.integers(0, 7), seed=st.integers(0, 2**32), part=st.floats(0, 1))
    def test_members_stay_until_it_comes(self, worlds: list[World], which: int, seed: int, part: float) -> None:
        r = random.Random(seed)
        rule = parse({"v": 1, "match": r.choice(LEAVES)(r, 5)})
        at_first = replace(worlds[which], cache={})
        found = evaluate(rule, at_first)
        end = found.next_flip or at_first.as_of + FAR
        assert end >= at_first.as_of
        span = end - at_first.as_of
        for later in (at_first.as_of + span * part, end - TICK):
            if at_first.as_of <= later < end:
                again = evaluate(rule, replace(at_first, as_of=later, cache={}))
                assert set(again.members) == set(found.members), (rule, later)
