"""Asking the simulator: about drafts beside active campaigns, with other settings, without touching anything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from app.domain import campaigns as domain
from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.services import campaigns, plan_sends, send_due, simulate_input
from app.services.simulate import WhatIf, look_ahead
from app.store.models.sending import Message
from tests.integration.sending.world import COFFEE, LONG_AGO, MUG, NOW, TEA, World

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.context import ShopContext

ONCE = WhatIf(frequency="once", wait_days=0, holdout_percent=0)


class TestADraft:
    def test_would_mail_everybody_in_its_segment_on_the_first_day(self, world: World, draft: str) -> None:
        found = look_ahead(world.rooms, world.ctx, draft)
        assert (found.emails.low, found.emails.high, found.reached.expected) == (20, 20, 20)
        assert [week.emails.expected for week in found.weeks] == [20, 0, 0, 0, 0]
        assert [(week.first, week.days) for week in found.weeks] == [(0, 7), (7, 7), (14, 7), (21, 7), (28, 2)]
        assert len(found.by_day) == 30
        assert (found.share, found.others, found.days) == (1.0, 0, 30)

    def test_expects_orders_by_the_predictions_and_labels_what_is_added(self, world: World, draft: str) -> None:
        found = look_ahead(world.rooms, world.ctx, draft)
        assert found.baseline.low <= 20 * 0.35 <= found.baseline.high
        assert found.orders.expected == pytest.approx(found.baseline.expected + found.added.expected)
        assert found.added_label == "expected orders (no lift measured yet)"
        assert [(one.kind, one.campaigns) for one in found.lifts] == [("repurchase", 0)]
        assert found.lifts[0].lift == pytest.approx(0.05)

    def test_leaves_no_trace(self, world: World, draft: str) -> None:
        look_ahead(world.rooms, world.ctx, draft, WhatIf(days=90, repeats=5))
        with world.store.reading(world.ctx) as session:
            assert session.execute(select(func.count()).select_from(Message)).scalar_one() == 0
            row = campaigns.find(session, world.ctx, draft)
            assert (row.state, row.repeats) == ("draft", domain.DEFAULT_REPEATS)

    def test_who_cannot_be_mailed_is_not_counted(self, world: World, draft: str) -> None:
        world.customer(99, consent="NOT_SUBSCRIBED")
        world.pair(99, COFFEE, "repurchase", 0.9)
        world.stock[TEA] = 0
        segment = world.segment(None, "custom", [1, 2, 99])
        world.pair(1, TEA, "repurchase", 0.9)
        world.publish()
        other = world.campaign(segment, name="Other", active=False, frequency="once", wait_days=0)
        assert look_ahead(world.rooms, world.ctx, other, ONCE).emails.expected == 2


class TestWhatIf:
    def test_more_often_mails_more(self, world: World, draft: str) -> None:
        often = WhatIf(frequency="every", every_days=7, repeats=4)
        rarely = WhatIf(frequency="every", every_days=21, repeats=4)
        many, few = (look_ahead(world.rooms, world.ctx, draft, what).emails.expected for what in (often, rarely))
        assert 20 < few < many <= 100

    def test_waiting_after_a_purchase_delays(self, world: World, draft: str) -> None:
        for number in range(1, 11):
            world.bought(number, MUG, NOW - timedelta(days=2))
        world.publish()
        found = look_ahead(world.rooms, world.ctx, draft, WhatIf(wait_days=10))
        assert found.by_day[0].emails.expected == 10
        assert found.weeks[0].emails.expected == 10
        assert found.emails.expected == pytest.approx(20, abs=2)

    def test_a_holdout_takes_its_share(self, world: World, draft: str) -> None:
        found = look_ahead(world.rooms, world.ctx, draft, WhatIf(holdout_percent=50))
        assert found.emails.expected + found.held_out.expected == pytest.approx(20)
        assert found.held_out.low <= 10 <= found.held_out.high

    def test_a_discount_costs_no_more_than_its_ceiling_and_nothing_is_said_without_one(
        self, world: World, draft: str
    ) -> None:
        assert look_ahead(world.rooms, world.ctx, draft).discount_minor is None
        half = look_ahead(world.rooms, world.ctx, draft, WhatIf(discount_percent=50))
        capped = look_ahead(world.rooms, world.ctx, draft, WhatIf(discount_percent=50, discount_ceiling_minor=100))
        assert half.discount_minor is not None
        assert capped.discount_minor is not None
        assert half.discount_minor.expected == pytest.approx(450 * half.orders.expected)
        assert capped.discount_minor.expected == pytest.approx(100 * capped.orders.expected)

    @pytest.mark.parametrize("what", [WhatIf(days=91), WhatIf(wait_days=91), WhatIf(frequency="every", every_days=6)])
    def test_settings_that_are_never_allowed_are_refused(self, world: World, draft: str, what: WhatIf) -> None:
        with pytest.raises(Invalid):
            look_ahead(world.rooms, world.ctx, draft, what)


class TestBesideOthers:
    def test_an_active_campaign_takes_weeks_and_the_cap_effect_says_how_many(self, world: World, draft: str) -> None:
        for number in range(1, 11):
            world.pair(number, TEA, "repurchase", 0.6)
        tea = world.segment("buy_again:102", "repurchase", list(range(1, 11)), TEA)
        world.publish()
        world.campaign(tea, name="Tea", frequency="once", wait_days=0)
        found = look_ahead(world.rooms, world.ctx, draft, ONCE)
        assert found.others == 1
        assert found.beaten_days.expected == 10
        assert found.by_day[0].emails.expected == 10
        assert found.by_day[7].emails.expected == pytest.approx(10, abs=1)
        assert found.capped_days.expected == pytest.approx(60, abs=6)
        assert found.all_emails.expected == pytest.approx(30, abs=2)
        assert found.all_reached.expected == 20

    def test_what_was_sent_before_counts(self, world: World, draft: str) -> None:
        campaigns.activate(world.rooms, world.ctx, draft)
        plan_sends.plan(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        assert look_ahead(world.rooms, world.ctx, draft).emails.expected == 0
        world.clock.advance(timedelta(days=3))
        again = look_ahead(world.rooms, world.ctx, draft, WhatIf(frequency="every", every_days=7, repeats=2))
        assert again.by_day[4].emails.expected > 15
        assert sum(day.emails.expected for day in again.by_day[:4]) == 0


class TestChance:
    def test_nothing_is_drawn_from_the_coins_of_real_decisions(
        self, world: World, draft: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(*_: object) -> float:
            raise AssertionError("the simulator drew a real coin")

        monkeypatch.setattr(domain, "uniform", never)
        found = look_ahead(world.rooms, world.ctx, draft, WhatIf(frequency="optimise", holdout_percent=30))
        assert found.emails.expected > 0

    def test_equal_questions_are_answered_once_and_equally(
        self, world: World, draft: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = look_ahead(world.rooms, world.ctx, draft, WhatIf(repeats=3))
        monkeypatch.setattr(simulate_input, "start", None)
        assert look_ahead(world.rooms, world.ctx, draft, WhatIf(repeats=3)) is first

    def test_a_share_of_a_large_shop_speaks_for_all(
        self, world: World, draft: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = look_ahead(world.rooms, world.ctx, draft, WhatIf(repeats=4))
        for place, (limit, most, share) in enumerate((("MOST_OFFERS", 5, 0.25), ("MOST_CUSTOMERS", 4, 0.2))):
            monkeypatch.setattr(simulate_input, limit, most)
            part = look_ahead(world.rooms, world.ctx, draft, WhatIf(repeats=4, days=29 - place))
            assert (part.share, part.customers) == (share, whole.customers)
            assert part.emails.low <= whole.emails.expected <= part.emails.high


class TestWithoutAnAnswer:
    def test_it_says_what_is_missing(self, world: World) -> None:
        empty = campaigns.create(world.rooms, world.ctx)
        with pytest.raises(Conflict, match="Choose whom"):
            look_ahead(world.rooms, world.ctx, empty)
        campaigns.change(world.rooms, world.ctx, empty, {"audience": {"type": "automatic"}})
        with pytest.raises(Unavailable, match="no predictions"):
            look_ahead(world.rooms, world.ctx, empty)
        with pytest.raises(NotFound):
            look_ahead(world.rooms, world.ctx, "cmp_99")

    def test_an_audience_of_nobody_mails_nobody(self, world: World) -> None:
        world.bought(1, COFFEE, LONG_AGO)
        world.publish()
        nobody = world.campaign(world.segment(None, "custom", []), name="Nobody", active=False)
        found = look_ahead(world.rooms, world.ctx, nobody)
        assert (found.emails.high, found.orders.high, found.share) == (0, 0, 1.0)


class TestOnBothStores:
    def test_what_was_sent_is_read_alike(self, store_url: str, ctx: ShopContext, tmp_path: Path) -> None:
        world = World(store_url, ctx, tmp_path)
        timing = {"frequency": "every", "every_days": 7, "repeats": 2, "wait_days": 0}
        made = world.campaign(world.coffee_drinkers(5), name="Coffee", **timing)
        plan_sends.plan(world.rooms, ctx)
        send_due.send(world.rooms, ctx)
        world.clock.advance(timedelta(days=3))
        found = look_ahead(world.rooms, ctx, made)
        world.close()
        assert sum(day.emails.expected for day in found.by_day[:4]) == 0
        assert found.by_day[4].emails.expected > 3


class TestArbitration:
    def test_of_new_products_follows_the_lift_then_the_chance(self, world: World) -> None:
        for number in range(1, 11):
            world.customer(number)
            world.bought(number, COFFEE, LONG_AGO)
            world.pair(number, TEA, "cross_sell", 0.02, lift=1.5, because_product_no=COFFEE)
            world.pair(number, MUG, "cross_sell", 0.05 if number <= 6 else 0.01, lift=1.5, because_product_no=COFFEE)
        world.sender()
        tea = world.segment("buy_new:102", "cross_sell", list(range(1, 11)), TEA)
        mug = world.segment("buy_new:103", "cross_sell", list(range(1, 11)), MUG)
        world.publish()
        world.campaign(tea, name="Tea", frequency="once", wait_days=0)
        found = look_ahead(world.rooms, world.ctx, world.campaign(mug, name="Mug", active=False), ONCE)
        assert found.by_day[0].emails.expected == 6
        assert found.beaten_days.expected == 4
