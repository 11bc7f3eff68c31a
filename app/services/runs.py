"""Imports and refreshes as durable records: one live run of a kind per shop, its steps, its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified

from app.errors import Conflict
from app.services.processes import is_alive, owner
from app.store.counters import allocate
from app.store.models.shops import Run

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Kind = Literal["import", "refresh", "look_back"]
StepState = Literal["waiting", "running", "done", "failed"]
TURNS, TURN_SECONDS = 25, 0.2
SEGMENTS_ONLY = "segments:"
"""Begins the key of a refresh that is asked for because segments change, and keeps recent predictions."""


class Busy(Conflict):
    """Another living process works on this run."""

    code = "busy"


@dataclass(frozen=True)
class LiveRun:
    """A run that this process works on. resumed: an earlier process began it and did not end it."""

    id: int
    as_of: datetime
    source: str
    detail: dict[str, Any]
    resumed: bool


def begin(
    rooms: Rooms, ctx: ShopContext, kind: Kind, source: str, steps: list[str], as_of: datetime | None = None
) -> LiveRun:
    """Start a run, or take over the one that a dead process never ended.

    Raises Busy while another process works on one: two writers of one history would undo each other. A process
    that is just being stopped gets a moment to be gone.
    """
    for turn in range(TURNS):
        if turn:
            time.sleep(TURN_SECONDS)
        try:
            live = _begin(rooms, ctx, kind, source, steps, as_of)
        except IntegrityError:
            continue  # another process began one between our look and our write
        if live is not None:
            return live
    raise Busy(
        f"Another process is at work on the {kind} of {ctx.domain}. Nothing was changed; "
        "try again when it has ended, or stop it first."
    )


def _begin(
    rooms: Rooms, ctx: ShopContext, kind: Kind, source: str, steps: list[str], as_of: datetime | None
) -> LiveRun | None:
    """One try; None while a living process has the run."""
    with rooms.store.session(ctx) as session:
        mine = select(Run).where(Run.shop_id == ctx.shop_id, Run.kind == kind, Run.state == "running")
        found = session.scalars(mine.with_for_update()).one_or_none()
        if found is not None and found.owner not in (None, owner()) and is_alive(found.owner or ""):
            return None
        if found is not None and found.source == source:
            found.owner = owner()
            return LiveRun(found.id, found.as_of, found.source, dict(found.detail), resumed=True)
        if found is not None:
            found.state, found.error = "failed", "Replaced by another kind of import."
            found.finished_at = rooms.clock.now()
            session.flush()
        now = rooms.clock.now()
        run = Run(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "runs"),
            kind=kind,
            state="running",
            as_of=as_of or now,
            started_at=now,
            source=source,
            steps=[{"name": name, "state": "waiting", "done": 0, "total": None, "unit": ""} for name in steps],
            detail={},
            owner=owner(),
        )
        session.add(run)
        session.flush()
        return LiveRun(run.id, run.as_of, source, {}, resumed=False)


def step(
    rooms: Rooms,
    ctx: ShopContext,
    run_id: int,
    name: str,
    state: StepState,
    *,
    done: int | None = None,
    total: int | None = None,
    unit: str | None = None,
) -> None:
    """Say how one step of a run stands; what is None stays as it was."""
    with rooms.store.session(ctx) as session:
        run = _get(session, ctx, run_id)
        for entry in run.steps:
            if entry["name"] == name:
                news = {"state": state, "done": done, "total": total, "unit": unit}
                entry.update({key: value for key, value in news.items() if value is not None})
                entry["at"] = rooms.clock.now().isoformat()
        flag_modified(run, "steps")


def note(rooms: Rooms, ctx: ShopContext, run_id: int, **detail: Any) -> None:
    """Add to what a run must remember across a crash."""
    with rooms.store.session(ctx) as session:
        run = _get(session, ctx, run_id)
        run.detail = {**run.detail, **detail}


def finish(session: Session, rooms: Rooms, ctx: ShopContext, run_id: int, **detail: Any) -> None:
    """Mark a run done, inside the transaction that publishes what it made."""
    run = _get(session, ctx, run_id)
    run.state, run.finished_at = "done", rooms.clock.now()
    run.detail = {**run.detail, **detail}
    for entry in run.steps:
        entry["state"] = "done"
    flag_modified(run, "steps")


def fail(rooms: Rooms, ctx: ShopContext, run_id: int, message: str) -> None:
    """End a run that can't go on; what was published before stays."""
    with rooms.store.session(ctx) as session:
        run = _get(session, ctx, run_id)
        run.state, run.error, run.finished_at = "failed", message, rooms.clock.now()
        for entry in run.steps:
            if entry["state"] == "running":
                entry["state"] = "failed"
        flag_modified(run, "steps")


def let_go(rooms: Rooms, ctx: ShopContext) -> None:
    """Leave runs that this process began and no longer works on to whoever asks next.

    A worker outlives its jobs: one that fell between a run's begin and its end would keep the run for itself.
    """
    with rooms.store.session(ctx) as session:
        session.execute(
            update(Run)
            .where(Run.shop_id == ctx.shop_id, Run.state == "running", Run.owner == owner())
            .values(owner=None)
        )


def latest(session: Session, ctx: ShopContext, kind: Kind, state: str | None = None) -> Run | None:
    """The newest run of a kind, of any state or of one."""
    query = select(Run).where(Run.shop_id == ctx.shop_id, Run.kind == kind)
    if state is not None:
        query = query.where(Run.state == state)
    return session.scalars(query.order_by(Run.id.desc()).limit(1)).first()


def _get(session: Session, ctx: ShopContext, run_id: int) -> Run:
    return session.get_one(Run, (ctx.shop_id, run_id))
