"""Receipts: once a promise is due, how many of its members bought. Written once, kept, never changed.

Counted from the first history that is complete up to the due moment, by the models' own definition of a purchase
(an order that counts, not wholly returned). What changes later, a refund after weeks, an order paid late, changes
the history and not the receipt: it says what could be known when it was due, as the promise does for its day.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog
from pyroaring import BitMap
from sqlalchemy import func, select

from app.domain.money import exponent
from app.services.import_customers import survivors
from app.services.prediction_input import PURCHASES
from app.services.published import latest_history
from app.services.segments_statistics import numbers
from app.store.models.customers import Customer
from app.store.models.promises import Promise
from app.store.models.sending import MAILED, Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

FIRST_PURCHASES = f"""
    SELECT w.promise, w.customer_no, min(b.ordered_at) AS first_at
    FROM wanted w
    JOIN (SELECT coalesce(m.survivor, p.customer_no) AS customer_no, p.product_no, p.ordered_at
          FROM ({PURCHASES}) p LEFT JOIN merged m ON m.loser = p.customer_no
          WHERE p.ordered_at >= $since) b USING (customer_no, product_no)
    GROUP BY ALL"""


class Count(NamedTuple):
    """What came of one promise."""

    buyers: int
    mailed: int
    mailed_buyers: int
    gone: int


def settle(rooms: Rooms, ctx: ShopContext) -> int:
    """Write the receipts of all promises that are due and whose days the history covers; returns how many."""
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        due = [] if history is None else session.scalars(_due(ctx, history.watermark)).all()
        if history is None or not due:
            return 0
        counts = _count(session, rooms, ctx, history.tables, due)
    with rooms.store.session(ctx) as session:
        # Looked up again and locked: two jobs may both have counted, and what was written first stays.
        still = session.scalars(_due(ctx, history.watermark).with_for_update()).all()
        written = [one for one in still if one.id in counts]
        for one in written:
            one.buyers, one.mailed, one.mailed_buyers, one.gone = counts[one.id]
            one.settled_at, one.watermark, one.members = rooms.clock.now(), history.watermark, None
    log.info("receipts_written", shop_id=ctx.shop_id, receipts=len(written))
    return len(written)


def _due(ctx: ShopContext, watermark: datetime) -> Select[Promise]:
    return select(Promise).where(
        Promise.shop_id == ctx.shop_id, Promise.settled_at.is_(None), Promise.due_at <= watermark
    )


def _count(
    session: Session, rooms: Rooms, ctx: ShopContext, tables: dict[str, int], promises: Sequence[Promise]
) -> dict[int, Count]:
    """Count the buyers of promises by number.

    A merged customer counts as who they are now; whoever was erased, and one of two members who became one, is
    counted as gone.
    """
    into = survivors(session, ctx)
    erased = BitMap(
        session.scalars(
            select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, Customer.erased_at.is_not(None))
        ).all()
    )
    counts: dict[int, Count] = {}
    with closing(rooms.lake.connect(ctx, tables)) as connection:
        for since, until in sorted({(one.as_of, one.due_at) for one in promises}):
            together = [one for one in promises if (one.as_of, one.due_at) == (since, until)]
            members = {one.id: _as_now(one, into) - erased for one in together}
            first = _first_purchases(connection, ctx, together, members, into, since, until)
            mails = _first_mails(session, ctx, into, since, until)
            for one in together:
                bought = first.get(one.id, {})
                counts[one.id] = Count(
                    buyers=len(bought),
                    mailed=len(members[one.id] & BitMap(mails)),
                    mailed_buyers=sum(1 for who, at in bought.items() if who in mails and mails[who] < at),
                    gone=one.size - len(members[one.id]),
                )
    return counts


def _as_now(promise: Promise, into: dict[int, int]) -> BitMap:
    frozen = BitMap.deserialize(promise.members) if promise.members is not None else BitMap()
    moved = frozen & BitMap(into)
    return (frozen - moved) | BitMap(into[number] for number in moved)


def _first_purchases(
    connection: duckdb.DuckDBPyConnection,
    ctx: ShopContext,
    promises: list[Promise],
    members: dict[int, BitMap],
    into: dict[int, int],
    since: datetime,
    until: datetime,
) -> dict[int, dict[int, datetime]]:
    """Promise → member → when they first bought the promised product in [since, until)."""
    who = [numbers(members[one.id]).astype(np.int32) for one in promises]
    sizes = [len(each) for each in who]
    connection.register(
        "wanted",
        {
            "promise": np.repeat(np.array([one.id for one in promises], dtype=np.int32), sizes),
            "product_no": np.repeat(np.array([one.product_no for one in promises], dtype=np.int32), sizes),
            "customer_no": np.concatenate(who),
        },
    )
    connection.register(
        "merged",
        {"loser": np.array(list(into), dtype=np.int32), "survivor": np.array(list(into.values()), dtype=np.int32)},
    )
    try:
        parameters = {"unit": 10 ** exponent(ctx.currency), "as_of": until, "since": since}
        rows = connection.execute(FIRST_PURCHASES, parameters).fetchall()
    finally:
        connection.unregister("wanted")
        connection.unregister("merged")
    found: dict[int, dict[int, datetime]] = {}
    for promise, customer_no, first_at in rows:
        found.setdefault(promise, {})[customer_no] = first_at
    return found


def _first_mails(
    session: Session, ctx: ShopContext, into: dict[int, int], since: datetime, until: datetime
) -> dict[int, datetime]:
    """Customer → when the first campaign's e-mail of that time was handed over, whatever product it spoke of."""
    rows = session.execute(
        select(Message.customer_no, func.min(Message.stamped_at))
        .where(
            Message.shop_id == ctx.shop_id,
            Message.state.in_(MAILED),
            Message.stamped_at >= since,
            Message.stamped_at < until,
        )
        .group_by(Message.customer_no)
    )
    found: dict[int, datetime] = {}
    for customer_no, at in rows:
        if at is None:
            continue
        who = into.get(customer_no, customer_no)
        found[who] = min(at, found.get(who, at))
    return found
