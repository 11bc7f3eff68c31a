"""What is seen of mailed links and pictures. It is written down and changes nothing else: no consent, no campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select, update

from app.domain.machines import AT_ONCE, LINKS_AT_ONCE, clicked_by_machine, may_observe_opens, opened_by_machine
from app.domain.machines import DEFAULT_OPEN_TRACKING as DEFAULT
from app.errors import NotFound
from app.services import mail_events, senders, unsubscribe
from app.services.mail_events import Report
from app.services.shops import context_by_id
from app.store.models.customers import Customer
from app.store.models.mail_events import MailEvent, MailSetting
from app.store.models.sending import Message

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

AGENT_LENGTH = 200


@dataclass(frozen=True)
class Visit:
    """What a request shows of whoever made it. No address of theirs: it would be personal, and says little."""

    method: str
    user_agent: str


def click(rooms: Rooms, token: str, visit: Visit) -> str:
    """Where a link leads; the click is written down. Raises NotFound for a token that is not ours."""
    ctx, message_id, link_id, destination = unsubscribe.follow(rooms, token)
    seen = _seen(rooms, ctx, message_id)
    if seen is None:
        return destination
    now, since = seen
    others = _other_links(rooms, ctx, message_id, link_id, now)
    machine = clicked_by_machine(visit.method, visit.user_agent, since, len(others) + 1)
    if len(others) + 1 >= LINKS_AT_ONCE:
        _mark(rooms, ctx, message_id, now)
    raw = _raw(visit, since) | {"links_at_once": len(others) + 1}
    report = Report("clicked", message_id, now, f"link:{uuid4()}", "link", machine=machine, link_id=link_id, raw=raw)
    mail_events.record(rooms, ctx, report)
    return destination


def opened(rooms: Rooms, token: str, visit: Visit) -> None:
    """Write an opening down, if the customer allows that by now. Raises NotFound for a token that is not ours."""
    value = senders.tokens(rooms).read("open", token, 2)
    if value is None:
        raise NotFound("There is no such picture.")
    ctx, message_id = context_by_id(rooms, value[0]), value[1]
    seen = _seen(rooms, ctx, message_id)
    if seen is None or not _allowed(rooms, ctx, message_id):
        return
    now, since = seen
    machine = opened_by_machine(visit.user_agent, since)
    report = Report("opened", message_id, now, f"pixel:{uuid4()}", "pixel", machine=machine, raw=_raw(visit, since))
    mail_events.record(rooms, ctx, report)


def _seen(rooms: Rooms, ctx: ShopContext, message_id: str) -> tuple[datetime, timedelta | None] | None:
    """(now, time since the hand-over); None for a message that never left: a test, or one that is gone."""
    with rooms.store.reading(ctx) as session:
        message = session.get(Message, {"shop_id": ctx.shop_id, "id": message_id})
        if message is None or message.state not in {"sending", "sent", "unknown"}:
            return None
        now = rooms.store.db_now(session)
        return now, now - message.stamped_at if message.stamped_at is not None else None


def _allowed(rooms: Rooms, ctx: ShopContext, message_id: str) -> bool:
    with rooms.store.reading(ctx) as session:
        choice = session.get(MailSetting, {"shop_id": ctx.shop_id})
        message = session.get_one(Message, {"shop_id": ctx.shop_id, "id": message_id})
        customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": message.customer_no})
        return customer is not None and may_observe_opens(
            choice.open_tracking if choice else DEFAULT, customer.open_tracking
        )


def _other_links(rooms: Rooms, ctx: ShopContext, message_id: str, link_id: int, now: datetime) -> set[int]:
    """The message's other links that were clicked a moment ago."""
    query = select(MailEvent.link_id).where(
        MailEvent.shop_id == ctx.shop_id,
        MailEvent.message_id == message_id,
        MailEvent.kind == "clicked",
        MailEvent.at > now - AT_ONCE,
        MailEvent.link_id != link_id,
    )
    with rooms.store.reading(ctx) as session:
        return {number for number in session.scalars(query) if number is not None}


def _mark(rooms: Rooms, ctx: ShopContext, message_id: str, now: datetime) -> None:
    """The clicks just before were the same machine's."""
    before = update(MailEvent).where(
        MailEvent.shop_id == ctx.shop_id,
        MailEvent.message_id == message_id,
        MailEvent.kind == "clicked",
        MailEvent.at > now - AT_ONCE,
    )
    with rooms.store.session(ctx) as session:
        session.execute(before.values(machine=True).execution_options(synchronize_session=False))


def _raw(visit: Visit, since: timedelta | None) -> dict[str, object]:
    return {
        "method": visit.method,
        "user_agent": visit.user_agent[:AGENT_LENGTH],
        "seconds": round(since.total_seconds(), 1) if since is not None else None,
    }
