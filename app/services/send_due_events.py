"""What became of messages, as the lake's `events`: rules and models read it there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import select

from app.lake.schemas import EVENTS
from app.store.models.customers import ConsentEvent
from app.store.models.sending import Message, MessageEvent

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

# Mailbox scanners open links within a minute or two of delivery; a person rarely does.
SCANNERS_WITHIN = timedelta(seconds=90)


def write_events(rooms: Rooms, ctx: ShopContext) -> int:
    """Write the shop's message events whole, as of now; returns how many. Repeating it changes nothing.

    email_sent, email_clicked (`bot` if it came within 90 seconds of the hand-over) and
    email_unsubscribed. Opens, deliveries and bounces are not observed yet.
    """
    with rooms.store.reading(ctx) as session:
        query = (
            select(
                Message.customer_no, Message.campaign_id, Message.id, Message.stamped_at, MessageEvent.at,
                MessageEvent.from_state, MessageEvent.to_state, MessageEvent.detail,
            )
            .join(MessageEvent, (MessageEvent.shop_id == Message.shop_id) & (MessageEvent.message_id == Message.id))
            .where(Message.shop_id == ctx.shop_id)
            .order_by(MessageEvent.id)
        )  # fmt: skip
        rows: list[dict[str, Any]] = []
        for customer, campaign, message, stamped_at, at, before, after, detail in session.execute(query):
            clicked = "clicked" in detail
            if not clicked and (after != "sent" or before == "sent"):
                continue
            rows.append(
                {
                    "customer_no": customer,
                    "kind": "email_clicked" if clicked else "email_sent",
                    "at": at,
                    "campaign_id": campaign,
                    "message_id": message,
                    "bot": clicked and stamped_at is not None and at - stamped_at < SCANNERS_WITHIN,
                }
            )
        left = select(ConsentEvent.customer_no, ConsentEvent.at).where(
            ConsentEvent.shop_id == ctx.shop_id,
            ConsentEvent.channel == "email",
            ConsentEvent.source.in_(("unsubscribe_link", "one_click")),
        )
        rows += [
            {"customer_no": customer, "kind": "email_unsubscribed", "at": at, "bot": False}
            for customer, at in session.execute(left.order_by(ConsentEvent.id))
        ]
    if rows or rooms.lake.version(ctx, "events") is not None:
        whole = [{name: row.get(name) for name in EVENTS.names} for row in rows]
        rooms.lake.write(ctx, "events", pa.Table.from_pylist(whole, schema=EVENTS))
    return len(rows)
