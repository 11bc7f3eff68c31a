"""Windows of time: half-open, in the shop's zone, safe across clock changes and month ends."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from app.domain.rules.tree import Duration, Window

DAYS_PER_WEEK = 7
MONTHS_PER_YEAR = 12
MONTHS_PER_QUARTER = 3
LAST_OF_FEBRUARY = 228
TICK = timedelta(microseconds=1)
"""Instants are counted in microseconds."""


@dataclass(frozen=True)
class Span:
    """[start, end) in UTC; None = open."""

    start: datetime | None
    end: datetime | None


def span(window: Window, as_of: datetime, zone: ZoneInfo, *, future: bool = False) -> Span:
    """The instants of a window.

    future: whether the thing looked at can lie after `as_of` (a predicted date); of events, later
    ones are unknown, so every window ends at `as_of` at the latest.

    `last 30d` is the 30 store days that end with today: from local midnight 29 days ago to `as_of`.
    Hours are exact. `next 14d` is 14 store days that begin with the rest of today.
    """
    found = _span(window, as_of, zone)
    if future:
        return found
    return Span(found.start, as_of if found.end is None else min(found.end, as_of))


def _span(window: Window, as_of: datetime, zone: ZoneInfo) -> Span:  # noqa: PLR0911 - one line per kind of window
    match window.kind:
        case "last" if window.span:
            return Span(start_of_last(window.span, as_of, zone), as_of)
        case "next" if window.span:
            return Span(as_of, _end_of_next(window.span, as_of, zone))
        case "ago" if window.span and window.until:
            return Span(start_of_last(window.span, as_of, zone), start_of_last(window.until, as_of, zone))
        case "between" if window.start and window.end:
            return Span(instant(window.start, zone), instant(window.end, zone))
        case "before" if window.end:
            return Span(None, instant(window.end, zone))
        case "since" if window.start:
            return Span(instant(window.start, zone), None)
        case "calendar" if window.period:
            return _period(window.period, as_of.astimezone(zone).date(), zone)
        case _:
            return Span(None, None)


def start_of_last(duration: Duration, as_of: datetime, zone: ZoneInfo) -> datetime:
    """Where `last <duration>` begins. Nothing ago is `as_of` itself."""
    if duration.unit == "h":
        return as_of - timedelta(hours=duration.n)
    if duration.n == 0:
        return as_of
    today = as_of.astimezone(zone).date()
    return midnight(_shift(today, duration, -1) + timedelta(days=1), zone)


def _end_of_next(duration: Duration, as_of: datetime, zone: ZoneInfo) -> datetime:
    if duration.unit == "h":
        return as_of + timedelta(hours=duration.n)
    return midnight(_shift(as_of.astimezone(zone).date(), duration, 1), zone)


def _shift(day: date, duration: Duration, sign: int) -> date:
    if duration.unit == "mo":
        return add_months(day, sign * duration.n)
    if duration.unit == "y":
        return add_months(day, sign * duration.n * MONTHS_PER_YEAR)
    days = duration.n * (DAYS_PER_WEEK if duration.unit == "w" else 1)
    return day + timedelta(days=sign * days)


def gone(at: datetime, duration: Duration, zone: ZoneInfo) -> datetime:
    """The first instant at which something that happened at `at` no longer lies in `last <duration>`.

    So `within 60d` of an event and `last 60d` mean the same 60 store days. Where months clamp, the event stays until
    all of them have passed: 31 January is gone from the last month on 1 March.
    """
    if duration.unit == "h":
        return at + timedelta(hours=duration.n) + TICK
    day = at.astimezone(zone).date()
    moved = _shift(day, duration, 1)
    if duration.unit in {"mo", "y"} and moved.day < day.day:
        moved += timedelta(days=1)
    return midnight(moved, zone)


def first_day_from(at: datetime, zone: ZoneInfo) -> date:
    """The first store day that begins at or after an instant."""
    day = at.astimezone(zone).date()
    return day if midnight(day, zone) >= at.astimezone(UTC) else day + timedelta(days=1)


def anniversaries(duration: Duration, as_of: datetime, zone: ZoneInfo) -> list[tuple[int, int, int]]:
    """Today and the days after it that `next <duration>` covers, as (year, first, last) with days as month x 100 + day.

    29 February is kept on the 28th in years without one: it lies in the range that ends with that day.
    """
    first = as_of.astimezone(zone).date()
    last = _shift(first, duration, 1) - timedelta(days=1)
    found = []
    for year in range(first.year, last.year + 1):
        low, high = max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
        end = high.month * 100 + high.day
        if end == LAST_OF_FEBRUARY and not calendar.isleap(year):
            end += 1
        found.append((year, low.month * 100 + low.day, end))
    return found


def add_months(day: date, months: int) -> date:
    """The same day of another month, clamped to its end: 31 January + 1 = 28 or 29 February."""
    index = day.year * MONTHS_PER_YEAR + day.month - 1 + months
    year, month = divmod(index, MONTHS_PER_YEAR)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a store day begins, in UTC.

    Where a clock change skips midnight, the day begins at the first instant that exists: the
    skipped wall time with the old offset is that instant.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def instant(text: str, zone: ZoneInfo) -> datetime:
    """A date is its local midnight; an instant without offset is the shop's wall time. Raises ValueError."""
    if len(text) == len("2026-01-31"):
        return midnight(date.fromisoformat(text), zone)
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)


def next_midnight(as_of: datetime, zone: ZoneInfo) -> datetime:
    """The first store midnight after `as_of`, in UTC."""
    return midnight(as_of.astimezone(zone).date() + timedelta(days=1), zone)


def expiry(window: Window, earliest: datetime | None, as_of: datetime, zone: ZoneInfo) -> datetime | None:
    """When the earliest event of a window leaves it if nothing happens; None = never.

    earliest: the earliest of all customers' matching events inside the window.
    """
    match window.kind:
        case "last" if window.span and earliest:
            if window.span.unit == "h":
                return earliest + timedelta(hours=window.span.n) + TICK  # the start still counts
            if window.span.unit in {"d", "w"}:
                day = earliest.astimezone(zone).date()
                return midnight(_shift(day, window.span, 1), zone)
            return next_midnight(as_of, zone)  # months clamp: several days can leave at once
        case "last" | "ever" | "since" | "before" | "between":
            return None
        case _:
            return next_midnight(as_of, zone)


def _period(name: str, today: date, zone: ZoneInfo) -> Span:
    first, following = _bounds(name, today)
    return Span(midnight(first, zone), midnight(following, zone))


def _bounds(name: str, today: date) -> tuple[date, date]:
    back = 1 if name.startswith(("last_", "yesterday")) else 0
    if name in {"today", "yesterday"}:
        first = today - timedelta(days=back)
        return first, first + timedelta(days=1)
    unit = name.partition("_")[2]
    if unit == "week":
        first = today - timedelta(days=today.weekday() + DAYS_PER_WEEK * back)
        return first, first + timedelta(days=DAYS_PER_WEEK)
    length = {"month": 1, "quarter": MONTHS_PER_QUARTER, "year": MONTHS_PER_YEAR}[unit]
    month = (today.month - 1) // length * length + 1
    first = add_months(date(today.year, month, 1), -length * back)
    return first, add_months(first, length)
