"""Random rules about random shops, of every production of the grammar; and a tally of what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.parse import MAX_DEPTH

if TYPE_CHECKING:
    import random
    from collections import Counter

    from app.domain.rules.names import Type

COMPARES = ("eq", "ne", "gt", "gte", "lt", "lte")
WORDS = ["DE", "us", "f", "Berlin", "rome", "CHAMPIONS", "female", "Coffee", "25", "e"]
TAGS = ["vip", "2026", "Wholesale", "new", "gift", "spring", "o"]
NUMBERS = [0, 1, 1.5, 2, 3, 30, 250, 500, 1250, 2500, 5000, 5000.0, 7500, 12500]
SHARES = [0.1, 0.25, 0.5, 0.75]
PRODUCTS = ["1001", "1002", "1003", "9"]
DURATIONS = ["36h", "5h", "1d", "3d", "30d", "60d", "2w", "6w", "1mo", "2mo", "1y"]
ATTRIBUTES = (
    "country", "city", "tags", "created", "has_account", "rfm_group", "gender", "metafield.custom.age",
    "metafield.facts.birth_date", "orders.count", "spend.net", "order.average", "order.last", "gap.ratio",
    "types.favourite", "share.weekend", "predicted.order_30d",
)  # fmt: skip
RANKED = ("orders.count", "spend.net", "order.average", "gap.ratio", "share.weekend", "predicted.order_30d")
GROUPS = ("all", "any", "none")


def random_rule(r: random.Random) -> dict[str, Any]:
    return {"v": 1, "match": _node(r, 1)}


def _node(r: random.Random, depth: int) -> dict[str, Any]:
    if depth == MAX_DEPTH + 1 or r.random() < (0.25 if depth == 1 else 0.6):
        return r.choice(LEAVES)(r, depth)
    kind = r.choice(GROUPS)
    return {kind: [_node(r, depth + 1) for _ in range(r.randint(1, 3))]}


def _during(r: random.Random) -> dict[str, Any]:
    days = ["2026-01-01", "2026-03-29", "2026-10-25", "2026-03-29T01:30:00", "2026-07-31T12:00:00Z",
            "2025-11-02T05:30:00-04:00", "2027-01-01"]  # fmt: skip
    kind = r.choice(["last", "last", "ago", "from", "before", "since", "calendar", "ever"])
    if kind == "last":
        return {"last": r.choice(DURATIONS)}
    if kind == "ago":
        return {"ago": r.choice([["60d", "30d"], ["1y", "1mo"], ["2w", "3d"], ["30d", "0d"], ["2mo", "1w"]])}
    if kind == "from":
        first, last = sorted(r.sample(days, 2))
        return {"from": first, "to": last}
    if kind == "calendar":
        return {"calendar": r.choice(names.PERIODS)}
    return {kind: True if kind == "ever" else r.choice(days)}


def _date_window(r: random.Random) -> dict[str, Any]:
    span = r.choice(["1d", "14d", "5w", "1mo", "6mo", "1y"])
    chance = r.random()
    if chance < 0.4:
        return {"anniversary": {"next": span}}
    return {"next": span} if chance < 0.6 else _during(r)


def _compared(r: random.Random, kind: Type, operators: tuple[str, ...]) -> dict[str, Any]:
    op = r.choice(operators)
    if op in {"set", "unset", "true", "false"}:
        return {"op": op}
    pool: list[Any] = {"text": WORDS, "list": TAGS, "share": SHARES, "product": PRODUCTS}.get(kind, NUMBERS)
    if op in {"gt", "gte", "lt", "lte", "between"} and kind == "text":
        pool = NUMBERS
    if op in {"in", "not_in"}:
        return {"op": op, "value": r.sample(pool, r.randint(1, 3))}
    if op == "between":
        return {"op": op, "value": sorted(r.sample(pool, 2))}
    return {"op": op, "value": r.choice(pool)}


def _attr(r: random.Random, _depth: int) -> dict[str, Any]:
    name = r.choice(ATTRIBUTES)
    known = names.attribute(name)
    assert known is not None
    dated = (known.type == "date" and r.random() < 0.8) or (name.endswith("birth_date") and r.random() < 0.8)
    leaf: dict[str, Any] = {"attr": name}
    leaf |= {"during": _date_window(r)} if dated else _compared(r, known.type, names.operators(name))
    if leaf.get("op") not in {"set", "unset"} and name != "tags" and r.random() < 0.4:
        leaf["missing"] = r.choice(["match", "skip"])
    return leaf


def _filters(r: random.Random, event: str, least: int = 0) -> list[dict[str, Any]]:
    fields = r.sample(names.EVENTS[event].fields, r.randint(least, 2))
    return [{"attr": f, **_compared(r, names.FIELDS[f].type, names.OPERATORS[names.FIELDS[f].type])} for f in fields]


def _did(r: random.Random, _depth: int = 0, least: int = 0) -> dict[str, Any]:
    event = r.choice(["ordered", "ordered", *names.EVENTS])
    leaf: dict[str, Any] = {"did": event}
    if r.random() < 0.6:
        leaf["where"] = _filters(r, event)
    if r.random() < 0.7:
        leaf["count"] = {"op": r.choice(COMPARES), "n": r.randint(least, 3)}
    if r.random() < 0.7:
        leaf["during"] = _during(r)
    return leaf


def _measure(r: random.Random, _depth: int) -> dict[str, Any]:
    of = r.choice(list(names.MEASURES))
    small = names.MEASURES[of].type == "number"
    return {"measure": r.choice(names.MEASURES[of].functions), "of": of, "where": _filters(r, "ordered"),
            "during": _during(r), "op": r.choice(COMPARES),
            "value": r.choice([0, 1, 2, 3] if small else [0, 300, 1000, 5000])}  # fmt: skip


def _sequence(r: random.Random, _depth: int) -> dict[str, Any]:
    first, then = _did(r, least=2), _did(r)
    if r.random() < 0.5:
        first.pop("count", None)
    if r.random() < 0.7:
        first.pop("during", None)
        then.pop("during", None)
    return {"first": first, "then": then, "within": r.choice(DURATIONS)}


def _latest(r: random.Random, _depth: int) -> dict[str, Any]:
    event = r.choice(["ordered", "ordered", *names.EVENTS])
    leaf: dict[str, Any] = {"latest": event, "has": _filters(r, event, 1)}
    return {**leaf, "where": _filters(r, event)} if r.random() < 0.4 else leaf


def _life(r: random.Random, _depth: int) -> dict[str, Any]:
    state = r.choice(list(names.LIVES))
    leaf: dict[str, Any] = {"life": state, "event": r.choice(["ordered", "ordered", *names.EVENTS])}
    if state != "first_time":
        leaf["gap"] = r.choice(DURATIONS)
    return {**leaf, "during": _during(r)} if r.random() < 0.6 else leaf


def _predict(r: random.Random, _depth: int) -> dict[str, Any]:
    op = r.choice(COMPARES)
    return r.choice(
        [
            {"predict": r.choice(["buy_again", "buy_new"]), "product": r.choice(PRODUCTS), "op": op,
             "value": r.choice([0.25, 0.5])},
            {"predict": r.choice(["buy_again", "buy_new"]), "product_type": r.choice(["Coffee", "Tea"]), "op": op,
             "value": r.choice([0.25, 0.5])},
            {"predict": "value", "op": op, "value": 1000},
            {"predict": "lapse", "horizon": r.choice(["30d", "60d", "90d"]), "op": op, "value": 0.5},
            {"predict": "next_order", "during": r.choice([{"next": "14d"}, _during(r)])},
        ]
    )  # fmt: skip


def _member(r: random.Random, _depth: int) -> dict[str, Any]:
    leaf: dict[str, Any] = {"in": r.choice(["seg_1", "seg_1", "seg_2"])}
    if r.random() < 0.6:
        leaf["moved"] = r.choice(list(names.MOVES))
        if r.random() < 0.8:
            leaf["during"] = _during(r)
    return leaf


def _consent(r: random.Random, _depth: int) -> dict[str, Any]:
    return r.choice([{"consent": "email", "is": "yes"}, {"consent": "email", "is": "no"},
                     {"consent": "sms", "is": "pending"}, {"reachable": "email"}])  # fmt: skip


def _near(r: random.Random, _depth: int) -> dict[str, Any]:
    lat, lon = r.choice([(40.7, -74.0), (52.5, 13.4), (-36.8, 174.8), (0, 0)])
    return {"near": {"lat": lat, "lon": lon, "km": r.choice([2, 10, 13.5, 500, 7000])}}


def _sample(r: random.Random, _depth: int) -> dict[str, Any]:
    return {"sample": {"percent": r.choice([10, 50, 33.33]), "salt": r.choice(["q4", "x"])}}


def _rank(r: random.Random, depth: int) -> dict[str, Any]:
    leaf: dict[str, Any] = {"rank": r.choice(RANKED)}
    if r.random() < 0.5:
        leaf["top_percent"] = r.choice([10, 20, 33.33, 50, 12.5])
    else:
        leaf["quintile"] = r.sample([1, 2, 3, 4, 5], r.randint(1, 3))
    if r.random() < 0.5 and depth < MAX_DEPTH:
        leaf["among"] = _node(r, depth + 1)
    return leaf


LEAVES = (
    _attr, _attr, _attr, _attr, _did, _did, _measure, _sequence, _sequence, _latest, _life, _life, _predict, _member,
    _consent, _near, _sample, _rank, _rank,
)  # fmt: skip


def tally(node: Any, found: Counter[str]) -> None:  # noqa: C901, PLR0912 - flat on purpose
    """Count every production, operator, window and missing mode that a rule uses, at any depth."""
    if isinstance(node, list):
        for item in node:
            tally(item, found)
    if not isinstance(node, dict):
        return
    for key in (*GROUPS, "attr", "did", "measure", "first", "latest", "predict", "consent", "reachable", "near",
                "sample", "rank", "among", "where", "has", "top_percent", "quintile"):  # fmt: skip
        found[f"{key}"] += key in node
    if "in" in node:
        found[f"in {node.get('moved', 'now')}"] += 1
    for key in ("life", "predict", "measure"):
        if key in node:
            found[f"{key} {node[key]}"] += 1
    if "op" in node:
        found[f"op {node['op']}"] += 1
    if "attr" in node:
        found[f"missing {node.get('missing', 'by the operator')}"] += 1
    if isinstance(window := node.get("during"), dict):
        kind = "from" if "from" in window else next(iter(window))
        found[f"window {kind}"] += 1
        if kind == "calendar":
            found[f"window {window['calendar']}"] += 1
    for span in (node.get("within"), node.get("gap"), (node.get("during") or {}).get("last")):
        if span:
            found[f"unit {span.lstrip('0123456789')}"] += 1
    for value in node.values():
        tally(value, found)


EXPECTED = (
    *GROUPS, "attr", "did", "measure", "first", "latest", "predict", "consent", "reachable", "near", "sample", "rank",
    "among", "where", "has", "top_percent", "quintile", "in now",
    *(f"in {moved}" for moved in names.MOVES), *(f"life {state}" for state in names.LIVES),
    *(f"predict {what}" for what in (*names.HORIZONS, "next_order")),
    *(f"measure {function}" for function in ("sum", "avg", "min", "max", "distinct")),
    *(f"op {op}" for op in names.OPERATOR_WORDS),
    "missing match", "missing skip", "missing by the operator",
    *(f"window {kind}" for kind in ("last", "next", "from", "before", "since", "ago", "calendar", "anniversary",
                                    "ever", *names.PERIODS)),
    *(f"unit {unit}" for unit in ("h", "d", "w", "mo", "y")),
)  # fmt: skip
"""What a whole proof uses at least a hundred times each."""
