"""Why one customer is in a segment or is not: the rule again, each part with whether it holds, and the own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.domain.rules.alone import RELATIVE, combined
from app.domain.rules.names import attribute
from app.domain.rules.own_values import own_value
from app.domain.rules.sentence import leaf_sentence
from app.domain.rules.tree import Attr, Group, Predict, Sample, leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.rules.alone import Alone
    from app.domain.rules.sentence import Wording
    from app.domain.rules.tree import Leaf, Node, Rule

GROUP_WORDS = {"all": "All of these hold", "any": "At least one of these holds", "none": "None of these holds"}


@dataclass(frozen=True)
class Reason:
    """One part of the rule, for one customer.

    holds:   whether this part holds; under `none` a part that holds keeps the customer out.
    helps:   whether it pushes towards being in: under an odd number of `none` the other way round.
    missing: it holds or not because the value is missing.
    value:   the customer's own value, in words; None for groups and where there is none to show.
    fixed:   why nothing that a customer does changes it, or None.
    """

    path: str
    kind: Literal["all", "any", "none", "leaf"]
    holds: bool
    helps: bool
    sentence: str
    missing: bool = False
    value: str | None = None
    fixed: str | None = None
    nodes: tuple[Reason, ...] = ()


def explain(rule: Rule, alone: Alone, wording: Wording) -> Reason:
    """The tree of reasons. Every leaf is asked as `evaluate` asks it; the root says whether the customer is in."""
    truth = truths(rule, alone)
    return _reason(rule.match, "match", truth, alone, wording, wanted=True)


def truths(rule: Rule, alone: Alone) -> dict[str, bool]:
    """Whether each leaf holds for the customer, by path."""
    return {path: alone.holds(leaf) for path, leaf in leaves(rule.match)}


def why_fixed(leaf: Leaf) -> str | None:
    """Why nothing that happens to the customer alone changes a leaf; None if something can."""
    if isinstance(leaf, Sample):
        return "A random part of all customers: it never changes for a customer."
    if type(leaf).__name__ in RELATIVE:
        return "A comparison with all other customers: it depends on what they do, too."
    known = attribute(leaf.attr) if isinstance(leaf, Attr) else None
    if isinstance(leaf, Predict) or (known is not None and known.owner == "customer_values"):
        return "A prediction: it changes only when Encore predicts anew from new data."
    return None


def _reason(
    node: Node, path: str, truth: Mapping[str, bool], alone: Alone, wording: Wording, *, wanted: bool
) -> Reason:
    holds = combined(node, truth, path)
    if not isinstance(node, Group):
        return Reason(
            path=path,
            kind="leaf",
            holds=holds,
            helps=holds == wanted,
            sentence=leaf_sentence(node, wording),
            missing=alone.missing(node),
            value=own_value(node, alone, wording),
            fixed=why_fixed(node),
        )
    inner = not wanted if node.kind == "none" else wanted
    parts = tuple(
        _reason(child, f"{path}.{node.kind}[{position}]", truth, alone, wording, wanted=inner)
        for position, child in enumerate(node.nodes)
    )
    return Reason(path, node.kind, holds, holds == wanted, GROUP_WORDS[node.kind], nodes=parts)
