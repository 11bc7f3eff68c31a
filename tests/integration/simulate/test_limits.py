"""How much may be sent, in the simulator: against what planner and sender then do, hour by hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.services import campaigns, plan_sends, send_due, sending_limits
from app.services.simulate import Simulation, WhatIf, look_ahead
from app.store.models.mail_events import MailSetting, SenderDomain
from app.store.models.sending import Message
from tests.integration.sending.world import World, settings

if TYPE_CHECKING:
    from datetime import datetime

DOMAIN = "beans.example"
DAY = timedelta(days=1)
DAYS = 3
ASKED = WhatIf(days=DAYS)


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop that keeps limits small enough for it, with a domain of its own that signs."""
    monkeypatch.setattr(sending_limits, "WARM_UP", (4, 8, 16))
    monkeypatch.setattr(sending_limits, "WITHOUT_DKIM", 3)
    monkeypatch.setattr(send_due, "FIRST_BATCH", 1)
    world.rooms = replace(world.rooms, settings=settings(daily_limits=True))
    with world.store.session(world.ctx) as session:
        now = world.clock.now()
        signs = {"dkim": {"state": "passed", "passed_at": now.isoformat()}}
        session.add(SenderDomain(shop_id=world.ctx.shop_id, domain=DOMAIN, checked_at=now, checks=signs))
    return world


def campaign(shop: World, customers: int, **timing: Any) -> str:
    once = {"frequency": "once", "wait_days": 0, **timing}
    return shop.campaign(shop.coffee_drinkers(customers), name="Coffee", active=False, **once)


def lived(shop: World, campaign_id: str, days: int = DAYS, every: timedelta = timedelta(hours=1)) -> list[int]:
    """Messages of each day from now on, with a tick and a send so often."""
    campaigns.activate(shop.rooms, shop.ctx, campaign_id)
    began = shop.clock.now()
    for _ in range(days * DAY // every):
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        shop.clock.advance(every)
    return _by_day(shop, began, days)


def _by_day(shop: World, began: datetime, days: int) -> list[int]:
    with shop.store.reading(shop.ctx) as session:
        stamps = session.scalars(select(Message.stamped_at).where(Message.state == "sent")).all()
    found = Counter((stamp - began) // DAY for stamp in stamps if stamp is not None and stamp >= began)
    return [found[day] for day in range(days)]


def holds(said: Simulation, actual: list[int]) -> bool:
    return all(one.emails.low <= was <= one.emails.high for one, was in zip(said.by_day, actual, strict=True))


class TestAWarmingDomain:
    def test_sends_what_the_simulator_said_step_by_step(self, shop: World) -> None:
        draft = campaign(shop, 40)
        said = look_ahead(shop.rooms, shop.ctx, draft, ASKED)
        actual = lived(shop, draft)
        # Four of today, eight of tomorrow; sixteen; then there is no limit any more.
        assert actual == [12, 16, 12]
        assert holds(said, actual), (actual, said.by_day)
        assert said.limited_days.expected > 0

    def test_goes_on_from_what_it_sent_today_and_leaves_the_line_first(self, shop: World) -> None:
        shop.coffee_drinkers(40)
        old, new = (shop.segment(None, "custom", list(range(first, first + 20))) for first in (1, 21))
        shop.publish()
        once = {"frequency": "once", "wait_days": 0}
        shop.campaign(old, name="Old", **once)
        plan_sends.plan(shop.rooms, shop.ctx)
        assert send_due.send(shop.rooms, shop.ctx).sent == 4
        draft = shop.campaign(new, name="New", active=False, **once)
        said = look_ahead(shop.rooms, shop.ctx, draft, ASKED)
        # Tomorrow's eight are in line already. The other eight in line are decided anew, beside the new ones.
        assert said.by_day[0].all_emails.high == 0
        assert said.by_day[1].all_emails.expected == 16
        assert said.all_reached.expected == pytest.approx(28, abs=1)

    def test_is_at_the_step_that_the_sender_takes_it_to_be_at(self, shop: World) -> None:
        draft = campaign(shop, 40)
        with shop.store.session(shop.ctx) as session:
            sending_limits.count(session, shop.ctx, shop.clock.now() - DAY, {DOMAIN: 3})
            found = sending_limits.stage(shop.rooms, session, shop.ctx, shop.clock.now(), DOMAIN)
        assert found.limit == 8  # three of four filled the first step
        assert look_ahead(shop.rooms, shop.ctx, draft, ASKED).by_day[0].emails.expected == 8 + 16

    def test_that_is_warm_holds_nothing_back(self, shop: World) -> None:
        draft = campaign(shop, 30)
        with shop.store.session(shop.ctx) as session:
            sending_limits.count(session, shop.ctx, shop.clock.now() - DAY, {DOMAIN: 16})
        said = look_ahead(shop.rooms, shop.ctx, draft, ASKED)
        assert said.by_day[0].emails.expected == 30
        assert said.limited_days.high == 0


class TestOtherLimits:
    def test_without_dkim_every_day_stays_small(self, shop: World) -> None:
        with shop.store.session(shop.ctx) as session:
            session.get_one(SenderDomain, {"shop_id": shop.ctx.shop_id, "domain": DOMAIN}).checks = {}
        draft = campaign(shop, 40)
        said = look_ahead(shop.rooms, shop.ctx, draft, ASKED)
        actual = lived(shop, draft)
        assert actual == [6, 3, 3]
        assert holds(said, actual), (actual, said.by_day)

    def test_the_shops_own_hour_counts_in_the_hours_in_which_it_may_send(self, shop: World) -> None:
        shop.rooms = replace(shop.rooms, settings=settings(daily_limits=False))
        with shop.store.session(shop.ctx) as session:
            session.add(MailSetting(shop_id=shop.ctx.shop_id, open_tracking="off", hourly_limit=2))
        draft = campaign(shop, 60, send_from_hour=9, send_until_hour=15)
        said = look_ahead(shop.rooms, shop.ctx, draft, WhatIf(days=2))
        actual = lived(shop, draft, days=2, every=timedelta(minutes=30))
        assert actual == [12, 12]
        assert holds(said, actual), (actual, said.by_day)

    def test_a_change_of_limits_is_a_new_question(self, shop: World) -> None:
        draft = campaign(shop, 60)
        before = look_ahead(shop.rooms, shop.ctx, draft, ASKED)
        with shop.store.session(shop.ctx) as session:
            session.add(MailSetting(shop_id=shop.ctx.shop_id, open_tracking="off", hourly_limit=1))
        assert look_ahead(shop.rooms, shop.ctx, draft, ASKED).limited_days.expected > before.limited_days.expected

    def test_a_draft_without_a_sender_has_no_domain_to_warm_up(self, shop: World) -> None:
        draft = campaign(shop, 30)
        with shop.store.session(shop.ctx) as session:
            campaigns.find(session, shop.ctx, draft).sender_id = None
        assert look_ahead(shop.rooms, shop.ctx, draft, ASKED).by_day[0].emails.expected == 30
