"""A tick: everybody in every active campaign is looked at, one message each is chosen, all is written down.

What wins goes to the outbox or, by the holdout coin, is withheld for measurement. Everybody else gets
a reason. One transaction per tick: it happened as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.arbitration import Candidate, choose
from app.domain.campaigns import Reason, is_held_out
from app.services import links
from app.services.plan_sends_candidates import Assessment, Verdict, assess
from app.services.published import published
from app.services.waits import Drawn, draw
from app.store import cap, ledger, outbox
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, Decision, PlanTick

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

KEPT_FOR = timedelta(days=7)  # ticks; decisions and messages stay
GOOD_FOR = timedelta(hours=24)  # a message that waits longer is decided anew, never sent late


@dataclass(frozen=True)
class Planned:
    """What a tick did: candidates = queued + held_out + the sum of `skipped`, counted per campaign and customer."""

    tick: datetime
    candidates: int = 0
    queued: int = 0
    held_out: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Choice:
    """What a tick decides for one customer in one campaign."""

    outcome: str
    reason: Reason | None
    candidate: Candidate | None
    message_id: str | None = None


def plan(rooms: Rooms, ctx: ShopContext, tick: datetime | None = None) -> Planned:
    """Decide for every customer of every active campaign, and queue the winners.

    tick: the database's time unless given. A tick that was decided already adds nothing and answers
          what it did then.
    """
    with rooms.store.reading(ctx) as session:
        tick = tick or rooms.store.db_now(session)
        done = session.get(PlanTick, {"shop_id": ctx.shop_id, "tick": tick})
        newest = last_tick(session, ctx)
        rows = _active(session, ctx)
    if done is not None:
        return Planned(tick, **done.counts)
    run = published(rooms, ctx)
    if run is None or not rows:
        return Planned(tick)
    found = assess(rooms, ctx, run, rows, tick)
    winners = arbitrate(found)
    waits = _draw_waits(rooms, ctx, run, found, winners)
    try:
        with rooms.store.session(ctx) as session:
            planned = _write(rooms, session, ctx, run, found, winners, waits)
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


def arbitrate(found: Assessment) -> dict[int, Candidate]:
    """Customer number → the one message for them, of all campaigns together."""
    return {customer: choose(candidates) for customer, candidates in sorted(found.eligible.items())}


def _draw_waits(
    rooms: Rooms, ctx: ShopContext, run: PublishedRun, found: Assessment, winners: dict[int, Candidate]
) -> dict[int, Drawn]:
    """How long each winner of a campaign that leaves its frequency to the app waits for the next e-mail."""
    optimised = {number for number, runner in found.runners.items() if runner.campaign.frequency == "optimise"}
    return draw(rooms, ctx, run, [_message(found, won) for won in winners.values() if won.campaign_id in optimised])


def _active(session: Session, ctx: ShopContext) -> list[Campaign]:
    query = select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")
    return list(session.scalars(query.order_by(Campaign.id)))


def _write(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    run: PublishedRun,
    found: Assessment,
    winners: dict[int, Candidate],
    waits: dict[int, Drawn],
) -> Planned:
    still_active = {row.id for row in _active(session, ctx)}
    runners = {number: runner for number, runner in found.runners.items() if number in still_active}
    winners = {customer: won for customer, won in winners.items() if won.campaign_id in runners}
    _make_links(session, ctx, found, winners)
    choices = _hand_out(rooms, session, ctx, found, winners, waits)
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for number in runners:
        decided = {
            customer: _choice(verdict, winners.get(customer), choices.get(customer), number)
            for customer, verdict in found.verdicts[number].items()
        }
        _write_decisions(session, ctx, found, number, decided)
        for choice in decided.values():
            counts[choice.outcome] += 1
            if choice.reason is not None and choice.outcome in {"skipped", "lost"}:
                skipped[choice.reason] += 1
    planned = Planned(
        tick=found.tick,
        candidates=sum(counts.values()),
        queued=counts["selected"],
        held_out=counts["held_out"],
        skipped=dict(sorted(skipped.items())),
    )
    kept: dict[str, Any] = {name: value for name, value in vars(planned).items() if name != "tick"}
    old = PlanTick.tick < found.tick - KEPT_FOR
    session.execute(delete(PlanTick).where(PlanTick.shop_id == ctx.shop_id, old))
    session.add(PlanTick(shop_id=ctx.shop_id, tick=found.tick, run_id=run.run_id, counts=kept))
    return planned


def _hand_out(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    found: Assessment,
    winners: dict[int, Candidate],
    waits: dict[int, Drawn],
) -> dict[int, _Choice]:
    """Queue or withhold each winner, in the order of customers so that two planners can't deadlock."""
    held = {
        customer
        for customer, won in winners.items()
        if is_held_out(ctx.shop_id, won.campaign_id, customer, found.runners[won.campaign_id].campaign.holdout_percent)
    }
    cap.lock(session, ctx, [key for c in held for key in cap.keys_of(c, found.email_hashes[c])])
    choices: dict[int, _Choice] = {}
    stamps: list[ledger.Stamp] = []
    for customer, won in sorted(winners.items()):
        new = _message(found, won)
        now = rooms.store.db_now(session)
        if customer in held:
            stamp = outbox.hold_out(session, ctx, rooms.vault, now, new, found.email_hashes[customer])
            if stamp is None:
                choices[customer] = _Choice("skipped", Reason.WEEKLY_CAP, won)
                continue
            stamps.append(stamp)
            choices[customer] = _Choice("held_out", Reason.HELD_OUT, won, stamp.message_id)
        else:
            message_id = outbox.enqueue(session, ctx, now, new)
            reason = Reason.MESSAGE_UNDER_WAY if message_id is None else None
            choices[customer] = _Choice("skipped" if reason else "selected", reason, won, message_id)
        drawn, made = waits.get(customer), choices[customer].message_id
        if drawn is not None and made is not None:
            session.add(drawn.row(ctx, made, new, now))
    session.flush()
    ledger.append(session, ctx, stamps)
    return choices


def _message(found: Assessment, won: Candidate) -> outbox.NewMessage:
    campaign = found.runners[won.campaign_id].campaign
    key = (won.campaign_id, won.customer_no, won.product_no)
    bought = found.purchases.product.get((won.customer_no, won.product_no)) if won.kind == "repurchase" else None
    cycle = f"{bought:%Y%m%dT%H%M%S}" if bought else "life"
    return outbox.NewMessage(
        customer_no=won.customer_no,
        campaign_id=won.campaign_id,
        occurrence=f"{won.product_no}:{cycle}:{found.past.rows[key] + 1}",
        content_version=campaign.content_version,
        sender_id=campaign.sender_id or 0,
        product_no=won.product_no,
        purchased_product_no=won.product_no if won.kind == "repurchase" else won.because_product_no,
        kind=won.kind,
        probability=won.probability,
        lift=won.lift,
        expires_at=found.tick + GOOD_FOR,
    )


def _choice(verdict: Verdict, won: Candidate | None, chosen: _Choice | None, campaign_id: int) -> _Choice:
    if verdict.reason is not None:
        return _Choice("skipped", verdict.reason, verdict.candidate)
    if won is not None and chosen is not None and won.campaign_id == campaign_id:
        return chosen
    return _Choice("lost", Reason.BETTER_CAMPAIGN, verdict.candidate)


def _write_decisions(
    session: Session, ctx: ShopContext, found: Assessment, campaign_id: int, decided: dict[int, _Choice]
) -> None:
    """Add what differs from the decisions that stand; move `last_tick` of those that don't."""
    mine = (Decision.shop_id == ctx.shop_id, Decision.campaign_id == campaign_id, Decision.current)
    standing = {row.customer_no: row for row in session.scalars(select(Decision).where(*mine))}
    for customer in standing.keys() - decided.keys():
        decided[customer] = _Choice("skipped", Reason.NOT_IN_SEGMENT, None)
    fresh = {
        customer: choice for customer, choice in decided.items() if not _stands(standing.get(customer), choice, found)
    }
    for customer in fresh.keys() & standing.keys():
        standing[customer].current = False
    session.flush()
    session.execute(update(Decision).where(*mine).values(last_tick=found.tick))
    number = allocate(session, ctx.shop_id, "decisions", len(fresh)) if fresh else 0
    for offset, (customer, choice) in enumerate(sorted(fresh.items())):
        candidate = choice.candidate
        session.add(
            Decision(
                shop_id=ctx.shop_id,
                id=number + offset,
                campaign_id=campaign_id,
                customer_no=customer,
                product_no=candidate.product_no if candidate else None,
                kind=candidate.kind if candidate else None,
                outcome=choice.outcome,
                reason=choice.reason,
                probability=candidate.probability if candidate else None,
                lift=candidate.lift if candidate else None,
                message_id=choice.message_id,
                since=found.tick,
                last_tick=found.tick,
                current=True,
            )
        )
    session.flush()


def _stands(row: Decision | None, choice: _Choice, found: Assessment) -> bool:
    """Whether a standing decision says the same: same outcome, reason and product, or its own message is under way."""
    if row is None:
        return False
    if choice.reason is Reason.MESSAGE_UNDER_WAY:
        live = found.live.get(row.customer_no)
        if live is not None and row.message_id == live.id:
            return True
    product = choice.candidate.product_no if choice.candidate else None
    same = (row.outcome, row.reason, row.product_no) == (choice.outcome, choice.reason, product)
    return same and choice.message_id is None


def _make_links(session: Session, ctx: ShopContext, found: Assessment, winners: dict[int, Candidate]) -> None:
    """Fix where clicks of these messages lead, before any of them exists."""
    named: dict[int, set[int]] = defaultdict(set)
    for won in winners.values():
        named[won.campaign_id] |= {won.product_no, won.because_product_no or won.product_no}
    links.make(
        session,
        ctx,
        [
            (
                found.runners[campaign].campaign,
                found.runners[campaign].words,
                [found.products[number] for number in numbers if number in found.products],
            )
            for campaign, numbers in named.items()
        ],
    )


def last_tick(session: Session, ctx: ShopContext) -> datetime | None:
    """When campaigns were last decided."""
    return session.execute(select(func.max(PlanTick.tick)).where(PlanTick.shop_id == ctx.shop_id)).scalar_one()
