"""How mail fares with each mailbox provider. Addresses stay sealed: the provider's name was kept when they came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args

from sqlalchemy import case, func, select

from app.domain.mailboxes import Provider
from app.store.models.customers import Customer
from app.store.models.mail_events import MailEvent
from app.store.models.sending import MAILED, Message

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

WINDOW = timedelta(days=30)
UNKNOWN = "unknown"  # erased since, or imported before providers were kept


@dataclass(frozen=True)
class ProviderFigures:
    """Messages to one provider's mailboxes, each counted once. bounced: in any way; for_good: those that never arrive.

    opened: by people, as far as openings may be observed.
    """

    provider: Provider | Literal["unknown"]
    sent: int
    bounced: int
    for_good: int
    complained: int
    opened: int


@dataclass(frozen=True)
class ByProvider:
    """All messages that left since then: `sent`, counted by itself, is the sum of the items."""

    since: datetime
    sent: int
    items: list[ProviderFigures]


def by_provider(rooms: Rooms, ctx: ShopContext) -> ByProvider:
    """The last 30 days' messages by provider, in one order; providers without any are left out."""
    with rooms.store.reading(ctx) as session:
        since = rooms.store.db_now(session) - WINDOW
        left = (Message.shop_id == ctx.shop_id, Message.state.in_(MAILED), Message.stamped_at > since)
        provider = func.coalesce(Customer.mail_provider, UNKNOWN).label("provider")
        customer = (Customer.shop_id == Message.shop_id) & (Customer.customer_no == Message.customer_no)
        total = session.execute(select(func.count(Message.id)).where(*left)).scalar_one()
        messages = select(Message.id, provider).outerjoin(Customer, customer).where(*left).subquery()
        counted = select(messages.c.provider, func.count()).group_by(messages.c.provider)
        sent: dict[str, int] = {row[0]: row[1] for row in session.execute(counted)}
        hard = case((MailEvent.severity == "hard", MailEvent.message_id))
        seen = (
            select(
                messages.c.provider, MailEvent.kind, func.count(MailEvent.message_id.distinct()),
                func.count(hard.distinct()),
            )
            .join(messages, messages.c.id == MailEvent.message_id)
            .where(
                MailEvent.shop_id == ctx.shop_id,
                MailEvent.kind.in_(("bounced", "complained", "opened")),
                ~((MailEvent.kind == "opened") & MailEvent.machine),
            )
            .group_by(messages.c.provider, MailEvent.kind)
        )  # fmt: skip
        told = {(name, kind): (count, for_good) for name, kind, count, for_good in session.execute(seen)}
    items = [
        ProviderFigures(
            provider=name,
            sent=sent[name],
            bounced=told.get((name, "bounced"), (0, 0))[0],
            for_good=told.get((name, "bounced"), (0, 0))[1],
            complained=told.get((name, "complained"), (0, 0))[0],
            opened=told.get((name, "opened"), (0, 0))[0],
        )
        for name in (*get_args(Provider), UNKNOWN)
        if sent.get(name)
    ]
    return ByProvider(since, total, items)
