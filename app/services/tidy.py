"""Housekeeping: what nobody reads any more goes, once a night."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, select

from app.services import export_segment_files
from app.services.published import latest_history, published
from app.services.shop_settings import old_decisions
from app.services.upload_segment_report import Report, open_report, seal
from app.store.models.campaigns import Decision
from app.store.models.segments import SegmentUpload
from app.store.models.shops import Job, Run, Snapshot, WebhookDelivery

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

KEPT_RUNS = 5
FILES_HOURS = 24  # a page that opened an old run at night still finds its files
DONE_JOBS = timedelta(days=1)
FAILED_JOBS = timedelta(days=30)
DELIVERIES = timedelta(days=30)  # raw webhook bodies hold personal data
REPORTS = timedelta(days=30)  # reports of uploads hold addresses


def tidy(rooms: Rooms, ctx: ShopContext) -> dict[str, int]:
    """Remove files of old runs, lake versions and downloads, ended jobs, old webhook bodies, old decisions, reports.

    Returns how many of each. Bodies go for shops that are unknown or uninstalled, too.

    The newest five refreshes, the published one and the newest history keep everything that they name.
    Repeating it removes nothing more.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        refreshes = session.scalars(
            select(Run.id)
            .where(Run.shop_id == ctx.shop_id, Run.kind == "refresh", Run.state == "done")
            .order_by(Run.id.desc())
            .limit(KEPT_RUNS)
        ).all()
        running = session.scalars(select(Run.id).where(Run.shop_id == ctx.shop_id, Run.state == "running")).all()
        named = session.scalars(
            select(Snapshot).where(Snapshot.shop_id == ctx.shop_id, Snapshot.run_id.in_(refreshes))
        ).all()
        history = latest_history(session, ctx)
        jobs = 0
        for state, age in (("done", DONE_JOBS), ("failed", FAILED_JOBS)):
            old = delete(Job).where(Job.shop_id == ctx.shop_id, Job.state == state, Job.finished_at < now - age)
            jobs += len(session.execute(old.returning(Job.id)).all())
        reports = _empty_reports(session, rooms, ctx, now - REPORTS)
        forgotten = delete(Decision).where(old_decisions(session, ctx, now))
        decisions = len(session.execute(forgotten.returning(Decision.id)).all())
        downloads = export_segment_files.tidy(session, rooms, ctx)
    with rooms.store.operator_session() as session:
        # Everybody's: deliveries of shops that are unknown, or no longer installed, have nobody else to remove them.
        old_bodies = delete(WebhookDelivery).where(WebhookDelivery.received_at < now - DELIVERIES)
        bodies = len(session.execute(old_bodies.returning(WebhookDelivery.id)).all())
    keep: dict[str, set[int]] = {}
    for snapshot in [*named, *([history] if history else [])]:
        for table, version in snapshot.tables.items():
            keep.setdefault(table, set()).add(int(version))
    current = published(rooms, ctx)
    kept = {*refreshes, *running, *([current.run_id] if current else [])}
    gone = {
        "runs": _remove_runs(rooms, ctx, kept),
        "files": rooms.lake.vacuum(ctx, keep, FILES_HOURS),
        "jobs": jobs,
        "deliveries": bodies,
        "reports": reports,
        "downloads": downloads,
        "decisions": decisions,
    }
    log.info("tidied", shop_id=ctx.shop_id, **gone)
    return gone


def _empty_reports(session: Session, rooms: Rooms, ctx: ShopContext, before: datetime) -> int:
    """Take all rows out of old upload reports; the counts of the upload stay."""
    old = session.scalars(select(SegmentUpload).where(SegmentUpload.shop_id == ctx.shop_id, SegmentUpload.at < before))
    emptied = 0
    for record in old:
        if open_report(rooms.vault, ctx, record.id, record.report).texts:
            record.report = seal(rooms.vault, ctx, record.id, Report([], [], bytearray()))
            emptied += 1
    return emptied


def _remove_runs(rooms: Rooms, ctx: ShopContext, kept: set[int]) -> int:
    folder = rooms.lake.shop_dir(ctx) / "runs"
    old = [run for run in folder.glob("*") if run.name.isdigit() and int(run.name) not in kept]
    for run in old:
        shutil.rmtree(run, ignore_errors=True)
    return len(old)
