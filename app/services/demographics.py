"""A merchant's choice whether to estimate gender and area income: off at first, and off means gone.

Turning an estimate on asks for a refresh, whose classes make segments. Turning it off takes the classes out of every
run's file and empties their segments before the answer is given; what is being computed meanwhile is stopped from
bringing them back when it publishes. Estimates serve segments only: no template, price, discount or model reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog
from sqlalchemy import delete, select

from app.errors import Conflict
from app.services import reevaluate_segments, runs
from app.services.demographics_classify import about, forget
from app.services.evaluate_segments import Outcome
from app.services.published import latest_history, published
from app.services.reference_income import loaded_income
from app.services.segments_memberships import Writer, stored_references
from app.services.segments_world import find, locked
from app.store.models.demographics import Estimate, ReferenceTable
from app.store.models.segments import Membership, MembershipChange, SegmentDay
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.segments import Segment

log = structlog.get_logger()

ESTIMATES = ("gender", "area_income")
TURNED_OFF = "You turned this estimate off in settings; its classes were deleted."
NO_TABLE = (
    "No table of area incomes is loaded on this installation. Whoever runs it can load one:"
    " encore load-reference income FILE."
)
State = Literal["off", "computing", "ready", "failed"]


@dataclass(frozen=True)
class Coverage:
    """How many customers have a class, and from what. expected_accuracy: mean chance that an estimate is right."""

    customers: int
    by_field: int
    estimated: int
    unknown: int
    expected_accuracy: float | None


@dataclass(frozen=True)
class EstimateView:
    """One estimate as the merchant sees it. blocked: why it can't be turned on. as_of: of the coverage."""

    name: str
    enabled: bool
    enabled_at: datetime | None
    blocked: str | None
    state: State
    coverage: Coverage | None
    as_of: datetime | None


@dataclass(frozen=True)
class Settings:
    """All estimates, and the table of area incomes that is loaded."""

    estimates: list[EstimateView]
    income_table: ReferenceTable | None


def settings(rooms: Rooms, ctx: ShopContext) -> Settings:
    """What is on, and what it came to in the published run."""
    run = published(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        on, table = _enabled(session, ctx), loaded_income(session)
        newest = runs.latest(session, ctx, "refresh")
    failed = newest.started_at if newest is not None and newest.state == "failed" else None
    made = about(run.dir) if run else {"estimates": []}

    def view(name: str) -> EstimateView:
        done = name in on and name in made["estimates"]
        coverage = Coverage(**{k: made[name][k] for k in Coverage.__dataclass_fields__}) if done else None
        state: State = "ready" if done else "computing"
        if name not in on:
            state = "off"
        elif not done and failed is not None and failed >= on[name]:
            state = "failed"
        blocked = NO_TABLE if name == "area_income" and table is None else None
        return EstimateView(
            name, name in on, on.get(name), blocked, state, coverage, run.as_of if run and done else None
        )

    return Settings([view(name) for name in ESTIMATES], table)


def change(rooms: Rooms, ctx: ShopContext, wanted: Mapping[str, bool]) -> Settings:
    """Turn estimates on or off; one that is so already stays as it is.

    Raises Conflict if area income is to be estimated and no table is loaded.
    """
    with rooms.store.session(ctx) as session:
        _lock(session, ctx)
        before = _enabled(session, ctx)
        turned_on = [name for name in ESTIMATES if wanted.get(name) is True and name not in before]
        turned_off = [name for name in ESTIMATES if wanted.get(name) is False and name in before]
        if "area_income" in turned_on and loaded_income(session) is None:
            raise Conflict(NO_TABLE, field="area_income")
        now = rooms.clock.now()
        session.add_all(Estimate(shop_id=ctx.shop_id, name=name, enabled_at=now) for name in turned_on)
        session.execute(delete(Estimate).where(Estimate.shop_id == ctx.shop_id, Estimate.name.in_(turned_off)))
        rules = _switch_off(session, rooms, ctx, turned_off)
        has_history = latest_history(session, ctx) is not None
    if turned_off:
        _forget_everywhere(rooms, ctx, turned_off)
        for segment_id in rules:
            reevaluate_segments.evaluate_one(rooms, ctx, segment_id)
    if has_history and (turned_on or turned_off):
        rooms.jobs.enqueue(ctx, "refresh", f"{runs.SEGMENTS_ONLY}{now.isoformat()}")
    if turned_on or turned_off:
        log.info("estimates_changed", shop_id=ctx.shop_id, on=turned_on, off=turned_off)
    return settings(rooms, ctx)


def enabled(rooms: Rooms, ctx: ShopContext) -> list[str]:
    """The estimates that are on."""
    with rooms.store.reading(ctx) as session:
        return sorted(_enabled(session, ctx))


def settle(session: Session, rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> list[int]:
    """Undo, inside the transaction that publishes a run, what was turned off while it was computed.

    Returns the merchant's segments that have to be evaluated again once the run is published.
    """
    _lock(session, ctx)
    on = _enabled(session, ctx)
    late = [name for name in about(run.dir)["estimates"] if name not in on]
    if not late:
        return []
    forget(run.dir, late)
    return _switch_off(session, rooms, ctx, late)


def rests_on_estimate(session: Session, ctx: ShopContext, segment_id: int | None) -> bool:
    """Whether a segment's rule, or that of a segment it refers to, asks for an estimated class."""
    waiting: list[int | str] = [] if segment_id is None else [segment_id]
    seen: set[int | str] = set()
    while waiting:
        reference = waiting.pop()
        if reference in seen:
            continue
        seen.add(reference)
        segment = find(session, ctx, reference)
        if segment is not None:
            if _asks_for(segment, ESTIMATES):
                return True
            waiting.extend(stored_references(segment))
    return False


def _lock(session: Session, ctx: ShopContext) -> None:
    """Let one change or publication of this shop's estimates pass at a time.

    Segments first, as every publication locks them: the other way round two would wait for each other.
    """
    locked(session, ctx)
    session.execute(select(Shop.id).where(Shop.id == ctx.shop_id).with_for_update(key_share=True))


def _enabled(session: Session, ctx: ShopContext) -> dict[str, datetime]:
    rows = session.execute(select(Estimate.name, Estimate.enabled_at).where(Estimate.shop_id == ctx.shop_id))
    return {row.name: row.enabled_at for row in rows}


def _switch_off(session: Session, rooms: Rooms, ctx: ShopContext, names: Collection[str]) -> list[int]:
    """Empty the segments made of these classes, their past included; returns the merchant's own that ask for them."""
    writer = Writer(session, ctx, None, rooms.clock.now(), None)
    rules = []
    for segment in locked(session, ctx).values() if names else ():
        if segment.deleted_at is not None or not _asks_for(segment, names):
            continue
        for past in (Membership, MembershipChange, SegmentDay):
            session.execute(delete(past).where(past.shop_id == ctx.shop_id, past.segment_id == segment.id))
        segment.membership_id = None
        # Empty instead of none: a sync of it then takes everybody off, where without a membership it would wait.
        state, reason = ("off", TURNED_OFF) if segment.source == "automatic" else ("empty", TURNED_OFF)
        writer.store(segment, Outcome(state=state, reason=reason))
        if segment.source != "automatic":
            rules.append(segment.id)
    return rules


def _asks_for(segment: Segment, names: Collection[str]) -> bool:
    if segment.rule_text is None or not any(name in segment.rule_text for name in names):
        return False
    return _mentions(orjson.loads(segment.rule_text), names)


def _mentions(node: Any, names: Collection[str]) -> bool:
    if isinstance(node, dict):
        return node.get("attr") in names or any(_mentions(child, names) for child in node.values())
    return isinstance(node, list) and any(_mentions(child, names) for child in node)


def _forget_everywhere(rooms: Rooms, ctx: ShopContext, names: Collection[str]) -> None:
    for folder in sorted((rooms.lake.shop_dir(ctx) / "runs").glob("*")):
        forget(folder, names)
