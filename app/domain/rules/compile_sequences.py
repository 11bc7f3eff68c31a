"""Leaf → DuckDB query, for what depends on how events follow each other: order_of, recent, life.

A store day's end can't be computed in SQL without a second set of time zone rules, so the calendar comes as two
arrays, one entry per store day: when it begins and when what happened on it is gone from a window.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.domain.rules import names
from app.domain.rules.compile import SYMBOLS, Query, event_rows
from app.domain.rules.tree import EVER
from app.domain.rules.windows import TICK, gone, midnight, span, start_of_last

if TYPE_CHECKING:
    from app.domain.rules.compile import When
    from app.domain.rules.tree import Duration, Filter, Life, OrderOf, Recent, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
NEVER = 2**63 - 1
"""Stands for null in a column of microseconds: NumPy's integers know none."""


def microseconds(at: datetime) -> int:
    """Whole microseconds since 1970, as the queries count."""
    return (at - EPOCH) // TICK


def moment(value: int) -> datetime:
    """The instant of so many microseconds since 1970."""
    return EPOCH + value * TICK


def earliest_query(event: str, where: tuple[Filter, ...], during: Window, when: When) -> Query:
    """(first_at): the earliest such event of anybody, in microseconds; NEVER without any."""
    rows = event_rows(event, where, during, when)
    return Query(f"SELECT coalesce(min(instant), {NEVER}) AS first_at FROM ({rows.sql})", rows.values)


def sequence_query(leaf: OrderOf, when: When, earliest: datetime) -> Query:
    """(customer_no, hit, pending): whether a sequence is settled as asked, and when the next open one ends.

    A sequence counts the events of `then` after its beginning (those of the same instant don't count) up to its end,
    `within` later. It is settled once more events couldn't change the answer, and at its end in any case: absence
    becomes true only then. `pending` is NEVER where nothing is open.

    earliest: no later than any event of `first`; the calendar begins there.
    """
    calendar, values = _calendar(leaf.within, when, earliest)
    first = event_rows(leaf.first.event, leaf.first.where, leaf.first.during, when)
    then = event_rows(leaf.then.event, leaf.then.where, leaf.then.during, when)
    wanted, n = SYMBOLS[leaf.then.op], leaf.then.n
    early = {"gte": f"n >= {n:d}", "gt": f"n > {n:d}", "ne": f"n > {n:d}"}.get(leaf.then.op, "false")
    now = microseconds(when.as_of)
    sql = f"""
        WITH {calendar},
        begun AS (
            SELECT customer_no, instant, row_number() OVER (PARTITION BY customer_no ORDER BY instant, event) AS k
            FROM ({first.sql})),
        starts AS (
            SELECT b.customer_no, b.instant, {_gone("b.instant", leaf.within)} AS ends
            FROM begun b {_asof("b.instant", leaf.within)} WHERE b.k {SYMBOLS[leaf.first.op]} {leaf.first.n:d}),
        seen AS (
            SELECT customer_no, instant, sum(count(*)) OVER (PARTITION BY customer_no ORDER BY instant) AS so_far
            FROM ({then.sql}) GROUP BY customer_no, instant),
        counted AS (
            SELECT s.customer_no, s.ends, coalesce(y.so_far, 0) - coalesce(x.so_far, 0) AS n
            FROM starts s
            ASOF LEFT JOIN seen x ON s.customer_no = x.customer_no AND s.instant >= x.instant
            ASOF LEFT JOIN seen y ON s.customer_no = y.customer_no AND s.ends > y.instant)
        SELECT customer_no, bool_or(({early}) OR (ends <= {now:d} AND n {wanted} {n:d})) AS hit,
            coalesce(min(ends) FILTER (ends > {now:d}), {NEVER}) AS pending
        FROM counted GROUP BY customer_no"""
    return Query(sql, [*values, *first.values, *then.values])


def recent_query(leaf: Recent, when: When) -> Query:
    """(customer_no) of those whose latest event that `where` picks has the properties.

    Of several at one instant the one with the highest order or message number counts. An order has a property of a
    line if one of its lines has all of them.
    """
    latest = event_rows(leaf.event, leaf.where, EVER, when)
    having = event_rows(leaf.event, leaf.has, EVER, when)
    sql = f"""
        WITH latest AS (
            SELECT customer_no, max(instant) AS instant, arg_max(event, row(instant, event)) AS event
            FROM ({latest.sql}) GROUP BY customer_no)
        SELECT DISTINCT customer_no FROM latest JOIN ({having.sql}) h USING (customer_no, instant, event)"""
    return Query(sql, [*latest.values, *having.values])


def life_query(leaf: Life, when: When, earliest: datetime) -> Query:
    """(customer_no, hit, first_at, last_at) for customers with such an event.

    first_at: their earliest event in the window, or NEVER; last_at: their latest of all. Both in microseconds.
    earliest: of all such events; the calendar begins there.
    """
    rows = event_rows(leaf.event, (), EVER, when)
    inside = _inside(leaf.during, when)
    edges = f"coalesce(min(instant) FILTER ({inside}), {NEVER}) AS first_at, max(instant) AS last_at"
    if leaf.life == "first_time":
        first = _inside(leaf.during, when, "min(instant)")
        return Query(f"SELECT customer_no, {first} AS hit, {edges} FROM ({rows.sql}) GROUP BY customer_no", rows.values)
    if leaf.gap is None:  # the parser asks for it
        raise ValueError(f"{leaf.life} has a gap")
    if leaf.life == "stopped":
        edge = microseconds(start_of_last(leaf.gap, when.as_of, when.zone))
        sql = f"SELECT customer_no, bool_or({inside}) AND max(instant) < {edge:d} AS hit, {edges} FROM ({rows.sql})"
        return Query(f"{sql} GROUP BY customer_no", rows.values)
    calendar, values = _calendar(leaf.gap, when, earliest)
    own = f" WHERE {inside}" if leaf.life == "regular" else ""  # a return looks back to before its window
    hit = (
        f"count(*) >= {names.REGULAR_LEAST} AND NOT bool_or(coalesce(late, false))"
        if leaf.life == "regular"
        else f"bool_or(coalesce(late, false) AND {inside})"
    )
    sql = f"""
        WITH {calendar},
        paired AS (
            SELECT customer_no, instant, lag(instant) OVER (PARTITION BY customer_no ORDER BY instant, event) AS before
            FROM ({rows.sql}){own}),
        judged AS (
            SELECT p.customer_no, p.instant, p.instant >= {_gone("p.before", leaf.gap)} AS late
            FROM paired p {_asof("p.before", leaf.gap, outer=True)})
        SELECT customer_no, {hit} AS hit, {edges} FROM judged GROUP BY customer_no"""
    return Query(sql, [*values, *rows.values])


def _inside(window: Window, when: When, what: str = "instant") -> str:
    bounds = span(window, when.as_of, when.zone)
    edges = [
        f"{what} {symbol} {microseconds(at):d}"
        for symbol, at in ((">=", bounds.start), ("<", bounds.end))
        if at is not None
    ]
    return f"({' AND '.join(edges) or 'true'})"


def _calendar(duration: Duration, when: When, earliest: datetime) -> tuple[str, list[list[int]]]:
    begins, ends = [], []
    if duration.unit != "h":
        day, today = earliest.astimezone(when.zone).date(), when.as_of.astimezone(when.zone).date()
        while day <= today:
            begin = midnight(day, when.zone)
            begins.append(microseconds(begin))
            ends.append(microseconds(gone(begin, duration, when.zone)))
            day += timedelta(days=1)
    sql = "days AS (SELECT unnest(CAST(? AS BIGINT[])) AS begins, unnest(CAST(? AS BIGINT[])) AS ends)"
    return sql, [begins, ends]


def _asof(at: str, duration: Duration, *, outer: bool = False) -> str:
    return "" if duration.unit == "h" else f"ASOF {'LEFT ' if outer else ''}JOIN days d ON {at} >= d.begins"


def _gone(at: str, duration: Duration) -> str:
    return f"{at} + {duration.n * HOUR + 1:d}" if duration.unit == "h" else "d.ends"
