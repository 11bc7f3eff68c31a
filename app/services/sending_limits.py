"""How much a shop may send: a new domain warms up, one without DKIM stays small, the shop's own hourly limit.

Whatever is beyond a limit waits in the outbox until it may go; nothing is lost by it, and its words,
stock and consent are checked again then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update

from app.services import sender_domains, senders
from app.store.models.campaigns import Campaign
from app.store.models.mail_events import MailSetting, SenderDomain, SendingHour
from app.store.models.senders import Sender
from app.store.models.sending import Message
from app.store.rowset import statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

# Messages a day. A domain is at the step after the largest one that it filled within the last 30 days; mailbox
# providers take a sudden flood from a domain that they don't know for a stolen one.
WARM_UP = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000)
# This part of a step fills it. More than a half: each step is twice the one before, and a day that was just full must
# not count as a half of the next but one. Some more yet: workers may together pass a limit by a batch each.
FILLED = 0.75
REMEMBERED = timedelta(days=30)
HOUR = timedelta(hours=1)
COUNT = """INSERT INTO sending_hours AS h (shop_id, domain, hour, handed_over) VALUES (:shop, :domain, :now, :number)
ON CONFLICT (shop_id, domain, hour) DO UPDATE SET handed_over = h.handed_over + excluded.handed_over"""
WITHOUT_DKIM = 499  # Google's rules for large senders are kept away from, by far


@dataclass(frozen=True)
class Stage:
    """Where a domain stands. limit: messages on this day of the shop; null: no limit any more."""

    domain: str
    aligned: bool
    sent_today: int
    limit: int | None
    step: int | None
    until: datetime

    @property
    def left(self) -> int | None:
        """What may still go today."""
        return None if self.limit is None else max(0, self.limit - self.sent_today)


@dataclass(frozen=True)
class Past:
    """What left a domain. before: of each of the 30 days before, the newest first.

    until: when today ends, in the shop's time zone.
    """

    today: int
    before: tuple[int, ...]
    until: datetime


@dataclass(frozen=True)
class Gate:
    """What the next batch may hold.

    most:  messages, whoever they are from; null: any number
    waits: campaigns whose messages have to wait, and until when
    """

    most: int | None
    waits: tuple[tuple[tuple[int, ...], datetime], ...] = ()


def count(session: Session, ctx: ShopContext, now: datetime, handed_over: Mapping[str, int]) -> None:
    """Add messages that left, by the domain they came from."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for domain, number in sorted(handed_over.items()):  # in one order everywhere, so that no two workers deadlock
        given = {"shop": ctx.shop_id, "domain": domain, "now": hour, "number": number}
        session.execute(statement(session, COUNT), given)


def stage(rooms: Rooms, session: Session, ctx: ShopContext, now: datetime, domain: str) -> Stage:
    """Where a domain stands today, in the shop's time zone."""
    past = sent_before(session, ctx, now, domain)
    aligned = is_aligned(session, ctx, domain)
    if not rooms.settings.daily_limits:
        return Stage(domain, aligned, past.today, None, None, past.until)
    if not aligned:
        return Stage(domain, aligned, past.today, WITHOUT_DKIM, None, past.until)
    step = step_after(max(past.before))
    return Stage(domain, aligned, past.today, limit_of(step), step, past.until)


def is_aligned(session: Session, ctx: ShopContext, domain: str) -> bool:
    """Whether the domain's own DKIM was found."""
    row = session.get(SenderDomain, {"shop_id": ctx.shop_id, "domain": domain})
    return row is not None and sender_domains.is_aligned(row.checks)


def sent_before(session: Session, ctx: ShopContext, now: datetime, domain: str) -> Past:
    """What left a domain today and on the days that its warm-up remembers, by the shop's calendar."""
    today = now.astimezone(ctx.zone).date()
    first = datetime.combine(today - REMEMBERED, time(), ctx.zone).astimezone(UTC)
    until = datetime.combine(today + timedelta(days=1), time(), ctx.zone).astimezone(UTC)
    query = select(SendingHour.hour, SendingHour.handed_over).where(
        SendingHour.shop_id == ctx.shop_id, SendingHour.domain == domain, SendingHour.hour >= first
    )
    days: Counter[object] = Counter()
    for hour, number in session.execute(query):
        days[hour.astimezone(ctx.zone).date()] += number
    before = tuple(days[today - timedelta(days=back)] for back in range(1, REMEMBERED.days + 1))
    return Past(days[today], before, until)


def limit_of(step: int) -> int | None:
    """The messages a day of a step of the warm-up; None past the last one."""
    return WARM_UP[step] if step < len(WARM_UP) else None


def step_after(best_day: int) -> int:
    """The step of the warm-up that follows a best day of so many messages; the table's length: warmed up."""
    return sum(1 for limit in WARM_UP if best_day >= FILLED * limit)


def domain_of(rooms: Rooms, sender: Sender) -> str:
    """The domain that a sender's mail is from: its own, or ours for a free-mail address."""
    return senders.header_from(rooms, sender)[1].rpartition("@")[2].lower()


def gate(rooms: Rooms, session: Session, ctx: ShopContext) -> Gate:
    """What may go next, by the limits of the domains and the shop's own."""
    own = session.get(MailSetting, {"shop_id": ctx.shop_id})
    hourly = own.hourly_limit if own else None
    if not rooms.settings.daily_limits and hourly is None:
        return Gate(None)
    now = rooms.store.db_now(session)
    by_domain = _campaigns_by_domain(rooms, session, ctx)
    stages = [stage(rooms, session, ctx, now, domain) for domain in by_domain]
    room = [found.left for found in stages if found.left]
    waits = [(tuple(by_domain[found.domain]), found.until) for found in stages if found.left == 0]
    if hourly is not None:
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        total = select(func.sum(SendingHour.handed_over)).where(
            SendingHour.shop_id == ctx.shop_id, SendingHour.hour == hour
        )
        left = hourly - int(session.execute(total).scalar_one() or 0)
        if left <= 0:
            waits.append((tuple(number for numbers in by_domain.values() for number in numbers), hour + HOUR))
        room.append(max(1, left))
    return Gate(min(room, default=None), tuple(waits))


def hold_back(rooms: Rooms, ctx: ShopContext, found: Gate) -> None:
    """Tell the messages that have to wait until when. In a transaction of its own, if there are any."""
    if not found.waits:
        return
    with rooms.store.session(ctx) as session:
        for campaigns, until in found.waits:
            sooner = or_(Message.not_before.is_(None), Message.not_before < until)
            waiting = (Message.shop_id == ctx.shop_id, Message.state == "queued", Message.campaign_id.in_(campaigns))
            later = update(Message).where(*waiting, sooner).values(not_before=until)
            session.execute(later.execution_options(synchronize_session=False))


def _campaigns_by_domain(rooms: Rooms, session: Session, ctx: ShopContext) -> dict[str, list[int]]:
    query = (
        select(Campaign.id, Sender)
        .join(Sender, (Sender.shop_id == Campaign.shop_id) & (Sender.id == Campaign.sender_id))
        .where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")
    )
    found: dict[str, list[int]] = {}
    for campaign, sender in session.execute(query):
        found.setdefault(domain_of(rooms, sender), []).append(campaign)
    return found
