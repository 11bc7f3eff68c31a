"""When a customer's membership changes if nothing happens: only time passes, windows move on.

Who is in other segments, consent, comparisons with other customers and predictions are held as they are now. For all
other leaves the instants at which they can change follow from when things happened to the customer, and each such
instant is looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from app.domain.rules.alone import combined
from app.domain.rules.compile import When
from app.domain.rules.evaluate import TICKING
from app.domain.rules.explain import why_fixed
from app.domain.rules.match import match_moved
from app.domain.rules.own_values import own_date
from app.domain.rules.tree import (
    EVER,
    Attr,
    Consent,
    Did,
    Life,
    Measure,
    Member,
    Near,
    OrderOf,
    Reachable,
    Recent,
    leaves,
)
from app.domain.rules.windows import TICK, anniversaries, gone, midnight, next_midnight, span

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from app.domain.rules.alone import Alone
    from app.domain.rules.evaluate import World
    from app.domain.rules.tree import Leaf, Rule, Window

DAYS = 400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Flip:
    """The instant at which membership changes by time alone, and to what."""

    at: datetime
    member: bool


def next_flip(rule: Rule, alone: Alone, days: int = DAYS) -> Flip | None:
    """The next change of the customer's membership by time alone within so many days; None if there is none.

    Just before the instant the customer's membership is what it is now.
    """
    world = alone.world
    end = world.as_of + timedelta(days=days)
    truth = {path: alone.holds(leaf) for path, leaf in leaves(rule.match)}
    now = combined(rule.match, truth)
    moments = _moments(alone)
    waiting = {
        path: (leaf, set(_instants(leaf, alone, moments, end))) for path, leaf in leaves(rule.match) if not held(leaf)
    }
    ticking = any(isinstance(leaf, Attr) and leaf.attr in TICKING for _, leaf in leaves(rule.match))
    for at in sorted(set[datetime]().union(*(instants for _, instants in waiting.values()))):
        with alone.later(at, ticking=ticking) as later:
            for path, (leaf, instants) in waiting.items():
                if at in instants:
                    truth[path] = alone.holds(leaf, later)
        if combined(rule.match, truth) != now:
            return Flip(at, not now)
    return None


def held(leaf: Leaf) -> bool:
    """Whether a leaf is taken as it is now, whatever the time."""
    if isinstance(leaf, Member):
        return leaf.moved is None
    return isinstance(leaf, Consent | Reachable | Near) or why_fixed(leaf) is not None


def _instants(leaf: Leaf, alone: Alone, moments: list[datetime], end: datetime) -> list[datetime]:  # noqa: PLR0911 - one line per kind of leaf
    """The instants after `as_of` and before `end` at which a leaf may change, sorted: some too many, none too few."""
    world = alone.world
    match leaf:
        case Attr():
            return _of_attribute(leaf, alone, end)
        case Did() | Measure():
            return _of_windows([leaf.during], moments, world, end)
        case OrderOf():
            ends = [gone(moment, leaf.within, world.zone) for moment in moments]
            return _of_windows([leaf.first.during, leaf.then.during], moments, world, end, ends)
        case Recent():
            return _of_windows([EVER], moments, world, end)
        case Life():
            ends = [] if leaf.gap is None else [gone(moment, leaf.gap, world.zone) for moment in moments]
            return _of_windows([leaf.during], moments, world, end, ends)
        case Member():
            return _of_moves(leaf, alone, end)
        case _:
            return []


def _of_attribute(leaf: Attr, alone: Alone, end: datetime) -> list[datetime]:
    world = alone.world
    if leaf.during is None:
        return _midnights(world.as_of, end, world.zone) if leaf.attr in TICKING else []
    found = own_date(leaf, alone)
    if found is None:
        return []
    if leaf.during.kind == "anniversary":
        return _anniversaries(found, leaf.during, world, end)
    # A day without a time lies in a window if it begins in it.
    at = found if isinstance(found, datetime) else midnight(found, world.zone)
    return window_instants(leaf.during, [at], world.as_of, end, world.zone, future=True)


def _anniversaries(found: date | datetime, window: Window, world: World, end: datetime) -> list[datetime]:
    """The midnights at which a date's anniversary comes into the days ahead, or has passed."""
    if window.span is None:  # the parser asks for it
        return []
    day = found.astimezone(world.zone).date() if isinstance(found, datetime) else found
    number = day.month * 100 + day.day
    midnights = _midnights(world.as_of, end, world.zone)
    ahead = [
        any(low <= number <= high and day.year < year for year, low, high in anniversaries(window.span, at, world.zone))
        for at in (world.as_of, *midnights)
    ]
    return [at for at, (before, now) in zip(midnights, pairwise(ahead), strict=True) if before != now]


def _of_moves(leaf: Member, alone: Alone, end: datetime) -> list[datetime]:
    """Looked at after each step that a window can make: the answer comes from a list in memory."""
    world = alone.world
    changes = world.history(leaf.segment)
    window = leaf.during or EVER
    found = set(window_instants(window, [change.at for change in changes], world.as_of, end, world.zone, future=False))
    steps = _midnights(world.as_of, end, world.zone)
    bounds = span(window, world.as_of, world.zone)
    steps += [edge for edge in (bounds.start, bounds.end) if edge is not None and edge >= world.as_of]
    found |= {*steps, *(step + TICK for step in steps)}  # a window that begins right at an instant is empty until then
    found |= {world.as_of + TICK}
    chosen: list[datetime] = []
    before = alone.holds(leaf)
    for at in sorted(at for at in found if world.as_of < at < end):
        members, _ = match_moved(leaf, changes, When(at, world.zone, world.unit))
        now = members is not None and alone.customer_no in members
        if now != before:
            chosen.append(at)
        before = now
    return chosen


def _of_windows(
    windows: list[Window], moments: list[datetime], world: World, end: datetime, others: list[datetime] | None = None
) -> list[datetime]:
    found = {at for at in others or () if world.as_of < at < end}
    for window in windows:
        found |= set(window_instants(window, moments, world.as_of, end, world.zone, future=False))
    return sorted(found)


def window_instants(
    window: Window, moments: list[datetime], as_of: datetime, end: datetime, zone: ZoneInfo, *, future: bool
) -> list[datetime]:
    """The instants after `as_of` and before `end` at which one of `moments` enters or leaves a window, sorted."""
    found: set[datetime] = set()
    for moment in moments:
        if moment >= as_of:
            found.add(moment + TICK)  # half-open windows end at the looking instant
        for edge in (window.span, window.until):
            if edge is not None and edge.unit == "h":  # hours ago, or hours ahead
                hours = timedelta(hours=edge.n)
                found |= {moment + hours + TICK, moment - hours + TICK}
    ordered = sorted(moments)
    before = _inside(ordered, window, as_of, zone, future=future)
    for at in _midnights(as_of, end, zone):
        now = _inside(ordered, window, at, zone, future=future)
        if now != before:
            found.add(at)
        before = now
    return sorted(when for when in found if as_of < when < end)


def _inside(
    ordered: list[datetime], window: Window, as_of: datetime, zone: ZoneInfo, *, future: bool
) -> tuple[int, int] | None:
    """Which of the moments lie in a window: from the first to before the second; None if none does."""
    bounds = span(window, as_of, zone, future=future)
    first = 0 if bounds.start is None else bisect_left(ordered, bounds.start)
    after = len(ordered) if bounds.end is None else bisect_left(ordered, bounds.end)
    return (first, after) if first < after else None


def _midnights(as_of: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    found = [next_midnight(as_of, zone)]
    while found[-1] < end:
        found.append(next_midnight(found[-1], zone))
    return found[:-1]


def _moments(alone: Alone) -> list[datetime]:
    """When anything happened to the customer: more than any one leaf counts, and never less."""
    parts = [
        "SELECT epoch_us(processed_at) AS m FROM orders",
        "SELECT epoch_us(cancelled_at) FROM orders",
        "SELECT epoch_us(refunded_at) FROM orders",
        'SELECT epoch_us("at") FROM events',
    ]
    rows = alone.connection.execute(
        f"SELECT DISTINCT m FROM ({' UNION ALL '.join(parts)}) WHERE m IS NOT NULL ORDER BY m"
    ).fetchall()
    return [EPOCH + timedelta(microseconds=m) for (m,) in rows]
