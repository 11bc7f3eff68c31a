"""Rule → members. Leaves are queries or bitmaps, groups are bitmap algebra, logic is two-valued.

Every customer of the universe is in or out: a positive operator is false on a missing value, a
negative one is true on it, and `none` needs no positive partner.
"""

from __future__ import annotations

import operator
import time
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pyroaring import BitMap

from app.domain.rules import names
from app.domain.rules.canonical import leaf_key
from app.domain.rules.compile import (
    Query,
    When,
    absent_query,
    attribute_query,
    did_query,
    measure_query,
    predict_query,
)
from app.domain.rules.compile_customers import dated
from app.domain.rules.match import (
    Found,
    date_flip,
    match_date,
    match_life,
    match_moved,
    match_near,
    match_rank,
    match_recent,
    match_sequence,
)
from app.domain.rules.tree import (
    NEGATIVE,
    Attr,
    Consent,
    Did,
    Group,
    Leaf,
    Life,
    Measure,
    Member,
    Near,
    Node,
    OrderOf,
    Predict,
    Rank,
    Reachable,
    Recent,
    Rule,
    Sample,
    Window,
    every_leaf,
    leaves,
)
from app.domain.rules.windows import expiry, next_midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    import duckdb

    from app.domain.rules.match import Change

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
TICKING = frozenset(
    {
        "orders.365d",
        "spend.90d",
        "spend.previous_90d",
        "spend.trend",
        "order.days_since",
        "tenure.days",
        "gap.ratio",
    }
)
"""Attributes that change by time alone, at store midnight."""
OF_THE_STORE = (Member, Consent, Reachable)
"""Leaves whose answer can change while the data does not."""
ORDERING = frozenset({"gt", "gte", "lt", "lte", "between"})
"""Operators that compare a text of the merchant's as a number; other texts are no value then."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kept(Protocol):
    """Whom conditions selected before, by canonical text."""

    def get(self, key: str, make: Callable[[], Matched]) -> Matched:
        """What was kept, or what is made now."""
        ...


@dataclass
class World:
    """What a rule is evaluated against.

    connection: DuckDB with the lake's and the run's views.
    universe:   all customers that are neither erased nor merged away.
    as_of:      aware; later events are unknown.
    reachable:  customers who can be mailed.
    consent:    (channel, yes|no|pending) → customers.
    segment:    reference in a rule → members; raises for an unknown one.
    unit:       minor units per unit of the shop's currency.
    segment_flip: when that segment can change by time alone.
    shared:     what others found out on the same data as of the same instant.
    history:    reference in a rule → its evaluations by `as_of`, oldest first; raises for an unknown one.
    """

    connection: duckdb.DuckDBPyConnection
    universe: BitMap
    as_of: datetime
    zone: ZoneInfo
    reachable: BitMap
    consent: Callable[[str, str], BitMap]
    segment: Callable[[str], BitMap]
    unit: int = 100
    segment_flip: Callable[[str], datetime | None] = field(default=lambda _reference: None)
    history: Callable[[str], Sequence[Change]] = field(default=lambda _reference: ())
    cache: dict[str, Matched] = field(default_factory=dict)
    shared: Kept | None = None


@dataclass(frozen=True)
class Matched:
    """What one leaf selects.

    missing: the part of `members` for whom the value is missing.
    flip:    earliest instant at which the leaf can change by time alone.
    unknown: all for whom the value is missing, members or not.
    boundary: of a rank, the least and the greatest value among the members.
    """

    members: BitMap
    missing: BitMap
    flip: datetime | None
    unknown: BitMap = field(default_factory=BitMap)
    boundary: tuple[float, float] | None = None


@dataclass(frozen=True)
class LeafCount:
    """One leaf's place and counts; `remaining` only for leaves and groups of a top group `all`.

    boundary: of a rank, the least and the greatest value among those whom it selects.
    """

    path: str
    leaf: Leaf
    count: int
    missing: int
    remaining: int | None
    boundary: tuple[float, float] | None = None


@dataclass(frozen=True)
class Evaluation:
    """What a rule selects.

    from_missing: members whose being in rests on a missing value: under `none` too, where not to match is to be in.
    next_flip:    earliest instant at which membership can change by time alone; None = never.
    """

    members: BitMap
    reachable: int
    leaves: list[LeafCount]
    from_missing: BitMap
    next_flip: datetime | None
    seconds: float


def evaluate(rule: Rule, world: World) -> Evaluation:
    """Select the rule's members. Equal leaves run once per `world`."""
    started = time.perf_counter()
    found = leaves(rule.match)
    matched = {path: _cached(leaf, world) for path, leaf in found}
    members = _combine(rule.match, "match", {path: m.members for path, m in matched.items()}, world.universe)
    certain, _ = _certain(rule.match, "match", matched, world.universe)
    flips = [m.flip for m in matched.values() if m.flip is not None]
    remaining = _remaining(rule.match, {path: m.members for path, m in matched.items()}, world.universe)
    return Evaluation(
        members=members,
        reachable=len(members & world.reachable),
        leaves=[
            LeafCount(path, leaf, len(hit.members), len(hit.missing), remaining.get(path), hit.boundary)
            for path, leaf in found
            for hit in [matched[path]]
        ],
        from_missing=members - certain,
        next_flip=min(flips, default=None),
        seconds=time.perf_counter() - started,
    )


def matched_leaves(rule: Rule, world: World) -> list[tuple[str, Leaf, BitMap]]:
    """Each leaf with whom it selects: for saying why a customer is in."""
    return [(path, leaf, _cached(leaf, world).members) for path, leaf in leaves(rule.match)]


def match_leaf(leaf: Leaf, world: World) -> Matched:
    """What one leaf selects; equal leaves run once per `world`."""
    return _cached(leaf, world)


def _combine(node: Node, path: str, matched: dict[str, BitMap], universe: BitMap) -> BitMap:
    if not isinstance(node, Group):
        return matched[path]
    parts = [
        _combine(child, f"{path}.{node.kind}[{position}]", matched, universe)
        for position, child in enumerate(node.nodes)
    ]
    if node.kind == "all":
        return BitMap.intersection(*parts)
    joined = BitMap.union(*parts)
    return joined if node.kind == "any" else universe - joined


def _certain(node: Node, path: str, matched: dict[str, Matched], universe: BitMap) -> tuple[BitMap, BitMap]:
    """Who is surely in and who surely out, whatever the missing values are (Kleene's logic of three values)."""
    if not isinstance(node, Group):
        leaf = matched[path]
        return leaf.members - leaf.unknown, universe - leaf.members - leaf.unknown
    parts = [
        _certain(child, f"{path}.{node.kind}[{position}]", matched, universe)
        for position, child in enumerate(node.nodes)
    ]
    ins, outs = [inside for inside, _ in parts], [outside for _, outside in parts]
    if node.kind == "all":
        return BitMap.intersection(*ins), BitMap.union(*outs)
    if node.kind == "any":
        return BitMap.union(*ins), BitMap.intersection(*outs)
    return BitMap.intersection(*outs), BitMap.union(*ins)


def _remaining(match: Node, matched: dict[str, BitMap], universe: BitMap) -> dict[str, int]:
    """The running count along a top group `all`, by the path of the child that is a leaf."""
    if not isinstance(match, Group) or match.kind != "all":
        return {}
    left, counts = universe, {}
    for position, child in enumerate(match.nodes):
        path = f"match.all[{position}]"
        left = left & _combine(child, path, matched, universe)
        last = leaves(child, path)[-1][0]
        counts[last] = len(left)
    return counts


def _cached(leaf: Leaf, world: World) -> Matched:
    key = leaf_key(leaf)
    if key not in world.cache:
        world.cache[key] = _match_shared(key, leaf, world)
    return world.cache[key]


def _of_the_store(leaf: Leaf) -> bool:
    return any(isinstance(inner, OF_THE_STORE) for _, inner in every_leaf(leaf))


def _match_shared(key: str, leaf: Leaf, world: World) -> Matched:
    """What others found out may hold customers who have left the universe since; nobody joins one."""
    if world.shared is None or _of_the_store(leaf):
        return _match(leaf, world)
    kept = world.shared.get(key, lambda: _match(leaf, world))
    if kept.members.issubset(world.universe) and kept.unknown.issubset(world.universe):
        return kept
    universe = world.universe
    return Matched(kept.members & universe, kept.missing & universe, kept.flip, kept.unknown & universe)


def _match(leaf: Leaf, world: World) -> Matched:  # noqa: C901, PLR0911 - one line per kind of leaf
    flip: datetime | None = None
    match leaf:
        case Attr() if dated(leaf):
            return _dated(leaf, world)
        case Attr():
            return _attr(leaf, world)
        case Did():
            return _did(leaf, world)
        case Measure():
            return _measure(leaf, world)
        case OrderOf() | Recent() | Life() | Near() | Rank():
            return _matched(leaf, world)
        case Predict():
            return _predict(leaf, world)
        case Member() if leaf.moved is not None:
            return _moved(leaf, world)
        case Member():
            members = world.segment(leaf.segment)
            flip = world.segment_flip(leaf.segment)
        case Consent():
            members = world.consent(leaf.channel, leaf.state)
        case Reachable():
            members = world.reachable
        case Sample():
            members = _sample(leaf, world)
    return Matched(members & world.universe, BitMap(), flip)


def _matched(leaf: OrderOf | Recent | Life | Near | Rank, world: World) -> Matched:
    when, fetch = _when(world), _fetcher(world)
    match leaf:
        case OrderOf():
            found = match_sequence(leaf, when, fetch)
        case Recent():
            found = match_recent(leaf, when, fetch)
        case Life():
            found = match_life(leaf, when, fetch)
        case Near():
            found = match_near(leaf, fetch)
        case Rank():
            return _ranked(leaf, world)
    return Matched(bitmap(found.hits) & world.universe, BitMap(), found.flip, _unknown(found, world), found.boundary)


def _ranked(leaf: Rank, world: World) -> Matched:
    among = evaluate(Rule(leaf.among), world)
    found = match_rank(leaf, among.members, _fetcher(world))
    flips = [among.next_flip]
    if leaf.attr in TICKING or names.ATTRIBUTES[leaf.attr].owner == "customer_values":
        flips.append(next_midnight(world.as_of, world.zone))
    flip = min((at for at in flips if at is not None), default=None)
    return Matched(bitmap(found.hits), BitMap(), flip, _unknown(found, world), found.boundary)


def _dated(leaf: Attr, world: World) -> Matched:
    found = match_date(leaf, _when(world), _fetcher(world))
    unknown = _unknown(found, world)
    missing = unknown if leaf.missing == "match" else BitMap()
    return Matched((bitmap(found.hits) & world.universe) | missing, missing, found.flip, unknown)


def _moved(leaf: Member, world: World) -> Matched:
    members, flip = match_moved(leaf, world.history(leaf.segment), _when(world))
    flips = [at for at in (flip, world.segment_flip(leaf.segment)) if at is not None]
    return Matched((members or BitMap()) & world.universe, BitMap(), min(flips, default=None))


def _unknown(found: Found, world: World) -> BitMap:
    if found.unknown is not None:
        return bitmap(found.unknown) & world.universe
    return BitMap() if found.known is None else world.universe - bitmap(found.known)


def _fetcher(world: World) -> Callable[[Query], dict[str, np.ndarray[Any, Any]]]:
    return lambda query: _fetch(world, query.sql, query.values)


def _when(world: World) -> When:
    return When(world.as_of, world.zone, world.unit)


def _attr(leaf: Attr, world: World) -> Matched:
    when = _when(world)
    query = attribute_query(leaf, when)
    found = _fetch(world, f"SELECT customer_no FROM ({query.sql}) WHERE hit", query.values)
    hits = bitmap(found["customer_no"]) & world.universe
    others = world.universe - _known(leaf, query, world)
    absent = absent_query(leaf, when)
    missing, unknown = BitMap(), others if absent is None else BitMap()
    if absent is not None:
        row = world.connection.execute(absent.sql, absent.values).fetchall()[0]
        hits |= others if row[0] else BitMap()
    elif (leaf.missing or ("match" if leaf.op in NEGATIVE else "skip")) == "match":
        missing = others
    attribute = names.attribute(leaf.attr)
    owner = attribute.owner if attribute else ""
    flip = None
    if leaf.during is not None:
        flip = date_flip(leaf, when, _fetcher(world))
    elif leaf.attr in TICKING or owner == "customer_values":
        flip = next_midnight(world.as_of, world.zone)
    return Matched(hits | missing, missing, flip, unknown)


def _known(leaf: Attr, query: Query, world: World) -> BitMap:
    """The customers whose value is known, whatever is asked of it: of most attributes half of all rows."""
    key = f"known {leaf.attr}{' as a number' if leaf.op in ORDERING else ''}"

    def find() -> Matched:
        columns = _fetch(world, f"SELECT customer_no FROM ({query.sql})", query.values)
        return Matched(bitmap(columns["customer_no"]), BitMap(), None)

    if key not in world.cache:
        world.cache[key] = find() if world.shared is None else world.shared.get(key, find)
    return world.cache[key].members & world.universe


def _did(leaf: Did, world: World) -> Matched:
    query = did_query(leaf, _when(world))
    columns = _fetch(world, query.sql, query.values)
    compare = COMPARE[leaf.op]
    hits = bitmap(columns["customer_no"][compare(columns["n"], leaf.n)]) & world.universe
    if compare(0, leaf.n):
        hits |= world.universe - bitmap(columns["customer_no"])
    return Matched(hits, BitMap(), _event_flip(leaf.during, columns["first_at"], world))


def _measure(leaf: Measure, world: World) -> Matched:
    query = measure_query(leaf, _when(world))
    columns = _fetch(world, query.sql, query.values)
    compare = COMPARE[leaf.op]
    hits = bitmap(columns["customer_no"][compare(columns["v"], leaf.value)]) & world.universe
    others = world.universe - bitmap(columns["customer_no"])
    missing, unknown = BitMap(), others
    if leaf.function in {"sum", "distinct"}:  # of nothing they are 0; an average of nothing is missing
        hits |= others if compare(0, leaf.value) else BitMap()
        unknown = BitMap()
    elif leaf.op in NEGATIVE:
        missing = others
    return Matched(hits | missing, missing, _event_flip(leaf.during, columns["first_at"], world), unknown)


def _predict(leaf: Predict, world: World) -> Matched:
    query = predict_query(leaf, _when(world))
    columns = _fetch(world, query.sql, query.values)
    hits = bitmap(columns["customer_no"][columns["hit"].astype(bool)]) & world.universe
    unknown = world.universe - bitmap(columns["customer_no"])
    missing = unknown if leaf.op in NEGATIVE else BitMap()
    flips = [next_midnight(world.as_of, world.zone), date_flip(leaf, _when(world), _fetcher(world))]
    return Matched(hits | missing, missing, min(at for at in flips if at is not None), unknown)


def _event_flip(window: Window, first_at: np.ndarray[Any, Any], world: World) -> datetime | None:
    earliest = EPOCH + timedelta(microseconds=int(first_at.min())) if len(first_at) else None
    return expiry(window, earliest, world.as_of, world.zone)


def _sample(leaf: Sample, world: World) -> BitMap:
    """The low 64 bits of MD5 of "salt:customer_no" decide, in ten-thousandths: the same for ever."""
    numbers = np.fromiter(world.universe, dtype=np.uint32, count=len(world.universe))
    limit = round(leaf.percent * 100)
    world.connection.register("sample_universe", {"customer_no": numbers})
    rows = world.connection.execute(
        "SELECT customer_no FROM sample_universe"
        " WHERE md5_number_lower(concat(?, ':', CAST(customer_no AS VARCHAR))) % 10000 < ?",
        [leaf.salt, limit],
    ).fetchnumpy()
    world.connection.unregister("sample_universe")
    return bitmap(np.asarray(rows["customer_no"]))


def _fetch(world: World, sql: str, values: list[Any]) -> dict[str, np.ndarray[Any, Any]]:
    columns = world.connection.execute(sql, values).fetchnumpy()
    return {name: np.ma.getdata(column) for name, column in columns.items()}


def bitmap(numbers: np.ndarray[Any, Any]) -> BitMap:
    """A bitmap of customer numbers."""
    return BitMap(array("I", np.ascontiguousarray(numbers, dtype=np.uint32).tobytes()))
