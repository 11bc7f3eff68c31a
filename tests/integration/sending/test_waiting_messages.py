"""Why messages wait, and until when: every message has one reason, so the groups add up to what is in line."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.services import plan_sends, send_due, senders_health, sending_brakes, sending_limits
from app.services.discounts import WAITS_FOR
from app.services.waiting_messages import waiting
from app.store.marks import Marks
from app.store.models.mail_events import SenderDomain, SendingStop
from app.store.models.sending import Message, SendingEpoch
from tests.integration.sending.world import NOW, World, settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.services.waiting_messages import Group

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2026, 3, 3, 5, tzinfo=UTC)  # the shop's, in New York
ALIGNED = {"dkim": {"state": "passed", "passed_at": NOW.isoformat()}}


@pytest.fixture
def shop(world: World) -> World:
    """Twelve messages in line; the daily limits hold."""
    return in_line(world)


@pytest.fixture
def by_hours(world: World) -> World:
    """The same, of a campaign that mails from nine to five: it is seven in New York."""
    return in_line(world, send_from_hour=9, send_until_hour=17)


def in_line(world: World, **timing: int) -> World:
    world.rooms = replace(world.rooms, settings=settings(daily_limits=True))
    world.campaign(world.coffee_drinkers(12), name="A", **timing)
    plan_sends.plan(world.rooms, world.ctx)
    return world


def groups(shop: World) -> dict[str, Group]:
    found = waiting(shop.rooms, shop.ctx, "cmp_1")
    assert sum(group.count for group in found.groups) == found.count
    return {group.why: group for group in found.groups}


def counts(shop: World) -> dict[str, int]:
    return {why: group.count for why, group in groups(shop).items()}


def sent_today(shop: World, number: int) -> None:
    with shop.store.session(shop.ctx) as session:
        sending_limits.count(session, shop.ctx, shop.clock.now(), {"beans.example": number})


def rewrite(shop: World, customers: Iterable[int], **values: object) -> None:
    """Give messages in line what the sender would have written on them."""
    with shop.store.session(shop.ctx) as session:
        for row in session.scalars(select(Message).where(Message.customer_no.in_(list(customers)))):
            for name, value in values.items():
                setattr(row, name, value)


def stop(shop: World) -> None:
    evidence = {"sent": 1000, "hard_bounces": 0, "complaints": 9, "limit": 0.003}
    with shop.store.session(shop.ctx) as session:
        session.add(SendingStop(shop_id=shop.ctx.shop_id, id=1, at=NOW, kind="complaints", evidence=evidence))


class TestALimit:
    def test_of_the_day_holds_all_that_are_left_until_the_shops_midnight(self, shop: World) -> None:
        assert counts(shop) == {"next": 12}
        with shop.store.session(shop.ctx) as session:
            session.add(SenderDomain(shop_id=shop.ctx.shop_id, domain="beans.example", checked_at=NOW, checks=ALIGNED))
        sent_today(shop, 997)
        assert send_due.send(shop.rooms, shop.ctx).sent == 3
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until, group.limit) == ("warm_up", 9, MIDNIGHT, 1000)
        assert group.too_late == 0

    def test_is_known_before_the_sender_meets_it(self, shop: World) -> None:
        sent_today(shop, 499)
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until, group.limit) == ("no_dkim", 12, MIDNIGHT, 499)

    def test_of_the_hour_and_what_will_be_too_old_by_then(self, shop: World) -> None:
        senders_health.choose(shop.rooms, shop.ctx, {"hourly_limit": 10})
        assert send_due.send(shop.rooms, shop.ctx).sent == 10
        left = [customer for customer, state in shop.message_states().items() if state == "queued"]
        rewrite(shop, left[:1], expires_at=NOW + 30 * MINUTE)
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until, group.limit) == ("hourly", 2, NOW + HOUR, 10)
        assert group.too_late == 1

    def test_that_was_lifted_still_holds_what_it_held(self, shop: World) -> None:
        sent_today(shop, 499)
        send_due.send(shop.rooms, shop.ctx)
        shop.rooms = replace(shop.rooms, settings=settings(daily_limits=False))
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until) == ("earlier_limit", 12, MIDNIGHT)

    def test_does_not_speak_for_those_whose_hours_open_after_it(self, by_hours: World) -> None:
        sent_today(by_hours, 499)
        assert counts(by_hours) == {"no_dkim": 12}
        rewrite(by_hours, range(1, 5), not_before=MIDNIGHT + 4 * HOUR)
        assert counts(by_hours) == {"no_dkim": 8, "hours": 4}


class TestAMessage:
    def test_waits_for_its_hours_its_code_or_after_a_failure(self, by_hours: World) -> None:
        rewrite(by_hours, range(1, 4), last_error=WAITS_FOR, not_before=NOW + 5 * MINUTE)
        rewrite(by_hours, range(4, 6), last_error="451 busy", attempts=1, not_before=NOW + 2 * MINUTE)
        rewrite(by_hours, range(6, 7), not_before=None)
        rewrite(by_hours, range(7, 8), state="sending", stamped_at=NOW)
        found = groups(by_hours)
        assert {why: (group.count, group.until) for why, group in found.items()} == {
            "code": (3, NOW + 5 * MINUTE),
            "retry": (2, NOW + 2 * MINUTE),
            "hours": (5, NOW + 2 * HOUR),
            "next": (1, None),
            "sending": (1, None),
        }

    def test_whose_code_was_looked_for_and_whose_hours_came_after_it_waits_for_the_hours(self, by_hours: World) -> None:
        rewrite(by_hours, range(1, 13), last_error=WAITS_FOR)
        assert counts(by_hours) == {"hours": 12}

    @pytest.mark.parametrize("seed", range(2))
    def test_has_one_reason_whatever_stands_on_it(self, shop: World, seed: int) -> None:
        dice = random.Random(seed)
        for customer in range(1, 13):
            rewrite(
                shop, range(customer, customer + 1), state=dice.choice(["queued", "sending", "sent", "cancelled"]),
                attempts=dice.randrange(3), last_error=dice.choice([None, WAITS_FOR, "451 busy"]),
                not_before=dice.choice([None, NOW - HOUR, NOW, NOW + MINUTE, MIDNIGHT, MIDNIGHT + DAY]),
                expires_at=NOW + dice.choice([-HOUR, HOUR, DAY]),
            )  # fmt: skip
        sent_today(shop, dice.choice([0, 499]))
        states = list(shop.message_states().values())
        assert sum(counts(shop).values()) == states.count("queued") + states.count("sending")


class TestTheShop:
    def test_that_is_stopped_says_so_for_every_message_and_counts_who_waited_too_long(self, shop: World) -> None:
        stop(shop)
        rewrite(shop, range(1, 5), expires_at=NOW - MINUTE)
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until, group.too_late) == ("stopped", 12, None, 4)
        sending_brakes.release(shop.rooms, shop.ctx, None)
        assert counts(shop) == {"next": 12}

    def test_that_is_locked_until_a_person_comes_or_until_its_rest_is_over(self, shop: World, tmp_path: Path) -> None:
        shop.store.marks = Marks(tmp_path / "sending", "this")
        with shop.store.session(shop.ctx) as session:
            session.add(SendingEpoch(shop_id=shop.ctx.shop_id, epoch="another", not_before=NOW + DAY))
        stop(shop)
        (group,) = groups(shop).values()
        assert (group.why, group.count, group.until) == ("locked", 12, None)
        with shop.store.session(shop.ctx) as session:
            session.get_one(SendingEpoch, shop.ctx.shop_id).epoch = "this"
        (group,) = groups(shop).values()
        assert (group.why, group.until) == ("locked", NOW + DAY)
        status = senders_health.status(shop.rooms, shop.ctx)
        assert status.lock is not None
        assert (status.lock.until, "rests until" in status.lock.why) == (NOW + DAY, True)


def test_over_http(shop: World) -> None:
    def authenticate() -> None:
        g.shop = shop.ctx

    client = create_app(shop.rooms, authenticate, []).test_client()
    answer = client.get("/api/campaigns/cmp_1/waiting").json
    assert (answer["count"], answer["good_for_hours"]) == (12, 24)
    assert answer["groups"] == [{"why": "next", "count": 12, "until": None, "limit": None, "too_late": 0}]
    assert client.get("/api/campaigns/cmp_9/waiting").status_code == 404
    assert client.get("/api/deliverability").json["lock"] is None
