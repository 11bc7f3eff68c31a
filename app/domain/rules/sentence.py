"""Rule → plain English. The one generator: lists, details, builder and printed thresholds use it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from app.domain.money import exponent
from app.domain.rules import names
from app.domain.rules.tree import (
    WITH_AN_ORDER,
    Attr,
    Consent,
    Did,
    Duration,
    Filter,
    Group,
    Life,
    Measure,
    Member,
    Near,
    OrderOf,
    Predict,
    Rank,
    Reachable,
    Recent,
    Sample,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.rules.tree import Leaf, Node, Rule, Scalar, Value, Window

UNITS = {"h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "AUD": "A$", "JPY": "¥"}
LISTED = 3  # longer lists are cut: the sentence is for reading, the rule is for looking up
COUNT_WORDS = {
    "gte": "at least {n} {times}",
    "gt": "more than {n} {times}",
    "lte": "at most {n} {times}",
    "lt": "fewer than {n} {times}",
    "eq": "exactly {n} {times}",
    "ne": "any number of times but {n}",
}
FUNCTION_WORDS = {
    "sum": "total {of}",
    "avg": "average {of} per order",
    "min": "smallest {of} per order",
    "max": "largest {of} per order",
    "distinct": "number of different {of}",
}
PREDICTION_WORDS = {
    "buy_again": "chance to buy {product} again within 30 days",
    "buy_new": "chance to buy {product} for the first time within 30 days",
    "value": "expected spend in the next 12 months",
    "lapse": "chance to place no order in the next {days} days",
}


@dataclass(frozen=True)
class Wording:
    """What a sentence needs to know of the shop.

    product: title of a product by Shopify id, or None if there is none.
    segment: name of a segment by the reference in a rule, or None.
    """

    currency: str
    product: Callable[[str], str | None]
    segment: Callable[[str], str | None]


def sentence(rule: Rule, wording: Wording) -> str:
    """The whole rule as one sentence."""
    text = _node(rule.match, wording, top=True)
    return f"Customers {text}."


def leaf_sentence(leaf: Leaf, wording: Wording, boundary: tuple[float, float] | None = None) -> str:
    """One condition, capitalised, without a full stop; of a rank with the values that it came to mean."""
    text = _leaf(leaf, wording)
    if isinstance(leaf, Rank) and boundary is not None:
        text += f" ({_boundary(leaf, boundary, wording)})"
    return text[:1].upper() + text[1:]


def money(minor: float, currency: str) -> str:
    """An amount as printed: $1,250.50; without the cents where they are zero."""
    digits = exponent(currency)
    amount = minor / 10**digits
    text = f"{abs(amount):,.0f}" if float(amount).is_integer() else f"{abs(amount):,.{digits}f}"
    sign = "-" if amount < 0 else ""
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{text} {currency}"


def _node(node: Node, wording: Wording, *, top: bool = False) -> str:
    if not isinstance(node, Group):
        return f"whose {_leaf(node, wording)}" if top and _takes_whose(node) else _who(node, wording)
    if node.kind == "none":
        inner = [_inner(child, wording) for child in node.nodes]
        return "for whom none of this holds: " + "; ".join(inner) if len(inner) > 1 else f"not: {inner[0]}"
    parts = [_inner(child, wording) for child in node.nodes]
    if len(parts) == 1:
        return parts[0]
    return f" {'and' if node.kind == 'all' else 'or'} ".join(parts)


def _inner(child: Node, wording: Wording) -> str:
    text = _node(child, wording)
    return f"({text})" if isinstance(child, Group) and len(child.nodes) > 1 else text


def _takes_whose(leaf: Leaf) -> bool:
    return isinstance(leaf, Attr | Measure | Predict | Rank)


def _who(leaf: Leaf, wording: Wording) -> str:
    text = _leaf(leaf, wording)
    return f"whose {text}" if _takes_whose(leaf) else f"who {text}"


def _leaf(leaf: Leaf, wording: Wording) -> str:  # noqa: C901, PLR0911, PLR0912 - one line per kind of leaf
    match leaf:
        case Attr():
            return _attr(leaf, wording)
        case Did():
            return _did(leaf, wording)
        case Measure():
            return _measure(leaf, wording)
        case OrderOf():
            first, then = _did(leaf.first, wording), _did(leaf.then, wording)
            return f"{first} and, within {_counted(leaf.within)} after that, {then}"
        case Recent():
            where = _where(leaf.where, wording)
            last = f"last {names.EVENTS[leaf.event].past}{' ' + where if where else ''}"
            return f"{last} such that {_filters(leaf.has, wording)}"
        case Life():
            return _life(leaf)
        case Predict():
            return _predict(leaf, wording)
        case Member():
            return _member(leaf, wording)
        case Consent():
            state = {"yes": "allow", "no": "do not allow", "pending": "have not yet confirmed"}[leaf.state]
            return f"{state} {'e-mail' if leaf.channel == 'email' else 'text messages'}"
        case Reachable():
            return "can be reached by e-mail"
        case Near():
            return f"have an address within {leaf.km:g} km of {_degrees(leaf.lat, 'NS')}, {_degrees(leaf.lon, 'EW')}"
        case Rank():
            return _rank(leaf, wording)
        case Sample():
            return f"fall into the random {leaf.percent:g}% named {_quoted(leaf.salt)}"


def _attr(leaf: Attr, wording: Wording) -> str:
    known = names.attribute(leaf.attr)
    if known is None:  # the parser refuses unknown names
        raise ValueError(leaf.attr)
    if leaf.during is not None and leaf.during.kind == "anniversary":
        text = f"{known.words} has its anniversary {_window(leaf.during)}"
    elif leaf.during is not None:
        text = f"{known.words} lies {_window(leaf.during)}"
    else:
        text = f"{known.words} {_comparison(leaf.op or 'set', leaf.value, known.type, wording)}"
    if leaf.missing == "match":
        text += " or is not known"
    elif leaf.missing == "skip" and leaf.op in {"is_not", "not_in", "not_contains"}:
        text += " and is known"
    return text


def _did(leaf: Did, wording: Wording) -> str:
    event = names.EVENTS[leaf.event]
    times = "once" if leaf.n == 1 and leaf.op == "eq" else ""
    if leaf.op in {"eq", "lte"} and leaf.n == 0:
        count = "never "
    elif leaf.op == "gte" and leaf.n == 1:
        count = ""
    else:
        count = ""
        template = COUNT_WORDS[leaf.op]
        times = times or template.format(n=f"{leaf.n:,}", times="time" if leaf.n == 1 else "times")
    where = _where(leaf.where, wording)
    tail = " ".join(part for part in (where, times, _window(leaf.during)) if part)
    return f"{count}{event.past}{' ' + tail if tail else ''}"


def _measure(leaf: Measure, wording: Wording) -> str:
    measured = names.MEASURES[f"{leaf.event}.{leaf.field}"]
    what = FUNCTION_WORDS[leaf.function].format(of=measured.label)
    tail = " ".join(part for part in (_where(leaf.where, wording), _window(leaf.during)) if part)
    return f"{what}{' ' + tail if tail else ''} {_comparison(leaf.op, leaf.value, measured.type, wording)}"


def _life(leaf: Life) -> str:
    past, during, gap = names.EVENTS[leaf.event].past, _window(leaf.during), leaf.gap
    tail = f" {during}" if during else ""
    match leaf.life:
        case "first_time":
            return f"{past} for the first time{tail}"
        case "stopped":
            return f"{past}{tail}, but not in the last {_duration(gap)}"
        case "returned":
            return f"{past} again{tail} after more than {_counted(gap)} without"
        case "regular":
            return f"{past}{tail} at least {names.REGULAR_LEAST} times, never more than {_counted(gap)} apart"


def _member(leaf: Member, wording: Wording) -> str:
    name = _quoted(wording.segment(leaf.segment) or leaf.segment)
    if leaf.moved is None or leaf.during is None:
        return f"are in segment {name}"
    return " ".join(part for part in (names.MOVES[leaf.moved], "segment", name, _window(leaf.during)) if part)


def _rank(leaf: Rank, wording: Wording) -> str:
    words = names.ATTRIBUTES[leaf.attr].words
    among = "customers with an order"
    if leaf.among != WITH_AN_ORDER:
        among = f"customers {_inner(leaf.among, wording)}"
    if leaf.top_percent is not None:
        return f"{words} is in the top {leaf.top_percent:g}% of {among}"
    fifths = " or ".join(str(fifth) for fifth in leaf.quintile)
    return f"{words} is in fifth {fifths} (5 is the highest) of {among}"


def _boundary(leaf: Rank, boundary: tuple[float, float], wording: Wording) -> str:
    kind = names.ATTRIBUTES[leaf.attr].type
    low, high = (_scalar(int(value) if value.is_integer() else value, kind, wording) for value in boundary)
    if leaf.top_percent is not None or leaf.quintile[-1] == names.FIFTHS:
        return f"{low} or more"
    return f"{low} to {high}"


def _degrees(value: float, letters: str) -> str:
    return f"{abs(value):g}° {letters[value < 0]}"


def _predict(leaf: Predict, wording: Wording) -> str:
    if leaf.during is not None:
        return f"next order is expected {_window(leaf.during)}"
    product = _product(leaf.product, wording) if leaf.product else ""
    if leaf.product_type is not None:
        product = f"anything of type {_quoted(leaf.product_type)}"
    days = (leaf.horizon or "").rstrip("d")
    words = PREDICTION_WORDS[leaf.what].format(product=product, days=days)
    kind = "money" if leaf.what == "value" else "share"
    return f"{words} {_comparison(leaf.op or 'gte', leaf.value, kind, wording)}"


def _where(filters: tuple[Filter, ...], wording: Wording) -> str:
    if not filters:
        return ""
    return f"({_filters(filters, wording)})"


def _filters(filters: tuple[Filter, ...], wording: Wording) -> str:
    return " and ".join(_filter(item, wording) for item in filters)


def _filter(item: Filter, wording: Wording) -> str:
    field = names.FIELDS[item.attr]
    label = field.label[:1].lower() + field.label[1:]
    return f"{label} {_comparison(item.op, item.value, field.type, wording)}"


def _comparison(op: str, value: Value, kind: str, wording: Wording) -> str:
    words = names.OPERATOR_WORDS[op]
    if value is None:
        return words
    if op == "between" and isinstance(value, tuple):
        return f"{words} {_scalar(value[0], kind, wording)} and {_scalar(value[1], kind, wording)}"
    if isinstance(value, tuple):
        shown = ", ".join(_scalar(item, kind, wording) for item in value[:LISTED])
        more = len(value) - LISTED
        return f"{words} {shown}{f' and {more:,} more' if more > 0 else ''}"
    return f"{words} {_scalar(value, kind, wording)}"


def _scalar(value: Scalar, kind: str, wording: Wording) -> str:
    if kind == "product":
        return _product(str(value), wording)
    if isinstance(value, str):
        return _quoted(value)
    if kind == "money":
        return money(value, wording.currency)
    if kind == "share":
        return f"{value * 100:.4g}%"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _product(product_id: str, wording: Wording) -> str:
    title = wording.product(product_id)
    return _quoted(title) if title else f"product {product_id}"


def _window(window: Window) -> str:  # noqa: PLR0911 - one line per kind of window
    match window.kind:
        case "last":
            return f"in the last {_duration(window.span)}"
        case "next":
            return f"in the next {_duration(window.span)}"
        case "ago":
            return f"between {_counted(window.span)} and {_counted(window.until)} ago"
        case "between":
            return f"from {_day(window.start)} up to, not including, {_day(window.end)}"
        case "before":
            return f"before {_day(window.end)}"
        case "since":
            return f"since {_day(window.start)}"
        case "calendar":
            return (window.period or "").replace("_", " ")
        case "anniversary":
            return f"in the next {_duration(window.span)}"
        case "ever":
            return ""


def _duration(duration: Duration | None) -> str:
    if duration is None:
        return ""
    return UNITS[duration.unit] if duration.n == 1 else _counted(duration)


def _counted(duration: Duration | None) -> str:
    if duration is None:
        return ""
    return f"{duration.n:,} {UNITS[duration.unit]}{'' if duration.n == 1 else 's'}"


def _day(text: str | None) -> str:
    if text is None:
        return ""
    if len(text) == len("2026-01-31"):
        return _date(date.fromisoformat(text))
    parsed = datetime.fromisoformat(text)
    zone = f" {parsed.tzname()}" if parsed.tzinfo else ""
    return f"{_date(parsed)}, {parsed:%H:%M}{zone}"


def _date(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _quoted(text: Any) -> str:
    return f"“{text}”"
