"""Where a shop stands: importing, refreshing, ready, failed; and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from app.services import runs, sending_lock
from app.services.freshness import missed_refreshes
from app.services.published import latest_history, published
from app.store.models.shops import Job, Run, Shop, Snapshot

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Phase = Literal["waiting", "importing", "refreshing", "ready", "failed"]
COMPUTING = ("import", "import_changes", "refresh")
MESSAGES: dict[Phase, str] = {
    "waiting": "The import starts in a moment.",
    "importing": "Encore reads the shop's history.",
    "refreshing": "Encore computes predictions and segments.",
    "ready": "Everything is up to date.",
    "failed": "The last run failed; what was published before is still shown.",
}


@dataclass(frozen=True)
class Progress:
    """How far the first import and refresh are, and what is going on now."""

    phase: Phase
    steps: list[dict[str, Any]]
    message: str
    running: bool


def progress(rooms: Rooms, ctx: ShopContext) -> Progress:
    """The shop's progress; `ready` once a refresh is published, whatever runs behind it."""
    with rooms.store.reading(ctx) as session:
        imported, refreshed = runs.latest(session, ctx, "import"), runs.latest(session, ctx, "refresh")
        has_history = latest_history(session, ctx) is not None
        waiting = session.scalar(
            select(func.count())
            .select_from(Job)
            .where(Job.shop_id == ctx.shop_id, Job.state.in_(("queued", "running")), Job.job.in_(COMPUTING))
        )
    active = [run for run in (imported, refreshed) if run is not None]
    steps = [entry for run in active for entry in run.steps]
    running = any(run.state == "running" for run in active)
    if published(rooms, ctx) is not None:
        phase: Phase = "ready"
    elif not has_history:
        phase = _phase(imported, "importing", bool(waiting))
    else:
        phase = _phase(refreshed, "refreshing", bool(waiting))
    failed = next((run.error for run in reversed(active) if run.state == "failed" and run.error), None)
    message = f"{MESSAGES[phase]} {failed}" if phase == "failed" and failed else MESSAGES[phase]
    return Progress(phase, steps, message, running)


def _phase(run: Run | None, busy: Phase, waiting: bool) -> Phase:  # noqa: FBT001 - a private helper of one caller
    if run is not None and run.state == "running":
        return busy
    if run is not None and run.state == "failed" and not waiting:
        return "failed"
    return busy if waiting and run is not None else "waiting"


@dataclass(frozen=True)
class Status:
    """What one shop holds, for `encore status` and the dashboard's health card.

    missed_refreshes: how many failed, one after the other, since the last that ended well.
    sending_locked:   why no campaign e-mail leaves although nothing else is wrong; null if it may.
    """

    shop: str
    currency: str
    timezone: str
    counts: dict[str, int]
    last_import: datetime | None
    last_refresh: datetime | None
    snapshot: int | None
    jobs: dict[str, int]
    missed_refreshes: int
    differences: list[dict[str, Any]]
    sending_locked: str | None = None


def status(rooms: Rooms, ctx: ShopContext) -> Status:
    """Counts of the published history and what is running or failed."""
    with rooms.store.reading(ctx) as session:
        shop = session.get_one(Shop, ctx.shop_id)
        imported = runs.latest(session, ctx, "import", "done")
        refreshed = runs.latest(session, ctx, "refresh", "done")
        missed = missed_refreshes(session, ctx)
        newest = session.scalar(select(func.max(Snapshot.id)).where(Snapshot.shop_id == ctx.shop_id))
        jobs: dict[str, int] = dict.fromkeys(("running", "failed"), 0)
        for state, count in session.execute(
            select(Job.state, func.count()).where(Job.shop_id == ctx.shop_id).group_by(Job.state)
        ):
            if state in jobs:
                jobs[state] = count
        counts: dict[str, int] = dict.fromkeys(("customers", "orders", "order_lines", "products"), 0)
        if imported is not None:
            counts |= {name: int(imported.detail["counts"][name]) for name in counts}
        counts |= _count_rows(session, ctx)
    return Status(
        shop=shop.domain,
        currency=shop.currency,
        timezone=shop.timezone,
        counts=counts,
        last_import=imported.finished_at if imported else None,
        last_refresh=refreshed.finished_at if refreshed else None,
        snapshot=newest,
        jobs=jobs,
        missed_refreshes=missed,
        differences=list(imported.detail.get("differences", [])) if imported else [],
        sending_locked=sending_lock.why(rooms, ctx),
    )


def _count_rows(session: Any, ctx: ShopContext) -> dict[str, int]:
    from app.store.models.campaigns import Campaign  # noqa: PLC0415 - kept beside their only use
    from app.store.models.segments import Segment  # noqa: PLC0415

    found: dict[str, int] = {}
    for name, model in (("segments", Segment), ("campaigns", Campaign)):
        query = select(func.count()).select_from(model).where(model.shop_id == ctx.shop_id)
        found[name] = int(session.scalar(query) or 0)
    return found


def ask_for_first_numbers(rooms: Rooms, ctx: ShopContext) -> None:
    """Ask for what a shop without published numbers needs next; nothing if that is under way.

    Called at every visit and every start, so that a first run that failed is tried again by a reload.
    """
    if published(rooms, ctx) is not None:
        return
    with rooms.store.reading(ctx) as session:
        has_history = latest_history(session, ctx) is not None
        alive = select(Job.id).where(Job.shop_id == ctx.shop_id, Job.state.in_(("queued", "running")))
        busy = session.scalars(alive.where(Job.job.in_(COMPUTING))).first() is not None
        connected = session.get_one(Shop, ctx.shop_id).source == "shopify"
    if not busy and (has_history or connected):
        rooms.jobs.enqueue(ctx, "refresh" if has_history else "import")
