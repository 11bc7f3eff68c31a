"""The outbox's writes, a batch at a time: rows, their changes of state, and the history of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm.util import identity_key

from app.domain.campaigns import Reason
from app.store.models.sending import IN_LINE, Message
from app.store.rowset import chunks, locked, packed, reader, statement, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

NEW = {
    "id": "text", "customer_no": "integer", "campaign_id": "integer", "occurrence": "text",
    "content_version": "integer", "sender_id": "integer", "product_no": "integer", "purchased_product_no": "integer",
    "kind": "text", "probability": "double precision", "lift": "double precision", "expires_at": "timestamptz",
    "not_before": "timestamptz", "holdout_probability": "double precision",
    "shop_holdout_probability": "double precision", "held_by": "text",
}  # fmt: skip
COLUMNS = ", ".join(NEW)
VALUES = ", ".join(f"r.{name}" for name in NEW)
# RETURNING, not the row count: PostgreSQL's driver reports -1 for it here.
QUEUED = f"""INSERT INTO outbox (shop_id, state, planned_at, attempts, {COLUMNS})
SELECT :shop, 'queued', :now, 0, {VALUES} FROM {{rows}} WHERE true ON CONFLICT DO NOTHING RETURNING id"""
# The conflict is named: otherwise PostgreSQL would pass over a taken slot without a word.
HELD_OUT = f"""INSERT INTO outbox (shop_id, state, reason, planned_at, attempts, stamped_at, finished_at,
    slot_from, slot_until, {COLUMNS})
SELECT :shop, 'held_out', '{Reason.HELD_OUT}', :now, 0, :now, :now, :now, :expiry, {VALUES} FROM {{rows}} WHERE true
ON CONFLICT (shop_id, campaign_id, customer_no, occurrence) DO NOTHING RETURNING id"""
EVENT = """INSERT INTO outbox_events (shop_id, message_id, at, from_state, to_state, detail)
SELECT :shop, r.id, :now, r.from_state, r.to_state, r.detail FROM {rows}"""
MOVE = """UPDATE outbox SET state = r.to_state, reason = r.reason, finished_at = r.finished_at
FROM {rows} WHERE outbox.shop_id = :shop AND outbox.id = r.id{nearby outbox.id}"""
STAMP = """UPDATE outbox SET state = 'sending', reason = NULL, finished_at = NULL, lease_owner = :owner,
    attempts = attempts + 1, stamped_at = r.at, slot_from = r.at, slot_until = r.until,
    consent_source = r.consent_source, sender_id = r.sender_id
FROM {rows} WHERE outbox.shop_id = :shop AND outbox.id = r.id{nearby outbox.id}"""
SETTLE = """UPDATE outbox SET state = r.to_state, reason = NULL, finished_at = r.finished_at, lease_owner = NULL,
    last_error = r.error, not_before = coalesce(r.not_before, outbox.not_before)
FROM {rows} WHERE outbox.shop_id = :shop AND outbox.id = r.id{nearby outbox.id}"""
WAIT = """UPDATE outbox SET not_before = r.not_before, last_error = r.waits_for
FROM {rows} WHERE outbox.shop_id = :shop AND outbox.id = r.id{nearby outbox.id}"""
STANDING = "SELECT id, state, attempts FROM outbox WHERE shop_id = :shop AND id IN (SELECT r.id FROM {rows})"
OPEN = ("queued", "sending")
HAPPENED = {"id": "text", "from_state": "text", "to_state": "text", "detail": "jsonb"}
MOVED = {"id": "text", "to_state": "text", "reason": "text", "finished_at": "timestamptz"}
STAMPED = {
    "id": "text", "at": "timestamptz", "until": "timestamptz", "consent_source": "text", "sender_id": "integer",
}  # fmt: skip
SETTLED = {
    "id": "text", "to_state": "text", "finished_at": "timestamptz", "error": "text", "not_before": "timestamptz",
}  # fmt: skip
WAITING = {"id": "text", "not_before": "timestamptz", "waits_for": "text"}


class Due(NamedTuple):
    """A message whose turn it is: its columns, because loading whole rows costs more than composing does."""

    id: str
    customer_no: int
    campaign_id: int
    content_version: int
    sender_id: int
    product_no: int
    purchased_product_no: int | None
    kind: str
    probability: float
    planned_at: datetime
    expires_at: datetime
    attempts: int
    last_error: str | None


DUE_COLUMNS = tuple(Message.__table__.c[name] for name in Due._fields)
DUE = f"""SELECT {", ".join(Due._fields)} FROM outbox WHERE shop_id = :shop AND {IN_LINE} AND"""
# Two questions, because each is the beginning of an index; as one, all that waits would be sorted for every batch.
# Ordered by what is always null, too: PostgreSQL doesn't see that the index has that order without.
DUE_AGAIN = f"{DUE} not_before <= :now ORDER BY not_before, planned_at, id LIMIT :limit"
DUE_AT_ONCE = f"{DUE} not_before IS NULL ORDER BY not_before, planned_at, id LIMIT :limit"


@dataclass(frozen=True)
class Move:
    """One message's change of state. not_before: of a hand-over that will be tried again."""

    id: str
    from_state: str | None
    to_state: str
    reason: Reason | None = None
    detail: str = ""
    not_before: datetime | None = None


def insert(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    rows: Sequence[Mapping[str, Any]],
    *,
    slot_until: datetime | None = None,
) -> set[str]:
    """Insert messages (columns of `NEW`) as queued, or as held out where they have a slot until `slot_until`.

    Returns the ids of those that are in. Left out is what exists already: the same occurrence, or, of those
    to be queued, a live message of the same customer. A slot that overlaps another is an IntegrityError.
    """
    held = slot_until is not None
    sql = HELD_OUT if held else QUEUED
    given: dict[str, Any] = {"shop": ctx.shop_id, "now": now}
    given |= {"expiry": slot_until} if held else {}
    query = statement(session, sql, **NEW)
    state = "held_out" if held else "queued"
    made: set[str] = set()
    for part in chunks(rows):
        made.update(session.execute(query, {**given, "rows": packed(session, part)}).scalars())
    write_events(session, ctx, now, [Move(row["id"], None, state) for row in rows if row["id"] in made])
    return made


def delete(session: Session, ctx: ShopContext, ids: Sequence[str]) -> None:
    """Take back what this transaction inserted."""
    for table, name in (("outbox_events", "message_id"), ("outbox", "id")):
        sql = f"DELETE FROM {table} WHERE shop_id = :shop AND {name} IN (SELECT r.id FROM {{rows}})"
        rows = packed(session, [{"id": one} for one in ids])
        session.execute(statement(session, sql, id="text"), {"shop": ctx.shop_id, "rows": rows})


def due(session: Session, ctx: ShopContext, now: datetime, limit: int, *, lock: str = "") -> list[Due]:
    """The messages that the next stamps are for: first those whose waiting is over, then the others, in order.

    What waits out a failure is not among them. lock: `FOR UPDATE SKIP LOCKED` passes over what others hold.
    """
    found: list[Due] = []
    for sql in (DUE_AGAIN, DUE_AT_ONCE):
        given = {"shop": ctx.shop_id, "now": now, "limit": limit - len(found)}
        if len(found) < limit:
            query = reader(session, locked(session, sql, lock), DUE_COLUMNS)
            found += map(Due._make, session.execute(query, given).all())
    return found


def stamp(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    owner: str,
    until: Mapping[str, datetime],
    stamped: Sequence[tuple[Due, datetime, str | None]],
) -> None:
    """Write that messages go to `sending`: (message, instant of its stamp, consent relied on) each.

    until: message id → the end of its slot.
    """
    if not stamped:
        return
    rows = [
        {"id": m.id, "at": at, "until": until[m.id], "consent_source": source, "sender_id": m.sender_id}
        for m, at, source in stamped
    ]
    # One statement for all, unlike `write`: where the guard of the slots looks at every row, that is no slower.
    given = {"shop": ctx.shop_id, "owner": owner, "rows": packed(session, rows)}
    session.execute(statement(session, STAMP, **STAMPED), given)
    moves = [Move(m.id, "queued", "sending") for m, _, _ in stamped]
    write_events(session, ctx, now, moves)
    _forget(session, ctx, moves)


def wait(session: Session, ctx: ShopContext, waiting: Sequence[tuple[str, datetime, str | None]]) -> None:
    """Write that messages stay in line: (message id, not before when, what it waits for) each."""
    if not waiting:
        return
    rows = [{"id": number, "not_before": at, "waits_for": words} for number, at, words in waiting]
    write(session, WAIT, WAITING, rows, {"shop": ctx.shop_id})


def move(session: Session, ctx: ShopContext, now: datetime, moves: Sequence[Move]) -> None:
    """Write changes of state that nothing else comes with."""
    rows = ({"id": m.id, "to_state": m.to_state, "reason": m.reason, "finished_at": _finished(m, now)} for m in moves)
    write(session, MOVE, MOVED, rows, {"shop": ctx.shop_id})
    write_events(session, ctx, now, moves)
    _forget(session, ctx, moves)


def settle(session: Session, ctx: ShopContext, now: datetime, moves: Sequence[Move]) -> None:
    """Write how hand-overs ended."""
    rows = (
        {
            "id": m.id,
            "to_state": m.to_state,
            "finished_at": _finished(m, now),
            "error": m.detail or None,
            "not_before": m.not_before,
        }
        for m in moves
    )
    write(session, SETTLE, SETTLED, rows, {"shop": ctx.shop_id})
    write_events(session, ctx, now, moves)
    _forget(session, ctx, moves)


def standing(session: Session, ctx: ShopContext, ids: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Message id → (state, attempts), each locked until the transaction ends, in the order of ids."""
    sql = locked(session, f"{STANDING} ORDER BY id", "FOR UPDATE")
    found: dict[str, tuple[str, int]] = {}
    for part in chunks([{"id": one} for one in sorted(set(ids))]):
        given = {"shop": ctx.shop_id, "rows": packed(session, part)}
        rows = session.execute(statement(session, sql, id="text"), given)
        found.update({one: (state, attempts) for one, state, attempts in rows})
    return found


def write_events(session: Session, ctx: ShopContext, now: datetime, moves: Sequence[Move]) -> None:
    """Append to the history, in order."""
    rows = (
        {
            "id": m.id,
            "from_state": m.from_state,
            "to_state": m.to_state,
            "detail": {name: said for name, said in (("reason", m.reason), ("detail", m.detail)) if said},
        }
        for m in moves
    )
    write(session, EVENT, HAPPENED, rows, {"shop": ctx.shop_id, "now": now})


def _finished(move: Move, now: datetime) -> datetime | None:
    return None if move.to_state in OPEN else now


def _forget(session: Session, ctx: ShopContext, moves: Sequence[Move]) -> None:
    """See to it that objects of these messages in this session are read anew."""
    if len(session.identity_map) == 0:  # it has no truth of its own
        return
    for one in moves:
        held = session.identity_map.get(identity_key(Message, (ctx.shop_id, one.id)))
        if held is not None:
            session.expire(held)
