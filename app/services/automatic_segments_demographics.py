"""Demographic segments: from fields that the merchant has; estimates are off until the merchant turns them on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.services.automatic_segments import Definition

if TYPE_CHECKING:
    import duckdb

FIELDS = {
    "income": ("Income", "Income bands tell what price range feels right.", "Match the price range of what you show."),
    "age": ("Age", "Age groups differ in what they buy and how they read.", "Match pictures and tone, not prices."),
    "household_size": ("Household of", "Bigger households use up more.", "Offer larger packs."),
    "gender": ("Gender", "Some ranges are bought by one gender.", "Choose the range; never word or price by it."),
}
"""Metafields by their key, in any namespace."""
COLUMNS = {
    "gender": (
        "Gender",
        "No customer has a gender field. An estimate from first names is off until you enable it in settings.",
        FIELDS["gender"][1],
        FIELDS["gender"][2],
    ),
    "area_income": (
        "Area income",
        "No area estimate yet. Estimating income by postcode is off until you enable it in settings.",
        "A public statistic of the area, not of the person.",
        "Match the price range of what you show.",
    ),
}
LEAST = 10  # smaller classes say more about single people than about a group
MOST_CLASSES = 12
CATEGORY = "demographics"


def definitions(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    """One segment per class of each field that the shop's customers have, and one for the unknown."""
    found: list[Definition] = []
    rows = connection.execute(
        """SELECT entry.key, entry.value, count(*) AS n
           FROM (SELECT unnest(map_entries(metafields)) AS entry FROM customers)
           WHERE entry.value <> '' GROUP BY ALL HAVING count(*) >= ? ORDER BY entry.key, n DESC, entry.value""",
        [LEAST],
    ).fetchall()
    by_key: dict[str, list[str]] = {}
    for key, value, _ in rows:
        if key.rpartition(".")[2].lower() in FIELDS:
            by_key.setdefault(key, []).append(value)
    for key, values in by_key.items():
        if len(values) <= MOST_CLASSES:  # more classes: a free number, which wants a rule of its own
            found.extend(_classes(key, sorted(values)))
    for column, texts in COLUMNS.items():
        found.extend(_column(connection, column, *texts))
    return found


def _classes(key: str, values: list[str]) -> list[Definition]:
    field = key.rpartition(".")[2].lower()
    label, why, action = FIELDS[field]
    attr = f"metafield.{key}"
    made = [
        Definition(
            f"auto:{_slug(field)}_{_slug(value)}", f"{label} {value}", CATEGORY,
            f"Your customer field {key} is “{value}”.", why, action,
            {"v": 1, "match": {"attr": attr, "op": "is", "value": value}},
        )
        for value in values
    ]  # fmt: skip
    unknown = Definition(
        f"auto:{_slug(field)}_unknown", f"{label.removesuffix(' of')} unknown", CATEGORY,
        f"Your customer field {key} is empty.", "How far the other classes can be relied on.",
        "Ask at the next order.", {"v": 1, "match": {"attr": attr, "op": "unset"}},
    )  # fmt: skip
    return [*made, unknown]


def _column(
    connection: duckdb.DuckDBPyConnection, column: str, label: str, off: str, why: str, action: str
) -> list[Definition]:
    values = connection.execute(
        f"SELECT {column} FROM customers WHERE {column} IS NOT NULL GROUP BY 1 HAVING count(*) >= ? ORDER BY 1",
        [LEAST],
    ).fetchall()
    if not values:
        definition = f"{label} of the customer; off until enabled."
        return [Definition(f"auto:{column}", label, CATEGORY, definition, why, action, None, off)]
    return [
        Definition(
            f"auto:{column}_{_slug(value)}", f"{label}: {value}", CATEGORY, f"{label} is “{value}”.", why, action,
            {"v": 1, "match": {"attr": column, "op": "is", "value": value}},
        )
        for (value,) in values
    ]  # fmt: skip


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("+", " plus").replace("<", "under ")).strip("_")[:40]
