"""Demographic segments: from fields that the merchant has; estimates are off until the merchant turns them on."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from app.domain.rules.parse import MAX_VALUES
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
    """One segment per class of each field that the shop's customers have, and one for the unknown.

    Spellings that differ only in case or outer spaces are one class: a rule's `is` ignores case too.
    """
    found: list[Definition] = []
    rows = connection.execute(
        """SELECT key, folded, list(value ORDER BY value), first(value ORDER BY n DESC, value)
           FROM (SELECT entry.key AS key, entry.value AS value, lower(trim(entry.value)) AS folded, count(*) AS n
                 FROM (SELECT unnest(map_entries(metafields)) AS entry FROM customers) GROUP BY ALL)
           WHERE folded <> '' GROUP BY key, folded HAVING sum(n) >= ? ORDER BY key, folded""",
        [LEAST],
    ).fetchall()
    by_key: dict[str, list[tuple[str, list[str], str]]] = {}
    for key, folded, spellings, usual in rows:
        if key.rpartition(".")[2].lower() in FIELDS:
            by_key.setdefault(key, []).append((folded, spellings, usual.strip()))
    for key, classes in by_key.items():
        if len(classes) <= MOST_CLASSES:  # more classes: a free number, which wants a rule of its own
            found.extend(_classes(key, classes))
    for column, texts in COLUMNS.items():
        found.extend(_column(connection, column, *texts))
    return found


def _classes(key: str, classes: list[tuple[str, list[str], str]]) -> list[Definition]:
    label, why, action = FIELDS[key.rpartition(".")[2].lower()]
    attr = f"metafield.{key}"
    made = [
        Definition(
            class_key(key, folded), f"{label} {usual}", CATEGORY,
            f"Your customer field {key} is “{usual}”.", why, action,
            {"v": 1, "match": {"attr": attr, **_any_of(spellings)}},
        )
        for folded, spellings, usual in classes
    ]  # fmt: skip
    unknown = Definition(
        class_key(key, None), f"{label.removesuffix(' of')} unknown", CATEGORY,
        f"Your customer field {key} is empty.", "How far the other classes can be relied on.",
        "Ask at the next order.", {"v": 1, "match": {"attr": attr, "op": "unset"}},
    )  # fmt: skip
    return [*made, unknown]


def _any_of(spellings: list[str]) -> dict[str, object]:
    """What selects these spellings; those that differ in case alone need one, outer spaces count in a rule."""
    distinct = sorted({text.lower(): text for text in reversed(spellings)}.values())[:MAX_VALUES]
    return {"op": "is", "value": distinct[0]} if len(distinct) == 1 else {"op": "in", "value": distinct}


def class_key(field: str, value: str | None) -> str:
    """The key of a class: `auto:income_50_74k_` and a short hash; None = the field is empty.

    The words are for people and may repeat: “男” and “女” have none, two namespaces share a field's
    name, a real value can be “Unknown”. The hash of field and value tells them apart.
    """
    known = value is not None
    folded = (value or "").strip().lower()
    digest = hashlib.sha256(f"{field}\x1f{known:d}\x1f{folded}".encode()).hexdigest()[:8]
    words = "_".join(part for part in (_slug(field.rpartition(".")[2]), _slug(folded) if known else "unknown") if part)
    return f"auto:{words}_{digest}"


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
            class_key(column, value), f"{label}: {value}", CATEGORY, f"{label} is “{value}”.", why, action,
            {"v": 1, "match": {"attr": column, "op": "is", "value": value}},
        )
        for (value,) in values
    ]  # fmt: skip


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("+", " plus").replace("<", "under ")).strip("_")[:40]
