"""JSON → rule. Every refusal names the place (`match.all[1].value`) and what would be right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from app.domain.rules import names
from app.domain.rules.parse_events import did, life, measure, order_of, past_window, recent
from app.domain.rules.parse_values import (
    MAX_VALUES,
    NUMERIC,
    compare,
    number,
    operator,
    percentage,
    scalar,
    text,
    value_of,
)
from app.domain.rules.tree import (
    EVER,
    WITH_AN_ORDER,
    Attr,
    Consent,
    Group,
    Leaf,
    Member,
    Near,
    Node,
    OrderOf,
    Predict,
    Rank,
    Reachable,
    Rule,
    Sample,
)
from app.domain.rules.windows_parse import RuleError, parse_window, require_keys

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "MAX_LEAVES", "MAX_VALUES", "RuleError", "parse"]

MAX_LEAVES = 100
MAX_DEPTH = 5
GROUPS = ("all", "any", "none")
SEGMENT = re.compile(r"seg_[1-9][0-9]{0,9}|auto:[a-z0-9_]{1,60}|(buy_again|buy_new):[0-9]{1,20}")
ORDERING = frozenset({"gt", "gte", "lt", "lte", "between"})
FURTHEST_KM = 20_038
"""Half way around the earth."""


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
            return self._leaf(raw, path, depth)
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

    def _leaf(self, raw: dict[str, Any], path: str, depth: int) -> Leaf:
        if "rank" in raw:
            self._count(path)
            return self._rank(raw, path, depth)
        for key, read in _LEAVES.items():
            if key in raw:
                leaf = read(raw, path)
                for _ in range(2 if isinstance(leaf, OrderOf) else 1):  # a sequence holds two conditions
                    self._count(path)
                return leaf
        known = ", ".join([*GROUPS, *_LEAVES, "rank"])
        raise RuleError(path, f"unknown condition; expected one of {known}")

    def _count(self, path: str) -> None:
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise RuleError(path, f"a rule has at most {MAX_LEAVES} conditions")

    def _rank(self, raw: dict[str, Any], path: str, depth: int) -> Rank:
        field = raw["rank"]
        if not isinstance(field, str) or not names.rankable(field):
            raise RuleError(f"{path}.rank", f"customers are ranked by a number, an amount or a share, not by {field!r}")
        by = "quintile" if "quintile" in raw else "top_percent"
        require_keys(raw, path, {"rank", by}, {"among"})
        among: Node = WITH_AN_ORDER
        if "among" in raw:
            among = self.node(raw["among"], f"{path}.among", depth + 1)
        if by == "top_percent":
            return Rank(field, percentage(raw[by], f"{path}.{by}"), (), among)
        return Rank(field, None, _quintiles(raw[by], f"{path}.{by}"), among)


def _quintiles(raw: object, path: str) -> tuple[int, ...]:
    fine = isinstance(raw, list) and raw and all(type(item) is int and 1 <= item <= names.FIFTHS for item in raw)
    if not isinstance(raw, list) or not fine:
        raise RuleError(path, "is a list of fifths from 1 to 5, e.g. [4, 5]; 5 is the highest")
    return tuple(sorted(set(raw)))


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
        if known.type != "date" and not names.METAFIELD.fullmatch(known.name):
            raise RuleError(f"{path}.during", f"{name} is no date")
        if "op" in raw or "value" in raw:
            raise RuleError(f"{path}.op", "a date has either during or op, not both")
        return Attr(known.name, None, None, missing, parse_window(raw["during"], f"{path}.during"))
    op = operator(raw, path, names.operators(known.name), known.name)
    if op in {"set", "unset"} and missing is not None:
        raise RuleError(f"{path}.missing", f"means nothing beside {op}")
    numeric = known.type in NUMERIC or (op in ORDERING and known.type == "text")
    value = value_of(raw, path, op, "number" if numeric else known.type)
    return Attr(known.name, op, value, missing, None)


def _predict(raw: dict[str, Any], path: str) -> Predict:
    what = raw["predict"]
    if what == "next_order":
        require_keys(raw, path, {"predict", "during"}, set())
        window = parse_window(raw["during"], f"{path}.during")
        if window.kind == "anniversary":
            raise RuleError(f"{path}.during", "anniversaries are of dates that customers have")
        return Predict(what, None, None, None, None, window)
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
    product = str(scalar(raw["product"], f"{path}.product", "product")) if about_product and "product" in raw else None
    product_type = text(raw["product_type"], f"{path}.product_type") if about_product and product is None else None
    value = number(raw["value"], f"{path}.value")
    if what != "value" and not 0 <= value <= 1:
        raise RuleError(f"{path}.value", "a probability lies between 0 and 1")
    return Predict(cast("Any", what), product, horizon, compare(raw, path), value, None, product_type)


def _member(raw: dict[str, Any], path: str) -> Member:
    require_keys(raw, path, {"in"}, {"during", "moved"})
    if not isinstance(raw["in"], str) or not SEGMENT.fullmatch(raw["in"]):
        raise RuleError(f"{path}.in", "must be a segment like seg_12")
    if "moved" not in raw and "during" not in raw:
        return Member(raw["in"])
    moved = raw.get("moved")
    if not isinstance(moved, str) or moved not in names.MOVES:
        raise RuleError(f"{path}.moved", f"must be one of {', '.join(names.MOVES)}")
    return Member(raw["in"], cast("Any", moved), past_window(raw, path) or EVER)


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
    percent = percentage(sample["percent"], f"{place}.percent")
    return Sample(percent, text(sample["salt"], f"{place}.salt"))


def _near(raw: dict[str, Any], path: str) -> Near:
    require_keys(raw, path, {"near"}, set())
    near, place = raw["near"], f"{path}.near"
    if not isinstance(near, dict):
        raise RuleError(place, 'is an object like {"lat": 40.71, "lon": -74.01, "km": 25}')
    require_keys(near, place, {"lat", "lon", "km"}, set())
    lat, lon, km = (number(near[key], f"{place}.{key}") for key in ("lat", "lon", "km"))
    if not -90 <= lat <= 90:  # noqa: PLR2004 - degrees
        raise RuleError(f"{place}.lat", "lies between -90 and 90 degrees")
    if not -180 <= lon <= 180:  # noqa: PLR2004 - degrees
        raise RuleError(f"{place}.lon", "lies between -180 and 180 degrees")
    if not 0 < km <= FURTHEST_KM:
        raise RuleError(f"{place}.km", f"lies above 0, up to {FURTHEST_KM:,}")
    return Near(lat, lon, km)


_LEAVES: dict[str, Callable[[dict[str, Any], str], Leaf]] = {
    "attr": _attr,
    "did": did,
    "measure": measure,
    "first": order_of,
    "latest": recent,
    "life": life,
    "predict": _predict,
    "in": _member,
    "consent": _consent,
    "reachable": _reachable,
    "near": _near,
    "sample": _sample,
}
