"""What could be turned to flip a customer's membership: per family, its settings from the smallest change up.

A dial's settings stand where a condition of the rule could turn over, so that between two neighbours nothing
changes: the first setting that flips membership is the smallest of its family that does.

Nothing is claimed where that can't be told from one customer's rows: there is no dial for an address, a date in a
window of anniversaries or in a merchant's own field, or a segment's history; and none that could change a comparison
with other customers that the rule makes, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.changes import (
    OF_EVENTS,
    PROJECTED,
    Change,
    FewerOrders,
    MoreEvents,
    MoreOrders,
    SetConsent,
    SetMember,
    SetReachable,
    SetValue,
    Spend,
    can_set,
    concerns,
)
from app.domain.rules.compile import When, like_line_query, like_query
from app.domain.rules.compile_customers import dated
from app.domain.rules.explain import why_fixed
from app.domain.rules.own_values import consent_state, measured, moments, value_of
from app.domain.rules.tree import (
    EVER,
    Attr,
    Consent,
    Did,
    Filter,
    Leaf,
    Life,
    Measure,
    Member,
    OrderOf,
    Rank,
    Reachable,
    Recent,
    Rule,
    every_leaf,
    leaves,
)
from app.domain.rules.windows import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.rules.alone import Alone

LIKE = 2  # orders or lines of the shop tried as the model of one more
MOST_ORDERS = 1_000  # more would be no change that happens
ONE_BY_ONE = 5  # so many more orders are looked at each; beyond, only where a condition can turn over
ANOTHER = "(another)"
DIGITS = 10
ORDERED = Did("ordered", (), "gte", 1, EVER)
ORDER_VALUES = frozenset({"order.net", "order.gross", "line.price"})


@dataclass(frozen=True)
class Dial:
    """One family at one place of the rule: its settings, and which leaves it is about (all, if None)."""

    leaf: Leaf | None
    settings: tuple[Change, ...]
    between: bool = False  # whether what lies between two settings is possible, too


def dials(rule: Rule, alone: Alone) -> list[Dial]:
    """All dials of a rule for one customer, in the order of the rule."""
    found = [leaf for _, leaf in leaves(rule.match)]
    made = [*_value_dials(found, alone), *_answer_dials(found, alone)]
    if _orders_can_be_told(found):
        made += [*_order_dials(found, alone), *_amount_dials(found, alone)]
        if not any(isinstance(leaf, Attr | Rank) and _owner(leaf) == "features" for _, leaf in every_leaf(rule.match)):
            made += _fewer_dials(found, alone)
    compared = [leaf for leaf in found if isinstance(leaf, Rank)]
    return [
        dial
        for dial in made
        if dial.settings and not any(concerns(change, leaf) for leaf in compared for change in dial.settings)
    ]


def _orders_can_be_told(found: list[Leaf]) -> bool:
    """Whether all figures of the rule that an order changes can be brought up to it."""
    return all(_owner(leaf) != "features" or leaf.attr in PROJECTED for leaf in found if isinstance(leaf, Attr))


def _owner(leaf: Attr | Rank) -> str:
    known = names.attribute(leaf.attr)
    return known.owner if known else ""


def _value_dials(found: list[Leaf], alone: Alone) -> Iterator[Dial]:
    by_name: dict[str, list[Attr]] = {}
    for leaf in found:
        known = names.attribute(leaf.attr) if isinstance(leaf, Attr) else None
        if isinstance(leaf, Attr) and known is not None and why_fixed(leaf) is None and can_set(known):
            by_name.setdefault(leaf.attr, []).append(leaf)
    for name, about in by_name.items():
        known = names.ATTRIBUTES.get(name) or names.attribute(name)
        if known is None or any(dated(leaf) for leaf in about):
            continue
        now = value_of(known, alone)
        values = [value for value in _values(known, about, now, alone) if value != now]
        values.sort(key=lambda value: _distance(value, now))
        settings = tuple(SetValue(name, tuple(v) if isinstance(v, list) else v) for v in values)
        yield Dial(about[0], settings)


def _values(known: names.Attribute, about: list[Attr], now: Any, alone: Alone) -> list[Any]:
    """Values at which one of the leaves can turn over."""
    if known.type == "list":
        return _lists(about, list(now or []))
    values: set[Any] = {None} if known.absent is None else set()
    for leaf in about:
        if leaf.during is not None:
            bounds = span(leaf.during, alone.world.as_of, alone.world.zone, future=True)
            for edge in (bounds.start, bounds.end):
                values |= {edge, edge - datetime.resolution} if edge is not None else set()
        elif known.type == "date":
            values.add(alone.world.as_of)
        elif known.type == "boolean":
            values |= {True, False}
        elif known.type == "text":
            values |= _texts(leaf)
        else:
            step = _step(known, alone)
            for number in _numbers(leaf):
                values |= {_fitted(number + by, step) for by in (-step, 0, step)}
            values |= {0} if leaf.op in {"set", "unset"} else set()
    return list(values)


def _texts(leaf: Attr) -> set[Any]:
    given = leaf.value if isinstance(leaf.value, tuple) else () if leaf.value is None else (leaf.value,)
    if leaf.op in {"gt", "gte", "lt", "lte", "between"}:  # a merchant's own field, read as a number
        near = {number + by for number in given if isinstance(number, int | float) for by in (-1, 0, 1)}
        return {f"{number:.10g}" for number in near}
    return {str(value) for value in given} | {ANOTHER}


def _lists(about: list[Attr], now: list[str]) -> list[list[str]]:
    """The customer's texts with one that the rule names, without those that the rule means, or with another."""
    made: list[list[str]] = []
    for leaf in about:
        given = leaf.value if isinstance(leaf.value, tuple) else () if leaf.value is None else (leaf.value,)
        wanted = [str(value).lower() for value in given]
        made += [[*now, str(value)] for value in given]
        if leaf.op in {"contains", "not_contains"}:
            made.append([text for text in now if not any(part in text.lower() for part in wanted)])
        else:
            made.append([text for text in now if text.lower() not in wanted])
        made += [[], [*now, ANOTHER]] if leaf.op in {"set", "unset"} else []
    return made


def _numbers(leaf: Attr) -> list[float]:
    given = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    return [value for value in given if isinstance(value, int | float)]


def _step(known: names.Attribute, alone: Alone) -> float:
    if known.type == "money" or "INT" in alone.columns.get(known.owner, {}).get(known.column, ""):
        return 1
    return 0.001 if known.type == "share" else 0.01


def _fitted(number: float, step: float) -> float | int:
    if step == 1:
        return math.floor(number) if number >= 0 else math.ceil(number)
    return round(number, DIGITS)


def _distance(value: Any, now: Any) -> tuple[float, str]:
    if isinstance(value, list):
        return len(set(value) ^ set(now or [])), str(value)
    if value is None:
        return math.inf, ""
    if value == ANOTHER:
        return 2, ""
    if isinstance(value, datetime):
        return (abs((value - now).total_seconds()) if isinstance(now, datetime) else 0, str(value))
    number, mine = _as_number(value), _as_number(now)
    if number is None:
        return 1, str(value)
    return abs(number - (mine or 0)), str(value)


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _answer_dials(found: list[Leaf], alone: Alone) -> Iterator[Dial]:
    done: set[Any] = {leaf.segment for leaf in found if isinstance(leaf, Member) and leaf.moved is not None}
    for leaf in found:
        if isinstance(leaf, Consent) and leaf.channel not in done:
            done.add(leaf.channel)
            now = consent_state(alone, leaf.channel)
            states = [state for state in ("yes", "no", "pending") if state != now]
            yield Dial(leaf, tuple(SetConsent(leaf.channel, state) for state in states))  # type: ignore[arg-type]
        elif isinstance(leaf, Reachable) and Reachable not in done:
            done.add(Reachable)
            allows = SetConsent("email", "yes")
            reached: Change = allows if alone.mailable else SetReachable(reachable=True)
            yield Dial(leaf, (SetConsent("email", "no") if alone.holds(leaf) else reached,))
        elif isinstance(leaf, Member) and leaf.segment not in done:
            done.add(leaf.segment)
            yield Dial(leaf, (SetMember(leaf.segment, not alone.holds(leaf)),))


def _order_dials(found: list[Leaf], alone: Alone) -> Iterator[Dial]:
    """One more of what each condition counts; and one more order of any kind, which other conditions look at."""
    world = alone.whole
    counts = _counts(found, alone)
    for such, about in _sought(found).items():
        query = like_query(such, When(world.as_of, world.zone, world.unit), LIKE)
        rows = world.connection.execute(query.sql, query.values).fetchall()
        alone.keep([int(row[0]) for row in rows if len(row) == 1])
        for row in rows:
            if len(row) == 1:
                yield Dial(about, tuple(MoreOrders(n, int(row[0])) for n in counts), between=True)
            else:
                yield Dial(about, tuple(MoreEvents(n, such.event, row[0], row[1]) for n in counts), between=True)


def _sought(found: list[Leaf]) -> dict[Did, Leaf | None]:
    """What could happen once more, and the condition that it is about."""
    sought: dict[Did, Leaf | None] = {}
    for leaf in found:
        if isinstance(leaf, Attr):
            if leaf.attr in PROJECTED:
                sought.setdefault(ORDERED, leaf)
        elif isinstance(leaf, Measure):
            sought.setdefault(ORDERED, leaf)
        elif isinstance(leaf, Did):
            sought.setdefault(_such(leaf), leaf)
        elif isinstance(leaf, OF_EVENTS):
            for such in _parts(leaf):
                sought.setdefault(such, such)
            sought.setdefault(ORDERED, None)
    return sought


def _such(leaf: Did) -> Did:
    return Did(leaf.event, leaf.where, "gte", 1, EVER)


def _parts(leaf: Leaf) -> list[Did]:
    """What a leaf that looks at how events follow each other looks at."""
    match leaf:
        case OrderOf():
            return [_such(leaf.first), _such(leaf.then)]
        case Recent():
            return [Did(leaf.event, where, "gte", 1, EVER) for where in (leaf.where + leaf.has, leaf.where)]
        case Life():
            return [Did(leaf.event, (), "gte", 1, EVER)]
        case _:
            return []


def _counts(found: list[Leaf], alone: Alone) -> list[int]:
    """How many more are looked at: each of the first few, then where a count can turn over."""
    counts = set(range(1, ONE_BY_ONE + 1))
    for leaf in found:
        lacking: list[float] = []
        if isinstance(leaf, Did):
            lacking = [leaf.n - len(moments(leaf, alone))]
        elif isinstance(leaf, OrderOf):
            lacking = [leaf.first.n - len(moments(leaf.first, alone)), leaf.then.n, leaf.then.n + 1]
        elif isinstance(leaf, Attr) and leaf.attr in {"orders.count", "orders.365d"}:
            known = names.ATTRIBUTES[leaf.attr]
            lacking = [number - (value_of(known, alone) or 0) for number in _numbers(leaf)]
        counts |= {math.floor(n) + by for n in lacking for by in (0, 1)}
    return sorted(n for n in counts if 1 <= n <= MOST_ORDERS)


def _amount_dials(found: list[Leaf], alone: Alone) -> Iterator[Dial]:
    """One more order worth so much, like a line that a condition measures."""
    sought: dict[tuple[Any, ...], tuple[Measure, Leaf]] = {}
    for leaf in found:
        if isinstance(leaf, Measure) and names.MEASURES[f"{leaf.event}.{leaf.field}"].type == "money":
            if leaf.field != "discount":
                sought.setdefault(leaf.where, (leaf, leaf))
        elif isinstance(leaf, Attr) and leaf.attr.startswith("spend."):
            sought.setdefault((), (Measure("sum", "ordered", "net", (), EVER, "gte", 0), leaf))
    if not sought:
        return
    amounts = _amounts(found, alone)
    world = alone.whole
    for such, leaf in sought.values():
        query = like_line_query(such, When(world.as_of, world.zone, world.unit), LIKE)
        rows = world.connection.execute(query.sql, query.values).fetchall()
        alone.keep([int(order_id) for order_id, _ in rows])
        for order_id, line_id in rows:
            yield Dial(leaf, tuple(Spend(amount, order_id, line_id) for amount in amounts), between=True)


def _amounts(found: list[Leaf], alone: Alone) -> list[int]:
    """Amounts of one more order at which a condition can turn over."""
    edges: set[float] = set()
    orders = value_of(names.ATTRIBUTES["orders.count"], alone) or 0
    for leaf in found:
        for item in filters(leaf):
            if item.attr in ORDER_VALUES:
                given = item.value if isinstance(item.value, tuple) else (item.value,)
                edges |= {value for value in given if isinstance(value, int | float)}
        if isinstance(leaf, Measure) and names.MEASURES[f"{leaf.event}.{leaf.field}"].type == "money":
            now = measured(leaf, alone) or 0.0
            edges |= {leaf.value, leaf.value - now, 2 * leaf.value - now}
        elif isinstance(leaf, Attr) and leaf.attr.startswith(("spend.", "order.average")):
            known = names.ATTRIBUTES[leaf.attr]
            now, times = (value_of(known, alone) or 0), 1
            if leaf.attr == "order.average":
                now, times = (value_of(names.ATTRIBUTES["spend.net"], alone) or 0), orders + 1
            edges |= {number * times - now for number in _numbers(leaf)}
    amounts = {math.floor(edge) + by for edge in edges for by in (-1, 0, 1, 2)}
    return sorted(amount for amount in amounts if amount > 0)


def filters(leaf: Leaf) -> tuple[Filter, ...]:
    """What a leaf asks of the events that it looks at."""
    match leaf:
        case Did() | Measure():
            return leaf.where
        case OrderOf():
            return leaf.first.where + leaf.then.where
        case Recent():
            return leaf.where + leaf.has
        case _:
            return ()


def _fewer_dials(found: list[Leaf], alone: Alone) -> Iterator[Dial]:
    world = alone.world
    for leaf in found:
        if isinstance(leaf, Did) and names.EVENTS[leaf.event].source == "orders":
            query = like_query(leaf, When(world.as_of, world.zone, world.unit), MOST_ORDERS, leaf.during)
            rows = alone.connection.execute(query.sql, query.values).fetchall()
            orders = tuple(int(order_id) for (order_id,) in rows)
            yield Dial(leaf, tuple(FewerOrders(n, orders) for n in range(1, len(orders) + 1)))
