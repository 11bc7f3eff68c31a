"""Promises: what a refresh says of each product segment, kept so that it can be held against what happened.

A segment has one open promise at a time, of 30 days. So every purchase is counted by at most one receipt of a
segment, receipts are independent but for the season, and sums over a month count nothing twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import structlog
from sqlalchemy import func, select

from app.domain.rules.names import PAIR_KIND
from app.services.published import open_run
from app.store.counters import allocate
from app.store.models.promises import Promise
from ml.promises import PRIOR_SPREAD, learned_spread, promise

if TYPE_CHECKING:
    from datetime import datetime

    from pyroaring import BitMap
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.evaluate_segments import Evaluated
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

HORIZON = timedelta(days=30)
LIVE_WITHIN = timedelta(days=1)  # between the history, the run and now: else a promise is about days that passed
REMEMBERED = timedelta(days=400)  # receipts that still say how far promises are off: all seasons once
MOST_OPEN = 500


class Said(NamedTuple):
    """One promise to make. buyers: mean and variance, as the members' chances have them."""

    key: str
    product_no: int
    title: str
    members: BitMap
    buyers: tuple[float, float]
    threshold: float
    base_rate: float | None
    basis: str

    @property
    def kind(self) -> str:
        """What kind of prediction the segment rests on."""
        return PAIR_KIND[self.key.partition(":")[0]]


def spreads(session: Session, ctx: ShopContext, as_of: datetime) -> dict[str, float]:
    """Per kind, how far promises are off together, learned from receipts that were there at this moment."""
    query = select(Promise.kind, Promise.as_of, Promise.expected, Promise.variance, Promise.buyers).where(
        Promise.shop_id == ctx.shop_id,
        Promise.settled_at.is_not(None),
        Promise.due_at <= as_of,
        Promise.due_at > as_of - REMEMBERED,
    )
    rows = session.execute(query).all()
    found = {}
    for kind in PAIR_KIND.values():
        mine = [row for row in rows if row.kind == kind]
        # What shares a month shares its luck: segments that came a few days later are no further witness.
        columns = [[row.as_of.timestamp(), row.expected, row.variance, row.buyers] for row in mine]
        moment, expected, variance, buyers = np.array(columns, dtype=np.float64).reshape(-1, 4).T
        found[kind] = learned_spread(PRIOR_SPREAD, moment // HORIZON.total_seconds(), expected, variance, buyers)
    return found


def make(
    session: Session,
    rooms: Rooms,
    ctx: ShopContext,
    run: PublishedRun,
    evaluated: Evaluated,
    card: dict[str, Any] | None,
) -> int:
    """Promise for each product segment that the run publishes and that has no open promise; returns how many.

    Inside the transaction that publishes the run. card: the model card of the run's predictions, if it made them
    itself: numbers that are hours old would be held against purchases of the hours in between. Neither a run as of an
    earlier day nor one on a history that ended days ago promises anything.
    """
    if card is None or card.get("made_at") != run.as_of.isoformat():
        return 0
    if max(rooms.clock.now() - run.as_of, run.as_of - run.watermark) > LIVE_WITHIN:
        return 0
    newest = select(Promise.key, func.max(Promise.due_at)).where(Promise.shop_id == ctx.shop_id).group_by(Promise.key)
    open_until = dict(session.execute(newest).all())
    waiting = select(func.count()).select_from(Promise).where(
        Promise.shop_id == ctx.shop_id, Promise.settled_at.is_(None)
    )  # fmt: skip
    room = MOST_OPEN - int(session.scalar(waiting) or 0)
    said = [
        one
        for one in _published(rooms, ctx, run, evaluated, card)
        if one.key not in open_until or open_until[one.key] <= run.as_of
    ]
    if len(said) > room:
        log.warning("promises_left_out", shop_id=ctx.shop_id, left_out=len(said) - max(room, 0))
    made = said[: max(room, 0)]
    store(session, rooms, ctx, made, run_id=run.run_id, as_of=run.as_of, back_dated=False)
    return len(made)


def store(
    session: Session,
    rooms: Rooms,
    ctx: ShopContext,
    said: list[Said],
    *,
    run_id: int,
    as_of: datetime,
    back_dated: bool,
) -> list[Promise]:
    """Write promises down; the interval allows for what receipts by `as_of` have taught."""
    spread = spreads(session, ctx, as_of)
    first = allocate(session, ctx.shop_id, "promises", len(said)) if said else 0
    rows = []
    for number, one in enumerate(said, start=first):
        expected, variance = one.buyers
        interval = promise(len(one.members), expected, variance, spread[one.kind])
        rows.append(
            Promise(
                shop_id=ctx.shop_id,
                id=number,
                key=one.key,
                kind=one.kind,
                product_no=one.product_no,
                title=one.title[:300],
                run_id=run_id,
                back_dated=back_dated,
                as_of=as_of,
                due_at=as_of + HORIZON,
                made_at=rooms.clock.now(),
                size=len(one.members),
                members=one.members.serialize(),
                expected=expected,
                variance=variance,
                spread=spread[one.kind],
                low=interval.low,
                high=interval.high,
                threshold=one.threshold,
                base_rate=one.base_rate,
                basis=one.basis,
            )
        )
    session.add_all(rows)
    log.info("promises_made", shop_id=ctx.shop_id, run_id=run_id, promises=len(rows), back_dated=back_dated)
    return rows


def _published(
    rooms: Rooms, ctx: ShopContext, run: PublishedRun, evaluated: Evaluated, card: dict[str, Any]
) -> list[Said]:
    """The product segments that the run shows, with what is said of them."""
    with open_run(rooms, ctx, run) as connection:
        rates = base_rates(connection)
    found = []
    for subject, outcome in zip(evaluated.subjects, evaluated.outcomes, strict=True):
        definition, about = subject.definition, subject.about
        if definition is None or about is None or outcome.buyers is None or outcome.state != "ready":
            continue
        kind, product_no = PAIR_KIND[about[0]], about[1]
        if not isinstance(product_no, int):
            continue  # a type's receipt would count purchases of many products: not yet
        found.append(
            Said(
                key=definition.key,
                product_no=product_no,
                title=(outcome.statistics.get("product") or {}).get("title") or definition.name,
                members=outcome.members,
                buyers=outcome.buyers,
                threshold=threshold_of(definition.rule),
                base_rate=rates.get((product_no, kind)),
                basis=card[kind]["basis"],
            )
        )
    return found


def base_rates(connection: Any) -> dict[tuple[int, str], float]:
    """(product_no, kind) → share of those who could that bought it, of a run that is open."""
    rows = connection.execute("SELECT product_no, kind, base_rate FROM base_rates WHERE NOT isnan(base_rate)")
    return {(product, kind): float(rate) for product, kind, rate in rows.fetchall()}


def threshold_of(rule: dict[str, Any] | None) -> float:
    """The lowest chance that makes a member of a product segment."""
    return float(rule["match"]["value"]) if rule else 0.0
