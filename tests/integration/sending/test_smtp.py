"""The SMTP transport tells the truth about how a hand-over ended."""

from __future__ import annotations

import pytest

from app.mail.transport import Envelope, SmtpTransport, always
from tests.integration.sending.smtp_sink import SmtpSink


def envelope(body: bytes = b"Message-ID: <m1@x>\r\n\r\nhello\r\n") -> Envelope:
    return Envelope("shop@example.com", "ann@example.com", body, "m1")


@pytest.fixture(params=[False, True], ids=["verb-by-verb", "pipelined"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    """Whether the server offers RFC 2920; nothing may depend on it."""
    return bool(request.param)


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
    def test_each_ending_has_its_own_result(self, behaviour: str, result: str, taken: int, pipelining: bool) -> None:
        with SmtpSink(lambda _: behaviour, pipelining=pipelining) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            delivery = transport.deliver(envelope(), always)
            transport.close()
        assert delivery.result == result
        assert len(sink.accepted) == taken

    def test_a_message_that_is_too_late_never_gets_its_final_dot(self, pipelining: bool) -> None:
        with SmtpSink(pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            assert transport.deliver(envelope(), lambda: False).result == "not_accepted"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()
        assert len(sink.accepted) == 1

    def test_a_server_that_refuses_the_sender_uses_up_no_message(self, pipelining: bool) -> None:
        with SmtpSink(refuse_senders=True, pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            delivery = transport.deliver(envelope(), always)
            transport.close()
        assert (delivery.result, delivery.detail) == ("not_accepted", "connection: 530")

    def test_no_server_means_not_accepted(self, pipelining: bool) -> None:
        with SmtpSink(pipelining=pipelining) as sink:
            url = sink.url
        assert SmtpTransport(url).deliver(envelope(), always).result == "not_accepted"

    def test_one_connection_serves_many_messages_and_survives_a_refusal(self, pipelining: bool) -> None:
        answers = iter(["accept", "rcpt_550", "accept", "data_451", "accept"])
        with SmtpSink(lambda _: next(answers), pipelining=pipelining) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            results = [transport.deliver(envelope(), always).result for _ in range(5)]
            transport.close()
        assert results == ["accepted", "refused", "accepted", "not_accepted", "accepted"]
        assert sink.connections == 1

    def test_a_connection_that_the_server_closed_is_opened_again(self, pipelining: bool) -> None:
        answers = iter(["take_and_drop", "accept"])
        with SmtpSink(lambda _: next(answers), pipelining=pipelining) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            assert transport.deliver(envelope(), always).result == "unknown"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()

    def test_half_an_answer_is_never_read_as_the_next_message_s(self, pipelining: bool) -> None:
        answers = iter(["take_then_words", "data_451"])
        with SmtpSink(lambda _: next(answers), pipelining=pipelining) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            results = [transport.deliver(envelope(), always).result for _ in range(2)]
            transport.close()
        assert results == ["unknown", "not_accepted"]
        assert sink.connections == 2

    @pytest.mark.parametrize(
        ("sender", "recipient"), [("shop@example.com", "jörg@example.com"), ("jörg@example.com", "ann@example.com")]
    )
    def test_an_address_that_smtp_cannot_carry_is_refused_and_leaves_the_line_free(
        self, sender: str, recipient: str, pipelining: bool
    ) -> None:
        data = b"Message-ID: <m1@x>\r\n\r\nhello\r\n"
        with SmtpSink(pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            assert transport.deliver(Envelope(sender, recipient, data, "m1"), always).result == "refused"
            assert transport.deliver(envelope(), always).result == "accepted"
            transport.close()

    def test_lines_that_begin_with_a_dot_arrive_whole(self, pipelining: bool) -> None:
        body = b"Message-ID: <m1@x>\r\n\r\n.\r\n..two\r\n.end"
        with SmtpSink(pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            transport.deliver(envelope(body), always)
            transport.close()
        assert sink.accepted[0].data == body + b"\r\n"

    @pytest.mark.parametrize(
        ("words", "detail"),
        [
            ("550 no", "550"),
            ("550", "550"),
            ("550 5.1.1 <ann@example.com>: not here", "550 5.1.1"),
            ("550-5.1.1 The account does not exist.\r\n550 5.1.1 ann@example.com", "550 5.1.1"),
            ("553 5.1.10", "553 5.1.10"),
            ("550 5.1.1.2 what", "550"),
            ("550 4.1.1 a server that contradicts itself", "550"),
            ("550 see 5.1.1 of our rules", "550"),
        ],
    )
    def test_details_hold_the_codes_and_no_address(self, words: str, detail: str, pipelining: bool) -> None:
        answers = iter(["rcpt_550", "accept"])
        with SmtpSink(lambda _: next(answers), pipelining=pipelining, words=words) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            refused, taken = transport.deliver_many([envelope(), envelope()], always)
            transport.close()
        assert (refused.result, refused.detail) == ("refused", f"recipient: {detail}")
        assert taken.result == "accepted"


def many(count: int) -> list[Envelope]:
    return [
        Envelope(
            "shop@example.com", f"c{n}@example.com", f"Message-ID: <m{n}@x>\r\n\r\n.hello {n}\r\n".encode(), f"m{n}"
        )
        for n in range(count)
    ]


class TestManyMessages:
    def test_every_message_has_its_own_answer(self, pipelining: bool) -> None:
        # Whatever stands around it: each ending follows and precedes each other one.
        endings = ["accept", "rcpt_550", "data_451", "take_and_drop", "rcpt_450", "data_554", "take_then_words"]
        order = [ending for first in endings for second in endings for ending in (first, second)]
        expected = {
            "accept": "accepted", "rcpt_550": "refused", "data_451": "not_accepted", "take_and_drop": "unknown",
            "rcpt_450": "not_accepted", "data_554": "refused", "take_then_words": "unknown",
        }  # fmt: skip
        mails = many(len(order))
        behave = lambda to: order[int(to.partition("@")[0][1:])]  # noqa: E731
        for refuse_data in (True, False):
            with SmtpSink(behave, pipelining=pipelining, refuse_data=refuse_data) as sink:  # type: ignore[arg-type]
                transport = SmtpTransport(sink.url)
                results = [d.result for d in transport.deliver_many(mails, always)]
                transport.close()
            assert results == [expected[ending] for ending in order]
            taken = [a.message_id for a in sink.accepted]
            assert taken == [f"m{n}" for n, ending in enumerate(order) if ending == "accept" or "take" in ending]

    def test_a_batch_uses_one_connection_of_a_server_that_answers_at_once(self, pipelining: bool) -> None:
        with SmtpSink(pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            assert {d.result for d in transport.deliver_many(many(30), always)} == {"accepted"}
            transport.close()
        assert sink.connections == 1
        assert [a.recipient for a in sink.accepted] == [f"c{n}@example.com" for n in range(30)]

    def test_a_slow_server_is_talked_to_on_several_connections(self, pipelining: bool) -> None:
        with SmtpSink(pipelining=pipelining, slow_seconds=0.03) as sink:
            transport = SmtpTransport(f"{sink.url}?connections=4")
            transport.deliver_many(many(3), always)
            results = [d.result for d in transport.deliver_many(many(20), always)]
            transport.close()
        assert results == ["accepted"] * 20
        assert sink.connections == 4
        assert sorted(a.message_id for a in sink.accepted[3:]) == sorted(f"m{n}" for n in range(20))

    def test_answers_stay_with_their_messages_on_several_connections(self, pipelining: bool) -> None:
        refused = {f"c{n}@example.com" for n in range(0, 20, 3)}
        behave = lambda to: "rcpt_550" if to in refused else "accept"  # noqa: E731
        with SmtpSink(behave, pipelining=pipelining, slow_seconds=0.03) as sink:  # type: ignore[arg-type]
            transport = SmtpTransport(sink.url)
            transport.deliver(many(1)[0], always)
            mails = many(20)
            deliveries = transport.deliver_many(mails, always)
            transport.close()
        assert [d.result == "refused" for d in deliveries] == [m.rcpt_to in refused for m in mails]

    def test_time_that_runs_out_leaves_the_rest_unsent(self, pipelining: bool) -> None:
        allowed = iter([True] * 5)  # asked before the envelope and before the dot
        with SmtpSink(pipelining=pipelining) as sink:
            transport = SmtpTransport(sink.url)
            results = [d.result for d in transport.deliver_many(many(6), lambda: next(allowed, False))]
            transport.close()
        assert results == ["accepted"] * 2 + ["not_accepted"] * 4
        assert len(sink.accepted) == 2

    def test_a_server_that_is_away_is_not_asked_for_every_message(self) -> None:
        with SmtpSink() as sink:
            url = sink.url
        deliveries = SmtpTransport(url).deliver_many(many(20), always)
        assert {d.result for d in deliveries} == {"not_accepted"}
        assert [d.unreachable for d in deliveries] == [True] * 20
        assert [d.detail for d in deliveries[3:]] == ["the mail server is away"] * 17

    def test_an_answer_that_nobody_asked_for_is_never_taken_for_one(self) -> None:
        # The server says 250 twice to the first message's dot: the spare one must not accept the second message.
        with SmtpSink(lambda to: "twice" if to.startswith("c0") else "data_451", pipelining=True) as sink:  # type: ignore[arg-type,return-value]
            transport = SmtpTransport(sink.url)
            results = [d.result for d in transport.deliver_many(many(2), always)]
            transport.close()
        assert results == ["accepted", "not_accepted"]
        assert sink.accepted == []
