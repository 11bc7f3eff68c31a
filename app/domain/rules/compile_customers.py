"""Leaf → DuckDB query, for what stands with the customer: ranks, places, anniversaries and dates in metafields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.compile import Query
from app.domain.rules.compile_sequences import EPOCH, NEVER
from app.domain.rules.tree import Predict
from app.domain.rules.windows import anniversaries, first_day_from, span

if TYPE_CHECKING:
    from datetime import date

    from app.domain.rules.compile import When
    from app.domain.rules.tree import Attr, Near, Window

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""
DAY = r"\d{4}-\d{2}-\d{2}"
CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?"


def rank_query(name: str) -> Query:
    """(customer_no, v) for customers whose value is known."""
    known = names.ATTRIBUTES[name]
    return Query(
        f"SELECT customer_no, CAST(v AS DOUBLE) AS v FROM (SELECT customer_no, {known.column} AS v FROM {known.owner})"
        " WHERE v IS NOT NULL"
    )


def near_query(leaf: Near) -> Query:
    """(customer_no, hit) for customers whose address has coordinates."""
    inner = distance_query(leaf)
    return Query(f"SELECT customer_no, km <= ? AS hit FROM ({inner.sql})", [leaf.km, *inner.values])


def distance_query(leaf: Near) -> Query:
    """(customer_no, km) from the leaf's point, for customers whose address has coordinates.

    The great-circle distance by the haversine formula (Sinnott 1984, "Virtues of the Haversine", Sky and Telescope
    68(2)), on a ball: at most half a percent off.
    """
    half = "pow(sin(radians({} - ?) / 2), 2)"
    chord = f"{half.format('latitude')} + cos(radians(?)) * cos(radians(latitude)) * {half.format('longitude')}"
    return Query(
        f"SELECT customer_no, {2 * EARTH_KM} * asin(sqrt(least(1, {chord}))) AS km FROM customers"
        " WHERE latitude IS NOT NULL AND longitude IS NOT NULL",
        [leaf.lat, leaf.lat, leaf.lon],
    )


def dated(leaf: Attr) -> bool:
    """Whether `date_leaf_query` answers: a date in a metafield, or an anniversary."""
    return leaf.during is not None and (leaf.during.kind == "anniversary" or leaf.attr.startswith("metafield."))


def date_leaf_query(leaf: Attr, when: When) -> Query:
    """(customer_no, hit) for customers who have the date.

    A metafield's text is a date like 1990-05-17, which is that day in the store, or an instant like
    1990-05-17T08:00:00+02:00, in UTC if it names no zone, as Shopify's date and date_time are; other text is missing.
    """
    if leaf.during is None:  # the parser refuses it
        raise ValueError(leaf.attr)
    inner = _dates(leaf)
    local = "coalesce(on_day, CAST(timezone(?, instant) AS DATE))"
    if leaf.during.kind == "anniversary" and leaf.during.span is not None:
        hit = " OR ".join(
            f"(month(v) * 100 + day(v) BETWEEN {first:d} AND {last:d} AND year(v) < {year:d})"
            for year, first, last in anniversaries(leaf.during.span, when.as_of, when.zone)
        )
        return Query(
            f"SELECT customer_no, {hit} AS hit FROM (SELECT customer_no, {local} AS v FROM ({inner}))"
            " WHERE v IS NOT NULL",
            [when.zone.key],
        )
    within = _within(leaf.during, when)
    return Query(
        f"SELECT customer_no, {within.sql} AS hit FROM ({inner}) WHERE on_day IS NOT NULL OR instant IS NOT NULL",
        within.values,
    )


def dates_query(leaf: Attr) -> Query:
    """(customer_no, on_day, instant in microseconds): the date that a leaf looks at; both null where it is missing."""
    return Query(f"SELECT customer_no, on_day, epoch_us(instant) AS instant FROM ({_dates(leaf)})")


def next_dates_query(leaf: Attr | Predict, when: When, today: date) -> Query:
    """(day, instant, inside): which comes next of the dates that customers have, and since when the window holds one.

    day: days from `today`, of dates without a time; instant, inside: microseconds. NEVER where there is none.
    """
    bounds = span(leaf.during, when.as_of, when.zone) if leaf.during else None
    start = bounds.start if bounds and bounds.start else EPOCH
    return Query(
        f"""SELECT coalesce(min(on_day - ?) FILTER (on_day >= ?), {NEVER}) AS day,
            coalesce(min(epoch_us(instant)) FILTER (instant >= ?), {NEVER}) AS instant,
            coalesce(min(epoch_us(instant)) FILTER (instant >= ? AND instant < ?), {NEVER}) AS inside
            FROM ({_dates(leaf)})""",
        [today, today, when.as_of, start, when.as_of],
    )


def _dates(leaf: Attr | Predict) -> str:
    """(customer_no, on_day, instant): a date without a time, or an instant, or neither."""
    if isinstance(leaf, Predict):
        return "SELECT customer_no, NULL::DATE AS on_day, next_order_at AS instant FROM customer_values"
    known = names.attribute(leaf.attr)
    if known is None:  # the parser refuses it
        raise ValueError(leaf.attr)
    column = known.column
    if known.type == "date":
        return f"SELECT customer_no, NULL::DATE AS on_day, {column} AS instant FROM {known.owner}"
    day = f"CASE WHEN regexp_full_match({column}, '{DAY}') THEN TRY_CAST({column} AS DATE) END"
    at = f"CASE WHEN regexp_full_match({column}, '{DAY}{CLOCK}') THEN TRY_CAST({column} AS TIMESTAMPTZ) END"
    return f"SELECT customer_no, {day} AS on_day, {at} AS instant FROM {known.owner}"


def _within(window: Window, when: When) -> Query:
    """A day lies in the window if it begins in it."""
    bounds = span(window, when.as_of, when.zone, future=True)
    days, instants, values = ["true"], ["true"], list[Any]()
    for symbol, edge in ((">=", bounds.start), ("<", bounds.end)):
        if edge is not None:
            days.append(f"on_day {symbol} ?")
            values.append(first_day_from(edge, when.zone))
    for symbol, edge in ((">=", bounds.start), ("<", bounds.end)):
        if edge is not None:
            instants.append(f"instant {symbol} ?")
            values.append(edge)
    sql = f"CASE WHEN on_day IS NOT NULL THEN {' AND '.join(days)} ELSE {' AND '.join(instants)} END"
    return Query(sql, values)
