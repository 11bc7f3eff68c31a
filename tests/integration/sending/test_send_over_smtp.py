"""Sending against real mail servers that misbehave, and to addresses that mail can hardly carry."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from app.errors import Invalid
from app.services import plan_sends, preview, send_due, senders
from app.services.verify_cap import verify_cap
from tests.integration.sending.smtp_sink import SmtpSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sending.smtp_sink import Behaviour
    from tests.integration.sending.world import World


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as listening:
        yield listening


def due(world: World, sink: SmtpSink, count: int, emails: dict[int, str] | None = None) -> World:
    """A shop whose customers are due for coffee and whose messages wait to go to `sink`."""
    segment = world.coffee_drinkers(count, emails)
    world.campaign(segment, name="Coffee")
    plan_sends.plan(world.rooms, world.ctx)
    world.mails_over(sink.url)
    return world


class TestAServerWhoseAnswerIsDoubtful:
    @pytest.mark.parametrize(
        ("behaviour", "state"),
        [
            ("take_then_25", "unknown"),
            ("take_then_2", "unknown"),
            ("take_then_words", "unknown"),
            ("take_then_354", "unknown"),
            ("take_and_drop", "unknown"),
            ("take_then_252", "sent"),
        ],
    )
    def test_has_one_copy_whatever_it_answered(
        self, world: World, sink: SmtpSink, behaviour: Behaviour, state: str
    ) -> None:
        answers = iter([behaviour])
        sink.behave = lambda _: next(answers, "accept")
        due(world, sink, 1)
        for _ in range(3):
            send_due.send(world.rooms, world.ctx)
            world.clock.advance(timedelta(minutes=30))
            plan_sends.plan(world.rooms, world.ctx)
        assert len(sink.accepted) == 1
        assert world.message_states() == {1: state}
        verdict = verify_cap(world.rooms, world.ctx)
        assert (verdict.broken, verdict.too_short) == ([], [])

    def test_gets_the_rest_of_the_batch_on_a_fresh_connection(self, world: World, sink: SmtpSink) -> None:
        answers = iter(["accept", "take_then_words", "data_451", "data_554"])
        sink.behave = lambda _: next(answers, "accept")  # type: ignore[arg-type,return-value]
        due(world, sink, 5)
        sent = send_due.send(world.rooms, world.ctx)
        assert (sent.sent, sent.unknown, sent.retried, sent.failed) == (2, 1, 1, 1)
        assert sink.connections == 2


class TestOddAddresses:
    @pytest.mark.parametrize("odd", ["typo@example.com.", "a@x..com", "<a@x.com", "jörg@example.com", "a@-ü-.example"])
    def test_fail_alone(self, world: World, sink: SmtpSink, odd: str) -> None:
        due(world, sink, 4, {2: odd})
        sent = send_due.send(world.rooms, world.ctx)
        assert (sent.sent, sent.failed, sent.unknown) == (3, 1, 0)
        assert world.message_states() == {1: "sent", 2: "failed", 3: "sent", 4: "sent"}
        assert sorted(taken.recipient for taken in sink.accepted) == [f"c{n}@example.com" for n in (1, 3, 4)]


class TestDomainsOutsideAscii:
    def test_are_mailed_in_their_ascii_form_in_header_and_envelope(self, world: World, sink: SmtpSink) -> None:
        due(world, sink, 2, {1: "Ann@Bücher.example", 2: "ben@straße.example"})
        assert send_due.send(world.rooms, world.ctx).sent == 2
        headers = {message_from_bytes(taken.data, policy=default)["To"] for taken in sink.accepted}
        assert headers == {"Ann@xn--bcher-kva.example", "ben@xn--strae-oqa.example"}
        assert {taken.recipient for taken in sink.accepted} == headers

    def test_two_spellings_are_one_mailbox_with_one_week(self, world: World, sink: SmtpSink) -> None:
        due(world, sink, 2, {1: "ann@bücher.example", 2: "Ann@xn--bcher-kva.EXAMPLE"})
        sent = send_due.send(world.rooms, world.ctx)
        assert (sent.sent, sent.capped) == (1, 1)
        assert len(sink.accepted) == 1

    def test_a_sender_may_have_one(self, world: World, sink: SmtpSink) -> None:
        world.mails_over(sink.url)
        made = senders.create(world.rooms, world.ctx, senders.NewSender("B", "b@bücher.example", None, "B", "Here"))
        assert (made.state, made.from_address) == ("pending", "b@bücher.example")
        assert [taken.recipient for taken in sink.accepted] == ["b@xn--bcher-kva.example"]

    def test_a_test_mail_reaches_them(self, world: World, sink: SmtpSink) -> None:
        due(world, sink, 1)
        (outcome,) = preview.send_test(world.rooms, world.ctx, "cmp_1", ["boss@bücher.example"])
        assert (outcome.address, outcome.state) == ("boss@bücher.example", "sent")

    def test_a_test_mail_with_one_impossible_address_mails_nobody(self, world: World, sink: SmtpSink) -> None:
        due(world, sink, 1)
        with pytest.raises(Invalid, match=r"jörg@example\.com"):
            preview.send_test(world.rooms, world.ctx, "cmp_1", ["a@example.com", "jörg@example.com", "b@example.com"])
        assert sink.accepted == []
