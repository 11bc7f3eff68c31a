"""When a customer's membership changes if nothing happens: only time passes, windows move on.

Other segments, consent, comparisons with other customers and predictions are held as they are now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.domain.rules import names
from app.domain.rules.alone import combined
from app.domain.rules.evaluate import TICKING
from app.domain.rules.explain import why_fixed
from app.domain.rules.own_values import value_of
from app.domain.rules.tree import Attr, Consent, Did, Measure, Member, Reachable, leaves
from app.domain.rules.windows import TICK, next_midnight, span

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from app.domain.rules.alone import Alone
    from app.domain.rules.tree import Leaf, Rule, Window

DAYS = 400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KNOWN_WINDOWS = frozenset({"last", "next", "ago", "between", "before", "since", "calendar", "ever"})


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
        path: (leaf, _instants(leaf, alone, moments, end)) for path, leaf in leaves(rule.match) if not held(leaf)
    }
    ticking = any(isinstance(leaf, Attr) and leaf.attr in TICKING for _, leaf in leaves(rule.match))
    at = world.as_of
    while True:
        at = min((when for _, plan in waiting.values() if (when := plan.after(at)) is not None), default=end)
        if at >= end:
            return None
        with alone.later(at, ticking=ticking) as later:
            for path, (leaf, plan) in waiting.items():
                if plan.due(at):
                    matched = alone.matched(leaf, later)
                    truth[path] = alone.customer_no in matched.members
                    plan.learn(at, matched.flip, world.zone)
        if combined(rule.match, truth) != now:
            return Flip(at, not now)


def held(leaf: Leaf) -> bool:
    """Whether a leaf is taken as it is now, whatever the time."""
    return isinstance(leaf, Member | Consent | Reachable) or why_fixed(leaf) is not None


class _Plan:
    """The instants at which one leaf may change: known beforehand, or learned from one look to the next."""

    def __init__(self, instants: list[datetime] | None, first: datetime | None) -> None:
        self._known, self._next, self._nudged = instants, first, False

    def after(self, at: datetime) -> datetime | None:
        if self._known is not None:
            return next((when for when in self._known if when > at), None)
        # A flip that is not later is one that comes right after: the end of a window of hours is inside it.
        return self._next if self._next is None or self._next > at else at + TICK

    def due(self, at: datetime) -> bool:
        if self._known is not None:
            return at in self._known
        return self._next is not None and self._next <= at

    def learn(self, at: datetime, flip: datetime | None, zone: ZoneInfo) -> None:
        if flip is None or flip > at:
            self._next, self._nudged = flip, False
        else:  # once right after; if that is no later either, nothing finer than a day is known
            self._next, self._nudged = (next_midnight(at, zone) if self._nudged else at + TICK), not self._nudged


def _instants(leaf: Leaf, alone: Alone, moments: list[datetime], end: datetime) -> _Plan:
    world = alone.world
    window: Window | None = None
    future = False
    if isinstance(leaf, Attr):
        known = names.attribute(leaf.attr)
        if leaf.during is None or known is None:
            return _Plan(_midnights(world.as_of, end, world.zone) if leaf.attr in TICKING else [], None)
        value = value_of(known, alone)
        window, future = leaf.during, True
        moments = [value] if isinstance(value, datetime) else []
    elif isinstance(leaf, Did | Measure):
        window = leaf.during
    if window is None or window.kind not in KNOWN_WINDOWS:
        return _Plan(None, alone.matched(leaf).flip)
    return _Plan(window_instants(window, moments, world.as_of, end, world.zone, future=future), None)


def window_instants(
    window: Window, moments: list[datetime], as_of: datetime, end: datetime, zone: ZoneInfo, *, future: bool
) -> list[datetime]:
    """The instants after `as_of` and before `end` at which one of `moments` enters or leaves a window, sorted."""
    found: set[datetime] = set()
    for moment in moments:
        if moment >= as_of:
            found.add(moment + TICK)  # half-open windows end at the looking instant
        if window.span is not None and window.span.unit == "h":
            found.add(moment + timedelta(hours=window.span.n) + TICK)
    before = [_inside(moment, window, as_of, zone, future=future) for moment in moments]
    for midnight in _midnights(as_of, end, zone):
        now = [_inside(moment, window, midnight, zone, future=future) for moment in moments]
        if now != before:
            found.add(midnight)
        before = now
    return sorted(when for when in found if as_of < when < end)


def _inside(moment: datetime, window: Window, as_of: datetime, zone: ZoneInfo, *, future: bool) -> bool:
    bounds = span(window, as_of, zone, future=future)
    return (bounds.start is None or moment >= bounds.start) and (bounds.end is None or moment < bounds.end)


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
