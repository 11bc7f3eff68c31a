"""Memberships that change by time alone change at their instant, and nothing else is disturbed by it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from app.services import freshness, reevaluate_segments, segments
from app.services.evaluate_segments import membership
from app.store.models.segments import MembershipChange, Segment
from tests.integration.segments.conftest import AS_OF, refresh_segments

if TYPE_CHECKING:
    import pytest

    from tests.integration.segments.conftest import SmallShop

# The newest order of customer n of 1..50 is n days and an hour old: within 25 hours there is that of the first.
TODAY = {"v": 1, "match": {"did": "ordered", "during": {"last": "26h"}}}
NOT_TODAY = {"v": 1, "match": {"did": "ordered", "count": {"op": "eq", "n": 0}, "during": {"last": "26h"}}}
HOUR = timedelta(hours=1) + timedelta.resolution  # the start of a window is in it


def members(shop: SmallShop, segment_id: int) -> list[int]:
    return list(membership(shop.rooms, shop.ctx, segment_id).members)


def history(shop: SmallShop, segment_id: int) -> int:
    with shop.rooms.store.reading(shop.ctx) as session:
        return session.query(MembershipChange).filter_by(segment_id=segment_id).count()


def own(shop: SmallShop, name: str, rule: dict[str, Any]) -> int:
    return segments.create(shop.rooms, shop.ctx, name, rule)


class TestAFlip:
    def test_happens_at_the_instant_that_the_membership_names_and_not_before(self, shop: SmallShop) -> None:
        recent = own(shop, "Recent", TODAY)
        at = membership(shop.rooms, shop.ctx, recent).next_flip_at
        assert at == AS_OF + HOUR
        assert members(shop, recent) == [1]
        shop.clock.advance(timedelta(hours=1))
        assert freshness.shops_that_flip(shop.rooms) == []
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 0
        shop.clock.advance(timedelta.resolution)
        assert freshness.shops_that_flip(shop.rooms) == [shop.ctx]
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 1
        assert members(shop, recent) == []
        assert freshness.shops_that_flip(shop.rooms) == []

    def test_takes_the_segments_along_that_use_it(self, shop: SmallShop) -> None:
        recent = own(shop, "Recent", TODAY)
        others = own(shop, "Others", {"v": 1, "match": {"none": [{"in": f"seg_{recent}"}]}})
        assert 1 not in members(shop, others)
        shop.clock.advance(HOUR)
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 2
        assert 1 in members(shop, others)

    def test_locks_all_its_segments_before_it_takes_a_number(self, shop: SmallShop) -> None:
        """An upload has locked a segment when it takes one: it and a flip could each wait for the other."""
        recent = own(shop, "Recent", TODAY)
        own(shop, "Others", {"v": 1, "match": {"none": [{"in": f"seg_{recent}"}]}})
        shop.clock.advance(HOUR)
        said: list[str] = []
        event.listen(shop.rooms.store.engine, "before_cursor_execute", lambda *given: said.append(given[2]))
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 2
        locks, numbers = (
            [place for place, statement in enumerate(said) if words in statement]
            for words in ("FROM segments", "INTO counters")
        )
        assert len(numbers) == 1
        assert max(locks) < numbers[0]

    def test_that_changes_nobody_is_no_entry_in_the_history_and_says_when_it_looked(self, shop: SmallShop) -> None:
        quiet = own(
            shop, "Quiet", {"v": 1, "match": {"any": [TODAY["match"], {"attr": "country", "op": "is", "value": "US"}]}}
        )
        before, entries = members(shop, quiet), history(shop, quiet)
        shop.clock.advance(HOUR)
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 1
        assert (members(shop, quiet), history(shop, quiet)) == (before, entries)
        assert membership(shop.rooms, shop.ctx, quiet).evaluated_at == AS_OF + HOUR

    def test_on_another_store_day_asks_for_a_refresh_instead(self, shop: SmallShop) -> None:
        own(shop, "Recent", TODAY)
        shop.clock.advance(timedelta(hours=20))
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 0
        assert (shop.ctx.shop_id, "refresh", reevaluate_segments.NEW_DAY) in shop.rooms.jobs.asked  # type: ignore[attr-defined]

    def test_that_fails_keeps_the_last_good_members_and_waits_before_the_next_try(
        self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recent = own(shop, "Recent", TODAY)
        shop.clock.advance(HOUR)
        with monkeypatch.context() as broken:
            broken.setattr("app.services.evaluate_segments.evaluate", _breaks)
            assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 1
        with shop.rooms.store.reading(shop.ctx) as session:
            segment = session.get_one(Segment, (shop.ctx.shop_id, recent))
            assert (segment.state, segment.failed_at) == ("failed", shop.clock.now())
        assert members(shop, recent) == [1]
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 0
        shop.clock.advance(reevaluate_segments.RETRY)
        assert reevaluate_segments.flip(shop.rooms, shop.ctx) == 1
        assert members(shop, recent) == []


class TestAnEdit:
    def test_changes_the_segments_that_use_it_at_once(self, shop: SmallShop) -> None:
        inner = own(shop, "Inner", TODAY)
        outer = own(shop, "Outer", {"v": 1, "match": {"in": f"seg_{inner}"}})
        outermost = own(shop, "Outermost", {"v": 1, "match": {"in": f"seg_{outer}"}})
        segments.change(shop.rooms, shop.ctx, inner, rule=NOT_TODAY)
        assert members(shop, inner) == members(shop, outer) == members(shop, outermost)
        assert len(members(shop, outermost)) == 59


class TestWhoCanBeMailed:
    def test_is_the_same_in_a_preview_and_in_the_segments_beside_it(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        everybody = {"v": 1, "match": {"attr": "orders.count", "op": "gte", "value": 0}}
        from app.services.segments_preview import preview
        from app.services.segments_world import known_reach

        found = preview(shop.rooms, shop.ctx, everybody, 0)
        assert found["reachable"] == len(known_reach(shop.rooms, shop.ctx).reachable)
        assert found["count"] == found["universe"] == 60


def _breaks(*_: object) -> object:
    raise ValueError("the disk is full")
