"""One customer's page: who it is, consent, key figures, segments, predictions, messages and decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.domain.campaigns import REASON_TEXTS
from app.domain.money import exponent
from app.services import customer_profile_timeline, decision_diary, segments_pins, segments_reasons
from app.services.customers import live_customer, named
from app.services.import_customers import survivors
from app.services.published import open_run, published
from app.services.reachable import REASONS, why_not
from app.services.segments_world import members_of, open_world
from app.store.models.campaigns import Campaign
from app.store.models.customers import ConsentEvent
from app.store.models.segments import Segment
from app.store.models.sending import Message

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.customers import Customer

TOP = 10
BY_PIN = {"in": segments_pins.PINNED_IN, "out": segments_pins.PINNED_OUT}
MOST_SEGMENTS = 100
MOST_DECISIONS = 50
KEY_FACTS = (
    "orders", "net_minor", "gross_minor", "average_order_minor", "first_order_at", "last_order_at",
    "days_since_order", "median_gap_days", "expected_gap_days", "gap_ratio",
)  # fmt: skip
VALUES = (
    "p_order_30d", "p_order_60d", "p_order_90d", "orders_12m", "value_12m", "next_order_at", "next_order_low",
    "next_order_high",
)  # fmt: skip


def profile(rooms: Rooms, ctx: ShopContext, customer_no: int) -> dict[str, Any]:
    """All but timeline, segments and decisions: shape of the API's `Profile`. Raises NotFound, also once erased."""
    with rooms.store.reading(ctx) as session:
        customer = live_customer(session, ctx, customer_no)
        numbers = _numbers(session, ctx, customer)
        unreachable = why_not(session, ctx, customer)
        consent = _consent(session, ctx, customer, numbers)
        messages = _message_counts(session, ctx, numbers)
    run = published(rooms, ctx)
    figures: dict[str, Any] = {"facts": None, "values": None, "repurchase": [], "cross_sell": []}
    if run is not None:
        with open_run(rooms, ctx, run) as connection:
            figures = _figures(connection, customer.customer_no, 10 ** exponent(ctx.currency))
    return {
        **named(rooms, ctx, customer),
        "since": customer.created_at,
        "merged": sorted(numbers[1:]),
        "reachable": unreachable is None,
        "not_reachable": unreachable,
        "why_not": REASONS[unreachable] if unreachable else None,
        "consent": consent,
        "messages": messages,
        **figures,
        "as_of": run.as_of if run else None,
        "currency": ctx.currency,
        "timezone": ctx.timezone,
    }


def timeline(rooms: Rooms, ctx: ShopContext, customer_no: int, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of the timeline, newest first: shape of the API's `Timeline`. Raises NotFound, Invalid."""
    run = published(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        customer = live_customer(session, ctx, customer_no)
        numbers = _numbers(session, ctx, customer)
        if run is None:
            return customer_profile_timeline.page(session, ctx, None, numbers, cursor, limit)
        with open_run(rooms, ctx, run) as connection:
            return customer_profile_timeline.page(session, ctx, connection, numbers, cursor, limit)


def segments(rooms: Rooms, ctx: ShopContext, customer_no: int) -> list[dict[str, Any]]:
    """The listed segments that the customer is in, or pinned out of: shape of the API's `SegmentOfCustomer`."""
    with rooms.store.reading(ctx) as session:
        customer = live_customer(session, ctx, customer_no)
        pins = segments_pins.of_customer(session, ctx, [*reversed(_numbers(session, ctx, customer))])
        query = select(Segment).where(
            Segment.shop_id == ctx.shop_id,
            Segment.deleted_at.is_(None),
            Segment.state.in_(("ready", "empty", "failed")),
        )
        mine = [
            (segment, customer.customer_no in members_of(session, ctx, segment))
            for segment in session.scalars(query.order_by(Segment.category, Segment.name, Segment.id))
        ]
    chosen = [(segment, inside) for segment, inside in mine if inside or segment.id in pins][:MOST_SEGMENTS]
    reasons = _reasons(rooms, ctx, [segment for segment, inside in chosen if inside], customer.customer_no)
    return [
        {
            "segment_id": f"seg_{segment.id}",
            "name": segment.name,
            "category": segment.category,
            "source": segment.source,
            "member": inside,
            "pinned": pins.get(segment.id),
            "reason": BY_PIN.get(pins.get(segment.id, ""), reasons.get(segment.id, "")),
        }
        for segment, inside in chosen
    ]


def decisions(rooms: Rooms, ctx: ShopContext, customer_no: int) -> list[dict[str, Any]]:
    """What campaigns decided about the customer, newest first: shape of the API's `DecisionOfCustomer`."""
    run = published(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        customer = live_customer(session, ctx, customer_no)
        rows = decision_diary.of_customer(session, ctx, _numbers(session, ctx, customer), MOST_DECISIONS)
        named = select(Campaign.id, Campaign.name).where(
            Campaign.shop_id == ctx.shop_id, Campaign.id.in_({row.campaign_id for row in rows})
        )
        names: dict[int, str | None] = {row.id: row.name for row in session.execute(named)}
    titles: dict[int, str] = {}
    if run is not None and rows:
        with open_run(rooms, ctx, run) as connection:
            wanted = sorted({row.product_no for row in rows if row.product_no is not None})
            found = connection.execute(
                "SELECT product_no, title FROM products WHERE product_no IN (SELECT unnest(CAST(? AS INTEGER[])))",
                [wanted],
            ).fetchall()
            titles = dict(found)
    return [
        {
            "campaign_id": f"cmp_{row.campaign_id}",
            "campaign": names.get(row.campaign_id),
            "outcome": row.outcome,
            "reason": row.reason,
            "text": REASON_TEXTS[row.reason] if row.reason is not None else "Chosen for a message",
            "product": titles.get(row.product_no or 0),
            "probability": row.probability,
            "lift": row.lift,
            "since": row.since,
            "last_tick": row.last_tick,
            "current": row.current,
            "message_state": row.message_state,
        }
        for row in rows
    ]


def _numbers(session: Session, ctx: ShopContext, customer: Customer) -> list[int]:
    """The customer's number, then those of who was merged into them."""
    into = survivors(session, ctx)
    return [customer.customer_no, *sorted(no for no, survivor in into.items() if survivor == customer.customer_no)]


def _consent(session: Session, ctx: ShopContext, customer: Customer, numbers: list[int]) -> list[dict[str, Any]]:
    """What the customer allows per channel, with when and how that came to be known."""
    query = select(ConsentEvent).where(ConsentEvent.shop_id == ctx.shop_id, ConsentEvent.customer_no.in_(numbers))
    newest = {row.channel: row for row in session.scalars(query.order_by(ConsentEvent.at, ConsentEvent.id))}
    states = {"email": customer.email_consent, "sms": customer.sms_consent}
    at = {"email": customer.email_consent_at, "sms": None}
    shown = []
    for channel, state in states.items():
        event = newest.get(channel)
        fits = event is not None and event.state == state
        shown.append(
            {
                "channel": channel,
                "state": state.lower(),
                "at": event.at if event is not None and fits else at[channel],
                "source": event.source if event is not None and fits else None,
                "opt_in_level": customer.email_opt_in_level if channel == "email" else None,
            }
        )
    return shown


def _message_counts(session: Session, ctx: ShopContext, numbers: list[int]) -> dict[str, Any]:
    query = select(Message.state, Message.finished_at).where(
        Message.shop_id == ctx.shop_id, Message.customer_no.in_(numbers), Message.state.in_(("sent", "held_out"))
    )
    rows = session.execute(query).all()
    sent = [finished for state, finished in rows if state == "sent"]
    last = max((at for at in sent if at is not None), default=None)
    return {"sent": len(sent), "held_out": len(rows) - len(sent), "last_sent_at": last}


def _figures(connection: duckdb.DuckDBPyConnection, number: int, unit: int) -> dict[str, Any]:
    values = _row(connection, "customer_values", VALUES, number)
    if values is not None and values["value_12m"] is not None:
        values["value_12m_minor"] = round(values["value_12m"] * unit)
    return {
        "facts": _row(connection, "features", KEY_FACTS, number),
        "values": values,
        "repurchase": _pairs(connection, "repurchase", number),
        "cross_sell": _pairs(connection, "cross_sell", number),
    }


def _row(
    connection: duckdb.DuckDBPyConnection, table: str, names: tuple[str, ...], number: int
) -> dict[str, Any] | None:
    """A customer's row of a run's file; a column that an older run lacks is not known."""
    found = connection.execute(f"SELECT * FROM {table} WHERE customer_no = ?", [number])
    columns = [column[0] for column in found.description or []]
    row = found.fetchone()
    return None if row is None else {name: dict(zip(columns, row, strict=True)).get(name) for name in names}


def _pairs(connection: duckdb.DuckDBPyConnection, kind: str, number: int) -> list[dict[str, Any]]:
    """The likeliest products; for a first purchase with the lift and the purchase that it rests on."""
    known = {column[0] for column in connection.execute("DESCRIBE pairs").fetchall()}
    extra = {name: f"a.{name}" if name in known else "NULL" for name in ("lift", "because_product_no")}
    rows = connection.execute(
        f"SELECT CAST(p.product_id AS VARCHAR), p.title, a.probability, {extra['lift']}, b.title"
        f" FROM pairs a JOIN products p USING (product_no)"
        f" LEFT JOIN products b ON b.product_no = {extra['because_product_no']}"
        " WHERE a.customer_no = ? AND a.kind = ? AND a.probability IS NOT NULL"
        f" ORDER BY a.probability DESC, p.product_no LIMIT {TOP:d}",
        [number, kind],
    ).fetchall()
    return [
        {"product_id": product_id, "title": title, "probability": chance, "lift": lift, "because": because}
        for product_id, title, chance, lift, because in rows
    ]


def _reasons(rooms: Rooms, ctx: ShopContext, mine: list[Segment], number: int) -> dict[int, str]:
    if published(rooms, ctx) is None or not mine:
        return {segment.id: segment.definition for segment in mine}
    with open_world(rooms, ctx) as world:
        return {segment.id: segments_reasons.of_segment(segment, world, [number])[number] for segment in mine}
