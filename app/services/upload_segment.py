"""Uploaded lists: a CSV file of e-mail addresses or customer ids becomes a segment that stays as it is.

Every row ends as matched, unmatched, duplicate or invalid. Unmatched rows never become customers. The report
holds addresses, so it is kept sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyroaring import BitMap
from sqlalchemy import select

from app.domain.money import exponent
from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.services.csv_cells import csv_lines, guarded
from app.services.evaluate_segments import Outcome
from app.services.segments import found, new_segment
from app.services.segments_memberships import Writer
from app.services.segments_statistics import Figures
from app.services.segments_world import locked, members_of, open_world
from app.services.upload_segment_file import Table, looks_like_email, normal_id, read_table
from app.store.counters import allocate
from app.store.models.customers import Customer
from app.store.models.segments import Segment, SegmentUpload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Identifier = Literal["email", "customer_id"]
MAX_BYTES = 200 << 20  # a million rows with names; the API lets uploads be this large and nothing else
LOOKED_UP_AT_ONCE = 5_000
SUBJECT = "upload:{}"


@dataclass(frozen=True)
class Row:
    """One line of the file: its number (the header is 1), the text found, what became of it."""

    number: int
    text: str
    outcome: Literal["matched", "unmatched", "duplicate", "invalid"]
    customer_no: int | None = None


def check(content: bytes) -> dict[str, Any]:
    """What the file seems to be: shape of the API's `UploadCheck`. Raises Invalid."""
    table = _table(content)
    column, identifier = table.detected()
    return {
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "rows": len(table.rows),
        "columns": [
            {"header": header, "samples": table.samples(position), "identifier": table.identifier(position)}
            for position, header in enumerate(table.headers)
        ],
        "column": None if column is None else table.headers[column],
        "identifier": identifier,
    }


def upload(
    rooms: Rooms,
    ctx: ShopContext,
    *,
    content: bytes,
    filename: str,
    name: str | None,
    segment_id: int | None,
    mode: Literal["replace", "add", "remove"],
    column: str | None,
    identifier: Identifier | None,
) -> dict[str, Any]:
    """Make or change a list: shape of the API's `UploadReport`. The same file again changes nothing.

    Raises Invalid (no such column, nothing recognised), NotFound, or Conflict (taken name, no uploaded list).
    """
    table = _table(content)
    position, kind = _mapping(table, column, identifier)
    with rooms.store.reading(ctx) as session:
        rows = _match(session, rooms, ctx, table, position, kind)
    matched = BitMap(row.customer_no for row in rows if row.customer_no is not None)
    if segment_id is None and mode == "remove":
        raise Invalid("There is no list yet to remove from.", field="mode")
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        segment = _target(session, ctx, segment_id, name or _title(filename), now)
        before = members_of(session, ctx, segment)
        after = {"replace": matched, "add": before | matched, "remove": before - matched}[mode]
        segment.definition = f"Customers of the uploaded list “{filename[:200]}”."
        segment.updated_at, segment.version = now, segment.version + 1
        session.flush()
        outcome = Outcome(after, statistics={}, state="ready" if after else "empty")
        outcome.reason = None if after else "No row of the list is a customer of this shop."
        _with_statistics(rooms, ctx, outcome)
        Writer(session, ctx, None, now, None).store(segment, outcome)
        record = _record(session, rooms, ctx, segment, table, rows)
        record.mode, record.filename, record.column, record.identifier = (
            mode,
            filename[:255],
            table.headers[position],
            kind,
        )
        record.size_before, record.size_after, record.at = len(before), len(after), now
        session.add(record)
        return _shown(record, segment)


def report(rooms: Rooms, ctx: ShopContext, segment_id: int, upload_id: int) -> tuple[str, Iterator[bytes]]:
    """File name and lines of what became of each row. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        record = session.get(SegmentUpload, (ctx.shop_id, upload_id))
    if record is None or record.segment_id != segment_id:
        raise NotFound("There is no such upload.")
    sealed = rooms.vault.open(ctx.shop_id, SUBJECT.format(upload_id), record.report)

    def lines() -> Iterator[bytes]:
        yield csv_lines([("row", "value", "outcome")], quoted=True)
        for number, text, outcome in sealed["rows"]:
            yield csv_lines([(str(number), guarded(text), outcome)], quoted=True)

    return f"upload-{upload_id}-report.csv", lines()


def _table(content: bytes) -> Table:
    if len(content) > MAX_BYTES:
        raise Invalid(f"The file is larger than {MAX_BYTES >> 20} MB; split it.", field="file")
    table = read_table(content)
    if not table.rows:
        raise Invalid("The file has no rows.", field="file")
    return table


def _mapping(table: Table, column: str | None, identifier: Identifier | None) -> tuple[int, Identifier]:
    if column is not None:
        if column not in table.headers:
            raise Invalid(f"The file has no column “{column}”.", field="column")
        position = table.headers.index(column)
        kind = identifier or table.identifier(position)
    else:
        found_position, found_kind = table.detected(identifier)
        if found_position is None:
            raise Invalid("No column holds e-mail addresses or customer ids; name the column.", field="column")
        position, kind = found_position, identifier or found_kind
    if kind is None:
        raise Invalid("Say whether the column holds e-mail addresses or customer ids.", field="identifier")
    return position, kind


def _match(
    session: Session, rooms: Rooms, ctx: ShopContext, table: Table, position: int, kind: Identifier
) -> list[Row]:
    keyed: list[tuple[int, str, str | int | None]] = []
    for number, cells in table.rows:
        text = cells[position].strip() if position < len(cells) else ""
        if kind == "email":
            keyed.append((number, text, rooms.vault.email_hash(text) if looks_like_email(text) else None))
        else:
            keyed.append((number, text, normal_id(text)))
    known = _lookup(session, ctx, kind, sorted({key for _, _, key in keyed if key is not None}, key=str))
    seen: set[str | int] = set()
    customers: set[int] = set()
    rows: list[Row] = []
    for number, text, key in keyed:
        if key is None or key in seen:
            rows.append(Row(number, text, "invalid" if key is None else "duplicate"))
            continue
        seen.add(key)
        customer = known.get(key)
        if customer is None:
            rows.append(Row(number, text, "unmatched"))
        elif customer in customers:  # two addresses of customers who were merged into one
            rows.append(Row(number, text, "duplicate"))
        else:
            customers.add(customer)
            rows.append(Row(number, text, "matched", customer))
    return rows


def _lookup(session: Session, ctx: ShopContext, kind: Identifier, keys: list[str | int]) -> dict[str | int | None, int]:
    """Live customers by key; a merged one is the customer who stands for both."""
    column = Customer.email_hash if kind == "email" else Customer.shopify_id
    found_customers: dict[str | int | None, int] = {}
    for start in range(0, len(keys), LOOKED_UP_AT_ONCE):
        query = (
            select(column, Customer.customer_no, Customer.merged_into)
            .where(
                Customer.shop_id == ctx.shop_id,
                column.in_(keys[start : start + LOOKED_UP_AT_ONCE]),
                Customer.erased_at.is_(None),
            )
            .order_by(Customer.merged_into.is_(None), Customer.customer_no.desc())
        )
        # Ordered so that the live customer with the lowest number is written last and stays.
        for key, number, merged in session.execute(query):
            found_customers[key] = int(merged) if merged is not None else int(number)
    return found_customers


def _target(session: Session, ctx: ShopContext, segment_id: int | None, name: str, now: Any) -> Segment:
    if segment_id is None:
        return new_segment(session, ctx, name, "upload", now)
    segment = locked(session, ctx, found(session, ctx, segment_id).id)[segment_id]
    if segment.source != "upload":
        raise Conflict("Only an uploaded list can be changed by a file.")
    return segment


def _with_statistics(rooms: Rooms, ctx: ShopContext, outcome: Outcome) -> None:
    try:
        with open_world(rooms, ctx) as world:
            figures = Figures(world.connection, world.reach, 10 ** exponent(ctx.currency))
            expected = figures.orders_expected(outcome.members)
            outcome.statistics = {
                **figures.statistics(outcome.members),
                **(expected or {"expected": None, "probabilities": []}),
            }
    except Unavailable:
        return


def _record(
    session: Session, rooms: Rooms, ctx: ShopContext, segment: Segment, table: Table, rows: list[Row]
) -> SegmentUpload:
    number = allocate(session, ctx.shop_id, "uploads")
    counts = {
        name: sum(row.outcome == name for row in rows) for name in ("matched", "unmatched", "duplicate", "invalid")
    }
    sealed = {"rows": [[row.number, row.text, row.outcome] for row in rows]}
    return SegmentUpload(
        shop_id=ctx.shop_id,
        id=number,
        segment_id=segment.id,
        encoding=table.encoding,
        delimiter=table.delimiter,
        rows=len(rows),
        report=rooms.vault.seal(ctx.shop_id, SUBJECT.format(number), sealed),
        **counts,
    )


def _title(filename: str) -> str:
    return filename.rsplit("/", 1)[-1].removesuffix(".csv").strip() or "Uploaded list"


def _shown(record: SegmentUpload, segment: Segment) -> dict[str, Any]:
    names = ("id", "filename", "mode", "column", "identifier", "encoding", "delimiter", "rows", "matched", "unmatched",
             "duplicate", "invalid", "size_before", "size_after", "at")  # fmt: skip
    return {
        **{name: getattr(record, name) for name in names},
        "segment_id": f"seg_{segment.id}",
        "segment_name": segment.name,
        "report_url": f"/api/segments/seg_{segment.id}/uploads/{record.id}/report",
    }
