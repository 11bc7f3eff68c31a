"""What a mail server that was away for a while must not change."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.mail.delivery import GIVE_UP_AFTER
from app.mail.transport import Delivery
from app.services import plan_sends, send_due
from app.services.verify_cap import verify_cap
from app.store import outbox
from tests.integration.sending.world import COFFEE, LONG_AGO, MUG, TEA, World

if TYPE_CHECKING:
    from collections.abc import Iterator

AWAY = Delivery("not_accepted", "connection: ConnectionRefusedError")


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Message ids that ascend, so that who comes first in line is known."""
    numbers: Iterator[str] = (f"{n:08d}-0000-0000-0000-000000000000" for n in range(1_000_000))
    monkeypatch.setattr(outbox, "new_id", lambda: next(numbers))


def outage(world: World, batches: int) -> None:
    """The server is away: each call takes a batch of ten into its wait."""
    for _ in range(batches):
        world.transport.script = [AWAY] * GIVE_UP_AFTER
        send_due.send(world.rooms, world.ctx)
    world.transport.script = []


@pytest.mark.usefixtures("in_order")
class TestAfterAnOutage:
    @pytest.fixture
    def tea(self, world: World) -> World:
        """Sixty customers to whom tea is recommended: for the last ten because of another product."""
        for number in range(1, 61):
            because = COFFEE if number <= 50 else MUG
            world.customer(number)
            world.bought(number, because, LONG_AGO)
            world.pair(number, TEA, "cross_sell", 0.5, because_product_no=because, lift=2.0)
        world.sender()
        segment = world.segment("buy_new:102", "cross_sell", list(range(1, 61)), TEA)
        world.publish()
        world.campaign(segment, name="Tea")
        plan_sends.plan(world.rooms, world.ctx)
        outage(world, batches=5)
        return world

    def test_who_bought_meanwhile_is_not_mailed(self, tea: World) -> None:
        tea.bought(55, COFFEE, tea.clock.now())
        tea.bought(56, TEA, tea.clock.now())
        tea.publish()
        done = send_due.send(tea.rooms, tea.ctx)
        assert (done.sent, done.cancelled, done.failed) == (8, 2, 0)
        assert sorted(e.rcpt_to for e in tea.transport.taken) == [
            f"c{n}@example.com" for n in (51, 52, 53, 54, 57, 58, 59, 60)
        ]

    def test_a_desk_that_was_laid_for_others_is_laid_anew(self, tea: World, monkeypatch: pytest.MonkeyPatch) -> None:
        tea.bought(55, COFFEE, tea.clock.now())
        tea.publish()
        real = outbox.due
        # Another worker's batch came back in between: what is stamped is not what was read.
        first = iter([1])
        monkeypatch.setattr(
            outbox,
            "due",
            lambda session, ctx, now, limit, **how: real(
                session, ctx, now, limit if how or not list(first) else 1, **how
            ),
        )
        done = send_due.send(tea.rooms, tea.ctx)
        assert (done.sent, done.cancelled, done.failed) == (9, 1, 0)


class TestAStampThatFails:
    def test_loses_nothing_of_how_the_batch_before_it_ended(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.campaign(world.coffee_drinkers(6), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        monkeypatch.setattr(send_due, "FIRST_BATCH", 4)
        real, batches = outbox.stamp_batch, iter([1])

        def once(*given: Any, **named: Any) -> outbox.Batch:
            if next(batches, None) is None:
                raise OSError("the disk is full")
            return real(*given, **named)

        monkeypatch.setattr(outbox, "stamp_batch", once)
        with pytest.raises(OSError, match="disk"):
            send_due.send(world.rooms, world.ctx)
        assert len(world.transport.taken) == 4
        assert sorted(world.message_states().values()) == ["queued"] * 2 + ["sent"] * 4


class TestAnOutageLongerThanAMessageIsGoodFor:
    def test_costs_nobody_their_week(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(2), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        for _ in range(26):
            outage(world, batches=1)
            world.clock.advance(timedelta(hours=1))
        send_due.send(world.rooms, world.ctx)
        assert world.message_states() == {1: "cancelled", 2: "cancelled"}
        assert plan_sends.plan(world.rooms, world.ctx).queued == 2
        assert send_due.send(world.rooms, world.ctx).sent == 2
        verdict = verify_cap(world.rooms, world.ctx)
        assert (verdict.mails, verdict.too_short, verdict.broken) == (2, [], [])
