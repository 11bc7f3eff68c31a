"""What a receipt counts, of whom, and that it is written once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.services import merge, receipts
from app.services.erase import erase_customer
from app.services.promises import spreads
from app.store.models.sending import Message
from ml.promises import PRIOR_SPREAD
from tests.integration.receipts.conftest import promise_for, rows_of
from tests.integration.sending.world import COFFEE, NOW, TEA, World

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.models.promises import Promise

DUE = NOW + timedelta(days=30)


def soon(days: float) -> datetime:
    return NOW + timedelta(days=days)


def settled(world: World) -> Promise:
    """Import all there is on the day after the promise is due; the receipt."""
    world.clock.advance(DUE + timedelta(days=1) - world.clock.now())
    world.publish()
    assert receipts.settle(world.rooms, world.ctx) == 1
    (row,) = rows_of(world.store, world.ctx)
    return row


def mailed(world: World, customer: int, at: datetime, state: str = "sent") -> None:
    """A message of some campaign, handed over at an instant."""
    with world.store.session(world.ctx) as session:
        session.add(
            Message(
                shop_id=world.ctx.shop_id, id=f"m{customer}-{at:%d}-{state}", customer_no=customer, campaign_id=1,
                occurrence=f"{at:%d}", content_version=1, sender_id=1, product_no=TEA, kind="cross_sell",
                probability=0.2, state=state, planned_at=at, expires_at=at, stamped_at=at,
            )
        )  # fmt: skip


class TestBuyers:
    def test_bought_from_the_promise_on_and_before_it_was_due(self, world: World) -> None:
        days = {1: -0.1, 2: 0, 3: 0.1, 4: 29.9, 5: 30, 6: 31}
        promise_for(world, list(days))
        for who, when in days.items():
            world.bought(who, COFFEE, soon(when))
        assert settled(world).buyers == len({2, 3, 4})

    def test_are_members_who_bought_that_product_and_count_once(self, world: World) -> None:
        promise_for(world, [1, 2, 3])
        for days in (1, 2, 3):
            world.bought(1, COFFEE, soon(days))
        world.bought(2, TEA, soon(1))
        world.bought(9, COFFEE, soon(1))
        assert settled(world).buyers == 1

    def test_who_gave_everything_back_did_not_buy(self, world: World) -> None:
        promise_for(world, [1, 2])
        world.bought(1, COFFEE, soon(1))
        world.lines[-1] |= {"counts": False, "current_quantity": 0}
        world.bought(2, COFFEE, soon(1))
        world.lines[-1] |= {"quantity": 2, "current_quantity": 1}
        assert settled(world).buyers == 1

    def test_who_merged_counts_as_who_they_are_now(self, world: World) -> None:
        for number in (1, 2, 3, 4, 5):
            world.customer(number)
        promise_for(world, [1, 2, 3])
        merge.merge_customers(world.rooms, world.ctx, kept=1004, deleted=1001)  # a member into a stranger
        merge.merge_customers(world.rooms, world.ctx, kept=1003, deleted=1002)  # a member into a member
        world.bought(4, COFFEE, soon(1))
        world.bought(2, COFFEE, soon(2))  # the history still has the number from before
        world.bought(3, COFFEE, soon(3))
        row = settled(world)
        assert (row.buyers, row.gone, row.size) == (2, 1, 3)

    def test_who_was_erased_is_gone_and_not_counted(self, world: World) -> None:
        for number in (1, 2):
            world.customer(number)
        promise_for(world, [1, 2])
        world.bought(1, COFFEE, soon(1))
        world.bought(2, COFFEE, soon(1))
        erase_customer(world.rooms, world.ctx, 1001)
        row = settled(world)
        assert (row.buyers, row.gone, row.size) == (1, 1, 2)


class TestMail:
    def test_in_those_days_is_counted_apart(self, world: World) -> None:
        promise_for(world, [1, 2, 3, 4, 5])
        for number, days in ((1, 10), (2, 10), (3, 10), (4, 10)):
            world.bought(number, COFFEE, soon(days))
        mailed(world, 1, soon(5))  # and bought after
        mailed(world, 2, soon(12))  # had bought before
        mailed(world, 3, soon(-5))  # long before
        mailed(world, 4, soon(5), "held_out")  # never got it
        mailed(world, 5, soon(5), "unknown")  # may have got it, did not buy
        mailed(world, 9, soon(5))  # no member
        row = settled(world)
        assert (row.buyers, row.mailed, row.mailed_buyers) == (4, 3, 1)


class TestWriting:
    def test_waits_for_a_history_that_covers_the_days(self, world: World) -> None:
        promise_for(world, [1])
        world.clock.advance(timedelta(days=29.9))
        world.publish()
        world.clock.advance(timedelta(days=3))
        assert receipts.settle(world.rooms, world.ctx) == 0
        assert rows_of(world.store, world.ctx)[0].settled_at is None

    def test_happens_once_and_forgets_the_members(self, world: World) -> None:
        promise_for(world, [1, 2])
        world.bought(1, COFFEE, soon(1))
        first = settled(world)
        assert first.members is None
        world.bought(2, COFFEE, soon(2))
        world.clock.advance(timedelta(days=5))
        world.publish()
        assert receipts.settle(world.rooms, world.ctx) == 0
        (again,) = rows_of(world.store, world.ctx)
        assert (again.buyers, again.settled_at, again.watermark) == (1, first.settled_at, first.watermark)

    def test_by_two_at_once_keeps_the_first(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        promise_for(world, [1, 2])
        world.clock.advance(timedelta(days=31))
        world.publish()
        real = receipts._count

        def slow(*arguments: object) -> dict[int, receipts.Count]:
            found = real(*arguments)  # type: ignore[arg-type]
            monkeypatch.setattr(receipts, "_count", real)
            world.bought(1, COFFEE, soon(1))
            world.publish()
            assert receipts.settle(world.rooms, world.ctx) == 1
            return found

        monkeypatch.setattr(receipts, "_count", slow)
        assert receipts.settle(world.rooms, world.ctx) == 0
        assert rows_of(world.store, world.ctx)[0].buyers == 1

    def test_before_the_first_import_writes_none(self, world: World) -> None:
        assert receipts.settle(world.rooms, world.ctx) == 0


class TestTheSpread:
    def test_widens_after_receipts_far_off(self, world: World) -> None:
        promise_for(world, list(range(1, 101)))
        with world.store.reading(world.ctx) as session:
            before = spreads(session, world.ctx, world.clock.now())
        assert before == {"repurchase": pytest.approx(PRIOR_SPREAD), "cross_sell": pytest.approx(PRIOR_SPREAD)}
        settled(world)  # nobody came of forty
        with world.store.reading(world.ctx) as session:
            after = spreads(session, world.ctx, world.clock.now())
            then = spreads(session, world.ctx, NOW + timedelta(days=29))
        assert after["repurchase"] > PRIOR_SPREAD + 0.1
        assert after["cross_sell"] == pytest.approx(PRIOR_SPREAD)
        assert then["repurchase"] == pytest.approx(PRIOR_SPREAD)  # a promise learns only from what was due before it
