from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from pyroaring import BitMap
from sqlalchemy import select

from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.services import segment_details, segments, segments_list, segments_preview
from app.services.evaluate_segments import membership
from app.store.models.segments import Segment
from tests.integration.segments.conftest import AS_OF, refresh_segments

if TYPE_CHECKING:
    from tests.integration.segments.conftest import SmallShop

BUYERS = {"v": 1, "match": {"did": "ordered"}}
LIST = {"category": [], "exclude": [], "search": "", "source": [], "include_empty": True, "sort": "size",
        "order": "desc", "cursor": None, "limit": 200}  # fmt: skip


def refreshed(shop: SmallShop) -> None:
    refresh_segments(shop)


def create(shop: SmallShop, name: str = "Buyers", rule: dict[str, Any] | None = None) -> int:
    return segments.create(shop.rooms, shop.ctx, name, rule or BUYERS)


def listed(shop: SmallShop, **change: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = segments_list.page(shop.rooms, shop.ctx, **{**LIST, **change})["items"]
    return items


class TestCreate:
    def test_a_rule_segment_is_evaluated_at_once(self, shop: SmallShop) -> None:
        number = create(shop)
        assert membership(shop.rooms, shop.ctx, f"seg_{number}").members == BitMap(range(1, 51))

    def test_the_rule_is_kept_as_written(self, shop: SmallShop) -> None:
        rule = {"match": {"any": [{"in": "seg_1"}, {"did": "ordered"}]}, "v": 1}
        create(shop, "First")
        number = create(shop, "Second", rule)
        with shop.rooms.store.reading(shop.ctx) as session:
            row = session.get_one(Segment, (shop.ctx.shop_id, number))
        assert row.rule_text == '{"match":{"any":[{"in":"seg_1"},{"did":"ordered"}]},"v":1}'

    def test_a_name_is_taken_whatever_its_case(self, shop: SmallShop) -> None:
        create(shop, "Buyers")
        with pytest.raises(Conflict, match="already a segment"):
            create(shop, " buyers ")

    @pytest.mark.parametrize(
        ("match", "place"),
        [
            ({"all": [{"did": "danced"}]}, "rule.match.all[0].did"),
            ({"in": "seg_99"}, "rule.match.in"),
            ({"predict": "buy_again", "product": "5", "op": "gte", "value": 0.5}, "rule.match.product"),
        ],
    )
    def test_a_rule_that_cannot_be_is_refused_with_its_place(
        self, shop: SmallShop, match: dict[str, Any], place: str
    ) -> None:
        with pytest.raises(Invalid) as caught:
            create(shop, "X", {"v": 1, "match": match})
        assert caught.value.field == place
        assert not listed(shop)

    def test_events_that_the_history_does_not_hold_are_refused_and_not_counted_as_none(self, shop: SmallShop) -> None:
        rule = {"v": 1, "match": {"did": "email_clicked", "count": {"op": "eq", "n": 0}}}
        with pytest.raises(Invalid, match="not available yet"):
            create(shop, "X", rule)
        with pytest.raises(Invalid, match="not available yet"):
            segments_preview.preview(shop.rooms, shop.ctx, rule, 0)

    def test_automatic_segments_can_be_used_by_key(self, shop: SmallShop) -> None:
        refreshed(shop)
        number = create(shop, "Fresh", {"v": 1, "match": {"all": [{"in": "auto:active"}, {"reachable": "email"}]}})
        active = membership(shop.rooms, shop.ctx, "auto:active").members
        assert membership(shop.rooms, shop.ctx, number).members == active - BitMap([1, 2, 4, 6, 8])


class TestChange:
    def test_a_changed_rule_is_a_new_version_and_the_old_one_can_come_back(self, shop: SmallShop) -> None:
        number = create(shop)
        segments.change(shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"none": [{"did": "ordered"}]}})
        assert membership(shop.rooms, shop.ctx, number).members == BitMap(range(51, 61))
        segments.restore_version(shop.rooms, shop.ctx, number, 1)
        assert membership(shop.rooms, shop.ctx, number).members == BitMap(range(1, 51))
        assert [v["version"] for v in segments.versions(shop.rooms, shop.ctx, number)] == [3, 2, 1]

    def test_a_circle_is_refused_with_its_path(self, shop: SmallShop) -> None:
        first = create(shop, "First")
        second = create(shop, "Second", {"v": 1, "match": {"in": f"seg_{first}"}})
        with pytest.raises(Invalid, match="“First” → “Second” → “First”"):
            segments.change(shop.rooms, shop.ctx, first, rule={"v": 1, "match": {"in": f"seg_{second}"}})

    @pytest.mark.parametrize("upwards", [True, False])
    def test_a_chain_of_more_than_five_references_is_refused_from_whichever_end_it_grows(
        self, shop: SmallShop, upwards: bool
    ) -> None:
        chain = [create(shop, f"Link {position}") for position in range(7)]
        edits = [(user, used) for used, user in pairwise(chain)]
        for user, used in edits[:5] if upwards else edits[:0:-1]:
            segments.change(shop.rooms, shop.ctx, user, rule={"v": 1, "match": {"in": f"seg_{used}"}})
        user, used = edits[5] if upwards else edits[0]
        with pytest.raises(Invalid, match="more than 5 deep"):
            segments.change(shop.rooms, shop.ctx, user, rule={"v": 1, "match": {"in": f"seg_{used}"}})

    def test_two_chains_that_an_edit_would_join_count_together(self, shop: SmallShop) -> None:
        chain = [create(shop, f"Link {position}") for position in range(8)]
        for used, user in [*pairwise(chain[:4]), *pairwise(chain[4:])]:
            segments.change(shop.rooms, shop.ctx, user, rule={"v": 1, "match": {"in": f"seg_{used}"}})
        with pytest.raises(Invalid, match="more than 5 deep"):
            segments.change(shop.rooms, shop.ctx, chain[4], rule={"v": 1, "match": {"in": f"seg_{chain[3]}"}})

    def test_a_segment_cannot_use_itself(self, shop: SmallShop) -> None:
        first = create(shop, "First")
        with pytest.raises(Invalid, match="circle"):
            segments.change(shop.rooms, shop.ctx, first, rule={"v": 1, "match": {"none": [{"in": f"seg_{first}"}]}})

    def test_automatic_segments_are_duplicated_and_not_changed(self, shop: SmallShop) -> None:
        refreshed(shop)
        with shop.rooms.store.reading(shop.ctx) as session:
            number = session.scalars(select(Segment.id).where(Segment.key == "auto:active")).one()
        with pytest.raises(Conflict, match="duplicate it"):
            segments.change(shop.rooms, shop.ctx, number, name="Mine")
        copy = segments.duplicate(shop.rooms, shop.ctx, number)
        segments.change(shop.rooms, shop.ctx, copy, name="Mine")
        assert membership(shop.rooms, shop.ctx, copy).members == membership(shop.rooms, shop.ctx, number).members


class TestDelete:
    def test_what_another_segment_uses_stays_and_the_user_is_named(self, shop: SmallShop) -> None:
        first = create(shop, "First")
        create(shop, "Second", {"v": 1, "match": {"in": f"seg_{first}"}})
        with pytest.raises(Conflict, match="segment “Second”"):
            segments.delete(shop.rooms, shop.ctx, first)

    def test_a_deleted_segment_is_gone_and_comes_back_with_its_members(self, shop: SmallShop) -> None:
        number = create(shop)
        segments.delete(shop.rooms, shop.ctx, number)
        with pytest.raises(NotFound):
            membership(shop.rooms, shop.ctx, number)
        create(shop, "Buyers")  # its name is free meanwhile
        segments.restore(shop.rooms, shop.ctx, number)
        assert len(membership(shop.rooms, shop.ctx, number).members) == 50
        assert {row["name"] for row in listed(shop)} == {"Buyers", "Buyers (2)"}

    def test_one_whose_rule_uses_a_deleted_one_waits_for_that(self, shop: SmallShop) -> None:
        first = create(shop, "First")
        second = create(shop, "Second", {"v": 1, "match": {"none": [{"in": f"seg_{first}"}]}})
        segments.delete(shop.rooms, shop.ctx, second)
        segments.delete(shop.rooms, shop.ctx, first)
        with pytest.raises(Conflict, match="“Second” uses “First”, which is deleted: bring that back first"):
            segments.restore(shop.rooms, shop.ctx, second)
        with pytest.raises(NotFound):
            membership(shop.rooms, shop.ctx, second)
        segments.restore(shop.rooms, shop.ctx, first)
        segments.restore(shop.rooms, shop.ctx, second)
        assert membership(shop.rooms, shop.ctx, second).members == BitMap(range(51, 61))

    def test_after_thirty_days_it_is_too_late(self, shop: SmallShop) -> None:
        number = create(shop)
        segments.delete(shop.rooms, shop.ctx, number)
        shop.clock.advance(timedelta(days=31))
        with pytest.raises(NotFound):
            segments.restore(shop.rooms, shop.ctx, number)


class TestEvaluation:
    def test_referenced_segments_are_evaluated_first_whatever_their_order(self, shop: SmallShop) -> None:
        first = create(shop, "First", {"v": 1, "match": {"attr": "country", "op": "is", "value": "DE"}})
        create(shop, "Second", {"v": 1, "match": {"in": f"seg_{first}"}})
        segments.change(shop.rooms, shop.ctx, first, rule=BUYERS)
        refreshed(shop)
        assert membership(shop.rooms, shop.ctx, "seg_2").members == BitMap(range(1, 51))

    def test_a_segment_flips_no_later_than_the_segments_it_uses(self, shop: SmallShop) -> None:
        recent = {"v": 1, "match": {"did": "ordered", "during": {"last": "36h"}}}
        first = create(shop, "First", recent)
        second = create(shop, "Second", {"v": 1, "match": {"in": f"seg_{first}"}})
        flips = [membership(shop.rooms, shop.ctx, number).next_flip_at for number in (first, second)]
        # Customer 1 ordered 25 hours ago, and the instant at which a window begins is in it.
        assert flips == [AS_OF + timedelta(hours=11) + timedelta.resolution] * 2

    def test_a_failed_evaluation_keeps_the_last_good_members_and_says_so(self, shop: SmallShop) -> None:
        number = create(shop)
        with shop.rooms.store.session(shop.ctx) as session:
            row = session.get_one(Segment, (shop.ctx.shop_id, number))
            row.rule_text = '{"v": 1, "match": {"all": [{"did": "danced"}, {"in": "seg_2"}]}}'
        shop.clock.advance(timedelta(hours=4))
        refreshed(shop)
        found = segment_details.details(shop.rooms, shop.ctx, number)
        assert found["state"] == "failed"
        assert "danced" in found["reason"] or "must be one of" in found["reason"]
        assert found["statistics"]["size"] == 50
        assert shop.clock.now() - found["evaluated_at"] == timedelta(hours=4)

    def test_before_any_evaluation_there_is_no_membership(self, shop: SmallShop) -> None:
        refreshed(shop)
        with pytest.raises(Unavailable):
            with shop.rooms.store.session(shop.ctx) as session:
                segment = segments.new_segment(session, shop.ctx, "Empty", "upload", shop.clock.now())
            membership(shop.rooms, shop.ctx, segment.id)


class TestList:
    def test_categories_search_and_sort(self, shop: SmallShop) -> None:
        refreshed(shop)
        create(shop)
        assert {row["category"] for row in listed(shop, category=["custom", "retain"])} == {"custom", "retain"}
        assert "retain" not in {row["category"] for row in listed(shop, exclude=["retain"])}
        assert [row["key"] for row in listed(shop, search="MUG likely")] == ["buy_new:1003"]
        sizes = [row["size"] for row in listed(shop)]
        assert sizes == sorted(sizes, reverse=True)
        names = [row["name"] for row in listed(shop, sort="name", order="asc")]
        assert names == sorted(names, key=str.casefold)

    def test_pages_meet_without_gap_or_overlap(self, shop: SmallShop) -> None:
        refreshed(shop)
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = segments_list.page(shop.rooms, shop.ctx, **{**LIST, "limit": 7, "cursor": cursor})
            seen += [row["id"] for row in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [row["id"] for row in listed(shop)]
        assert page["total"] == len(seen) == len(set(seen))

    def test_the_change_over_30_days_needs_30_days_of_history(self, shop: SmallShop) -> None:
        number = create(shop)
        assert listed(shop)[0]["change_30d"] is None
        shop.clock.advance(timedelta(days=31))
        segments.change(shop.rooms, shop.ctx, number, rule={"v": 1, "match": {"none": [{"did": "ordered"}]}})
        assert listed(shop)[0]["change_30d"] == 10 - 50
        assert listed(shop)[0]["sizes"] == [50, 10]


class TestDetails:
    def test_statistics_leaves_and_users_stand_together(self, shop: SmallShop) -> None:
        first = create(shop, "First", {"v": 1, "match": {"all": [{"did": "ordered"}, {"reachable": "email"}]}})
        create(shop, "Second", {"v": 1, "match": {"in": f"seg_{first}"}})
        found = segment_details.details(shop.rooms, shop.ctx, first)
        assert [(leaf["count"], leaf["remaining"]) for leaf in found["leaves"]] == [(50, 50), (55, 45)]
        assert [user.name for user in found["used_by"]] == ["Second"]
        assert found["statistics"]["size"] == found["statistics"]["reachable"] == 45

    def test_members_come_by_page_with_name_and_reason(self, shop: SmallShop) -> None:
        number = create(shop, "Spenders", {"v": 1, "match": {"attr": "spend.net", "op": "gte", "value": 5000}})
        expected = {
            row[0]
            for row in shop.sql(
                """SELECT l.customer_no FROM order_lines l JOIN orders USING (order_id) WHERE orders.counts
                   GROUP BY 1 HAVING sum(net_minor) >= 5000"""
            )
        }
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = segment_details.members(shop.rooms, shop.ctx, number, cursor, 7)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert [item["customer_no"] for item in items] == sorted(expected)
        assert items[0]["name"].startswith("Ann-Marie O'Hara")
        assert all(item["reason"].startswith("Total spend: $") for item in items)
        assert all(item["net_spend_minor"] >= 5000 for item in items)

    def test_members_can_be_narrowed_to_the_unreachable(self, shop: SmallShop) -> None:
        number = create(shop)
        page = segment_details.members(shop.rooms, shop.ctx, number, None, 50, reachable=False)
        assert {item["customer_no"]: item["not_reachable"] for item in page["items"]} == {
            1: "unsubscribed", 2: "pending_confirmation", 4: "invalid_email", 6: "no_email", 8: "not_subscribed"
        }  # fmt: skip


class TestPreview:
    def test_a_rule_is_counted_with_funnel_sample_and_missing_note(self, shop: SmallShop) -> None:
        rule = {"v": 1, "match": {"all": [{"attr": "country", "op": "is_not", "value": "DE"}, {"did": "ordered"}]}}
        found = segments_preview.preview(shop.rooms, shop.ctx, rule, 10)
        assert found["count"] == 50
        assert found["reachable"] == 45
        assert found["universe"] == 60
        assert found["from_missing"] == 12  # 4, 8, ... 48 have no country
        assert found["missing_note"].startswith("12 of them")
        assert len(found["sample"]) == 10
        assert found["sentence"] == "Customers whose country is not “DE” and who ordered."

    def test_nothing_is_saved(self, shop: SmallShop) -> None:
        segments_preview.preview(shop.rooms, shop.ctx, BUYERS, 3)
        assert not listed(shop)

    def test_the_vocabulary_names_the_shops_own_fields_and_products(self, shop: SmallShop) -> None:
        found = segments_preview.vocabulary(shop.rooms, shop.ctx)
        assert "metafield.custom.income" in {entry["name"] for entry in found["names"]}
        assert found["products"][0] == {
            "product_id": "1003", "title": "Big Mug", "product_type": "Mug", "buyers": 35
        }  # fmt: skip

    def test_templates_are_rules_that_count(self, shop: SmallShop) -> None:
        refreshed(shop)
        found = segments_preview.templates(shop.rooms, shop.ctx)
        assert len(found) == 5
        for template in found:
            again = segments_preview.preview(shop.rooms, shop.ctx, template["rule"], 0)
            assert again["count"] == template["count"]
