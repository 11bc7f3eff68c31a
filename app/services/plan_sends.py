"""A tick: everybody in every active campaign is looked at, one message each is chosen, all is written down.

What wins goes to the outbox or, by the holdout coin, is withheld for measurement. Everybody else gets
a reason. One transaction per tick: it happened as a whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.domain.campaigns import Reason
from app.services import campaigns, links, sending_lock
from app.services.decision_sheets import PLACE, SELECTED, outcome_of
from app.services.plan_sends_candidates import assess
from app.services.plan_sends_diary import write_diary
from app.services.plan_sends_messages import Winners, winners_of
from app.services.processes import no_search_for_cycles
from app.services.published import latest_history, published
from app.services.shop_settings import cap_window
from app.services.waits import Drawn, draw
from app.store import ledger, outbox
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, PlanTick
from app.store.models.customers import ConsentEvent, Customer, Suppression
from app.store.models.segments import Segment
from app.store.models.senders import Sender
from app.store.models.sending import MessageEvent
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.plan_sends_candidates import Assessment
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

KEPT_FOR = timedelta(days=7)  # ticks; decisions and messages stay
AGAIN_AFTER = timedelta(minutes=10)
"""Waits run out by the clock alone: after so long everybody is decided anew, though nothing has happened."""
AT_MOST = 500  # values in one statement


@dataclass(frozen=True)
class Planned:
    """What a tick did: candidates = queued + held_out + the sum of `skipped`, counted per campaign and customer.

    All nought: nothing had happened since the tick before.
    """

    tick: datetime
    candidates: int = 0
    queued: int = 0
    held_out: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


class _TickLostError(Exception):
    """Another process decided a tick while this one was being looked at."""


def plan(rooms: Rooms, ctx: ShopContext, tick: datetime | None = None) -> Planned:
    """Decide for every customer of every active campaign, and queue the winners.

    tick: the database's time unless given. A tick that was decided already adds nothing and answers
          what it did then.
    """
    with rooms.store.reading(ctx) as session:
        tick = tick or rooms.store.db_now(session)
        done = session.get(PlanTick, {"shop_id": ctx.shop_id, "tick": tick})
    if done is not None:
        return Planned(tick, **done.counts)
    campaigns.end_those_due(rooms, ctx, tick)
    run = published(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        newest = last_tick(session, ctx)
        rows = _active(session, ctx)
        inputs = _inputs(session, ctx, run, rows) if run is not None else ""
        before = session.get(PlanTick, {"shop_id": ctx.shop_id, "tick": newest}) if newest else None
        installed = session.get_one(Shop, ctx.shop_id).uninstalled_at is None
    if run is None or not rows or not installed or sending_lock.why(rooms, ctx) is not None:
        return Planned(tick)
    if before is not None and before.inputs == inputs and abs(tick - before.tick) < AGAIN_AFTER:
        return Planned(tick)
    with no_search_for_cycles():
        return _decide(rooms, ctx, run, rows, tick, newest, inputs)


def _decide(
    rooms: Rooms,
    ctx: ShopContext,
    run: PublishedRun,
    rows: list[Campaign],
    tick: datetime,
    newest: datetime | None,
    inputs: str,
) -> Planned:
    """Look at everybody and write it down; nothing if another process did so meanwhile."""
    found = assess(rooms, ctx, run, rows, tick)
    winners = winners_of(rooms, ctx, found)
    optimised = {row.id for row in rows if row.frequency == "optimise"}
    waits = draw(rooms, ctx, run, [new for new in winners.messages if new.campaign_id in optimised])
    try:
        with rooms.store.session(ctx) as session:
            planned = _write(rooms, session, ctx, run, found, winners, waits, newest, inputs)
    except _TickLostError:
        log.info("tick_lost", shop_id=ctx.shop_id)
        return Planned(tick)
    except IntegrityError:
        with rooms.store.reading(ctx) as session:
            if last_tick(session, ctx) == newest:
                raise  # nobody came in between: the next tick would fail as well, and silently
        # Another process decided at the same moment; its tick stands and the next one is ours again.
        log.info("tick_lost", shop_id=ctx.shop_id)
        return Planned(tick)
    log.info("tick_planned", shop_id=ctx.shop_id, candidates=planned.candidates, queued=planned.queued,
             held_out=planned.held_out)  # fmt: skip
    return planned


def last_tick(session: Session, ctx: ShopContext) -> datetime | None:
    """When campaigns were last decided."""
    return session.execute(select(func.max(PlanTick.tick)).where(PlanTick.shop_id == ctx.shop_id)).scalar_one()


def _active(session: Session, ctx: ShopContext) -> list[Campaign]:
    query = select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")
    return list(session.scalars(query.order_by(Campaign.id)))


def _inputs(session: Session, ctx: ShopContext, run: PublishedRun, rows: list[Campaign]) -> str:
    """A digest of what a tick decides from, the clock aside, read from the ends of indexes.

    What two transactions number in one order and commit in the other may be missed by it; not for longer than
    AGAIN_AFTER.
    """
    history = latest_history(session, ctx)
    segments = select(Segment.id, Segment.membership_id, Segment.state, Segment.deleted_at).where(
        Segment.shop_id == ctx.shop_id, Segment.id.in_([row.segment_id for row in rows if row.segment_id])
    )
    senders = select(Sender).where(Sender.shop_id == ctx.shop_id).order_by(Sender.id)
    known = [
        (run.run_id, run.snapshot_id, history.id if history else None),
        [_columns(row) for row in rows],
        sorted(tuple(row) for row in session.execute(segments)),
        [_columns(row) for row in session.scalars(senders)],
        *(
            session.scalar(select(func.max(newest)).where(shop == ctx.shop_id))
            for newest, shop in (
                (MessageEvent.id, MessageEvent.shop_id),
                (ConsentEvent.id, ConsentEvent.shop_id),
                (Suppression.at, Suppression.shop_id),
            )
        ),
    ]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _columns(row: Any) -> list[tuple[str, Any]]:
    return [(column.key, getattr(row, column.key)) for column in row.__table__.columns]


def _write(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    run: PublishedRun,
    found: Assessment,
    winners: Winners,
    waits: dict[int, Drawn],
    newest: datetime | None,
    inputs: str,
) -> Planned:
    # The counter's row is the planners' turnstile: the second one waits here, and then sees the first one's tick.
    allocate(session, ctx.shop_id, "decisions", 0)
    if last_tick(session, ctx) != newest:
        raise _TickLostError
    active = _active(session, ctx)
    still_active = {row.id for row in active}
    verdicts = {number: judged for number, judged in found.verdicts.items() if number in still_active}
    winners = winners.of(still_active)
    _make_links(session, ctx, winners)
    # What this tick does is no reason for another; what happened while it looked is. What PostgreSQL lets others
    # commit from here on is looked at after AGAIN_AFTER, as `_inputs` says.
    alone = _inputs(session, ctx, run, active) == inputs
    said, ids = _hand_out(rooms, session, ctx, found, winners, waits)
    counts: Counter[str] = Counter()
    for number, judged in verdicts.items():
        counts += write_diary(session, ctx, found, number, judged, said, ids)
    planned = Planned(
        tick=found.tick,
        candidates=counts.total(),
        queued=counts[SELECTED],
        held_out=counts[Reason.HELD_OUT],
        skipped={
            saying: count for saying, count in sorted(counts.items()) if outcome_of(saying) in {"skipped", "lost"}
        },
    )
    kept: dict[str, Any] = {name: value for name, value in vars(planned).items() if name != "tick"}
    old = PlanTick.tick < found.tick - KEPT_FOR
    session.execute(delete(PlanTick).where(PlanTick.shop_id == ctx.shop_id, old))
    if alone:
        inputs = _inputs(session, ctx, run, active)
    session.add(PlanTick(shop_id=ctx.shop_id, tick=found.tick, run_id=run.run_id, counts=kept, inputs=inputs))
    return planned


def _hand_out(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    found: Assessment,
    winners: Winners,
    waits: dict[int, Drawn],
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    """Queue or withhold each winner, in the order of customers so that two planners can't deadlock.

    Returns what is to be said of every customer number, and the messages that were made: customer → id.
    """
    going = [new for new in winners.messages if new.held_by is None]
    staying = [new for new in winners.messages if new.held_by is not None]
    said = np.zeros(len(found.by), np.uint8)
    ids: dict[int, str] = {}
    now = rooms.store.db_now(session)
    hashes = _email_hashes(session, ctx, staying)
    held = [(new, hashes[new.customer_no]) for new in staying]
    stamps = outbox.hold_out_many(session, ctx, rooms.vault, now, held, cap_window(session, ctx))
    for new, stamp in zip(staying, stamps, strict=True):
        said[new.customer_no] = PLACE[Reason.WEEKLY_CAP if stamp is None else Reason.HELD_OUT]
        if stamp is not None:
            ids[new.customer_no] = stamp.message_id
    for new, message_id in zip(going, outbox.enqueue_many(session, ctx, now, going), strict=True):
        said[new.customer_no] = PLACE[Reason.MESSAGE_UNDER_WAY if message_id is None else SELECTED]
        if message_id is not None:
            ids[new.customer_no] = message_id
    made = [new for new in winners.messages if new.customer_no in ids and new.customer_no in waits]
    session.add_all(waits[new.customer_no].row(ctx, ids[new.customer_no], new, now) for new in made)
    session.flush()
    ledger.append(session, ctx, [stamp for stamp in stamps if stamp is not None])
    return said, ids


def _email_hashes(session: Session, ctx: ShopContext, some: list[outbox.NewMessage]) -> Mapping[int, str]:
    """Customer → hash of their address; nothing for who has lost it since they were looked at."""
    found: dict[int, str] = {}
    for start in range(0, len(some), AT_MOST):
        asked = [new.customer_no for new in some[start : start + AT_MOST]]
        query = select(Customer.customer_no, Customer.email_hash).where(
            Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(asked)
        )
        found |= {number: email_hash or "" for number, email_hash in session.execute(query)}
    return found


def _make_links(session: Session, ctx: ShopContext, winners: Winners) -> None:
    """Fix where clicks of these messages lead, before any of them exists."""
    named: dict[int, set[int]] = defaultdict(set)
    for campaign, product in winners.shown():
        named[campaign].add(product)
    links.make(
        session,
        ctx,
        {
            campaign: [winners.products[number] for number in sorted(numbers) if number in winners.products]
            for campaign, numbers in named.items()
        },
    )
