"""Handing queued messages over: stamp a batch under the weekly cap, commit, then talk to the mail server."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.services import discounts, mail_events, sender_domains, senders, sending_brakes, sending_limits
from app.services.send_due_handover import Desk, fill_from_lake, hand_over, left_by_domain
from app.services.send_due_recheck import recheck
from app.services.shop_settings import CAP_DAYS, window_of
from app.store import outbox, statistics
from app.store.models.campaigns import Campaign
from app.store.models.senders import Sender
from app.store.rowset import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

DEFAULT_BUDGET = 2_000  # messages a call, so that one shop does not keep a worker for hours
FIRST_BATCH = 10
WORKERS = 8  # as many processes may share a limit without passing it by more than a batch each
READ_AHEAD = 2_000  # messages whose facts are read from the lake at once: opening it costs more than their rows
GROW = ("outbox", "cap", "customers")  # where a batch finds its rows
BATCH_SECONDS = 20.0  # a third of the deadline: the rest is for the server's slow moments


@dataclass
class Sent:
    """What one call did."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    unknown: int = 0
    capped: int = 0
    cancelled: int = 0
    reaped: int = 0


def send(
    rooms: Rooms,
    ctx: ShopContext,
    budget: int = DEFAULT_BUDGET,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Sent:
    """Hand over up to `budget` queued messages of a shop. Any number of processes may do so at once."""
    owner = f"{socket.gethostname()}:{os.getpid()}"
    total = Sent()
    with rooms.store.session(ctx) as session:
        now = rooms.store.db_now(session)
        total.reaped = outbox.reap(session, ctx, now)
        sending_brakes.judge(session, ctx, now)
    with rooms.store.session(ctx) as session:
        statistics.learn(session, GROW)
    _ask_names(rooms, ctx)
    limit, desk, room = FIRST_BATCH, Desk(), 0
    told = _Told(rooms, ctx)
    try:
        while budget > 0:
            if room <= 0:
                told.write()
                room = _room(rooms, ctx)
            most = min(limit, budget, room)
            if most <= 0:
                break
            # What other workers take is passed over when stamping: two batches are left for that.
            if desk.left < 2 * limit:
                desk = _read_lake(rooms, ctx, limit, budget)
            started = monotonic()
            batch = _stamp(rooms, ctx, desk, told, owner, most)
            # Committed, durably: only now may anything be said to the mail server.
            for name, number in (("capped", batch.capped), ("cancelled", batch.cancelled)):
                setattr(total, name, getattr(total, name) + number)
            budget, desk.left, room = budget - batch.touched, desk.left - batch.touched, room - batch.touched
            if batch.touched == 0:
                break
            outcomes, away = hand_over(rooms, ctx, batch.stamped, desk, started, monotonic)
            told.add(outcomes, left_by_domain(batch.stamped, desk, outcomes))
            _count(total, outcomes)
            if away:
                break
            if batch.stamped:
                seconds = max(monotonic() - started, 0.001) / len(batch.stamped)
                limit = max(1, min(outbox.MAX_BATCH, int(BATCH_SECONDS / seconds)))
    finally:
        told.write()
    if any(vars(total).values()):
        log.info("messages_handed_over", shop_id=ctx.shop_id, **vars(total))
    return total


class _Told:
    """How hand-overs ended, until it is written down: together with the next stamps, for a commit less a batch.

    `record` first, `count` last in the transaction: all workers count in one row, and wait there for each other.
    """

    def __init__(self, rooms: Rooms, ctx: ShopContext) -> None:
        self._rooms, self._ctx = rooms, ctx
        self._outcomes: list[outbox.Outcome] = []
        self._left: Counter[str] = Counter()

    def add(self, outcomes: Sequence[outbox.Outcome], left: Counter[str]) -> None:
        """Remember. left: messages that left, by the domain they came from."""
        self._outcomes += outcomes
        self._left += left

    def record(self, session: Session) -> None:
        """Write it within a transaction; `forget` once that is committed."""
        if self._outcomes:
            now = self._rooms.store.db_now(session)
            outbox.record(session, self._ctx, now, self._outcomes)
            mail_events.refused(self._rooms, self._ctx, session, self._outcomes)

    def count(self, session: Session) -> None:
        """Count it towards the limits."""
        if self._left:
            sending_limits.count(session, self._ctx, self._rooms.store.db_now(session), self._left)

    def forget(self) -> None:
        """What was remembered is durable."""
        self._outcomes, self._left = [], Counter()

    def write(self) -> None:
        """Write what is not written yet, in a transaction of its own."""
        if self._outcomes:
            with self._rooms.store.session(self._ctx) as session:
                self.record(session)
                self.count(session)
            self.forget()


def _stamp(rooms: Rooms, ctx: ShopContext, desk: Desk, told: _Told, owner: str, most: int) -> outbox.Batch:
    """Stamp up to `most` messages, and write how the batch before ended; none while sending is stopped."""
    # Of this batch alone: what an earlier one offered was committed, and is out.
    desk.offered = set()
    batch = outbox.Batch([], 0, 0)
    with rooms.store.session(ctx) as session:
        told.record(session)
        said = ask(session, ctx, stopped=sending_brakes.STOPPED, cap_days=CAP_DAYS)
        if not said.stopped:
            batch = outbox.stamp_batch(
                session,
                ctx,
                rooms.vault,
                clock=rooms.store.db_now,
                owner=owner,
                recheck=partial(recheck, rooms, ctx, desk),
                limit=most,
                window=window_of(said.cap_days),
            )
            # Not stamped, not offered: nobody saw these codes, and none of this was committed yet.
            discounts.undo(session, ctx, desk.offered - {message.id for message in batch.stamped})
        told.count(session)
    told.forget()
    return batch


def _room(rooms: Rooms, ctx: ShopContext) -> int:
    """How many messages may go before the limits are read again: other workers fill them too."""
    with rooms.store.reading(ctx) as session:
        gate = sending_limits.gate(rooms, session, ctx)
    sending_limits.hold_back(rooms, ctx, gate)
    return READ_AHEAD if gate.most is None else min(gate.most, max(outbox.MAX_BATCH, gate.most // WORKERS))


def _ask_names(rooms: Rooms, ctx: ShopContext) -> None:
    """Have the domains looked up that nobody looked up for a day; what is known meanwhile still counts."""
    with rooms.store.reading(ctx) as session:
        rows = session.scalars(select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.deleted_at.is_(None)))
        domains = {sending_limits.domain_of(rooms, row) for row in rows if senders.is_verified(row)}
        stale = sender_domains.stale(rooms, session, ctx, domains)
    for domain in sorted(stale):
        rooms.jobs.enqueue(ctx, sender_domains.JOB, domain)


def _read_lake(rooms: Rooms, ctx: ShopContext, limit: int, budget: int) -> Desk:
    """Products and newest orders of what is probably stamped next; before the transaction, it may be slow."""
    desk = Desk()
    # More than will be sent: or it would be read again for the last two batches.
    ahead = max(4 * limit, min(budget, READ_AHEAD) + 3 * outbox.MAX_BATCH)
    with rooms.store.reading(ctx) as session:
        near = outbox.due(session, ctx, rooms.store.db_now(session), ahead)
        managed = (Campaign.shop_id == ctx.shop_id, Campaign.discount_mode == discounts.MANAGED)
        desk.managed = (
            session.scalars(select(Campaign.id).where(*managed, Campaign.state == "active")).first() is not None
        )
    if near:
        fill_from_lake(rooms, ctx, near, desk)
    # Fewer than asked for: nothing else waits, and what comes meanwhile is read when it is met.
    desk.left = len(near) if len(near) == ahead else sys.maxsize
    return desk


def _count(total: Sent, outcomes: Sequence[outbox.Outcome]) -> None:
    names = {"accepted": "sent", "refused": "failed", "not_accepted": "retried", "unknown": "unknown"}
    for outcome in outcomes:
        name = names[outcome.result]
        setattr(total, name, getattr(total, name) + 1)
