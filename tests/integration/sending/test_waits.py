"""A campaign that leaves its frequency to the app: what is drawn, kept, kept to, and learned."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select

from app.services import campaigns_views, merge, plan_sends, send_due, senders, unsubscribe, waits
from app.services.published import published
from app.store.models.sending import Message
from app.store.models.waits import WaitChoice, WaitPolicy
from app.store.outbox import NewMessage
from ml.policy.frequency import ARMS
from tests.integration.sending.world import COFFEE, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.fixture
def shop(world: World) -> World:
    world.coffee_segment = world.coffee_drinkers(3)  # type: ignore[attr-defined]
    return world


def optimised(shop: World, **more: object) -> str:
    segment = shop.coffee_segment  # type: ignore[attr-defined]
    return shop.campaign(segment, name="A", frequency="optimise", wait_days=0, repeats=10, **more)  # type: ignore[arg-type]


def tick(shop: World) -> None:
    plan_sends.plan(shop.rooms, shop.ctx)
    send_due.send(shop.rooms, shop.ctx)


def choices(shop: World) -> list[WaitChoice]:
    with shop.store.reading(shop.ctx) as session:
        return list(session.scalars(select(WaitChoice).order_by(WaitChoice.customer_no, WaitChoice.chosen_at)))


def mailed_on(shop: World, days: Iterable[int]) -> list[int]:
    """On which days of these somebody got a mail; the clock goes from day to day."""
    found = []
    for day in days:
        shop.clock.advance(NOW + timedelta(days=day) - shop.clock.now())
        before = len(shop.transport.taken)
        tick(shop)
        found += [day] * (len(shop.transport.taken) > before)
    return found


def set_days(shop: World, days: int) -> None:
    """As if the policy had drawn this wait."""
    with shop.store.session(shop.ctx) as session:
        for row in session.scalars(select(WaitChoice)):
            row.days = days


def token_of(shop: World, customer: int) -> str:
    with shop.store.reading(shop.ctx) as session:
        mailed = session.scalars(select(Message).where(Message.customer_no == customer)).one()
    return senders.tokens(shop.rooms).make("unsubscribe", [shop.ctx.shop_id, mailed.id, customer])


def message(customer: int, occurrence: str) -> NewMessage:
    return NewMessage(
        customer_no=customer, campaign_id=1, occurrence=occurrence, content_version=1, sender_id=1, product_no=COFFEE,
        purchased_product_no=None, kind="repurchase", probability=0.3, lift=None, expires_at=NOW,
    )  # fmt: skip


class TestWithoutData:
    def test_everyone_waits_21_days(self, shop: World) -> None:
        optimised(shop)
        assert mailed_on(shop, (0, 7, 20, 21, 41, 42)) == [0, 21, 42]

    def test_each_choice_is_kept_with_its_propensities_and_features(self, shop: World) -> None:
        shop.features = [{"customer_no": 1, "orders": 5, "gap_ratio": 1.5}]
        shop.publish()
        optimised(shop)
        tick(shop)
        first, second, _ = choices(shop)
        assert (first.days, first.basis, first.orders, first.gap_ratio) == (21, "start", 5, 1.5)
        assert first.propensities == {str(arm): float(arm == 21) for arm in ARMS}
        assert (second.orders, second.gap_ratio) == (1, None)

    def test_the_diary_shows_the_wait_and_how_likely_it_was(self, shop: World) -> None:
        campaign = optimised(shop)
        tick(shop)
        entry = campaigns_views.decisions(shop.rooms, shop.ctx, campaign).items[0]
        assert (entry.wait_days, entry.wait_probability) == (21, 1.0)

    def test_a_campaign_with_a_fixed_interval_draws_nothing(self, shop: World) -> None:
        campaign = shop.campaign(shop.coffee_segment, name="A", frequency="every", wait_days=0)  # type: ignore[attr-defined]
        tick(shop)
        assert choices(shop) == []
        assert campaigns_views.decisions(shop.rooms, shop.ctx, campaign).items[0].wait_days is None

    def test_who_is_held_out_waits_as_long(self, shop: World) -> None:
        optimised(shop, holdout=100)
        tick(shop)
        assert [row.days for row in choices(shop)] == [21, 21, 21]
        assert len(waits.history(shop.rooms, shop.ctx, published(shop.rooms, shop.ctx)).arm) == 0  # type: ignore[arg-type]


class TestAWait:
    def test_is_kept_to(self, shop: World) -> None:
        optimised(shop)
        tick(shop)
        set_days(shop, 45)
        assert mailed_on(shop, (21, 44, 45, 60)) == [45]

    def test_of_seven_days_is_the_weekly_cap_and_its_margin(self, shop: World) -> None:
        optimised(shop)
        tick(shop)
        set_days(shop, 7)
        shop.clock.advance(timedelta(days=7, minutes=50))
        tick(shop)
        assert len(shop.transport.taken) == 3
        shop.clock.advance(plan_sends.AGAIN_AFTER)
        tick(shop)
        assert len(shop.transport.taken) == 6

    def test_never_opens_the_week_of_another_campaign(self, shop: World) -> None:
        campaign = optimised(shop)
        tick(shop)
        set_days(shop, 1)  # which the policy can't draw
        shop.clock.advance(timedelta(days=3))
        tick(shop)
        assert len(shop.transport.taken) == 3
        entries = campaigns_views.decisions(shop.rooms, shop.ctx, campaign).items
        assert {entry.reason for entry in entries if entry.current} == {"weekly_cap"}

    def test_holds_for_whoever_two_customers_turned_out_to_be(self, shop: World) -> None:
        optimised(shop)
        tick(shop)
        set_days(shop, 60)
        merge.merge_customers(shop.rooms, shop.ctx, kept=1002, deleted=1001)
        shop.members(shop.coffee_segment, [2])  # type: ignore[attr-defined]
        assert mailed_on(shop, (21, 59, 60)) == [60]


class TestLearning:
    def test_a_wait_earns_what_is_spent_in_its_window_less_an_unsubscribe(self, shop: World) -> None:
        shop.values = [{"customer_no": 2, "value_12m": 100.0}]
        optimised(shop)
        tick(shop)
        shop.bought(1, COFFEE, NOW + timedelta(days=6), net_minor=4_000)  # of the e-mail before the wait
        shop.bought(1, COFFEE, NOW + timedelta(days=27), net_minor=600)  # within a week of the one after it
        shop.bought(1, COFFEE, NOW + timedelta(days=29), net_minor=5_000)
        shop.clock.advance(timedelta(days=22))
        unsubscribe.unsubscribe(shop.rooms, token_of(shop, 2), "unsubscribe_link")
        shop.clock.advance(timedelta(days=8))
        shop.publish()
        found = waits.history(shop.rooms, shop.ctx, published(shop.rooms, shop.ctx))  # type: ignore[arg-type]
        reward = dict(zip(found.customer.tolist(), found.reward.tolist(), strict=True))
        assert reward == pytest.approx({1: 200.0, 2: -5 * 100 / 3, 3: 0.0})  # minor units per week of three
        assert found.age_days == pytest.approx(np.full(3, 30.0))
        assert set(found.arm) == {ARMS.index(21)}

    def test_happens_once_per_refresh_and_then_explores(self, shop: World) -> None:
        optimised(shop)
        tick(shop)
        shop.clock.advance(timedelta(days=22))
        tick(shop)
        assert [row.basis for row in choices(shop)] == ["start"] * 6  # the same refresh teaches the same
        shop.clock.advance(timedelta(days=7))
        run = shop.publish()
        shop.clock.advance(timedelta(days=15))
        tick(shop)
        newest = [row for row in choices(shop) if row.chosen_at > NOW + timedelta(days=40)]
        assert [row.basis for row in newest] == ["shop"] * 3
        for row in newest:
            assert sum(row.propensities.values()) == pytest.approx(1)
            assert min(row.propensities.values()) >= 0.05 / 7 - 1e-12
            assert row.propensities[str(row.days)] > 0
        with shop.store.reading(shop.ctx) as session:
            policy = session.get_one(WaitPolicy, shop.ctx.shop_id)
        assert (policy.run_id, policy.basis, policy.choices) == (run, "shop", 3)

    def test_draws_the_same_for_the_same_message(self, shop: World) -> None:
        optimised(shop)
        tick(shop)
        shop.clock.advance(timedelta(days=28))
        shop.publish()
        run = published(shop.rooms, shop.ctx)
        assert run is not None
        wanted = [message(number, f"1:life:{number}") for number in range(1, 40)]
        first = waits.draw(shop.rooms, shop.ctx, run, wanted)
        assert first == waits.draw(shop.rooms, shop.ctx, run, list(reversed(wanted)))
        assert len({drawn.days for drawn in first.values()}) > 2
