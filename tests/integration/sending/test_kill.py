"""Workers killed at random moments; the auditor reads nothing but the mail server's own log.

The week is two seconds and the margin three, so that people come round again while the test runs, and a
busy machine may hold a worker for 2.5 s between its last look at the clock and the server's note. The mail
server refuses some messages, drops the line before or after taking others, and garbles answers.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.domain.context import ShopContext
from app.mail.transport import Envelope, SmtpTransport
from app.store import cap, ledger, outbox
from app.store.crypto import Vault
from app.store.models.sending import Message
from app.store.session import Store
from tests.integration.sending.smtp_sink import Behaviour, SmtpSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

WEEK, MARGIN, DEADLINE = timedelta(seconds=2), timedelta(seconds=3), 0.5
PEOPLE = 24  # sharing 12 addresses: the second key has work to do
KILLS, GAPS = 10, 5  # the least that a storm must have seen to say anything
AT_LEAST_SECONDS, AT_MOST_SECONDS = 9.0, 90.0
CTX = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def address(customer: int) -> str:
    return f"p{customer % (PEOPLE // 2)}@example.com"


def shorten() -> None:
    cap.WINDOW, cap.MARGIN = WEEK, MARGIN  # type: ignore[misc]
    outbox.DEADLINE_SECONDS = DEADLINE  # type: ignore[misc]
    outbox.REAP_AFTER = timedelta(seconds=2)  # type: ignore[misc]
    outbox.FIRST_BACKOFF = timedelta(milliseconds=50)  # type: ignore[misc]


def recheck(_: Session, due: Sequence[Message]) -> dict[str, outbox.Check]:
    return {m.id: outbox.Check(address(m.customer_no)) for m in due}


def worker(url: str, smtp_url: str, careful: bool) -> None:
    """Plan and send for ever. careless: checks the last hand-over first and tries again on any doubt."""
    shorten()
    store, vault, transport = Store(url), Vault({1: b"k" * 32}, b"pepper-of-the-tests"), SmtpTransport(smtp_url)
    round_no = time.monotonic_ns()
    while True:
        round_no += 1
        with store.session(CTX) as session:
            now = store.db_now(session)
            outbox.reap(session, CTX, now)
            new = outbox.NewMessage(
                customer_no=random.randrange(PEOPLE), campaign_id=1, occurrence=str(round_no), content_version=1,
                sender_id=1, product_no=1, purchased_product_no=None, kind="repurchase", probability=0.5, lift=None,
                expires_at=FAR,
            )  # fmt: skip
            outbox.enqueue(session, CTX, now, new)
        if not careful:
            outbox.NEXT_STATE = {**outbox.NEXT_STATE, "unknown": "queued"}  # type: ignore[misc]
            cap.keys_of = lambda customer, _: (f"c:{customer}",)  # type: ignore[assignment,return-value]
        started = time.monotonic()
        with store.session(CTX) as session:
            batch = outbox.stamp_batch(session, CTX, vault, clock=store.db_now, owner="w", recheck=recheck, limit=5)
        outcomes = []
        for message in batch.stamped:
            data = f"Message-ID: <{message.id}@x>\r\n\r\nhello\r\n".encode()
            envelope = Envelope("shop@example.com", address(message.customer_no), data, message.id)
            delivery = transport.deliver(envelope, lambda: outbox.in_time(started, time.monotonic()))  # noqa: B023
            outcomes.append(outbox.Outcome(message.id, delivery.result, delivery.detail))
        with store.session(CTX) as session:
            outbox.record(session, CTX, store.db_now(session), outcomes)


def misbehave(_: str) -> Behaviour:
    chance = random.random()
    for limit, behaviour in (
        (0.03, "data_451"),
        (0.05, "drop_before_dot"),
        (0.10, "take_and_drop"),
        (0.12, "drop_at_dot"),
        (0.14, "take_then_words"),
        (0.16, "take_then_25"),
        (0.18, "take_then_354"),
        (0.19, "take_then_252"),
        (0.20, "drop_after_45"),
    ):
        if chance < limit:
            return behaviour  # type: ignore[return-value]
    return "accept"


def storm(url: str, sink: SmtpSink, enough: Callable[[int], bool], *, careful: bool) -> int:
    """Run three workers and kill -9 one after the other until `enough(kills)`; returns how many were killed."""
    spawn = multiprocessing.get_context("fork")
    start = lambda: spawn.Process(target=worker, args=(url, sink.url, careful), daemon=True)  # noqa: E731
    crew = [start() for _ in range(3)]
    for process in crew:
        process.start()
    kills, end = 0, time.monotonic() + AT_MOST_SECONDS
    while time.monotonic() < end and not enough(kills):
        time.sleep(random.uniform(0.1, 0.4))
        victim = random.randrange(len(crew))
        crew[victim].kill()
        crew[victim].join(5)
        kills += 1
        crew[victim] = start()
        crew[victim].start()
    for process in crew:
        process.kill()
        process.join(5)
    return kills


def audit(sink: SmtpSink) -> tuple[list[float], list[str]]:
    """(gaps in seconds between mails to one address, message ids taken more than once)."""
    times: dict[str, list[float]] = defaultdict(list)
    for taken in sink.accepted:
        times[taken.recipient].append(taken.at)
    gaps = [later - earlier for at in times.values() for earlier, later in pairwise(at)]
    twice = [message for message, count in Counter(t.message_id for t in sink.accepted).items() if count > 1]
    return gaps, twice


def too_early(sink: SmtpSink) -> bool:
    """Whether somebody got two mails in a week, or one mail twice."""
    gaps, twice = audit(sink)
    return bool(twice) or min(gaps, default=WEEK.total_seconds()) < WEEK.total_seconds()


@pytest.fixture
def quick_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((cap, "WINDOW", WEEK), (cap, "MARGIN", MARGIN)):
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("ctx", "quick_weeks")
class TestKilledWorkers:
    def test_nobody_gets_two_mails_in_a_week_and_nothing_is_sent_twice(self, store: Store, store_url: str) -> None:
        least = time.monotonic() + AT_LEAST_SECONDS
        with SmtpSink(misbehave) as sink:

            def enough(kills: int) -> bool:
                return time.monotonic() > least and kills >= KILLS and len(audit(sink)[0]) >= GAPS

            kills = storm(store_url, sink, enough, careful=True)
            gaps, twice = audit(sink)
        assert kills >= KILLS
        assert len(gaps) >= GAPS
        assert twice == []
        assert min(gaps) >= WEEK.total_seconds()
        with store.reading(CTX) as session:
            sent = set(session.scalars(select(Message.id).where(Message.state == "sent")))
            taken_back = ledger.taken_back(session, CTX)
            verdict = ledger.verify(1, ledger.entries(session, CTX), ledger.head(session, CTX), WEEK, taken_back)
            missing = ledger.missing(session, CTX)
        assert sent <= {taken.message_id for taken in sink.accepted}
        assert (verdict.broken, verdict.too_short, missing) == ([], [], [])

    def test_the_usual_way_fails_in_the_same_storm(self, store_url: str) -> None:
        with SmtpSink(misbehave) as sink:
            storm(store_url, sink, lambda _: too_early(sink), careful=False)
            assert too_early(sink)
