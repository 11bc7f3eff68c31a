"""What a simulation knows of a shop: the lift measured so far, hours, subscriptions, unwanted kinds, own discounts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import select

from app.domain.campaigns import TimingRules
from app.services import campaigns, discount_plans, recommendations, topics
from app.services.simulate import WhatIf, look_ahead
from app.services.simulate_hours import hours
from app.store.models.customers import Customer
from app.store.models.discounts import DiscountBudget, DiscountPlan
from tests.integration.sending.test_campaign_lifecycle import lives_in
from tests.integration.sending.test_recommendations import computed, measured
from tests.integration.sending.world import COFFEE, MUG, NOW, World

if TYPE_CHECKING:
    from app.services.simulate import Simulation

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
A_DAY = timedelta(days=1)
PLAN: dict[str, Any] = {"levels": [500, 1000], "ceiling_minor": 1000, "budget_minor": 100_000, "none_percent": 20}


def asked(world: World, campaign: str, **what_if: Any) -> Simulation:
    return look_ahead(world.rooms, world.ctx, campaign, WhatIf(**what_if))


def mailed_on(found: Simulation) -> list[int]:
    """The days on which anybody is mailed."""
    return [day.first for day in found.by_day if day.emails.expected > 0]


class TestTheLift:
    def test_is_the_stated_prior_of_recommendations_until_something_is_measured(self, world: World, draft: str) -> None:
        (lift,) = asked(world, draft).lifts
        assert (lift.kind, lift.campaigns, lift.lift) == ("repurchase", 0, pytest.approx(recommendations.PRIOR))
        assert lift.low < 0 < lift.high

    def test_is_what_a_recommendation_of_the_kind_says_and_from_as_many_campaigns(
        self, world: World, draft: str
    ) -> None:
        before = asked(world, draft)
        measured(world, 7, 0.45, 0.02)
        measured(world, 8, 0.40, 0.02)
        measured(world, 9, 3.0, 0.02, kind="cross_sell")
        measured(world, 10, 9.0, 0.01, verdict="collecting")
        said = computed(world)[0]
        found = asked(world, draft)
        (lift,) = found.lifts
        assert (lift.kind, lift.campaigns, lift.lift) == ("repurchase", 2, said.lift)
        assert found.added_label == said.expected_label
        assert found.added.expected == pytest.approx(lift.lift * found.baseline.expected, rel=0.2)
        assert found.added.expected > 3 * before.added.expected

    def test_that_does_harm_is_said_as_such(self, world: World, draft: str) -> None:
        measured(world, 7, -0.3, 0.01)
        found = asked(world, draft)
        assert found.lifts[0].lift < -0.2
        assert found.added.expected < 0
        assert found.added.low < 0
        assert found.orders.expected < found.baseline.expected

    def test_of_a_campaign_of_both_kinds_is_said_for_each(self, world: World, draft: str) -> None:
        for number in range(1, 11):
            world.pair(number, MUG, "cross_sell", 0.3, lift=2.0, because_product_no=COFFEE)
        world.publish()
        measured(world, 7, 0.4, 0.02)
        anything = world.campaign(None, name="Anything", active=False)
        found = asked(world, anything)
        assert [(one.kind, one.campaigns) for one in found.lifts] == [("cross_sell", 0), ("repurchase", 1)]
        assert found.added_label.startswith("expected orders (a lift is measured for some")


class TestHours:
    def test_of_a_shop_are_cut_to_days_that_begin_now(self) -> None:
        timing = TimingRules(send_from_hour=8, send_until_hour=10, send_weekdays=(0, 1), ends_on=date(2026, 3, 9))
        at = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)  # Monday, 9:30 in New York, 15:30 in Berlin
        first, last = hours(timing, [NEW_YORK, BERLIN], NEW_YORK, at, 9)
        assert first[0].tolist() == pytest.approx(
            [0.0, 0.0, *[np.nan] * 4, 22.5 / 24 - 1 / 24, *[np.nan] * 2], nan_ok=True
        )
        assert last[0, :2] == pytest.approx([1.0, 0.5 / 24])
        assert first[1, :2] == pytest.approx([16.5 / 24, np.nan], nan_ok=True)

    def test_hold_mail_back_until_they_open(self, world: World, draft: str) -> None:
        timing = {"send_weekdays": [3]}  # now is Monday
        campaigns.change(world.rooms, world.ctx, draft, {"timing": timing})
        found = asked(world, draft, frequency="every", every_days=7, repeats=2, wait_days=0)
        assert {(NOW + day * A_DAY).astimezone(world.ctx.zone).weekday() for day in mailed_on(found)} <= {2, 3}
        assert mailed_on(found)[0] == 2  # Thursday begins within the day that begins on Wednesday noon
        assert found.emails.expected > 20

    def test_withdraw_what_its_customer_bought_while_it_waited(self, world: World, draft: str) -> None:
        for pair in world.pairs:
            pair["probability"] = 0.9
        world.publish()
        late = {"send_from_hour": 5, "send_until_hour": 6}  # now it is seven in the morning
        campaigns.change(world.rooms, world.ctx, draft, {"timing": late})
        found = asked(world, draft, wait_days=5)
        assert found.withdrawn.expected == pytest.approx(20 * 0.077 * 22 / 24, rel=0.5)
        campaigns.change(world.rooms, world.ctx, draft, {"timing": {"send_from_hour": 7, "send_until_hour": 8}})
        assert asked(world, draft, wait_days=5).withdrawn.high == 0

    def test_are_those_of_where_the_customer_lives(self, world: World, draft: str) -> None:
        lives_in(world, **{f"c{number}": ("DE", None) for number in range(1, 6)})
        monday_afternoon = {"send_from_hour": 13, "send_until_hour": 14, "send_weekdays": [0]}
        campaigns.change(world.rooms, world.ctx, draft, {"timing": monday_afternoon})
        found = asked(world, draft)
        assert found.by_day[0].emails.expected == pytest.approx(20, abs=1)
        world.clock.advance(timedelta(hours=1))  # in Germany it is two o'clock
        assert asked(world, draft).by_day[0].emails.expected == pytest.approx(15, abs=1)

    def test_end_with_the_campaigns_last_day(self, world: World, draft: str) -> None:
        for last, days in ((10, [0, 7]), (8, [0])):
            campaigns.change(world.rooms, world.ctx, draft, {"timing": {"ends_on": date(2026, 3, last)}})
            assert mailed_on(asked(world, draft, frequency="every", every_days=7, repeats=4)) == days


class TestWhoIsLeftOut:
    def test_a_running_subscription_speaks_against_reminders_until_it_has_run_out(
        self, world: World, draft: str
    ) -> None:
        for number in range(1, 6):
            world.bought(number, COFFEE, NOW - 50 * A_DAY)
            world.lines[-1]["by_subscription"] = True
        world.publish()
        found = asked(world, draft, days=20)
        assert found.by_day[0].emails.expected == 15
        assert 1 < found.by_day[10].emails.expected <= 5  # who got no delivery by then
        assert sum(day.emails.expected for day in found.by_day[1:10]) == 0

    def test_who_does_not_want_the_kind_is_not_mailed(self, world: World, draft: str) -> None:
        with world.store.session(world.ctx) as session:
            few = list(session.scalars(select(Customer).where(Customer.customer_no <= 3)))
            topics.choose(session, world.ctx, few, {"cross_sell"}, NOW)
        assert asked(world, draft).emails.expected == 17


class TestManagedDiscounts:
    @pytest.fixture
    def managed(self, world: World, draft: str) -> str:
        for pair in world.pairs:
            pair["probability"] = 0.8
        world.publish()
        discount_plans.save(world.rooms, world.ctx, draft, dict(PLAN))
        campaigns.change(world.rooms, world.ctx, draft, {"discount": {"mode": "managed"}})
        return draft

    def test_cost_what_the_plan_gives_and_customers_use(self, world: World, managed: str) -> None:
        found = asked(world, managed)
        assert found.discount_from == "plan"
        assert found.codes is not None
        assert found.codes_minor is not None
        assert found.discount_minor is not None
        # Two of three random levels are above none, for four of five customers.
        assert found.codes.expected == pytest.approx(20 * 0.8 * 2 / 3, rel=0.1)
        assert found.codes_minor.expected == pytest.approx(750 * found.codes.expected, rel=0.05)
        assert 0.3 * found.codes_minor.expected < found.discount_minor.expected < 0.8 * found.codes_minor.expected
        assert found.discount_minor.low < found.discount_minor.expected < found.discount_minor.high

    def test_stay_within_what_is_left_of_the_budget(self, world: World, managed: str) -> None:
        free = asked(world, managed, days=14)
        discount_plans.save(world.rooms, world.ctx, managed, {"budget_minor": 6_000})
        with world.store.session(world.ctx) as session:
            number = session.scalars(select(DiscountPlan.campaign_id)).one()
            session.add(
                DiscountBudget(shop_id=world.ctx.shop_id, campaign_id=number, period="all", reserved_minor=2_500)
            )
        tight = asked(world, managed, days=14, holdout_percent=0)
        assert tight.codes_minor is not None
        assert free.codes_minor is not None
        assert tight.codes_minor.high <= 3_500 < free.codes_minor.low

    def test_give_way_to_a_discount_that_is_tried(self, world: World, managed: str) -> None:
        tried = asked(world, managed, discount_amount_minor=100)
        assert (tried.discount_from, tried.codes) == ("tried", None)
        assert tried.discount_minor is not None
        assert tried.discount_minor.expected == pytest.approx(100 * tried.orders.expected)

    def test_that_brought_orders_bring_them_here_too(self, world: World, managed: str) -> None:
        before = asked(world, managed)
        with world.store.session(world.ctx) as session:
            plan = session.scalars(select(DiscountPlan)).one()
            plan.policy = {"basis": "customers", "levels": [0, 1, 2], "intercept": 0.0, "slopes": [2.0] * 4}
            plan.margin_percent = 90
        after = asked(world, managed)
        assert after.codes is not None
        assert after.added.expected > 2 * before.added.expected
        assert after.baseline.expected == pytest.approx(before.baseline.expected, rel=0.15)

    def test_a_plan_that_cannot_be_used_costs_nothing(self, world: World, draft: str) -> None:
        discount_plans.save(world.rooms, world.ctx, draft, {"levels": []})
        campaigns.change(world.rooms, world.ctx, draft, {"discount": {"mode": "managed"}})
        found = asked(world, draft)
        assert (found.discount_minor, found.discount_from, found.codes) == (None, None, None)
