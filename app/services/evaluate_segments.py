"""Evaluates all segments of a shop on a refresh, and gives out memberships. A few of them: `reevaluate_segments`.

Referenced segments come first and are joined by membership. An evaluation that fails leaves the last good
membership in place and says so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import orjson
import structlog
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.money import exponent
from app.domain.rules.evaluate import Evaluation, evaluate
from app.domain.rules.match import Change
from app.domain.rules.names import PAIR_KIND
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.sentence import leaf_sentence
from app.errors import EncoreError, NotFound, Unavailable
from app.services import (
    automatic_segments,
    automatic_segments_classes,
    automatic_segments_demographics,
    automatic_segments_habits,
    automatic_segments_products,
    automatic_segments_rfm,
    automatic_segments_tiers,
    demographics_classify,
    segments_memberships,
    segments_pins,
)
from app.services.promises import spreads
from app.services.segments_history import JUST_BEFORE
from app.services.segments_statistics import (
    Figures,
    chances,
    moments,
    products,
    summary,
)
from app.services.segments_world import ShopWorld, find, locked, new_world
from app.store.models.customers import Customer
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.automatic_segments import Definition
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

CHOSEN_FILE = "product_segments.json"
"""Which products and types have a segment, of a run's predictions."""
EXPECTED_FAULTS = (duckdb.Error, EncoreError, RuleError, LookupError, ValueError)


class Members(NamedTuple):
    """Who is in a segment, when that was found out, and when it can change by time alone."""

    members: BitMap
    evaluated_at: datetime
    next_flip_at: datetime | None
    watermark: datetime | None


@dataclass
class Outcome:
    """One segment's evaluation, ready to be stored. `fault` instead of the rest if it failed.

    buyers: of a product segment, mean and variance of how many members will buy, as `moments` gives them.
    """

    members: BitMap = field(default_factory=BitMap)
    next_flip: datetime | None = None
    leaves: list[dict[str, Any]] = field(default_factory=list)
    from_missing: int = 0
    statistics: dict[str, Any] = field(default_factory=dict)
    buyers: tuple[float, float] | None = None
    pinned: dict[str, int] = field(default_factory=dict)
    duration_ms: int = 0
    state: str = "ready"
    reason: str | None = None
    fault: str | None = None


@dataclass
class Subject:
    """A segment to evaluate: an automatic definition, or a stored segment, or both."""

    references: set[str]
    rule_text: str | None
    definition: Definition | None = None
    segment: Segment | None = None
    pins: segments_pins.Pins = field(default_factory=segments_pins.Pins)

    @property
    def about(self) -> tuple[str, int | str] | None:
        """(buy_again | buy_new, product_no or product type) of a segment about a product or a type."""
        key = self.definition.key if self.definition else (self.segment and self.segment.key) or ""
        what = key.partition(":")[0]
        of = self.definition or self.segment
        about = None if of is None else of.product_no
        if about is None:
            of_type = automatic_segments_products.type_of(key, self.rule_text)
            return None if of_type is None else (what, of_type)
        return what, about


def membership(rooms: Rooms, ctx: ShopContext, reference: int | str) -> Members:
    """Who is in a segment now, by its number, `seg_7` or key, e.g. `auto:lapsed`.

    Raises NotFound, or Unavailable before its first evaluation.
    """
    with rooms.store.reading(ctx) as session:
        segment = find(session, ctx, reference)
        if segment is None:
            raise NotFound("There is no such segment.")
        row = session.get(Membership, (ctx.shop_id, segment.membership_id)) if segment.membership_id else None
        if row is None:
            raise Unavailable(segment.reason or "This segment was not evaluated yet.")
        return Members(BitMap.deserialize(row.members), row.evaluated_at, row.next_flip_at, row.watermark)


@dataclass(frozen=True)
class Evaluated:
    """All segments of a shop, evaluated on one run; nobody sees it before `publish`.

    reachable: how many of all customers can be mailed.
    """

    run: PublishedRun
    subjects: list[Subject]
    outcomes: list[Outcome]
    reachable: int

    @property
    def filled(self) -> int:
        """The number of segments to show that have members."""
        return sum(1 for outcome in self.outcomes if outcome.state == "ready")


def evaluate_all(rooms: Rooms, ctx: ShopContext, run: PublishedRun, progress: Callable[[int, int], None]) -> Evaluated:
    """Define the automatic segments from a run and evaluate all segments on it. Writes nothing."""
    with new_world(rooms, ctx, run) as world, rooms.store.reading(ctx) as session:
        stored = list(session.scalars(select(Segment).where(Segment.shop_id == ctx.shop_id)))
        used = segments_memberships.used_by(session, ctx)
        evaluation = Evaluating(ctx, world, merge_map(session, ctx), spreads(session, ctx, run.as_of))
        evaluation.take(_definitions(world, ctx), stored, used)
        evaluation.pin(session)
        outcomes = evaluation.run(progress)
        evaluation.merge_equals(used)
        can_be_mailed = len(world.reach.reachable)
    return Evaluated(run, evaluation.subjects, outcomes, can_be_mailed)


def publish(session: Session, rooms: Rooms, ctx: ShopContext, evaluated: Evaluated) -> list[int]:
    """Make the outcomes the segments' memberships, inside the transaction that publishes the run.

    A merchant's segment that was made, edited, deleted or filled by an upload since it was read keeps
    what it has now. Returns the numbers of those that are still there: `reevaluate` brings them to the run.
    """
    run = evaluated.run
    current = locked(session, ctx)
    writer = segments_memberships.Writer(session, ctx, run.run_id, rooms.clock.now(), run.watermark)
    wanted: list[tuple[Segment | None, Definition | None]] = []
    outcomes: list[Outcome] = []
    # All rows first: an upload takes a segment's number before a membership's. The other way round each would
    # wait for the other.
    for subject, outcome in zip(evaluated.subjects, evaluated.outcomes, strict=True):
        now = None if subject.segment is None else current.get(subject.segment.id)
        if subject.definition is None and (now is None or as_read(now) != as_read(subject.segment)):
            continue
        wanted.append((now, subject.definition))
        outcomes.append(outcome)
    chosen = list(zip(writer.rows(wanted), outcomes, strict=True))
    taken = {segment.id for segment, _ in chosen}
    writer.store_all(chosen)
    writer.retire({s.definition.key for s in evaluated.subjects if s.definition})
    log.info("segments_published", shop_id=ctx.shop_id, run_id=run.run_id, segments=len(chosen))
    return [
        number
        for number, segment in current.items()
        if number not in taken and segment.source != "automatic" and segment.deleted_at is None
    ]


def as_read(segment: Segment | None) -> tuple[Any, ...] | None:
    """What an evaluation depends on of a segment's row."""
    if segment is None:
        return None
    return segment.version, segment.rule_hash, segment.membership_id, segment.deleted_at


class Evaluating:
    """One pass over many segments of a shop on one run."""

    def __init__(self, ctx: ShopContext, world: ShopWorld, merged: dict[int, int], spread: dict[str, float]) -> None:
        self._ctx, self._world, self._merged, self._spread = ctx, world, merged, spread
        self._figures = Figures(world.connection, world.reach, 10 ** exponent(ctx.currency))
        self._products: dict[int, dict[str, Any]] = {}
        self._done: dict[int, Outcome] = {}
        self._by_reference: dict[str, int] = {}
        self._under_way: set[int] = set()
        self._stored, self._stored_flip = world.world.segment, world.world.segment_flip
        self._stored_history = world.world.history
        self.subjects: list[Subject] = []

    def take(self, definitions: list[Definition], stored: list[Segment], used: set[int]) -> None:
        """Decide what to evaluate: the definitions, merchants' segments, and automatic ones still in use."""
        by_key = {segment.key: segment for segment in stored if segment.key}
        for definition in definitions:
            text = orjson.dumps(definition.rule).decode() if definition.rule else None
            segment = by_key.get(definition.key)
            names = {definition.key} | ({f"seg_{segment.id}"} if segment else set())
            self.subjects.append(Subject(names, text, definition, segment))
        defined = {definition.key for definition in definitions}
        for segment in stored:
            still = segment.key is None or segment.id in used
            if segment.deleted_at is None and segment.key not in defined and still:
                names = {f"seg_{segment.id}"} | ({segment.key} if segment.key else set())
                self.subjects.append(Subject(names, segment.rule_text, None, segment))
        self._by_reference = {
            reference: position for position, s in enumerate(self.subjects) for reference in s.references
        }
        about = {subject.about[1] for subject in self.subjects if subject.about}
        self._products = products(self._world.connection, sorted(one for one in about if isinstance(one, int)))
        self._world.world.segment = self._members
        self._world.world.segment_flip = self._flip
        self._world.world.history = self._history

    def pin(self, session: Session) -> None:
        """Give the subjects whom the merchant pinned into them or out."""
        pins = segments_pins.read(session, self._ctx, self._merged)
        for subject in self.subjects:
            if subject.segment is not None and subject.definition is None:
                subject.pins = pins.get(subject.segment.id, subject.pins)

    def run(self, progress: Callable[[int, int], None]) -> list[Outcome]:
        """Evaluate all; one outcome per subject, in order."""
        for position in range(len(self.subjects)):
            self._outcome(position)
            progress(position + 1, len(self.subjects))
        return [self._done[position] for position in range(len(self.subjects))]

    def merge_equals(self, used: set[int]) -> None:
        """Of automatic segments with the same members only the first is listed; the others say where they went.

        They keep their members: a rule may name one, and its empty bitmap would be a lie.
        """
        first: dict[bytes, str] = {}
        for position, subject in enumerate(self.subjects):
            outcome = self._done[position]
            if subject.definition is None or not outcome.members:
                continue
            content = outcome.members.serialize()
            if content not in first:
                first[content] = subject.definition.name
            elif subject.segment is None or subject.segment.id not in used:
                outcome.state = "merged"
                outcome.reason = f"Has the same {len(outcome.members):,} members as “{first[content]}”."

    def _members(self, reference: str) -> BitMap:
        position = self._by_reference.get(reference)
        if position is None:
            return self._stored(reference)
        outcome = self._outcome(position)
        if outcome.fault is not None:
            raise Unavailable(f"The segment {reference} that it uses could not be evaluated.")
        return outcome.members

    def _flip(self, reference: str) -> datetime | None:
        position = self._by_reference.get(reference)
        return self._stored_flip(reference) if position is None else self._outcome(position).next_flip

    def _history(self, reference: str) -> list[Change]:
        """What is stored, and what this pass finds."""
        known, members = list(self._stored_history(reference)), self._members(reference)
        before = BitMap()
        for change in known:
            before = (before - change.left) | change.entered
        return [*known, Change(self._world.world.as_of - JUST_BEFORE, members - before, before - members)]

    def _outcome(self, position: int) -> Outcome:
        if position not in self._done:
            if position in self._under_way:
                raise ValueError("segments use each other in a circle")
            self._under_way.add(position)
            self._done[position] = self._evaluate(self.subjects[position])
            self._under_way.discard(position)
        return self._done[position]

    def _evaluate(self, subject: Subject) -> Outcome:
        started = time.perf_counter()
        try:
            outcome = self._select(subject)
            outcome.statistics, outcome.buyers = self._statistics(subject, outcome.members)
            outcome.statistics["pins"] = outcome.pinned or segments_pins.nothing()
        except EXPECTED_FAULTS as fault:
            log.warning("segment_failed", shop_id=self._ctx.shop_id, segment=min(subject.references))
            return Outcome(state="failed", fault=str(fault) or type(fault).__name__)
        outcome.duration_ms = round((time.perf_counter() - started) * 1000)
        return outcome

    def _select(self, subject: Subject) -> Outcome:
        if subject.rule_text is None:
            if subject.definition is not None:
                return Outcome(state="off", reason=subject.definition.reason)
            return self._listed(subject)
        rule = parse(orjson.loads(subject.rule_text))
        found = evaluate(rule, self._world.world)
        leaves, universe = leaf_rows(found, self._world), self._world.reach.universe
        members = subject.pins.put(found.members, universe)
        from_missing = len(found.from_missing - subject.pins.outside)
        outcome = Outcome(members, found.next_flip, leaves, from_missing, state="ready" if members else "empty")
        outcome.pinned = subject.pins.counts(found.members, universe)
        if not members:
            outcome.reason = why_empty(leaves)
        return outcome

    def _listed(self, subject: Subject) -> Outcome:
        """An uploaded list stays as it is, but for erased customers and merged ones, who are one now."""
        members = self._stored(next(iter(subject.references)))
        moved = members & BitMap(self._merged)
        members = (members | BitMap(self._merged[no] for no in moved)) - self._world.departed
        return Outcome(members, state="ready" if members else "empty", reason=None if members else "The list is empty.")

    def _statistics(self, subject: Subject, members: BitMap) -> tuple[dict[str, Any], tuple[float, float] | None]:
        found, buyers = self._figures.statistics(members), None
        about = subject.about
        if about is not None:
            all_chances = chances(self._world.connection, *about)
            mine = all_chances.of(members)
            buyers = moments(mine)
            found["reachable_buyers"] = float(all_chances.of(members & self._world.reach.reachable).sum())
            expected = summary(mine, "buy it", self._spread[PAIR_KIND[about[0]]])
        else:
            expected = self._figures.orders_expected(members)
        found["product"] = self._products.get(about[1]) if about is not None and isinstance(about[1], int) else None
        return {**found, **(expected or {"expected": None, "probabilities": []})}, buyers


def leaf_rows(found: Evaluation, world: ShopWorld) -> list[dict[str, Any]]:
    """The funnel as the store and the API keep it."""
    return [
        {
            "path": leaf.path,
            "sentence": leaf_sentence(leaf.leaf, world.wording, leaf.boundary),
            "count": leaf.count,
            "missing": leaf.missing,
            "remaining": leaf.remaining,
        }
        for leaf in found.leaves
    ]


def why_empty(leaves: list[dict[str, Any]]) -> str:
    """Which condition removed everybody."""
    alone = next((leaf["sentence"] for leaf in leaves if leaf["count"] == 0), None)
    if alone is not None:
        return f"No customer meets this condition: {alone}."[:500]
    last = next((leaf["sentence"] for leaf in leaves if leaf["remaining"] == 0), None)
    if last is not None:
        return f"Each condition has customers, but nobody meets all: none are left after “{last}”."[:500]
    return "No customer meets all conditions at once."


def _definitions(world: ShopWorld, ctx: ShopContext) -> list[Definition]:
    unit = 10 ** exponent(ctx.currency)
    connection = world.connection
    found = automatic_segments.thresholds(connection, unit)
    # Of those with the same members the first is listed: the best known, then products, which campaigns are made for.
    return storable(
        ctx,
        [
            *automatic_segments.definitions(found, ctx),
            *automatic_segments_demographics.definitions(connection, demographics_classify.about(world.run.dir)),
            *automatic_segments_products.definitions(connection, world.reach.reachable, world.run.dir / CHOSEN_FILE),
            *automatic_segments_habits.definitions(found, ctx),
            *automatic_segments_rfm.definitions(connection),
            *automatic_segments_tiers.definitions(connection, ctx, unit),
            *automatic_segments_classes.definitions(connection),
        ],
    )


def storable(ctx: ShopContext, definitions: list[Definition]) -> list[Definition]:
    """Definitions without those that the store would refuse: a repeated key, a rule outside the grammar.

    They come from what merchants write into fields, and one of them must not stop a shop's refresh.
    """
    kept: dict[str, Definition] = {}
    for definition in definitions:
        fault = "repeated_key" if definition.key in kept else _unreadable(definition)
        if fault:
            log.warning("segment_definition_dropped", shop_id=ctx.shop_id, key=definition.key, fault=fault)
        else:
            kept[definition.key] = definition
    return list(kept.values())


def _unreadable(definition: Definition) -> str | None:
    try:
        if definition.rule is not None:
            parse(definition.rule)
    except RuleError:
        return "unreadable_rule"
    return None


def merge_map(session: Session, ctx: ShopContext) -> dict[int, int]:
    """Merged customers → who stands for them now."""
    query = select(Customer.customer_no, Customer.merged_into).where(
        Customer.shop_id == ctx.shop_id, Customer.merged_into.is_not(None)
    )
    direct = {number: int(into) for number, into in session.execute(query) if into is not None}
    final: dict[int, int] = {}
    for number, into in direct.items():
        at, seen = into, {number}
        while at in direct and at not in seen:
            seen.add(at)
            at = direct[at]
        final[number] = at
    return final
