"""JSON → operators, comparisons and values, each checked against its type. For `parse` and `parse_events`."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast, get_args

from app.domain.rules.tree import Compare
from app.domain.rules.windows_parse import MAX_TEXT, RuleError

if TYPE_CHECKING:
    from app.domain.rules.tree import Operator, Value

MAX_VALUES = 10_000
COMPARES: tuple[str, ...] = get_args(Compare)
NUMERIC = frozenset({"number", "money", "share"})
LIST_OPERATORS = frozenset({"in", "not_in"})
BARE_OPERATORS = frozenset({"set", "unset", "true", "false"})
BETWEEN_VALUES = 2


def operator(raw: dict[str, Any], path: str, allowed: tuple[str, ...], name: str) -> Operator:
    """The object's operator, one that `name` takes. Raises RuleError."""
    if "op" not in raw:
        raise RuleError(f"{path}.op", f"is missing; {name} takes {', '.join(allowed)}")
    op = raw["op"]
    if not isinstance(op, str) or op not in allowed:
        raise RuleError(f"{path}.op", f"{name} takes {', '.join(allowed)}, not {op!r}")
    return cast("Operator", op)


def value_of(raw: dict[str, Any], path: str, op: str, kind: str) -> Value:
    """The value that an operator needs: none, one, two or a list, each of that kind. Raises RuleError."""
    place = f"{path}.value"
    if op in BARE_OPERATORS:
        if "value" in raw:
            raise RuleError(place, f"{op} takes no value")
        return None
    if "value" not in raw:
        raise RuleError(place, "is missing")
    value = raw["value"]
    if op in LIST_OPERATORS:
        if not isinstance(value, list) or not value:
            raise RuleError(place, f"{op} takes a list of at least one value")
        if len(value) > MAX_VALUES:
            raise RuleError(place, f"a list has at most {MAX_VALUES:,} values")
        return tuple(scalar(item, f"{place}[{i}]", kind) for i, item in enumerate(value))
    if op == "between":
        if not isinstance(value, list) or len(value) != BETWEEN_VALUES:
            raise RuleError(place, "between takes [lowest, highest], both included")
        low, high = (number(item, f"{place}[{i}]") for i, item in enumerate(value))
        if low > high:
            raise RuleError(place, "the lowest comes first")
        return (low, high)
    return scalar(value, place, kind)


def scalar(value: object, path: str, kind: str) -> str | int | float:
    """One value of a kind. Raises RuleError."""
    if kind in NUMERIC:
        return number(value, path)
    if kind == "product":
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,20}", value):
            raise RuleError(path, "must be a product's numeric Shopify id, as text")
        return value
    return text(value, path)


def text(value: object, path: str) -> str:
    """A text that is not empty. Raises RuleError."""
    if not isinstance(value, str) or not value:
        raise RuleError(path, "must be a text")
    if len(value) > MAX_TEXT:
        raise RuleError(path, f"a text has at most {MAX_TEXT} characters")
    if "\x00" in value:
        raise RuleError(path, "a text holds no NUL character")
    return value


def number(value: object, path: str) -> int | float:
    """A finite number that a float counts exactly. Raises RuleError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(path, "must be a number")
    if not math.isfinite(value) or abs(value) >= 2**53:  # beyond that a float skips whole numbers
        raise RuleError(path, "is beyond what can be counted")
    return value


def compare(raw: dict[str, Any], path: str) -> Compare:
    """The comparison of an object. Raises RuleError."""
    op = raw.get("op")
    if not isinstance(op, str) or op not in COMPARES:
        raise RuleError(f"{path}.op", f"must be one of {', '.join(COMPARES)}")
    return cast("Compare", op)


def percentage(value: object, path: str) -> int | float:
    """A share in percent, above 0, of at most two decimals. Raises RuleError."""
    percent = number(value, path)
    if not 0 < percent <= 100 or round(percent, 2) != percent:  # noqa: PLR2004 - percent
        raise RuleError(path, "lies above 0, up to 100, with at most two decimals")
    return percent
