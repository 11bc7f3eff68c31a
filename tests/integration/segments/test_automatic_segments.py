"""What holds of the automatic segments in every shop: enough of them, exact thresholds, tiers without a rest."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from app.domain.rules import names
from app.domain.rules.parse import SEGMENT, parse
from app.domain.rules.sentence import Wording, money, sentence
from app.domain.rules.tree import Attr, Predict, leaves
from app.services import (
    automatic_segments,
    automatic_segments_classes,
    automatic_segments_habits,
    automatic_segments_rfm,
    automatic_segments_tiers,
)
from app.services.segments_list import CATEGORIES
from app.services.segments_statistics import Figures
from tests.e2e.journey.segment_sql import Moment, members_sql, prepare
from tests.integration.segments.random_shops import AS_OF, CTX, UNIT, random_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.services.automatic_segments import Definition
    from tests.integration.segments.random_shops import RandomShop

PARTITIONS = automatic_segments_tiers.PARTITIONS | {"buyers by RFM": automatic_segments_rfm.KEYS}
OF_ALL_BUYERS = [name for name in PARTITIONS if name.startswith("buyers ")]
ADDED_UP = ("size", "buyers", "orders", "net_sales_minor")
WORDS = {"one": "1", "two": "2", "a single": "1", "half as much": "0.5 times as much"}


@contextmanager
def opened(seed: int, customers: int) -> Iterator[RandomShop]:
    with tempfile.TemporaryDirectory() as folder:
        shop = random_shop(seed, customers, Path(folder))
        yield shop
        shop.connection.close()


def own_segments(shop: RandomShop) -> dict[str, Definition]:
    """All that need neither a product of its own nor a merchant's field."""
    thresholds = automatic_segments.thresholds(shop.connection, UNIT)
    found = [
        *automatic_segments.definitions(thresholds, CTX),
        *automatic_segments_habits.definitions(thresholds, CTX),
        *automatic_segments_rfm.definitions(shop.connection),
        *automatic_segments_tiers.definitions(shop.connection, CTX, UNIT),
        *automatic_segments_classes.definitions(shop.connection),
    ]
    assert len({one.key for one in found}) == len(found)
    assert len({one.name.casefold() for one in found}) == len(found)
    return {one.key: one for one in found}


def printed(leaf: Attr | Predict) -> set[str]:
    """The thresholds of a condition as a merchant reads them."""
    share = isinstance(leaf, Predict) and leaf.what == "lapse"
    kind = "share" if share else "money"
    if isinstance(leaf, Attr):
        known = names.attribute(leaf.attr)
        assert known
        kind = known.type
    window = leaf.during
    if window is not None:
        assert window.span
        return {f"{window.span.n} days"}
    given: list[Any] = list(leaf.value) if isinstance(leaf.value, tuple) else [leaf.value]
    if kind == "text":
        return {f"“{value}”" for value in given}
    if kind == "money":
        return {money(value, CTX.currency) for value in given}
    if kind == "share":  # a low chance to lapse is told as the high chance to order
        return {f"{1 - value if share and leaf.op == 'lte' else value:.0%}" for value in given}
    return {f"{value:g}" for value in given}


@pytest.fixture(scope="module")
def shop() -> Iterator[RandomShop]:
    with opened(1, 400) as made:
        yield made


@pytest.fixture(scope="module")
def found(shop: RandomShop) -> dict[str, Definition]:
    return own_segments(shop)


class TestDefinitions:
    def test_at_least_45_have_members_without_counting_products_and_fields(
        self, shop: RandomShop, found: dict[str, Definition]
    ) -> None:
        who = {shop.members(one).serialize() for one in found.values()} - {BitMap().serialize()}
        assert len(who) >= 45

    def test_each_says_what_it_is_why_it_matters_and_what_to_do(self, found: dict[str, Definition]) -> None:
        for one in found.values():
            assert one.category in CATEGORIES
            assert one.name
            for text in (one.definition, one.why, one.action):
                assert re.fullmatch(r"[A-Z0-9].{10,}[.]", text), (one.key, text)

    def test_a_rule_can_name_each_and_a_sentence_can_tell_each(self, found: dict[str, Definition]) -> None:
        wording = Wording(CTX.currency, lambda _product: None, lambda _segment: None)
        for one in found.values():
            assert SEGMENT.fullmatch(one.key), one.key
            assert sentence(parse(one.rule), wording).startswith("Customers ")

    def test_thresholds_in_the_rule_are_printed_and_printed_ones_are_in_the_rule(
        self, found: dict[str, Definition]
    ) -> None:
        for one in found.values():
            text = re.sub(r" \([^)]*\)|: about the top .*", "", one.definition)
            for word, number in WORDS.items():
                text = re.sub(rf"\b{word}\b", number, text, flags=re.IGNORECASE)
            wanted, spans = set(), set()
            for _, leaf in leaves(parse(one.rule).match):
                if isinstance(leaf, Attr | Predict):
                    wanted |= printed(leaf)
                    span = leaf.horizon if isinstance(leaf, Predict) else leaf.attr.rpartition(".")[2]
                    spans |= {f"{int(days)} days" for days in re.findall(r"(\d+)d", span or "")}
            for threshold in wanted:
                assert re.search(rf"(?<![\w.,]){re.escape(threshold)}(?![\w])", text), (one.key, threshold, text)
            amounts = re.findall(r"\$[\d,.]*\d|[\d.]+%", text)
            assert set(amounts) <= wanted, (one.key, amounts, wanted)
            days = {f"{number} days" for number in re.findall(r"(\d+) days", text)}
            assert days <= wanted | spans | {f"{number} days" for number in wanted}, (one.key, days, wanted, spans)


class TestSentences:
    @given(seed=st.integers(0, 2**32), customers=st.integers(1, 60))
    @settings(max_examples=8, deadline=None)
    def test_sql_written_from_the_sentence_alone_finds_the_members(self, seed: int, customers: int) -> None:
        with opened(seed, customers) as shop:
            store = {"live": shop.reach.universe, "subscribed": shop.reach.reachable, "reachable": shop.reach.reachable}
            for name, members in store.items():
                shop.connection.register(name, pa.table({"customer_no": pa.array(members, pa.int32())}))
            moment = Moment(AS_OF, CTX.timezone)
            for statement in prepare(moment):
                shop.connection.execute(statement)
            for one in own_segments(shop).values():
                rows = shop.connection.execute(members_sql(one.key, one.definition, moment)).fetchall()
                assert {row[0] for row in rows} == set(shop.members(one)), (one.key, one.definition)


class TestPartitions:
    def test_every_cell_of_the_rfm_grid_is_in_exactly_one_group(self) -> None:
        cells = [
            (recency, worth)
            for group in automatic_segments_rfm.GROUPS
            for recency in range(group.recency[0], group.recency[1] + 1)
            for worth in range(group.worth[0], group.worth[1] + 1)
        ]
        assert sorted(cells) == [(recency, worth) for recency in range(1, 6) for worth in range(1, 6)]

    @given(seed=st.integers(0, 2**32), customers=st.integers(1, 60))
    @settings(max_examples=15, deadline=None)
    def test_tiers_share_nobody_and_leave_nobody_out(self, seed: int, customers: int) -> None:
        with opened(seed, customers) as shop:
            found = own_segments(shop)
            rows = shop.connection.execute("SELECT customer_no, orders, median_gap_days FROM features").fetchall()
            whole = {
                **dict.fromkeys(OF_ALL_BUYERS, shop.buyers),
                "predicted by value": shop.predicted,
                "predicted by churn": shop.predicted,
                "repeat buyers by rhythm": {no for no, _, gap in rows if gap is not None},
                "regular buyers by day": {no for no, orders, _ in rows if orders >= 3},
            }
            assert set(whole) == set(PARTITIONS)
            for name, keys in PARTITIONS.items():
                tiers = [set(shop.members(found[key])) for key in keys]
                assert set().union(*tiers) == whole[name], name
                assert sum(map(len, tiers)) == len(whole[name]), name

    @given(seed=st.integers(0, 2**32), customers=st.integers(1, 60))
    @settings(max_examples=8, deadline=None)
    def test_figures_of_the_tiers_add_up_to_the_shops(self, seed: int, customers: int) -> None:
        with opened(seed, customers) as shop:
            found = own_segments(shop)
            figures = Figures(shop.connection, shop.reach, UNIT)
            whole = figures.statistics(shop.reach.universe)
            never = shop.members(found["auto:never_ordered"])
            for name in OF_ALL_BUYERS:
                parts = [shop.members(found[key]) for key in PARTITIONS[name]]
                told = [figures.statistics(part) for part in [*parts, never]]
                assert {key: sum(one[key] for one in told) for key in ADDED_UP} == {key: whole[key] for key in ADDED_UP}
                assert sum(one["reachable"] for one in told) == whole["reachable"]
                for share in ("order_share", "net_share", "share_of_customers"):
                    assert sum(one[share] for one in told) == pytest.approx(whole[share]), (name, share)
