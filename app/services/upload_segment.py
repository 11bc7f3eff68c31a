"""Uploaded lists: a CSV file of e-mail addresses or customer ids becomes a segment that stays as it is.

Every row ends as matched, unmatched, duplicate or invalid. Unmatched rows never become customers. The report
holds addresses, so it is kept sealed.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

from pyroaring import BitMap
from sqlalchemy import func, select

from app.domain.money import exponent
from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.services import upload_segment_report as upload_report
from app.services.csv_cells import csv_lines, guarded
from app.services.evaluate_segments import Outcome
from app.services.processes import no_search_for_cycles
from app.services.segments import found, new_segment
from app.services.segments_memberships import Writer
from app.services.segments_statistics import Figures
from app.services.segments_world import locked, members_of, open_world
from app.services.upload_segment_file import Identifier, Table, cleaned, looks_like_email, normal_id, read_table
from app.services.upload_segment_report import DUPLICATE, INVALID, MATCHED, UNMATCHED, Report
from app.store.counters import allocate
from app.store.models.customers import Customer
from app.store.models.segments import Segment, SegmentUpload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

Key = str | int
"""A keyed hash of an address, or a Shopify customer id."""
MAX_BYTES = 200 << 20  # a million rows with names; the API lets uploads be this large and nothing else
LOOKED_UP_AT_ONCE = 5_000
READ_AT_ONCE = 50_000
WRITTEN_AT_ONCE = 10_000
WORTH_READING_ALL = 10  # finding one customer costs as much as reading ten in passing
TEXT_LENGTH = 500  # of a cell, in the report


def check(content: bytes) -> dict[str, Any]:
    """What the file seems to be: shape of the API's `UploadCheck`. Raises Invalid."""
    table = _table(content)
    column, identifier = table.detected()
    return {
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "rows": sum(1 for _ in table.rows()),
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
    if segment_id is None and mode == "remove":
        raise Invalid("There is no list yet to remove from.", field="mode")
    table = _table(content)
    position, kind = _mapping(table, column, identifier)
    with no_search_for_cycles():
        rows, keys = _keyed(rooms, table, position, kind)
        with rooms.store.reading(ctx) as session:
            matched = _match(session, ctx, rows, keys, kind)
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        number = allocate(session, ctx.shop_id, "uploads")
    # Sealed before the writing begins: a million rows take a second, in which nobody else could write.
    sealed = upload_report.seal(rooms.vault, ctx, number, rows)
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
        record = SegmentUpload(
            shop_id=ctx.shop_id,
            id=number,
            segment_id=segment.id,
            mode=mode,
            filename=filename[:255],
            column=table.headers[position],
            identifier=kind,
            encoding=table.encoding,
            delimiter=table.delimiter,
            rows=len(rows.texts),
            **{name: rows.count(index) for index, name in enumerate(upload_report.OUTCOMES)},
            size_before=len(before),
            size_after=len(after),
            at=now,
            report=sealed,
        )
        session.add(record)
        return _shown(record, segment)


def report(rooms: Rooms, ctx: ShopContext, segment_id: int, upload_id: int) -> tuple[str, Iterator[bytes]]:
    """File name and pieces of what became of each row. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        record = session.get(SegmentUpload, (ctx.shop_id, upload_id))
    if record is None or record.segment_id != segment_id:
        raise NotFound("There is no such upload.")
    rows = upload_report.open_report(rooms.vault, ctx, upload_id, record.report).rows()

    def pieces() -> Iterator[bytes]:
        yield csv_lines([("row", "value", "outcome")], quoted=True)
        while chunk := list(itertools.islice(rows, WRITTEN_AT_ONCE)):
            yield csv_lines([(str(number), guarded(text), outcome) for number, text, outcome in chunk], quoted=True)

    return f"upload-{upload_id}-report.csv", pieces()


def _table(content: bytes) -> Table:
    if len(content) > MAX_BYTES:
        raise Invalid(f"The file is larger than {MAX_BYTES >> 20} MB; split it.", field="file")
    if not content:
        raise Invalid("The file is empty.", field="file")
    table = read_table(content)
    if not table.head:
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


def _keyed(rooms: Rooms, table: Table, position: int, kind: Identifier) -> tuple[Report, dict[Key, int]]:
    """The report with every row invalid, duplicate or (so far) unmatched, and the place of each key's first row."""
    numbers: list[int] = []
    texts: list[str] = []
    outcomes = bytearray()
    keys: dict[Key, int] = {}
    email_hash = rooms.vault.email_hash
    for number, cells in table.rows():
        text = cleaned(cells[position]) if position < len(cells) else ""
        if kind == "email":
            key: Key | None = email_hash(text) if looks_like_email(text) else None
        else:
            key = normal_id(text)
        if key is None:
            outcomes.append(INVALID)
        elif key in keys:
            outcomes.append(DUPLICATE)
        else:
            keys[key] = len(texts)
            outcomes.append(UNMATCHED)
        numbers.append(number)
        texts.append(text[:TEXT_LENGTH])
    return Report(numbers, texts, outcomes), keys


def _match(session: Session, ctx: ShopContext, rows: Report, keys: dict[Key, int], kind: Identifier) -> BitMap:
    """The customers of the list, and their rows marked as matched."""
    known = _lookup(session, ctx, kind, keys)
    customers: set[int] = set()
    for key, place in keys.items():
        customer = known.get(key)
        if customer is None:
            continue
        if customer in customers:  # two addresses of customers who were merged into one
            rows.outcomes[place] = DUPLICATE
        else:
            customers.add(customer)
            rows.outcomes[place] = MATCHED
    return BitMap(customers)


def _lookup(session: Session, ctx: ShopContext, kind: Identifier, keys: dict[Key, int]) -> dict[Key, int]:
    """Live customers by key, the lowest number of several; a merged one is the customer who stands for both."""
    live: dict[Key, int] = {}
    merged: dict[Key, tuple[int, int]] = {}
    for key, number, into in _customers(session, ctx, kind, keys):
        if key not in keys:
            continue
        if into is None:
            live[key] = min(number, live.get(key, number))
        else:
            merged[key] = min((number, into), merged.get(key, (number, into)))
    return {**{key: into for key, (_, into) in merged.items()}, **live}


def _customers(
    session: Session, ctx: ShopContext, kind: Identifier, keys: dict[Key, int]
) -> Iterator[tuple[Key, int, int | None]]:
    """Customers who may have one of the keys: key, number, whom they were merged into.

    A long list is met by reading all customers once, which is quicker than finding each.
    """
    table = Customer.__table__.c
    column = table.email_hash if kind == "email" else table.shopify_id
    query = select(column, table.customer_no, table.merged_into).where(
        table.shop_id == ctx.shop_id, table.erased_at.is_(None), column.is_not(None)
    )
    connection = session.connection()
    everybody = session.scalar(select(func.count()).select_from(Customer).where(table.shop_id == ctx.shop_id)) or 0
    if len(keys) * WORTH_READING_ALL > everybody:
        for key, number, into in connection.execute(query.execution_options(yield_per=READ_AT_ONCE)):
            yield key, number, into
        return
    wanted = list(keys)
    for start in range(0, len(wanted), LOOKED_UP_AT_ONCE):
        part = query.where(column.in_(wanted[start : start + LOOKED_UP_AT_ONCE]))
        for key, number, into in connection.execute(part):
            yield key, number, into


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
