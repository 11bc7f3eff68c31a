"""The SMTP transport tells the truth about how a hand-over ended."""

from __future__ import annotations

import pytest

from app.mail.transport import Envelope, SmtpTransport, always
from tests.integration.sending.smtp_sink import SmtpSink


def envelope(body: bytes = b"Message-ID: <m1@x>\r\n\r\nhello\r\n") -> Envelope:
    return Envelope("shop@example.com", "ann@example.com", body, "m1")


class TestSmtpTransport:
    @pytest.mark.parametrize(
        ("behaviour", "result", "taken"),
        [
            ("accept", "accepted", 1),
            ("rcpt_450", "not_accepted", 0),
            ("rcpt_550", "refused", 0),
            ("data_451", "not_accepted", 0),
            ("data_554", "refused", 0),
            ("drop_before_dot", "not_accepted", 0),
            ("drop_at_dot", "unknown", 0),
            ("take_and_drop", "unknown", 1),
            ("take_then_252", "accepted", 1),
            ("take_then_354", "unknown", 1),
            ("take_then_words", "unknown", 1),
            ("take_then_25", "unknown", 1),
            ("take_then_2", "unknown", 1),
            ("drop_after_45", "unknown", 0),
        ],
    )
    def test_each_ending_has_its_own_result(self, behaviour: str, result: str, taken: int) -> None:
        with SmtpSink(lambda _: behaviour) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            delivery = transport.deliver(envelope(), always)
            transport.close()
        assert delivery.result == result
        assert len(sink.accepted) == taken

    def test_a_message_that_is_too_late_never_gets_its_final_dot(self) -> None:
        with SmtpSink() as sink:
            transport = SmtpTransport(sink.url)
            assert transport.deliver(envelope(), lambda: False).result == "not_accepted"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()
        assert len(sink.accepted) == 1

    def test_a_server_that_refuses_the_sender_uses_up_no_message(self) -> None:
        with SmtpSink(refuse_senders=True) as sink:
            transport = SmtpTransport(sink.url)
            delivery = transport.deliver(envelope(), always)
            transport.close()
        assert (delivery.result, delivery.detail) == ("not_accepted", "connection: 530")

    def test_no_server_means_not_accepted(self) -> None:
        with SmtpSink() as sink:
            url = sink.url
        assert SmtpTransport(url).deliver(envelope(), always).result == "not_accepted"

    def test_one_connection_serves_many_messages_and_survives_a_refusal(self) -> None:
        answers = iter(["accept", "rcpt_550", "accept", "data_451", "accept"])
        with SmtpSink(lambda _: next(answers)) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            results = [transport.deliver(envelope(), always).result for _ in range(5)]
            transport.close()
        assert results == ["accepted", "refused", "accepted", "not_accepted", "accepted"]
        assert sink.connections == 1

    def test_a_connection_that_the_server_closed_is_opened_again(self) -> None:
        answers = iter(["take_and_drop", "accept"])
        with SmtpSink(lambda _: next(answers)) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            assert transport.deliver(envelope(), always).result == "unknown"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()

    def test_half_an_answer_is_never_read_as_the_next_message_s(self) -> None:
        answers = iter(["take_then_words", "data_451"])
        with SmtpSink(lambda _: next(answers)) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            results = [transport.deliver(envelope(), always).result for _ in range(2)]
            transport.close()
        assert results == ["unknown", "not_accepted"]
        assert sink.connections == 2

    @pytest.mark.parametrize(
        ("sender", "recipient"), [("shop@example.com", "jörg@example.com"), ("jörg@example.com", "ann@example.com")]
    )
    def test_an_address_that_smtp_cannot_carry_is_refused_and_leaves_the_line_free(
        self, sender: str, recipient: str
    ) -> None:
        data = b"Message-ID: <m1@x>\r\n\r\nhello\r\n"
        with SmtpSink() as sink:
            transport = SmtpTransport(sink.url)
            assert transport.deliver(Envelope(sender, recipient, data, "m1"), always).result == "refused"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()

    def test_lines_that_begin_with_a_dot_arrive_whole(self) -> None:
        body = b"Message-ID: <m1@x>\r\n\r\n.\r\n..two\r\n.end"
        with SmtpSink() as sink:
            transport = SmtpTransport(sink.url)
            transport.deliver(envelope(body), always)
            transport.close()
        assert sink.accepted[0].data == body + b"\r\n"

    def test_details_hold_no_address(self) -> None:
        with SmtpSink(lambda _: "rcpt_550") as sink:
            transport = SmtpTransport(sink.url)
            assert transport.deliver(envelope(), always).detail == "envelope: 550"
            transport.close()
