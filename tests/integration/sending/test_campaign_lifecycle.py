"""A campaign from draft to its end: copies, hours on the customer's clock, what is checked before it starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select

from app.errors import Conflict, NotFound
from app.lake.schemas import TABLES
from app.services import campaigns, campaigns_restore, campaigns_views, plan_sends, preflight, send_due, senders
from app.services.decision_sheets import of_customers
from app.services.plan_sends_messages import winners_of
from app.store.models.campaigns import Campaign, Decision, PlanTick
from app.store.models.customers import ConsentEvent
from app.store.models.mail_events import SenderDomain
from app.store.models.sending import Message, MessageEvent
from app.store.models.shops import Shop
from tests.integration.sending.world import COFFEE, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = timedelta(days=1)


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """Three coffee drinkers, due, in the segment `seg_1`."""
    world.coffee_drinkers(3)
    return world


def domain_says(world: World, **states: str) -> None:
    """What the name system last said of the sender's domain."""
    checks = {name: {"state": state} for name, state in states.items()}
    with world.store.session(world.ctx) as session:
        session.merge(SenderDomain(shop_id=world.ctx.shop_id, domain="beans.example", checked_at=NOW, checks=checks))


def lives_in(world: World, **places: tuple[str | None, str | None]) -> None:
    """Say where customers live, and publish it: `c1=("JP", None)`."""
    rows = [
        {"customer_no": int(name[1:]), "bucket": 0, "country": country, "province": province}
        for name, (country, province) in places.items()
    ]
    schema = TABLES["customers"]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    world.rooms.lake.write(world.ctx, "customers", table)
    world.publish()


def state_of(world: World, campaign_id: str) -> str:
    with world.store.reading(world.ctx) as session:
        return session.get_one(Campaign, {"shop_id": world.ctx.shop_id, "id": int(campaign_id[4:])}).state


def messages(world: World) -> list[Message]:
    with world.store.reading(world.ctx) as session:
        return list(session.scalars(select(Message).order_by(Message.customer_no)))


def says(world: World, customer: int) -> str:
    with world.store.reading(world.ctx) as session:
        (entry,) = of_customers(session, world.ctx, [customer])
    return entry.saying


class TestTheEnd:
    def test_comes_by_the_merchant_empties_the_line_and_is_final(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        campaigns.end(shop.rooms, shop.ctx, campaign)
        campaigns.end(shop.rooms, shop.ctx, campaign)
        assert {m.state for m in messages(shop)} == {"cancelled"}
        assert send_due.send(shop.rooms, shop.ctx).sent == 0
        for back in (campaigns.activate, campaigns.resume, campaigns.pause):
            with pytest.raises(Conflict):
                back(shop.rooms, shop.ctx, campaign)
        assert campaigns_views.one(shop.rooms, shop.ctx, campaign).counts.candidates == 3

    def test_comes_by_itself_after_the_last_day_of_the_shops_calendar(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A", ends_on=date(2026, 3, 3))
        new_york_midnight = datetime(2026, 3, 4, 5, tzinfo=UTC)
        plan_sends.plan(shop.rooms, shop.ctx, new_york_midnight - timedelta(seconds=1))
        assert state_of(shop, campaign) == "active"
        plan_sends.plan(shop.rooms, shop.ctx, new_york_midnight)
        assert state_of(shop, campaign) == "ended"
        assert {m.state for m in messages(shop)} == {"cancelled"}

    def test_a_draft_has_none_and_a_day_that_has_passed_is_unresolved(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A", active=False, ends_on=date(2026, 3, 1))
        with pytest.raises(Conflict):
            campaigns.end(shop.rooms, shop.ctx, campaign)
        (missing,) = preflight.preflight(shop.rooms, shop.ctx, campaign).unresolved
        assert (missing.step, missing.field) == ("timing", "ends_on")


class TestADeletion:
    def test_taken_back_leaves_the_campaign_as_it_was_with_nothing_in_line(self, shop: World) -> None:
        segment = 1
        states = {
            "draft": shop.campaign(segment, name="Draft", active=False),
            "active": shop.campaign(segment, name="Active"),
            "paused": shop.campaign(segment, name="Paused"),
            "ended": shop.campaign(segment, name="Ended"),
        }
        plan_sends.plan(shop.rooms, shop.ctx)
        campaigns.pause(shop.rooms, shop.ctx, states["paused"])
        campaigns.end(shop.rooms, shop.ctx, states["ended"])
        for campaign in states.values():
            campaigns.delete(shop.rooms, shop.ctx, campaign)
            assert state_of(shop, campaign) == "deleted"
            campaigns_restore.restore(shop.rooms, shop.ctx, campaign)
            campaigns_restore.restore(shop.rooms, shop.ctx, campaign)
        assert {was: state_of(shop, campaign) for was, campaign in states.items()} == {was: was for was in states}
        assert {m.state for m in messages(shop)} == {"cancelled"}

    def test_taken_back_too_late_for_its_sender_pauses_it_and_a_taken_name_gets_a_number(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A")
        campaigns.delete(shop.rooms, shop.ctx, campaign)
        senders.delete(shop.rooms, shop.ctx, "snd_1")
        shop.campaign(1, name="A", active=False)
        campaigns_restore.restore(shop.rooms, shop.ctx, campaign)
        view = campaigns_views.one(shop.rooms, shop.ctx, campaign)
        assert (view.state, view.name) == ("paused", "A 2")

    def test_is_final_after_thirty_days(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A")
        campaigns.delete(shop.rooms, shop.ctx, campaign)
        shop.clock.advance(31 * DAY)
        with pytest.raises(NotFound):
            campaigns_restore.restore(shop.rooms, shop.ctx, campaign)


class TestACopy:
    def test_says_the_same_and_brings_nothing_that_was_sent(self, shop: World) -> None:
        timing = {"frequency": "every", "every_days": 30, "wait_days": 3, "repeats": 4, "send_from_hour": 8,
                  "send_until_hour": 20, "send_weekdays": [0, 1], "ends_on": date(2026, 5, 1)}  # fmt: skip
        first = shop.campaign(1, name="A", **timing)
        campaigns.change(shop.rooms, shop.ctx, first, {"content": {"subject": "Mine"}})
        plan_sends.plan(shop.rooms, shop.ctx)
        before = len(messages(shop))
        views = [campaigns_views.one(shop.rooms, shop.ctx, one) for one in
                 (first, campaigns.clone(shop.rooms, shop.ctx, first))]  # fmt: skip
        assert [(view.name, view.state) for view in views] == [("A", "active"), ("Copy of A", "draft")]
        assert views[0].timing == views[1].timing
        assert views[0].audience == views[1].audience
        assert views[1].content.subject == "Mine"
        assert (views[1].counts.candidates, views[1].unresolved) == (0, [])
        assert len(messages(shop)) == before
        again = campaigns_views.one(shop.rooms, shop.ctx, campaigns.clone(shop.rooms, shop.ctx, first))
        assert again.name == "Copy of A 2"

    def test_of_one_that_is_over_has_no_last_day(self, shop: World) -> None:
        first = shop.campaign(1, name="A", ends_on=date(2026, 3, 3))
        shop.clock.advance(3 * DAY)
        plan_sends.plan(shop.rooms, shop.ctx)
        copy = campaigns_views.one(shop.rooms, shop.ctx, campaigns.clone(shop.rooms, shop.ctx, first))
        assert (copy.state, copy.timing.ends_on) == ("draft", None)


class TestHours:
    """NOW is a Monday, noon in London: 7:00 in New York, 21:00 in Tokyo."""

    def test_hold_a_message_back_until_they_open_where_the_customer_lives(self, shop: World) -> None:
        lives_in(shop, c1=("JP", None), c2=("GB", None), c3=("US", "TX"))
        shop.campaign(1, name="A", send_from_hour=9, send_until_hour=17)
        plan_sends.plan(shop.rooms, shop.ctx)
        assert {m.customer_no: m.not_before for m in messages(shop)} == {
            1: datetime(2026, 3, 3, 0, tzinfo=UTC),
            2: None,
            3: datetime(2026, 3, 2, 14, tzinfo=UTC),  # Texas has two zones: the shop's clock, New York
        }
        assert {m.customer_no: m.expires_at - (m.not_before or NOW) for m in messages(shop)} == {1: DAY, 2: DAY, 3: DAY}
        assert send_due.send(shop.rooms, shop.ctx).sent == 1
        shop.clock.advance(timedelta(hours=2))
        assert send_due.send(shop.rooms, shop.ctx).sent == 1
        shop.clock.advance(timedelta(hours=10))
        assert send_due.send(shop.rooms, shop.ctx).sent == 1

    def test_that_have_closed_before_the_stamp_put_the_message_off_not_out(self, shop: World) -> None:
        lives_in(shop, c1=("GB", None))
        shop.campaign(1, name="A", send_from_hour=9, send_until_hour=13)
        plan_sends.plan(shop.rooms, shop.ctx)
        shop.clock.advance(timedelta(hours=1))
        assert send_due.send(shop.rooms, shop.ctx).cancelled == 0
        (first, *_) = messages(shop)
        assert (first.state, first.not_before) == ("queued", datetime(2026, 3, 3, 9, tzinfo=UTC))

    def test_more_than_a_day_away_are_a_reason(self, shop: World) -> None:
        shop.campaign(1, name="A", send_weekdays=[4])
        plan_sends.plan(shop.rooms, shop.ctx)
        assert messages(shop) == []
        assert says(shop, 1) == "quiet_hours"
        shop.clock.advance(3 * DAY)  # Thursday noon: Friday is near enough
        plan_sends.plan(shop.rooms, shop.ctx)
        friday = datetime(2026, 3, 6, 5, tzinfo=UTC)
        assert {m.not_before for m in messages(shop)} == {friday}

    def test_never_shift_with_the_clocks(self, shop: World) -> None:
        lives_in(shop, c1=("DE", None))
        shop.members(1, [1])
        shop.campaign(1, name="A", send_from_hour=9, send_until_hour=17)
        for saturday, opening in (
            (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 7, tzinfo=UTC)),
            (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 8, tzinfo=UTC)),
        ):
            shop.clock.advance(saturday - shop.clock.now())
            campaigns.change(shop.rooms, shop.ctx, "cmp_1", {"timing": {"frequency": "every", "repeats": 10}})
            plan_sends.plan(shop.rooms, shop.ctx)
            assert max(m.not_before for m in messages(shop) if m.not_before) == opening
            shop.clock.advance(2 * DAY)
            assert send_due.send(shop.rooms, shop.ctx).cancelled == 1  # its time is over


class TestASubscription:
    def test_speaks_against_a_repurchase_while_it_runs(self, shop: World) -> None:
        for customer, ago in ((1, 20), (2, 61)):
            shop.bought(customer, COFFEE, NOW - ago * DAY)
            shop.lines[-1]["by_subscription"] = True
        shop.publish()
        shop.campaign(1, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        assert [says(shop, customer) for customer in (1, 2, 3)] == ["has_subscription", "selected", "selected"]


class TestASender:
    def test_that_cannot_send_keeps_everybody_from_being_planned(self, shop: World) -> None:
        shop.campaign(1, name="A")
        with shop.store.session(shop.ctx) as session:
            campaigns.find(session, shop.ctx, "cmp_1").sender_id = None
        for _ in range(3):
            plan_sends.plan(shop.rooms, shop.ctx)
            shop.clock.advance(timedelta(hours=1))
        assert messages(shop) == []
        assert says(shop, 1) == "sender_not_verified"


class TestBeforeTheStart:
    def test_the_number_is_exactly_who_is_then_mailed(self, shop: World) -> None:
        shop.customer(4, consent="UNSUBSCRIBED")
        shop.members(1, [1, 2, 3, 4])
        campaign = shop.campaign(1, name="A", active=False, holdout=50)
        domain_says(shop, spf="passed", dkim="passed", dmarc="passed")
        found = preflight.preflight(shop.rooms, shop.ctx, campaign)
        assert (found.ready, found.people, found.candidates) == (True, 3, 4)
        assert [(one.reason, one.count) for one in found.reasons] == [("not_subscribed", 1)]
        assert found.first_at == NOW
        assert {check.level for check in found.checks} == {"ok"}
        campaigns.activate(shop.rooms, shop.ctx, campaign)
        planned = plan_sends.plan(shop.rooms, shop.ctx)
        assert (planned.queued, planned.held_out) == (found.people - found.held_out, found.held_out)

    def test_who_waits_for_the_hours_is_counted_with_when_they_come(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A", active=False, send_weekdays=[4], send_from_hour=9, send_until_hour=10)
        found = preflight.preflight(shop.rooms, shop.ctx, campaign)
        assert (found.people, found.first_at) == (3, datetime(2026, 3, 6, 14, tzinfo=UTC))

    def test_records_of_the_senders_domain_that_are_missing_are_named(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A", active=False)

        def said() -> tuple[str, str, str | None]:
            found = preflight.preflight(shop.rooms, shop.ctx, campaign)
            (check,) = [one for one in found.checks if one.subject == "Domain checks"]
            return check.level, check.message, check.action

        assert said() == ("warn", "The records of beans.example have not all been seen yet.", "check_domain")
        domain_says(shop, spf="passed", dkim="missing", dmarc="missing")
        assert said()[0] == "warn"
        assert "DKIM, DMARC" in said()[1]
        domain_says(shop, spf="passed", dkim="passed", dmarc="passed")
        assert said()[2] is None

    def test_what_is_wrong_says_where_it_is_put_right(self, shop: World) -> None:
        shop.stock[COFFEE] = 0
        shop.publish()
        campaign = shop.campaign(1, name="A", active=False)
        campaigns.change(shop.rooms, shop.ctx, campaign, {"sender_id": None, "content": {"subject": "[Nobody]"}})
        found = preflight.preflight(shop.rooms, shop.ctx, campaign)
        wrong = {(check.step, check.level) for check in found.checks if check.level != "ok"}
        assert wrong == {("sender", "blocked"), ("content", "blocked"), ("audience", "warn")}
        assert (found.ready, found.people, found.first_at) == (False, 0, None)


class TestNothingTwice:
    def test_two_tabs_start_it_once(self, shop: World) -> None:
        campaign = shop.campaign(1, name="A", active=False)
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda _: campaigns.activate(shop.rooms, shop.ctx, campaign), range(2)))
        first = campaigns_views.one(shop.rooms, shop.ctx, campaign).activated_at
        shop.clock.advance(DAY)
        campaigns.activate(shop.rooms, shop.ctx, campaign)
        assert campaigns_views.one(shop.rooms, shop.ctx, campaign).activated_at == first

    def test_many_planners_at_once_plan_everybody_once(self, shop: World) -> None:
        shop.campaign(1, name="A", holdout=50)
        shop.campaign(1, name="B")
        ticks = [NOW + timedelta(seconds=number) for number in range(4)]
        with ThreadPoolExecutor(4) as planners:
            found = list(planners.map(lambda tick: plan_sends.plan(shop.rooms, shop.ctx, tick), ticks))
        assert sum(planned.queued + planned.held_out for planned in found) == 3
        assert sorted(m.customer_no for m in messages(shop)) == [1, 2, 3]
        with shop.store.reading(shop.ctx) as session:
            assert session.scalar(select(func.count()).select_from(Decision).where(Decision.current)) == 3

    def test_a_tick_in_which_nothing_has_happened_writes_nothing(self, shop: World) -> None:
        shop.campaign(1, name="A")
        assert plan_sends.plan(shop.rooms, shop.ctx).queued == 3  # what it did itself is nothing that happened
        before = self._rows(shop)
        shop.clock.advance(timedelta(minutes=1))
        assert plan_sends.plan(shop.rooms, shop.ctx).candidates == 0
        assert self._rows(shop) == before
        shop.clock.advance(plan_sends.AGAIN_AFTER)
        assert plan_sends.plan(shop.rooms, shop.ctx).candidates == 3

    def test_what_happens_while_a_tick_looks_is_looked_at_by_the_next(
        self, shop: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.campaign(1, name="A")

        def unsubscribes(*asked: Any) -> Any:
            with shop.store.session(shop.ctx) as session:
                session.add(
                    ConsentEvent(
                        shop_id=shop.ctx.shop_id, id=1, customer_no=2, channel="email", previous="SUBSCRIBED",
                        state="UNSUBSCRIBED", at=shop.clock.now(), source="one_click",
                    )
                )  # fmt: skip
            return winners_of(*asked)

        monkeypatch.setattr(plan_sends, "winners_of", unsubscribes)
        plan_sends.plan(shop.rooms, shop.ctx)
        monkeypatch.undo()
        shop.clock.advance(timedelta(minutes=1))
        assert plan_sends.plan(shop.rooms, shop.ctx).candidates == 3

    def test_nobody_is_planned_for_a_shop_that_has_left(self, shop: World) -> None:
        shop.campaign(1, name="A")
        with shop.store.session(shop.ctx) as session:
            session.get_one(Shop, shop.ctx.shop_id).uninstalled_at = NOW
        assert plan_sends.plan(shop.rooms, shop.ctx).candidates == 0
        assert messages(shop) == []

    @staticmethod
    def _rows(world: World) -> tuple[Any, ...]:
        with world.store.reading(world.ctx) as session:
            return tuple(
                session.scalar(select(func.count()).select_from(model))
                for model in (Decision, Message, MessageEvent, PlanTick)
            )
