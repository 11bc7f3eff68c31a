"""Waits between two e-mails of a campaign that leaves its frequency to the app.

A wait is drawn when a message is planned, from the shop's policy, and counts from the hand-over on. The policy
is learned once per refresh from the waits that are over: what each earned is read from the history then. A wait's
window begins and ends a week late, as `ml.policy.frequency` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.domain.campaigns import uniform
from app.domain.money import exponent
from app.services.import_customers import survivors
from app.services.lifts import PRIOR
from app.services.published import open_run
from app.store.models.customers import ConsentEvent
from app.store.models.sending import MAILED, Message
from app.store.models.waits import WaitChoice, WaitPolicy
from ml.policy.frequency import ARMS, RESPONSE_DAYS, Choices, FrequencyPolicy, learn, reward_per_week, segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import duckdb

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.outbox import NewMessage
    from ml.history import Bools, Floats

log = structlog.get_logger()

RESPONSE = timedelta(days=RESPONSE_DAYS)
MOST_CHOICES = 200_000  # the newest; older ones tell of other times
NEW_CUSTOMER = (1, None)  # orders and gap ratio of whom the run does not know yet

EARNED = """
SELECT w.position, coalesce(sum(l.net_minor), 0) AS net_minor FROM waits w
LEFT JOIN order_lines l ON l.customer_no = w.customer_no AND l.counts AND l.ordered_at > w.since
    AND l.ordered_at <= w.until
GROUP BY w.position ORDER BY w.position"""
RHYTHMS = """SELECT customer_no, orders, gap_ratio FROM features
WHERE customer_no IN (SELECT unnest($customers::INTEGER[]))"""


@dataclass(frozen=True)
class Drawn:
    """A wait for one customer, with everything that is needed to judge it later."""

    days: int
    propensities: dict[str, Any]
    orders: int
    gap_ratio: float | None
    basis: str

    def row(self, ctx: ShopContext, message_id: str, new: NewMessage, now: datetime) -> WaitChoice:
        """The choice as it is kept beside its message."""
        return WaitChoice(
            shop_id=ctx.shop_id,
            message_id=message_id,
            campaign_id=new.campaign_id,
            customer_no=new.customer_no,
            chosen_at=now,
            **vars(self),
        )


def draw(rooms: Rooms, ctx: ShopContext, run: PublishedRun, messages: Sequence[NewMessage]) -> dict[int, Drawn]:
    """Customer number → the wait that follows their message; equal messages under one policy draw equal waits."""
    if not messages:
        return {}
    policy = current(rooms, ctx, run)
    with open_run(rooms, ctx, run) as connection:
        given = {"customers": [new.customer_no for new in messages]}
        known = {row[0]: row[1:] for row in connection.execute(RHYTHMS, given).fetchall()}
    rhythms = [known.get(new.customer_no, NEW_CUSTOMER) for new in messages]
    coins = [uniform("wait", ctx.shop_id, new.campaign_id, new.customer_no, new.occurrence) for new in messages]
    days, propensity = policy.choose(_segments(rhythms), np.array(coins))
    return {
        new.customer_no: Drawn(
            days=int(wait),
            propensities={str(arm): float(chance) for arm, chance in zip(ARMS, chances, strict=True)},
            orders=orders,
            gap_ratio=gap_ratio,
            basis=policy.basis,
        )
        for new, wait, chances, (orders, gap_ratio) in zip(messages, days, propensity, rhythms, strict=True)
    }


def current(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> FrequencyPolicy:
    """The policy that this refresh's history teaches; learned at its first use and kept."""
    with rooms.store.reading(ctx) as session:
        row = session.get(WaitPolicy, ctx.shop_id)
    if row is not None and row.run_id == run.run_id:
        return FrequencyPolicy(tuple(row.days), np.array(row.chances), row.basis, row.choices)
    policy = learn(history(rooms, ctx, run), seed=run.run_id)
    try:
        with rooms.store.session(ctx) as session:
            session.merge(_row(ctx, run, policy, rooms.clock.now()))
    except IntegrityError:
        # Another process learned the same from the same history, and was first.
        log.info("wait_policy_kept_already", shop_id=ctx.shop_id)
    log.info("wait_policy_learned", shop_id=ctx.shop_id, basis=policy.basis, choices=policy.choices)
    return policy


def history(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> Choices:
    """The shop's waits so far, with what each earned up to the run's watermark, as the learner takes them.

    Earned is all that the customer spent in the wait's window, whatever led to it: waits are drawn at random, so what
    they would have spent anyway is the same under each. An unsubscribe costs what e-mail was going to add in a
    year: the stated prior of it, of the value expected then. A constant margin on both would cancel and is left out.
    """
    with rooms.store.reading(ctx) as session:
        query = (
            select(WaitChoice, Message.stamped_at)
            .join(Message, (Message.shop_id == WaitChoice.shop_id) & (Message.id == WaitChoice.message_id))
            .where(
                WaitChoice.shop_id == ctx.shop_id,
                Message.state.in_(MAILED),  # who was held out waited for nothing
                Message.stamped_at <= run.watermark,
                WaitChoice.days.in_(ARMS),
            )
            .order_by(WaitChoice.chosen_at.desc(), WaitChoice.message_id)
            .limit(MOST_CHOICES)
        )
        rows = [(row[0], row[1]) for row in session.execute(query) if row[1] is not None]
        into = survivors(session, ctx)
        left = session.execute(
            select(ConsentEvent.customer_no, ConsentEvent.at).where(
                ConsentEvent.shop_id == ctx.shop_id,
                ConsentEvent.channel == "email",
                ConsentEvent.source.in_(("unsubscribe_link", "one_click")),
            )
        ).all()
    customers = np.array([into.get(row.customer_no, row.customer_no) for row, _ in rows], dtype=np.int64)
    since = [at + RESPONSE for _, at in rows]
    until = [start + timedelta(days=row.days) for start, (row, _) in zip(since, rows, strict=True)]
    with open_run(rooms, ctx, run) as connection:
        earned, worth = _earned(connection, customers, since, until), _worth(connection, ctx, customers)
    days = np.array([row.days for row, _ in rows], dtype=np.int64)
    gone = _left_within(customers, since, until, ((into.get(c, c), at) for c, at in left))
    return Choices(
        segment=_segments([(row.orders, row.gap_ratio) for row, _ in rows]),
        arm=np.searchsorted(ARMS, days),
        propensity=np.array(
            [[row.propensities.get(str(arm), 0.0) for arm in ARMS] for row, _ in rows], dtype=float
        ).reshape(-1, len(ARMS)),
        reward=reward_per_week(earned, gone, PRIOR * worth, days) if rows else np.zeros(0),
        customer=customers,
        age_days=np.array([(run.watermark - at).total_seconds() / 86_400 for _, at in rows], dtype=float),
    )


def _segments(rhythms: Sequence[tuple[int, float | None]]) -> Any:
    orders = np.array([max(orders, 1) for orders, _ in rhythms], dtype=np.int64)
    ratio = np.array([np.nan if ratio is None else ratio for _, ratio in rhythms], dtype=float)
    return segments(orders, ratio)


def _earned(
    connection: duckdb.DuckDBPyConnection, customers: Any, since: list[datetime], until: list[datetime]
) -> Floats:
    """(n,) minor units that each customer spent after `since` up to `until`."""
    instant = pa.timestamp("us", tz="UTC")
    frame = {
        "position": pa.array(np.arange(len(customers))),
        "customer_no": pa.array(customers),
        "since": pa.array(since, instant),
        "until": pa.array(until, instant),
    }
    connection.register("waits", pa.table(frame))
    result = np.asarray(connection.execute(EARNED).fetchnumpy()["net_minor"], dtype=float)
    connection.unregister("waits")
    return result


def _worth(connection: duckdb.DuckDBPyConnection, ctx: ShopContext, customers: Any) -> Floats:
    """(n,) minor units that each customer is expected to spend in the next twelve months; 0 if not known."""
    query = "SELECT customer_no, value_12m FROM customer_values WHERE isfinite(value_12m)"
    unit = 10 ** exponent(ctx.currency)
    values = dict(connection.execute(query).fetchall())
    return np.array([values.get(int(customer), 0.0) * unit for customer in customers], dtype=float)


def _left_within(
    customers: Any, since: list[datetime], until: list[datetime], left: Iterable[tuple[int, datetime]]
) -> Bools:
    """(n,) whether the customer unsubscribed by a link of ours after `since` up to `until`."""
    when: dict[int, list[datetime]] = {}
    for customer, at in left:
        when.setdefault(customer, []).append(at)
    return np.array(
        [
            any(start < at <= end for at in when.get(int(customer), ()))
            for customer, start, end in zip(customers, since, until, strict=True)
        ],
        dtype=bool,
    )


def _row(ctx: ShopContext, run: PublishedRun, policy: FrequencyPolicy, now: datetime) -> WaitPolicy:
    verdict = policy.verdict
    return WaitPolicy(
        shop_id=ctx.shop_id,
        run_id=run.run_id,
        learned_at=now,
        basis=policy.basis,
        days=list(policy.days),
        chances=policy.chance.tolist(),
        choices=policy.choices,
        verdict=None
        if verdict is None
        else {
            "best_days": policy.days[verdict.best],
            "gain": verdict.gain.estimate,
            "low": verdict.gain.low if np.isfinite(verdict.gain.low) else None,
            "high": verdict.gain.high if np.isfinite(verdict.gain.high) else None,
            "effective_size": verdict.policy.effective_size,
            "promoted": verdict.promote,
        },
    )
