"""What campaigns added, measured end to end from messages in the store and orders in the lake."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.services import campaigns, holdouts, measure_campaigns, plan_sends, send_due
from app.services.measure_campaigns_effect import window_days
from app.store import outbox
from app.store.models.customers import Customer
from app.store.models.mail_events import MailEvent
from app.store.models.measurements import WHOLE_SHOP, CampaignMeasurement
from app.store.models.sending import Message
from tests.integration.sending.world import COFFEE, NOW, TEA, World

if TYPE_CHECKING:
    from datetime import datetime

DAY = timedelta(days=1)


@pytest.fixture
def shop(world: World) -> World:
    """One campaign about coffee, once per customer, with every second one held out."""
    segment = world.segment("buy_again:101", "repurchase", [], COFFEE)
    world.sender()
    world.campaign(segment, name="Coffee", holdout=50, active=False, frequency="once")
    return world


def decide(
    world: World, customer: int, state: str, at: datetime = NOW - 40 * DAY, *, campaign: int = 1, chance: float = 0.5,
    held_by: str | None = None, product: int = COFFEE, more: dict[str, Any] | None = None,
) -> str:  # fmt: skip
    """A message as a tick would have left it; returns its id."""
    number = outbox.new_id()
    with world.store.session(world.ctx) as session:
        session.add(
            Message(
                shop_id=world.ctx.shop_id, id=number, customer_no=customer, campaign_id=campaign,
                occurrence=f"{product}:life:{number[:8]}", content_version=1, sender_id=1, product_no=product,
                kind="repurchase", probability=0.3, state=state, planned_at=at, expires_at=at + DAY,
                stamped_at=at if state in {"sent", "unknown", "held_out"} else None, attempts=1,
                holdout_probability=chance, shop_holdout_probability=0.0,
                held_by=held_by or ("campaign" if state == "held_out" else None), **(more or {}),
            )
        )  # fmt: skip
    return number


def told(world: World, message: str, kind: str) -> None:
    with world.store.session(world.ctx) as session:
        row = session.get_one(Message, {"shop_id": world.ctx.shop_id, "id": message})
        for number in range(2):
            session.add(
                MailEvent(
                    shop_id=world.ctx.shop_id, id=f"{kind}:{number}:{message}"[:64], message_id=message,
                    customer_no=row.customer_no, campaign_id=row.campaign_id, kind=kind, at=NOW, recorded_at=NOW,
                    machine=False, source="report", raw={},
                )
            )  # fmt: skip


def clicked(world: World, message: str, at: datetime, *, machine: bool = False) -> None:
    with world.store.session(world.ctx) as session:
        row = session.get_one(Message, {"shop_id": world.ctx.shop_id, "id": message})
        session.add(
            MailEvent(
                shop_id=world.ctx.shop_id, id=f"click:{message}"[:64], message_id=message, customer_no=row.customer_no,
                campaign_id=row.campaign_id, kind="clicked", at=at, recorded_at=at, machine=machine, link_id=1,
                source="link", raw={},
            )
        )  # fmt: skip


def measured(world: World, campaign: int = 1) -> dict[str, Any]:
    world.publish()
    measure_campaigns.measure(world.rooms, world.ctx)
    with world.store.reading(world.ctx) as session:
        return measure_campaigns.newest(session, world.ctx)[campaign].figures


class TestEffect:
    def test_compares_the_arms_after_each_customers_first_decision(self, shop: World) -> None:
        for customer in range(1, 121):
            mailed = customer % 2 == 0
            at = NOW - 40 * DAY
            decide(shop, customer, "sent" if mailed else "held_out", at)
            if customer % 10 < (6 if mailed else 4) and customer % 10 > 1:  # 40 of 100 mailed, 20 of 100 held out
                shop.bought(customer, COFFEE, at + 3 * DAY, 1_000)
            shop.bought(customer, TEA, at + 31 * DAY, 500)  # after the window
        effect = measured(shop)["effect"]
        assert (effect["treated"], effect["held_out"], effect["window_days"]) == (60, 60, 30)
        orders = effect["orders"]
        assert (orders["treated_mean"], orders["held_out_mean"]) == pytest.approx((0.4, 0.2))
        assert orders["per_customer"] == pytest.approx(0.2)
        assert effect["revenue"]["per_customer"] == pytest.approx(200)
        assert effect["product_orders"]["per_customer"] == pytest.approx(0.2)
        assert orders["total"]["estimate"] == pytest.approx(12)
        assert orders["total"]["low"] < 12 < orders["total"]["high"]
        assert orders["total"]["sure_low"] < orders["total"]["low"]
        assert effect["verdict"] == "not_yet_known"
        assert effect["customers_needed"] > 120
        assert [(p["mailed"], p["held_out"]) for p in effect["curve"] if p["day"] in {3, 4}] == [
            (0.0, 0.0),
            (40.0, 20.0),
        ]

    def test_later_decisions_of_a_customer_are_no_new_rows(self, shop: World) -> None:
        decide(shop, 1, "sent", NOW - 40 * DAY)
        decide(shop, 1, "held_out", NOW - 20 * DAY)
        decide(shop, 2, "held_out", NOW - 40 * DAY)
        decide(shop, 2, "sent", NOW - 20 * DAY)
        effect = measured(shop)["effect"]
        assert (effect["treated"], effect["held_out"]) == (1, 1)

    def test_a_message_that_was_stopped_after_the_coin_still_counts_as_mailed(self, shop: World) -> None:
        for customer, state in enumerate(("sent", "unknown", "failed", "capped", "cancelled", "queued"), start=1):
            decide(shop, customer, state)
        effect = measured(shop)["effect"]
        assert (effect["treated"], effect["mailed"]) == (6, 2)

    def test_who_was_held_out_for_the_shop_is_left_to_the_shops_comparison(self, shop: World) -> None:
        decide(shop, 1, "held_out", held_by="shop", more={})
        decide(shop, 2, "sent")
        with shop.store.session(shop.ctx) as session:
            for row in session.scalars(select(Message)):
                row.shop_holdout_probability = 0.1
        found = measured(shop)
        assert (found["effect"]["held_out"], found["effect"]["held_out_of_shop"]) == (0, 1)
        with shop.store.reading(shop.ctx) as session:
            whole = measure_campaigns.newest(session, shop.ctx)[WHOLE_SHOP].figures["effect"]
        assert (whole["treated"], whole["held_out"]) == (1, 1)

    def test_orders_after_the_end_of_the_history_are_not_expected_yet(self, shop: World) -> None:
        decide(shop, 1, "sent", NOW - DAY)
        decide(shop, 2, "sent", NOW + DAY)
        effect = measured(shop)["effect"]
        assert (effect["treated"], effect["complete"]) == (1, 0)

    def test_merged_customers_count_once_with_what_each_of_them_ordered(self, shop: World) -> None:
        for customer in (1, 2):
            shop.customer(customer)
        decide(shop, 1, "sent", NOW - 40 * DAY)
        decide(shop, 2, "held_out", NOW - 30 * DAY)
        shop.bought(1, COFFEE, NOW - 35 * DAY)
        shop.bought(2, COFFEE, NOW - 34 * DAY)
        with shop.store.session(shop.ctx) as session:
            session.get_one(Customer, (shop.ctx.shop_id, 1)).merged_into = 2
        effect = measured(shop)["effect"]
        assert (effect["treated"], effect["held_out"], effect["orders"]["treated_mean"]) == (1, 0, 2.0)

    def test_a_series_is_followed_until_thirty_days_after_its_last_e_mail(self, shop: World) -> None:
        timing = {"frequency": "every", "every_days": 21, "repeats": 2}
        number = shop.campaign(None, name="Series", active=False, **timing)
        with shop.store.reading(shop.ctx) as session:
            assert window_days(campaigns.find(session, shop.ctx, "cmp_1")) == 30
            assert window_days(campaigns.find(session, shop.ctx, number)) == 51


class TestAttribution:
    def test_an_order_goes_to_one_message_by_code_before_click_before_time(self, shop: World) -> None:
        campaigns.change(shop.rooms, shop.ctx, "cmp_1", {"discount": {"mode": "single", "code": "SPRING"}})
        at = NOW - 20 * DAY
        for customer in (1, 2, 3, 4, 5):
            message = decide(shop, customer, "sent", at)
            if customer in {1, 2, 5}:
                clicked(shop, message, at + timedelta(hours=1), machine=customer == 5)
        other = decide(shop, 1, "sent", at + 8 * DAY, campaign=2)
        clicked(shop, other, at + 8 * DAY + timedelta(hours=1))
        shop.bought(1, COFFEE, at + 9 * DAY, 1_000)  # clicked the other campaign's e-mail, used this one's code
        shop.orders[-1] |= {"discount_codes": ["spring"], "discounts_minor": 150}
        shop.bought(2, COFFEE, at + 4 * DAY, 2_000)  # clicked
        shop.bought(3, TEA, at + 2 * DAY, 4_000)  # neither
        shop.bought(4, TEA, at + 4 * DAY, 8_000)  # too late for neither
        shop.bought(5, TEA, at + 4 * DAY, 16_000)  # a scanner clicked
        found = measured(shop)
        assert found["attribution"] == {
            "orders": 3,
            "revenue_minor": 7_000,
            "ways": [
                {"way": "code", "orders": 1, "revenue_minor": 1_000},
                {"way": "click", "orders": 1, "revenue_minor": 2_000},
                {"way": "window", "orders": 1, "revenue_minor": 4_000},
            ],
        }
        assert found["discount"] == {
            "orders": 1, "given_minor": 150, "saved_minor": None, "basis": found["discount"]["basis"],
        }  # fmt: skip
        assert (found["funnel"]["clicked"], found["funnel"]["ordered"], found["funnel"]["delivered"]) == (2, 3, None)
        assert [(one["clicks"], one["machine_clicks"]) for one in found["links"]] == [(2, 1)]

    def test_what_mail_servers_told_is_counted_once_a_message(self, shop: World) -> None:
        for customer in (1, 2):
            told(shop, decide(shop, customer, "sent", NOW - 20 * DAY), "delivered")
        told(shop, decide(shop, 3, "sent", NOW - 20 * DAY), "bounced")
        funnel = measured(shop)
        assert (funnel["funnel"]["delivered"], funnel["bounced"]) == (2, 1)
        assert (funnel["funnel"]["opened"], funnel["complained"]) == (None, None)  # nobody tells of either here

    def test_doses_tell_the_first_e_mail_from_the_second(self, shop: World) -> None:
        decide(shop, 1, "sent", NOW - 40 * DAY)
        decide(shop, 1, "sent", NOW - 20 * DAY)
        decide(shop, 2, "sent", NOW - 20 * DAY)
        shop.bought(1, COFFEE, NOW - 19 * DAY)
        assert measured(shop)["doses"] == [
            {"nth": 1, "sent": 2, "clicked": 0, "ordered": 0},
            {"nth": 2, "sent": 1, "clicked": 0, "ordered": 1},
        ]


class TestReceipts:
    def test_what_was_promised_of_each_product_is_held_against_what_was_bought(self, shop: World) -> None:
        for customer in range(1, 11):
            decide(shop, customer, "held_out" if customer > 8 else "sent", NOW - 31 * DAY)
        decide(shop, 11, "sent", NOW - 5 * DAY)
        for customer in (1, 2, 9):
            shop.bought(customer, COFFEE, NOW - 10 * DAY)
        shop.bought(3, TEA, NOW - 10 * DAY)
        (line,) = measured(shop)["products"]
        assert line == {
            "product_no": COFFEE, "title": "Coffee & Co", "kind": "repurchase", "open": 1,
            "mailed": {"customers": 8, "promised": 2.4, "bought": 2},
            "held_out": {"customers": 2, "promised": 0.6, "bought": 1},
        }  # fmt: skip


class TestKeeping:
    def test_a_day_keeps_its_last_figures_and_earlier_days_stay(self, shop: World) -> None:
        decide(shop, 1, "sent")
        measured(shop)
        measured(shop)
        shop.clock.advance(DAY)
        decide(shop, 2, "sent")
        measured(shop)
        with shop.store.reading(shop.ctx) as session:
            rows = session.scalars(
                select(CampaignMeasurement)
                .where(CampaignMeasurement.campaign_id == 1)
                .order_by(CampaignMeasurement.day)
            )
            assert [row.figures["effect"]["treated"] for row in rows] == [1, 2]

    def test_nothing_is_measured_before_anything_was_decided(self, shop: World) -> None:
        shop.publish()
        assert measure_campaigns.measure(shop.rooms, shop.ctx) == 0

    def test_sends_are_counted_by_the_shops_day(self, shop: World) -> None:
        late = NOW.replace(hour=2)  # in New York still the day before
        decide(shop, 1, "sent", late - DAY)
        measured(shop)
        with shop.store.reading(shop.ctx) as session:
            days = measure_campaigns.newest(session, shop.ctx)[WHOLE_SHOP].figures["days"]
        assert days == [{"day": "2026-02-28", "campaign_id": "cmp_1", "sent": 1}]


class TestHoldout:
    def test_the_chances_in_force_are_kept_with_every_message(self, world: World) -> None:
        segment = world.coffee_drinkers(60)
        holdouts.set_shop_percent(world.rooms, world.ctx, 10)
        world.campaign(segment, name="A", holdout=30)
        plan_sends.plan(world.rooms, world.ctx)
        send_due.send(world.rooms, world.ctx)
        with world.store.reading(world.ctx) as session:
            rows = session.scalars(select(Message)).all()
        assert {(row.holdout_probability, row.shop_holdout_probability) for row in rows} == {(0.3, 0.1)}
        assert {row.held_by for row in rows} == {None, "campaign", "shop"}
        assert all((row.held_by is not None) == (row.state == "held_out") for row in rows)

    def test_a_campaign_that_surely_adds_orders_holds_out_fewer_and_says_since_when(self, shop: World) -> None:
        campaigns.activate(shop.rooms, shop.ctx, "cmp_1")
        with shop.store.session(shop.ctx) as session:
            campaigns.find(session, shop.ctx, "cmp_1").holdout_percent = 10
        for customer in range(1, 201):
            mailed = customer % 2 == 0
            decide(shop, customer, "sent" if mailed else "held_out")
            if mailed or customer % 20 == 1:
                shop.bought(customer, COFFEE, NOW - 30 * DAY, 1_000)
        assert measured(shop)["effect"]["verdict"] == "adds"
        with shop.store.reading(shop.ctx) as session:
            assert campaigns.find(session, shop.ctx, "cmp_1").holdout_percent == 10  # activated today
        shop.clock.advance(31 * DAY)
        measured(shop)
        measured(shop)
        with shop.store.reading(shop.ctx) as session:
            assert campaigns.find(session, shop.ctx, "cmp_1").holdout_percent == 7
            (change,) = holdouts.changes(session, shop.ctx, 1)
        assert (change.before, change.percent, change.at) == (10, 7, shop.clock.now())
        assert "surely adds orders" in change.reason
