"""Shopify's marketing pages: one activity per campaign, days told once, and nothing here disturbs a campaign."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import Unavailable
from app.services import (
    campaign_reports,
    campaigns,
    marketing_activities,
    measure_campaigns,
    plan_sends,
    send_due,
    unsubscribe,
)
from app.store.models.mail_events import MailEvent
from app.store.models.sending import Message
from app.store.models.shops import ShopToken
from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.app import create_app
from tests.fakes import FakeClock
from tests.integration.sending.world import NOW, World
from tests.standins import TINY, connect, fresh_store, port_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from app.domain.context import ShopContext


UNSUBSCRIBE = re.compile(r"<https://encore\.example/u/([^>]+)>")


@dataclass
class FakeMarketingShop:
    """Shopify's marketing pages in memory, with everything that was ever said."""

    activities: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    days: dict[tuple[str, date], Mapping[str, int]] = field(default_factory=dict)
    calls: int = 0
    away: bool = False

    def upsert(self, _: ShopContext, activity: Mapping[str, Any]) -> str:
        self._call()
        self.activities[activity["remote_id"]] = activity
        return f"gid://{activity['remote_id']}"

    def engagement(self, _: ShopContext, remote_id: str, day: date, figures: Mapping[str, int]) -> None:
        self._call()
        assert remote_id in self.activities
        self.days[remote_id, day] = figures

    def _call(self) -> None:
        self.calls += 1
        if self.away:
            raise Unavailable("Shopify is away.")


@pytest.fixture
def world(store_url: str, ctx: ShopContext, tmp_path: Path) -> Iterator[World]:
    built = World(store_url, ctx, tmp_path)
    built.rooms = replace(built.rooms, marketing_shop=FakeMarketingShop())
    with built.store.session(ctx) as session:
        token: dict[str, Any] = {"sealed": b"x", "expires_at": NOW, "refresh_expires_at": NOW}
        session.add(ShopToken(shop_id=ctx.shop_id, scopes="write_marketing_events", **token))
    yield built
    built.close()


def pages(world: World) -> FakeMarketingShop:
    assert isinstance(world.rooms.marketing_shop, FakeMarketingShop)
    return world.rooms.marketing_shop


def mailed(world: World, customers: int) -> str:
    number = world.campaign(world.coffee_drinkers(customers), name="Coffee time", wait_days=0)
    plan_sends.plan(world.rooms, world.ctx)
    assert send_due.send(world.rooms, world.ctx).sent == customers
    return number


def clicked(world: World, customer: int, at: timedelta, *, machine: bool = False) -> None:
    with world.store.session(world.ctx) as session:
        from sqlalchemy import select

        message = session.scalars(select(Message).where(Message.customer_no == customer)).one()
        session.add(
            MailEvent(
                shop_id=world.ctx.shop_id, id=f"click:{customer}:{at.total_seconds()}", message_id=message.id,
                customer_no=customer, campaign_id=message.campaign_id, kind="clicked", at=NOW + at,
                recorded_at=NOW + at, machine=machine, link_id=1, source="link", raw={},
            )
        )  # fmt: skip


def unsubscribe_tokens(world: World) -> list[str]:
    headers = [message_from_bytes(one.data, policy=default)["List-Unsubscribe"] for one in world.transport.taken]
    return [found.group(1) for header in headers if (found := UNSUBSCRIBE.search(str(header)))]


class TestMarketing:
    def test_a_day_is_told_when_it_is_over_and_once(self, world: World) -> None:
        mailed(world, 3)
        clicked(world, 1, timedelta(hours=1))
        clicked(world, 1, timedelta(hours=2))
        clicked(world, 2, timedelta(hours=2), machine=True)
        assert marketing_activities.tell(world.rooms, world.ctx) == 1  # the activity; the day is not over
        world.clock.advance(timedelta(days=1))
        assert marketing_activities.tell(world.rooms, world.ctx) == 1
        assert marketing_activities.tell(world.rooms, world.ctx) == 0
        assert dict(pages(world).days) == {
            ("encore-cmp-1", date(2026, 3, 2)): {
                "sends": 3, "views": 0, "clicks": 1, "unsubscribes": 0, "fails": 0, "orders": 0, "sales_minor": 0,
            }
        }  # fmt: skip

    def test_orders_and_unsubscribes_are_the_reports_own(self, world: World) -> None:
        number = mailed(world, 6)
        for customer in (1, 2, 3):
            clicked(world, customer, timedelta(hours=1))
        for customer, days in ((1, 4), (2, 6), (4, 2), (5, 4)):  # 2 clicked too long ago, 5 never
            world.bought(customer, 1, NOW + timedelta(days=days), 1_000)
        for token in unsubscribe_tokens(world)[:2]:
            unsubscribe.unsubscribe(world.rooms, token, "one_click")
        world.clock.advance(timedelta(days=8))
        world.publish()
        measure_campaigns.measure(world.rooms, world.ctx)
        marketing_activities.tell(world.rooms, world.ctx)
        told = {day: figures for (_, day), figures in pages(world).days.items()}
        assert {day: one["orders"] for day, one in told.items() if one["orders"]} == {
            date(2026, 3, 4): 1,  # by time
            date(2026, 3, 6): 1,  # by a click
        }
        assert told[date(2026, 3, 2)]["unsubscribes"] == 2
        figures = campaign_reports.report(world.rooms, world.ctx, number).figures
        assert figures is not None
        attributed = figures["attribution"]
        assert sum(one["orders"] for one in told.values()) == attributed["orders"] == 2
        assert sum(one["sales_minor"] for one in told.values()) == attributed["revenue_minor"] == 2_000
        assert sum(one["unsubscribes"] for one in told.values()) == figures["unsubscribed"] == 2

    def test_a_pause_is_told_and_a_name(self, world: World) -> None:
        number = mailed(world, 1)
        marketing_activities.tell(world.rooms, world.ctx)
        campaigns.change(world.rooms, world.ctx, number, {"name": "Tea time"})
        campaigns.pause(world.rooms, world.ctx, number)
        marketing_activities.tell(world.rooms, world.ctx)
        [activity] = pages(world).activities.values()
        assert (activity["title"], activity["status"]) == ("Tea time", "PAUSED")

    def test_a_failure_is_seen_and_tried_again_and_stops_no_campaign(self, world: World) -> None:
        mailed(world, 1)
        pages(world).away = True
        assert marketing_activities.tell(world.rooms, world.ctx) == 0
        standing = marketing_activities.standing(world.rooms, world.ctx, 1)
        assert standing is not None
        assert standing.problem == "Shopify is away."
        pages(world).away = False
        assert marketing_activities.tell(world.rooms, world.ctx) == 1
        again = marketing_activities.standing(world.rooms, world.ctx, 1)
        assert again is not None
        assert again.problem is None

    def test_without_the_permission_nothing_is_asked_of_shopify(self, world: World) -> None:
        mailed(world, 1)
        with world.store.session(world.ctx) as session:
            session.get_one(ShopToken, world.ctx.shop_id).scopes = "read_orders"
        marketing_activities.tell(world.rooms, world.ctx)
        assert pages(world).calls == 0
        standing = marketing_activities.standing(world.rooms, world.ctx, 1)
        assert standing is not None
        assert "permission" in (standing.problem or "")

    def test_a_draft_is_no_activity(self, world: World) -> None:
        world.campaign(world.coffee_drinkers(1), name="Draft", active=False)
        assert marketing_activities.tell(world.rooms, world.ctx) == 0


class TestStandIn:
    def test_keeps_what_it_is_told_under_our_own_id(self, tmp_path: Path) -> None:
        ports = {"shopify": 0}
        options = SandboxOptions(shops={TINY: "tiny"}, ports=ports, deliver_webhooks=False)
        app = create_app(tmp_path / "shop", SandboxClock(tmp_path / "shop"), options)
        stand_in = app.extensions["shopify"]
        store = fresh_store(tmp_path)
        with serving(app) as url:
            ports["shopify"] = port_of(url)
            encore = connect(url, tmp_path, store, FakeClock(stand_in.clock.now()))
            ctx, shop = encore.install(), encore.rooms.marketing_shop
            assert shop is not None
            activity = {
                "remote_id": "encore-cmp-7", "title": "Coffee", "status": "ACTIVE", "utm_campaign": "cmp_7",
                "url": "https://encore.example/campaigns/cmp_7", "started_at": None,
            }  # fmt: skip
            figures = dict.fromkeys(marketing_activities.NAMES, 3)
            with pytest.raises(Unavailable, match="does not exist"):
                shop.engagement(ctx, "encore-cmp-7", date(2026, 3, 2), figures)
            assert shop.upsert(ctx, activity) == shop.upsert(ctx, {**activity, "status": "PAUSED"})
            shop.engagement(ctx, "encore-cmp-7", date(2026, 3, 2), figures)
            shop.engagement(ctx, "encore-cmp-7", date(2026, 3, 2), {**figures, "sends": 5, "sales_minor": 1250})
            encore.close()
        [kept] = stand_in.marketing.listing(stand_in.shops[TINY])
        stand_in.close()
        store.close()
        assert (kept["status"], kept["tactic"], kept["utm"]["campaign"]) == ("PAUSED", "NEWSLETTER", "cmp_7")
        assert list(kept["days"]) == ["2026-03-02"]
        told = kept["days"]["2026-03-02"]
        assert (told["sendsCount"], told["utcOffset"], str(told["sales"]["amount"])) == (5, "-05:00", "12.50")
