"""A server that says at once that there is no such mailbox: a hard bounce like one that comes by mail later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.services import mail_events, plan_sends, send_due, sending_brakes, suppressions
from app.store.models.mail_events import MailEvent, SendingHour
from app.store.outbox import Outcome
from tests.integration.sending.test_mail_events import hash_of, sent, suppressed
from tests.integration.sending.test_mailbox import mailbox
from tests.integration.sending.world import NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.mailbox.store import MailStore
    from tests.integration.sending.world import World

__all__ = ["mailbox"]  # a fixture


def refused(world: World, outcomes: Sequence[Outcome]) -> int:
    with world.store.session(world.ctx) as session:
        return mail_events.refused(world.rooms, world.ctx, session, outcomes)


def kept(world: World) -> list[MailEvent]:
    with world.store.reading(world.ctx) as session:
        return list(session.scalars(select(MailEvent)))


class TestARefusalAtTheHandOver:
    def test_of_an_unknown_mailbox_suppresses_the_address_at_once(
        self, world: World, mailbox: tuple[MailStore, str]
    ) -> None:
        inbox, url = mailbox
        world.campaign(world.coffee_drinkers(3), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        world.mails_over(url)
        inbox.add_fault({"recipient": "c2@example.com", "kind": "550"})
        done = send_due.send(world.rooms, world.ctx)
        assert (done.sent, done.failed, inbox.count()) == (2, 1, 2)
        assert suppressed(world) == {hash_of(world, 2): "hard_bounce"}
        (event,) = kept(world)
        assert (event.kind, event.severity, event.source, event.customer_no) == ("bounced", "hard", "smtp", 2)
        assert "@" not in json.dumps(event.raw)
        _, (shown,) = suppressions.listing(world.rooms, world.ctx)
        assert shown.email == "c2@example.com"
        assert "5.1.1" in (shown.evidence or "")

    @pytest.mark.parametrize("kind", ["450", "452", "552", "554"])
    def test_for_any_other_reason_suppresses_nobody(
        self, world: World, mailbox: tuple[MailStore, str], kind: str
    ) -> None:
        inbox, url = mailbox
        world.campaign(world.coffee_drinkers(1), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        world.mails_over(url)
        inbox.add_fault({"kind": kind, "stage": "rcpt"})
        assert send_due.send(world.rooms, world.ctx).sent == 0
        assert (suppressed(world), kept(world)) == ({}, [])


class TestWhatARefusalSays:
    @pytest.mark.parametrize(
        ("result", "detail", "gone"),
        [
            *(("refused", f"recipient: 550 5.1.{n}", True) for n in (1, 2, 3, 6, 10)),
            ("refused", "recipient: 553 5.1.3", True),
            ("refused", "recipient: 550 5.2.1", True),
            *(("refused", f"recipient: 550 5.1.{n}", False) for n in (0, 4, 5, 7, 8, 9, 11, 100)),
            *(("refused", f"recipient: 552 5.2.{n}", False) for n in (0, 2, 3, 4, 10)),
            *(("refused", f"recipient: 550 5.7.{n}", False) for n in (0, 1, 26, 133)),
            ("refused", "recipient: 550 5.0.0", False),
            ("refused", "recipient: 550", False),
            ("refused", "envelope: 550 5.1.1", False),
            ("refused", "envelope: address", False),
            ("refused", "body: 550 5.1.1", False),
            ("refused", "compose: LookupError", False),
            ("not_accepted", "recipient: 450 4.1.1", False),
            ("not_accepted", "recipient: 550 5.1.1", False),
            ("unknown", "recipient: 550 5.1.1", False),
        ],
    )
    def test_is_that_there_is_no_mailbox_for_permanent_codes_of_the_address_alone(
        self, result: str, detail: str, gone: bool
    ) -> None:
        found = result == "refused" and mail_events.NO_MAILBOX.fullmatch(detail) is not None
        assert found is gone

    def test_counts_once(self, world: World) -> None:
        world.customer(1)
        outcome = Outcome(sent(world, 1, state="failed"), "refused", "recipient: 550 5.1.1")
        assert [refused(world, [outcome]) for _ in range(2)] == [1, 0]
        assert len(kept(world)) == 1

    @pytest.mark.parametrize("state", ["sent", "unknown", "queued"])
    def test_is_no_word_on_a_message_that_ended_otherwise(self, world: World, state: str) -> None:
        world.customer(1)
        assert refused(world, [Outcome(sent(world, 1, state=state), "refused", "recipient: 550 5.1.1")]) == 0
        assert (suppressed(world), kept(world)) == ({}, [])

    @pytest.mark.parametrize(("others", "stops"), [(190, True), (189, False), (191, False)])
    def test_counts_in_the_circuit_breaker_as_mailed_and_as_bounced(
        self, world: World, others: int, stops: bool
    ) -> None:
        """Ten of two hundred are the limit; fewer than two hundred say nothing."""
        with world.store.session(world.ctx) as session:
            session.add(SendingHour(shop_id=1, domain="beans.example", hour=NOW, handed_over=others))
        told = []
        for number in range(1, 11):
            world.customer(number)
            told.append(Outcome(sent(world, number, state="failed"), "refused", "recipient: 550 5.1.1"))
        assert refused(world, told) == 10
        with world.store.reading(world.ctx) as session:
            rates = sending_brakes.rates(session, world.ctx, NOW)
            assert (rates.sent, rates.hard_bounces) == (others + 10, 10)
            assert (sending_brakes.open_stop(session, world.ctx) is not None) is stops
