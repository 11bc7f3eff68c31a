"""From predictions to mail: decisions with reasons, arbitration, holdout, hand-over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.mail.transport import Delivery, Envelope
from app.services import campaigns, campaigns_audience, campaigns_views, plan_sends, send_due, senders
from app.services import decision_sheets as sheets
from app.services.verify_cap import verify_cap
from app.store.models.campaigns import Decision
from app.store.models.customers import Customer, Suppression
from app.store.models.sending import LedgerEntry, Message, MessageEvent
from tests.integration.sending.world import COFFEE, LONG_AGO, MUG, NOW, TEA, World

if TYPE_CHECKING:
    from collections.abc import Iterator

WEEK = timedelta(days=7)


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """Four customers who bought coffee long ago and are due for more; a verified sender."""
    for number in (1, 2, 3, 4):
        world.customer(number)
        world.bought(number, COFFEE, LONG_AGO)
        world.pair(number, COFFEE, "repurchase", 0.2 + number / 100)
    world.sender()
    return world


def reasons(world: World, campaign_id: str) -> dict[int, str]:
    """customer → outcome, or reason if there is one."""
    number = int(campaign_id[4:])
    with world.store.reading(world.ctx) as session:
        several = [sheets.entries(number, sheet) for _, sheet in sheets.read(session, world.ctx, number)]
    return {entry.customer_no: entry.saying for some in several for entry in some}


def states(world: World) -> dict[int, str]:
    with world.store.reading(world.ctx) as session:
        return {m.customer_no: m.state for m in session.scalars(select(Message).order_by(Message.planned_at))}


class TestATick:
    def test_queues_one_message_per_due_customer_and_sending_hands_them_over(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2, 3, 4], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="Secret plan")
        planned = plan_sends.plan(shop.rooms, shop.ctx)
        assert (planned.candidates, planned.queued, planned.skipped) == (4, 4, {})
        assert send_due.send(shop.rooms, shop.ctx).sent == 4
        assert sorted(e.rcpt_to for e in shop.transport.taken) == [f"c{n}@example.com" for n in (1, 2, 3, 4)]
        mail = message_from_bytes(shop.transport.taken[0].data, policy=default)
        assert mail["From"] == '"Bean & Co" <hello@beans.example>' or mail["From"] == "Bean & Co <hello@beans.example>"
        assert mail["Message-ID"] == f"<{shop.transport.taken[0].message_id}@encore.example>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        raw = shop.transport.taken[0].data + mail.get_body(("html",)).get_content().encode()  # type: ignore[union-attr]
        assert b"Secret" not in raw
        assert b"1 High Street" in raw

    def test_the_same_tick_again_adds_nothing(self, shop: World) -> None:
        shop.segment("x", "repurchase", [], COFFEE)
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2, 3, 4], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="A", holdout=50)
        first = plan_sends.plan(shop.rooms, shop.ctx, NOW)
        before = self._rows(shop)
        assert plan_sends.plan(shop.rooms, shop.ctx, NOW) == first
        assert self._rows(shop) == before

    def test_a_later_tick_keeps_the_decision_while_its_message_is_under_way(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        shop.clock.advance(timedelta(minutes=1))
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: "selected", 2: "selected"}
        assert len(states(shop)) == 2

    @staticmethod
    def _rows(world: World) -> tuple[int, ...]:
        with world.store.reading(world.ctx) as session:
            return tuple(
                session.execute(select(func.count()).select_from(model)).scalar_one()
                for model in (Decision, Message, MessageEvent, LedgerEntry)
            )


class TestAVeryLongProductAddress:
    def test_is_mailed_directly_tick_after_tick(self, shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
        real = campaigns_audience._web_address
        monkeypatch.setattr(campaigns_audience, "_web_address", lambda *given: real(*given) + "?x=" + "x" * 2_000)
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="A", frequency="every", every_days=7, repeats=5)
        for _ in range(2):
            assert plan_sends.plan(shop.rooms, shop.ctx).queued == 1
            assert send_due.send(shop.rooms, shop.ctx).sent == 1
            shop.clock.advance(timedelta(days=8))
        html = message_from_bytes(shop.transport.taken[-1].data, policy=default).get_body(("html",))
        assert "products/p1?x=" in html.get_content()  # type: ignore[union-attr]


class TestTwoPlanners:
    def test_a_clash_with_nobody_is_no_lost_tick(self, shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
        shop.campaign(shop.segment("buy_again:101", "repurchase", [1], COFFEE), name="A", active=False)
        shop.publish()
        campaigns.activate(shop.rooms, shop.ctx, "cmp_1")
        clash = IntegrityError("INSERT", {}, Exception("unique"))

        def fail(*_: object) -> None:
            raise clash

        monkeypatch.setattr(plan_sends, "_write", fail)
        with pytest.raises(IntegrityError):
            plan_sends.plan(shop.rooms, shop.ctx)

    def test_of_one_moment_decide_once(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2, 3, 4], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", holdout=50)
        with ThreadPoolExecutor(2) as both:
            ticks = [NOW, NOW + timedelta(seconds=1)]
            results = list(both.map(lambda tick: plan_sends.plan(shop.rooms, shop.ctx, tick), ticks))
        assert max(planned.candidates for planned in results) == 4
        assert len(reasons(shop, campaign)) == 4
        assert len(states(shop)) == 4
        verdict = verify_cap(shop.rooms, shop.ctx)
        assert verdict.broken == []


class TestReasons:
    def test_everybody_who_is_left_out_has_one(self, shop: World) -> None:
        with shop.store.session(shop.ctx) as session:
            session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent = "SOMETHING_NEW"
            two = session.get_one(Customer, {"shop_id": 1, "customer_no": 2})
            session.add(Suppression(shop_id=1, email_hash=two.email_hash or "", reason="complaint", at=NOW))
        shop.bought(3, MUG, NOW - timedelta(days=13))
        shop.bought(4, MUG, NOW - timedelta(days=14))
        shop.customer(5)  # in the segment, with no prediction
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2, 3, 4, 5, 99], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A")
        planned = plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {
            1: "not_subscribed", 2: "suppressed", 3: "wait_after_purchase", 4: "selected", 5: "no_product",
            99: "erased",
        }  # fmt: skip
        assert planned.candidates == planned.queued + planned.held_out + sum(planned.skipped.values()) == 6

    @pytest.mark.parametrize(
        ("stock", "status", "reason"), [(0, "ACTIVE", "out_of_stock"), (5, "DRAFT", "product_inactive")]
    )
    def test_a_product_that_cannot_be_bought_is_not_mailed(
        self, shop: World, stock: int, status: str, reason: str
    ) -> None:
        shop.stock[COFFEE], shop.status[COFFEE] = stock, status
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: reason}

    def test_frequency_repeats_and_the_cap_hold_over_months(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", frequency="every", every_days=14, repeats=2)
        sent_on: list[int] = []
        seen: set[str] = set()
        for day in (0, 1, 7, 8, 13, 14, 15, 28, 60):
            shop.clock.advance(NOW + timedelta(days=day) - shop.clock.now())
            before = len(shop.transport.taken)
            plan_sends.plan(shop.rooms, shop.ctx)
            send_due.send(shop.rooms, shop.ctx)
            sent_on += [day] * (len(shop.transport.taken) - before)
            seen.add(reasons(shop, campaign)[1])
        assert sent_on == [0, 14]
        assert seen == {"selected", "weekly_cap", "frequency", "repeat_limit"}

    def test_once_means_once(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", frequency="once")
        for _ in range(3):
            plan_sends.plan(shop.rooms, shop.ctx)
            send_due.send(shop.rooms, shop.ctx)
            shop.clock.advance(timedelta(days=10))
        assert len(shop.transport.taken) == 1
        assert reasons(shop, campaign) == {1: "once_only"}

    def test_a_purchase_of_the_product_starts_the_repeats_anew(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", frequency="every", every_days=7, repeats=1, wait_days=0)
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        shop.clock.advance(timedelta(days=10))
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: "repeat_limit"}
        shop.bought(1, COFFEE, shop.clock.now())
        shop.publish()
        shop.clock.advance(timedelta(days=10))
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: "selected"}

    def test_the_diary_shows_how_often_the_customer_had_it_since_the_purchase_and_ever(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", frequency="every", every_days=7, repeats=2, wait_days=0)

        def shown() -> tuple[int, int]:
            entry = campaigns_views.decisions(shop.rooms, shop.ctx, campaign).items[0]
            return entry.received_since_purchase, entry.received

        for expected in ((1, 1), (2, 2)):
            plan_sends.plan(shop.rooms, shop.ctx)
            send_due.send(shop.rooms, shop.ctx)
            assert shown() == expected
            shop.clock.advance(timedelta(days=10))
        shop.bought(1, COFFEE, shop.clock.now())
        shop.publish()
        shop.clock.advance(timedelta(days=10))
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        assert shown() == (1, 3)

    def test_who_leaves_the_segment_is_said_to_have_left(self, shop: World) -> None:
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2], COFFEE)
        shop.publish()
        campaign = shop.campaign(coffee, name="A", frequency="once")
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        shop.members(coffee, [1])
        shop.clock.advance(timedelta(days=10))
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: "once_only", 2: "not_in_segment"}


class TestPersonalData:
    def test_no_address_and_no_name_reaches_the_log(self, shop: World, capsys: pytest.CaptureFixture[str]) -> None:
        shop.customer(8, email="canary@example.com", name="Canaria")
        shop.bought(8, COFFEE, LONG_AGO)
        shop.pair(8, COFFEE, "repurchase", 0.9)
        coffee = shop.segment("buy_again:101", "repurchase", [1, 8], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)

        def fail(envelope: Envelope, _: object) -> Delivery:
            raise RuntimeError(envelope.rcpt_to)

        shop.transport.deliver = fail  # type: ignore[method-assign,assignment]
        assert send_due.send(shop.rooms, shop.ctx).unknown == 2
        logged = capsys.readouterr()
        assert "transport_failed" in logged.out
        assert "anar" not in logged.out + logged.err
        with shop.store.reading(shop.ctx) as session:
            kept = [m.last_error for m in session.scalars(select(Message))]
        assert kept == ["transport: RuntimeError"] * 2


class TestArbitrationAcrossCampaigns:
    def test_repurchase_wins_and_cross_sell_comes_a_week_later(self, shop: World) -> None:
        shop.pair(1, TEA, "cross_sell", 0.9, because_product_no=COFFEE, lift=9.0)
        tea = shop.segment("buy_new:102", "cross_sell", [1], TEA)
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        cross = shop.campaign(tea, name="Cross")
        again = shop.campaign(coffee, name="Again", frequency="once")
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, again) == {1: "selected"}
        assert reasons(shop, cross) == {1: "better_campaign"}
        send_due.send(shop.rooms, shop.ctx)
        plan_sends.plan(shop.rooms, shop.ctx, NOW + timedelta(minutes=1))
        assert reasons(shop, cross) == {1: "weekly_cap"}
        shop.clock.advance(WEEK + timedelta(hours=2))
        plan_sends.plan(shop.rooms, shop.ctx)
        send_due.send(shop.rooms, shop.ctx)
        assert reasons(shop, cross) == {1: "selected"}
        assert len(shop.transport.taken) == 2

    def test_the_automatic_audience_takes_each_customers_best_product(self, shop: World) -> None:
        shop.pair(1, TEA, "cross_sell", 0.5, because_product_no=COFFEE, lift=2.0)
        shop.customer(9)
        shop.bought(9, MUG, LONG_AGO)
        shop.pair(9, TEA, "cross_sell", 0.02, because_product_no=MUG, lift=1.5)
        shop.pair(9, COFFEE, "cross_sell", 0.02, because_product_no=MUG, lift=3.0)
        shop.customer(10)
        shop.pair(10, TEA, "cross_sell", 0.001, lift=3.0)  # too unlikely
        shop.publish()
        shop.campaign(None, name="Automatic")
        plan_sends.plan(shop.rooms, shop.ctx)
        with shop.store.reading(shop.ctx) as session:
            chosen = {m.customer_no: (m.kind, m.product_no) for m in session.scalars(select(Message))}
        assert chosen == {**dict.fromkeys((1, 2, 3, 4), ("repurchase", COFFEE)), 9: ("cross_sell", COFFEE)}

    def test_a_segment_of_a_type_takes_each_members_best_product_of_it_that_can_be_bought(self, shop: World) -> None:
        shop.types = {COFFEE: "Drinks", TEA: "Drinks", MUG: "Cups"}
        for customer, tea in ((1, 0.4), (2, 0.1), (3, 0.4)):
            shop.bought(customer, TEA, LONG_AGO)
            shop.pair(customer, TEA, "repurchase", tea)
        shop.pair(2, MUG, "repurchase", 0.9)  # of another type
        shop.pair(2, TEA, "cross_sell", 0.9)  # of another kind
        drinks = shop.segment("buy_again:type:Drinks", "repurchase", [1, 2, 3], product_type="Drinks")
        shop.status[MUG] = "DRAFT"
        shop.publish()
        shop.campaign(drinks, name="Drinks")
        plan_sends.plan(shop.rooms, shop.ctx)
        with shop.store.reading(shop.ctx) as session:
            chosen = {m.customer_no: (m.kind, m.product_no) for m in session.scalars(select(Message))}
        assert chosen == {1: ("repurchase", TEA), 2: ("repurchase", COFFEE), 3: ("repurchase", TEA)}

    def test_words_that_name_a_purchase_go_only_to_those_who_have_one(self, shop: World) -> None:
        shop.pair(1, TEA, "cross_sell", 0.5, because_product_no=COFFEE)
        shop.pair(2, TEA, "cross_sell", 0.5)
        tea = shop.segment("buy_new:102", "cross_sell", [1, 2], TEA)
        shop.publish()
        campaign = shop.campaign(tea, name="Cross")
        plan_sends.plan(shop.rooms, shop.ctx)
        assert reasons(shop, campaign) == {1: "selected", 2: "no_product"}

    def test_the_shrunk_lift_of_the_association_outranks_the_pairs_own(self, shop: World) -> None:
        shop.customer(9)
        shop.bought(9, MUG, LONG_AGO)
        shop.pair(9, TEA, "cross_sell", 0.02, because_product_no=MUG, lift=9.0)
        shop.pair(9, COFFEE, "cross_sell", 0.02, because_product_no=MUG, lift=3.0)
        shop.associations = [(MUG, TEA, 1.1), (MUG, COFFEE, 2.5)]
        shop.publish()
        campaign = shop.campaign(None, name="Automatic")
        plan_sends.plan(shop.rooms, shop.ctx)
        with shop.store.reading(shop.ctx) as session:
            mine = session.scalars(select(Message).where(Message.customer_no == 9)).one()
        assert (mine.product_no, mine.lift) == (COFFEE, 2.5)
        assert reasons(shop, campaign)[9] == "selected"


class TestHoldout:
    def test_withholds_a_stable_share_and_uses_up_the_week(self, world: World) -> None:
        people = list(range(1, 101))
        for number in people:
            world.customer(number)
            world.bought(number, COFFEE, LONG_AGO)
            world.pair(number, COFFEE, "repurchase", 0.3)
        world.sender()
        coffee = world.segment("buy_again:101", "repurchase", people, COFFEE)
        world.publish()
        campaign = world.campaign(coffee, name="A", holdout=10, frequency="every", every_days=7, repeats=9)
        first = plan_sends.plan(world.rooms, world.ctx)
        held = {n for n, why in reasons(world, campaign).items() if why == "held_out"}
        assert first.held_out == len(held)
        assert 2 <= len(held) <= 22
        send_due.send(world.rooms, world.ctx)
        assert len(world.transport.taken) == 100 - len(held)
        plan_sends.plan(world.rooms, world.ctx, NOW + timedelta(hours=1))
        assert set(reasons(world, campaign).values()) == {"weekly_cap"}
        world.clock.advance(timedelta(days=8))
        plan_sends.plan(world.rooms, world.ctx)
        assert {n for n, why in reasons(world, campaign).items() if why == "held_out"} == held
        verdict = verify_cap(world.rooms, world.ctx)
        assert (verdict.entries, verdict.mails, verdict.broken) == (100 + len(held), 100 - len(held), [])


class TestTheReCheckAtHandOver:
    @pytest.fixture
    def planned(self, shop: World) -> World:
        coffee = shop.segment("buy_again:101", "repurchase", [1, 2], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        return shop

    def test_an_unsubscribe_between_planning_and_stamp_is_honoured(self, planned: World) -> None:
        with planned.store.session(planned.ctx) as session:
            session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).email_consent = "UNSUBSCRIBED"
        send_due.send(planned.rooms, planned.ctx)
        assert states(planned) == {1: "cancelled", 2: "sent"}

    def test_whoever_left_the_shop_in_between_gets_no_mail(self, planned: World) -> None:
        with planned.store.session(planned.ctx) as session:
            session.get_one(Customer, {"shop_id": 1, "customer_no": 1}).gone_at = planned.clock.now()
        send_due.send(planned.rooms, planned.ctx)
        assert states(planned) == {1: "cancelled", 2: "sent"}

    def test_a_purchase_in_between_stops_the_mail(self, planned: World) -> None:
        planned.bought(2, MUG, planned.clock.now())
        planned.publish()
        send_due.send(planned.rooms, planned.ctx)
        assert states(planned) == {1: "sent", 2: "cancelled"}

    def test_a_changed_sender_address_stops_everything(self, planned: World) -> None:
        senders.change(planned.rooms, planned.ctx, "snd_1", {"from_address": "other@beans.example"})
        send_due.send(planned.rooms, planned.ctx)
        assert set(states(planned).values()) == {"cancelled"}

    def test_a_pause_stops_what_waits_and_resuming_repeats_nothing(self, planned: World) -> None:
        campaigns.pause(planned.rooms, planned.ctx, "cmp_1")
        assert send_due.send(planned.rooms, planned.ctx).sent == 0
        campaigns.resume(planned.rooms, planned.ctx, "cmp_1")
        plan_sends.plan(planned.rooms, planned.ctx, NOW + timedelta(minutes=1))
        send_due.send(planned.rooms, planned.ctx)
        campaigns.pause(planned.rooms, planned.ctx, "cmp_1")
        campaigns.resume(planned.rooms, planned.ctx, "cmp_1")
        plan_sends.plan(planned.rooms, planned.ctx, NOW + timedelta(minutes=2))
        send_due.send(planned.rooms, planned.ctx)
        assert sorted(e.rcpt_to for e in planned.transport.taken) == ["c1@example.com", "c2@example.com"]

    def test_stale_mail_is_never_sent_late(self, planned: World) -> None:
        planned.clock.advance(timedelta(hours=25))
        send_due.send(planned.rooms, planned.ctx)
        assert set(states(planned).values()) == {"cancelled"}
        assert planned.transport.taken == []


class TestEndings:
    @pytest.fixture
    def planned(self, shop: World) -> World:
        coffee = shop.segment("buy_again:101", "repurchase", [1], COFFEE)
        shop.publish()
        shop.campaign(coffee, name="A")
        plan_sends.plan(shop.rooms, shop.ctx)
        return shop

    def test_what_was_not_accepted_is_tried_again_with_the_same_id(self, planned: World) -> None:
        planned.transport.script = [Delivery("not_accepted", "body: 451")]
        assert send_due.send(planned.rooms, planned.ctx).retried == 1
        assert states(planned) == {1: "queued"}
        assert send_due.send(planned.rooms, planned.ctx).sent == 0  # not before its time
        planned.clock.advance(timedelta(minutes=3))
        assert send_due.send(planned.rooms, planned.ctx).sent == 1
        verdict = verify_cap(planned.rooms, planned.ctx)
        assert (verdict.entries, verdict.mails, verdict.too_short, verdict.broken) == (2, 1, [], [])

    def test_what_may_have_been_accepted_is_never_tried_again(self, planned: World) -> None:
        planned.transport.script = [Delivery("unknown", "after the dot")]
        send_due.send(planned.rooms, planned.ctx)
        for days in range(3):
            planned.clock.advance(timedelta(days=days))
            plan_sends.plan(planned.rooms, planned.ctx)
            send_due.send(planned.rooms, planned.ctx)
        assert states(planned) == {1: "unknown"}
        assert planned.transport.taken == []

    def test_a_refusal_is_final_and_keeps_the_week(self, planned: World) -> None:
        planned.transport.script = [Delivery("refused", "envelope: 550")]
        send_due.send(planned.rooms, planned.ctx)
        planned.clock.advance(timedelta(hours=1))
        plan_sends.plan(planned.rooms, planned.ctx)
        assert states(planned) == {1: "failed"}
        assert reasons(planned, "cmp_1") == {1: "weekly_cap"}

    def test_a_message_past_the_deadline_goes_back(self, planned: World) -> None:
        ticks = iter([0.0, 61.0, 61.0, 61.0, 61.0])
        assert send_due.send(planned.rooms, planned.ctx, monotonic=lambda: next(ticks)).retried == 1
        assert planned.transport.taken == []

    def test_a_worker_that_died_leaves_unknown_after_a_quarter_hour(self, planned: World) -> None:
        class Killed(BaseException):
            pass

        def die(*_: object) -> Delivery:
            raise Killed

        planned.transport.deliver = die  # type: ignore[method-assign]
        with pytest.raises(Killed):
            send_due.send(planned.rooms, planned.ctx)
        assert states(planned) == {1: "sending"}
        planned.clock.advance(timedelta(minutes=16))
        assert send_due.send(planned.rooms, planned.ctx).reaped == 1
        assert states(planned) == {1: "unknown"}
