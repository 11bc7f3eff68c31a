"""Recommendations: which campaigns are worth starting, by what they are expected to bring.

Until a holdout has measured anything, the expectation is a stated share of the orders that the
prediction sees coming anyway; nothing here is called incremental.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import defer

from app.errors import NotFound
from app.services.campaigns_audience import KIND_OF_CATEGORY, number_of
from app.store.counters import allocate
from app.store.models.campaigns import Campaign
from app.store.models.recommendations import Recommendation
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms

log = structlog.get_logger()

PRIOR = 0.05
LEAST_EXPECTED = 0.1  # orders in 30 days; below that a merchant's minute is worth more
DISMISSED_FOR = timedelta(days=30)
LABEL = "expected orders (no lift measured yet)"


@dataclass(frozen=True)
class RecommendationView:
    """A recommendation as every page shows it."""

    id: str
    kind: str
    segment_id: str
    segment_key: str
    segment_name: str
    product_no: int
    product_title: str
    members: int
    reachable: int
    covered: int
    expected_orders: float
    expected_label: str
    prior: float
    title: str
    reason: str
    as_of: datetime


def refresh(session: Session, ctx: ShopContext, run: PublishedRun) -> int:
    """Compute all recommendations anew from a run; returns how many are worth showing.

    Inside the transaction that publishes the run, after its segments. A segment keeps its recommendation's
    id from run to run, so that a dismissal holds.
    """
    active = _active(session, ctx)
    rows = {row.key: row for row in session.scalars(_mine(ctx))}
    session.execute(update(Recommendation).where(Recommendation.shop_id == ctx.shop_id).values(live=False))
    live = 0
    for segment, membership in _product_segments(session, ctx):
        row = rows.get(segment.key or "") or Recommendation(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "recommendations"),
            key=segment.key or "",
        )
        _fill(row, segment, membership, active, run)
        session.add(row)
        live += row.live
    log.info("recommendations_refreshed", shop_id=ctx.shop_id, run_id=run.run_id, live=live)
    return live


def listing(rooms: Rooms, ctx: ShopContext, segment_id: str | None = None) -> list[RecommendationView]:
    """Best first. Left out: dismissed ones, and segments that an active campaign addresses already."""
    now = rooms.clock.now()
    with rooms.store.reading(ctx) as session:
        query = _mine(ctx).where(Recommendation.live)
        if segment_id is not None:
            query = query.where(Recommendation.segment_id == number_of(segment_id, "seg_", "segment"))
        rows = session.scalars(query.order_by(Recommendation.expected_orders.desc(), Recommendation.id)).all()
        taken = {campaign.segment_id for campaign in _active(session, ctx)}
    return [
        _view(row)
        for row in rows
        if row.segment_id not in taken and (row.dismissed_until is None or row.dismissed_until <= now)
    ]


def dismiss(rooms: Rooms, ctx: ShopContext, recommendation_id: str) -> None:
    """Hide it everywhere for 30 days. Raises NotFound."""
    number = number_of(recommendation_id, "rec_", "recommendation")
    with rooms.store.session(ctx) as session:
        row = session.get(Recommendation, {"shop_id": ctx.shop_id, "id": number})
        if row is None:
            raise NotFound("There is no such recommendation.")
        row.dismissed_until = rooms.clock.now() + DISMISSED_FOR


def _mine(ctx: ShopContext) -> Select[Recommendation]:
    return select(Recommendation).where(Recommendation.shop_id == ctx.shop_id)


def _active(session: Session, ctx: ShopContext) -> list[Campaign]:
    return list(session.scalars(select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")))


def _product_segments(session: Session, ctx: ShopContext) -> list[tuple[Segment, Membership]]:
    """Product segments with the figures of their members."""
    query = (
        select(Segment, Membership)
        .join(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
        .where(
            Segment.shop_id == ctx.shop_id,
            Segment.deleted_at.is_(None),
            Segment.state == "ready",
            Segment.source == "automatic",
            Segment.product_no.is_not(None),
            Segment.key.is_not(None),
            Segment.category.in_(KIND_OF_CATEGORY),
        )
        .options(defer(Membership.members), defer(Membership.leaves))
        .order_by(Segment.id)
    )
    return [(segment, membership) for segment, membership in session.execute(query)]


def _fill(
    row: Recommendation, segment: Segment, membership: Membership, active: list[Campaign], run: PublishedRun
) -> None:
    kind = KIND_OF_CATEGORY[segment.category]
    figures = membership.statistics
    able, buyers = figures["reachable"], figures["reachable_buyers"]
    covered = able if _is_covered(segment, active) else 0
    product_no = segment.product_no or 0
    title = (figures["product"] or {}).get("title") or f"product {product_no}"
    row.kind, row.segment_id, row.segment_name = kind, segment.id, segment.name
    row.product_no, row.product_title = product_no, title
    row.members, row.reachable, row.covered = membership.size, able, covered
    row.expected_orders = 0.0 if covered else buyers * PRIOR
    row.run_id, row.as_of = run.run_id, run.as_of
    row.live = row.expected_orders >= LEAST_EXPECTED
    row.title = f"Remind customers to buy {title} again" if kind == "repurchase" else f"Recommend {title}"
    row.reason = _reason(kind, able, membership.size, buyers, covered, row.expected_orders)


def _reason(kind: str, able: int, members: int, buyers: float, covered: int, expected: float) -> str:
    verb = "buy it again" if kind == "repurchase" else "buy it for the first time"
    already = f" {covered:,} of them are covered by an active campaign." if covered else ""
    return (
        f"{able:,} of {members:,} members can be mailed; about {buyers:,.0f} of them are expected to {verb} within "
        f"30 days.{already} If a reminder adds {PRIOR:.0%} of those orders, that is {expected:,.1f} orders; "
        "no lift has been measured yet."
    )


def _is_covered(segment: Segment, active: list[Campaign]) -> bool:
    """Whether an active campaign may mail its reachable members about this product: its own, or an automatic one."""
    return any(row.audience_type == "automatic" or row.segment_id == segment.id for row in active)


def _view(row: Recommendation) -> RecommendationView:
    return RecommendationView(
        id=f"rec_{row.id}",
        kind=row.kind,
        segment_id=f"seg_{row.segment_id}",
        segment_key=row.key,
        segment_name=row.segment_name,
        product_no=row.product_no,
        product_title=row.product_title,
        members=row.members,
        reachable=row.reachable,
        covered=row.covered,
        expected_orders=round(row.expected_orders, 1),
        expected_label=LABEL,
        prior=PRIOR,
        title=row.title,
        reason=row.reason,
        as_of=row.as_of,
    )
