"""What Encore asks of Shopify and what it declares there, held against the official schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    validate,
    visit,
)

from app.shopify.documents import API_VERSION, bulk_document, operations
from app.shopify.effects import make_effects
from app.shopify.importer import EXPORTS
from sandbox.shopify.schema import admin_schema, covers

TOML = tomllib.loads((Path(__file__).parents[3] / "shopify.app.toml").read_text(encoding="utf-8"))
ALL = sorted(operations())


def document(name: str) -> DocumentNode:
    return parse(bulk_document(name) if name in EXPORTS.values() else operations()[name])


class Selections(Visitor):
    """Collects every selected field with its type, whether it is deprecated, and connections with their depth."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.fields: list[tuple[str, str, GraphQLField]] = []
        self.depth = 0
        self.deepest = 0
        self.connections = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, field = self.info.get_parent_type(), self.info.get_field_def()
        assert parent is not None
        assert field is not None
        self.fields.append((parent.name, node.name.value, field))
        if get_named_type(field.type).name.endswith("Connection"):
            self.connections += 1
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)

    def leave_field(self, _node: FieldNode, *_: Any) -> None:
        field = self.info.get_field_def()
        if field is not None and get_named_type(field.type).name.endswith("Connection"):
            self.depth -= 1


def selections(name: str) -> Selections:
    info = TypeInfo(admin_schema().graphql)
    found = Selections(info)
    visit(document(name), TypeInfoVisitor(info, found))
    return found


class TestEveryDocument:
    @pytest.mark.parametrize("name", ALL)
    def test_is_valid_in_the_official_schema(self, name: str) -> None:
        assert validate(admin_schema().graphql, document(name)) == []

    @pytest.mark.parametrize("name", ALL)
    def test_selects_nothing_deprecated(self, name: str) -> None:
        assert [f"{kind}.{field}" for kind, field, d in selections(name).fields if d.deprecation_reason] == []

    @pytest.mark.parametrize("name", ALL)
    def test_needs_no_scope_that_the_app_does_not_ask_for(self, name: str) -> None:
        granted = frozenset(TOML["access_scopes"]["scopes"].split(","))
        needed = admin_schema().scopes
        lacking = [
            f"{kind}.{field}"
            for kind, field, _ in selections(name).fields
            if not covers(granted, needed.get(f"{kind}.{field}", frozenset()))
        ]
        assert lacking == []


class TestExports:
    @pytest.mark.parametrize("name", sorted(EXPORTS.values()))
    def test_keep_the_rules_of_bulk_operations(self, name: str) -> None:
        found = selections(name)
        assert 1 <= found.connections <= 5
        assert found.deepest <= 2
        operation = document(name).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        assert not operation.variable_definitions

    def test_a_filter_is_part_of_the_text(self) -> None:
        assert "orders(query: \"status:any AND updated_at:>='2026-01-01T00:00:00Z'\")" in bulk_document(
            "BulkOrders", "status:any AND updated_at:>='2026-01-01T00:00:00Z'"
        )


class TestTheAppsDeclaration:
    def test_speaks_the_version_that_the_client_speaks(self) -> None:
        assert TOML["webhooks"]["api_version"] == API_VERSION

    def test_every_topic_has_an_effect_and_a_route(self) -> None:
        effects = make_effects(None, None)  # type: ignore[arg-type] # only the names are read
        for subscription in TOML["webhooks"]["subscriptions"]:
            assert subscription["uri"].startswith("/webhooks/")
            for topic in subscription.get("topics", subscription.get("compliance_topics")):
                assert topic in effects

    def test_the_mandatory_privacy_topics_are_there(self) -> None:
        topics = {t for s in TOML["webhooks"]["subscriptions"] for t in s.get("compliance_topics", [])}
        assert topics == {"customers/data_request", "customers/redact", "shop/redact"}

    def test_the_name_fits(self) -> None:
        assert len(TOML["name"]) <= 30
