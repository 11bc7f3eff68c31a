"""Windows and gaps for the brute-force evaluator: day by day, from their definitions, with no shortcut."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Bounds = tuple[datetime | None, datetime | None]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def same_day_of(day: date, months: int) -> date:
    """The day so many months on (or back), or the last of that month."""
    year, month = day.year, day.month + months
    while month < 1:
        year, month = year - 1, month + 12
    while month > 12:
        year, month = year + 1, month - 12
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def moved(day: date, text: str, sign: int) -> date:
    if text.endswith("mo"):
        return same_day_of(day, sign * int(text[:-2]))
    if text.endswith("y"):
        return same_day_of(day, sign * 12 * int(text[:-1]))
    return day + timedelta(days=sign * int(text[:-1]) * (7 if text.endswith("w") else 1))


def began(text: str, as_of: datetime, zone: ZoneInfo) -> datetime:
    """Where `last <text>` begins."""
    if text.endswith("h"):
        return as_of - timedelta(hours=int(text[:-1]))
    if text.startswith("0"):
        return as_of
    return midnight(moved(as_of.astimezone(zone).date(), text, -1) + timedelta(days=1), zone)


@cache
def _gone_day(day: date, text: str) -> date:
    seen = day
    while moved(seen, text, -1) + timedelta(days=1) <= day:
        seen += timedelta(days=1)
    return seen


def gone(at: datetime, text: str, zone: ZoneInfo) -> datetime:
    """When something at `at` is first out of `last <text>`: tries one day after another."""
    if text.endswith("h"):
        return at + timedelta(hours=int(text[:-1]), microseconds=1)  # a window holds what happened as it began
    return midnight(_gone_day(at.astimezone(zone).date(), text), zone)


def moment(text: str, zone: ZoneInfo) -> datetime:
    if len(text) == 10:
        return midnight(date.fromisoformat(text), zone)
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=zone).astimezone(UTC)


def period(name: str, today: date) -> tuple[date, date]:
    """First day, and the day after the last, found by walking from today."""
    day = timedelta(days=1)
    if name in {"today", "yesterday"}:
        first = today - (day if name == "yesterday" else 0 * day)
        return first, first + day
    unit = name.split("_")[1]
    same = {
        "week": lambda d: d.isocalendar()[:2],
        "month": lambda d: (d.year, d.month),
        "quarter": lambda d: (d.year, (d.month - 1) // 3),
        "year": lambda d: d.year,
    }[unit]
    inside = today
    if name.startswith("last"):
        while same(inside) == same(today):
            inside -= day
    first = last = inside
    while same(first - day) == same(inside):
        first -= day
    while same(last + day) == same(inside):
        last += day
    return first, last + day


def window(raw: dict[str, Any], as_of: datetime, zone: ZoneInfo) -> Bounds:  # noqa: PLR0911 - flat on purpose
    today = as_of.astimezone(zone).date()
    if "last" in raw:
        return began(raw["last"], as_of, zone), as_of
    if "ago" in raw:
        return began(raw["ago"][0], as_of, zone), began(raw["ago"][1], as_of, zone)
    if "next" in raw:
        return as_of, midnight(moved(today, raw["next"], 1), zone)
    if "from" in raw:
        return moment(raw["from"], zone), moment(raw["to"], zone)
    if "before" in raw:
        return None, moment(raw["before"], zone)
    if "since" in raw:
        return moment(raw["since"], zone), None
    if "calendar" in raw:
        first, after = period(raw["calendar"], today)
        return midnight(first, zone), midnight(after, zone)
    return None, None


def inside(at: datetime, bounds: Bounds) -> bool:
    return (bounds[0] is None or at >= bounds[0]) and (bounds[1] is None or at < bounds[1])


def returns(day: date, text: str, as_of: datetime, zone: ZoneInfo) -> bool:
    """Whether a later year's same day is one of the days of `next <text>`; 29 February on the 28th where it must."""
    today = as_of.astimezone(zone).date()
    after = moved(today, text, 1)
    while today < after:
        kept = (day.month, day.day)
        if kept == (2, 29) and not calendar.isleap(today.year):
            kept = (2, 28)
        if today.year > day.year and (today.month, today.day) == kept:
            return True
        today += timedelta(days=1)
    return False
