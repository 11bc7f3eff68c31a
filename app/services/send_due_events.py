"""What became of messages, as the lake's `events`: rules and models read it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import select

from app.lake.schemas import EVENTS
from app.store.models.customers import ConsentEvent
from app.store.models.mail_events import MailEvent
from app.store.models.sending import Message, MessageEvent

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

KINDS = {
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "bounced": "email_bounced",
    "complained": "email_complained",
}


def write_events(rooms: Rooms, ctx: ShopContext) -> int:
    """Write the shop's message events whole, as of now; returns how many. Repeating it changes nothing.

    email_sent, email_delivered, email_opened and email_clicked (`bot`: probably no person), email_bounced,
    email_complained and email_unsubscribed.
    """
    with rooms.store.reading(ctx) as session:
        sent = (
            select(Message.customer_no, Message.campaign_id, Message.id, MessageEvent.at)
            .join(MessageEvent, (MessageEvent.shop_id == Message.shop_id) & (MessageEvent.message_id == Message.id))
            .where(
                Message.shop_id == ctx.shop_id,
                MessageEvent.to_state == "sent",
                MessageEvent.from_state.is_distinct_from("sent"),
            )
            .order_by(MessageEvent.id)
        )
        rows: list[dict[str, Any]] = [
            _row(customer, "email_sent", at, campaign, message)
            for customer, campaign, message, at in session.execute(sent)
        ]
        reported = select(MailEvent).where(MailEvent.shop_id == ctx.shop_id).order_by(MailEvent.at, MailEvent.id)
        rows += [
            _row(event.customer_no, KINDS[event.kind], event.at, event.campaign_id, event.message_id, bot=event.machine)
            for event in session.scalars(reported)
        ]
        left = select(ConsentEvent.customer_no, ConsentEvent.at).where(
            ConsentEvent.shop_id == ctx.shop_id,
            ConsentEvent.channel == "email",
            ConsentEvent.source.in_(("unsubscribe_link", "one_click")),
        )
        rows += [
            _row(customer, "email_unsubscribed", at) for customer, at in session.execute(left.order_by(ConsentEvent.id))
        ]
    if rows or rooms.lake.version(ctx, "events") is not None:
        whole = [{name: row.get(name) for name in EVENTS.names} for row in rows]
        rooms.lake.write(ctx, "events", pa.Table.from_pylist(whole, schema=EVENTS))
    return len(rows)


def _row(
    customer_no: int, kind: str, at: datetime, campaign: int | None = None, message: str | None = None,
    *, bot: bool = False,
) -> dict[str, Any]:  # fmt: skip
    return {
        "customer_no": customer_no, "kind": kind, "at": at, "campaign_id": campaign, "message_id": message, "bot": bot,
    }  # fmt: skip
