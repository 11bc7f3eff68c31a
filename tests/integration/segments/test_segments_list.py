"""The list of segments, and the days that its sparkline and change are read from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap
from sqlalchemy import delete, event, select, update

from app.services import segments, segments_list
from app.services.evaluate_segments import Outcome
from app.services.segments_memberships import Writer
from app.store.models.segments import Membership, Segment, SegmentDay
from tests.integration.segments.conftest import AS_OF, refresh_segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.segments.conftest import SmallShop

LIST = {"category": [], "exclude": [], "search": "", "source": [], "include_empty": True, "sort": "size",
        "order": "desc", "cursor": None, "limit": 200}  # fmt: skip


def create(shop: SmallShop) -> int:
    return segments.create(shop.rooms, shop.ctx, "Buyers", {"v": 1, "match": {"did": "ordered"}})


def listed(shop: SmallShop, **change: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = segments_list.page(shop.rooms, shop.ctx, **{**LIST, **change})["items"]
    return items


def many_segments(shop: SmallShop, until: int, *, days: int = 2) -> None:
    """Segments up to that number, each with a membership, figures and days."""
    with shop.rooms.store.session(shop.ctx) as session:
        for no in range(segments_list.page(shop.rooms, shop.ctx, **LIST)["total"] + 1, until + 1):
            figures = {"reachable": no % 97, "net_share": no / 5000, "expected": None, "net_sales_minor": no,
                       "not_reachable": {}, "product": None}  # fmt: skip
            session.add(
                Segment(
                    shop_id=1, id=no, key=None, name=f"Segment {no}", name_key=f"segment {no}", description="",
                    category=segments_list.CATEGORIES[no % 6], source="rule", state="ready", rule_text=None,
                    definition=f"Customers whose rule number is {no}.", version=1, membership_id=no, size=no,
                    reachable=no % 97, net_share=no / 5000, evaluated_at=AS_OF,
                    created_at=AS_OF, updated_at=AS_OF,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                Membership(
                    shop_id=1, id=no, segment_id=no, run_id=1, evaluated_at=AS_OF, size=no, leaves=[],
                    members=BitMap(range(no)).serialize(), statistics=figures, duration_ms=1,
                )
            )  # fmt: skip
            session.add_all(
                SegmentDay(shop_id=1, segment_id=no, day=AS_OF.date() - timedelta(days=40 * k // days), size=no + k,
                           entered_count=0, left_count=0)
                for k in range(days)
            )  # fmt: skip


class TestList:
    def test_each_order_of_the_list_is_by_what_it_shows(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        create(shop)
        shop.clock.advance(timedelta(days=31))
        refresh_segments(shop)
        shown: dict[str, Callable[[dict[str, Any]], Any]] = {
            "reachable": lambda row: row["reachable"],
            "net_share": lambda row: row["net_share"],
            "change": lambda row: row["change_30d"],
            "expected_buyers": lambda row: row["expected"] and row["expected"]["buyers"],
            "evaluated_at": lambda row: row["evaluated_at"],
        }
        for sort, value in shown.items():
            values = [value(row) for row in listed(shop, sort=sort)]
            known = [one for one in values if one is not None]
            assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known)), sort
            assert len(set(known)) > 1 or sort in {"change", "evaluated_at"}

    def test_takes_as_many_queries_for_a_thousand_segments_as_for_ten(self, shop: SmallShop) -> None:
        def queries(**changed: Any) -> int:
            ran: list[str] = []

            def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
                ran.append(statement)

            event.listen(shop.rooms.store.engine, "before_cursor_execute", count)
            page = segments_list.page(shop.rooms, shop.ctx, **{**LIST, **changed})
            event.remove(shop.rooms.store.engine, "before_cursor_execute", count)
            assert page["items"]
            return len(ran)

        many_segments(shop, 10)
        few = [queries(), queries(search="rule"), queries(sort="change"), queries(cursor="5")]
        many_segments(shop, 1000)
        assert listed(shop, sort="name")[0]["name"] == "Segment 999"
        assert [queries(), queries(search="rule"), queries(sort="change"), queries(cursor="500")] == few


class TestDays:
    def test_a_day_counts_who_is_in_at_its_end_and_was_not_at_its_start(self, shop: SmallShop) -> None:
        number = create(shop)
        days = [
            [{1, 2, 3}],  # everybody was there when it was first worked out
            [{2, 3, 4}, {3, 4, 5}, {1, 3, 4}],  # 5 came and went, 1 went and came back
            [{1, 3, 4}],
        ]
        with shop.rooms.store.session(shop.ctx) as session:
            session.execute(update(Segment).values(membership_id=None))
            session.execute(delete(SegmentDay))
        for evaluations in days:
            for members in evaluations:
                with shop.rooms.store.session(shop.ctx) as session:
                    writer = Writer(session, shop.ctx, None, shop.clock.now(), None)
                    writer.store(session.get_one(Segment, (1, number)), Outcome(BitMap(members)))
            shop.clock.advance(timedelta(days=1))
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = list(session.scalars(select(SegmentDay).order_by(SegmentDay.day)))
        assert [(row.size, row.entered_count, row.left_count) for row in rows] == [(3, 0, 0), (3, 1, 1), (3, 0, 0)]
        assert [row.entered is None for row in rows] == [True, True, False]

    def test_a_day_is_the_shops(self, shop: SmallShop) -> None:
        shop.clock.advance(timedelta(hours=13))  # 4:30 on the 21st in UTC, 23:30 on the 20th in New York
        create(shop)
        with shop.rooms.store.reading(shop.ctx) as session:
            assert [row.day for row in session.scalars(select(SegmentDay))] == [date(2026, 11, 20)]
