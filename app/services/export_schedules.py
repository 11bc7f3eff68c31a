"""Downloads that are made again every day or week: kept behind a link for a day, or written into a folder.

Each run is a download like any other: logged, counted, with the consent of that moment. A run that fails is in
the log with its reason, and the next one comes at its time all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from app.domain.timetable import next_time
from app.errors import EncoreError, Invalid, NotFound
from app.services import export_segment
from app.services import export_segment_files as files
from app.services.segments import found
from app.services.segments_world import small_number
from app.store.counters import allocate
from app.store.models.exports import ExportSchedule, SegmentExport

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.export_segment_contents import Options
    from app.services.rooms import Rooms

log = structlog.get_logger()

JOB = "export_schedule"
NO_FOLDER = "This installation has no folder for scheduled files; choose a link, or have ENCORE_EXPORT_DIR set."
SEGMENT_GONE = "Its segment was deleted."


def create(
    rooms: Rooms,
    ctx: ShopContext,
    segment_id: int,
    chosen: Options,
    *,
    every: str,
    weekday: int | None,
    hour: int,
    destination: str,
    made_by: str | None = None,
) -> dict[str, Any]:
    """Make a schedule: shape of the API's `ExportSchedule`.

    Raises NotFound, or Invalid: a week without a day, or a file where no folder is configured.
    """
    if every == "week" and weekday is None:
        raise Invalid("Choose the day of the week.", field="weekday")
    if destination == "file" and rooms.settings.export_dir is None:
        raise Invalid(NO_FOLDER, field="destination")
    now = rooms.clock.now()
    day = weekday if every == "week" else None
    with rooms.store.session(ctx) as session:
        found(session, ctx, segment_id)
        schedule = ExportSchedule(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "export_schedules"),
            segment_id=segment_id,
            **export_segment.columns(chosen),
            every=every,
            weekday=day,
            hour=hour,
            destination=destination,
            state="active",
            next_at=next_time(now, ctx.zone, hour, day),
            created_at=now,
            made_by=made_by,
        )
        session.add(schedule)
        session.flush()
        return _shown(schedule)


def of_segment(rooms: Rooms, ctx: ShopContext, segment_id: int) -> list[dict[str, Any]]:
    """The schedules of a segment, oldest first: shape of the API's `ExportSchedule`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        query = select(ExportSchedule).where(
            ExportSchedule.shop_id == ctx.shop_id, ExportSchedule.segment_id == segment_id
        )
        return [_shown(schedule) for schedule in session.scalars(query.order_by(ExportSchedule.id))]


def pause(rooms: Rooms, ctx: ShopContext, segment_id: int, schedule_id: int) -> dict[str, Any]:
    """Make no file until it goes on. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        schedule = _own(session, ctx, segment_id, schedule_id)
        if schedule.state == "active":
            schedule.state = "paused"
        return _shown(schedule)


def resume(rooms: Rooms, ctx: ShopContext, segment_id: int, schedule_id: int) -> dict[str, Any]:
    """Go on with the next time; what was missed is not made up for. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        schedule = _own(session, ctx, segment_id, schedule_id)
        if schedule.state != "active":
            found(session, ctx, segment_id)
            schedule.state, schedule.reason = "active", None
            schedule.next_at = next_time(rooms.clock.now(), ctx.zone, schedule.hour, schedule.weekday)
        return _shown(schedule)


def delete(rooms: Rooms, ctx: ShopContext, segment_id: int, schedule_id: int) -> None:
    """Remove a schedule; the downloads it made stay in the log. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        session.delete(_own(session, ctx, segment_id, schedule_id))


def due(rooms: Rooms, ctx: ShopContext) -> list[str]:
    """The schedules whose time has come, as `sch_<number>`."""
    with rooms.store.reading(ctx) as session:
        query = select(ExportSchedule.id).where(
            ExportSchedule.shop_id == ctx.shop_id,
            ExportSchedule.state == "active",
            ExportSchedule.next_at <= rooms.clock.now(),
        )
        return [f"sch_{number}" for number in session.scalars(query.order_by(ExportSchedule.id))]


def run(rooms: Rooms, ctx: ShopContext, key: str) -> None:
    """Make a schedule's download if its time has come, or end one that a killed process left half made.

    Repeating it makes nothing twice: the next time is moved on in the transaction that begins a run.
    """
    schedule_id = small_number(key.removeprefix("sch_"))
    with rooms.store.session(ctx) as session:
        schedule = session.get(ExportSchedule, (ctx.shop_id, schedule_id)) if schedule_id else None
        if schedule is None or schedule.state != "active":
            return
        half_made = _half_made(session, schedule)
        if half_made is None and schedule.next_at > rooms.clock.now():
            return
        schedule.next_at = next_time(rooms.clock.now(), ctx.zone, schedule.hour, schedule.weekday)
        schedule.last_at = rooms.clock.now()
        chosen = export_segment.chosen_by(schedule)
    export_id = half_made
    try:
        if export_id is None:
            made = export_segment.create(rooms, ctx, schedule.segment_id, chosen, schedule_id=schedule.id, at_once=True)
            export_id = int(made["id"])
        else:
            export_segment.prepare(rooms, ctx, export_id)
        if schedule.destination == "file":
            _deliver(rooms, ctx, schedule, export_id)
    except NotFound:
        _end(rooms, ctx, schedule.id, export_id, state="stopped", reason=SEGMENT_GONE)
    except (EncoreError, OSError) as fault:
        problem = (
            fault.message if isinstance(fault, EncoreError) else f"The file could not be written: {fault.strerror}"
        )
        _end(rooms, ctx, schedule.id, export_id, problem=problem[:500])
        log.warning("export_schedule_failed", shop_id=ctx.shop_id, schedule_id=schedule.id)
    else:
        _end(rooms, ctx, schedule.id, export_id, problem=None)


def _half_made(session: Session, schedule: ExportSchedule) -> int | None:
    """The download that a run began and did not see to its end; an ended run is noted in the schedule."""
    query = select(SegmentExport.id).where(
        SegmentExport.shop_id == schedule.shop_id,
        SegmentExport.schedule_id == schedule.id,
        SegmentExport.state != "failed",
        SegmentExport.id > (schedule.last_export_id or 0),
    )
    return session.scalar(query.order_by(SegmentExport.id.desc()).limit(1))


def _deliver(rooms: Rooms, ctx: ShopContext, schedule: ExportSchedule, export_id: int) -> None:
    """Write the file into the folder for another system to fetch; the sealed copy goes."""
    root: Path | None = rooms.settings.export_dir
    if root is None:
        raise Invalid(NO_FOLDER)
    folder = root / (export_segment.slugged(ctx.domain) or f"shop-{ctx.shop_id}")
    folder.mkdir(parents=True, exist_ok=True)
    filename, pieces = export_segment.stream(rooms, ctx, schedule.segment_id, export_id)
    target = folder / Path(filename).name
    part = target.with_name(f".{target.name}.part")  # a file that stands is a whole file
    with part.open("wb") as file:
        file.writelines(pieces)
    part.replace(target)
    with rooms.store.session(ctx) as session:
        session.get_one(SegmentExport, (ctx.shop_id, export_id)).delivered_to = str(target)[:500]
    files.remove(rooms, ctx, export_id)


def _end(rooms: Rooms, ctx: ShopContext, schedule_id: int, export_id: int | None, **changes: Any) -> None:
    with rooms.store.session(ctx) as session:
        schedule = session.get(ExportSchedule, (ctx.shop_id, schedule_id))
        if schedule is None:  # deleted in the meantime
            return
        if export_id is not None:
            schedule.last_export_id = export_id
        for name, value in changes.items():
            setattr(schedule, name, value)


def _own(session: Session, ctx: ShopContext, segment_id: int, schedule_id: int) -> ExportSchedule:
    schedule = session.get(ExportSchedule, (ctx.shop_id, schedule_id))
    if schedule is None or schedule.segment_id != segment_id:
        raise NotFound("There is no such schedule.")
    return schedule


def _shown(schedule: ExportSchedule) -> dict[str, Any]:
    names = ("id", "format", "hashed", "include_unsubscribed", "with_value", "countries_mode", "countries", "every",
             "weekday", "hour", "destination", "state", "reason", "next_at", "last_at", "last_export_id", "problem",
             "created_at", "made_by")  # fmt: skip
    return {**{name: getattr(schedule, name) for name in names}, "segment_id": f"seg_{schedule.segment_id}"}
