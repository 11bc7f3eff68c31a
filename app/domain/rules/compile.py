"""Leaf → DuckDB query. Text is built from the closed table of names; every value is a parameter.

The queries read the lake's views (orders, order_lines, products, customers, events) and the run's
(features, pairs, customer_values). They know nothing of groups: see `evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.names import PAIR_KIND
from app.domain.rules.tree import EVER, NEGATIVE
from app.domain.rules.windows import Span, span

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from app.domain.rules.tree import Attr, Did, Filter, Measure, Predict, Value, Window

SYMBOLS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "is": "=", "is_not": "<>", "eq": "=", "ne": "<>"}
AT_ALL = frozenset({("gte", 1), ("gt", 0), ("ne", 0), ("eq", 0), ("lt", 1), ("lte", 0)})
NUMERIC = frozenset({"number", "money", "share"})
LOWER_LIST = "list_transform(coalesce({}, []), lambda x: lower(x))"


@dataclass
class Query:
    """One statement and its parameters, in order."""

    sql: str
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class When:
    """What a leaf is relative to: instant, zone, and how many minor units make one of currency.

    Predicted values are in whole currency, amounts in rules are minor units.
    """

    as_of: datetime
    zone: ZoneInfo
    unit: int


def attribute_query(leaf: Attr, when: When) -> Query:
    """(customer_no, hit) for customers whose value is known."""
    known = _attribute(leaf.attr)
    expression = known.column
    if known.name.startswith("metafield.") and leaf.op in {"gt", "gte", "lt", "lte", "between"}:
        # "nan" and "inf" are words in a text field, and as numbers would lie above every threshold.
        number = f"TRY_CAST({expression} AS DOUBLE)"
        expression = f"CASE WHEN isfinite({number}) THEN {number} END"
    hit = attribute_hit("v", leaf, known, when)
    return Query(
        f"SELECT customer_no, {hit.sql} AS hit"
        f" FROM (SELECT customer_no, {expression} AS v FROM {known.owner}) WHERE v IS NOT NULL",
        hit.values,
    )


def attribute_hit(expression: str, leaf: Attr, known: names.Attribute, when: When) -> Query:
    """The condition on a known value."""
    if leaf.during is not None:
        return _within(expression, span(leaf.during, when.as_of, when.zone, future=True))
    kind = known.type
    if kind == "text" and leaf.op in {"gt", "gte", "lt", "lte", "between"}:
        kind = "number"
    return comparison(expression, leaf.op or "set", leaf.value, kind)


def absent_query(leaf: Attr, when: When) -> Query | None:
    """Whether a customer unknown to the attribute's owner matches; None where that is a missing value."""
    known = _attribute(leaf.attr)
    if known.nullable:
        return None
    hit = attribute_hit("v", leaf, known, when)
    literal = "CAST([] AS VARCHAR[])" if known.type == "list" else f"CAST({known.absent} AS BIGINT)"
    return Query(f"SELECT {hit.sql} FROM (SELECT {literal} AS v)", hit.values)


def did_query(leaf: Did, when: When) -> Query:
    """(customer_no, n, first_at in microseconds) for customers with at least one such event.

    Where only having done it at all counts, a customer may come several times, each time with an n of 1: to count
    apart is most of the work.
    """
    event = names.EVENTS[leaf.event]
    if event.source == "events":
        return _mail_events(event, leaf, when)
    tables: set[str] = {names.FIELDS[item.attr].table for item in leaf.where}
    if leaf.event == "ordered" and tables and tables <= names.LINE_TABLES:
        return _lines_of_orders(leaf, when)
    by_line = bool(tables & names.LINE_TABLES)
    query = Query("")
    conditions = [event.condition, "o.customer_no IS NOT NULL"]
    if by_line:
        conditions.append("l.counts")
    _window(conditions, query, event.at, leaf.during, when)
    _filters(conditions, query, leaf.where)
    source = f"FROM orders o{_joins(tables, by_line=by_line)} WHERE {' AND '.join(conditions)}"
    query.sql = _counted(leaf, "o.customer_no", "o.order_id", event.at, source, once=not by_line)
    return query


def at_all(leaf: Did) -> bool:
    """Whether it only counts that the customer did it at all, not how often."""
    return (leaf.op, leaf.n) in AT_ALL


def _counted(leaf: Did, customer: str, order: str, at: str, source: str, *, once: bool) -> str:
    """once: each order is one row of the source."""
    if at_all(leaf):
        return f"SELECT {customer}, 1 AS n, epoch_us({at}) AS first_at {source}"
    count = "count(*)" if once else f"count(DISTINCT {order})"
    return f"SELECT {customer}, {count} AS n, min(epoch_us({at})) AS first_at {source} GROUP BY {customer}"


def _lines_of_orders(leaf: Did, when: When) -> Query:
    """Orders that are asked for by what they hold: lines alone answer, and those of a product lie side by side."""
    query = Query("")
    conditions = ["l.counts", "l.customer_no IS NOT NULL"]
    _window(conditions, query, "l.ordered_at", leaf.during, when)
    _filters(conditions, query, tuple(item for item in leaf.where if names.FIELDS[item.attr].table == "order_lines"))
    of_product = tuple(item for item in leaf.where if names.FIELDS[item.attr].table == "products")
    if of_product:
        # A line of a product that nobody knows any more meets what every product meets of which nothing is known.
        unknown = all(item.op in NEGATIVE for item in of_product)
        wanted: list[str] = []
        _filters(wanted, query, of_product)
        chosen = " AND ".join(wanted)
        within = f"SELECT p.product_no FROM products p WHERE {'NOT ' if unknown else ''}({chosen})"
        conditions.append(
            f"(l.product_no IS NULL OR l.product_no NOT IN ({within}))" if unknown else f"l.product_no IN ({within})"
        )
    source = f"FROM order_lines l WHERE {' AND '.join(conditions)}"
    query.sql = _counted(leaf, "l.customer_no", "l.order_id", "l.ordered_at", source, once=False)
    return query


def measure_query(leaf: Measure, when: When) -> Query:
    """(customer_no, v, first_at) for customers with at least one event that is measured."""
    measured = names.MEASURES[f"{leaf.event}.{leaf.field}"]
    tables: set[str] = {names.FIELDS[item.attr].table for item in leaf.where}
    if measured.column.startswith("p."):
        tables.add("products")
    query = Query("")
    conditions = ["o.counts", "o.customer_no IS NOT NULL", measured.condition]
    _window(conditions, query, "o.processed_at", leaf.during, when)
    _filters(conditions, query, leaf.where)
    source = f"FROM orders o{_joins(tables, by_line=True)} WHERE {' AND '.join(conditions)}"
    if leaf.function == "distinct":
        query.sql = (
            f"SELECT o.customer_no, count(DISTINCT {measured.column}) AS v,"
            f" min(epoch_us(o.processed_at)) AS first_at {source} GROUP BY o.customer_no"
        )
    else:
        query.sql = (
            f"SELECT customer_no, CAST({leaf.function}(v) AS DOUBLE) AS v, min(first_at) AS first_at FROM"
            f" (SELECT o.customer_no, o.order_id, coalesce(sum({measured.column}), 0) AS v,"
            f" min(epoch_us(o.processed_at)) AS first_at {source} GROUP BY o.customer_no, o.order_id)"
            " GROUP BY customer_no"
        )
    return query


def predict_query(leaf: Predict, when: When) -> Query:
    """(customer_no, hit) for customers who have the prediction."""
    if leaf.during is not None:
        hit = _within("next_order_at", span(leaf.during, when.as_of, when.zone, future=True))
        return Query(
            f"SELECT customer_no, {hit.sql} AS hit FROM customer_values WHERE next_order_at IS NOT NULL",
            hit.values,
        )
    symbol = SYMBOLS[leaf.op or "gte"]
    if leaf.product_type is not None:
        return Query(
            f"SELECT customer_no, probability {symbol} ? AS hit FROM type_pairs WHERE kind = ? AND product_type = ?",
            [leaf.value, PAIR_KIND[leaf.what], leaf.product_type],
        )
    if leaf.what in PAIR_KIND:
        return Query(
            f"SELECT a.customer_no, a.probability {symbol} ? AS hit FROM pairs a"
            " WHERE a.kind = ? AND a.probability IS NOT NULL AND a.product_no IN"
            " (SELECT product_no FROM products WHERE product_id = CAST(? AS BIGINT))",
            [leaf.value, PAIR_KIND[leaf.what], leaf.product],
        )
    column = f"value_12m * {when.unit:d}" if leaf.what == "value" else f"1 - p_order_{leaf.horizon}"
    return Query(
        f"SELECT customer_no, v {symbol} ? AS hit FROM (SELECT customer_no, {column} AS v FROM customer_values)"
        " WHERE v IS NOT NULL",
        [leaf.value],
    )


def comparison(expression: str, op: str, value: Value, kind: str) -> Query:  # noqa: PLR0911 - one per operator
    """A condition that is true or false, never null, where `expression` is not null."""
    if kind == "list":
        return _list_comparison(expression, op, value)
    if op in {"set", "unset"}:
        return Query("true" if op == "set" else "false")
    if op in {"true", "false"}:
        return Query(f"({expression}) = {op}")
    if op == "between" and isinstance(value, tuple):
        return Query(f"{expression} BETWEEN ? AND ?", list(value))
    if op in {"in", "not_in"} and isinstance(value, tuple):
        return _membership(expression, op, value, kind)
    if kind in NUMERIC:
        return Query(f"{expression} {SYMBOLS[op]} ?", [value])
    folded, given = (expression, "?") if kind == "product" else (f"lower({expression})", "lower(?)")
    match op:
        case "contains" | "not_contains":
            sql = f"contains({folded}, {given})"
            return Query(f"NOT {sql}" if op == "not_contains" else sql, [value])
        case "starts":
            return Query(f"starts_with({folded}, {given})", [value])
        case "ends":
            return Query(f"ends_with({folded}, {given})", [value])
        case _:
            return Query(f"{folded} {SYMBOLS[op]} {given}", [value])


def _membership(expression: str, op: str, value: tuple[Any, ...], kind: str) -> Query:
    word = "NOT IN" if op == "not_in" else "IN"
    if kind in NUMERIC:
        return Query(f"{expression} {word} (SELECT unnest(CAST(? AS DOUBLE[])))", [list(value)])
    if kind == "product":
        return Query(f"{expression} {word} (SELECT unnest(CAST(? AS VARCHAR[])))", [list(value)])
    values = "(SELECT lower(t.x) FROM (SELECT unnest(CAST(? AS VARCHAR[])) AS x) t)"
    return Query(f"lower({expression}) {word} {values}", [list(value)])


def _list_comparison(expression: str, op: str, value: Value) -> Query:
    folded = LOWER_LIST.format(expression)
    match op:
        case "set" | "unset":
            return Query(f"len({folded}) {'>' if op == 'set' else '='} 0")
        case "contains" | "not_contains":
            sql = (
                f"len(list_filter({folded}, lambda x: contains(x, lower(?)))) {'=' if op == 'not_contains' else '>'} 0"
            )
            return Query(sql, [value])
        case "in" | "not_in" if isinstance(value, tuple):
            sql = f"list_has_any({folded}, {LOWER_LIST.format('CAST(? AS VARCHAR[])')})"
            return Query(f"NOT {sql}" if op == "not_in" else sql, [list(value)])
        case _:
            sql = f"list_contains({folded}, lower(?))"
            return Query(f"NOT {sql}" if op == "is_not" else sql, [value])


def _attribute(name: str) -> names.Attribute:
    known = names.attribute(name)
    if known is None:  # the parser refuses unknown names
        raise ValueError(f"no attribute is called {name!r}")
    return known


def _within(expression: str, bounds: Span) -> Query:
    conditions, values = ["true"], []
    if bounds.start is not None:
        conditions.append(f"{expression} >= ?")
        values.append(bounds.start)
    if bounds.end is not None:
        conditions.append(f"{expression} < ?")
        values.append(bounds.end)
    return Query(f"({' AND '.join(conditions)})", values)


def _window(conditions: list[str], query: Query, at: str, window: Window, when: When) -> None:
    bounds = _within(at, span(window, when.as_of, when.zone))
    conditions.append(bounds.sql)
    query.values.extend(bounds.values)


def _filters(conditions: list[str], query: Query, where: tuple[Filter, ...]) -> None:
    for item in where:
        known = names.FIELDS[item.attr]
        hit = comparison(known.column, item.op, item.value, known.type)
        negative = item.op in NEGATIVE
        if known.type == "list" or item.op not in {"set", "unset", "in", "not_in"}:
            conditions.append(f"coalesce({hit.sql}, {'true' if negative else 'false'})")
        elif item.op in {"set", "unset"}:
            conditions.append(f"{known.column} IS {'NOT ' if item.op == 'set' else ''}NULL")
        else:  # within coalesce DuckDB 2.0 can fail to bind a column of an outer join that is looked up in a subquery
            conditions.append(f"({known.column} IS NULL OR {hit.sql})" if negative else hit.sql)
        query.values.extend(hit.values)


def _joins(tables: set[str], *, by_line: bool) -> str:
    sql = ""
    if by_line:
        sql += " JOIN order_lines l ON l.order_id = o.order_id"
    if "products" in tables:
        sql += " LEFT JOIN products p ON p.product_no = l.product_no"
    if "order_money" in tables:
        sql += (
            " LEFT JOIN (SELECT order_id, sum(net_minor) AS net_minor, sum(total_minor) AS gross_minor"
            " FROM order_lines WHERE NOT is_gift_card GROUP BY order_id) m ON m.order_id = o.order_id"
        )
    return sql


def _mail_events(event: names.Event, leaf: Did, when: When) -> Query:
    query = Query("")
    conditions = [event.condition, "e.customer_no IS NOT NULL"]
    _window(conditions, query, event.at, leaf.during, when)
    _filters(conditions, query, leaf.where)
    query.sql = (
        f"SELECT e.customer_no, count(*) AS n, min(epoch_us({event.at})) AS first_at"
        f" FROM events e WHERE {' AND '.join(conditions)} GROUP BY e.customer_no"
    )
    return query


def event_rows(name: str, where: tuple[Filter, ...], during: Window, when: When) -> Query:
    """(customer_no, event, instant in microseconds): one row per matching event by `as_of`.

    event: the order's id; for messages a text that tells apart those of one instant.
    """
    event = names.EVENTS[name]
    query = Query("")
    mail = event.source == "events"
    conditions = [event.condition, f"{'e' if mail else 'o'}.customer_no IS NOT NULL"]
    tables: set[str] = {names.FIELDS[item.attr].table for item in where}
    by_line = bool(tables & names.LINE_TABLES)
    if by_line:
        conditions.append("l.counts")
    _window(conditions, query, event.at, during, when)
    _filters(conditions, query, where)
    if mail:
        source, identity = "e.customer_no", "concat_ws('|', e.message_id, e.campaign_id, e.bot)"
        tail = "FROM events e"
    else:
        source, identity = ("DISTINCT o.customer_no" if by_line else "o.customer_no"), "o.order_id"
        tail = f"FROM orders o{_joins(tables, by_line=by_line)}"
    query.sql = (
        f"SELECT {source}, {identity} AS event, epoch_us({event.at}) AS instant {tail} WHERE {' AND '.join(conditions)}"
    )
    return query


def moments_query(leaf: Did, when: When) -> Query:
    """(moment in microseconds) of each event that a leaf counts, oldest first."""
    event, query, conditions, source = _such_events(leaf)
    _window(conditions, query, event.at, leaf.during, when)
    _filters(conditions, query, leaf.where)
    one = "o.order_id" if event.source == "orders" else "e.message_id"
    query.sql = (
        f"SELECT epoch_us(happened) AS moment FROM (SELECT {'DISTINCT ' if event.source == 'orders' else ''}{one},"
        f" {event.at} AS happened {source} WHERE {' AND '.join(conditions)}) ORDER BY moment"
    )
    return query


def like_query(leaf: Did, when: When, most: int, window: Window = EVER) -> Query:
    """The newest events that a leaf would count in a window, whoever did them: (order_id), or (campaign_id, bot)."""
    event, query, conditions, source = _such_events(leaf)
    _window(conditions, query, event.at, window, when)
    _filters(conditions, query, leaf.where)
    columns = "o.order_id" if event.source == "orders" else "e.campaign_id, e.bot"
    query.sql = (
        f"SELECT {columns} {source} WHERE {' AND '.join(conditions)} GROUP BY {columns}"
        f" ORDER BY max({event.at}) DESC, {columns} LIMIT {most:d}"
    )
    return query


def like_line_query(leaf: Measure, when: When, most: int) -> Query:
    """(order_id, line_id) of the newest of the whole shop's lines that a leaf would measure at any time."""
    measured = names.MEASURES[f"{leaf.event}.{leaf.field}"]
    tables: set[str] = {names.FIELDS[item.attr].table for item in leaf.where}
    query = Query("")
    conditions = ["o.counts", "o.customer_no IS NOT NULL", "l.counts", measured.condition]
    _window(conditions, query, "o.processed_at", EVER, when)
    _filters(conditions, query, leaf.where)
    query.sql = (
        f"SELECT o.order_id, l.line_id FROM orders o{_joins(tables, by_line=True)}"
        f" WHERE {' AND '.join(conditions)} ORDER BY o.processed_at DESC, l.line_id LIMIT {most:d}"
    )
    return query


def _such_events(leaf: Did) -> tuple[names.Event, Query, list[str], str]:
    event = names.EVENTS[leaf.event]
    if event.source == "events":
        return event, Query(""), [event.condition, "e.customer_no IS NOT NULL"], "FROM events e"
    tables: set[str] = {names.FIELDS[item.attr].table for item in leaf.where}
    by_line = bool(tables & names.LINE_TABLES)
    conditions = [event.condition, "o.customer_no IS NOT NULL", *(["l.counts"] if by_line else [])]
    return event, Query(""), conditions, f"FROM orders o{_joins(tables, by_line=by_line)}"
