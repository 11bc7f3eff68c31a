"""Evaluates a few segments between two refreshes: after an edit, or when time alone changes who is in them.

What uses them is evaluated with them, so that no segment stands on members of a moment ago. A rule is evaluated as of
now on the history of the published run; what the run computed once for a store day, such as days since the last
order, needs a refresh when that day is over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.errors import NotFound, Unavailable
from app.services import segments_memberships
from app.services.evaluate_segments import Evaluating, as_read, merge_map
from app.services.promises import spreads
from app.services.published import published
from app.services.runs import SEGMENTS_ONLY
from app.services.segments_dependents import users_of
from app.services.segments_world import find, locked, open_world
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.evaluate_segments import Outcome
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

MOST_TRIES = 5  # of one evaluation, while others keep changing what it reads
STALE = timedelta(hours=6)  # a refresh is due every four; a history that old must not be taken for today's
RETRY = timedelta(minutes=10)
NEW_DAY = f"{SEGMENTS_ONLY}day"
AT_REST = frozenset({"off", "merged", "retired"})


def evaluate_one(rooms: Rooms, ctx: ShopContext, segment_id: int) -> None:
    """Evaluate one stored segment and those that use it; before the first run they stay pending.

    One that is off or merged stays so until the next refresh.

    Raises NotFound.
    """
    with rooms.store.reading(ctx) as session:
        if find(session, ctx, segment_id) is None:
            raise NotFound("There is no such segment.")
        wanted = {segment_id, *users_of(session, ctx, segment_id)}
    reevaluate(rooms, ctx, wanted)


def reevaluate(rooms: Rooms, ctx: ShopContext, wanted: Iterable[int], *, quiet: bool = False) -> int:
    """Evaluate these segments on the published run, as of now; returns how many got new members or were confirmed.

    If a segment or the run changes meanwhile, it is evaluated again, so that what is stored is of the newest rule,
    list and run.

    quiet: an evaluation that changes nothing is no entry in a segment's history.
    """
    left, done = set(wanted), 0
    for _ in range(MOST_TRIES):
        if not left:
            return done
        try:
            stored, again = _once(rooms, ctx, left, quiet=quiet)
        except Unavailable:
            return done
        done, left = done + stored, again
    if left:
        log.warning("segments_kept_changing", shop_id=ctx.shop_id, segments=len(left))
    return done


def flip(rooms: Rooms, ctx: ShopContext) -> int:
    """Evaluate the segments whose members change by time alone about now; returns how many.

    When the store's day is over since the run, a refresh is asked for instead: it brings all of them up to date.
    """
    run, now = published(rooms, ctx), rooms.clock.now()
    if run is None:
        return 0
    with rooms.store.reading(ctx) as session:
        query = (
            select(Segment.id)
            .join(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
            .where(
                Segment.shop_id == ctx.shop_id,
                Segment.deleted_at.is_(None),
                Segment.state.not_in(AT_REST),
                Membership.next_flip_at <= now,
                Segment.failed_at.is_(None) | (Segment.failed_at <= now - RETRY),
            )
        )
        due = set(session.scalars(query))
    if not due:
        return 0
    if _day(ctx, run.as_of) != _day(ctx, now):
        rooms.jobs.enqueue(ctx, "refresh", NEW_DAY)
        return 0
    done = reevaluate(rooms, ctx, due, quiet=True)
    log.info("segments_flipped", shop_id=ctx.shop_id, segments=done)
    return done


def _once(rooms: Rooms, ctx: ShopContext, wanted: set[int], *, quiet: bool) -> tuple[int, set[int]]:
    """One try: how many were stored, and which changed meanwhile."""
    with rooms.store.reading(ctx) as session:
        query = select(Segment).where(Segment.shop_id == ctx.shop_id, Segment.id.in_(wanted))
        segments = [
            segment
            for segment in session.scalars(query.order_by(Segment.id))
            if segment.deleted_at is None and segment.state not in AT_REST
        ]
    if not segments:
        return 0, set()
    run = published(rooms, ctx)
    with (
        open_world(rooms, ctx, None if run is None else _moment(rooms, ctx, run)) as world,
        rooms.store.reading(ctx) as session,
    ):
        evaluating = Evaluating(ctx, world, merge_map(session, ctx), spreads(session, ctx, world.run.as_of))
        evaluating.take([], segments, wanted)
        evaluating.pin(session)
        outcomes = evaluating.run(lambda _done, _total: None)
    run, again = world.run, set()
    newest = published(rooms, ctx)
    with rooms.store.session(ctx) as session:
        writer = segments_memberships.Writer(session, ctx, run.run_id, rooms.clock.now(), run.watermark)
        unchanged: list[tuple[Segment, Outcome]] = []
        # All locks first: an upload takes a segment's before the counter's of memberships, and would wait for us.
        for segment, outcome in zip(segments, outcomes, strict=True):
            current = locked(session, ctx, segment.id).get(segment.id)
            if current is None or as_read(current) != as_read(segment) or newest is None or newest.run_id != run.run_id:
                again.add(segment.id)
            else:
                unchanged.append((current, outcome))
        writer.store_all(unchanged, quiet=quiet)
    return len(segments) - len(again), again


def _moment(rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> datetime:
    """As of when to evaluate: now, as long as the run is of the same store day and not stale."""
    now = rooms.clock.now()
    fresh = run.as_of <= now <= run.as_of + STALE and _day(ctx, run.as_of) == _day(ctx, now)
    return now if fresh else run.as_of


def _day(ctx: ShopContext, at: datetime) -> object:
    return at.astimezone(ctx.zone).date()
