"""JSON → rule. Every refusal names the place (`match.all[1].value`) and what would be right."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast, get_args

from app.domain.rules import names
from app.domain.rules.tree import (
    EVER,
    Attr,
    Compare,
    Consent,
    Did,
    Filter,
    Group,
    Leaf,
    Measure,
    Member,
    Node,
    Operator,
    Predict,
    Reachable,
    Rule,
    Sample,
    Value,
)
from app.domain.rules.windows_parse import MAX_TEXT, RuleError, parse_window, require_keys

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "MAX_LEAVES", "MAX_VALUES", "RuleError", "parse"]

MAX_LEAVES = 100
MAX_DEPTH = 5
MAX_VALUES = 10_000
GROUPS = ("all", "any", "none")
COMPARES: tuple[str, ...] = get_args(Compare)
SEGMENT = re.compile(r"seg_[1-9][0-9]{0,9}|auto:[a-z0-9_]{1,60}|(buy_again|buy_new):[0-9]{1,20}")
NUMERIC = frozenset({"number", "money", "share"})
LIST_OPERATORS = frozenset({"in", "not_in"})
BARE_OPERATORS = frozenset({"set", "unset", "true", "false"})
ORDERING = frozenset({"gt", "gte", "lt", "lte", "between"})
BETWEEN_VALUES = 2


def parse(raw: object) -> Rule:
    """Read a rule. Raises RuleError with the JSON path of the first fault."""
    if not isinstance(raw, dict):
        raise RuleError("", 'a rule is an object like {"v": 1, "match": {...}}')
    require_keys(raw, "", {"v", "match"}, set())
    if raw["v"] != 1 or isinstance(raw["v"], bool):
        raise RuleError("v", "this version of the grammar is 1")
    reader = _Reader()
    return Rule(reader.node(raw["match"], "match", 1))


class _Reader:
    """Walks one rule, counting leaves."""

    def __init__(self) -> None:
        self._leaves = 0

    def node(self, raw: object, path: str, depth: int) -> Node:
        if not isinstance(raw, dict):
            raise RuleError(path, "a condition or group is an object")
        kinds = [kind for kind in GROUPS if kind in raw]
        if not kinds:
            self._leaves += 1
            if self._leaves > MAX_LEAVES:
                raise RuleError(path, f"a rule has at most {MAX_LEAVES} conditions")
            return _leaf(raw, path)
        kind = kinds[0]
        require_keys(raw, path, {kind}, set())
        if depth > MAX_DEPTH:
            raise RuleError(path, f"groups nest at most {MAX_DEPTH} deep")
        children = raw[kind]
        if not isinstance(children, list) or not children:
            raise RuleError(f"{path}.{kind}", "a group is a list of at least one condition")
        nodes = tuple(
            self.node(child, f"{path}.{kind}[{position}]", depth + 1) for position, child in enumerate(children)
        )
        return Group(cast("Any", kind), nodes)


def _leaf(raw: dict[str, Any], path: str) -> Leaf:
    for key, read in _LEAVES.items():
        if key in raw:
            return read(raw, path)
    for key, what in names.NOT_YET.items():
        if key in raw:
            raise RuleError(f"{path}.{key}", f"not available yet: {what}")
    known = ", ".join([*GROUPS, *_LEAVES])
    raise RuleError(path, f"unknown condition; expected one of {known}")


def _attr(raw: dict[str, Any], path: str) -> Attr:
    require_keys(raw, path, {"attr"}, {"op", "value", "missing", "during"})
    name = raw["attr"]
    known = names.attribute(name) if isinstance(name, str) else None
    if known is None:
        raise RuleError(f"{path}.attr", f"no attribute is called {name!r}")
    missing = raw.get("missing")
    if missing not in (None, "match", "skip"):
        raise RuleError(f"{path}.missing", "must be match or skip")
    if "during" in raw:
        if known.type != "date":
            raise RuleError(f"{path}.during", f"{name} is no date")
        if "op" in raw or "value" in raw:
            raise RuleError(f"{path}.op", "a date has either during or op, not both")
        return Attr(known.name, None, None, missing, parse_window(raw["during"], f"{path}.during"))
    op = _operator(raw, path, names.operators(known.name), known.name)
    if op in {"set", "unset"} and missing is not None:
        raise RuleError(f"{path}.missing", f"means nothing beside {op}")
    numeric = known.type in NUMERIC or (op in ORDERING and known.type == "text")
    value = _value(raw, path, op, "number" if numeric else known.type)
    return Attr(known.name, op, value, missing, None)


def _operator(raw: dict[str, Any], path: str, allowed: tuple[str, ...], name: str) -> Operator:
    if "op" not in raw:
        raise RuleError(f"{path}.op", f"is missing; {name} takes {', '.join(allowed)}")
    op = raw["op"]
    if not isinstance(op, str) or op not in allowed:
        raise RuleError(f"{path}.op", f"{name} takes {', '.join(allowed)}, not {op!r}")
    return cast("Operator", op)


def _value(raw: dict[str, Any], path: str, op: str, kind: str) -> Value:
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
        return tuple(_scalar(item, f"{place}[{i}]", kind) for i, item in enumerate(value))
    if op == "between":
        if not isinstance(value, list) or len(value) != BETWEEN_VALUES:
            raise RuleError(place, "between takes [lowest, highest], both included")
        low, high = (_number(item, f"{place}[{i}]") for i, item in enumerate(value))
        if low > high:
            raise RuleError(place, "the lowest comes first")
        return (low, high)
    return _scalar(value, place, kind)


def _scalar(value: object, path: str, kind: str) -> str | int | float:
    if kind in NUMERIC:
        return _number(value, path)
    if kind == "product":
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,20}", value):
            raise RuleError(path, "must be a product's numeric Shopify id, as text")
        return value
    return _text(value, path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise RuleError(path, "must be a text")
    if len(value) > MAX_TEXT:
        raise RuleError(path, f"a text has at most {MAX_TEXT} characters")
    if "\x00" in value:
        raise RuleError(path, "a text holds no NUL character")
    return value


def _number(value: object, path: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(path, "must be a number")
    if not math.isfinite(value) or abs(value) >= 2**53:  # beyond that a float skips whole numbers
        raise RuleError(path, "is beyond what can be counted")
    return value


def _compare(raw: dict[str, Any], path: str) -> Compare:
    op = raw.get("op")
    if not isinstance(op, str) or op not in COMPARES:
        raise RuleError(f"{path}.op", f"must be one of {', '.join(COMPARES)}")
    return cast("Compare", op)


def _where(raw: dict[str, Any], path: str, event: names.Event) -> tuple[Filter, ...]:
    filters = raw.get("where", [])
    if not isinstance(filters, list):
        raise RuleError(f"{path}.where", "is a list of filters")
    return tuple(_filter(item, f"{path}.where[{i}]", event) for i, item in enumerate(filters))


def _filter(raw: object, path: str, event: names.Event) -> Filter:
    if not isinstance(raw, dict):
        raise RuleError(path, "a filter is an object")
    require_keys(raw, path, {"attr", "op"}, {"value"})
    name = raw["attr"]
    if not isinstance(name, str) or name not in event.fields:
        raise RuleError(f"{path}.attr", f"{event.name} has {', '.join(event.fields)}, not {name!r}")
    field = names.FIELDS[name]
    op = _operator(raw, path, names.OPERATORS[field.type], name)
    return Filter(name, op, _value(raw, path, op, field.type))


def _did(raw: dict[str, Any], path: str) -> Did:
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
        op = _compare(count, place)
        n = count["n"]
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 2**31:
            raise RuleError(f"{place}.n", "must be a whole number of at least 0")
        times = n
    return Did(event.name, _where(raw, path, event), op, times, _during(raw, path))


def _event(name: object, path: str) -> names.Event:
    if isinstance(name, str) and name in names.EVENTS_NOT_YET:
        raise RuleError(path, f"not available yet: nothing records {name}")
    if not isinstance(name, str) or name not in names.EVENTS:
        raise RuleError(path, f"must be one of {', '.join(names.EVENTS)}")
    return names.EVENTS[name]


def _during(raw: dict[str, Any], path: str) -> Any:
    if "during" not in raw:
        return EVER
    window = parse_window(raw["during"], f"{path}.during")
    if window.kind == "next":
        raise RuleError(f"{path}.during", "what happened can't lie in the future; next is for dates")
    return window


def _measure(raw: dict[str, Any], path: str) -> Measure:
    require_keys(raw, path, {"measure", "of", "op", "value"}, {"where", "during"})
    of = raw["of"]
    if not isinstance(of, str) or of not in names.MEASURES:
        raise RuleError(f"{path}.of", f"must be one of {', '.join(names.MEASURES)}")
    measured = names.MEASURES[of]
    if raw["measure"] not in measured.functions:
        raise RuleError(f"{path}.measure", f"{of} takes {', '.join(measured.functions)}")
    event, _, field = of.partition(".")
    where = _where(raw, path, names.EVENTS[event])
    return Measure(
        raw["measure"], event, field, where, _during(raw, path), _compare(raw, path),
        _number(raw["value"], f"{path}.value"),
    )  # fmt: skip


def _predict(raw: dict[str, Any], path: str) -> Predict:
    what = raw["predict"]
    if what == "next_order":
        require_keys(raw, path, {"predict", "during"}, set())
        return Predict(what, None, None, None, None, parse_window(raw["during"], f"{path}.during"))
    if not isinstance(what, str) or what not in names.HORIZONS:
        raise RuleError(f"{path}.predict", f"must be one of {', '.join(names.HORIZONS)}, next_order")
    about_product = what in {"buy_again", "buy_new"}
    about = "product_type" if "product_type" in raw else "product"
    if about_product and {"product", "product_type"} <= set(raw):
        raise RuleError(f"{path}.product_type", "is about a product or a product type, not both")
    require_keys(raw, path, {"predict", "op", "value"} | ({about} if about_product else set()), {"horizon"})
    horizons = names.HORIZONS[what]
    horizon = raw.get("horizon", horizons[0])
    if horizon not in horizons:
        raise RuleError(f"{path}.horizon", f"{what} is predicted for {', '.join(horizons)}")
    product = str(_scalar(raw["product"], f"{path}.product", "product")) if about_product and "product" in raw else None
    product_type = _text(raw["product_type"], f"{path}.product_type") if about_product and product is None else None
    value = _number(raw["value"], f"{path}.value")
    if what != "value" and not 0 <= value <= 1:
        raise RuleError(f"{path}.value", "a probability lies between 0 and 1")
    return Predict(cast("Any", what), product, horizon, _compare(raw, path), value, None, product_type)


def _member(raw: dict[str, Any], path: str) -> Member:
    for later in ("during", "moved"):
        if later in raw:
            raise RuleError(f"{path}.{later}", "not available yet: the history of a membership")
    require_keys(raw, path, {"in"}, set())
    if not isinstance(raw["in"], str) or not SEGMENT.fullmatch(raw["in"]):
        raise RuleError(f"{path}.in", "must be a segment like seg_12")
    return Member(raw["in"])


def _consent(raw: dict[str, Any], path: str) -> Consent:
    require_keys(raw, path, {"consent", "is"}, set())
    if raw["consent"] not in ("email", "sms"):
        raise RuleError(f"{path}.consent", "must be email or sms")
    if raw["is"] not in ("yes", "no", "pending"):
        raise RuleError(f"{path}.is", "must be yes, no or pending")
    return Consent(raw["consent"], raw["is"])


def _reachable(raw: dict[str, Any], path: str) -> Reachable:
    require_keys(raw, path, {"reachable"}, set())
    if raw["reachable"] != "email":
        raise RuleError(f"{path}.reachable", "must be email")
    return Reachable("email")


def _sample(raw: dict[str, Any], path: str) -> Sample:
    require_keys(raw, path, {"sample"}, set())
    sample, place = raw["sample"], f"{path}.sample"
    if not isinstance(sample, dict):
        raise RuleError(place, 'is an object like {"percent": 10, "salt": "autumn"}')
    require_keys(sample, place, {"percent", "salt"}, set())
    percent = _number(sample["percent"], f"{place}.percent")
    if not 0 < percent <= 100 or round(percent, 2) != percent:  # noqa: PLR2004 - percent
        raise RuleError(f"{place}.percent", "lies above 0, up to 100, with at most two decimals")
    return Sample(percent, _text(sample["salt"], f"{place}.salt"))


_LEAVES: dict[str, Callable[[dict[str, Any], str], Leaf]] = {
    "attr": _attr,
    "did": _did,
    "measure": _measure,
    "predict": _predict,
    "in": _member,
    "consent": _consent,
    "reachable": _reachable,
    "sample": _sample,
}
