"""Handing messages over: how many a second, and what one costs, with everything that makes it durable.

18 KB mails in batches of 50, on two cores. Beside each run the same without a store: the same words composed for
the same people and handed to the same sink, nothing stamped, nothing recorded. The sink stands on loopback, with two
workers, and a round trip of 30 ms away, where servers that take mail for others are, with workers and connections
enough for that distance; what durability may cost is held at both (docs/decisions.md). CPU is user and system time of
the workers, imports left out: of one worker with a core to itself, and of two that share both cores with sink and
database, where a second of CPU does less.
"""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select

from app.services import send_due
from app.services.campaigns import content_of
from app.services.links import links_of
from app.services.send_due_compose import frame_of
from app.services.send_due_handover import Desk, fill_from_lake, hand_over
from app.store import outbox
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer
from app.store.models.senders import Sender
from app.store.models.sending import Message
from benchmarks.figures import Figure
from benchmarks.mail.postgres import database
from benchmarks.mail.shop import CTX, build, rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.queues import Queue
    from threading import Barrier

    from app.services.rooms import Rooms

ALONE = 2_000  # messages of the one worker
MESSAGES = int(os.environ.get("ENCORE_BENCH_MESSAGES", "10000"))
WORKERS = int(os.environ.get("ENCORE_BENCH_WORKERS", "2"))
FAR = int(os.environ.get("ENCORE_BENCH_FAR", "40000"))  # messages to the sink that is far away
AWAY_SECONDS = 0.03
AWAY_WORKERS, AWAY_CONNECTIONS = 20, 2  # connections of each
WARM_UP = 100  # messages that load what is loaded once
MUST_RATE, MUST_SHARE, MUST_CPU_MS = 1_000.0, 0.85, 0.5
MUST_BYTES = 17_000
WAIT_SECONDS = 600.0


def measure() -> list[Figure]:
    """The figures on SQLite, and on PostgreSQL where one can be had."""
    _only_warnings()
    figures = _of_store("SQLite", "sqlite:///{folder}/encore.sqlite3")
    with database() as url:
        return figures + (_of_store("PostgreSQL", url) if url else [])


def _of_store(name: str, url: str) -> list[Figure]:
    with (
        tempfile.TemporaryDirectory(prefix="encore-bench-") as place,
        _sink() as mail_url,
        _sink(AWAY_SECONDS) as far,
    ):
        folder = Path(place)
        store_url = url.format(folder=folder)
        durable = WORKERS, AWAY_WORKERS, 1
        build(store_url, folder, MESSAGES + ALONE + FAR + sum(durable) * WARM_UP)
        far_url = f"{far}?connections={AWAY_CONNECTIONS}"
        # First without the store: sending changes what waits.
        bare_rate, _ = _measured(Run(_bare, store_url, folder, mail_url, WORKERS, MESSAGES))
        bare_far, _ = _measured(Run(_bare, store_url, folder, far_url, AWAY_WORKERS, FAR))
        rate_far, _ = _measured(Run(_durable, store_url, folder, far_url, AWAY_WORKERS, FAR))
        rate, cpu = _measured(Run(_durable, store_url, folder, mail_url, WORKERS, MESSAGES))
        _, cpu_alone = _measured(Run(_durable, store_url, folder, mail_url, 1, ALONE))
        size = _bytes_of_one(store_url, folder)
    away = f"server {1000 * AWAY_SECONDS:.0f} ms away, {AWAY_WORKERS} workers"
    return [
        Figure(f"{name}: durable, msg/s", rate, MUST_RATE),
        Figure(f"{name}: durable against no store", rate / bare_rate, MUST_SHARE),
        Figure(f"{name}: durable, {away}, msg/s", rate_far, MUST_RATE),
        Figure(f"{name}: the same against no store so far away", rate_far / bare_far, MUST_SHARE),
        Figure(f"{name}: CPU per message, one worker, ms", 1000 * cpu_alone, MUST_CPU_MS, at_most=True),
        Figure(f"{name}: CPU per message, {WORKERS} workers, ms", 1000 * cpu, MUST_CPU_MS, at_most=True),
        Figure(f"{name}: bytes of a message", size, MUST_BYTES),
    ]


@dataclass(frozen=True)
class Run:
    """What workers do at once.

    work: gets ready, given (rooms, the worker's number, workers, messages of all of them), and returns what is timed.
    """

    work: Callable[[Rooms, int, int, int], Callable[[], int]]
    store_url: str
    folder: Path
    mail_url: str
    workers: int
    messages: int


def _measured(run: Run) -> tuple[float, float]:
    """(messages a second, CPU seconds a message) of all workers together."""
    spawn = get_context("spawn")
    ready, begin = spawn.Barrier(run.workers + 1), spawn.Barrier(run.workers + 1)
    told: Queue[tuple[int, float]] = spawn.Queue()
    crew = [spawn.Process(target=_worker, args=(run, place, ready, begin, told)) for place in range(run.workers)]
    for process in crew:
        process.start()
    ready.wait(WAIT_SECONDS)
    started = time.monotonic()
    begin.wait(WAIT_SECONDS)
    answers = [told.get(timeout=WAIT_SECONDS) for _ in crew]
    seconds = time.monotonic() - started
    for process in crew:
        process.join()
    sent = sum(count for count, _ in answers)
    if sent != run.messages:
        raise RuntimeError(f"{sent} messages were sent, not {run.messages}")
    return sent / seconds, sum(cpu for _, cpu in answers) / sent


def _worker(run: Run, place: int, ready: Barrier, begin: Barrier, told: Queue[tuple[int, float]]) -> None:
    _only_warnings()
    made = rooms(run.store_url, run.folder, run.mail_url)
    run.work(made, place, run.workers, run.workers * WARM_UP)()
    work = run.work(made, place, run.workers, run.messages)
    ready.wait(WAIT_SECONDS)
    begin.wait(WAIT_SECONDS)
    before = _cpu()
    sent = work()
    told.put((sent, _cpu() - before))
    made.store.close()


def _only_warnings() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _durable(made: Rooms, _: int, workers: int, messages: int) -> Callable[[], int]:
    return lambda: send_due.send(made, CTX, messages // workers).sent


def _bare(made: Rooms, place: int, workers: int, messages: int) -> Callable[[], int]:
    """What is left of sending when nothing is looked up, stamped or recorded."""
    with made.store.reading(CTX) as session:
        query = select(Message).where(Message.shop_id == CTX.shop_id).order_by(Message.id).limit(messages)
        mine = list(session.scalars(query))[place::workers]
        desk = Desk()
        fill_from_lake(made, CTX, mine, desk)
        campaign = session.get_one(Campaign, {"shop_id": CTX.shop_id, "id": 1})
        sender = session.get_one(Sender, {"shop_id": CTX.shop_id, "id": 1})
        desk.frames[1, 1, 1] = frame_of(made, session, CTX, campaign, content_of(session, campaign, 1), sender)
        desk.links = links_of(session, CTX, [1])
        customers = select(Customer).where(Customer.shop_id == CTX.shop_id)
        desk.customers = {row.customer_no: row for row in session.scalars(customers)}

    def work() -> int:
        sent = 0
        for start in range(0, len(mine), outbox.MAX_BATCH):
            batch = mine[start : start + outbox.MAX_BATCH]
            outcomes, _ = hand_over(made, CTX, batch, desk, time.monotonic(), time.monotonic)
            sent += sum(outcome.result == "accepted" for outcome in outcomes)
        return sent

    return work


def _bytes_of_one(store_url: str, folder: Path) -> float:
    """Of a message as it would go out, written to a file; also a check that all were sent."""
    made = rooms(store_url, folder, "")
    with made.store.reading(CTX) as session:
        states = dict(session.execute(select(Message.state, func.count()).group_by(Message.state)).all())  # type: ignore[arg-type]
    made.store.close()
    if set(states) != {"sent"}:
        raise RuntimeError(f"not everything was sent: {states}")
    with tempfile.TemporaryDirectory(prefix="encore-bench-") as place:
        build(f"sqlite:///{place}/encore.sqlite3", Path(place), 1)
        one = rooms(f"sqlite:///{place}/encore.sqlite3", Path(place), "")
        send_due.send(one, CTX)
        one.store.close()
        return float(next((Path(place) / "mail").glob("*.eml")).stat().st_size)


@contextmanager
def _sink(away: float = 0.0) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.mail.sink", str(away)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sink:  # noqa: S603 - ourselves
        assert sink.stdout is not None
        yield f"smtp://127.0.0.1:{int(sink.stdout.readline())}"
        sink.terminate()
