"""Downloads of a segment: counted and logged first, then streamed; rows = members less the itemised exclusions.

Two kinds of file, never a compromise between them. Plain: for people and spreadsheets, every cell quoted and
guarded, all members with their consent beside them. Platform files (`export_segment_meta`): normalised, never
a guard, by default only members who can be mailed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.money import exponent
from app.errors import Conflict, NotFound, Unavailable
from app.services.export_segment_meta import META_HEADERS, MetaRefusal, meta_row
from app.services.published import open_run, published
from app.services.reachable import REASONS, Reach, reach
from app.services.segments import found
from app.services.segments_world import members_of
from app.store.counters import allocate
from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.customers import Customer
from app.store.models.segments import Membership, Segment, SegmentExport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

logger = structlog.get_logger()

CHUNK = 2_000
GOOD_FOR = timedelta(hours=24)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
BOM = "\ufeff"  # without it spreadsheets read UTF-8 as something else
LABELS = {
    **REASONS,
    "gone": "Erased or merged into another customer since",
    "no_identifier": "Has neither an e-mail address nor a phone number",
    "unsafe_email": "The address begins with a character that spreadsheets take for a formula; use hashed",
    "unreadable": "The contact can't be decrypted with the keys of this installation",
}
PLAIN_HEADERS = (
    "customer_id",
    "email",
    "first_name",
    "last_name",
    "phone",
    "city",
    "province",
    "zip",
    "country",
    "email_consent",
    "can_be_mailed",
    "orders",
    "total_spend",
    "currency",
    "last_order",
)


def create(
    rooms: Rooms,
    ctx: ShopContext,
    segment_id: int,
    *,
    file_format: str,
    hashed: bool = False,
    include_unsubscribed: bool = False,
) -> dict[str, Any]:
    """Count and log a download: shape of the API's `Export`.

    Raises NotFound, or Conflict when there is nobody to put into a file.
    """
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        membership = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
        if membership is None:
            raise Unavailable(segment.reason or "This segment was not evaluated yet.")
        members = members_of(session, ctx, segment)
        everybody = reach(session, ctx)
    if not members:
        raise Conflict("The segment has no members to download.")
    included, excluded = _sort_out(
        rooms, ctx, members, everybody, file_format, hashed=hashed, include_unsubscribed=include_unsubscribed
    )
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        export = SegmentExport(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "exports"),
            segment_id=segment_id,
            format=file_format,
            hashed=hashed,
            include_unsubscribed=include_unsubscribed,
            members=len(members),
            rows=len(included),
            exclusions=[{"reason": reason, "count": count} for reason, count in sorted(excluded.items())],
            included=included.serialize(),
            evaluated_at=membership.evaluated_at,
            created_at=now,
            filename=_filename(ctx, segment, file_format, now.astimezone(ctx.zone).date().isoformat()),
        )
        session.add(export)
    return _shown(export)


def log(rooms: Rooms, ctx: ShopContext, segment_id: int) -> list[dict[str, Any]]:
    """The downloads of a segment, newest first: shape of the API's `Export`. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        query = select(SegmentExport).where(
            SegmentExport.shop_id == ctx.shop_id, SegmentExport.segment_id == segment_id
        )
        return [_shown(export) for export in session.scalars(query.order_by(SegmentExport.id.desc()))]


def stream(rooms: Rooms, ctx: ShopContext, segment_id: int, export_id: int) -> tuple[str, Iterator[bytes]]:
    """File name and lines of a logged download.

    Raises NotFound, or Conflict after 24 hours and when someone in it was erased or can't be mailed any more: the
    file would hold people it must not, or fewer rows than the log says.
    """
    with rooms.store.reading(ctx) as session:
        found(session, ctx, segment_id)
        export = session.get(SegmentExport, (ctx.shop_id, export_id))
    if export is None or export.segment_id != segment_id:
        raise NotFound("There is no such download.")
    if rooms.clock.now() - export.created_at > GOOD_FOR:
        raise Conflict("This download is more than a day old; make a new one, so that consent is today's.")
    included = BitMap.deserialize(export.included)
    lost = _lost_since(rooms, ctx, included, export)
    if lost:
        raise Conflict(
            f"Since this download was made, {len(lost):,} of its {len(included):,} customers were erased or can no "
            "longer be in it. Nothing was downloaded; make a new one."
        )
    lines = _plain(rooms, ctx, included) if export.format == "plain" else _meta(rooms, ctx, included, export)
    return export.filename, lines


def _lost_since(rooms: Rooms, ctx: ShopContext, included: BitMap, export: SegmentExport) -> BitMap:
    """Who is in a logged download and would not be in one that is made now."""
    with rooms.store.reading(ctx) as session:
        everybody = reach(session, ctx)
        changed = session.scalars(
            select(Customer.customer_no).where(
                Customer.shop_id == ctx.shop_id, Customer.updated_at >= export.created_at
            )
        )
        doubtful = included & BitMap(changed)  # only theirs are opened: a file can have a million
    platform = export.format == "meta"
    allowed = everybody.reachable if platform and not export.include_unsubscribed else everybody.universe
    lost = included - allowed
    if platform:
        doubtful -= lost
        lost |= doubtful - _fit_for_platform(rooms, ctx, doubtful, Counter(), hashed=export.hashed)
    return lost


def _sort_out(
    rooms: Rooms,
    ctx: ShopContext,
    members: BitMap,
    everybody: Reach,
    file_format: str,
    *,
    hashed: bool,
    include_unsubscribed: bool,
) -> tuple[BitMap, Counter[str]]:
    excluded: Counter[str] = Counter()
    gone = members - everybody.universe
    excluded["gone"] = len(gone)
    left = members - gone
    if file_format == "meta":
        if not include_unsubscribed:
            for reason, who in everybody.reasons.items():
                excluded[reason] = len(left & who)
            left &= everybody.reachable
        left = _fit_for_platform(rooms, ctx, left, excluded, hashed=hashed)
    return left, Counter({reason: count for reason, count in excluded.items() if count})


def _fit_for_platform(
    rooms: Rooms, ctx: ShopContext, members: BitMap, excluded: Counter[str], *, hashed: bool
) -> BitMap:
    fit = BitMap()
    for customer, contact in _contacts(rooms, ctx, members):
        if contact is None:
            excluded["unreadable"] += 1
            continue
        try:
            meta_row(contact, hashed=hashed)
        except MetaRefusal as refusal:
            excluded[refusal.reason] += 1
        else:
            fit.add(customer.customer_no)
    return fit


def _contacts(rooms: Rooms, ctx: ShopContext, members: BitMap) -> Iterator[tuple[Customer, dict[str, Any] | None]]:
    """Each customer with the opened contact, in the order of their numbers; a chunk in memory at a time."""
    numbers = members.to_array()
    for start in range(0, len(numbers), CHUNK):
        with rooms.store.reading(ctx) as session:
            chunk = list(numbers[start : start + CHUNK])
            query = select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(chunk))
            customers = list(session.scalars(query.order_by(Customer.customer_no)))
        for customer in customers:
            try:
                subject = customer_subject(customer.customer_no)
                yield customer, rooms.vault.open(ctx.shop_id, subject, customer.contact)
            except CannotUnseal:
                yield customer, None


def _meta(rooms: Rooms, ctx: ShopContext, included: BitMap, export: SegmentExport) -> Iterator[bytes]:
    yield csv_line(META_HEADERS)
    skipped = 0
    for _, contact in _contacts(rooms, ctx, included):
        try:
            row = meta_row(contact or {}, hashed=export.hashed)
        except MetaRefusal:  # erased while the file is on its way: an error now would only cut it off
            skipped += 1
        else:
            yield csv_line(row)
    if skipped:
        logger.warning("export_rows_skipped", shop_id=ctx.shop_id, export_id=export.id, rows=skipped)


def _plain(rooms: Rooms, ctx: ShopContext, included: BitMap) -> Iterator[bytes]:
    yield BOM.encode() + csv_line(PLAIN_HEADERS, quoted=True)
    with rooms.store.reading(ctx) as session:
        can_be_mailed = reach(session, ctx).reachable
    spent = _spent(rooms, ctx)
    for customer, contact in _contacts(rooms, ctx, included):
        known = contact or {}
        orders, net, last = spent.get(customer.customer_no, (0, 0, None))
        cells = (
            str(customer.shopify_id) if customer.shopify_id is not None else "",
            *(known.get(name) for name in ("email", "first_name", "last_name", "phone", "city")),
            *(known.get(name) for name in ("province_code", "zip", "country_code")),
            customer.email_consent.lower(),
            "yes" if customer.customer_no in can_be_mailed else "no",
            str(orders),
            f"{net / 10 ** exponent(ctx.currency):.{exponent(ctx.currency)}f}",
            ctx.currency,
            last.astimezone(ctx.zone).date().isoformat() if last else "",
        )
        yield csv_line([guarded(cell) for cell in cells], quoted=True)


def _spent(rooms: Rooms, ctx: ShopContext) -> dict[int, tuple[int, int, Any]]:
    run = published(rooms, ctx)
    if run is None:
        return {}
    with open_run(rooms, ctx, run) as connection:
        rows = connection.execute("SELECT customer_no, orders, net_minor, last_order_at FROM features").fetchall()
    return {number: (orders, net, last) for number, orders, net, last in rows}


def guarded(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula: a leading apostrophe where one could."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_line(cells: Sequence[str], *, quoted: bool = False) -> bytes:
    """One line of a CSV file, in UTF-8."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerow(cells)
    return buffer.getvalue().encode()


def _filename(ctx: ShopContext, segment: Segment, file_format: str, day: str) -> str:
    slug = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in segment.name.lower()).split())[:60]
    shop = ctx.domain.removesuffix(".myshopify.com")
    return f"{shop}-{slug or 'segment'}-{day}{'-meta' if file_format == 'meta' else ''}.csv"


def _shown(export: SegmentExport) -> dict[str, Any]:
    return {
        "id": export.id,
        "segment_id": f"seg_{export.segment_id}",
        "format": export.format,
        "hashed": export.hashed,
        "include_unsubscribed": export.include_unsubscribed,
        "members": export.members,
        "rows": export.rows,
        "exclusions": [{**row, "label": LABELS.get(row["reason"], row["reason"])} for row in export.exclusions],
        "evaluated_at": export.evaluated_at,
        "created_at": export.created_at,
        "filename": export.filename,
        "url": f"/api/segments/seg_{export.segment_id}/exports/{export.id}/file",
    }
