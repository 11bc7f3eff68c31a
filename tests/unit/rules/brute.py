"""An evaluator that knows nothing of the compiler: plain Python over lists of dictionaries, from the raw JSON."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

POSITIVE_ZERO = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "gt": lambda a, b: a > b,
                 "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}  # fmt: skip
ATTRIBUTE_COLUMN = {
    "country": ("customers", "country"),
    "city": ("customers", "city"),
    "tags": ("customers", "tags"),
    "created": ("customers", "created_at"),
    "metafield.custom.age": ("customers", "age"),
    "orders.count": ("features", "orders"),
    "spend.net": ("features", "net_minor"),
    "order.average": ("features", "average_order_minor"),
    "order.last": ("features", "last_order_at"),
    "gap.ratio": ("features", "gap_ratio"),
    "share.weekend": ("features", "weekend_share"),
    "predicted.order_30d": ("values", "p_order_30d"),
}
ZERO_WHEN_ABSENT = {"orders.count", "spend.net"}
NEGATIVE = {"is_not", "not_in", "not_contains", "unset", "ne"}


@dataclass
class Shop:
    """A tiny shop. All lists hold dictionaries with the lake's column names."""

    as_of: datetime
    zone: ZoneInfo
    universe: set[int]
    customers: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    features: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    type_pairs: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    reachable: set[int] = field(default_factory=set)
    consent: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    segments: dict[str, set[int]] = field(default_factory=dict)


def members(rule: dict[str, Any], shop: Shop) -> set[int]:
    return {no for no in shop.universe if holds(rule["match"], no, shop)}


def holds(node: dict[str, Any], no: int, shop: Shop) -> bool:  # noqa: C901, PLR0911 - flat on purpose
    if "all" in node:
        return all(holds(child, no, shop) for child in node["all"])
    if "any" in node:
        return any(holds(child, no, shop) for child in node["any"])
    if "none" in node:
        return not any(holds(child, no, shop) for child in node["none"])
    if "attr" in node:
        return attr_holds(node, no, shop)
    if "did" in node:
        count = node.get("count", {"op": "gte", "n": 1})
        return bool(POSITIVE_ZERO[count["op"]](len(events(node["did"], node, no, shop)), count["n"]))
    if "measure" in node:
        return measure_holds(node, no, shop)
    if "predict" in node:
        return predict_holds(node, no, shop)
    if "in" in node:
        return no in shop.segments[node["in"]]
    if "consent" in node:
        return no in shop.consent[node["consent"], node["is"]]
    if "reachable" in node:
        return no in shop.reachable
    digest = hashlib.md5(f"{node['sample']['salt']}:{no}".encode()).digest()  # noqa: S324 - a lottery, no secret
    return int.from_bytes(digest[8:], "little") % 10000 < node["sample"]["percent"] * 100


def attr_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    table, column = ATTRIBUTE_COLUMN[node["attr"]]
    row = next((r for r in getattr(shop, table) if r["customer_no"] == no), {})
    value = row.get(column)
    if value is None and node["attr"] in ZERO_WHEN_ABSENT:
        value = 0
    if node["attr"] == "tags":
        return tags_hold(node["op"], node.get("value"), value or [])
    if column == "age" and node.get("op") in {"gt", "gte", "lt", "lte", "between"}:
        value = float(value) if value is not None and value.isdigit() else None
    if value is None:
        wanted = node.get("missing") or ("match" if node.get("op") in NEGATIVE else "skip")
        return wanted == "match"
    if "during" in node:
        start, end = window(node["during"], shop)
        return (start is None or value >= start) and (end is None or value < end)
    return compares(node["op"], value, node.get("value"))


def compares(op: str, value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        value = value.lower()
        wanted = [w.lower() for w in wanted] if isinstance(wanted, list) else wanted and wanted.lower()
    table = {
        "is": lambda: value == wanted,
        "is_not": lambda: value != wanted,
        "in": lambda: value in wanted,
        "not_in": lambda: value not in wanted,
        "contains": lambda: wanted in value,
        "not_contains": lambda: wanted not in value,
        "starts": lambda: value.startswith(wanted),
        "ends": lambda: value.endswith(wanted),
        "between": lambda: wanted[0] <= value <= wanted[1],
        "set": lambda: True,
        "unset": lambda: False,
        "true": lambda: value is True,
        "false": lambda: value is False,
    }
    return bool(table[op]()) if op in table else bool(POSITIVE_ZERO[op](value, wanted))


def tags_hold(op: str, wanted: Any, tags: list[str]) -> bool:
    low = [tag.lower() for tag in tags]
    if op in {"set", "unset"}:
        return bool(low) == (op == "set")
    options = [w.lower() for w in (wanted if isinstance(wanted, list) else [wanted])]
    if op in {"contains", "not_contains"}:
        hit = any(options[0] in tag for tag in low)
    else:
        hit = any(option in low for option in options)
    return hit != (op in NEGATIVE)


def events(name: str, node: dict[str, Any], no: int, shop: Shop) -> list[Any]:
    start, end = window(node.get("during", {"ever": True}), shop)
    end = shop.as_of if end is None else min(end, shop.as_of)
    where = node.get("where", [])

    def inside(at: datetime) -> bool:
        return (start is None or at >= start) and at < end

    if name.startswith("email"):
        return [
            e for e in shop.events
            if e["customer_no"] == no and e["kind"] == name and inside(e["at"])
            and all(field_holds(f, e["bot"] if f["attr"] == "bot" else e["campaign_id"]) for f in where)
        ]  # fmt: skip
    mine = [o for o in shop.orders if o["customer_no"] == no]
    if name == "ordered":
        mine = [o for o in mine if o["counts"] and inside(o["processed_at"])]
    elif name == "refunded":
        mine = [
            o for o in mine
            if o["counts"] and o["refunded_minor"] > 0 and inside(o.get("refunded_at") or o["processed_at"])
        ]  # fmt: skip
    else:
        mine = [o for o in mine if o["cancelled_at"] and not o["test"] and inside(o["cancelled_at"])]
    by_line = any(f["attr"].startswith(("product.", "line.")) for f in where)
    if not by_line:
        return [o for o in mine if all(order_field_holds(f, o, None, shop) for f in where)]
    return [
        o for o in mine
        if any(
            line["counts"] and all(order_field_holds(f, o, line, shop) for f in where)
            for line in lines_of(o, shop)
        )
    ]  # fmt: skip


def lines_of(order: dict[str, Any], shop: Shop) -> list[dict[str, Any]]:
    return [line for line in shop.lines if line["order_id"] == order["order_id"]]


def order_field_holds(f: dict[str, Any], order: dict[str, Any], line: dict[str, Any] | None, shop: Shop) -> bool:
    name = f["attr"]
    if name.startswith("product."):
        product = next((p for p in shop.products if line and p["product_no"] == line["product_no"]), {})
        key = {"product.id": "product_id", "product.type": "product_type", "product.vendor": "vendor"}[name]
        value = product.get(key)
        return field_holds(f, str(value) if key == "product_id" and value is not None else value)
    if name.startswith("line."):
        return field_holds(
            f, line and line[{"line.quantity": "current_quantity", "line.price": "unit_price_minor"}[name]]
        )
    if name in {"order.net", "order.gross"}:
        of = [x for x in lines_of(order, shop) if not x["is_gift_card"]]
        column = "net_minor" if name == "order.net" else "total_minor"
        return field_holds(f, sum(x[column] for x in of) if of else None)
    if name == "order.discount_code":
        return tags_hold(f["op"], f.get("value"), order["discount_codes"])
    return field_holds(f, order[{"order.source": "source_name", "order.country": "country"}[name]])


def field_holds(f: dict[str, Any], value: Any) -> bool:
    return f["op"] in NEGATIVE if value is None else compares(f["op"], value, f.get("value"))


def measure_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    start, end = window(node.get("during", {"ever": True}), shop)
    end = shop.as_of if end is None else min(end, shop.as_of)
    what = node["of"].partition(".")[2]
    per_order, seen = [], set()
    for order in shop.orders:
        at = order["processed_at"]
        if order["customer_no"] != no or not order["counts"] or at >= end or (start is not None and at < start):
            continue
        kept = [
            line for line in lines_of(order, shop)
            if (line["counts"] if what in {"quantity", "product", "type"} else not line["is_gift_card"])
            and all(order_field_holds(f, order, line, shop) for f in node.get("where", []))
        ]  # fmt: skip
        if kept:
            column = {"net": "net_minor", "gross": "total_minor", "quantity": "current_quantity"}.get(what)
            per_order.append(sum(line[column] for line in kept) if column else 0)
            for line in kept:
                product = next((p for p in shop.products if p["product_no"] == line["product_no"]), {})
                seen.add(line["product_no"] if what == "product" else product.get("product_type"))
    function = node["measure"]
    if function == "distinct":
        value: float | None = len(seen - {None})
    elif function == "sum":
        value = sum(per_order)
    elif not per_order:
        value = None
    else:
        value = {"avg": sum(per_order) / len(per_order), "min": min(per_order), "max": max(per_order)}[function]
    if value is None:
        return bool(node["op"] == "ne")
    return bool(POSITIVE_ZERO[node["op"]](value, node["value"]))


def predict_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    what = node["predict"]
    row = next((r for r in shop.values if r["customer_no"] == no), {})
    if what == "next_order":
        start, end = window(node["during"], shop)
        at = row.get("next_order_at")
        return at is not None and (start is None or at >= start) and (end is None or at < end)
    if what in {"buy_again", "buy_new"}:
        kind = {"buy_again": "repurchase", "buy_new": "cross_sell"}[what]
        number = next((p["product_no"] for p in shop.products if str(p["product_id"]) == node.get("product")), None)
        about, key, pairs = number, "product_no", shop.pairs
        if "product_type" in node:
            about, key, pairs = node["product_type"], "product_type", shop.type_pairs
        value = next(
            (p["probability"] for p in pairs if p["customer_no"] == no and p[key] == about and p["kind"] == kind), None
        )
    elif what == "value":
        value = None if row.get("value_12m") is None else row["value_12m"] * 100
    else:
        chance = row.get(f"p_order_{node.get('horizon', '30d')}")
        value = None if chance is None else 1 - chance
    if value is None:
        return bool(node["op"] == "ne")
    return bool(POSITIVE_ZERO[node["op"]](value, node["value"]))


def window(raw: dict[str, Any], shop: Shop) -> tuple[datetime | None, datetime | None]:  # noqa: C901, PLR0911 - flat on purpose
    today = shop.as_of.astimezone(shop.zone).date()

    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=shop.zone).astimezone(UTC)

    def back(text: str) -> datetime:
        if text.endswith("h"):
            return shop.as_of - timedelta(hours=int(text[:-1]))
        if text.endswith("mo"):
            year, month = today.year, today.month - int(text[:-2])
            while month < 1:
                year, month = year - 1, month + 12
            day = today.day
            while True:
                try:
                    return midnight(date(year, month, day) + timedelta(days=1))
                except ValueError:
                    day -= 1
        days = int(text[:-1]) * (7 if text.endswith("w") else 1)
        return midnight(today - timedelta(days=days - 1))

    if "last" in raw:
        return back(raw["last"]), shop.as_of
    if "ago" in raw:
        return back(raw["ago"][0]), back(raw["ago"][1])
    if "next" in raw:
        return shop.as_of, midnight(today + timedelta(days=int(raw["next"][:-1])))
    if "from" in raw:
        return midnight(date.fromisoformat(raw["from"])), midnight(date.fromisoformat(raw["to"]))
    if "before" in raw:
        return None, midnight(date.fromisoformat(raw["before"]))
    if "since" in raw:
        return midnight(date.fromisoformat(raw["since"])), None
    if raw.get("calendar") == "last_month":
        first = today.replace(day=1)
        return midnight((first - timedelta(days=1)).replace(day=1)), midnight(first)
    return None, None
