"""What is worked out when a segment's page asks for it: affinity, overlap, trend, gaps, margin."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask import g
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from app.api.app import create_app
from app.errors import Invalid, NotFound
from app.lake.schemas import TABLES
from app.services import (
    segment_details,
    segments,
    segments_affinity,
    segments_gaps,
    segments_overlap,
    segments_trend,
)
from app.services.evaluate_segments import Outcome
from app.services.kept import Kept
from app.services.reevaluate_segments import evaluate_one
from app.services.segments_memberships import Writer
from app.services.segments_world import find
from app.store.models.segments import Segment
from app.store.models.shops import Run
from tests.integration.segments.conftest import AS_OF, COFFEE, publish, refresh_segments

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.integration.segments.conftest import SmallShop


def create(shop: SmallShop, name: str, match: dict[str, Any]) -> int:
    return segments.create(shop.rooms, shop.ctx, name, {"v": 1, "match": match})


def number_of(shop: SmallShop, key: str) -> int:
    with shop.rooms.store.reading(shop.ctx) as session:
        segment = find(session, shop.ctx, key)
    assert segment
    return segment.id


def put(shop: SmallShop, number: int, members: set[int]) -> None:
    with shop.rooms.store.session(shop.ctx) as session:
        writer = Writer(session, shop.ctx, None, shop.clock.now(), None)
        writer.store(session.get_one(Segment, (1, number)), Outcome(BitMap(members)))


class TestAffinity:
    def test_shares_are_of_all_members_and_of_all_customers(self, shop: SmallShop) -> None:
        number = create(shop, "Loyal", {"attr": "orders.count", "op": "gte", "value": 6})
        found = segments_affinity.affinity(shop.rooms, shop.ctx, number)
        buyers = {
            (product, loyal): n
            for product, loyal, n in shop.sql(
                """SELECT product_no, customer_no % 7 >= 5, count(DISTINCT customer_no) FROM order_lines
                   WHERE counts AND ordered_at >= timestamptz '2025-11-21 05:00+00' GROUP BY ALL"""
            )
        }
        assert (found["members"], found["customers"]) == (14, 60)
        assert found["items"]
        for row in found["items"]:
            no = int(row["product_id"]) - 1000
            assert row["members"] == buyers[no, True]
            assert row["customers"] == buyers[no, True] + buyers.get((no, False), 0)
            assert row["member_share"] == row["members"] / 14
            assert row["index"] == pytest.approx(row["members"] / 14 / (row["customers"] / 60))

    def test_what_sets_them_apart_most_comes_first_and_a_handful_is_left_out(self, shop: SmallShop) -> None:
        coffee = {"did": "ordered", "where": [{"attr": "product.id", "op": "is", "value": "1001"}]}
        found = segments_affinity.affinity(shop.rooms, shop.ctx, create(shop, "Coffee", coffee))
        apart = [row["member_share"] - row["customer_share"] for row in found["items"]]
        assert apart == sorted(apart, reverse=True)
        assert found["items"][0]["title"] == "Dark Coffee"
        assert found["items"][0]["member_share"] == 1
        assert {row["title"] for row in found["items"]} == {"Dark Coffee", "Big Mug"}  # nobody of them buys tea
        few = create(shop, "Few", {"attr": "spend.net", "op": "gte", "value": 15_500})
        assert segments_affinity.affinity(shop.rooms, shop.ctx, few)["items"] == []

    def test_purchases_older_than_a_year_do_not_count(self, shop: SmallShop) -> None:
        publish_at(shop, 2, AS_OF + timedelta(days=345))
        number = create(shop, "Buyers", {"did": "ordered"})
        found = segments_affinity.affinity(shop.rooms, shop.ctx, number)
        assert {row["title"]: row["customers"] for row in found["items"]} == dict(
            shop.sql(
                """SELECT p.title, count(DISTINCT customer_no) FROM order_lines l JOIN products p USING (product_no)
                   WHERE counts AND ordered_at >= timestamptz '2026-11-01 04:00+00' GROUP BY 1
                   HAVING count(DISTINCT customer_no) >= 5"""
            )
        )

    def test_follows_the_membership(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        assert segments_affinity.affinity(shop.rooms, shop.ctx, number)["members"] == 50
        put(shop, number, set(range(1, 31)))
        assert segments_affinity.affinity(shop.rooms, shop.ctx, number)["members"] == 30

    def test_nobody_has_no_products(self, shop: SmallShop) -> None:
        number = create(shop, "Nobody", {"attr": "orders.count", "op": "gte", "value": 99})
        assert segments_affinity.affinity(shop.rooms, shop.ctx, number)["items"] == []


def publish_at(shop: SmallShop, run_id: int, as_of: datetime) -> None:
    """A run over the same history, later."""
    publish(shop.rooms, shop.ctx, run_id)
    with shop.rooms.store.session(shop.ctx) as session:
        session.get_one(Run, (1, run_id)).as_of = as_of


class TestOverlap:
    @pytest.fixture
    def three(self, shop: SmallShop) -> list[int]:
        return [
            create(shop, "Buyers", {"did": "ordered"}),
            create(shop, "Reachable", {"reachable": "email"}),
            create(shop, "Loyal", {"attr": "orders.count", "op": "gte", "value": 6}),
        ]

    def test_all_seven_regions_of_three_add_up(self, shop: SmallShop, three: list[int]) -> None:
        found = segments_overlap.overlap(shop.rooms, shop.ctx, three)
        buyers, unreachable = set(range(1, 51)), {1, 2, 4, 6, 8}
        sets = [buyers, set(range(1, 61)) - unreachable, {no for no in buyers if no % 7 >= 5}]
        by_hand = {
            tuple(f"seg_{three[k]}" for k in inside): len(
                set.intersection(*(sets[k] for k in inside)).difference(*(sets[k] for k in range(3) if k not in inside))
            )
            for count in (1, 2, 3)
            for inside in combinations(range(3), count)
        }
        assert {tuple(region["segments"]): region["size"] for region in found["regions"]} == by_hand
        assert sum(region["size"] for region in found["regions"]) == found["together"] == 60
        assert sum(region["reachable"] for region in found["regions"]) == found["together_reachable"] == 55
        assert [one["size"] for one in found["segments"]] == [50, 55, 14]

    def test_two_have_three_regions(self, shop: SmallShop, three: list[int]) -> None:
        found = segments_overlap.overlap(shop.rooms, shop.ctx, three[1:])
        assert [region["size"] for region in found["regions"]] == [13, 42, 1]  # 6 is loyal without an address

    @pytest.mark.parametrize("ids", [[1], [1, 1], [1, 2, 3, 4]])
    def test_another_number_or_twice_the_same_is_refused(self, shop: SmallShop, ids: list[int]) -> None:
        with pytest.raises(Invalid, match="two or three different"):
            segments_overlap.overlap(shop.rooms, shop.ctx, ids)

    def test_a_segment_that_is_not_there_is_not_found(self, shop: SmallShop, three: list[int]) -> None:
        with pytest.raises(NotFound):
            segments_overlap.overlap(shop.rooms, shop.ctx, [three[0], 99])


class TestTrend:
    def test_days_between_evaluations_keep_the_size(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        shop.clock.advance(timedelta(days=2))
        put(shop, number, {1, 2, 60})
        put(shop, number, {1, 2})  # on the same day: 60 came and went
        shop.clock.advance(timedelta(days=1))
        days = segments_trend.trend(shop.rooms, shop.ctx, number)["days"]
        assert [(day["size"], day["entered"], day["left"]) for day in days] == [
            (50, 0, 0), (50, 0, 0), (2, 0, 48), (2, 0, 0)
        ]  # fmt: skip

    def test_ninety_days_start_from_what_was_known_before(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        shop.clock.advance(timedelta(days=200))
        put(shop, number, {1, 2})
        days = segments_trend.trend(shop.rooms, shop.ctx, number)["days"]
        assert len(days) == 90
        assert [day["size"] for day in days] == [50] * 89 + [2]

    def test_sizes_follow_from_entries_and_exits(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        for no in range(1, 12):
            shop.clock.advance(timedelta(hours=9))
            put(shop, number, {k for k in range(1, 61) if k % (no % 4 + 2) == 0})
        days = segments_trend.trend(shop.rooms, shop.ctx, number)["days"]
        assert len(days) > 4
        size = 50
        for day in days:
            size += day["entered"] - day["left"]
            assert size == day["size"]


class TestGaps:
    def test_a_repurchase_segment_counts_the_days_between_its_product_s_purchases(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        found = segments_gaps.gaps(shop.rooms, shop.ctx, number_of(shop, "buy_again:1001"))
        # Even members buy coffee every 14 days.
        expected = sum(no % 7 for no in range(2, 51, 2) if no / 50 >= 0.1)
        by_hand = shop.sql(
            f"""SELECT count(*) - count(DISTINCT customer_no) FROM order_lines
                WHERE counts AND product_no = {COFFEE} AND customer_no BETWEEN 5 AND 50"""
        )[0][0]
        assert (found["of"], found["gaps"], found["median_days"]) == ("product", by_hand, 14)
        assert expected - found["gaps"] == 1  # that of customer 50 was refunded
        assert sum(one["count"] for one in found["bins"]) == found["gaps"]
        assert [one for one in found["bins"] if one["count"]] == [{"low": 14, "high": 16, "count": by_hand}]

    def test_other_segments_count_the_days_between_orders(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        found = segments_gaps.gaps(shop.rooms, shop.ctx, number)
        assert (found["of"], found["gaps"]) == ("orders", sum(no % 7 for no in range(1, 51)))

    @given(gaps=st.dictionaries(st.integers(1, 3000), st.integers(1, 50), max_size=40))
    def test_bins_hold_every_gap_once(self, gaps: dict[int, int]) -> None:
        days = np.array(sorted(gaps), dtype=np.int64)
        times = np.array([gaps[day] for day in sorted(gaps)], dtype=np.int64)
        bins = segments_gaps._bins(days, times)
        assert sum(one["count"] for one in bins) == sum(gaps.values())
        assert len(bins) <= segments_gaps.MOST_BINS + 1
        assert all(one["high"] is not None for one in bins[:-1])


class TestMargin:
    def test_is_of_the_sales_whose_cost_is_known(self, shop: SmallShop) -> None:
        variants = [{"variant_id": COFFEE, "product_no": COFFEE, "cost_minor": 600}]
        full = [{name: row.get(name) for name in TABLES["variants"].names} for row in variants]
        shop.rooms.lake.write(shop.ctx, "variants", pa.Table.from_pylist(full, schema=TABLES["variants"]))
        publish(shop.rooms, shop.ctx, 2)
        number = create(shop, "Buyers", {"did": "ordered"})
        figures = segment_details.details(shop.rooms, shop.ctx, number)["statistics"]
        kept, net = shop.sql(
            f"""SELECT sum(current_quantity), sum(l.net_minor) FROM order_lines l JOIN orders o USING (order_id)
                WHERE o.counts AND product_no = {COFFEE}"""
        )[0]
        assert figures["margin_of_minor"] == net
        assert figures["margin_minor"] == net - 600 * kept

    def test_is_unknown_without_any_cost(self, shop: SmallShop) -> None:
        number = create(shop, "Buyers", {"did": "ordered"})
        assert segment_details.details(shop.rooms, shop.ctx, number)["statistics"]["margin_minor"] is None

    def test_a_run_from_before_costs_and_scores_still_evaluates(self, shop: SmallShop) -> None:
        path = shop.run.dir / "features.parquet"
        old = pq.read_table(path)
        later = [name for name in old.schema.names if name.startswith(("rfm_", "cost"))]
        pq.write_table(old.drop_columns([*later, "night_share"]), path)
        number = create(shop, "Champions", {"attr": "rfm.worth", "op": "gte", "value": 4})
        evaluate_one(shop.rooms, shop.ctx, number)
        assert segment_details.details(shop.rooms, shop.ctx, number)["state"] == "empty"


class TestKept:
    def test_makes_an_answer_once_and_forgets_the_one_not_asked_for_longest(self) -> None:
        kept: Kept[int] = Kept(2)
        made: list[str] = []

        def ask(key: str) -> int:
            return kept.get(key, lambda: made.append(key) or len(made))  # type: ignore[func-returns-value]

        assert [ask("a"), ask("b"), ask("a"), ask("c"), ask("a"), ask("b")] == [1, 2, 1, 3, 1, 4]
        assert made == ["a", "b", "c", "b"]


class TestApi:
    @pytest.fixture
    def client(self, shop: SmallShop) -> FlaskClient:
        def authenticate() -> None:
            g.shop = shop.ctx

        return create_app(shop.rooms, authenticate, []).test_client()

    def test_figures_come_over_http(self, shop: SmallShop, client: FlaskClient) -> None:
        first, second = (f"seg_{create(shop, name, match)}" for name, match in (
            ("Buyers", {"did": "ordered"}), ("Reachable", {"reachable": "email"})
        ))  # fmt: skip
        overlap = client.get(f"/api/segments/overlap?ids={first},{second}").json
        assert [region["size"] for region in overlap["regions"]] == [45, 5, 10]
        assert client.get(f"/api/segments/{first}/affinity").json["members"] == 50
        assert client.get(f"/api/segments/{first}/trend").json["days"] == [
            {"day": "2026-11-20", "size": 50, "entered": 0, "left": 0}
        ]
        assert client.get(f"/api/segments/{first}/gaps").json["median_days"] == 14

    @pytest.mark.parametrize("ids", ["seg_1", "seg_1,seg_2,seg_3,seg_4", "1,2", "seg_1,seg_1", ""])
    def test_another_choice_of_segments_is_refused(self, client: FlaskClient, ids: str) -> None:
        assert client.get(f"/api/segments/overlap?ids={ids}").status_code == 422

    def test_what_is_not_there_is_not_found(self, client: FlaskClient) -> None:
        for tail in ("affinity", "trend", "gaps"):
            assert client.get(f"/api/segments/seg_99/{tail}").status_code == 404
        assert client.get("/api/segments/overlap?ids=seg_98,seg_99").status_code == 404
