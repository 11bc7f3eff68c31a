"""Downloads of a segment: logged, counted and sealed in one pass, then fetched; rows = members less the exclusions.

Two kinds of file, never a compromise between them. Plain: for people and spreadsheets, every cell quoted and
guarded, all members with their consent beside them. Platform files (`export_segment_platforms`): normalised,
never a guard, by default only members who can be mailed.

A small one is made at once, a large one by a job; either way the log says how far it is.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from pyroaring import BitMap
from sqlalchemy import select, update

from app.errors import Conflict, EncoreError, NotFound, Unavailable
from app.services import export_segment_files as files
from app.services.export_segment_contents import Contents, Options
from app.services.export_segment_platforms import PLATFORMS, warnings
from app.services.processes import no_search_for_cycles
from app.services.reachable import REASONS, reach
from app.services.segments import found
from app.services.segments_world import members_of
from app.store.counters import allocate
from app.store.models.customers import Customer
from app.store.models.exports import SegmentExport
from app.store.models.segments import Membership, Segment
from app.store.models.shops import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

logger = structlog.get_logger()

JOB = "export"
AT_ONCE = 50_000
"""Members up to which a file is made while the merchant waits: under two seconds."""
SAID_EVERY = 50_000  # members between two notes of how far a file is
LOGGED = 100
LABELS = {
    **REASONS,
    "gone": "Erased or merged into another customer since",
    "no_identifier": "Has neither an e-mail address nor a phone number",
    "unsafe_email": "The address begins with a character that spreadsheets take for a formula; use hashed",
    "unreadable": "The contact can't be decrypted with the keys of this installation",
    "other_country": "Lives outside the countries that you chose",
    "country_unknown": "Has no country on record",
    "no_value": "Has no predicted value",
}
STOPPED = "Making the file was stopped; make a new one."


def options(
    file_format: str,
    *,
    hashed: bool | None = None,
    include_unsubscribed: bool | None = None,
    with_value: bool = False,
    countries_mode: str = "all",
    countries: tuple[str, ...] = (),
) -> Options:
    """Choices with the defaults of their format: a platform gets only who can be mailed, Google hashes."""
    platform = file_format in PLATFORMS
    return Options(
        file_format=file_format,
        hashed=platform and (file_format == "google" if hashed is None else hashed),
        include_unsubscribed=not platform if include_unsubscribed is None else include_unsubscribed,
        with_value=with_value and file_format == "meta",
        countries_mode=countries_mode,
        countries=countries if countries_mode != "all" else (),
    )


def create(
    rooms: Rooms,
    ctx: ShopContext,
    segment_id: int,
    chosen: Options,
    *,
    made_by: str | None = None,
    schedule_id: int | None = None,
    at_once: bool | None = None,
) -> dict[str, Any]:
    """Log a download and make its file, or leave that to a job: shape of the API's `Export`.

    at_once: whether to wait for the file; None = if it is small.
    Raises NotFound, Unavailable, or Conflict when there is nobody to put into a file.
    """
    with rooms.store.session(ctx) as session:
        segment, membership = _evaluated(session, ctx, segment_id)
        members = members_of(session, ctx, segment)
        if not members:
            raise Conflict("The segment has no members to download.")
        now = rooms.clock.now()
        export = SegmentExport(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "exports"),
            segment_id=segment_id,
            state="preparing",
            **columns(chosen),
            members=len(members),
            rows=0,
            exclusions=[],
            included=b"",
            evaluated_at=membership.evaluated_at,
            created_at=now,
            filename=_filename(ctx, segment, chosen.file_format, now.astimezone(ctx.zone).date().isoformat()),
            made_by=made_by,
            schedule_id=schedule_id,
        )
        session.add(export)
    if at_once if at_once is not None else len(members) <= AT_ONCE:
        prepare(rooms, ctx, export.id, members)
    else:
        rooms.jobs.enqueue(ctx, JOB, f"exp_{export.id}")
    return get(rooms, ctx, segment_id, export.id)


def count(rooms: Rooms, ctx: ShopContext, segment_id: int, chosen: Options) -> dict[str, Any]:
    """What a download would hold, without making or logging it: shape of the API's `ExportCount`.

    Of a large segment only who can be mailed is looked at; `exact` says so. Raises NotFound or Unavailable.
    """
    with rooms.store.reading(ctx) as session:
        segment, _ = _evaluated(session, ctx, segment_id)
        members = members_of(session, ctx, segment)
        contents = Contents(rooms, ctx, chosen, members, reach(session, ctx))
    exact = chosen.counts_by_bitmap or len(members) <= AT_ONCE
    rows = contents.count() if exact else contents.at_most()
    return {
        "members": len(members),
        "rows": rows,
        "exact": exact,
        "exclusions": _labelled(contents.exclusions),
        "warnings": warnings(chosen.file_format, rows, segment.name, segment.definition),
    }


def prepare(rooms: Rooms, ctx: ShopContext, export_id: int, members: BitMap | None = None) -> None:
    """Make the file of a logged download; one that is made or failed stays as it is. May be started again.

    members: of the segment as logged, if the caller has them; else those of its newest evaluation.
    Raises what made it fail, after writing it into the log.
    """
    with rooms.store.reading(ctx) as session:
        export = session.get(SegmentExport, (ctx.shop_id, export_id))
    if export is None or export.state != "preparing":
        return
    try:
        _make(rooms, ctx, export, members)
    except Exception as fault:
        problem = fault.message if isinstance(fault, EncoreError) else "Encore met a fault of its own; make a new one."
        _note(rooms, ctx, export_id, state="failed", problem=problem[:500])
        files.remove(rooms, ctx, export_id)
        raise


def _make(rooms: Rooms, ctx: ShopContext, export: SegmentExport, members: BitMap | None) -> None:
    chosen = chosen_by(export)
    with rooms.store.reading(ctx) as session:
        segment, membership = _evaluated(session, ctx, export.segment_id)
        everybody = reach(session, ctx)
        if members is None:  # a refresh may have come in between: the log says which evaluation it was
            members = members_of(session, ctx, segment)
            export.evaluated_at = membership.evaluated_at
    contents = Contents(rooms, ctx, chosen, members, everybody)

    def watched() -> Iterator[bytes]:
        said = 0
        for piece in contents.pieces():
            yield piece
            if contents.looked_at - said >= SAID_EVERY:
                said = contents.looked_at
                _note(rooms, ctx, export.id, looked_at=said)

    with no_search_for_cycles():
        written = files.write(rooms, ctx, export.id, watched())
    with rooms.store.reading(ctx) as session:
        erased = select(Customer.customer_no).where(
            Customer.shop_id == ctx.shop_id, Customer.erased_at >= export.created_at
        )
        if BitMap(session.scalars(erased)) & contents.included:
            raise Conflict("Someone in it was erased while the file was made; make a new one.")
    _note(
        rooms, ctx, export.id, state="ready", members=len(members), looked_at=len(members),
        rows=len(contents.included), exclusions=contents.exclusions, included=contents.included.serialize(),
        evaluated_at=export.evaluated_at, file_bytes=written.size, sha256=written.sha256,
    )  # fmt: skip
    logger.info("export_made", shop_id=ctx.shop_id, export_id=export.id, rows=len(contents.included))


def _note(rooms: Rooms, ctx: ShopContext, export_id: int, **values: Any) -> None:
    with rooms.store.session(ctx) as session:
        mine = (SegmentExport.shop_id == ctx.shop_id) & (SegmentExport.id == export_id)
        session.execute(update(SegmentExport).where(mine).values(**values))


def get(rooms: Rooms, ctx: ShopContext, segment_id: int, export_id: int) -> dict[str, Any]:
    """One download, made or on its way: shape of the API's `Export`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        return _shown(rooms, session, _logged(session, ctx, segment_id, export_id), segment)


def log(rooms: Rooms, ctx: ShopContext, segment_id: int) -> list[dict[str, Any]]:
    """The newest downloads of a segment, newest first: shape of the API's `Export`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        query = select(SegmentExport).where(
            SegmentExport.shop_id == ctx.shop_id, SegmentExport.segment_id == segment_id
        )
        newest = session.scalars(query.order_by(SegmentExport.id.desc()).limit(LOGGED)).all()
        return [_shown(rooms, session, export, segment) for export in newest]


def stream(rooms: Rooms, ctx: ShopContext, segment_id: int, export_id: int) -> tuple[str, Iterator[bytes]]:
    """File name and pieces of a logged download.

    Raises NotFound, or Conflict while it is prepared, after 24 hours, and when someone in it was erased or can't be
    mailed any more: the file would hold people it must not, or fewer rows than the log says.
    """
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        export = _logged(session, ctx, segment_id, export_id)
    if export.state == "preparing":
        raise Conflict("The file is still being made.")
    if export.state == "failed":
        raise Conflict(f"The file could not be made: {export.problem}")
    if rooms.clock.now() - export.created_at > files.GOOD_FOR:
        raise Conflict("This download is more than a day old; make a new one, so that consent is today's.")
    included = BitMap.deserialize(export.included)
    lost = _lost_since(rooms, ctx, included, export)
    if lost:
        raise Conflict(
            f"Since this download was made, {len(lost):,} of its {len(included):,} customers were erased or can no "
            "longer be in it. Nothing was downloaded; make a new one."
        )
    return export.filename, files.read(rooms, ctx, export_id)


def _lost_since(rooms: Rooms, ctx: ShopContext, included: BitMap, export: SegmentExport) -> BitMap:
    """Who is in a logged download and would not be in one that is made now."""
    chosen = chosen_by(export)
    with rooms.store.reading(ctx) as session:
        everybody = reach(session, ctx)
        changed = session.scalars(
            select(Customer.customer_no).where(
                Customer.shop_id == ctx.shop_id, Customer.updated_at >= export.created_at
            )
        )
        doubtful = included & BitMap(changed)  # only theirs are opened: a file can have a million
    allowed = everybody.universe if chosen.include_unsubscribed else everybody.reachable
    lost = included - allowed
    if not chosen.counts_by_bitmap:
        doubtful -= lost
        lost |= doubtful - Contents(rooms, ctx, chosen, doubtful, everybody).fit(doubtful)
    return lost


def columns(chosen: Options) -> dict[str, Any]:
    """Choices as the columns of a download or a schedule."""
    named = asdict(chosen)
    return {"format": named.pop("file_format"), **named, "countries": list(chosen.countries)}


def chosen_by(row: Any) -> Options:
    """The choices that a download or a schedule keeps."""
    return Options(
        file_format=row.format,
        hashed=row.hashed,
        include_unsubscribed=row.include_unsubscribed,
        with_value=row.with_value,
        countries_mode=row.countries_mode,
        countries=tuple(row.countries),
    )


def _evaluated(session: Session, ctx: ShopContext, segment_id: int) -> tuple[Segment, Membership]:
    segment = found(session, ctx, segment_id)
    membership = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
    if membership is None:
        raise Unavailable(segment.reason or "This segment was not evaluated yet.")
    return segment, membership


def _logged(session: Session, ctx: ShopContext, segment_id: int, export_id: int) -> SegmentExport:
    export = session.get(SegmentExport, (ctx.shop_id, export_id))
    if export is None or export.segment_id != segment_id:
        raise NotFound("There is no such download.")
    return export


def _filename(ctx: ShopContext, segment: Segment, file_format: str, day: str) -> str:
    slug = slugged(segment.name)[:60]
    shop = slugged(ctx.domain.removesuffix(".myshopify.com"))  # a shop from CSV files may be called anything
    return f"{shop or 'shop'}-{slug or 'segment'}-{day}{f'-{file_format}' if file_format != 'plain' else ''}.csv"


def slugged(text: str) -> str:
    """Lower-case ASCII letters and digits with hyphens between: safe in a file name anywhere."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())


def _labelled(exclusions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "label": LABELS.get(row["reason"], row["reason"])} for row in exclusions]


def _shown(rooms: Rooms, session: Session, export: SegmentExport, segment: Segment) -> dict[str, Any]:
    state, problem = export.state, export.problem
    if state == "preparing" and _gave_up(session, export):
        state, problem = "failed", STOPPED
    fresh = rooms.clock.now() - export.created_at <= files.GOOD_FOR
    names = ("id", "format", "hashed", "include_unsubscribed", "with_value", "countries_mode", "countries", "members",
             "looked_at", "rows", "evaluated_at", "created_at", "filename", "file_bytes", "sha256", "made_by",
             "schedule_id", "delivered_to")  # fmt: skip
    return {
        **{name: getattr(export, name) for name in names},
        "segment_id": f"seg_{export.segment_id}",
        "state": state,
        "problem": problem,
        "can_be_fetched": state == "ready" and fresh and export.delivered_to is None,
        "exclusions": _labelled(export.exclusions),
        "warnings": warnings(export.format, export.rows, segment.name, segment.definition) if state == "ready" else [],
        "url": f"/api/segments/seg_{export.segment_id}/exports/{export.id}/file",
    }


def _gave_up(session: Session, export: SegmentExport) -> bool:
    """Whether the job that should make the file ended without it: killed three times, it can't say so itself."""
    mine = (Job.shop_id == export.shop_id, Job.job == JOB, Job.key == f"exp_{export.id}", Job.state == "failed")
    return session.scalar(select(Job.id).where(*mine).limit(1)) is not None
