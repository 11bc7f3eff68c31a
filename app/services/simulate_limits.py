"""How much the shop may send in the days that are simulated: what each domain and the shop's hour allow from now on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from app.services import sending_limits
from app.services.sending_limits import is_aligned, sent_before
from app.store.models.mail_events import MailSetting
from app.store.models.senders import Sender
from app.store.models.sending import Message, is_live
from ml.simulation_limits import Limit, scaled

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.sending_limits import Past
    from app.services.simulate_input import Start
    from app.store.models.campaigns import Campaign

HOURS_A_DAY = 24
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Domain:
    """One domain's limit. numbers: the campaigns that send from it. ahead: messages in line that leave within a day."""

    numbers: tuple[int, ...]
    aligned: bool
    past: Past
    ahead: int


@dataclass(frozen=True)
class Allowed:
    """What is known of the shop's limits before customers are looked at.

    ahead: messages in line that the hour's limit lets go within a day. late: customers whose message in line does not
    leave within a day: it is decided anew then.
    """

    domains: tuple[Domain, ...]
    hourly: int | None
    ahead: int
    late: frozenset[int]


def key(rooms: Rooms, session: Session, ctx: ShopContext, rows: Sequence[Campaign]) -> Hashable:
    """What an answer depends on but for the counts, which change with every message."""
    domains = _by_domain(rooms, session, ctx, rows).items() if rooms.settings.daily_limits else ()
    known = tuple((tuple(numbers), is_aligned(session, ctx, name)) for name, numbers in domains)
    return _hourly(session, ctx), known


def allowed(rooms: Rooms, session: Session, ctx: ShopContext, rows: Sequence[Campaign], at: datetime) -> Allowed:
    """Read the limits under which these campaigns send; a draft without a sender has no domain's."""
    hourly = _hourly(session, ctx)
    if hourly is None and not rooms.settings.daily_limits:
        return Allowed((), None, 0, frozenset())
    domains: list[Domain] = []
    waiting = _in_line(session, ctx)
    late: set[int] = set()
    for name, numbers in _by_domain(rooms, session, ctx, rows).items() if rooms.settings.daily_limits else ():
        aligned, past = is_aligned(session, ctx, name), sent_before(session, ctx, at, name)
        line = [customer for customer, campaign in waiting if campaign in numbers]
        room = _within_a_day(aligned, past, len(line))
        late.update(line[room:])
        domains.append(Domain(tuple(numbers), aligned, past, min(room, len(line))))
    line = [customer for customer, _ in waiting if customer not in late]
    if hourly is not None:
        late.update(line[hourly * HOURS_A_DAY :])
        line = line[: hourly * HOURS_A_DAY]
    return Allowed(tuple(domains), hourly, len(line), frozenset(late))


def limits(found: Start, at: datetime, days: int, known: Allowed) -> list[Limit]:
    """The limits as a simulation takes them, for the share of the customers that it looks at."""
    made = [_of_domain(found, at, days, one) for one in known.domains]
    if known.hourly is not None:
        made.append(_of_hours(found, days, known.hourly, known.ahead))
    return [scaled(limit, found.share) for limit in made]


def _of_domain(found: Start, at: datetime, days: int, domain: Domain) -> Limit:
    mine = np.isin(found.campaign_ids, domain.numbers)
    left = (domain.past.until - at) / DAY  # of today
    rest = any(
        rule.opens is None or bool((rule.opens[:, 0] < left).any())
        for rule, included in zip(found.rules, mine, strict=True)
        if included
    )
    return Limit(
        campaigns=mine,
        daily=np.full(days + 1, float(sending_limits.WITHOUT_DKIM)),
        steps=tuple(float(step) for step in sending_limits.WARM_UP) if domain.aligned else (),
        past=tuple(map(float, domain.past.before)),
        today=float(domain.past.today),
        rest=rest,
        ahead=float(domain.ahead),
        filled=sending_limits.FILLED,
    )


def _of_hours(found: Start, days: int, hourly: int, ahead: int) -> Limit:
    """So many for each hour in which any of the campaigns may send, which is not of the calendar's days."""
    open_ = np.zeros(days)
    for rule in found.rules:
        if rule.opens is None or rule.closes is None:
            open_[:] = 1.0
        else:
            first = np.nan_to_num(rule.opens, nan=np.inf).min(axis=0)
            last = np.nan_to_num(rule.closes, nan=-np.inf).max(axis=0)
            open_ = np.maximum(open_, np.maximum(last - first, 0.0))
    daily = np.concatenate([[0.0], hourly * HOURS_A_DAY * open_])
    return Limit(np.ones(len(found.rules), dtype=bool), daily, rest=False, ahead=float(ahead))


def _within_a_day(aligned: bool, past: Past, waiting: int) -> int:  # noqa: FBT001 - a fact of the domain
    """How many of those in line leave by this time tomorrow: today's rest, and what tomorrow allows."""
    if not aligned:
        most = sending_limits.WITHOUT_DKIM
        return max(most - past.today, 0) + most
    step = sending_limits.limit_of(sending_limits.step_after(max(past.before)))
    today = waiting if step is None else min(waiting, max(step - past.today, 0))
    best = max(*past.before[:-1], past.today + today)
    tomorrow = sending_limits.limit_of(sending_limits.step_after(best))
    return waiting if tomorrow is None else today + tomorrow


def _hourly(session: Session, ctx: ShopContext) -> int | None:
    own = session.get(MailSetting, {"shop_id": ctx.shop_id})
    return own.hourly_limit if own else None


def _by_domain(rooms: Rooms, session: Session, ctx: ShopContext, rows: Sequence[Campaign]) -> dict[str, list[int]]:
    query = select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.id.in_({row.sender_id or 0 for row in rows}))
    domains = {sender.id: sending_limits.domain_of(rooms, sender) for sender in session.scalars(query)}
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.sender_id in domains:
            found[domains[row.sender_id]].append(row.id)
    return found


def _in_line(session: Session, ctx: ShopContext) -> list[tuple[int, int]]:
    """(customer, campaign) of each message that waits, in the order of the outbox."""
    query = (
        select(Message.customer_no, Message.campaign_id)
        .where(Message.shop_id == ctx.shop_id, is_live())
        .order_by(Message.planned_at, Message.id)
    )
    return [(customer, campaign) for customer, campaign in session.execute(query)]
