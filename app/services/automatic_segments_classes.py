"""Segments by the classes that a shop's customers fall into: where they live, their language, what they buy most.

Only the classes with most buyers, and only where there is more than one: a segment of everybody says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.automatic_segments import Definition, all_of, attr
from app.services.automatic_segments_demographics import LEAST, class_key

if TYPE_CHECKING:
    import duckdb

MOST_PLACES = 5
MOST_LANGUAGES = 4
MOST_TYPES = 8
ORDERS_FOR_A_TASTE = 2
PLACES = {
    "country": (("country",), "Country"),
    "province": (("country", "province"), "State or province"),
    "city": (("country", "province", "city"), "City"),
}
"""What a place is told by: a city or province alone may lie in several countries."""


def definitions(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    """One segment per class with enough buyers, most buyers first."""
    places = [one for name in PLACES for one in _places(connection, name)]
    return [*_favourites(connection), *places, *_languages(connection)]


def _classes(connection: duckdb.DuckDBPyConnection, columns: tuple[str, ...], most: int) -> list[tuple[str, ...]]:
    """The classes with most buyers, each in its most common spelling; case makes no difference, as in rules."""
    folded = ", ".join(f"lower({name})" for name in columns)
    shown = ", ".join(f"mode({name} ORDER BY {name})" for name in columns)
    known = " AND ".join(f"trim({name}) <> ''" for name in columns)
    return connection.execute(
        f"""SELECT {shown} FROM customers JOIN features USING (customer_no) WHERE {known}
            GROUP BY {folded} HAVING count(*) >= {LEAST} ORDER BY count(*) DESC, {folded} LIMIT {most}"""
    ).fetchall()


def _places(connection: duckdb.DuckDBPyConnection, name: str) -> list[Definition]:
    columns, label = PLACES[name]
    classes = _classes(connection, columns, MOST_PLACES)
    if len(classes) < 2:  # noqa: PLR2004 - one place is everybody's
        return []
    return [
        Definition(
            class_key(name, "/".join(values)), f"{label}: {', '.join(reversed(values))}", "demographics",
            "Lives in " + ", ".join(f"“{value}”" for value in reversed(values)) + ", by the default address.",
            "Place decides on weather, holidays, delivery time and cost.",
            "Write about what holds for the place; invite to events nearby.",
            all_of(*(attr(column, "is", value) for column, value in zip(columns, values, strict=True))),
        )
        for values in classes
    ]  # fmt: skip


def _languages(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    classes = _classes(connection, ("language",), MOST_LANGUAGES)
    if len(classes) < 2:  # noqa: PLR2004 - one language is everybody's
        return []
    return [
        Definition(class_key("language", value), f"Language: {value}", "demographics",
                   f"The customer's language at your shop is “{value}”.",
                   "Mail in another language is seldom read.", "Write to them in their language.",
                   all_of(attr("language", "is", value)))
        for (value,) in classes
    ]  # fmt: skip


def _favourites(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    rows = connection.execute(
        """SELECT favourite_type FROM features WHERE favourite_type IS NOT NULL AND orders >= ?
           GROUP BY 1 HAVING count(*) >= ? ORDER BY count(*) DESC, 1 LIMIT ?""",
        [ORDERS_FOR_A_TASTE, LEAST, MOST_TYPES],
    ).fetchall()
    return [
        Definition(class_key("favourite_type", value), f"Favourite type: {value}", "behavioral",
                   f"At least {ORDERS_FOR_A_TASTE} orders, and “{value}” is the product type they bought most often.",
                   "What they like most is the best reason to write.",
                   "Tell them first what is new in it.",
                   all_of(attr("types.favourite", "is", value), attr("orders.count", "gte", ORDERS_FOR_A_TASTE)))
        for (value,) in rows
    ]  # fmt: skip
