"""The dashboard's numbers: read from what the published run stored, never computed on a page load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import defer

from app.services import runs
from app.services.campaign_reports import together
from app.services.progress import status
from app.services.published import published
from app.services.refresh_shop import read_card
from app.store.models.segments import Membership, MembershipChange, Segment
from ml.verdict import KINDS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.campaign_reports import Together
    from app.services.progress import Status
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

STAGE_KEYS = ("auto:active", "auto:due", "auto:at_risk", "auto:lapsed", "auto:dormant")
MOVERS = 5


@dataclass(frozen=True)
class Dashboard:
    """One page's numbers; `summary` is empty before the first refresh."""

    run: PublishedRun | None
    summary: dict[str, Any]
    reachable: int | None
    stages: list[dict[str, Any]]
    movers: list[dict[str, Any]]
    status: Status
    models: list[dict[str, str | None]]
    campaigns: Together


def dashboard(rooms: Rooms, ctx: ShopContext) -> Dashboard:
    """Everything that the dashboard shows."""
    run = published(rooms, ctx)
    standing = status(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        campaigns = together(session, ctx)
    if run is None:
        return Dashboard(None, {}, None, [], [], standing, [], campaigns)
    with rooms.store.reading(ctx) as session:
        refreshed = runs.latest(session, ctx, "refresh", "done")
        summary = dict(refreshed.detail.get("summary", {})) if refreshed else {}
        rows = _segments(session, ctx, run.run_id)
        changes = _changes(session, ctx, [membership.id for _, membership in rows])
    by_key = {segment.key: (segment, membership) for segment, membership in rows}
    stages = [_stage(*by_key[key], changes) for key in STAGE_KEYS if key in by_key]
    return Dashboard(
        run=run,
        summary=summary,
        reachable=summary.get("reachable"),
        stages=stages,
        movers=_movers(rows, changes),
        status=standing,
        models=_models(run),
        campaigns=campaigns,
    )


def _segments(session: Session, ctx: ShopContext, run_id: int) -> list[tuple[Segment, Membership]]:
    query = (
        select(Segment, Membership)
        .join(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
        .where(Segment.shop_id == ctx.shop_id, Membership.run_id == run_id)
        .options(defer(Membership.members), defer(Membership.leaves))
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def _changes(session: Session, ctx: ShopContext, memberships: list[int]) -> dict[int, tuple[int, int]]:
    """Who entered and left at these evaluations, by segment; a change has its membership's number."""
    query = select(MembershipChange).where(
        MembershipChange.shop_id == ctx.shop_id, MembershipChange.id.in_(memberships)
    )
    return {row.segment_id: (row.entered_count, row.left_count) for row in session.scalars(query)}


def _stage(segment: Segment, membership: Membership, changes: dict[int, tuple[int, int]]) -> dict[str, Any]:
    moved = changes.get(segment.id)
    return {
        "segment_id": f"seg_{segment.id}",
        "key": segment.key,
        "name": segment.name,
        "size": membership.size,
        "change": moved[0] - moved[1] if moved else None,
    }


def _movers(rows: list[tuple[Segment, Membership]], changes: dict[int, tuple[int, int]]) -> list[dict[str, Any]]:
    # A segment merged into another moves as that one does: once is enough.
    moved = [
        (sum(changes[segment.id]), segment, membership)
        for segment, membership in rows
        if segment.state != "merged" and any(changes.get(segment.id, ()))
    ]
    return [
        {
            "segment_id": f"seg_{segment.id}",
            "name": segment.name,
            "size": membership.size,
            "entered": changes[segment.id][0],
            "left": changes[segment.id][1],
        }
        for _, segment, membership in sorted(moved, key=lambda m: (-m[0], m[1].name))[:MOVERS]
    ]


def _models(run: PublishedRun) -> list[dict[str, str | None]]:
    card = read_card(run.dir) or {}
    grades = card.get("grades", {})
    return [{"kind": kind, "basis": card[kind]["basis"], "grade": grades.get(kind)} for kind in KINDS if kind in card]
