"""The circuit breaker: a shop whose mail bounces or annoys stops sending until a person has looked.

Mailbox providers punish the sender's domain for weeks; Google asks for complaints below 0.1% and never
0.3% (https://support.google.com/mail/answer/81126). A rate of few messages says nothing, so both a
volume and a number of reports are needed. What was counted before a release does not count again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import func, select

from app.errors import NotFound
from app.store.counters import allocate
from app.store.models.mail_events import MailEvent, SendingHour, SendingStop

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

# Whether `open_stop` finds any, for rowset.ask.
STOPPED = "SELECT EXISTS (SELECT 1 FROM sending_stops WHERE shop_id = :shop AND released_at IS NULL)"
WINDOW = timedelta(days=7)
LEAST_SENT = 200
LEAST_REPORTS = 3
COMPLAINTS_WARN, COMPLAINTS_STOP = 0.001, 0.003
BOUNCES_STOP = 0.05

Level = Literal["too_few", "good", "warning", "stop"]


@dataclass(frozen=True)
class Rates:
    """What the window holds: messages handed over, hard bounces and complaints by message.

    sent: also those that the server refused at once for their address, which are among the hard bounces.
    """

    since: datetime
    sent: int
    hard_bounces: int
    complaints: int

    @property
    def bounce_rate(self) -> float | None:
        """Of messages handed over; null: none."""
        return self.hard_bounces / self.sent if self.sent else None

    @property
    def complaint_rate(self) -> float | None:
        """Of messages handed over; null: none."""
        return self.complaints / self.sent if self.sent else None

    @property
    def level(self) -> Level:
        """What the rates mean; too few messages mean nothing."""
        if self.sent < LEAST_SENT:
            return "too_few"
        if self.over is not None:
            return "stop"
        return "warning" if self.complaints / self.sent >= COMPLAINTS_WARN else "good"

    @property
    def over(self) -> Literal["complaints", "bounces"] | None:
        """What is beyond its limit."""
        if self.sent < LEAST_SENT:
            return None
        if self.complaints >= LEAST_REPORTS and self.complaints / self.sent >= COMPLAINTS_STOP:
            return "complaints"
        if self.hard_bounces >= LEAST_REPORTS and self.hard_bounces / self.sent >= BOUNCES_STOP:
            return "bounces"
        return None


def rates(session: Session, ctx: ShopContext, now: datetime) -> Rates:
    """Counts of the last seven days, or since the last release."""
    released = session.execute(
        select(func.max(SendingStop.released_at)).where(SendingStop.shop_id == ctx.shop_id)
    ).scalar_one()
    since = max(now - WINDOW, released) if released is not None else now - WINDOW
    # The hour that the window begins in counts whole: messages are counted by the hour.
    hours = select(func.sum(SendingHour.handed_over)).where(
        SendingHour.shop_id == ctx.shop_id, SendingHour.hour > since - timedelta(hours=1)
    )

    def count(*conditions: Any) -> int:
        query = select(func.count(func.distinct(MailEvent.message_id))).where(
            MailEvent.shop_id == ctx.shop_id, MailEvent.recorded_at > since, *conditions
        )
        return int(session.execute(query).scalar_one())

    return Rates(
        since,
        int(session.execute(hours).scalar_one() or 0) + count(MailEvent.source == "smtp"),
        count(MailEvent.kind == "bounced", MailEvent.severity == "hard"),
        count(MailEvent.kind == "complained"),
    )


def open_stop(session: Session, ctx: ShopContext) -> SendingStop | None:
    """The stop that nobody has released yet."""
    query = select(SendingStop).where(SendingStop.shop_id == ctx.shop_id, SendingStop.released_at.is_(None))
    return session.scalars(query.order_by(SendingStop.id.desc()).limit(1)).first()


def judge(session: Session, ctx: ShopContext, now: datetime) -> SendingStop | None:
    """The stop that holds, opened now if a rate is beyond its limit; None: sending may go on."""
    found = open_stop(session, ctx)
    if found is not None:
        return found
    counted = rates(session, ctx, now)
    if counted.over is None:
        return None
    evidence = {
        "sent": counted.sent,
        "hard_bounces": counted.hard_bounces,
        "complaints": counted.complaints,
        "limit": COMPLAINTS_STOP if counted.over == "complaints" else BOUNCES_STOP,
        "since": counted.since.isoformat(),
    }
    number = allocate(session, ctx.shop_id, "sending_stops")
    stop = SendingStop(shop_id=ctx.shop_id, id=number, at=now, kind=counted.over, evidence=evidence)
    session.add(stop)
    session.flush()
    log.warning("sending_stopped", shop_id=ctx.shop_id, kind=counted.over, **evidence)
    return stop


def release(rooms: Rooms, ctx: ShopContext, by: str | None) -> None:
    """Let the shop send again; what is counted begins anew. Raises NotFound if nothing is stopped."""
    with rooms.store.session(ctx) as session:
        stop = open_stop(session, ctx)
        if stop is None:
            raise NotFound("Sending is not stopped.")
        stop.released_at = rooms.store.db_now(session)
        stop.released_by = by
    log.info("sending_released", shop_id=ctx.shop_id, stop=stop.id)
