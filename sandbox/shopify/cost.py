"""Query cost and the leaky bucket, as Shopify documents them.

Scalars and enums cost nothing, an object 1, a mutation 10, a connection 2 plus its page size times the cost
of one node. A query may ask for 1,000 points at most; a standard shop restores 100 a second.
Reference: https://shopify.dev/docs/api/usage/limits
"""

import math
import threading
import time
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    value_from_ast_untyped,
)

MAXIMUM, RESTORE_PER_SECOND = 2000.0, 100.0
MAX_QUERY_COST = 1000
MUTATION_COST = 10
LIST_SIZE = 1


def query_cost(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """The points that a validated document asks for."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    root = schema.get_root_type(operation.operation)
    assert root is not None  # noqa: S101 - the document is valid
    cost = _selection(schema, root, operation.selection_set, fragments, dict(variables))
    return cost + (MUTATION_COST if operation.operation is OperationType.MUTATION else 0)


def _selection(
    schema: GraphQLSchema, parent: Any, selection: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode], variables: dict[str, Any],
) -> int:  # fmt: skip
    total = 0
    for node in selection.selections if selection else ():
        if isinstance(node, FieldNode):
            total += _field(schema, parent, node, fragments, variables)
        elif isinstance(node, InlineFragmentNode):
            inner = schema.get_type(node.type_condition.name.value) if node.type_condition else parent
            total += _selection(schema, inner, node.selection_set, fragments, variables)
        elif isinstance(node, FragmentSpreadNode):
            fragment = fragments[node.name.value]
            inner = schema.get_type(fragment.type_condition.name.value)
            total += _selection(schema, inner, fragment.selection_set, fragments, variables)
    return total


def _field(
    schema: GraphQLSchema, parent: Any, node: FieldNode,
    fragments: Mapping[str, FragmentDefinitionNode], variables: dict[str, Any],
) -> int:  # fmt: skip
    definition = getattr(parent, "fields", {}).get(node.name.value)
    if definition is None:
        return 0
    named = get_named_type(definition.type)
    if not is_composite_type(named):
        return 0
    inner = _selection(schema, named, node.selection_set, fragments, variables)
    if isinstance(named, GraphQLObjectType) and named.name.endswith("Connection"):
        arguments = {a.name.value: value_from_ast_untyped(a.value, variables) for a in node.arguments}
        size = arguments.get("first") or arguments.get("last") or 1
        return 2 + int(size) * max(inner, 1)
    if named.name.endswith("Edge") or named.name == "PageInfo" or node.name.value == "nodes":
        return inner + (1 if node.name.value == "nodes" else 0)
    is_list = isinstance(get_nullable_type(definition.type), GraphQLList)
    return (LIST_SIZE if is_list else 1) * (1 + inner)


class Bucket:
    """One shop's points; real time, because Shopify's limits do not care about a demo's calendar."""

    def __init__(self, maximum: float = MAXIMUM, restore: float = RESTORE_PER_SECOND) -> None:
        self.maximum, self.restore = maximum, restore
        self._level = maximum
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, points: float) -> bool:
        """Spend points if they are there."""
        with self._lock:
            now = time.monotonic()
            self._level = min(self.maximum, self._level + (now - self._at) * self.restore)
            self._at = now
            if points > self._level:
                return False
            self._level -= points
            return True

    def drain(self) -> None:
        """Leave nothing: what comes next is THROTTLED until points are restored."""
        with self._lock:
            self._level, self._at = 0.0, time.monotonic()

    def status(self) -> dict[str, float]:
        """Shopify's throttleStatus."""
        with self._lock:
            level = min(self.maximum, self._level + (time.monotonic() - self._at) * self.restore)
            return {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": math.floor(level),
                "restoreRate": self.restore,
            }
