from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from sqlalchemy import select

from app.lake.schemas import TABLES
from app.services.automatic_segments import Definition
from app.services.evaluate_segments import membership, storable
from app.store.models.segments import Segment
from tests.integration.segments.conftest import history, publish, refresh_segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.context import ShopContext
    from tests.integration.segments.conftest import SmallShop


def with_fields(shop: SmallShop, fields_of: Callable[[int], list[tuple[str, str]]], run_id: int = 2) -> None:
    """Give each customer these fields, and refresh."""
    rows = history()["customers"]
    for row in rows:
        row["metafields"] = fields_of(row["customer_no"])
    full = [{name: row.get(name) for name in TABLES["customers"].names} for row in rows]
    shop.rooms.lake.write(shop.ctx, "customers", pa.Table.from_pylist(full, schema=TABLES["customers"]))
    refresh_segments(shop, publish(shop.rooms, shop.ctx, run_id))


def demographics(shop: SmallShop) -> dict[str, set[int]]:
    """Definition → members, of the segments made from fields."""
    with shop.rooms.store.reading(shop.ctx) as session:
        rows = session.scalars(
            select(Segment).where(Segment.category == "demographics", Segment.state.in_(("ready", "empty")))
        ).all()
    return {row.definition: set(membership(shop.rooms, shop.ctx, row.id).members) for row in rows}


def classes(shop: SmallShop) -> list[set[int]]:
    return sorted((who for who in demographics(shop).values() if who), key=min)


ODD, EVEN = set(range(1, 61, 2)), set(range(2, 61, 2))


class TestClassesOfFields:
    def test_spellings_of_one_value_are_one_class(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", ["Male", "male", " MALE "][no % 3])])
        assert classes(shop) == [ODD | EVEN]

    def test_spellings_too_rare_alone_count_together(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", "Male" if no % 2 else "male")] if no <= 12 else [])
        assert set(range(1, 13)) in classes(shop)

    def test_the_usual_spelling_is_shown(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", "male" if no < 5 else "Male")])
        assert "Your customer field custom.gender is “Male”." in demographics(shop)

    def test_a_real_value_unknown_is_not_the_missing_value(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", "Unknown" if no % 2 else "Female")] if no <= 50 else [])
        assert classes(shop) == [set(range(1, 51, 2)), set(range(2, 51, 2)), set(range(51, 61))]

    def test_a_field_of_two_namespaces_has_classes_of_its_own_in_each(self, shop: SmallShop) -> None:
        with_fields(
            shop,
            lambda no: [("custom.gender", "f" if no % 2 else "m"), ("facts.gender", "f" if no <= 30 else "m")],
        )
        assert demographics(shop) == {
            "Your customer field custom.gender is “f”.": ODD,
            "Your customer field custom.gender is “m”.": EVEN,
            "Your customer field facts.gender is “f”.": set(range(1, 31)),
            "Your customer field facts.gender is “m”.": set(range(31, 61)),
            "Your customer field custom.gender is empty.": set(),
            "Your customer field facts.gender is empty.": set(),
        }

    def test_values_in_any_script_are_told_apart(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", "男" if no % 2 else "女")])
        assert classes(shop) == [ODD, EVEN]

    def test_the_key_stays_the_same_when_other_values_come(self, shop: SmallShop) -> None:
        with_fields(shop, lambda no: [("custom.gender", "Male" if no % 2 else "Female")])
        with shop.rooms.store.reading(shop.ctx) as session:
            before = {row.definition: row.key for row in session.scalars(select(Segment))}
        with_fields(shop, lambda no: [("custom.gender", ["Male", "male", "MALE!"][no % 3])], run_id=3)
        with shop.rooms.store.reading(shop.ctx) as session:
            after = {row.definition: row.key for row in session.scalars(select(Segment))}
        male = "Your customer field custom.gender is “Male”."
        assert after[male] == before[male]


class TestDefinitions:
    @pytest.mark.parametrize("rule", [{"v": 1, "match": {"attr": "country", "op": "is", "value": "x" * 10_000}}, None])
    def test_one_that_the_store_would_refuse_is_left_out(self, ctx: ShopContext, rule: dict[str, object]) -> None:
        first = Definition("auto:a", "A", "retain", "", "", "", {"v": 1, "match": {"did": "ordered"}})
        second = Definition("auto:b" if rule else "auto:a", "B", "retain", "", "", "", rule)
        assert storable(ctx, [first, second]) == [first]
