"""Demographic segments: from fields that the merchant has; estimates are off until the merchant turns them on."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from app.domain.rules.parse import MAX_VALUES
from app.services.automatic_segments import Definition
from ml.demographics import FIFTHS, THRESHOLD, UNKNOWN

if TYPE_CHECKING:
    import duckdb

FIELDS = {
    "income": ("Income", "Income bands tell what price range feels right.", "Match the price range of what you show."),
    "age": ("Age", "Age groups differ in what they buy and how they read.", "Match pictures and tone, not prices."),
    "household_size": ("Household of", "Bigger households use up more.", "Offer larger packs."),
    "gender": ("Gender", "Some ranges are bought by one gender.", "Choose the range; never word or price by it."),
}
"""Metafields by their key, in any namespace."""
AREA_WHY = "A public statistic of the area, not of the person."
AREA_ACTION = "Match the price range of what you show."
OFF = {
    "gender": "No customer has a gender field. An estimate from first names is off until you enable it in settings.",
    "area_income": "No area estimate yet. Estimating income by postcode is off until you enable it in settings.",
}
OFF_BESIDE_A_FIELD = {
    "gender": "Some customers have no gender field. An estimate from first names is off until you enable it in"
    " settings.",
    "area_income": "Some customers have no income field. Estimating income by postcode is off until you enable it in"
    " settings.",
}
LEAST = 10  # smaller classes say more about single people than about a group
MOST_CLASSES = 12
CATEGORY = "demographics"


def definitions(connection: duckdb.DuckDBPyConnection, about: dict[str, Any] | None = None) -> list[Definition]:
    """One segment per class of each field that the shop's customers have, and one for the unknown; estimates if on.

    about: what the run's classes say of themselves; None: no estimate is on.

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
    fields = {key.rpartition(".")[2].lower() for key in by_key}
    on = (about or {}).get("estimates", [])
    found.extend(_gender(connection) if "gender" in on else [_off("gender", "Gender", fields)])
    area = (
        _area_income(connection, about or {}) if "area_income" in on else [_off("area_income", "Area income", fields)]
    )
    return [*found, *area]


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


def _off(column: str, label: str, fields: set[str]) -> Definition:
    reason = (OFF_BESIDE_A_FIELD if column.removeprefix("area_") in fields else OFF)[column]
    why, action = (AREA_WHY, AREA_ACTION) if column == "area_income" else FIELDS["gender"][1:]
    return Definition(f"auto:{column}", label, CATEGORY, f"{label} of the customer; off until enabled.",
                      why, action, None, reason)  # fmt: skip


def _gender(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    _, why, action = FIELDS["gender"]
    found = _classes_of(connection, "gender")
    texts = {
        value: f"Your own customer field or tag says {value}; where it is empty, the first name does, with a chance"
        f" of at least {THRESHOLD:.0%} by US births."
        for value in found
    }
    texts |= {"other": "Your own customer field or tag says something else."} if "other" in found else {}
    texts[UNKNOWN] = "No customer field says the gender, and the first name is missing, unclear or rare in US records."
    return [_class("gender", "Gender", value, text, why, action) for value, text in texts.items()]


def _area_income(connection: duckdb.DuckDBPyConnection, about: dict[str, Any]) -> list[Definition]:
    limits = [f"${limit:,}" for limit in about["area_income"]["limits"]]
    spans = [f"below {limits[0]}", *(f"{a} to {b}" for a, b in pairwise(limits)), f"{limits[-1]} and more"]
    years = f", survey years {about['area_income']['vintage']}" if about["area_income"]["vintage"] else ""
    found = _classes_of(connection, "area_income")
    texts = {
        name: f"Area estimate: the customer's US ZIP area is in the {name} of areas by median household income"
        f" ({span} a year{years}). It says nothing about the person."
        for name, span in zip(FIFTHS, spans, strict=True)
        if name in found
    }
    texts[UNKNOWN] = (
        "Area estimate: no US postcode, or none with a published income; customers with an own field left out."
    )
    return [_class("area_income", "Area income", value, text, AREA_WHY, AREA_ACTION) for value, text in texts.items()]


def _class(column: str, label: str, value: str, definition: str, why: str, action: str) -> Definition:
    rule = {"v": 1, "match": {"attr": column, "op": "is", "value": value}}
    return Definition(class_key(column, value), f"{label}: {value}", CATEGORY, definition, why, action, rule)


def _classes_of(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """The classes that enough customers have, but for the unknown, which is always a segment."""
    rows = connection.execute(
        f"SELECT {column} FROM demographics WHERE {column} <> ? GROUP BY 1 HAVING count(*) >= ? ORDER BY 1",
        [UNKNOWN, LEAST],
    ).fetchall()
    return [value for (value,) in rows]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("+", " plus").replace("<", "under ")).strip("_")[:40]
