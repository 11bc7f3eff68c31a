"""Writes segments and their memberships: the current one, what changed, and which old ones go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import delete, select

from app.domain.rules.canonical import rule_hash
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.tree import references
from app.services import segments_days
from app.services.segments_world import members_of_each
from app.store.counters import allocate
from app.store.models.campaigns import Campaign
from app.store.models.connections import Sync
from app.store.models.segments import Membership, MembershipChange, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from pyroaring import BitMap
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.automatic_segments import Definition
    from app.services.evaluate_segments import Outcome

KEPT = 2  # memberships per segment; older ones live on as what changed
TOGETHER = 64  # segments that are written at once: their members may be millions each
MAX_REASON = 500


class Writer:
    """Stores outcomes of one run inside the caller's transaction."""

    def __init__(
        self, session: Session, ctx: ShopContext, run_id: int | None, now: datetime, watermark: datetime | None
    ) -> None:
        self._session, self._ctx = session, ctx
        self._run_id, self._now, self._watermark = run_id, now, watermark

    def rows(self, wanted: Sequence[tuple[Segment | None, Definition | None]]) -> list[Segment]:
        """For each the row of its automatic definition, made or brought up to date; or the segment of this session."""
        missing = sum(segment is None for segment, _ in wanted)
        number = allocate(self._session, self._ctx.shop_id, "segments", missing) if missing else 0
        found: list[Segment] = []
        for segment, definition in wanted:
            row = segment
            if row is None:
                row, number = self._new(number, definition), number + 1
            if definition is not None:
                self._define(row, definition)
            found.append(row)
        return found

    def _new(self, number: int, definition: Definition | None) -> Segment:
        if definition is None:
            raise ValueError("a segment has a row or a definition")
        row = Segment(
            shop_id=self._ctx.shop_id,
            id=number,
            key=definition.key,
            description="",
            source="automatic",
            state="pending",
            version=1,
            created_at=self._now,
            updated_at=self._now,
        )
        self._session.add(row)
        return row

    def _define(self, row: Segment, definition: Definition) -> None:
        row.name, row.category, row.definition = definition.name[:300], definition.category, definition.definition
        row.why, row.action, row.product_no = definition.why, definition.action, definition.product_no
        text = orjson.dumps(definition.rule).decode() if definition.rule else None
        if text != row.rule_text:
            row.rule_text, row.updated_at = text, self._now
            row.rule_hash = rule_hash(parse(definition.rule)) if definition.rule else None

    def store(self, segment: Segment, outcome: Outcome) -> None:
        """`store_all` for one segment."""
        self.store_all([(segment, outcome)])

    def store_all(self, evaluated: Sequence[tuple[Segment, Outcome]], *, quiet: bool = False) -> None:
        """Make each outcome its segment's membership; after a fault the last good one stays.

        quiet: if nobody came and nobody left, the membership that stands is as of now.
        """
        for start in range(0, len(evaluated), TOGETHER):
            self._store(evaluated[start : start + TOGETHER], quiet=quiet)

    def _store(self, evaluated: Sequence[tuple[Segment, Outcome]], *, quiet: bool) -> None:
        before = members_of_each(self._session, self._ctx, [segment for segment, _ in evaluated])
        changed: list[tuple[Segment, Outcome]] = []
        for segment, outcome in evaluated:
            self._say(segment, outcome)
            same = quiet and before[segment.id] == outcome.members
            if outcome.fault is None and not (same and self._confirm(segment, outcome)):
                changed.append((segment, outcome))
        if not changed:
            return
        numbers = allocate(self._session, self._ctx.shop_id, "memberships", len(changed))
        of_today: list[segments_days.Evaluation] = []
        for number, (segment, outcome) in enumerate(changed, numbers):
            self._add(number, segment, outcome, before[segment.id])
            start = outcome.members if segment.membership_id is None else before[segment.id]
            of_today.append(segments_days.Evaluation(segment.id, outcome.members, start))
            segment.membership_id = number
            _summarise(segment, outcome, self._now)
        segments_days.record(self._session, self._ctx, self._now.astimezone(self._ctx.zone).date(), of_today)
        self._prune([segment.id for segment, _ in changed])

    def _say(self, segment: Segment, outcome: Outcome) -> None:
        """Put on the segment how its evaluation ended."""
        if outcome.fault is not None:
            segment.state, segment.error, segment.failed_at = "failed", outcome.fault, self._now
            segment.reason = f"The last evaluation failed: {outcome.fault}"[:MAX_REASON]
            return
        segment.state, segment.reason = outcome.state, (outcome.reason or "")[:MAX_REASON] or None
        segment.error, segment.failed_at = None, None

    def _add(self, number: int, segment: Segment, outcome: Outcome, before: BitMap) -> None:
        entered, left = outcome.members - before, before - outcome.members
        membership = Membership(
            shop_id=self._ctx.shop_id,
            id=number,
            segment_id=segment.id,
            run_id=self._run_id,
            evaluated_at=self._now,
            watermark=self._watermark,
            next_flip_at=outcome.next_flip,
            size=len(outcome.members),
            members=outcome.members.serialize(),
            leaves=outcome.leaves,
            from_missing=outcome.from_missing,
            statistics=outcome.statistics,
            duration_ms=outcome.duration_ms,
        )
        change = MembershipChange(
            shop_id=self._ctx.shop_id,
            id=number,
            segment_id=segment.id,
            at=self._now,
            size=len(outcome.members),
            entered_count=len(entered),
            left_count=len(left),
            entered=entered.serialize(),
            left=left.serialize(),
        )
        self._session.add_all([membership, change])

    def _confirm(self, segment: Segment, outcome: Outcome) -> bool:
        """Say of the standing membership that it still holds; False if it is of another run."""
        row = self._session.get(Membership, (self._ctx.shop_id, segment.membership_id))
        if row is None or row.run_id != self._run_id:
            return False
        row.evaluated_at, row.next_flip_at, row.duration_ms = self._now, outcome.next_flip, outcome.duration_ms
        row.leaves, row.from_missing = outcome.leaves, outcome.from_missing
        segment.evaluated_at = self._now
        return True

    def retire(self, defined: set[str]) -> None:
        """Take automatic segments that no longer qualify off the list, unless something uses them."""
        used = used_by(self._session, self._ctx)
        query = select(Segment).where(
            Segment.shop_id == self._ctx.shop_id, Segment.key.is_not(None), Segment.key.not_in(defined)
        )
        for segment in self._session.scalars(query):
            segment.reason = "It no longer qualifies by this shop's numbers."
            if segment.id in used:
                segment.reason += " It is kept because something uses it."
            else:
                segment.state = "retired"

    def _prune(self, segments: Collection[int]) -> None:
        """Let the older memberships of these segments go."""
        mine = Membership.shop_id == self._ctx.shop_id
        query = select(Membership.segment_id, Membership.id).where(mine, Membership.segment_id.in_(segments))
        seen: Counter[int] = Counter()
        old: list[int] = []
        for segment_id, number in self._session.execute(query.order_by(Membership.id.desc())):
            seen[segment_id] += 1
            if seen[segment_id] > KEPT:
                old.append(number)
        if old:
            self._session.execute(delete(Membership).where(mine, Membership.id.in_(old)))


def _summarise(segment: Segment, outcome: Outcome, now: datetime) -> None:
    """What lists filter and sort by."""
    figures = outcome.statistics
    expected = figures.get("expected")
    segment.size, segment.evaluated_at = len(outcome.members), now
    segment.reachable, segment.net_share = figures.get("reachable", 0), figures.get("net_share", 0.0)
    segment.expected_buyers = expected["buyers"] if expected else None


def used_by(session: Session, ctx: ShopContext) -> set[int]:
    """The segments that a campaign, a sync or a live rule segment uses."""
    used = set(session.scalars(select(Sync.segment_id).where(Sync.shop_id == ctx.shop_id)))
    campaigns = select(Campaign.segment_id).where(
        Campaign.shop_id == ctx.shop_id, Campaign.deleted_at.is_(None), Campaign.segment_id.is_not(None)
    )
    used |= {number for number in session.scalars(campaigns) if number is not None}
    named = {name for _, names in segment_references(session, ctx) for name in names}
    if named:
        rows = session.execute(select(Segment.id, Segment.key).where(Segment.shop_id == ctx.shop_id))
        used |= {number for number, key in rows if f"seg_{number}" in named or key in named}
    return used


def segment_references(session: Session, ctx: ShopContext) -> list[tuple[Segment, set[str]]]:
    """Live rule segments of merchants with what they refer to."""
    query = select(Segment).where(
        Segment.shop_id == ctx.shop_id,
        Segment.source == "rule",
        Segment.deleted_at.is_(None),
        Segment.rule_text.like('%"in"%'),
    )
    return [(segment, stored_references(segment)) for segment in session.scalars(query)]


def stored_references(segment: Segment) -> set[str]:
    """What a stored rule refers to; nothing, if the grammar of today no longer reads it."""
    try:
        return references(parse(orjson.loads(segment.rule_text))) if segment.rule_text else set()
    except RuleError:
        return set()
