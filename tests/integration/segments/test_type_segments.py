"""A product with too few likely buyers for a segment of its own is served through its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import Invalid
from app.services import segment_details, segments, segments_preview
from app.services.automatic_segments_products import type_key, type_of
from app.services.campaigns_audience import audience_of
from app.services.evaluate_segments import CHOSEN_FILE, membership
from app.services.segments_world import find
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    from app.store.models.segments import Segment
    from tests.integration.segments.conftest import SmallShop

KEY = "buy_again:type:Tea"


@pytest.fixture
def typed(shop: SmallShop) -> SmallShop:
    """Customers 1 to 50 buy some tea again with a chance of no/50, and some coffee and a cup for the first time."""
    pairs = [
        *({"customer_no": no, "product_type": "Tea", "kind": "repurchase", "probability": no / 50}
          for no in range(1, 51)),
        *({"customer_no": no, "product_type": "Coffee", "kind": "repurchase", "probability": no / 50}
          for no in range(1, 51)),
        *({"customer_no": no, "product_type": "Mug", "kind": "cross_sell", "probability": no / 1000}
          for no in range(1, 51)),
    ]  # fmt: skip
    rates = [{"product_type": "Tea", "kind": "repurchase", "base_rate": 0.15, "positives": 9},
             {"product_type": "Coffee", "kind": "repurchase", "base_rate": 0.01, "positives": 8},
             {"product_type": "Mug", "kind": "cross_sell", "base_rate": float("nan"), "positives": 0}]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(pairs), shop.run.dir / "type_pairs.parquet")
    pq.write_table(pa.Table.from_pylist(rates), shop.run.dir / "type_base_rates.parquet")
    return shop


def segment(shop: SmallShop, key: str) -> Segment | None:
    with shop.rooms.store.reading(shop.ctx) as session:
        return find(session, shop.ctx, key)


class TestASegmentOfAType:
    def test_has_the_product_rule_with_the_type_s_own_base_rate(self, typed: SmallShop) -> None:
        refresh_segments(typed)
        found = segment(typed, KEY)
        assert found is not None
        assert found.category == "repurchase"
        assert found.name == "Likely to buy any Tea again within 30 days"
        assert "at least 30.00%" in found.definition
        assert orjson.loads(found.rule_text or "")["match"] == {
            "predict": "buy_again", "product_type": "Tea", "horizon": "30d", "op": "gte", "value": 0.3,
        }  # fmt: skip
        assert set(membership(typed.rooms, typed.ctx, KEY).members) == set(range(15, 51))

    def test_stands_only_where_a_product_of_the_type_has_none(self, typed: SmallShop) -> None:
        refresh_segments(typed)
        assert segment(typed, "buy_again:1001") is not None  # the coffee
        assert segment(typed, "buy_again:type:Coffee") is None
        assert segment(typed, "buy_new:1003") is not None  # the mug
        assert segment(typed, "buy_new:type:Mug") is None

    def test_needs_25_reachable_members_too(self, typed: SmallShop) -> None:
        rates = [{"product_type": "Tea", "kind": "repurchase", "base_rate": 0.3}]
        pq.write_table(pa.Table.from_pylist(rates), typed.run.dir / "type_base_rates.parquet")
        refresh_segments(typed)
        assert segment(typed, KEY) is None

    def test_expects_the_sum_of_its_members_chances_and_shows_them(self, typed: SmallShop) -> None:
        refresh_segments(typed)
        found = segment(typed, KEY)
        assert found is not None
        details = segment_details.details(typed.rooms, typed.ctx, found.id)
        assert details["statistics"]["expected"]["buyers"] == round(sum(no / 50 for no in range(15, 51)), 1)
        assert details["statistics"]["product"] is None
        page = segment_details.members(typed.rooms, typed.ctx, found.id, None, 50)
        by_number = {item["customer_no"]: item for item in page["items"]}
        assert by_number[40]["probability"] == pytest.approx(0.8)
        assert by_number[40]["reason"] == "80.0% chance to buy again within 30 days"

    def test_is_an_audience_of_its_kind_and_type(self, typed: SmallShop) -> None:
        refresh_segments(typed)
        found = segment(typed, KEY)
        assert found is not None
        with typed.rooms.store.reading(typed.ctx) as session:
            audience = audience_of(session, typed.ctx, found.id)
        assert audience is not None
        assert (audience.kind, audience.product_no, audience.product_type) == ("repurchase", None, "Tea")

    def test_goes_where_types_are_no_longer_predicted(self, typed: SmallShop) -> None:
        refresh_segments(typed)
        for name in ("type_pairs", "type_base_rates"):
            (typed.run.dir / f"{name}.parquet").unlink()
        (typed.run.dir / CHOSEN_FILE).unlink()  # a run that predicted anew chooses anew
        refresh_segments(typed)
        found = segment(typed, KEY)
        assert found is None or found.state == "retired"


class TestARuleAboutAType:
    def rule(self, product_type: str, **more: Any) -> dict[str, Any]:
        match = {"predict": "buy_again", "product_type": product_type, "op": "gte", "value": 0.5, **more}
        return {"v": 1, "match": match}

    def test_can_be_saved_and_counted(self, typed: SmallShop) -> None:
        number = segments.create(typed.rooms, typed.ctx, "Tea drinkers", self.rule("Tea"))
        assert set(membership(typed.rooms, typed.ctx, number).members) == set(range(25, 51))
        with typed.rooms.store.reading(typed.ctx) as session:
            audience = audience_of(session, typed.ctx, number)
        assert audience is not None
        assert (audience.kind, audience.product_type) == (None, None)  # a custom segment, as any other

    @pytest.mark.parametrize("product_type", ["Milk", "tea"])
    def test_is_refused_for_a_type_without_predictions(self, typed: SmallShop, product_type: str) -> None:
        with pytest.raises(Invalid, match="nothing is predicted for the type"):
            segments.create(typed.rooms, typed.ctx, "Milk drinkers", self.rule(product_type))

    def test_is_offered_by_the_builder_for_predicted_types_alone(self, typed: SmallShop) -> None:
        found = segments_preview.vocabulary(typed.rooms, typed.ctx)
        assert found["predicted_types"] == ["Tea", "Coffee", "Mug"]

    def test_holds_for_nobody_in_a_run_from_before_types(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        with pytest.raises(Invalid, match="nothing is predicted"):
            segments.create(shop.rooms, shop.ctx, "Tea drinkers", self.rule("Tea"))


class TestTheKeyOfAType:
    def test_fits_its_column_and_tells_types_apart(self) -> None:
        long = ["x" * 300 + end for end in "ab"]
        keys = {type_key(what, name) for what in ("buy_again", "buy_new") for name in [*long, "Tea", "type", ""]}
        assert len(keys) == 10
        assert max(map(len, keys)) <= 100

    def test_and_the_rule_name_the_type(self) -> None:
        text = '{"match": {"product_type": "Tea"}}'
        assert type_of(KEY, text) == type_of(type_key("buy_new", "x" * 300), text) == "Tea"
        assert type_of("buy_again:1001", text) is None
        assert type_of(None, text) is None
