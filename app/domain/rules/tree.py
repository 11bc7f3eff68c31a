"""The parsed rule: what a leaf, a group and a window are. Immutable; made by `parse` only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Compare = Literal["eq", "ne", "gt", "gte", "lt", "lte"]
Operator = Literal[
    "is",
    "is_not",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts",
    "ends",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "set",
    "unset",
    "true",
    "false",
]
Unit = Literal["h", "d", "w", "mo", "y"]
Scalar = str | int | float
Value = Scalar | tuple[Scalar, ...] | None
NEGATIVE: frozenset[str] = frozenset({"is_not", "not_in", "not_contains", "unset", "ne"})
"""Operators that are true on a missing value; all others are false on it."""


@dataclass(frozen=True)
class Duration:
    """So many hours, store days, weeks, months or years."""

    n: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.n}{self.unit}"


@dataclass(frozen=True)
class Window:
    """A stretch of time, relative to `as_of`, in the shop's zone. `kind` says which fields count.

    last, next: `span`; ago: `span` to `until`; between: `start` to `end`; before: `end`;
    since: `start`; calendar: `period`; ever: nothing. anniversary: `span`, the days to come in which
    the day and month of an earlier year's date return. Dates and instants stay as written.
    """

    kind: Literal["last", "next", "ago", "between", "before", "since", "calendar", "ever", "anniversary"]
    span: Duration | None = None
    until: Duration | None = None
    start: str | None = None
    end: str | None = None
    period: str | None = None


EVER = Window("ever")


@dataclass(frozen=True)
class Filter:
    """A condition on one event, e.g. its product's type."""

    attr: str
    op: Operator
    value: Value


@dataclass(frozen=True)
class Attr:
    """A customer's attribute compares so, or its date lies in a window."""

    attr: str
    op: Operator | None
    value: Value
    missing: Literal["match", "skip"] | None
    during: Window | None


@dataclass(frozen=True)
class Did:
    """The customer did something so many times in a window."""

    event: str
    where: tuple[Filter, ...]
    op: Compare
    n: int
    during: Window


WITH_AN_ORDER = Did("ordered", (), "gte", 1, EVER)
"""Among whom customers are ranked unless a rule says otherwise."""


@dataclass(frozen=True)
class Measure:
    """A sum, average, minimum, maximum or distinct count over events."""

    function: Literal["sum", "avg", "min", "max", "distinct"]
    event: str
    field: str
    where: tuple[Filter, ...]
    during: Window
    op: Compare
    value: int | float


@dataclass(frozen=True)
class OrderOf:
    """Something happened, and `then` so often within a time after it.

    Each event of `first` whose number (1 = the earliest of them) satisfies the count of `first` begins a
    sequence. One sequence that is settled suffices: see `sequence_query`.
    """

    first: Did
    then: Did
    within: Duration


@dataclass(frozen=True)
class Recent:
    """The latest event that `where` picks has these properties."""

    event: str
    where: tuple[Filter, ...]
    has: tuple[Filter, ...]


@dataclass(frozen=True)
class Life:
    """Where the customer stands with an event; `gap` is None for first_time only.

    first_time: the first ever lies in the window. stopped: had one in the window, none in the last `gap`.
    returned: one in the window came after more than `gap` without. regular: at least three in the window,
    never more than `gap` apart.
    """

    life: Literal["first_time", "stopped", "returned", "regular"]
    event: str
    gap: Duration | None
    during: Window


@dataclass(frozen=True)
class Predict:
    """A prediction compares so; `next_order` has a window in place of a value.

    Buying again or for the first time is about a product, or about any product of a type.
    """

    what: Literal["buy_again", "buy_new", "value", "lapse", "next_order"]
    product: str | None
    horizon: str | None
    op: Compare | None
    value: int | float | None
    during: Window | None
    product_type: str | None = None


@dataclass(frozen=True)
class Member:
    """The customer is in another segment: `seg_7`, or an automatic one by its key; or moved there in a window."""

    segment: str
    moved: Literal["entered", "left", "was_in"] | None = None
    during: Window | None = None


@dataclass(frozen=True)
class Consent:
    """What the customer allows on a channel."""

    channel: Literal["email", "sms"]
    state: Literal["yes", "no", "pending"]


@dataclass(frozen=True)
class Reachable:
    """The customer can be mailed: consent, valid address, not suppressed."""

    channel: Literal["email"]


@dataclass(frozen=True)
class Near:
    """The customer's address lies within so many kilometres of a point, along the surface of the earth."""

    lat: float
    lon: float
    km: float


@dataclass(frozen=True)
class Rank:
    """The customer stands so high among others by an attribute: in the top percent, or in fifths (5 = highest)."""

    attr: str
    top_percent: float | None
    quintile: tuple[int, ...]
    among: Node


@dataclass(frozen=True)
class Sample:
    """A stable random part of all customers."""

    percent: float
    salt: str


Leaf = Attr | Did | Measure | OrderOf | Recent | Life | Predict | Member | Consent | Reachable | Near | Sample | Rank


@dataclass(frozen=True)
class Group:
    """Nodes joined: all of them, any of them, none of them."""

    kind: Literal["all", "any", "none"]
    nodes: tuple[Node, ...]


Node = Group | Leaf


@dataclass(frozen=True)
class Rule:
    """A whole rule."""

    match: Node


def leaves(node: Node, path: str = "match") -> list[tuple[str, Leaf]]:
    """All leaves with their JSON paths, in the order written."""
    if not isinstance(node, Group):
        return [(path, node)]
    found: list[tuple[str, Leaf]] = []
    for position, child in enumerate(node.nodes):
        found.extend(leaves(child, f"{path}.{node.kind}[{position}]"))
    return found


def every_leaf(node: Node, path: str = "match") -> list[tuple[str, Leaf]]:
    """All leaves with their JSON paths, those inside a sequence and inside a rank's `among` included."""
    found: list[tuple[str, Leaf]] = []
    for place, leaf in leaves(node, path):
        found.append((place, leaf))
        if isinstance(leaf, OrderOf):
            found += [(f"{place}.first", leaf.first), (f"{place}.then", leaf.then)]
        elif isinstance(leaf, Rank):
            found += every_leaf(leaf.among, f"{place}.among")
    return found


def references(rule: Rule) -> set[str]:
    """The segments that a rule names."""
    return {leaf.segment for _, leaf in every_leaf(rule.match) if isinstance(leaf, Member)}
