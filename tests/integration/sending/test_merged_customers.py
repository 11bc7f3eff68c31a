"""Sending to customers that turned out to be one person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.mail.transport import Delivery
from app.services import plan_sends, send_due
from app.services.merge import merge_customers
from tests.integration.sending.world import COFFEE

if TYPE_CHECKING:
    from tests.integration.sending.world import World


@pytest.fixture
def coffee(world: World) -> int:
    return world.coffee_drinkers(3)


def tick(world: World) -> None:
    plan_sends.plan(world.rooms, world.ctx)
    send_due.send(world.rooms, world.ctx)


def mailed(world: World) -> list[str]:
    return [envelope.rcpt_to for envelope in world.transport.taken]


class TestAMerge:
    def test_ends_the_retry_of_one_when_the_other_was_mailed(self, world: World, coffee: int) -> None:
        world.members(coffee, [1])
        world.campaign(coffee, name="A")
        tick(world)
        world.campaign(world.segment("again", "repurchase", [2], COFFEE), name="B")
        world.clock.advance(timedelta(minutes=5))
        world.transport.script = [Delivery("not_accepted", "body: 451")]
        tick(world)
        assert world.message_states() == {1: "sent", 2: "queued"}
        merge_customers(world.rooms, world.ctx, kept=1002, deleted=1001)
        world.clock.advance(timedelta(minutes=5))
        send_due.send(world.rooms, world.ctx)
        assert mailed(world) == ["c1@example.com"]
        assert world.message_states() == {1: "sent", 2: "capped"}

    def test_between_planning_and_hand_over_stops_a_campaign_that_mails_once(self, world: World, coffee: int) -> None:
        world.members(coffee, [1])
        world.campaign(coffee, name="A", frequency="once")
        tick(world)
        world.clock.advance(timedelta(days=8))
        world.members(coffee, [2])
        assert plan_sends.plan(world.rooms, world.ctx).queued == 1
        merge_customers(world.rooms, world.ctx, kept=1002, deleted=1001)
        assert send_due.send(world.rooms, world.ctx).cancelled == 1
        assert mailed(world) == ["c1@example.com"]

    def test_brings_along_what_a_campaign_has_sent_before(self, world: World, coffee: int) -> None:
        world.members(coffee, [1])
        world.campaign(coffee, name="A", frequency="once")
        tick(world)
        merge_customers(world.rooms, world.ctx, kept=1002, deleted=1001)
        merge_customers(world.rooms, world.ctx, kept=1003, deleted=1002)
        world.members(coffee, [3])
        world.clock.advance(timedelta(days=8))
        tick(world)
        assert mailed(world) == ["c1@example.com"]
