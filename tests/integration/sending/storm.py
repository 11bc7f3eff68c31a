"""A storm over the real way of sending: workers are killed and frozen, the database crashes, the relay misbehaves.

Eight processes put messages in line and call the sender as a job would: re-check, stamp, commit, compose,
SMTP, record. The week is two seconds and the margin seven (on a quiet machine), so that people come round again
while it blows. A worker has two seconds from its stamp to the final dot, and the relay drops whoever is silent
for a second, as real ones do after minutes; so a mail is taken at most three seconds after its stamp, and four
are left for what the machine does besides. The killer waits for the relay to hear something between two kills:
on a busy machine nobody would live long enough to send. The auditor reads nothing but the relay's own log.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.domain.campaigns import TimingRules
from app.domain.context import ShopContext
from app.mail.transport import SmtpTransport
from app.services import send_due
from app.store import cap, outbox, slots
from app.store.marks import Marks
from app.store.models.sending import Message
from app.store.session import Store
from tests.conftest import _postgres_binaries, _server
from tests.integration.sending.world import COFFEE, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from sqlalchemy.orm import Session

    from tests.integration.sending.smtp_sink import Behaviour, SmtpSink

WORDS_A_CRASH = 24  # messages between two crashes of the database
WORDS = 8  # at most so many messages are begun between two kills
LONGEST_PEACE = 20.0  # seconds between two kills, also if nothing is sent: everybody's week may be taken
QUIET_SECONDS = 0.07  # what `Pace.of_machine` measures on a machine that does nothing else
SLOWEST = 6.0
WORKERS = 8
PEOPLE = 60  # sharing 30 addresses: the second key has work to do
CTX = ShopContext(1, "first.myshopify.com", "USD", "America/New_York")
FAR = datetime(2100, 1, 1, tzinfo=UTC)
CHANCES: tuple[tuple[float, Behaviour], ...] = (
    (0.03, "data_451"),
    (0.05, "drop_before_dot"),
    (0.08, "take_and_drop"),
    (0.10, "drop_at_dot"),
    (0.12, "take_then_words"),
    (0.14, "take_then_25"),
    (0.16, "take_then_354"),
    (0.17, "take_then_252"),
    (0.18, "drop_after_45"),
    (0.20, "rcpt_550"),
    (0.22, "stall"),
    (0.23, "take_and_stall"),
)


@dataclass(frozen=True)
class Pace:
    """The lengths of a storm; on a busy machine all of them are as much longer, or no mail would ever be in time.

    silence: seconds after which the relay closes the connection.
    """

    week: timedelta
    margin: timedelta
    deadline: float
    silence: float

    @staticmethod
    def of_machine() -> Pace:
        """As fast as this machine is now."""
        begun = time.monotonic()
        sum(number * number for number in range(1_000_000))
        slow = min(max((time.monotonic() - begun) / QUIET_SECONDS, 1.0), SLOWEST)
        return Pace(timedelta(seconds=2 * slow), timedelta(seconds=7 * slow), 2 * slow, slow)


class RealClock:
    """The time of day."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def address(customer: int) -> str:
    """Two customers each share one."""
    return f"p{customer % (PEOPLE // 2)}@example.com"


def misbehave(_: str) -> Behaviour:
    """What the relay does with a message."""
    chance = random.random()
    return next((behaviour for limit, behaviour in CHANCES if chance < limit), "accept")


def shorten(pace: Pace) -> None:
    """A week of seconds, in this process."""
    cap.WINDOW, cap.MARGIN = pace.week, pace.margin  # type: ignore[misc]
    outbox.DEADLINE_SECONDS = pace.deadline  # type: ignore[misc]
    outbox.REAP_AFTER = timedelta(seconds=pace.deadline + pace.silence)  # type: ignore[misc]
    outbox.FIRST_BACKOFF = timedelta(milliseconds=50)  # type: ignore[misc]
    # How often a campaign may mail one customer is counted in days; the cap alone is asked here.
    TimingRules.too_soon = lambda *_: None  # type: ignore[method-assign,assignment]
    TimingRules.used_up = lambda *_: None  # type: ignore[method-assign,assignment]


def be_naive() -> None:
    """The usual way: look whether the customer was mailed, send, write it down, try again on any doubt."""

    def look(
        session: Session, ctx: ShopContext, now: datetime, wanted: dict[str, Any], _window: timedelta | None = None
    ) -> dict[str, datetime]:
        customers = dict(
            session.execute(
                select(Message.id, Message.customer_no).where(
                    Message.shop_id == ctx.shop_id, Message.id.in_(list(wanted))
                )
            ).all()  # type: ignore[arg-type] # pairs
        )
        recent = set(
            session.scalars(
                select(Message.customer_no).where(
                    Message.shop_id == ctx.shop_id, Message.state == "sent", Message.stamped_at > now - cap.WINDOW
                )
            )
        )
        return {message: now for message in wanted if customers[message] not in recent}

    def try_again(session: Session, ctx: ShopContext, now: datetime) -> int:
        lost = "UPDATE outbox SET state = 'queued' WHERE shop_id = :shop AND state = 'sending' AND stamped_at < :then"
        given = {"shop": ctx.shop_id, "then": _bound(session, now - outbox.REAP_AFTER)}
        session.execute(text(lost), given)
        return 0

    cap.take = look  # type: ignore[assignment]
    outbox.reap = try_again  # type: ignore[assignment]
    outbox.NEXT_STATE = {**outbox.NEXT_STATE, "unknown": "queued"}  # type: ignore[misc]


def _bound(session: Session, at: datetime) -> Any:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}" if session.get_bind().dialect.name == "sqlite" else at


def drop_guards(store: Store) -> None:
    """Take the store's own guard away, for the usual way has none."""
    with store.operator_session() as session:
        if store.is_sqlite:
            for when in ("insert", "update"):
                session.execute(text(f"DROP TRIGGER {slots.NAME}_{when}"))
        else:
            session.execute(text(f"ALTER TABLE outbox DROP CONSTRAINT {slots.NAME}"))


def worker(url: str, smtp_url: str, folder: Path, pace: Pace, careful: bool) -> None:
    """Plan and send for ever."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shorten(pace)
    if not careful:
        be_naive()
    world = World(url, CTX, folder)
    store = Store(url, marks=Marks(folder / "sending"))
    rooms = replace(world.rooms, store=store, clock=RealClock(), transport=SmtpTransport(smtp_url))
    while True:
        try:
            with store.session(CTX) as session:
                chosen = sorted(random.sample(range(1, PEOPLE + 1), 6))
                outbox.enqueue_many(session, CTX, store.db_now(session), [message(customer) for customer in chosen])
            send_due.send(rooms, CTX, 12)
        except DBAPIError:  # the database crashed, or two planners met; a job would be tried again as well
            time.sleep(0.05)


def message(customer: int) -> outbox.NewMessage:
    """A message that the sender's re-check finds nothing against."""
    return outbox.NewMessage(
        customer_no=customer, campaign_id=1, occurrence=f"{os.getpid()}:{time.monotonic_ns()}", content_version=1,
        sender_id=1, product_no=COFFEE, purchased_product_no=COFFEE, kind="repurchase", probability=0.5, lift=None,
        expires_at=FAR,
    )  # fmt: skip


class CrashingPostgres(_server):
    """A server of the storm's own that is stopped as by a power cut (`stop -m immediate`) and recovers."""

    def __init__(self, folder: Path) -> None:
        binaries = _postgres_binaries()
        assert binaries is not None
        super().__init__(binaries, folder)
        self.url = ""

    def crash(self) -> None:
        """Stop at once, without a checkpoint, and start again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)
        options = ["-D", str(self._folder / "data"), "-h", "", "-k", str(self._folder), "-c", "fsync=off"]
        with self._log.open("ab") as log:
            command = [*self._as, str(self._binaries / "postgres"), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait(self.url)


@dataclass
class Blown:
    """What the storm did."""

    kills: int = 0
    stops: int = 0
    crashes: int = 0


@dataclass
class Audit:
    """What the relay's log says. early: pairs closer than a week; twice: messages taken more than once."""

    accepted: int
    gaps: list[float]
    early: int
    twice: int


def audit(sink: SmtpSink, pace: Pace) -> Audit:
    """Read the relay's log."""
    times: dict[str, list[float]] = defaultdict(list)
    for taken in sink.accepted:
        times[taken.recipient].append(taken.at)
    gaps = [later - earlier for at in times.values() for earlier, later in pairwise(sorted(at))]
    twice = sum(count > 1 for count in Counter(t.message_id for t in sink.accepted).values())
    return Audit(len(sink.accepted), gaps, sum(gap < pace.week.total_seconds() for gap in gaps), twice)


def storm(
    url: str,
    sink: SmtpSink,
    folder: Path,
    pace: Pace,
    enough: Callable[[Blown], bool],
    *,
    careful: bool,
    server: CrashingPostgres | None = None,
) -> Blown:
    """Run the workers; kill -9, freeze and crash at random until `enough`."""
    # A process that has no threads yet makes the workers: they use libraries that do not survive a fork of threads.
    spawn = multiprocessing.get_context("forkserver")
    spawn.set_forkserver_preload([__name__])

    def start() -> ForkServerProcess:
        process = spawn.Process(target=worker, args=(url, sink.url, folder, pace, careful), daemon=True)
        process.start()
        return process

    crew = [start() for _ in range(WORKERS)]
    frozen: dict[int, float] = {}
    blown = Blown()
    next_crash = WORDS_A_CRASH
    try:
        while not enough(blown):
            _wait_for_words(sink)
            for place in [place for place, until in frozen.items() if until <= time.monotonic()]:
                _tell(crew[place], signal.SIGCONT)
                del frozen[place]
            place = random.randrange(WORKERS)
            if place not in frozen and random.random() < 0.12:
                _tell(crew[place], signal.SIGSTOP)
                frozen[place] = time.monotonic() + random.uniform(0.1, 1.5) * pace.deadline
                blown.stops += 1
                continue
            frozen.pop(place, None)
            crew[place].kill()
            crew[place].join(10)
            blown.kills += 1
            crew[place] = start()
            if server is not None and sink.heard > next_crash:
                server.crash()
                blown.crashes += 1
                next_crash = sink.heard + random.randint(WORDS_A_CRASH // 2, WORDS_A_CRASH)
    finally:
        for process in crew:
            process.kill()
            process.join(10)
    return blown


def _wait_for_words(sink: SmtpSink) -> None:
    heard, end = sink.heard + random.randint(1, WORDS), time.monotonic() + LONGEST_PEACE
    time.sleep(random.uniform(0.02, 0.1))
    while sink.heard < heard and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.05))


def _tell(process: ForkServerProcess, what: int) -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, what)
