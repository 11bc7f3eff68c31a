"""Dates of Shopify's segment language ↔ windows of ours.

Shopify compares whole store days, both ends of BETWEEN included; `-30d` is the day 30 days ago. Our `last 30d` holds 30
days, today among them: it is `> -30d`. A month ago there is a day too, which our `last 1mo` begins after.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

from app.domain.rules.shopify_language import Clause, Given, Word

LONGEST = "100y"
NAMED = {"today": ("0", "d"), "yesterday": ("1", "d"), "7_days_ago": ("7", "d"), "30_days_ago": ("30", "d"),
         "90_days_ago": ("90", "d"), "12_months_ago": ("12", "m")}  # fmt: skip
OURS = {"m": "mo", "y": "y"}
THEIRS = {"d": "d", "w": "w", "mo": "m", "y": "y"}
DURATION = re.compile(r"(\d+)(h|d|w|mo|y)")
ONE_DAY_LESS = "Shopify counts the day itself that lies months or years ago; Encore begins with the day after it."


class CantSay(ValueError):
    """The other language has no words for this: the text says why, for merchants."""


def window_of(op: str, given: Given) -> tuple[dict[str, Any], str | None]:
    """The window that a date comparison means, and how it differs if it does. {"ever": True}: any date.

    `!=` is for the caller. Raises CantSay.
    """
    if op == "BETWEEN" and isinstance(given, tuple):
        return _between(given[0], given[1])
    if not isinstance(given, Word) or given.kind != "date":
        raise CantSay("a date is expected here")
    back = _back(given.text)
    if back is None:
        return _absolute(op, given.text), None
    n, unit = back
    return (_days(op, n), None) if unit == "d" else _months(op, n, unit)


def date_clauses(name: str, window: dict[str, Any]) -> list[Clause]:
    """The comparisons, all of which must hold, that say a window. Raises CantSay."""
    kind, value = next(iter(window.items()))
    match kind:
        case "last":
            return [Clause(name, ">", _offset(value))]
        case "ago":
            return _ago(name, *value)
        case "from":
            return _span(name, window["from"], window["to"])
        case "before":
            return [Clause(name, "<", _day(value))]
        case "since":
            return [Clause(name, ">=", _day(value))]
        case "calendar" if value in {"today", "yesterday"}:
            return [Clause(name, "=", Word("date", value))]
        case "calendar":
            raise CantSay(f"Shopify has no words for “{value.replace('_', ' ')}”")
        case _:
            raise CantSay("Shopify's dates look back by days, weeks, months or years, or name a day")


def _back(text: str) -> tuple[int, str] | None:
    """How many days, months or years ago; None for an absolute date."""
    if text in NAMED:
        return int(NAMED[text][0]), NAMED[text][1]
    found = re.fullmatch(r"([+-])(\d+)([dwmy])", text)
    if found is None:
        return None
    n = int(found[2]) * (7 if found[3] == "w" else 1) * (-1 if found[1] == "+" else 1)
    return n, "d" if found[3] == "w" else found[3]


def _days(op: str, n: int) -> dict[str, Any]:
    if n < 0:
        raise CantSay("dates that lie in the future are carried over for anniversaries only")
    match op:
        case "=" if n <= 1:
            return {"calendar": "yesterday" if n else "today"}
        case "=":
            return {"ago": [f"{n + 1}d", f"{n}d"]}
        case ">" if n:
            return {"last": f"{n}d"}
        case ">=":
            return {"last": f"{n + 1}d"}
        case "<":
            return {"ago": [LONGEST, f"{n + 1}d"]}
        case "<=":
            return {"ago": [LONGEST, f"{n}d"]} if n else {"ever": True}
        case _:
            raise CantSay("a date after today has not happened yet")


def _months(op: str, n: int, unit: str) -> tuple[dict[str, Any], str | None]:
    if n <= 0:
        raise CantSay("dates that lie in the future are carried over for anniversaries only")
    span = f"{n}{OURS[unit]}"
    match op:
        case ">":
            return {"last": span}, None
        case ">=":
            return {"last": span}, ONE_DAY_LESS
        case "<=":
            return {"ago": [LONGEST, span]}, None
        case "<":
            return {"ago": [LONGEST, span]}, "Encore counts the day itself that lies months or years ago, too."
        case _:
            raise CantSay("Encore can't name a single day that lies months or years ago")


def _absolute(op: str, text: str) -> dict[str, Any]:
    match op:
        case "=":
            return {"from": text, "to": _after(text)}
        case ">":
            return {"since": _after(text)}
        case ">=":
            return {"since": text}
        case "<":
            return {"before": text}
        case "<=":
            return {"before": _after(text)}
        case _:
            raise CantSay(f"{op} does not compare dates")


def _between(low: Word, high: Word) -> tuple[dict[str, Any], str | None]:
    start, end = _back(low.text), _back(high.text)
    if start is None and end is None:
        return {"from": low.text, "to": _after(high.text)}, None
    if start is None and end == (0, "d"):
        return {"since": low.text}, None
    if start is None or end is None:
        raise CantSay("Encore can't mix a fixed date with one that moves, but for “until today”")
    if end == (0, "d"):
        return (_days(">=", start[0]), None) if start[1] == "d" else _months(">=", *start)
    if start[1] == end[1] == "d" and start[0] >= end[0] > 0:
        return {"ago": [f"{start[0] + 1}d", f"{end[0]}d"]}, None
    raise CantSay("Encore can't say this stretch of time to the day")


def _after(text: str) -> str:
    """The day after a day, the second after an instant. Raises CantSay for a date that is none."""
    try:
        if len(text) == len("2026-01-31"):
            return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
        return (datetime.fromisoformat(text) + timedelta(seconds=1)).isoformat()
    except (ValueError, OverflowError) as fault:
        raise CantSay(f"{text} is no date") from fault


def _offset(span: str) -> Word:
    found = DURATION.fullmatch(span)
    if found is None or found[2] == "h":
        raise CantSay("Shopify counts whole days, not hours")
    return Word("date", f"-{found[1]}{THEIRS[found[2]]}")


def _ago(name: str, earlier: str, later: str) -> list[Clause]:
    if later.startswith("0"):
        return [Clause(name, ">", _offset(earlier))]
    if earlier == LONGEST:
        return [Clause(name, "<=", _offset(later))]
    days = [_in_days(span) for span in (earlier, later)]
    if days[0] is None or days[1] is None:
        return [Clause(name, ">", _offset(earlier)), Clause(name, "<=", _offset(later))]
    if days[0] - 1 == days[1]:
        return [Clause(name, "=", Word("date", f"-{days[1]}d"))]
    return [Clause(name, "BETWEEN", (Word("date", f"-{days[0] - 1}d"), Word("date", f"-{days[1]}d")))]


def _in_days(span: str) -> int | None:
    found = DURATION.fullmatch(span)
    if found is None or found[2] not in {"d", "w"}:
        return None
    return int(found[1]) * (7 if found[2] == "w" else 1)


def _span(name: str, start: str, end: str) -> list[Clause]:
    if len(start) == len(end) == len("2026-01-31"):
        last = (date.fromisoformat(end) - timedelta(days=1)).isoformat()
        if start == end:
            raise CantSay("this window is empty")
        if start == last:
            return [Clause(name, "=", _day(start))]
        return [Clause(name, "BETWEEN", (_day(start), _day(last)))]
    return [Clause(name, ">=", _day(start)), Clause(name, "<", _day(end))]


def _day(text: str) -> Word:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", text) is None:
        raise CantSay("Shopify reads times in the store's zone only, like 2026-01-31T12:00:00")
    return Word("date", text)
