"""How sending stands: the breaker and the rates, each sender's domain, how much it sends and may send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select

from app.domain import sender_domain
from app.domain.machines import DEFAULT_OPEN_TRACKING
from app.errors import Conflict, Invalid
from app.services import sender_domains, senders, sending_brakes, sending_limits, sending_lock
from app.store.models.mail_events import MailSetting, SenderDomain, SendingHour
from app.store.models.senders import Sender

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

CHECKS = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC"}
LEAST_PER_HOUR, MOST_PER_HOUR = 10, 1_000_000


@dataclass(frozen=True)
class Stop:
    """Sending is stopped. Rates are shares of what was sent, 0..1."""

    at: datetime
    kind: str
    sent: int
    hard_bounces: int
    complaints: int
    limit: float


@dataclass(frozen=True)
class Status:
    """The shop's sending as a whole."""

    stop: Stop | None
    lock: sending_lock.Locked | None
    since: datetime
    sent: int
    hard_bounces: int
    complaints: int
    bounce_rate: float | None
    complaint_rate: float | None
    level: Literal["too_few", "good", "warning", "stop"]
    open_tracking: str
    hourly_limit: int | None


@dataclass(frozen=True)
class CheckView:
    """One of the three checks, with the record to set."""

    name: str
    label: str
    state: str
    found: str | None
    problem: str | None
    record_type: str
    record_name: str
    record_value: str


@dataclass(frozen=True)
class Health:
    """A sender's domain. checked_at: null before the first look. limit_today: null, as much as there is."""

    sender_id: str
    domain: str
    on_behalf: bool
    checked_at: datetime | None
    checks: list[CheckView]
    sent_today: int
    sent_30_days: int
    limit_today: int | None
    next_limit: int | None
    stage: Literal["no_dkim", "warming_up", "warm", "not_limited"]
    resumes_at: datetime | None


def status(rooms: Rooms, ctx: ShopContext) -> Status:
    """The breaker, the lock, the rates of the window, and the shop's choices."""
    with rooms.store.reading(ctx) as session:
        now = rooms.store.db_now(session)
        counted = sending_brakes.rates(session, ctx, now)
        lock = sending_lock.locked(rooms, session, ctx, now)
        stop = sending_brakes.open_stop(session, ctx)
        choice = session.get(MailSetting, {"shop_id": ctx.shop_id})
    shown = None
    if stop is not None:
        told = stop.evidence
        shown = Stop(stop.at, stop.kind, told["sent"], told["hard_bounces"], told["complaints"], told["limit"])
    return Status(
        shown,
        lock,
        counted.since,
        counted.sent,
        counted.hard_bounces,
        counted.complaints,
        counted.bounce_rate,
        counted.complaint_rate,
        "stop" if stop is not None else counted.level,
        choice.open_tracking if choice else DEFAULT_OPEN_TRACKING,
        choice.hourly_limit if choice else None,
    )


def choose(rooms: Rooms, ctx: ShopContext, changes: dict[str, object]) -> Status:
    """Change the shop's choices: open_tracking, hourly_limit (null: none). Raises Invalid."""
    limit = changes.get("hourly_limit")
    if isinstance(limit, int) and not LEAST_PER_HOUR <= limit <= MOST_PER_HOUR:
        raise Invalid(f"Between {LEAST_PER_HOUR} and {MOST_PER_HOUR:,} messages an hour.", field="hourly_limit")
    with rooms.store.session(ctx) as session:
        row = session.get(MailSetting, {"shop_id": ctx.shop_id})
        if row is None:
            row = MailSetting(shop_id=ctx.shop_id, open_tracking=DEFAULT_OPEN_TRACKING, hourly_limit=None)
            session.add(row)
        for name, value in changes.items():
            setattr(row, name, value)
    return status(rooms, ctx)


def listing(rooms: Rooms, ctx: ShopContext) -> list[Health]:
    """All senders of the shop, in the order of their page."""
    with rooms.store.reading(ctx) as session:
        query = select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.deleted_at.is_(None))
        rows = session.scalars(query.order_by(Sender.is_default.desc(), Sender.id)).all()
        return [_health(rooms, ctx, session, row) for row in rows]


def check(rooms: Rooms, ctx: ShopContext, sender_id: str) -> Health:
    """Look a sender's domain up now. Raises NotFound, and Conflict before the address is confirmed.

    An address that nobody confirmed may be anybody's: nobody's name servers are asked on its behalf.
    """
    with rooms.store.reading(ctx) as session:
        sender = senders.find(session, ctx, sender_id)
        if not senders.is_verified(sender):
            raise Conflict("Confirm the address first; its domain is checked after that.")
        domain = sending_limits.domain_of(rooms, sender)
    sender_domains.check(rooms, ctx, domain, senders.mail_domain(rooms))
    with rooms.store.reading(ctx) as session:
        return _health(rooms, ctx, session, senders.find(session, ctx, sender_id))


def _health(rooms: Rooms, ctx: ShopContext, session: Session, sender: Sender) -> Health:
    domain = sending_limits.domain_of(rooms, sender)
    now = rooms.store.db_now(session)
    row = session.get(SenderDomain, {"shop_id": ctx.shop_id, "domain": domain})
    checks = row.checks if row is not None else {}
    records = sender_domain.records(sender_domains.wanted(rooms, domain, senders.mail_domain(rooms)), checks)
    found = sending_limits.stage(rooms, session, ctx, now, domain)
    month = select(func.sum(SendingHour.handed_over)).where(
        SendingHour.shop_id == ctx.shop_id,
        SendingHour.domain == domain,
        SendingHour.hour > now - sending_limits.REMEMBERED,
    )
    return Health(
        sender_id=f"snd_{sender.id}",
        domain=domain,
        on_behalf=senders.header_from(rooms, sender)[1] != sender.from_address,
        checked_at=row.checked_at if row is not None else None,
        checks=[
            CheckView(
                name,
                label,
                (checks.get(name) or {}).get("state", "not_checked"),
                (checks.get(name) or {}).get("found"),
                (checks.get(name) or {}).get("problem"),
                records[name].kind,
                records[name].name,
                records[name].value,
            )
            for name, label in CHECKS.items()
        ],
        sent_today=found.sent_today,
        sent_30_days=int(session.execute(month).scalar_one() or 0),
        limit_today=found.limit,
        next_limit=_next(found),
        stage=_stage(rooms, found),
        resumes_at=found.until if found.left == 0 else None,
    )


def _stage(rooms: Rooms, found: sending_limits.Stage) -> Literal["no_dkim", "warming_up", "warm", "not_limited"]:
    if not rooms.settings.daily_limits:
        return "not_limited"
    if not found.aligned:
        return "no_dkim"
    return "warm" if found.limit is None else "warming_up"


def _next(found: sending_limits.Stage) -> int | None:
    """The limit of the day after one that fills this one's."""
    return None if found.step is None else sending_limits.limit_of(found.step + 1)
