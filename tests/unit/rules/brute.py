"""An evaluator that knows nothing of the compiler: plain Python over lists of dictionaries, from the raw JSON."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.unit.rules import brute_time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

POSITIVE_ZERO = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "gt": lambda a, b: a > b,
                 "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}  # fmt: skip
ATTRIBUTE_COLUMN = {
    "country": ("customers", "country"),
    "city": ("customers", "city"),
    "tags": ("customers", "tags"),
    "created": ("customers", "created_at"),
    "has_account": ("customers", "has_account"),
    "rfm_group": ("customers", "rfm_group"),
    "gender": ("demographics", "gender"),
    "metafield.custom.age": ("customers", "age"),
    "metafield.facts.birth_date": ("customers", "birth_date"),
    "orders.count": ("features", "orders"),
    "spend.net": ("features", "net_minor"),
    "order.average": ("features", "average_order_minor"),
    "order.last": ("features", "last_order_at"),
    "gap.ratio": ("features", "gap_ratio"),
    "types.favourite": ("features", "favourite_type"),
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
    demographics: list[dict[str, Any]] = field(default_factory=list)
    history: dict[str, list[tuple[datetime, set[int], set[int]]]] = field(default_factory=dict)


def members(rule: dict[str, Any], shop: Shop) -> set[int]:
    return {no for no in shop.universe if holds(rule["match"], no, shop)}


def holds(node: dict[str, Any], no: int, shop: Shop) -> bool:  # noqa: C901, PLR0911, PLR0912 - flat on purpose
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
    if "first" in node:
        return sequence_holds(node, no, shop)
    if "latest" in node:
        return latest_holds(node, no, shop)
    if "life" in node:
        return life_holds(node, no, shop)
    if "rank" in node:
        return rank_holds(node, no, shop)
    if "near" in node:
        return near_holds(node["near"], no, shop)
    if "moved" in node:
        return moved_holds(node, no, shop)
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


def attr_value(table: str, column: str, no: int, shop: Shop) -> Any:
    return next((r for r in getattr(shop, table) if r["customer_no"] == no), {}).get(column)


def attr_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    table, column = ATTRIBUTE_COLUMN[node["attr"]]
    value = attr_value(table, column, no, shop)
    if value is None and node["attr"] in ZERO_WHEN_ABSENT:
        value = 0
    if node["attr"] == "tags":
        return tags_hold(node["op"], node.get("value"), value or [])
    if "during" in node and node["attr"].startswith("metafield."):
        value = text_date(value)
    if node["attr"].startswith("metafield.") and node.get("op") in {"gt", "gte", "lt", "lte", "between"}:
        value = text_number(value)
    if value is None:
        wanted = node.get("missing") or ("match" if node.get("op") in NEGATIVE else "skip")
        return wanted == "match"
    if "during" in node:
        day = value if type(value) is date else value.astimezone(shop.zone).date()
        if "anniversary" in node["during"]:
            return brute_time.returns(day, node["during"]["anniversary"]["next"], shop.as_of, shop.zone)
        at = brute_time.midnight(value, shop.zone) if type(value) is date else value
        return brute_time.inside(at, window(node["during"], shop))
    return compares(node["op"], value, node.get("value"))


def text_number(text: str | None) -> float | None:
    """A finite number; anything else is none."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def text_date(text: str | None) -> date | datetime | None:
    """A day, or an instant that is UTC unless it says otherwise; anything else is no date."""
    if text is None or not re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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
    """The matching events by `as_of` that lie in the node's window, each with its instant as `when`."""
    start, end = window(node.get("during", {"ever": True}), shop)
    end = shop.as_of if end is None else min(end, shop.as_of)
    return [
        e for e in of_customer(name, no, shop)
        if brute_time.inside(e["when"], (start, end)) and picks(name, node.get("where", []), e, shop)
    ]  # fmt: skip


def of_customer(name: str, no: int, shop: Shop) -> list[dict[str, Any]]:
    if name.startswith("email"):
        return [{**e, "when": e["at"]} for e in shop.events if e["customer_no"] == no and e["kind"] == name]
    mine = [o for o in shop.orders if o["customer_no"] == no]
    if name == "ordered":
        return [{**o, "when": o["processed_at"]} for o in mine if o["counts"]]
    if name == "refunded":
        return [
            {**o, "when": o.get("refunded_at") or o["processed_at"]}
            for o in mine if o["counts"] and o["refunded_minor"] > 0
        ]  # fmt: skip
    return [{**o, "when": o["cancelled_at"]} for o in mine if o["cancelled_at"] and not o["test"]]


def picks(name: str, where: list[dict[str, Any]], event: dict[str, Any], shop: Shop) -> bool:
    if name.startswith("email"):
        return all(field_holds(f, event["bot"] if f["attr"] == "bot" else event["campaign_id"]) for f in where)
    if not any(f["attr"].startswith(("product.", "line.")) for f in where):
        return all(order_field_holds(f, event, None, shop) for f in where)
    return any(
        line["counts"] and all(order_field_holds(f, event, line, shop) for f in where)
        for line in lines_of(event, shop)
    )  # fmt: skip


def age_order(event: dict[str, Any]) -> tuple[Any, ...]:
    """Older first; at one instant the lower order or message number first."""
    tie = event["order_id"] if "order_id" in event else event["message_id"]
    return event["when"], tie


def sequence_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    first, then = node["first"], node["then"]
    begins = sorted(events(first["did"], first, no, shop), key=age_order)
    wanted = first.get("count", {"op": "gte", "n": 1})
    later = [e["when"] for e in events(then["did"], then, no, shop)]
    for number, begin in enumerate(begins, start=1):
        if POSITIVE_ZERO[wanted["op"]](number, wanted["n"]) and settled(node, begin["when"], later, shop):
            return True
    return False


def settled(node: dict[str, Any], begin: datetime, later: list[datetime], shop: Shop) -> bool:
    """True now, and true however many more events follow before the sequence ends (tried: up to ten)."""
    count = node["then"].get("count", {"op": "gte", "n": 1})
    ends = brute_time.gone(begin, node["within"], shop.zone)
    seen = sum(begin < at < ends for at in later)
    more = 1 if shop.as_of >= ends else 11
    return all(POSITIVE_ZERO[count["op"]](seen + extra, count["n"]) for extra in range(more))


def latest_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    found = sorted(events(node["latest"], {"where": node.get("where", [])}, no, shop), key=age_order)
    return bool(found) and picks(node["latest"], node["has"], found[-1], shop)


def life_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    everything = sorted(e["when"] for e in events(node["event"], {}, no, shop))
    chosen = sorted(e["when"] for e in events(node["event"], {"during": node.get("during", {"ever": True})}, no, shop))
    if not chosen:
        return False
    if node["life"] == "first_time":
        return everything[0] in chosen

    def far(before: datetime, after: datetime) -> bool:
        return after >= brute_time.gone(before, node["gap"], shop.zone)

    if node["life"] == "stopped":
        return far(everything[-1], shop.as_of)
    if node["life"] == "returned":
        return any(after in chosen and far(before, after) for before, after in pairwise(everything))
    return len(chosen) >= 3 and not any(far(before, after) for before, after in pairwise(chosen))


def rank_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    among = node.get("among", {"did": "ordered"})
    ranked = {
        other: value for other in shop.universe
        if holds(among, other, shop) and (value := number_of(node["rank"], other, shop)) is not None
    }  # fmt: skip
    if no not in ranked:
        return False
    place = 1 + sum(value > ranked[no] for value in ranked.values())
    if "top_percent" in node:
        return place <= math.ceil(len(ranked) * Fraction(str(node["top_percent"])) / 100)
    fifth = next(f for f in (5, 4, 3, 2, 1) if place <= math.ceil(Fraction(len(ranked) * (6 - f), 5)))
    return fifth in node["quintile"]


def number_of(name: str, no: int, shop: Shop) -> Any:
    table, column = ATTRIBUTE_COLUMN[name]
    value = attr_value(table, column, no, shop)
    return 0 if value is None and name in ZERO_WHEN_ABSENT else value


def near_holds(near: dict[str, Any], no: int, shop: Shop) -> bool:
    """By the angle between two vectors from the middle of the earth."""

    def vector(lat: float, lon: float) -> tuple[float, float, float]:
        a, b = math.radians(lat), math.radians(lon)
        return math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)

    lat, lon = attr_value("customers", "latitude", no, shop), attr_value("customers", "longitude", no, shop)
    if lat is None or lon is None:
        return False
    one, other = vector(lat, lon), vector(near["lat"], near["lon"])
    angle = 2 * math.asin(min(1, math.dist(one, other) / 2))
    return angle * 6371.0088 <= near["km"]


def moved_holds(node: dict[str, Any], no: int, shop: Shop) -> bool:
    start, end = window(node.get("during", {"ever": True}), shop)
    bounds = (start, shop.as_of if end is None else min(end, shop.as_of))
    changes = shop.history[node["in"]]
    if node["moved"] == "left":
        return any(no in left and brute_time.inside(at, bounds) for at, _, left in changes)
    if node["moved"] == "entered":
        return any(no in entered and brute_time.inside(at, bounds) for at, entered, _ in changes[1:])
    came: datetime | None = None
    stays: list[tuple[datetime, datetime | None]] = []
    for at, entered, left in changes:
        if no in left and came is not None:
            stays.append((came, at))
            came = None
        if no in entered:
            came = at
    if came is not None:
        stays.append((came, None))
    low, high = bounds
    if low is not None and low >= high:
        return False
    return any(a < high and (low is None or b is None or b > low) for a, b in stays)


def lines_of(order: dict[str, Any], shop: Shop) -> list[dict[str, Any]]:
    return [line for line in shop.lines if line["order_id"] == order["order_id"]]


def order_field_holds(f: dict[str, Any], order: dict[str, Any], line: dict[str, Any] | None, shop: Shop) -> bool:
    name = f["attr"]
    if name.startswith("product."):
        product = next((p for p in shop.products if line and p["product_no"] == line["product_no"]), {})
        if name == "product.tag":
            return tags_hold(f["op"], f.get("value"), product.get("tags") or [])
        key = {
            "product.id": "product_id",
            "product.type": "product_type",
            "product.vendor": "vendor",
            "product.title": "title",
        }[name]
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
    if name in {"order.discount_code", "order.tag"}:
        column = "discount_codes" if name == "order.discount_code" else "tags"
        return tags_hold(f["op"], f.get("value"), order[column])
    columns = {"order.source": "source_name", "order.country": "country", "order.discount": "discounts_minor"}
    return field_holds(f, order[columns[name]])


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
            if (line["counts"] if what in {"quantity", "product", "type", "vendor"} else not line["is_gift_card"])
            and all(order_field_holds(f, order, line, shop) for f in node.get("where", []))
        ]  # fmt: skip
        if kept:
            column = {
                "net": "net_minor",
                "gross": "total_minor",
                "quantity": "current_quantity",
                "discount": "discount_minor",
            }.get(what)
            per_order.append(sum(line[column] for line in kept) if column else 0)
            for line in kept:
                product = next((p for p in shop.products if p["product_no"] == line["product_no"]), {})
                seen.add(
                    line["product_no"]
                    if what == "product"
                    else product.get("vendor" if what == "vendor" else "product_type")
                )
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


def window(raw: dict[str, Any], shop: Shop) -> brute_time.Bounds:
    return brute_time.window(raw, shop.as_of, shop.zone)
