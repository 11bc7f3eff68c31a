"""Answers ordinary queries: one resolver over the same field descriptions that bulk operations compile."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.shopify import search
from sandbox.shopify.fields import Connection, Embed, Field, Items, Leaf, Lookup, Ref
from sandbox.shopify.records import RECORDS
from sandbox.shopify.shop import Row, Shop, compiled
from sandbox.shopify.walker import narrowed

MAX_PAGE = 250
SORT = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at", "PROCESSED_AT": "processed_at", "ID": "id",
        "TITLE": "title", "POSITION": "position", "COLLECTION_DEFAULT": "id"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """An object within a record: its fields are read from the record's columns (or a list item's keys)."""

    fields: Mapping[str, Field]
    values: Mapping[str, Any]


@dataclass
class Visit:
    """What one request may see: the shop, its helpers, and a condition on orders when only 60 days are granted."""

    shop: Shop
    helpers: dict[str, Any]
    orders_since: str | None = None

    def visible(self, kind: str) -> tuple[str, list[object]]:
        """The condition on records of a type that the granted scopes allow."""
        if kind == "Order" and self.orders_since:
            return "t.created_at >= ?", [self.orders_since]
        return "1", []


def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """The value of a field. GraphQLError when the stand-in has no data for it."""
    name = info.field_name
    if isinstance(source, Row | Part):
        fields = RECORDS[source.type].fields if isinstance(source, Row) else source.fields
        if name in fields:
            return _value(fields[name], source, info.context, arguments)
    elif isinstance(source, Mapping) and name in source:
        value = source[name]
        return value(**arguments) if callable(value) else value
    raise GraphQLError(f"stand-in has no data for {info.parent_type.name}.{name}")


def resolve_type(value: Any, *_: Any) -> str | None:
    """The concrete type behind an interface."""
    return value.type if isinstance(value, Row) else value.get("__typename")


def _value(spec: Field, source: Row | Part, visit: Visit, arguments: dict[str, Any]) -> Any:  # noqa: PLR0911 - one per kind of field
    values = source.values
    if isinstance(spec, Leaf):
        return compiled(spec.expr)(values, visit.helpers)
    if isinstance(spec, Embed):
        if spec.when and not compiled(spec.when)(values, visit.helpers):
            return None
        return Part(spec.fields, values)
    if isinstance(spec, Items):
        return [Part(spec.fields, item) for item in compiled(spec.expr)(values, visit.helpers)]
    if isinstance(spec, Ref):
        return visit.shop.get(spec.type, values[spec.column])
    if isinstance(spec, Lookup):
        where, parameters = narrowed(spec, arguments)
        found = visit.shop.find(spec.type, f"{spec.via} = ? AND {where}", (values["id"], *parameters), "LIMIT 1")
        return found[0] if found else None
    return _nested(spec, values["id"], visit, arguments)


def _nested(spec: Connection, parent: int, visit: Visit, arguments: dict[str, Any]) -> dict[str, Any]:
    where, parameters = narrowed(spec, arguments)
    return page(visit, spec.type, arguments, where=f"{spec.via} = ? AND {where}", parameters=[parent, *parameters],
                through=spec.through)  # fmt: skip


def page(
    visit: Visit,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    where: str = "1",
    parameters: list[object] | None = None,
    through: str = "",
) -> dict[str, Any]:
    """One page of a connection, forwards. GraphQLError for arguments that Shopify refuses or we do not know."""
    first = arguments.get("first")
    if arguments.get("last") is not None or arguments.get("before") is not None:
        raise GraphQLError("stand-in pages forwards only: use first and after")
    if first is None:
        raise GraphQLError("you must provide one of first or last")
    if not 0 <= first <= MAX_PAGE:
        raise GraphQLError(f"first must be between 0 and {MAX_PAGE}")
    try:
        found, more = search.to_sql(kind, arguments.get("query"))
    except search.SearchError as error:
        raise GraphQLError(str(error)) from error
    seen, since = visit.visible(kind)
    sort = _sort_column(kind, arguments.get("sortKey"))
    direction, beyond = ("DESC", "<") if arguments.get("reverse") else ("ASC", ">")
    conditions, values = [where, found, seen], [*(parameters or []), *more, *since]
    if after := arguments.get("after"):
        conditions.append(f"(t.{sort}, t.id) {beyond} (?, ?)")
        values += _uncursor(after)
    tail = f"ORDER BY t.{sort} {direction}, t.id {direction} LIMIT {first + 1}"
    rows = visit.shop.find(kind, " AND ".join(f"({c})" for c in conditions), values, tail, through)
    nodes = rows[:first]
    cursors = [_cursor(row.values[sort], row.values["id"]) for row in nodes]
    return {
        "edges": [{"node": row, "cursor": cursor} for row, cursor in zip(nodes, cursors, strict=True)],
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": len(rows) > first,
            "hasPreviousPage": bool(after),
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def count(visit: Visit, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A Count: exact up to `limit`, which is 10,000 unless the query sets it; null means no limit."""
    try:
        found, values = search.to_sql(kind, arguments.get("query"))
    except search.SearchError as error:
        raise GraphQLError(str(error)) from error
    seen, since = visit.visible(kind)
    number = visit.shop.count(kind, f"{found} AND {seen}", [*values, *since])
    limit = arguments.get("limit")
    if limit is not None and number > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    return {"count": number, "precision": "EXACT"}


def _sort_column(kind: str, key: str | None) -> str:
    column = SORT.get(key or "ID")
    has_no_times = kind in {"LineItem", "Metafield"}
    if column is None or (has_no_times and column != "id") or (column == "position" and kind != "ProductVariant"):
        raise GraphQLError(f"stand-in cannot sort {kind} by {key}")
    return column


def _cursor(value: object, number: int) -> str:
    return base64.b64encode(json.dumps({"last_value": value, "last_id": number}).encode()).decode()


def _uncursor(text: str) -> list[object]:
    try:
        cursor = json.loads(base64.b64decode(text, validate=True))
        return [cursor["last_value"], cursor["last_id"]]
    except (ValueError, KeyError, TypeError):
        raise GraphQLError("Invalid cursor for current pagination sort.") from None


def number_of(gid: str, kind: str) -> int | None:
    """The number in a global id of the given type, or None if it names another type."""
    start, _, number = gid.rpartition("/")
    return int(number) if start == f"gid://shopify/{kind}" and number.isdigit() else None


Resolver = Callable[..., Any]
