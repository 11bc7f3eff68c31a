"""Shopify's search syntax, as far as this stand-in knows it: `field:value` terms joined by AND.

Anything else is an error rather than ignored: a filter that silently matches all would hide a bug.
"""

import re
from datetime import datetime

from sandbox.shopify.shop import stamp

TERM = re.compile(r"""\s*(?:AND\s+)?(-?)(\w+):(>=|<=|>|<|=)?(?:'([^']*)'|"([^"]*)"|([^\s]+))""")
TIMES = {"created_at", "updated_at", "processed_at"}
KNOWN = {
    "Order": {*TIMES, "id", "status", "email", "name", "test", "financial_status", "tag", "customer_id"},
    "Customer": {"created_at", "updated_at", "id", "email", "tag", "state"},
    "Product": {"created_at", "updated_at", "id", "title", "status", "vendor", "product_type", "tag"},
    "ProductVariant": {"updated_at", "id", "sku", "product_id"},
    "Collection": {"updated_at", "id", "title"},
}


class SearchError(ValueError):
    """The search holds a term that this stand-in does not know."""


def to_sql(kind: str, search: str | None) -> tuple[str, list[object]]:
    """The search as a SQL condition over table t, with its parameters. SearchError for an unknown term."""
    conditions, parameters = ["1"], list[object]()
    rest = (search or "").strip()
    while rest:
        match = TERM.match(rest)
        if not match:
            raise SearchError(f"stand-in cannot read the search from {rest[:40]!r} on")
        negated, name, sign, single, double, bare = match.groups()
        value = next(text for text in (single, double, bare) if text is not None)
        rest = rest[match.end() :].strip()
        if name not in KNOWN.get(kind, set()):
            raise SearchError(f"stand-in does not know the search term {name!r} for {kind}")
        condition, values = _term(name, sign or "=", value)
        conditions.append(f"NOT ({condition})" if negated else condition)
        parameters += values
    return " AND ".join(f"({condition})" for condition in conditions), parameters


def _term(name: str, sign: str, value: str) -> tuple[str, list[object]]:  # noqa: PLR0911 - one per kind of term
    if name in TIMES:
        return f"t.{name} {sign} ?", [_time(value)]
    if name == "status" and value.lower() in {"any", "open", "closed", "cancelled"}:
        return {"any": "1", "open": "t.cancelled_at IS NULL", "closed": "0", "cancelled": "t.cancelled_at IS NOT NULL"}[
            value.lower()
        ], []
    if name in {"status", "financial_status"}:
        return f"t.{name} = ?", [value.upper()]
    if name == "test":
        return "t.test = ?", [int(value.lower() == "true")]
    if name == "tag":
        return "EXISTS (SELECT 1 FROM json_each(t.tags) WHERE lower(value) = lower(?))", [value]
    if name in {"id", "customer_id", "product_id"}:
        return f"t.{name} {sign} ?", [int(value.rsplit("/", 1)[-1])]
    if name == "state":
        return "? = 'DISABLED'", [value.upper()]
    return f"lower(t.{name}) = lower(?)", [value]


def _time(value: str) -> str:
    """A time of a search, in UTC as the records hold it; a bare date is midnight UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise SearchError(f"stand-in cannot read the time {value!r}") from None
    return stamp(moment) if moment.tzinfo else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
