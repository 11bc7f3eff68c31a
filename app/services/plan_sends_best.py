"""The best product for every customer at once: predictions read as a stream, and folded into one column per fact.

A shop of a million customers has tens of millions of predictions. They are never all in memory, nor any of them a
Python object: each batch is cut at the borders between products, within which nobody comes twice, and whoever has found
better takes it. The order is that of `domain.arbitration.rank` within one campaign.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.domain.campaigns import Reason
from app.services.automatic_segments_products import FLOOR, TIMES_BASE_RATE
from app.services.decision_sheets import KINDS, NONE, PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import duckdb

REPURCHASE, CROSS_SELL = range(len(KINDS))
NOBODY = len(KINDS)  # a kind that every other beats: no candidate yet
AT_ONCE = 1_000_000
POSSIBLE = np.uint8(0)  # the place of "selected" among what a decision can say

# Overdue counts to the second. A missing lift counts as none at all: minus nought, which equals nought and is known by
# its sign. A missing date counts as not due: less overdue than anything.
PAIRS = """
SELECT p.customer_no, p.product_no, CAST(p.kind = 'cross_sell' AS TINYINT) AS kind, p.probability,
       coalesce(nullif(p.lift, 'nan'::DOUBLE), '-0.0'::DOUBLE) AS lift, coalesce(p.because_product_no, -1) AS because,
       coalesce(date_diff('second', p.expected_at, '{tick}'::TIMESTAMPTZ) / 86400.0, '-inf'::DOUBLE) AS overdue
FROM pairs p"""
# What `Facts.floor` says, for a query that joins base_rates as b.
LIKELY = """greatest(CASE p.kind WHEN 'repurchase' THEN $again ELSE $new END,
    $times * CASE WHEN b.base_rate IS NULL OR isnan(b.base_rate) THEN 0 ELSE b.base_rate END)"""

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class ByProduct:
    """Customers by product: one array, cut where the product changes."""

    def __init__(self, product_no: Ints, customer_no: Ints) -> None:
        order = np.argsort(product_no, kind="stable")
        self._customers = customer_no[order]
        products, starts = np.unique(product_no[order], return_index=True)
        ends = np.append(starts, len(order))[1:]
        self._of = {int(p): (int(a), int(b)) for p, a, b in zip(products, starts, ends, strict=True)}

    def __bool__(self) -> bool:
        return bool(self._of)

    def customers(self, product_no: int) -> Ints:
        """Those of one product, in no order, some perhaps twice."""
        start, end = self._of.get(product_no, (0, 0))
        return self._customers[start:end]

    def everybody(self) -> Ints:
        """The customers of all products, ascending."""
        return np.unique(self._customers)


def nobody() -> ByProduct:
    """No customer of any product."""
    return ByProduct(np.zeros(0, np.int32), np.zeros(0, np.int32))


@dataclass
class Facts:
    """What is known of products when a tick looks at them.

    status: product → why it can't be offered, as a place of what decisions say; products that are fine have POSSIBLE,
            those that are not there are inactive. base_rate: (kind, product) → chance of a purchase by anybody.
    lifts:  product → (bought before, shrunk lift), both (n,).
    bought, subscribed: who ever bought the product, and who gets it by subscription. declined: kind → who does not want
    such e-mails.
    """

    status: dict[int, int] = field(default_factory=dict)
    base_rate: dict[tuple[int, int], float] = field(default_factory=dict)
    lifts: dict[int, tuple[Ints, Floats]] = field(default_factory=dict)
    bought: ByProduct = field(default_factory=nobody)
    subscribed: ByProduct = field(default_factory=nobody)
    declined: dict[int, Ints] = field(default_factory=dict)

    def floor(self, kind: int, product_no: int) -> float:
        """What audiences without a product of their own hold likely enough."""
        least = FLOOR["buy_again" if kind == REPURCHASE else "buy_new"]
        return max(least, TIMES_BASE_RATE * self.base_rate.get((kind, product_no), 0.0))


@dataclass
class Group:
    """Candidates of one product and one kind; nobody is among them twice. All columns (n,)."""

    kind: int
    product_no: int
    customer_no: Ints
    first: Floats
    second: Floats
    because: Ints
    says: npt.NDArray[np.uint8]

    def take(self, which: Any) -> Group:
        """Some of them."""
        columns = (self.customer_no, self.first, self.second, self.because, self.says)
        return Group(self.kind, self.product_no, *(column[which] for column in columns))


class Best:
    """The best candidate of each customer number below `size`. All columns (size,).

    kind: NOBODY where there is none. first, second: what counts first and second in the ranks of that kind. says: why
    it can't be sent, or POSSIBLE.
    """

    def __init__(self, size: int) -> None:
        self.kind = np.full(size, NOBODY, np.int8)
        self.first = np.zeros(size)
        self.second = np.zeros(size)
        self.product_no = np.full(size, NONE, np.int32)
        self.because = np.full(size, NONE, np.int32)
        self.says = np.zeros(size, np.uint8)

    def offer(self, group: Group) -> None:
        """Let everybody of the group take it who had nothing better. Equals: the smaller product number stays."""
        who = group.customer_no
        kind, first, second = self.kind[who], self.first[who], self.second[who]
        closer = (group.second > second) | ((group.second == second) & (group.product_no < self.product_no[who]))
        better = (group.kind < kind) | (
            (group.kind == kind) & ((group.first > first) | ((group.first == first) & closer))
        )
        to = who[better]
        self.kind[to] = group.kind
        self.first[to] = group.first[better]
        self.second[to] = group.second[better]
        self.product_no[to] = group.product_no
        self.because[to] = group.because[better]
        self.says[to] = group.says[better]


class Pick:
    """What a campaign would send to each customer: the best of all, and the best of what may be sent.

    needs_purchase: its words name a purchased product. used_up: who got a product's e-mail as often as allowed.
    """

    def __init__(self, size: int, *, needs_purchase: bool = False, used_up: ByProduct | None = None) -> None:
        self.needs_purchase = needs_purchase
        self.best = Best(size)
        self.possible = Best(size)
        self._used_up = used_up or nobody()
        self._mask = np.zeros(size, dtype=bool)

    def offer(self, group: Group) -> None:
        """Take a group in."""
        says = group.says
        if self.needs_purchase and group.kind == CROSS_SELL:
            says = np.where((says == POSSIBLE) & (group.because == NONE), PLACE[Reason.NO_PRODUCT], says)
        had = self._used_up.customers(group.product_no)
        if len(had):
            enough = marked(self._mask, had, group.customer_no)
            says = np.where((says == POSSIBLE) & enough, PLACE[Reason.REPEAT_LIMIT], says)
        group = Group(
            group.kind, group.product_no, group.customer_no, group.first, group.second, group.because,
            says.astype(np.uint8),
        )  # fmt: skip
        self.best.offer(group)
        can = says == POSSIBLE
        self.possible.offer(group if can.all() else group.take(can))


def marked(mask: Bools, some: Ints, asked: Ints) -> Bools:
    """(len(asked),) who of `asked` is among `some`. mask: all false, and so again afterwards; spares a sort."""
    mask[some] = True
    found = mask[asked]
    mask[some] = False
    return found


def groups(
    connection: duckdb.DuckDBPyConnection, where: str, tick: datetime, facts: Facts, size: int, *, floor: bool
) -> Iterator[Group]:
    """Stream the pairs that `where` selects, cut into groups, each candidate with what speaks against it.

    where: SQL of numbers and names of ours; a query with parameters would be read whole before its first row is seen.
    floor: only what is likely enough for an audience without a product.
    """
    mask = np.zeros(size, dtype=bool)
    reader: Any = connection.sql(f"{PAIRS.format(tick=tick.isoformat())} {where}").to_arrow_reader(AT_ONCE)
    for batch in reader:
        columns = {name: np.asarray(batch.column(name)) for name in batch.schema.names}
        for rows in _cut(columns):
            group = _group(rows, facts, mask, floor=floor)
            if group is not None:
                yield group


def _cut(columns: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A batch by kind and product. Runs' files are sorted by product, so there is mostly nothing to sort."""
    key = columns["product_no"].astype(np.int64) * len(KINDS) + columns["kind"]
    if (np.diff(key) < 0).any():
        order = np.argsort(key, kind="stable")
        key = key[order]
        columns = {name: column[order] for name, column in columns.items()}
    borders = [0, *(np.flatnonzero(np.diff(key)) + 1).tolist(), len(key)]
    for start, end in pairwise(borders):
        if end > start:
            yield {name: column[start:end] for name, column in columns.items()}


def _group(rows: dict[str, Any], facts: Facts, mask: Bools, *, floor: bool) -> Group | None:
    kind, product = int(rows["kind"][0]), int(rows["product_no"][0])
    if floor:
        likely = rows["probability"] >= facts.floor(kind, product)
        if not likely.any():
            return None
        rows = rows if likely.all() else {name: column[likely] for name, column in rows.items()}
    who, because = rows["customer_no"], rows["because"]
    against = facts.status.get(product, PLACE[Reason.PRODUCT_INACTIVE])
    says = np.full(len(who), against, np.uint8)
    if against == POSSIBLE:
        stops = (facts.bought, Reason.ALREADY_BOUGHT) if kind == CROSS_SELL else (
            facts.subscribed, Reason.HAS_SUBSCRIPTION)  # fmt: skip
        stopped = stops[0].customers(product)
        if len(stopped):
            says[marked(mask, stopped, who)] = PLACE[stops[1]]
    if kind in facts.declined:
        says[marked(mask, facts.declined[kind], who)] = PLACE[Reason.TOPIC_DECLINED]
    if kind == REPURCHASE:
        first, second = rows["probability"], rows["overdue"]
    else:
        first, second = _lifts(rows["lift"], because, facts.lifts.get(product)), rows["probability"]
    return Group(kind, product, who, first, second, because, says)


def _lifts(own: Floats, because: Ints, known: tuple[Ints, Floats] | None) -> Floats:
    """(n,) the shrunk lift of the product given what was bought, else the one that came with the prediction."""
    if known is None:
        return own
    bought, lift = known
    place = np.minimum(np.searchsorted(bought, because), len(bought) - 1)
    return np.where(bought[place] == because, lift[place], own)


def outdone(champion: Best, challenger: Best, who: Ints) -> Bools:
    """(len(who),) where the challenger's candidate beats the champion's; equals don't.

    Offered in the order of campaigns, from the oldest on, that is `rank`: the older campaign comes before the product.
    """
    ours, theirs = challenger, champion
    kind, first = ours.kind[who], ours.first[who]
    tied = first == theirs.first[who]
    better: Bools = (kind < theirs.kind[who]) | (
        (kind == theirs.kind[who]) & ((first > theirs.first[who]) | (tied & (ours.second[who] > theirs.second[who])))
    )
    return better


def crown(champion: Best, challenger: Best, who: Ints) -> None:
    """Put the challenger's candidates in the place of the champion's."""
    for name in ("kind", "first", "second", "product_no", "because", "says"):
        getattr(champion, name)[who] = getattr(challenger, name)[who]


def lift_of(kind: Sequence[int] | npt.NDArray[Any], first: Floats) -> Floats:
    """(n,) the lift of candidates; not a number where none is known."""
    missing = (np.asarray(kind) != CROSS_SELL) | ((first == 0) & np.signbit(first))
    return np.where(missing, np.nan, first)


def probability_of(kind: Sequence[int] | npt.NDArray[Any], first: Floats, second: Floats) -> Floats:
    """(n,) the probability of candidates; not a number where there is no candidate."""
    kinds = np.asarray(kind)
    return np.where(kinds == REPURCHASE, first, np.where(kinds == CROSS_SELL, second, np.nan))
