"""The official Admin schema 2026-10 and the scope that each of its types and fields needs.

It comes from the npm package @shopify/dev-mcp 1.16.0, or from a copy of the same bytes.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from graphql import GraphQLSchema, build_client_schema

API_VERSION = "2026-10"
SHA256 = "f3b522f264556925eada700e795e4a002a9cba83444ebcc6c0d724254a0c6593"
ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    ROOT.parent / "shared/specs/shopify/admin_2026-10.json.gz",
    ROOT / "sandbox/vendor/node_modules/@shopify/dev-mcp/dist/data/admin_2026-10.json.gz",
    ROOT / "embedded_ui/node_modules/@shopify/dev-mcp/dist/data/admin_2026-10.json.gz",
)


@dataclass(frozen=True)
class AdminSchema:
    """The schema; `scopes` maps "Type" and "Type.field" to the scopes of which one is enough."""

    graphql: GraphQLSchema
    scopes: dict[str, frozenset[str]]
    required: dict[str, str]


@lru_cache(maxsize=1)
def admin_schema() -> AdminSchema:
    """Load the schema once per process (about a second). FileNotFoundError says how to get it."""
    for place in PLACES:
        if place.exists():
            content = place.read_bytes()
            if hashlib.sha256(content).hexdigest() != SHA256:
                raise ValueError(f"{place} is not the schema that @shopify/dev-mcp 1.16.0 publishes")
            return _read(content)
    raise FileNotFoundError(
        "the Admin schema is missing; fetch it with: npm ci --ignore-scripts --omit=optional --prefix sandbox/vendor"
    )


def _read(content: bytes) -> AdminSchema:
    raw = json.loads(gzip.decompress(content))
    scopes: dict[str, frozenset[str]] = {}
    required: dict[str, str] = {}
    for item in raw["offline_scopes"]["items"]:
        if item["offlineScopes"]:
            name = item["typeName"] + (f".{item['fieldName']}" if item.get("fieldName") else "")
            scopes[name] = frozenset(item["offlineScopes"])
            required[name] = item["requiredAccess"]
    return AdminSchema(build_client_schema(raw["data"]), scopes, required)


def covers(granted: frozenset[str], needed: frozenset[str]) -> bool:
    """Whether one of the needed scopes is granted; a write scope implies its read scope."""
    implied = {f"read_{scope.removeprefix('write_')}" for scope in granted if scope.startswith("write_")}
    return not needed or bool(needed & (granted | implied))
