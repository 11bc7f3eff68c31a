"""Segments change for everybody when a run is published: not before, and not against what merchants did meanwhile."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from pyroaring import BitMap
from sqlalchemy import select

from app.services import evaluate_segments, segments, upload_segment
from app.services.evaluate_segments import evaluate_all, membership
from app.services.reevaluate_segments import evaluate_one
from app.store.models.customers import Customer
from app.store.models.segments import Membership, MembershipChange, Segment
from app.store.models.shops import Run, Snapshot
from tests.integration.segments.conftest import AS_OF, refresh_segments

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.integration.segments.conftest import SmallShop

BUYERS = {"v": 1, "match": {"attr": "orders.count", "op": "gte", "value": 1}}
NO_BUYERS = {"v": 1, "match": {"attr": "orders.count", "op": "is", "value": 0}}
RECENT = {"v": 1, "match": {"attr": "order.last", "during": {"last": "5d"}}}


def upload(shop: SmallShop, *numbers: int, into: int | None = None) -> int:
    content = "email\n" + "".join(f"c{number}@example.com\n" for number in numbers)
    report = upload_segment.upload(
        shop.rooms, shop.ctx, content=content.encode(), filename="friends.csv", name=None, segment_id=into,
        mode="replace", column=None, identifier=None,
    )  # fmt: skip
    return segments.number(report["segment_id"])


def members(shop: SmallShop, number: int | str) -> set[int]:
    return set(membership(shop.rooms, shop.ctx, number).members)


def refresh_while(shop: SmallShop, act: Callable[[], object]) -> list[int]:
    """Refresh; `act` happens when all is evaluated and nothing is stored. Answers what publishing left alone."""
    evaluated = evaluate_all(shop.rooms, shop.ctx, shop.run, lambda _done, _total: None)
    act()
    with shop.rooms.store.session(shop.ctx) as session:
        return evaluate_segments.publish(session, shop.rooms, shop.ctx, evaluated)


class TestWhatMerchantsDoDuringARefresh:
    def test_an_upload_stays(self, shop: SmallShop) -> None:
        friends = upload(shop, 3)
        left = refresh_while(shop, lambda: upload(shop, 5, 7, into=friends))
        assert members(shop, friends) == {5, 7}
        assert left == [friends]

    def test_the_list_then_follows_who_was_erased_or_merged(self, shop: SmallShop) -> None:
        friends = upload(shop, 3)

        def replaced_and_erased() -> None:
            upload(shop, 5, 7, 9, into=friends)
            with shop.rooms.store.session(shop.ctx) as session:
                session.get_one(Customer, (shop.ctx.shop_id, 5)).erased_at = shop.clock.now()
                session.get_one(Customer, (shop.ctx.shop_id, 7)).merged_into = 11

        for number in refresh_while(shop, replaced_and_erased):
            evaluate_one(shop.rooms, shop.ctx, number)
        assert members(shop, friends) == {9, 11}

    def test_an_edited_rule_stays(self, shop: SmallShop) -> None:
        number = segments.create(shop.rooms, shop.ctx, "Mine", BUYERS)
        left = refresh_while(shop, lambda: segments.change(shop.rooms, shop.ctx, number, rule=NO_BUYERS))
        assert members(shop, number) == set(range(51, 61))
        assert left == [number]

    def test_a_deleted_one_stays_deleted(self, shop: SmallShop) -> None:
        number = segments.create(shop.rooms, shop.ctx, "Mine", BUYERS)
        with shop.rooms.store.reading(shop.ctx) as session:
            before = session.get_one(Segment, (shop.ctx.shop_id, number)).membership_id
        assert refresh_while(shop, lambda: segments.delete(shop.rooms, shop.ctx, number)) == []
        with shop.rooms.store.reading(shop.ctx) as session:
            assert session.get_one(Segment, (shop.ctx.shop_id, number)).membership_id == before

    def test_a_new_one_is_brought_to_the_run(self, shop: SmallShop) -> None:
        made: list[int] = []
        left = refresh_while(shop, lambda: made.append(segments.create(shop.rooms, shop.ctx, "Mine", BUYERS)))
        assert left == made

    def test_what_nobody_touched_is_stored(self, shop: SmallShop) -> None:
        friends, rule = upload(shop, 3), segments.create(shop.rooms, shop.ctx, "Mine", BUYERS)
        assert refresh_while(shop, lambda: None) == []
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = session.execute(
                select(Segment.id, Membership.run_id).join(Membership, Membership.id == Segment.membership_id)
            ).all()
        assert {tuple(row) for row in rows} >= {(friends, shop.run.run_id), (rule, shop.run.run_id)}


class TestARunThatIsNotPublished:
    def test_changes_nothing_that_anyone_sees(self, shop: SmallShop) -> None:
        refresh_segments(shop)
        recent = segments.create(shop.rooms, shop.ctx, "Recent", RECENT)
        before = self.seen(shop)
        later = dataclasses.replace(shop.run, run_id=2, as_of=AS_OF + timedelta(days=3), snapshot_id=None)
        evaluate_all(shop.rooms, shop.ctx, later, lambda _done, _total: None)  # and then the process dies
        assert self.seen(shop) == before
        assert members(shop, recent) == {1, 2, 3, 4}

    def seen(self, shop: SmallShop) -> list[object]:
        with shop.rooms.store.reading(shop.ctx) as session:
            rows = session.execute(select(Segment.id, Segment.state, Segment.membership_id).order_by(Segment.id)).all()
            changes = list(session.scalars(select(MembershipChange.id).order_by(MembershipChange.id)))
        return [*rows, *changes]


class TestEvaluatingOne:
    def test_an_edit_that_comes_in_between_wins(self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
        number = segments.create(shop.rooms, shop.ctx, "Mine", BUYERS)
        self.meanwhile(monkeypatch, lambda: segments.change(shop.rooms, shop.ctx, number, rule=NO_BUYERS))
        evaluate_one(shop.rooms, shop.ctx, number)
        assert members(shop, number) == set(range(51, 61))

    def test_a_run_that_is_published_in_between_is_the_one_it_ends_on(
        self, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recent = segments.create(shop.rooms, shop.ctx, "Recent", RECENT)

        def publish_next() -> None:
            later = AS_OF + timedelta(days=3)
            (shop.run.dir.parent / "2").symlink_to(shop.run.dir)
            with shop.rooms.store.session(shop.ctx) as session:
                session.add(
                    Run(shop_id=1, id=2, kind="refresh", state="done", as_of=later, started_at=later,
                        finished_at=later, source="refresh", steps=[], detail={}, error=None)
                )  # fmt: skip
                session.flush()
                session.add(
                    Snapshot(shop_id=1, id=2, run_id=2, created_at=later, watermark=later, tables=shop.run.versions)
                )

        self.meanwhile(monkeypatch, publish_next)
        evaluate_one(shop.rooms, shop.ctx, recent)
        assert members(shop, recent) == {1}
        with shop.rooms.store.reading(shop.ctx) as session:
            row = session.scalars(select(Membership).order_by(Membership.id.desc())).first()
        assert row is not None
        assert (row.run_id, BitMap.deserialize(row.members)) == (2, BitMap([1]))

    def meanwhile(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        """Once, `act` happens after an evaluation and before it is stored."""
        run, waiting = evaluate_segments.Evaluating.run, [act]

        def run_and_act(self: evaluate_segments.Evaluating, progress: Callable[[int, int], None]) -> object:
            outcomes = run(self, progress)
            if waiting:
                waiting.pop()()
            return outcomes

        monkeypatch.setattr(evaluate_segments.Evaluating, "run", run_and_act)
