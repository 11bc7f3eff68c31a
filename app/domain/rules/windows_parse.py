"""JSON → window, and what all of the parser shares: the error, the check of an object's keys."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, cast

from app.domain.rules.names import PERIODS
from app.domain.rules.tree import EVER, Duration, Unit, Window

MAX_TEXT = 255
DURATION = re.compile(r"([0-9]{1,5})(h|d|w|mo|y)")
LONGEST = {"h": 87_600, "d": 36_500, "w": 5_200, "mo": 1_200, "y": 100}
MOST_OF_A_YEAR = {"d": 365, "w": 52, "mo": 12, "y": 1}
WINDOWS = ("last", "next", "from", "to", "before", "since", "ago", "calendar", "ever", "anniversary")


class RuleError(ValueError):
    """A rule that can't be: `path` is the place in the JSON, `problem` what is wrong there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def require_keys(raw: dict[str, Any], path: str, required: set[str], optional: set[str]) -> None:
    """Raise RuleError for a key too many or too few."""
    for key in raw:
        if key not in required | optional:
            expected = ", ".join(sorted(required | optional))
            raise RuleError(_join(path, str(key)), f"is not known here; expected {expected}")
    for key in sorted(required - set(raw)):
        raise RuleError(_join(path, key), "is missing")


def parse_window(raw: object, path: str) -> Window:
    """Read a window such as {"last": "30d"}. Raises RuleError."""
    if not isinstance(raw, dict) or not raw:
        raise RuleError(path, 'is an object like {"last": "30d"}')
    if set(raw) == {"from", "to"}:
        return _between(raw, path)
    require_keys(raw, path, set(), set(WINDOWS))
    if len(raw) != 1:
        raise RuleError(path, "is one of last, next, ago, before, since, calendar, ever, anniversary, or from with to")
    kind, value = next(iter(raw.items()))
    return _single(kind, value, path)


def _single(kind: str, value: object, path: str) -> Window:  # noqa: C901, PLR0911 - one line per kind of window
    place = f"{path}.{kind}"
    match kind:
        case "last" | "next":
            span = parse_duration(value, place)
            if kind == "next" and span.unit == "h":
                raise RuleError(place, "counts store days, weeks, months or years")
            return Window(cast("Any", kind), span=span)
        case "ago":
            return _ago(value, place)
        case "before":
            return Window("before", end=_date(value, place))
        case "since":
            return Window("since", start=_date(value, place))
        case "calendar":
            if not isinstance(value, str) or value not in PERIODS:
                raise RuleError(place, f"must be one of {', '.join(PERIODS)}")
            return Window("calendar", period=value)
        case "anniversary":
            return _anniversary(value, place)
        case "ever" if value is True:
            return EVER
        case "ever":
            raise RuleError(place, "must be true")
        case _:
            raise RuleError(path, "from and to belong together")


def _between(raw: dict[str, Any], path: str) -> Window:
    start, end = _date(raw["from"], f"{path}.from"), _date(raw["to"], f"{path}.to")
    if start[:10] > end[:10]:
        raise RuleError(f"{path}.to", "lies before from")
    return Window("between", start=start, end=end)


def _anniversary(value: object, path: str) -> Window:
    if not isinstance(value, dict):
        raise RuleError(path, 'is an object like {"next": "30d"}')
    require_keys(value, path, {"next"}, set())
    span = parse_duration(value["next"], f"{path}.next")
    if span.unit == "h" or span.n > MOST_OF_A_YEAR[span.unit]:
        raise RuleError(f"{path}.next", "counts store days, weeks or months, at most a year")
    return Window("anniversary", span=span)


def _ago(value: object, path: str) -> Window:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - from and until
        raise RuleError(path, 'takes [earlier, later], e.g. ["60d", "30d"]')
    earlier = parse_duration(value[0], f"{path}[0]")
    later = parse_duration(value[1], f"{path}[1]", least=0)
    if "h" in {earlier.unit, later.unit}:
        raise RuleError(path, "counts store days, weeks, months or years")
    if earlier.unit == later.unit and earlier.n <= later.n:
        raise RuleError(path, "the longer time ago comes first")
    return Window("ago", span=earlier, until=later)


def parse_duration(value: object, path: str, least: int = 1) -> Duration:
    """Read a duration such as 30d. Raises RuleError."""
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise RuleError(path, "must be a number with h, d, w, mo or y, e.g. 30d")
    n, unit = int(found[1]), found[2]
    if not least <= n <= LONGEST[unit]:
        raise RuleError(path, f"must lie between {least}{unit} and {LONGEST[unit]}{unit}")
    return Duration(n, cast("Unit", unit))


def _date(value: object, path: str) -> str:
    problem = "must be a date like 2026-01-31 or an instant like 2026-01-31T12:00:00Z"
    if not isinstance(value, str):
        raise RuleError(path, problem)
    try:
        parsed = date.fromisoformat(value) if len(value) == len("2026-01-31") else datetime.fromisoformat(value)
    except ValueError as fault:
        raise RuleError(path, problem) from fault
    if not 1900 <= parsed.year <= 2200:  # noqa: PLR2004 - beyond, UTC conversion can overflow
        raise RuleError(path, "must lie between the years 1900 and 2200")
    return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
