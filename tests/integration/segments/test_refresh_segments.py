from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pyroaring import BitMap
from sqlalchemy import select

from app.services import segments, segments_preview
from app.services.dashboard import dashboard
from app.services.evaluate_segments import membership
from app.store.models.customers import Customer
from app.store.models.segments import Membership, MembershipChange, Segment
from tests.integration.segments.conftest import refresh_segments

if TYPE_CHECKING:
    import pytest

    from tests.integration.segments.conftest import SmallShop


def refresh(shop: SmallShop) -> dict[str, Segment]:
    refresh_segments(shop)
    with shop.rooms.store.reading(shop.ctx) as session:
        return {s.key: s for s in session.scalars(select(Segment)) if s.key}


def members(shop: SmallShop, key: str) -> set[int]:
    return set(membership(shop.rooms, shop.ctx, key).members)


class TestRefreshSegments:
    def test_at_least_twenty_automatic_segments_stand_in_all_their_categories(self, shop: SmallShop) -> None:
        found = refresh(shop)
        automatic = [s for s in found.values() if s.key and s.key.startswith("auto:")]
        assert len(automatic) >= 20
        assert {s.category for s in found.values()} == {
            "retain", "behavioral", "demographics", "repurchase", "cross_sell"
        }  # fmt: skip
        assert all(s.definition and s.why and s.action for s in automatic)

    def test_no_two_to_show_have_the_same_members_and_the_empty_say_why(self, shop: SmallShop) -> None:
        found = refresh(shop)
        seen: dict[frozenset[int], str] = {}
        for key, segment in found.items():
            if segment.state == "merged":
                continue
            who = frozenset(members(shop, key))
            if not who:
                assert segment.reason, key
                continue
            assert who not in seen, (key, seen.get(who))
            seen[who] = key

    def test_the_recency_stages_split_all_buyers(self, shop: SmallShop) -> None:
        refresh(shop)
        stages = [members(shop, f"auto:{name}") for name in ("active", "due", "at_risk", "lapsed", "dormant")]
        assert sum(len(stage) for stage in stages) == 50
        assert set().union(*stages) == set(range(1, 51))

    def test_counts_equal_sql_written_by_hand(self, shop: SmallShop) -> None:
        refresh(shop)
        orders = "(SELECT customer_no, count(*) n, min(processed_at) f FROM orders WHERE counts GROUP BY 1)"
        by_hand = {
            "auto:new": f"SELECT customer_no FROM {orders} WHERE f >= timestamptz '2026-10-22 04:00+00'",
            "auto:repeat": f"SELECT customer_no FROM {orders} WHERE n BETWEEN 2 AND 5",
            "auto:big_spenders": """SELECT customer_no FROM order_lines l WHERE NOT is_gift_card AND order_id IN
                (SELECT order_id FROM orders WHERE counts) GROUP BY 1 HAVING sum(net_minor) >= 11800""",
            "auto:high_refund": "SELECT DISTINCT customer_no FROM orders WHERE counts AND refunded_minor > 0",
            "auto:income_50_74k_de6cf54f": """SELECT customer_no FROM customers
                WHERE metafields['custom.income'] = '50-74K'""",
            "buy_new:1003": """SELECT customer_no FROM pairs WHERE product_no = 3 AND kind = 'cross_sell'
                AND probability >= 2 * 0.009""",
            "auto:likely_30d": "SELECT customer_no FROM customer_values WHERE p_order_30d >= 0.5",
        }
        for key, sql in by_hand.items():
            assert members(shop, key) == {row[0] for row in shop.sql(sql)}, key
            assert members(shop, key), key

    def test_a_product_without_25_reachable_members_has_no_segment(self, shop: SmallShop) -> None:
        found = refresh(shop)
        assert "buy_new:1003" in found  # 33 of the mug's candidates reach 1.8%
        assert "buy_again:1001" in found
        assert "buy_again:1002" not in found  # 23 of the tea's 25 candidates reach 10%

    def test_thresholds_are_stored_in_the_rule_and_printed(self, shop: SmallShop) -> None:
        segment = refresh(shop)["buy_new:1003"]
        assert segment.rule_text
        assert '"value":0.018' in segment.rule_text
        assert "at least 1.80%" in segment.definition

    def test_a_second_refresh_of_the_same_data_changes_nobody(self, shop: SmallShop) -> None:
        first = refresh(shop)
        second = refresh(shop)
        assert {key: s.id for key, s in first.items()} == {key: s.id for key, s in second.items()}
        with shop.rooms.store.reading(shop.ctx) as session:
            changes = list(session.scalars(select(MembershipChange).order_by(MembershipChange.id)))
        again = changes[len(changes) // 2 :]
        assert [c.entered_count + c.left_count for c in again] == [0] * len(first)

    def test_old_memberships_go_and_their_changes_stay(self, shop: SmallShop) -> None:
        for _ in range(4):
            found = refresh(shop)
        with shop.rooms.store.reading(shop.ctx) as session:
            active = found["auto:active"].id
            kept = list(session.scalars(select(Membership.id).where(Membership.segment_id == active)))
            changes = list(session.scalars(select(MembershipChange.id).where(MembershipChange.segment_id == active)))
        assert len(kept) == 2
        assert len(changes) == 4
        assert max(kept) == found["auto:active"].membership_id

    def test_who_is_erased_or_merged_leaves_every_segment(self, shop: SmallShop) -> None:
        refresh(shop)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 49)).erased_at = shop.clock.now()
            session.get_one(Customer, (shop.ctx.shop_id, 48)).merged_into = 47
        found = refresh(shop)
        everybody = set().union(*(members(shop, key) for key in found))
        assert not everybody & {48, 49}

    def test_entries_and_exits_explain_the_change(self, shop: SmallShop) -> None:
        refresh(shop)
        before = members(shop, "auto:repeat")
        gone = min(before)
        with shop.rooms.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, gone)).erased_at = shop.clock.now()
        segment = refresh(shop)["auto:repeat"]
        with shop.rooms.store.reading(shop.ctx) as session:
            change = session.get_one(MembershipChange, (shop.ctx.shop_id, segment.membership_id))
        assert BitMap.deserialize(change.left) == BitMap([gone])
        assert before - members(shop, "auto:repeat") == {gone}

    def test_statistics_of_the_stages_add_up_to_the_shop(self, shop: SmallShop) -> None:
        found = refresh(shop)
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = [
                session.get_one(Membership, (shop.ctx.shop_id, found[f"auto:{name}"].membership_id)).statistics
                for name in ("active", "due", "at_risk", "lapsed", "dormant")
            ]
        total = shop.sql("SELECT sum(net_minor) FROM order_lines JOIN orders USING (order_id) WHERE orders.counts")
        assert sum(row["net_sales_minor"] for row in rows) == total[0][0]
        assert abs(sum(row["net_share"] for row in rows) - 1) < 1e-9
        assert all(low["low"] < high["low"] for row in rows for low, high in pairwise(row["probabilities"]))

    def test_expected_buyers_are_the_sum_of_the_members_chances(self, shop: SmallShop) -> None:
        segment = refresh(shop)["buy_new:1003"]
        with shop.rooms.store.reading(shop.ctx) as session:
            row = session.get_one(Membership, (shop.ctx.shop_id, segment.membership_id))
        expected = sum(no / 1000 for no in range(18, 51))
        assert row.statistics["expected"]["buyers"] == round(expected, 1)
        assert row.statistics["expected"]["low"] < expected < row.statistics["expected"]["high"]
        assert sum(b["count"] for b in row.statistics["probabilities"]) == 33

    def test_reachable_has_one_reason_for_everybody_else(self, shop: SmallShop) -> None:
        found = refresh(shop)
        with shop.rooms.store.reading(shop.ctx) as session:
            for segment in found.values():
                row = session.get_one(Membership, (shop.ctx.shop_id, segment.membership_id))
                figures = row.statistics
                assert figures["reachable"] + sum(figures["not_reachable"].values()) == row.size

    def test_a_segment_with_the_same_members_as_another_says_which(self, shop: SmallShop) -> None:
        found = refresh(shop)
        merged = [s for s in found.values() if s.state == "merged"]
        assert merged
        by_name = {s.name: s.key for s in found.values() if s.state != "merged"}
        for segment in merged:
            named = re.fullmatch(r"Has the same [\d,]+ members as “(.+)”\.", segment.reason or "")
            assert named
            assert members(shop, segment.key or "") == members(shop, by_name[named[1]] or "")

    def test_a_merged_segment_moves_under_the_other_s_name_alone(
        self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.dashboard.MOVERS", 1000)
        merged = {s.name for s in refresh(shop).values() if s.state == "merged"}
        moved = [one["name"] for one in dashboard(shop.rooms, shop.ctx).movers]
        assert moved
        assert not merged & set(moved)

    def test_a_rule_that_names_a_merged_segment_means_its_members(self, shop: SmallShop) -> None:
        merged = next(s for s in refresh(shop).values() if s.state == "merged")
        who = members(shop, merged.key or "")
        preview = segments_preview.preview(shop.rooms, shop.ctx, {"v": 1, "match": {"in": merged.key}}, 0)
        assert preview["count"] == len(who) > 0
        others = {"v": 1, "match": {"none": [{"in": merged.key}]}}
        number = segments.create(shop.rooms, shop.ctx, "All others", others)
        assert members(shop, f"seg_{number}") == set(range(1, 61)) - who
        refresh(shop)
        assert members(shop, f"seg_{number}") == set(range(1, 61)) - who

    def test_fields_that_nobody_has_are_off_with_the_reason(self, shop: SmallShop) -> None:
        found = refresh(shop)
        assert found["auto:gender"].state == "off"
        assert "enable" in (found["auto:gender"].reason or "")
