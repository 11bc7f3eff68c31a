"""The durable record of background work, and claiming it.

The row is the truth: a process that dies leaves `running` rows of an owner that no longer lives, and
the next runner frees them. So every job must be safe to start again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.services.processes import is_alive, owner
from app.services.shops import context_by_id
from app.store.counters import allocate
from app.store.models.shops import Job

if TYPE_CHECKING:
    from app.domain.clock import Clock
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.session import Store

MAX_ATTEMPTS = 3
LIVE = ("queued", "running")
EXCLUSIVE = frozenset({"import", "import_changes", "refresh", "tidy"})
"""Jobs of which one shop runs only one at a time, in the order asked: they read what the other writes."""
PATIENT = frozenset({"backtest"})
"""Jobs that nobody waits for: they begin when nothing else would."""


@dataclass(frozen=True)
class Claim:
    """One job that this runner must now run."""

    shop_id: int
    id: int
    job: str
    key: str


class StoredJobs:
    """A `JobQueue` in the operational store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def enqueue(self, ctx: ShopContext, job: str, key: str = "") -> int:
        """Record a job; the same name and key twice while it waits is one job."""
        try:
            with self._store.session(ctx) as session:
                waiting = session.scalars(
                    select(Job.id).where(
                        Job.shop_id == ctx.shop_id, Job.job == job, Job.key == key, Job.state.in_(LIVE)
                    )
                ).first()
                if waiting is not None:
                    return waiting
                row = Job(
                    shop_id=ctx.shop_id,
                    id=allocate(session, ctx.shop_id, "jobs"),
                    job=job,
                    key=key,
                    state="queued",
                    queued_at=self._clock.now(),
                )
                session.add(row)
                session.flush()
                return row.id
        except IntegrityError:
            # Another process recorded the same job between our look and our write.
            with self._store.reading(ctx) as session:
                mine = select(Job.id).where(Job.shop_id == ctx.shop_id, Job.job == job, Job.key == key)
                newest = mine.order_by(Job.id.desc())
                theirs = session.scalars(newest.where(Job.state.in_(LIVE))).first()
                # Already ended? Then it began after we were asked, which is what was asked for.
                return theirs if theirs is not None else session.scalars(newest.limit(1)).one()


def claim(rooms: Rooms, limit: int) -> list[Claim]:
    """Take up to `limit` waiting jobs for this process, oldest first, patient ones last, one exclusive job per shop."""
    taken: list[Claim] = []
    with rooms.store.operator_session() as session:
        running = session.execute(select(Job.shop_id, Job.job).where(Job.state == "running")).all()
        busy = {row.shop_id for row in running if row.job in EXCLUSIVE}
        waiting = session.scalars(
            select(Job).where(Job.state == "queued").order_by(Job.queued_at, Job.id).with_for_update(skip_locked=True)
        ).all()
        for job in sorted(waiting, key=lambda one: one.job in PATIENT):
            if len(taken) == limit:
                break
            if job.job in EXCLUSIVE:
                if job.shop_id in busy:
                    continue
                busy.add(job.shop_id)
            job.state, job.owner, job.started_at = "running", owner(), rooms.clock.now()
            job.attempts += 1
            taken.append(Claim(job.shop_id, job.id, job.job, job.key))
    return taken


def free_orphans(rooms: Rooms) -> int:
    """Put jobs of dead processes back into the queue, or give up after the third try; returns how many."""
    freed = 0
    with rooms.store.operator_session() as session:
        for job in session.scalars(select(Job).where(Job.state == "running")).all():
            if job.owner is not None and is_alive(job.owner):
                continue
            freed += 1
            _again(rooms, job)
    return freed


def release(rooms: Rooms, stopped: Claim) -> None:
    """Put a job whose worker was killed back into the queue, or give up after the third try."""
    ctx = context_by_id(rooms, stopped.shop_id)
    with rooms.store.session(ctx) as session:
        _again(rooms, session.get_one(Job, (stopped.shop_id, stopped.id)))


def _again(rooms: Rooms, job: Job) -> None:
    if job.attempts >= MAX_ATTEMPTS:
        job.state, job.error = "failed", "Stopped three times without ending."
        job.finished_at = rooms.clock.now()
    else:
        job.state, job.owner = "queued", None


def try_again(rooms: Rooms, ctx: ShopContext, job: str) -> int:
    """Put failed jobs of this name back into the queue, once per key; returns how many."""
    with rooms.store.session(ctx) as session:
        mine = select(Job).where(Job.shop_id == ctx.shop_id, Job.job == job).order_by(Job.id)
        rows = session.scalars(mine.where(Job.state.in_(("queued", "running", "failed")))).all()
        taken = {row.key for row in rows if row.state != "failed"}
        again = 0
        for row in rows:
            if row.state == "failed" and row.key not in taken:
                taken.add(row.key)
                row.state, row.owner, row.attempts = "queued", None, 0
                again += 1
    return again


def end(rooms: Rooms, done: Claim, error: str | None) -> None:
    """Write down how a job ended."""
    ctx = context_by_id(rooms, done.shop_id)
    with rooms.store.session(ctx) as session:
        session.execute(
            update(Job)
            .where(Job.shop_id == done.shop_id, Job.id == done.id)
            .values(state="failed" if error else "done", error=error, finished_at=rooms.clock.now())
        )
