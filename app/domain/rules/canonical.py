"""The canonical form: equal meaning, equal text. Only hashed; what the merchant wrote is kept as written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from app.domain.rules.tree import NEGATIVE, Attr, Filter, Group, Member, Node, Predict, Rule, Window

if TYPE_CHECKING:
    from app.domain.rules.tree import Leaf


def canonical(rule: Rule) -> str:
    """The rule with defaults filled, siblings and value lists sorted, as compact JSON."""
    return _text({"v": 1, "match": _node(rule.match)})


def rule_hash(rule: Rule) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(rule).encode()).hexdigest()


def leaf_key(leaf: Leaf) -> str:
    """A leaf's canonical text: equal leaves are evaluated once."""
    return _text(_node(leaf))


def _node(node: Node) -> Any:
    if isinstance(node, Group):
        children = sorted({_text(_node(child)) for child in node.nodes})
        return {node.kind: [json.loads(child) for child in children]}
    return {"leaf": type(node).__name__.lower(), **_fields(node)}


def _fields(thing: Leaf | Filter | Window) -> dict[str, Any]:
    out = {field.name: _plain(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, Attr) and thing.missing is None:
        out["missing"] = "match" if thing.op in NEGATIVE else "skip"
    if isinstance(thing, Attr | Filter) and thing.op in {"in", "not_in"} and isinstance(thing.value, tuple):
        out["value"] = sorted(set(thing.value), key=_text)
    if isinstance(thing, Predict) and thing.product_type is None:
        del out["product_type"]  # rules about a product keep the hash that they had before there were types
    if isinstance(thing, Member) and thing.moved is None:
        del out["moved"], out["during"]  # likewise before there was a history
    for key in ("where", "has"):
        if key in out:
            out[key] = sorted(out[key], key=_text)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Filter | Window):
        return _fields(value)
    if isinstance(value, Node):
        return _node(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 30 and 30.0 mean the same
    return str(value) if value is not None and not isinstance(value, str | int | float) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
