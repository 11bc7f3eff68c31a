"""Compiles the selection of a bulk query into one expression per type and streams its JSONL.

Resolving field by field manages about 2,500 objects a second; a year of orders has 1.6 million. Here each
type of the selection becomes one Python expression over a tuple of columns, so a row costs microseconds.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    value_from_ast_untyped,
)

from sandbox.shopify import search
from sandbox.shopify.fields import COLUMN, Connection, Embed, Field, Items, Leaf, Lookup, Ref
from sandbox.shopify.records import RECORDS, ROOTS
from sandbox.shopify.shop import Row, Shop

BATCH, SLICE = 1000, 200
MAX_CONNECTIONS, MAX_DEPTH = 5, 2
ID_ONLY = {"id", "legacyResourceId", "__typename"}


class BulkError(ValueError):
    """The query breaks a rule of bulk operations, or asks for what the stand-in has no data for."""


@dataclass
class Plan:
    """What to read of one connection: its type, its columns, the code that makes an object, its children."""

    type: str
    via: str
    through: str
    where: str
    parameters: list[object]
    code: str = ""
    columns: set[str] = field(default_factory=lambda: {"id"})
    lookups: list[Callable[[int], Any]] = field(default_factory=list)
    children: list["Plan"] = field(default_factory=list)

    def names(self) -> list[str]:
        """The columns read, in a stable order."""
        return sorted(self.columns)

    def select(self, key: str) -> str:
        """SELECT ... FROM of this plan with `key` (SQL) as first column."""
        record = RECORDS[self.type]
        listed = ", ".join(f"{record.sql(name)} AS {name}" for name in self.names())
        return f"SELECT {key} AS parent, {listed} FROM {record.table} t {record.joins} {self.through}"


class Compiler:
    """Turns one validated bulk document into a Plan for one shop."""

    def __init__(self, document: DocumentNode, shop: Shop) -> None:
        self.shop = shop
        self.helpers = shop.helpers()
        definitions = document.definitions
        self.fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        operations = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
        if len(operations) != 1 or operations[0].operation.value != "query":
            raise BulkError("Bulk queries must contain exactly one query operation")
        if operations[0].variable_definitions:
            raise BulkError("Bulk queries cannot have variables")
        self.operation = operations[0]
        self.connections = 0

    def plan(self) -> Plan:
        """The plan of the root connection. BulkError names the rule that the query breaks."""
        roots = list(self._flat(self.operation.selection_set))
        if len(roots) != 1:
            raise BulkError("Bulk queries must contain exactly one top-level field in this stand-in")
        root = roots[0]
        kind = ROOTS.get(root.name.value)
        if kind is None:
            raise BulkError(f"stand-in has no data for QueryRoot.{root.name.value}")
        arguments = _arguments(root)
        try:
            where, parameters = search.to_sql(kind, arguments.get("query"))
        except search.SearchError as error:
            raise BulkError(str(error)) from error
        plan = Plan(kind, "t.id", "", where, parameters)
        self._connection(plan, root, 1)
        return plan

    def _flat(self, selection: SelectionSetNode | None) -> Iterator[FieldNode]:
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._flat(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._flat(self.fragments[node.name.value].selection_set)

    def _connection(self, plan: Plan, node: FieldNode, depth: int) -> None:
        self.connections += 1
        if self.connections > MAX_CONNECTIONS:
            raise BulkError(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
        if depth > MAX_DEPTH + 1:
            raise BulkError(f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_DEPTH}.")
        nodes: list[FieldNode] = []
        for child in self._flat(node.selection_set):
            if child.name.value == "edges":
                nodes += [n for n in self._flat(child.selection_set) if n.name.value == "node"]
            elif child.name.value == "nodes":
                nodes.append(child)
            elif child.name.value != "pageInfo":
                raise BulkError(f"stand-in has no data for {plan.type}Connection.{child.name.value}")
        if not nodes:
            raise BulkError(f"The '{node.name.value}' connection must select its nodes.")
        fields = [child for chosen in nodes for child in self._flat(chosen.selection_set)]
        plan.code = self._object(plan, plan.type, RECORDS[plan.type].fields, fields, depth, "c_{}")
        if plan.children and not any(f.name.value == "id" and not f.alias for f in fields):
            raise BulkError(
                "The parent 'node' field for a nested connection must select the 'id' field without an alias."
            )

    def _object(
        self, plan: Plan, kind: str, fields: Mapping[str, Field], chosen: list[FieldNode], depth: int, variable: str
    ) -> str:
        parts = []
        for node in chosen:
            name = node.name.value
            key = node.alias.value if node.alias else name
            if name == "__typename":
                parts.append(f"{key!r}: {kind!r}")
                continue
            spec = fields.get(name)
            if spec is None:
                raise BulkError(f"stand-in has no data for {kind}.{name}")
            if isinstance(spec, Connection):
                if depth < 1:
                    raise BulkError("Queries that contain a connection field within a list field are not supported.")
                self._child(plan, spec, node, depth)
                continue
            parts.append(f"{key!r}: {self._value(plan, name, spec, node, variable)}")
        return "{" + ", ".join(parts) + "}"

    def _child(self, plan: Plan, spec: Connection, node: FieldNode, depth: int) -> None:
        arguments = _arguments(node)
        where, parameters = narrowed(spec, arguments)
        child = Plan(spec.type, spec.via, spec.through, where, parameters)
        self._connection(child, node, depth + 1)
        plan.children.append(child)

    def _value(self, plan: Plan, name: str, spec: Field, node: FieldNode, variable: str) -> str:
        chosen = list(self._flat(node.selection_set))
        if isinstance(spec, Leaf):
            return self._expression(plan, spec.expr, variable)
        if isinstance(spec, Embed):
            inner = self._object(plan, name, spec.fields, chosen, 0, variable)
            return f"({inner} if {self._expression(plan, spec.when, variable)} else None)" if spec.when else inner
        if isinstance(spec, Items):
            # a list's own keys are not columns: their expressions are read against the item
            inner = self._object(plan, name, spec.fields, chosen, 0, "item[{!r}]")
            return f"[{inner} for item in {self._expression(plan, spec.expr, variable)}]"
        if isinstance(spec, Ref):
            return self._reference(plan, spec, chosen, variable)
        assert isinstance(spec, Lookup)  # noqa: S101 - connections were taken out by the caller
        return self._lookup(plan, spec, node, chosen, variable)

    def _expression(self, plan: Plan, expr: str, variable: str) -> str:
        if variable == "c_{}":
            plan.columns |= set(COLUMN.findall(expr))
        return "(" + COLUMN.sub(lambda match: variable.format(match.group(1)), expr) + ")"

    def _reference(self, plan: Plan, spec: Ref, chosen: list[FieldNode], variable: str) -> str:
        column = self._expression(plan, f"{{{spec.column}}}", variable)
        if {node.name.value for node in chosen} <= ID_ONLY:
            values = {"id": f"'gid://shopify/{spec.type}/%d' % {column}", "legacyResourceId": f"str({column})"}
            values["__typename"] = repr(spec.type)
            parts = [f"{(n.alias or n.name).value!r}: {values[n.name.value]}" for n in chosen]
            return f"(None if {column} is None else {{{', '.join(parts)}}})"
        shape = self._one(spec.type, chosen)

        @lru_cache(maxsize=100_000)
        def look(number: int | None) -> Any:
            row = self.shop.get(spec.type, number)
            return shape(row) if row else None

        plan.lookups.append(look)
        return f"look[{len(plan.lookups) - 1}]({column})"

    def _lookup(self, plan: Plan, spec: Lookup, node: FieldNode, chosen: list[FieldNode], variable: str) -> str:
        where, parameters = narrowed(spec, _arguments(node))
        shape = self._one(spec.type, chosen)

        def look(number: int) -> Any:
            found = self.shop.find(spec.type, f"{spec.via} = ? AND {where}", (number, *parameters), "LIMIT 1")
            return shape(found[0]) if found else None

        plan.lookups.append(look)
        return f"look[{len(plan.lookups) - 1}]({self._expression(plan, '{id}', variable)})"

    def _one(self, kind: str, chosen: list[FieldNode]) -> Callable[[Row], Any]:
        inner = Plan(kind, "", "", "1", [])
        code = self._object(inner, kind, RECORDS[kind].fields, chosen, 0, "c_{}")
        make = self.function(inner, code)
        return lambda row: make([(None, *(row.values[name] for name in inner.names()))])[0]

    def function(self, plan: Plan, code: str) -> Callable[[list[tuple[Any, ...]]], list[Any]]:
        """The code as a function from rows (parent first, then the plan's columns) to objects."""
        names = ", ".join(["parent", *(f"c_{name}" for name in plan.names())])
        source = f"lambda rows: [{code} for ({names},) in rows]"
        scope = {**self.helpers, "look": plan.lookups}
        make: Callable[[list[tuple[Any, ...]]], list[Any]] = eval(source, scope)  # noqa: S307 - our own expressions
        return make


def narrowed(spec: Connection | Lookup, arguments: Mapping[str, Any]) -> tuple[str, list[object]]:
    """The arguments that a connection or look-up narrows by, as SQL."""
    conditions, parameters = ["1"], list[object]()
    for name in spec.arguments:
        value = arguments.get(name)
        if value is None:
            continue
        if name == "keys":
            conditions.append("(t.namespace || '.' || t.key IN (SELECT value FROM json_each(?)) "
                              "OR t.key IN (SELECT value FROM json_each(?)))")  # fmt: skip
            parameters += [json.dumps(value)] * 2
        else:
            conditions.append(f"t.{name} = ?")
            parameters.append(value)
    return " AND ".join(conditions), parameters


def _arguments(node: FieldNode) -> dict[str, Any]:
    return {a.name.value: value_from_ast_untyped(a.value) for a in node.arguments}


@dataclass
class Written:
    """How many objects of each type went into the file."""

    roots: int = 0
    by_type: dict[str, int] = field(default_factory=dict)

    @property
    def objects(self) -> int:
        """All objects, children included."""
        return sum(self.by_type.values())


class Walk:
    """Streams a plan's JSONL from one consistent view of the shop."""

    def __init__(self, compiler: Compiler, plan: Plan) -> None:
        self.written = Written()
        self._make: dict[int, Callable[[list[tuple[Any, ...]]], list[Any]]] = {}
        self._plan = plan
        self._shop = compiler.shop
        self._prepare(compiler, plan, nested=False)

    def _prepare(self, compiler: Compiler, plan: Plan, *, nested: bool) -> None:
        code = plan.code
        if nested:
            code = code[:-1] + (", " if len(code) > 2 else "") + "'__parentId': parent}"  # noqa: PLR2004
        self._make[id(plan)] = compiler.function(plan, code)
        for child in plan.children:
            self._prepare(compiler, child, nested=True)

    def chunks(self) -> Iterator[bytes]:
        """Chunks of whole lines. A batch of parents comes before its children, so a child may be far from its own."""
        database = self._shop.connect()
        try:
            database.execute("BEGIN")  # one snapshot for the whole file
            where = f"WHERE {self._plan.where} ORDER BY t.id"
            cursor = database.execute(f"{self._plan.select('NULL')} {where}", self._plan.parameters)
            while rows := cursor.fetchmany(BATCH):
                self.written.roots += len(rows)
                yield self._lines(self._plan, rows)
                yield from self._children(database, self._plan, rows)
        finally:
            database.close()

    def _lines(self, plan: Plan, rows: list[tuple[Any, ...]]) -> bytes:
        count = self.written.by_type.get(plan.type, 0)
        self.written.by_type[plan.type] = count + len(rows)
        dumps, make, parts = orjson.dumps, self._make[id(plan)], []
        # Small slices: the objects' memory is reused while warm, which measured four times faster than one sweep.
        for start in range(0, len(rows), SLICE):
            parts += [dumps(item, None, orjson.OPT_APPEND_NEWLINE) for item in make(rows[start : start + SLICE])]
        return b"".join(parts)

    def _children(self, database: sqlite3.Connection, plan: Plan, rows: list[tuple[Any, ...]]) -> Iterator[bytes]:
        position = 1 + plan.names().index("id")
        parents = json.dumps([row[position] for row in rows])
        for child in plan.children:
            key = f"'gid://shopify/{plan.type}/' || {child.via}"
            condition = f"WHERE {child.via} IN (SELECT value FROM json_each(?)) AND {child.where} ORDER BY t.id"
            cursor = database.execute(f"{child.select(key)} {condition}", (parents, *child.parameters))
            while below := cursor.fetchmany(BATCH):
                yield self._lines(child, below)
                yield from self._children(database, child, below)
