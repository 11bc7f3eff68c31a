"""The Admin GraphQL endpoint: parse, validate, check scopes, charge, execute."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute,
    get_named_type,
    parse,
    validate,
    visit,
)

from sandbox.shopify.cost import MAX_QUERY_COST, Bucket, query_cost
from sandbox.shopify.faults import Faults
from sandbox.shopify.operations import Operations
from sandbox.shopify.resolve import Visit, resolve, resolve_type
from sandbox.shopify.schema import AdminSchema, admin_schema, covers
from sandbox.shopify.shop import Shop, stamp
from sandbox.shopify.tokens import Grant

RECENT_DAYS = 60
CACHED_DOCUMENTS = 256


@dataclass(frozen=True)
class Checked:
    """A parsed document and what validation said of it; kept because validating takes a tenth of a second."""

    document: DocumentNode | None
    errors: list[dict[str, Any]]


class Documents:
    """Parses and validates against the official schema, remembering the last few hundred documents."""

    def __init__(self, schema: AdminSchema) -> None:
        self.schema = schema
        self._cache: OrderedDict[str, Checked] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, text: str) -> Checked:
        """The document, or the errors as Shopify words them."""
        key = hashlib.sha256(text.encode()).hexdigest()
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        checked = self._check(text)
        with self._lock:
            self._cache[key] = checked
            if len(self._cache) > CACHED_DOCUMENTS:
                self._cache.popitem(last=False)
        return checked

    def _check(self, text: str) -> Checked:
        try:
            document = parse(text)
        except GraphQLSyntaxError as error:
            return Checked(None, [{"message": f"syntax error, {error.message}", "locations": _locations(error)}])
        unknown = _unknown_fields(self.schema, document)
        if unknown:
            return Checked(None, unknown)
        errors = validate(self.schema.graphql, document)
        return Checked(None if errors else document, [_plain(error) for error in errors])

    def denied(self, document: DocumentNode, granted: frozenset[str]) -> list[dict[str, Any]]:
        """An ACCESS_DENIED error for every selected field that the granted scopes do not cover."""
        watcher = _ScopeVisitor(self.schema, granted)
        visit(document, TypeInfoVisitor(watcher.types, watcher))
        return watcher.errors


def _locations(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": place.line, "column": place.column} for place in error.locations or []]


def _plain(error: GraphQLError) -> dict[str, Any]:
    plain: dict[str, Any] = {"message": error.message, "locations": _locations(error)}
    if error.path:
        plain["path"] = list(error.path)
    if error.extensions:
        plain["extensions"] = dict(error.extensions)
    return plain


class _FieldVisitor(Visitor):
    """Finds fields that their type does not have, and words it as the Admin API does."""

    def __init__(self, schema: AdminSchema) -> None:
        super().__init__()
        self.types = TypeInfo(schema.graphql)
        self.errors: list[dict[str, Any]] = []

    def enter_field(self, node: FieldNode, _key: Any, _parent: Any, _path: Any, ancestors: list[Any]) -> None:
        parent = self.types.get_parent_type()
        if parent is None or self.types.get_field_def() is not None:
            return
        names = [
            (a.operation.value + (f" {a.name.value}" if a.name else ""))
            if isinstance(a, OperationDefinitionNode)
            else (a.alias or a.name).value
            for a in ancestors
            if isinstance(a, OperationDefinitionNode | FieldNode)
        ]
        place = node.loc.source.get_location(node.loc.start) if node.loc else None
        self.errors.append(
            {
                "message": f"Field '{node.name.value}' doesn't exist on type '{parent.name}'",
                "locations": [{"line": place.line, "column": place.column}] if place else [],
                "path": [*names, node.name.value],
                "extensions": {"code": "undefinedField", "typeName": parent.name, "fieldName": node.name.value},
            }
        )


def _unknown_fields(schema: AdminSchema, document: DocumentNode) -> list[dict[str, Any]]:
    watcher = _FieldVisitor(schema)
    visit(document, TypeInfoVisitor(watcher.types, watcher))
    return watcher.errors


class _ScopeVisitor(Visitor):
    def __init__(self, schema: AdminSchema, granted: frozenset[str]) -> None:
        super().__init__()
        self.types = TypeInfo(schema.graphql)
        self.errors: list[dict[str, Any]] = []
        self._schema, self._granted = schema, granted

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, definition = self.types.get_parent_type(), self.types.get_field_def()
        if parent is None or definition is None:
            return
        for name in (f"{parent.name}.{node.name.value}", get_named_type(definition.type).name):
            if not covers(self._granted, self._schema.scopes.get(name, frozenset())):
                required = self._schema.required[name]
                self.errors.append(
                    {
                        "message": f"Access denied for {node.name.value} field. Required access: {required}",
                        "path": [node.name.value],
                        "extensions": {
                            "code": "ACCESS_DENIED",
                            "documentation": "https://shopify.dev/api/usage/access-scopes",
                            "requiredAccess": required,
                        },
                    }
                )
                return


class AdminApi:
    """Answers GraphQL requests of one or more shops."""

    def __init__(self, operations: Operations, faults: Faults) -> None:
        self.documents = Documents(admin_schema())
        self._operations = operations
        self._faults = faults
        self._buckets: dict[str, Bucket] = {}

    def bucket(self, shop: Shop) -> Bucket:
        """The shop's cost bucket."""
        return self._buckets.setdefault(shop.domain, Bucket())

    def answer(self, shop: Shop, grant: Grant, text: str, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """The JSON answer to a request; errors are part of it, with HTTP status 200, as in production."""
        checked = self.documents.check(text)
        if checked.document is None:
            return {"errors": checked.errors}
        schema = self.documents.schema.graphql
        cost = query_cost(schema, checked.document, variables or {})
        if cost > MAX_QUERY_COST:
            return {"errors": [_too_costly(cost)]}
        bucket = self.bucket(shop)
        if self._faults.take("throttled", text):
            bucket.drain()
        if not bucket.take(cost):
            return {"errors": [_THROTTLED], "extensions": {"cost": _cost(cost, None, bucket)}}
        denied = self.documents.denied(checked.document, grant.scopes)
        if denied:
            return {"data": None, "errors": denied, "extensions": {"cost": _cost(cost, cost, bucket)}}
        since = None if "read_all_orders" in grant.scopes else stamp(shop.clock.now() - timedelta(days=RECENT_DAYS))
        context = Visit(shop, shop.helpers(), since)
        result = execute(
            schema, checked.document, context_value=context, variable_values=dict(variables or {}),
            root_value=self._operations.roots(context, grant), field_resolver=resolve, type_resolver=resolve_type,
        )  # fmt: skip
        assert not hasattr(result, "__await__")  # noqa: S101 - nothing here is asynchronous
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_plain(error) for error in result.errors]
        answer["extensions"] = {"cost": _cost(cost, cost, bucket)}
        return answer


_THROTTLED = {
    "message": "Throttled",
    "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"},
}


def _too_costly(cost: int) -> dict[str, Any]:
    return {
        "message": f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_QUERY_COST}).",
        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MAX_QUERY_COST},
    }


def _cost(requested: int, actual: int | None, bucket: Bucket) -> dict[str, Any]:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status()}
