"""Candidates of a tick: who could get which product from which campaign, and who can't, with the reason.

Reads only. What it finds is arbitrated here and written by plan_sends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.rules.evaluate import bitmap
from app.services import campaigns, topics
from app.services.campaigns_audience import newest_history
from app.services.import_customers import survivors
from app.services.plan_sends_best import Best, crown, outdone
from app.services.plan_sends_facts import (
    HANDED_OVER,
    Everybody,
    PastColumns,
    busy,
    last_orders,
    live,
    narrow,
    numbers,
    past_columns,
    reach_now,
    reach_says,
    zones,
)
from app.services.plan_sends_picks import picks
from app.services.plan_sends_verdicts import Judged, Runner, judge, runners
from app.services.published import open_run
from app.services.segments_world import known_reach
from app.store.models.sending import Message
from app.store.models.waits import WaitChoice
from app.store.rowset import packed, reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    import duckdb
    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.plan_sends_best import Ints
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign


HANDED = f"""SELECT o.campaign_id, o.customer_no, o.product_no, o.state, o.stamped_at, w.days
FROM {{rows}} JOIN outbox o ON o.shop_id = :shop AND o.campaign_id = r.campaign_id
    AND o.customer_no = r.customer_no{{nearby o.customer_no}}
LEFT JOIN wait_choices w ON w.shop_id = o.shop_id AND w.message_id = o.id
WHERE o.state IN ({", ".join(f"'{state}'" for state in sorted(HANDED_OVER))})"""
PAST_COLUMNS = (
    *(Message.__table__.c[name] for name in ("campaign_id", "customer_no", "product_no", "state", "stamped_at")),
    WaitChoice.__table__.c.days,
)


@dataclass
class Past:
    """What was handed over before, of the campaigns at hand. Instants are stamps."""

    last: dict[tuple[int, int], datetime] = field(default_factory=dict)
    times: dict[tuple[int, int, int], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    rows: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    waits: dict[tuple[int, int], int] = field(default_factory=dict)  # days drawn with the last one, if any were


@dataclass
class Purchases:
    """When customers last ordered anything, and when they last bought a product."""

    any: dict[int, datetime] = field(default_factory=dict)
    product: dict[tuple[int, int], datetime] = field(default_factory=dict)


@dataclass
class Assessment:
    """Everything a tick knows before arbitration.

    verdicts: campaign id → what it can do for whom; every member of the audience has a verdict.
    champion, by: the best candidate of each customer among all campaigns, and its campaign; 0: none.
    pasts: campaign id → everything that it ever planned.
    """

    tick: datetime
    runners: dict[int, Runner]
    verdicts: dict[int, Judged] = field(default_factory=dict)
    pasts: dict[int, PastColumns] = field(default_factory=dict)
    champion: Best = field(default_factory=lambda: Best(0))
    by: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    live: Ints = field(default_factory=lambda: np.zeros(0, np.int32))


def assess(
    rooms: Rooms,
    ctx: ShopContext,
    run: PublishedRun,
    rows: Iterable[Campaign],
    tick: datetime,
    only: BitMap | None = None,
) -> Assessment:
    """Look at every customer of every given campaign's audience, or at these alone. Writes nothing.

    Who can be mailed is taken from the published run, and asked anew of everybody who would be mailed: so a tick does
    not read a million consents to mail a hundred, and nobody is planned who has withdrawn.
    """
    known = known_reach(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        found = Assessment(tick, runners(session, ctx, rows))
        if only is not None:
            found.runners = {number: runner.among(only) for number, runner in found.runners.items()}
        with open_run(rooms, ctx, run) as connection:
            if only is not None:
                narrow(connection, ("pairs",), only)
            size = _size(connection, known.universe, found.runners.values())
            found.pasts = past_columns(session, ctx, found.runners, only)
            found.live = live(session, ctx, size, only)
            taken = busy(session, ctx, tick, size, only)
            history = newest_history(rooms, ctx)
            if history is None:
                return found
            try:
                if only is not None:
                    narrow(history[1], ("orders", "order_lines", "customers"), only)
                everybody = Everybody(
                    reach_says(known, size), found.live, taken, last_orders(history[1], tick, size),
                    *_zones(history[1], ctx, size, found.runners.values()),
                )  # fmt: skip
                for runner, pick in picks(
                    connection, history[1], found.runners, found.pasts, tick, size, _declined(session, ctx, size)
                ):
                    past = found.pasts.get(runner.campaign.id, PastColumns())
                    found.verdicts[runner.campaign.id] = judge(runner, pick, everybody, past, tick)
            finally:
                history[1].close()
        _ask_again(session, ctx, found, everybody)
    _arbitrate(found, size)
    return found


def purchases(
    connection: duckdb.DuckDBPyConnection, customers: Iterable[int], product_numbers: Iterable[int]
) -> Purchases:
    """Last orders of these customers, and last purchases among these products."""
    given = {"customers": list(customers)}
    orders = connection.execute(
        """SELECT customer_no, max(processed_at) FROM orders
           WHERE counts AND customer_no IN (SELECT unnest($customers::INTEGER[])) GROUP BY customer_no""",
        given,
    ).fetchall()
    lines = connection.execute(
        """SELECT customer_no, product_no, max(ordered_at) FROM order_lines
           WHERE counts AND customer_no IN (SELECT unnest($customers::INTEGER[]))
             AND product_no IN (SELECT unnest($products::INTEGER[])) GROUP BY ALL""",
        {**given, "products": list(product_numbers)},
    ).fetchall()
    return Purchases(dict(orders), {(customer, product): at for customer, product, at in lines})


def _declined(session: Session, ctx: ShopContext, size: int) -> dict[str, Ints]:
    """Kind of e-mail → the customers who do not want it."""
    found: dict[str, list[int]] = defaultdict(list)
    for customer, topic in topics.declined(session, ctx):
        if customer < size:
            found[topic].append(customer)
    return {topic: np.array(some, dtype=np.int32) for topic, some in found.items()}


def _size(connection: duckdb.DuckDBPyConnection, universe: BitMap, runners: Iterable[Runner]) -> int:
    """One more than the greatest customer number in sight: how long columns must be."""
    row = connection.execute("SELECT max(customer_no) FROM pairs").fetchone()
    greatest = [row[0]] if row and row[0] is not None else []
    sets = [universe, *(runner.members for runner in runners if runner.members is not None)]
    return 1 + max([*greatest, *(members.max() for members in sets if members)], default=0)


def _zones(
    connection: duckdb.DuckDBPyConnection, ctx: ShopContext, size: int, runners: Iterable[Runner]
) -> tuple[npt.NDArray[np.int16], list[Any]]:
    if all(campaigns.window_of(runner.campaign).always for runner in runners):
        return np.zeros(size, np.int16), [ctx.zone]
    return zones(connection, ctx, size)


def _ask_again(session: Session, ctx: ShopContext, found: Assessment, everybody: Everybody) -> None:
    """Let the store confirm who would be mailed."""
    some = BitMap()
    for judged in found.verdicts.values():
        some |= bitmap(judged.customer_no[judged.eligible])
    who = numbers(some)
    now = np.zeros(len(everybody), np.uint8)
    now[who] = reach_now(session, ctx, who, len(everybody))
    for judged in found.verdicts.values():
        eligible = judged.eligible
        judged.says[eligible] = now[judged.customer_no[eligible]]


def _arbitrate(found: Assessment, size: int) -> None:
    """The best for everybody among all campaigns, the oldest campaign first: see `domain.arbitration.rank`."""
    found.champion, found.by = Best(size), np.zeros(size, np.int32)
    order = sorted(found.verdicts.values(), key=lambda judged: (judged.campaign.created_at, judged.campaign.id))
    for judged in order:
        mine = judged.take(judged.eligible)
        challenger = _spread(mine, size)
        won = mine.customer_no[outdone(found.champion, challenger, mine.customer_no)]
        crown(found.champion, challenger, won)
        found.by[won] = judged.campaign.id


def _spread(judged: Judged, size: int) -> Best:
    found = Best(size)
    for name in ("kind", "first", "second", "product_no", "because", "says"):
        getattr(found, name)[judged.customer_no] = getattr(judged, name)
    return found


def past(
    session: Session, ctx: ShopContext, campaign_ids: Iterable[int], customers: Collection[int] | None = None
) -> Past:
    """What these campaigns handed over (to these customers), under the number that each has after merges."""
    query = (
        select(
            Message.campaign_id, Message.customer_no, Message.product_no, Message.state, Message.stamped_at,
            WaitChoice.days,
        )
        .outerjoin(WaitChoice, (WaitChoice.shop_id == Message.shop_id) & (WaitChoice.message_id == Message.id))
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(list(campaign_ids)))
    )  # fmt: skip
    into = survivors(session, ctx)
    if customers is not None:
        losers = [loser for loser, survivor in into.items() if survivor in customers]
        query = query.where(Message.customer_no.in_([*customers, *losers]))
    return _gather(session.execute(query), into)


def handed_over(session: Session, ctx: ShopContext, pairs: Iterable[tuple[int, int]], into: Mapping[int, int]) -> Past:
    """The same of these pairs of campaign and customer alone, without what was never handed over.

    into: loser → survivor of merges, for the customers at hand.
    """
    losers: dict[int, list[int]] = defaultdict(list)
    for loser, survivor in into.items():
        losers[survivor].append(loser)
    wanted = [
        {"campaign_id": campaign, "customer_no": number}
        for campaign, customer in pairs
        for number in (customer, *losers.get(customer, ()))
    ]
    query = reader(session, HANDED, PAST_COLUMNS, campaign_id="integer", customer_no="integer")
    return _gather(session.execute(query, {"shop": ctx.shop_id, "rows": packed(session, wanted)}).all(), into)


def _gather(rows: Iterable[Any], into: Mapping[int, int]) -> Past:
    found = Past()
    for campaign, mailed, product, state, stamped_at, days in rows:
        customer = into.get(mailed, mailed)
        found.rows[campaign, customer, product] += 1
        if state in HANDED_OVER and stamped_at is not None:
            found.times[campaign, customer, product].append(stamped_at)
            last = found.last.get((campaign, customer))
            if last is None or stamped_at > last:
                found.last[campaign, customer] = stamped_at
                found.waits.pop((campaign, customer), None)
                if days is not None:
                    found.waits[campaign, customer] = days
    return found
