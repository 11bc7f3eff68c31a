"""JSON → leaves about events: did, measure, order_of, recent, life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from app.domain.rules import names
from app.domain.rules.parse_values import compare, number, operator, value_of
from app.domain.rules.tree import EVER, Did, Filter, Life, Measure, OrderOf, Recent
from app.domain.rules.windows_parse import RuleError, parse_duration, parse_window, require_keys

if TYPE_CHECKING:
    from app.domain.rules.tree import Compare, Window


def _filters(raw: dict[str, Any], path: str, event: names.Event, key: str = "where") -> tuple[Filter, ...]:
    filters = raw.get(key, [])
    if not isinstance(filters, list):
        raise RuleError(f"{path}.{key}", "is a list of filters")
    return tuple(_filter(item, f"{path}.{key}[{i}]", event) for i, item in enumerate(filters))


def _filter(raw: object, path: str, event: names.Event) -> Filter:
    if not isinstance(raw, dict):
        raise RuleError(path, "a filter is an object")
    require_keys(raw, path, {"attr", "op"}, {"value"})
    name = raw["attr"]
    if not isinstance(name, str) or name not in event.fields:
        raise RuleError(f"{path}.attr", f"{event.name} has {', '.join(event.fields)}, not {name!r}")
    field = names.FIELDS[name]
    op = operator(raw, path, names.OPERATORS[field.type], name)
    return Filter(name, op, value_of(raw, path, op, field.type))


def did(raw: dict[str, Any], path: str) -> Did:
    """So many events. Raises RuleError."""
    require_keys(raw, path, {"did"}, {"where", "count", "during"})
    event = _event(raw["did"], f"{path}.did")
    op: Compare = "gte"
    times = 1
    if "count" in raw:
        count = raw["count"]
        place = f"{path}.count"
        if not isinstance(count, dict):
            raise RuleError(place, 'is an object like {"op": "gte", "n": 2}')
        require_keys(count, place, {"op", "n"}, set())
        op = compare(count, place)
        n = count["n"]
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 2**31:
            raise RuleError(f"{place}.n", "must be a whole number of at least 0")
        times = n
    return Did(event.name, _filters(raw, path, event), op, times, past_window(raw, path) or EVER)


def _event(name: object, path: str) -> names.Event:
    if not isinstance(name, str) or name not in names.EVENTS:
        raise RuleError(path, f"must be one of {', '.join(names.EVENTS)}")
    return names.EVENTS[name]


def past_window(raw: dict[str, Any], path: str) -> Window | None:
    """The object's `during`, a window of what happened; None without one. Raises RuleError."""
    if "during" not in raw:
        return None
    window = parse_window(raw["during"], f"{path}.during")
    if window.kind == "next":
        raise RuleError(f"{path}.during", "what happened can't lie in the future; next is for dates")
    if window.kind == "anniversary":
        raise RuleError(f"{path}.during", "anniversaries are of dates, not of events")
    return window


def measure(raw: dict[str, Any], path: str) -> Measure:
    """A sum, average, extreme or distinct count over events. Raises RuleError."""
    require_keys(raw, path, {"measure", "of", "op", "value"}, {"where", "during"})
    of = raw["of"]
    if not isinstance(of, str) or of not in names.MEASURES:
        raise RuleError(f"{path}.of", f"must be one of {', '.join(names.MEASURES)}")
    measured = names.MEASURES[of]
    if raw["measure"] not in measured.functions:
        raise RuleError(f"{path}.measure", f"{of} takes {', '.join(measured.functions)}")
    event, _, field = of.partition(".")
    filters = _filters(raw, path, names.EVENTS[event])
    return Measure(
        raw["measure"], event, field, filters, past_window(raw, path) or EVER, compare(raw, path),
        number(raw["value"], f"{path}.value"),
    )  # fmt: skip


def order_of(raw: dict[str, Any], path: str) -> OrderOf:
    """A sequence. Raises RuleError, also for a `first` that asks for something not to happen."""
    require_keys(raw, path, {"first", "then", "within"}, set())
    parts = []
    for key in ("first", "then"):
        part = raw[key]
        if not isinstance(part, dict) or "did" not in part:
            raise RuleError(f"{path}.{key}", 'is a condition like {"did": "ordered"}')
        parts.append(did(part, f"{path}.{key}"))
    first, then = parts
    if (first.op in {"eq", "lte"} and first.n == 0) or (first.op == "lt" and first.n <= 1):
        raise RuleError(
            f"{path}.first.count", "a sequence begins with something that happened; `then` can have count 0"
        )
    return OrderOf(first, then, parse_duration(raw["within"], f"{path}.within"))


def recent(raw: dict[str, Any], path: str) -> Recent:
    """Properties of the latest event. Raises RuleError."""
    require_keys(raw, path, {"latest", "has"}, {"where"})
    event = _event(raw["latest"], f"{path}.latest")
    has = _filters(raw, path, event, "has")
    if not has:
        raise RuleError(f"{path}.has", "is a list of at least one filter")
    return Recent(event.name, _filters(raw, path, event), has)


def life(raw: dict[str, Any], path: str) -> Life:
    """Where customers stand with an event. Raises RuleError."""
    what = raw["life"]
    if not isinstance(what, str) or what not in names.LIVES:
        raise RuleError(f"{path}.life", f"must be one of {', '.join(names.LIVES)}")
    if what == "first_time":
        require_keys(raw, path, {"life", "event"}, {"during"})
        gap = None
    else:
        require_keys(raw, path, {"life", "event", "gap"}, {"during"})
        gap = parse_duration(raw["gap"], f"{path}.gap")
    return Life(cast("Any", what), _event(raw["event"], f"{path}.event").name, gap, past_window(raw, path) or EVER)
