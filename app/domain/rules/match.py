"""Whom the leaves of `compile_sequences` and `compile_customers` select, and until when. `evaluate` calls these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from app.domain.rules import names
from app.domain.rules.compile_customers import date_leaf_query, near_query, next_dates_query, rank_query
from app.domain.rules.compile_sequences import (
    NEVER,
    earliest_query,
    life_query,
    moment,
    recent_query,
    sequence_query,
)
from app.domain.rules.tree import EVER
from app.domain.rules.windows import TICK, expiry, first_day_from, gone, midnight, next_midnight, span, start_of_last

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pyroaring import BitMap

    from app.domain.rules.compile import Query, When
    from app.domain.rules.tree import Attr, Did, Filter, Life, Member, Near, OrderOf, Predict, Rank, Recent, Window

    Numbers = np.ndarray[Any, Any]
    Fetch = Callable[[Query], dict[str, Numbers]]
    """Runs a query: one array per column, without nulls."""

HUNDREDTHS = 100  # of a percent, in which a rank's share is counted


@dataclass(frozen=True)
class Change:
    """One evaluation of a segment: who came and who left since the one before. The first found its members there."""

    at: datetime
    entered: BitMap
    left: BitMap


@dataclass(frozen=True)
class Found:
    """What a leaf selects.

    hits:     customer numbers, each at most once.
    flip:     earliest instant at which that can change by time alone; None = never.
    known:    customers for whom the answer rests on a known value; None = all but `unknown`.
    unknown:  customers for whom the value is missing, where not all others of the shop are.
    boundary: of a rank, the least and the greatest value among the hits.
    """

    hits: Numbers
    flip: datetime | None = None
    known: Numbers | None = None
    unknown: Numbers | None = None
    boundary: tuple[float, float] | None = None


def match_sequence(leaf: OrderOf, when: When, fetch: Fetch) -> Found:
    """Customers with a sequence that is settled as asked."""
    earliest = _earliest(leaf.first.event, (), EVER, when, fetch)
    flips = [_did_expiry(leaf.first, when, fetch), _did_expiry(leaf.then, when, fetch)]
    if earliest is None:
        return Found(np.empty(0, np.uint32), _soonest(flips))
    columns = fetch(sequence_query(leaf, when, earliest))
    pending = int(columns["pending"].min(initial=NEVER))
    if pending != NEVER and leaf.then.op not in {"gt", "gte"}:
        flips.append(moment(pending))
    return Found(columns["customer_no"][columns["hit"].astype(bool)], _soonest(flips))


def match_recent(leaf: Recent, when: When, fetch: Fetch) -> Found:
    """Customers whose latest event has the properties; without such an event nobody."""
    return Found(fetch(recent_query(leaf, when))["customer_no"])


def match_life(leaf: Life, when: When, fetch: Fetch) -> Found:
    """Customers who stand so with an event."""
    earliest = _earliest(leaf.event, (), EVER, when, fetch)
    if earliest is None:
        return Found(np.empty(0, np.uint32))
    columns = fetch(life_query(leaf, when, earliest))
    hit, inside = columns["hit"].astype(bool), columns["first_at"] != NEVER
    first = int(columns["first_at"].min(initial=NEVER))
    flips = [_expiry(leaf.during, None if first == NEVER else moment(first), when)]
    if leaf.life == "stopped" and leaf.gap is not None:
        still = columns["last_at"][inside & ~hit]
        if len(still):
            flips.append(gone(moment(int(still.min())), leaf.gap, when.zone))
    return Found(columns["customer_no"][hit], _soonest(flips))


def match_near(leaf: Near, fetch: Fetch) -> Found:
    """Customers within the distance; an address without coordinates is a missing value."""
    columns = fetch(near_query(leaf))
    return Found(columns["customer_no"][columns["hit"].astype(bool)], None, columns["customer_no"])


def match_date(leaf: Attr, when: When, fetch: Fetch) -> Found:
    """Customers whose date, or its anniversary, lies in the window."""
    columns = fetch(date_leaf_query(leaf, when))
    hits = columns["customer_no"][columns["hit"].astype(bool)]
    return Found(hits, date_flip(leaf, when, fetch), columns["customer_no"])


def date_flip(leaf: Attr | Predict, when: When, fetch: Fetch) -> datetime | None:
    """When a window can hold other dates: at store midnight, as one of the hours passes, or as a date to come does."""
    window = leaf.during
    if window is None or window.kind in {"ever", "before", "between", "since"}:
        return None
    flips: list[datetime | None] = [next_midnight(when.as_of, when.zone)]
    if window.kind in {"last", "next", "ago"}:
        today = first_day_from(when.as_of, when.zone)
        found = fetch(next_dates_query(leaf, when, today))
        if found["day"][0] != NEVER:
            flips.append(midnight(today + timedelta(days=int(found["day"][0])), when.zone) + TICK)
        if found["instant"][0] != NEVER:
            flips.append(moment(int(found["instant"][0])) + TICK)
        if window.kind == "last" and found["inside"][0] != NEVER:
            flips.append(_expiry(window, moment(int(found["inside"][0])), when))
    if window.kind == "last" and window.span is not None and window.span.unit == "h":
        oldest = first_day_from(start_of_last(window.span, when.as_of, when.zone), when.zone)
        flips.append(gone(midnight(oldest, when.zone), window.span, when.zone))  # of dates without a time
    return _soonest(flips)


def match_rank(leaf: Rank, among: BitMap, fetch: Fetch) -> Found:
    """Customers of `among` who stand so high in it; those without a value are not ranked.

    Equal values share the better rank, so more than the asked share can be in. Of N ranked, the top percent are those
    of rank up to N x percent / 100, rounded up; fifth 5 holds ranks up to N / 5, rounded up, and so on.
    """
    columns = fetch(rank_query(leaf.attr))
    everybody = np.fromiter(among, dtype=np.int64, count=len(among))
    given = np.isin(columns["customer_no"], everybody)
    numbers, values = columns["customer_no"][given].astype(np.int64), columns["v"][given]
    absent = names.ATTRIBUTES[leaf.attr].absent
    if absent is not None:
        others = np.setdiff1d(everybody, numbers)
        numbers = np.concatenate([numbers, others])
        values = np.concatenate([values, np.full(len(others), float(absent))])
    size = len(values)
    better = size - np.searchsorted(np.sort(values), values, side="right")  # how many have a higher value
    if leaf.top_percent is not None:
        hit = better * 100 * HUNDREDTHS < size * round(leaf.top_percent * HUNDREDTHS)
    else:
        hit = np.isin(names.FIFTHS - better * names.FIFTHS // max(size, 1), leaf.quintile)
    chosen = values[hit]
    boundary = (float(chosen.min()), float(chosen.max())) if len(chosen) else None
    return Found(numbers[hit], None, None, np.setdiff1d(everybody, numbers), boundary)


def match_moved(leaf: Member, changes: Sequence[Change], when: When) -> tuple[BitMap | None, datetime | None]:
    """Who moved so in the window, by the segment's evaluations in order of time, and until when that holds.

    Nothing is known from before the first evaluation. It finds its members there, so nobody entered with it, but from
    then on they were in. Of `was_in` counts who was in at any instant of the window.
    """
    during = leaf.during or EVER
    bounds = span(during, when.as_of, when.zone)
    inside = [
        (position, change)
        for position, change in enumerate(changes)
        if (bounds.start is None or change.at >= bounds.start) and (bounds.end is None or change.at < bounds.end)
    ]
    if leaf.moved == "was_in":
        members = _state(changes, bounds.start, bounds.end)
        parts = [change.entered for _, change in inside]
    elif leaf.moved == "entered":
        members, parts = None, [change.entered for position, change in inside if position]
    else:
        members, parts = None, [change.left for _, change in inside]
    for part in parts:
        members = part if members is None else members | part
    flips = [_expiry(during, inside[0][1].at if inside else None, when)]
    if leaf.moved == "was_in" and bounds.start is not None and bounds.start >= when.as_of:
        flips.append(bounds.start + TICK)  # whoever is in by then will have been in
    return members, _soonest(flips)


def _state(changes: Sequence[Change], start: datetime | None, end: datetime | None) -> BitMap | None:
    """Who was in as a window began; None if it has no beginning or is empty."""
    members: BitMap | None = None
    if start is None or (end is not None and end <= start):
        return None
    for change in changes:
        if change.at > start:
            break
        members = change.entered if members is None else (members - change.left) | change.entered
    return members


def _earliest(event: str, where: tuple[Filter, ...], during: Window, when: When, fetch: Fetch) -> datetime | None:
    first = int(fetch(earliest_query(event, where, during, when))["first_at"][0])
    return None if first == NEVER else moment(first)


def _did_expiry(leaf: Did, when: When, fetch: Fetch) -> datetime | None:
    if leaf.during.kind != "last":
        return _expiry(leaf.during, None, when)
    return _expiry(leaf.during, _earliest(leaf.event, leaf.where, leaf.during, when, fetch), when)


def _expiry(window: Window, earliest: datetime | None, when: When) -> datetime | None:
    return expiry(window, earliest, when.as_of, when.zone)


def _soonest(flips: list[datetime | None]) -> datetime | None:
    return min((flip for flip in flips if flip is not None), default=None)
