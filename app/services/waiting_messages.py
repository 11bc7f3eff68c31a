"""What a campaign's messages in line wait for, and until when: every one of them in one group, so that they add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, and_, case, false, func, literal, or_, select, true

from app.domain.campaigns import GOOD_FOR
from app.services import campaigns, discounts, sending_brakes, sending_limits, sending_lock
from app.store import outbox
from app.store.models.mail_events import MailSetting
from app.store.models.senders import Sender
from app.store.models.sending import Message, is_live

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

Why = Literal[
    "locked", "stopped", "not_active", "no_dkim", "warm_up", "hourly", "code", "retry", "hours", "earlier_limit",
    "next", "sending",
]  # fmt: skip
ORDER: tuple[Why, ...] = (
    "locked", "stopped", "not_active", "no_dkim", "warm_up", "hourly", "code", "retry", "hours", "earlier_limit",
    "next", "sending",
)  # fmt: skip
OF_MESSAGE = frozenset({"code", "retry", "hours", "earlier_limit"})  # each row has its own instant


@dataclass(frozen=True)
class Group:
    """Messages that wait for the same.

    until:    when the first of them may go; None: at once, or nobody knows. limit: of the day or hour, if one is full.
    too_late: those of them that will have waited too long by then; they are decided anew.
    """

    why: Why
    count: int
    until: datetime | None
    limit: int | None
    too_late: int


@dataclass(frozen=True)
class Waiting:
    """A campaign's messages that have not left: `count`, counted by itself, is the sum of all groups."""

    count: int
    groups: list[Group]
    good_for_hours: int
    as_of: datetime


@dataclass(frozen=True)
class _Rule:
    """One reason with the messages that it holds for, if no earlier one does. until: of all of them alike."""

    why: Why
    holds: ColumnElement[bool]
    until: datetime | None = None
    limit: int | None = None


def waiting(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Waiting:
    """Why each message of a campaign still waits. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        now = rooms.store.db_now(session)
        rules = [
            _Rule("sending", Message.state == "sending"),
            *_of_shop(rooms, session, ctx, now),
            *_of_limits(rooms, session, ctx, campaign, now),
            *_of_messages(campaign, now),
        ]
        mine = (
            Message.shop_id == ctx.shop_id,
            Message.campaign_id == campaign.id,
            is_live(),
        )
        # Not the sum of the groups: that the two are equal is what a reader can check.
        count = session.execute(select(func.count(Message.id)).where(*mine)).scalar_one()
        groups = _grouped(session, rules, mine, now)
    return Waiting(count, groups, int(GOOD_FOR.total_seconds() // 3600), now)


def _of_shop(rooms: Rooms, session: Session, ctx: ShopContext, now: datetime) -> list[_Rule]:
    lock = sending_lock.locked(rooms, session, ctx, now)
    if lock is not None:
        return [_Rule("locked", true(), lock.until)]
    return [_Rule("stopped", true())] if sending_brakes.open_stop(session, ctx) is not None else []


def _of_limits(rooms: Rooms, session: Session, ctx: ShopContext, campaign: Campaign, now: datetime) -> list[_Rule]:
    """The limits that are used up now; the sender tells the messages so when it meets them the next time."""
    if campaign.state != "active":
        return [_Rule("not_active", true())]
    sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": campaign.sender_id or 0})
    full = [until for numbers, until in sending_limits.gate(rooms, session, ctx).waits if campaign.id in numbers]
    if sender is None or not full:
        return []
    rules = []
    day = sending_limits.stage(rooms, session, ctx, now, sending_limits.domain_of(rooms, sender))
    if day.left == 0:
        full.remove(day.until)
        rules.append(_limit("warm_up" if day.aligned else "no_dkim", day.until, day.limit))
    own = session.get(MailSetting, {"shop_id": ctx.shop_id})
    rules += [_limit("hourly", until, own.hourly_limit if own else None) for until in full]
    return rules


def _limit(why: Why, until: datetime, limit: int | None) -> _Rule:
    return _Rule(why, or_(Message.not_before.is_(None), Message.not_before <= until), until, limit)


def _of_messages(campaign: Campaign, now: datetime) -> list[_Rule]:
    """What a message itself says. Its row keeps one instant for all reasons, so how near that is tells them apart."""
    later = Message.not_before > now
    soon = or_(Message.not_before.is_(None), Message.not_before <= now + discounts.WAIT)
    tried = and_(Message.attempts > 0, later, Message.not_before <= now + outbox.LONGEST_BACKOFF)
    return [
        _Rule("code", and_(Message.last_error == discounts.WAITS_FOR, soon)),
        _Rule("retry", tried),
        _Rule("hours", later if not campaigns.window_of(campaign).always else false()),
        _Rule("earlier_limit", later),
        _Rule("next", true()),
    ]


def _grouped(session: Session, rules: list[_Rule], mine: Any, now: datetime) -> list[Group]:
    by_name = {rule.why: rule for rule in rules}
    why = case(*((rule.holds, literal(rule.why)) for rule in rules)).label("why")
    # Compared with what is not there, neither is true: such a message is late only if it is late already.
    until = case(*((rule.holds, literal(rule.until, Message.not_before.type)) for rule in rules))
    late = or_(
        Message.expires_at <= now,
        and_(Message.state == "queued", or_(Message.expires_at <= Message.not_before, Message.expires_at <= until)),
    )
    rows = select(why, Message.not_before, case((late, 1), else_=0).label("late")).where(*mine).subquery()
    query = select(rows.c.why, func.count(), func.min(rows.c.not_before), func.sum(rows.c.late)).group_by(rows.c.why)
    found = []
    for name, count, first, too_late in session.execute(query):
        rule = by_name[name]
        opens = first if name in OF_MESSAGE and first is not None and first > now else None
        found.append(Group(name, count, rule.until or opens, rule.limit, int(too_late)))
    return sorted(found, key=lambda group: ORDER.index(group.why))
