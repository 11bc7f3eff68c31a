"""A customer's timeline: orders, consent, messages, and segments entered and left, newest first, by page.

Each source gives its newest entries before the cursor; the page is the newest of them all.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from pyroaring import BitMap
from sqlalchemy import and_, or_, select

from app.errors import Invalid
from app.store.models.campaigns import Campaign
from app.store.models.customers import ConsentEvent
from app.store.models.segments import MembershipChange, Segment
from app.store.models.sending import Message, MessageEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

Entry = dict[str, Any]
Place = tuple[datetime, str]
MOST_ID = 2**63 - 1
CHANGES_READ_AT_ONCE = 100
MOST_CHANGES_READ = 1_000  # evaluations looked through for one page: a bitmap of everybody who moved is read for each


def page(
    session: Session,
    ctx: ShopContext,
    connection: duckdb.DuckDBPyConnection | None,
    numbers: Sequence[int],
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of the timeline: shape of the API's `Timeline`.

    numbers: the customer and everybody merged into them. Raises Invalid for a strange cursor.
    """
    before = place_of(cursor) if cursor is not None else None
    moved, seen_to = _segments(session, ctx, numbers, before, limit + 1)
    found = [
        *_orders(connection, numbers[0], before, limit + 1),
        *_consents(session, ctx, numbers, before, limit + 1),
        *_messages(session, ctx, numbers, before, limit + 1),
        *moved,
    ]
    found.sort(key=place, reverse=True)
    # Beyond where segments were looked through, one that was entered could be missing: the next page goes on there.
    shown = [entry for entry in found if seen_to is None or place(entry) >= seen_to][:limit]
    if len(shown) == limit and len(found) > limit:
        return {"items": shown, "next": cursor_of(place(shown[-1]))}
    return {"items": shown, "next": cursor_of(seen_to) if seen_to is not None else None}


def place(entry: Entry) -> Place:
    """Where an entry stands in the timeline."""
    return entry["at"], entry["key"]


def cursor_of(after: Place) -> str:
    """The place right after which a page begins, as text for an address."""
    raw = orjson.dumps([after[0].astimezone(UTC).isoformat(), after[1]])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """The place that a cursor names. Raises Invalid."""
    try:
        at, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = datetime.fromisoformat(at)
    except (ValueError, TypeError, binascii.Error) as fault:
        raise Invalid("That is no cursor of this list.", field="cursor") from fault
    if moment.tzinfo is None or not isinstance(key, str):
        raise Invalid("That is no cursor of this list.", field="cursor")
    return moment, key


def _below(before: Place, kind: str) -> int:
    """The ids that entries of a kind at the cursor's own instant must be below to come after it."""
    cursor_kind, _, rest = before[1].partition(":")
    if kind != cursor_kind:
        return MOST_ID if kind < cursor_kind else 0
    number = rest.partition(":")[0]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _earlier(at: Any, number: Any, before: Place, kind: str, least: int = 0) -> Any:
    """Rows after the cursor. least: 1 where a row makes several entries, so that its own may lie after it, too."""
    below = _below(before, kind) + least
    if below >= MOST_ID:  # beyond what some ids' columns can be compared with
        return at <= before[0]
    return or_(at < before[0], and_(at == before[0], number < below))


def _orders(connection: duckdb.DuckDBPyConnection | None, number: int, before: Place | None, most: int) -> list[Entry]:
    if connection is None:
        return []
    until = "AND (processed_at < ? OR (processed_at = ? AND order_id < ?))" if before is not None else ""
    rows = connection.execute(
        "SELECT order_id, name, processed_at, cancelled_at, test, counts, total_minor, refunded_minor, refunded_at"
        f" FROM orders WHERE customer_no = ? {until} ORDER BY processed_at DESC, order_id DESC LIMIT {most:d}",
        [number, *([before[0], before[0], _below(before, "order")] if before is not None else [])],
    ).fetchall()
    lines = _lines(connection, number, [row[0] for row in rows])
    return [
        {
            "kind": "order",
            "at": at,
            "key": f"order:{order_id:020d}",
            "text": f"Order {name}" if name else "Order",
            "order": {
                "order_id": str(order_id),
                "name": name,
                "state": _order_state(cancelled=cancelled is not None, test=bool(test), counts=bool(counts)),
                "total_minor": total or 0,
                "refunded_minor": refunded or 0,
                "refunded_at": refunded_at,
                "lines": lines.get(order_id, []),
            },
        }
        for order_id, name, at, cancelled, test, counts, total, refunded, refunded_at in rows
    ]


def _order_state(*, cancelled: bool, test: bool, counts: bool) -> str:
    if cancelled:
        return "cancelled"
    if test:
        return "test"
    return "counts" if counts else "unpaid"


def _lines(connection: duckdb.DuckDBPyConnection, number: int, orders: list[int]) -> dict[int, list[dict[str, Any]]]:
    rows = connection.execute(
        "SELECT l.order_id, coalesce(p.title, l.title, 'A product'), CAST(p.product_id AS VARCHAR), l.quantity,"
        " l.current_quantity, l.total_minor, l.net_minor FROM order_lines l LEFT JOIN products p USING (product_no)"
        " WHERE l.customer_no = ? AND l.order_id IN (SELECT unnest(CAST(? AS BIGINT[]))) ORDER BY l.line_id",
        [number, orders],
    ).fetchall()
    found: dict[int, list[dict[str, Any]]] = {}
    for order_id, title, product_id, quantity, kept, total, net in rows:
        line = {"title": title, "product_id": product_id, "quantity": quantity, "kept": kept, "total_minor": total,
                "net_minor": net}  # fmt: skip
        found.setdefault(order_id, []).append(line)
    return found


CHANNELS = {"email": "E-mail", "sms": "Text messages", "topic": "E-mail by topic"}


def _consents(
    session: Session, ctx: ShopContext, numbers: Sequence[int], before: Place | None, most: int
) -> list[Entry]:
    query = select(ConsentEvent).where(ConsentEvent.shop_id == ctx.shop_id, ConsentEvent.customer_no.in_(numbers))
    if before is not None:
        query = query.where(_earlier(ConsentEvent.at, ConsentEvent.id, before, "consent"))
    rows = session.scalars(query.order_by(ConsentEvent.at.desc(), ConsentEvent.id.desc()).limit(most))
    return [
        {
            "kind": "consent",
            "at": row.at,
            "key": f"consent:{row.id:020d}",
            "text": f"{CHANNELS.get(row.channel, row.channel)}: {state_words(row.state)}",
            "consent": {
                "channel": row.channel,
                "state": row.state.lower(),
                "previous": row.previous.lower() if row.previous else None,
                "source": row.source,
            },
        }
        for row in rows
    ]


def state_words(state: str) -> str:
    """A state of consent in words: "not subscribed"."""
    return state.replace("_", " ").lower()


def _messages(
    session: Session, ctx: ShopContext, numbers: Sequence[int], before: Place | None, most: int
) -> list[Entry]:
    query = (
        select(MessageEvent, Message, Campaign.name)
        .join(Message, (Message.shop_id == MessageEvent.shop_id) & (Message.id == MessageEvent.message_id))
        .outerjoin(Campaign, (Campaign.shop_id == Message.shop_id) & (Campaign.id == Message.campaign_id))
        .where(MessageEvent.shop_id == ctx.shop_id, Message.customer_no.in_(numbers))
    )
    if before is not None:
        query = query.where(_earlier(MessageEvent.at, MessageEvent.id, before, "message"))
    rows = session.execute(query.order_by(MessageEvent.at.desc(), MessageEvent.id.desc()).limit(most))
    return [
        {
            "kind": "message",
            "at": event.at,
            "key": f"message:{event.id:020d}",
            "text": f"E-mail of “{campaign or 'a campaign'}”: {state_words(event.to_state)}",
            "message": {
                "message_id": message.id,
                "campaign_id": f"cmp_{message.campaign_id}",
                "campaign": campaign,
                "state": event.to_state,
                "kind": message.kind,
            },
        }
        for event, message, campaign in rows
    ]


def _segments(
    session: Session, ctx: ShopContext, numbers: Sequence[int], before: Place | None, most: int
) -> tuple[list[Entry], Place | None]:
    """Segments entered and left, by looking through the newest evaluations that changed anybody.

    Also the place up to which that was done, if there are more than one page looks through.
    """
    mine, read, last, stopped = BitMap(numbers), 0, 0, datetime.max.replace(tzinfo=UTC)
    found: list[Entry] = []
    names = {row.id: row.name for row in session.execute(_listed(ctx))}
    while len(found) < most and read < MOST_CHANGES_READ:
        query = select(MembershipChange).where(
            MembershipChange.shop_id == ctx.shop_id,
            (MembershipChange.entered_count > 0) | (MembershipChange.left_count > 0),
        )
        if before is not None:
            query = query.where(_earlier(MembershipChange.at, MembershipChange.id, before, "segment", least=1))
        if last:
            query = query.where(MembershipChange.id < last)
        rows = list(session.scalars(query.order_by(MembershipChange.id.desc()).limit(CHANGES_READ_AT_ONCE)))
        for row in rows:
            for moved, blob in (("entered", row.entered), ("left", row.left)):
                if row.segment_id in names and BitMap.deserialize(blob) & mine:
                    entry = _moved(row, moved, names[row.segment_id])
                    if before is None or place(entry) < before:
                        found.append(entry)
        if len(rows) < CHANGES_READ_AT_ONCE:
            return found, None
        read, last, stopped = read + len(rows), rows[-1].id, rows[-1].at
    return found, (stopped, f"segment:{last:020d}:")


def _listed(ctx: ShopContext) -> Any:
    return select(Segment.id, Segment.name).where(
        Segment.shop_id == ctx.shop_id, Segment.deleted_at.is_(None), Segment.state != "retired"
    )


def _moved(row: MembershipChange, moved: str, name: str) -> Entry:
    return {
        "kind": "segment",
        "at": row.at,
        "key": f"segment:{row.id:020d}:{moved}",
        "text": f"{'Entered' if moved == 'entered' else 'Left'} “{name}”",
        "segment": {"segment_id": f"seg_{row.segment_id}", "name": name, "moved": moved},
    }
