"""Recommendations: which campaigns are worth starting, by the orders that mailing is expected to add.

The expectation is a share of the orders that the prediction sees coming anyway: what campaigns of the kind were
measured to add, drawn towards a stated prior, and the prior alone before that. Only then is it called incremental.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import defer

from app.errors import NotFound
from app.services.automatic_segments_products import type_of
from app.services.campaigns_audience import KIND_OF_CATEGORY, number_of
from app.services.lifts import LABEL, MEASURED_LABEL, PRIOR, lifts
from app.services.recommendations_coverage import Coverage, active_campaigns
from app.store.counters import allocate
from app.store.models.recommendations import Recommendation
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.campaigns_audience import Audience
    from app.services.lifts import Lift
    from app.services.published import PublishedRun
    from app.services.recommendations_coverage import Covered
    from app.services.rooms import Rooms

log = structlog.get_logger()

LEAST_EXPECTED = 0.1  # orders in 30 days; below that a merchant's minute is worth more
DISMISSED_FOR = timedelta(days=30)
INSTEAD = "Choose an audience yourself."


@dataclass(frozen=True)
class RecommendationView:
    """A recommendation as every page shows it."""

    id: str
    kind: str
    segment_id: str
    segment_key: str
    segment_name: str
    product_no: int | None
    product_type: str | None
    product_title: str
    members: int
    reachable: int
    covered: int
    expected_orders: float
    expected_label: str
    prior: float
    lift: float
    lift_campaigns: int
    title: str
    reason: str
    as_of: datetime


@dataclass(frozen=True)
class Listing:
    """automatic_campaign: the active campaign that chooses by itself, where there would be items without it."""

    items: list[RecommendationView]
    automatic_campaign: str | None = None


@dataclass(frozen=True)
class _About:
    """A segment that a recommendation is made of. product_type: of a segment about any product of a type."""

    segment: Segment
    membership: Membership
    kind: Literal["repurchase", "cross_sell"]
    product_type: str | None


def refresh(session: Session, rooms: Rooms, ctx: ShopContext, run: PublishedRun) -> int:
    """Compute all recommendations anew from a run; returns how many are worth showing.

    Inside the transaction that publishes the run, after its segments. A segment keeps its recommendation's
    id from run to run, so that a dismissal holds.
    """
    rows = {row.key: row for row in session.scalars(_mine(ctx))}
    session.execute(update(Recommendation).where(Recommendation.shop_id == ctx.shop_id).values(live=False))
    found = _product_segments(session, ctx)
    known = lifts(session, ctx)
    live = 0
    with Coverage(session, rooms, ctx, run) as coverage:
        for about in found:
            key = about.segment.key or ""
            row = rows.get(key) or Recommendation(
                shop_id=ctx.shop_id, id=allocate(session, ctx.shop_id, "recommendations"), key=key
            )
            taken = coverage.of(about.segment, about.membership, about.kind, about.product_type)
            _fill(row, about, taken, known[about.kind], run)
            session.add(row)
            live += row.live
    log.info("recommendations_refreshed", shop_id=ctx.shop_id, run_id=run.run_id, live=live)
    return live


def listing(rooms: Rooms, ctx: ShopContext, segment_id: str | None = None) -> Listing:
    """Best first. Left out: dismissed ones, and segments that an active campaign addresses already."""
    now = rooms.clock.now()
    with rooms.store.reading(ctx) as session:
        running = active_campaigns(session, ctx)
        query = _mine(ctx)
        if segment_id is not None:
            query = query.where(Recommendation.segment_id == number_of(segment_id, "seg_", "segment"))
        for campaign in running:
            if campaign.audience_type == "automatic":  # it considers every customer for every product already
                known = session.scalars(query.limit(1)).first() is not None
                return Listing([], campaign.name if known else None)
        query = query.where(Recommendation.live)
        rows = session.scalars(query.order_by(Recommendation.expected_orders.desc(), Recommendation.id)).all()
        taken = {campaign.segment_id for campaign in running}
    return Listing(
        [
            _view(row)
            for row in rows
            if row.segment_id not in taken and (row.dismissed_until is None or row.dismissed_until <= now)
        ]
    )


def dismiss(rooms: Rooms, ctx: ShopContext, recommendation_id: str) -> None:
    """Hide it everywhere for 30 days. Raises NotFound."""
    _hide_until(rooms, ctx, recommendation_id, rooms.clock.now() + DISMISSED_FOR)


def restore(rooms: Rooms, ctx: ShopContext, recommendation_id: str) -> None:
    """Take a dismissal back. Raises NotFound."""
    _hide_until(rooms, ctx, recommendation_id, None)


def why_stale(session: Session, ctx: ShopContext, row: Recommendation, audience: Audience | None) -> str | None:
    """Why a recommendation no longer holds, for the merchant who follows it; None if it does.

    audience: its segment as it is now, None if that is gone.
    """
    if audience is None:
        return f"The recommendation no longer holds: its segment “{row.segment_name}” is gone. {INSTEAD}"
    if not audience.members:
        return f"The recommendation no longer holds: its segment “{audience.name}” is empty now. {INSTEAD}"
    for campaign in active_campaigns(session, ctx):
        if campaign.audience_type == "automatic" or campaign.segment_id == audience.segment_id:
            name = campaign.name or "an active campaign"
            return f"The recommendation no longer holds: “{name}” mails these customers already. {INSTEAD}"
    if not row.live:
        return f"The recommendation no longer holds: it would bring too few orders now. {INSTEAD}"
    return None


def _hide_until(rooms: Rooms, ctx: ShopContext, recommendation_id: str, until: datetime | None) -> None:
    number = number_of(recommendation_id, "rec_", "recommendation")
    with rooms.store.session(ctx) as session:
        row = session.get(Recommendation, {"shop_id": ctx.shop_id, "id": number})
        if row is None:
            raise NotFound("There is no such recommendation.")
        row.dismissed_until = until


def _mine(ctx: ShopContext) -> Select[Recommendation]:
    return select(Recommendation).where(Recommendation.shop_id == ctx.shop_id)


def _product_segments(session: Session, ctx: ShopContext) -> list[_About]:
    """Segments about one product, or about any product of a type, with the figures of their members."""
    query = (
        select(Segment, Membership)
        .join(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
        .where(
            Segment.shop_id == ctx.shop_id,
            Segment.deleted_at.is_(None),
            Segment.state == "ready",
            Segment.source == "automatic",
            Segment.key.is_not(None),
            Segment.category.in_(KIND_OF_CATEGORY),
        )
        .options(defer(Membership.members), defer(Membership.leaves))
        .order_by(Segment.id)
    )
    return [
        _About(segment, membership, KIND_OF_CATEGORY[segment.category], product_type)
        for segment, membership in session.execute(query)
        if (product_type := type_of(segment.key, segment.rule_text)) is not None or segment.product_no is not None
    ]


def _fill(row: Recommendation, about: _About, taken: Covered, lift: Lift, run: PublishedRun) -> None:
    segment, membership, kind = about.segment, about.membership, about.kind
    figures = membership.statistics
    able, buyers = figures["reachable"], figures["reachable_buyers"]
    product_no = segment.product_no or 0
    named = about.product_type or (figures["product"] or {}).get("title") or f"product {product_no}"
    row.kind, row.segment_id, row.segment_name = kind, segment.id, segment.name
    row.product_no, row.product_type, row.product_title = product_no, about.product_type, named
    row.members, row.reachable, row.covered = membership.size, able, taken.members
    share = max(lift.share, 0.0)  # of a kind that does harm nothing is worth recommending
    row.lift, row.lift_campaigns = share, lift.campaigns
    left = max(buyers - taken.buyers, 0.0)
    row.expected_orders = left * share
    row.run_id, row.as_of = run.run_id, run.as_of
    row.live = row.expected_orders >= LEAST_EXPECTED
    again, new = (f"from “{named}”", f"something from “{named}”") if about.product_type else (named, named)
    row.title = f"Remind customers to buy {again} again" if kind == "repurchase" else f"Recommend {new}"
    row.reason = _reason(row, left)


def _reason(row: Recommendation, buyers: float) -> str:
    verb = "buy it again" if row.kind == "repurchase" else "buy it for the first time"
    them = "them" if not row.covered else "the others"
    are = "is" if row.covered == 1 else "are"
    already = f" {row.covered:,} of them {are} covered by active campaigns." if row.covered else ""
    able = f"{row.reachable:,} of {row.members:,} members can be mailed.{already}"
    whole = f"{able} About {buyers:,.0f} of {them} are expected to {verb} within 30 days. "
    share, orders = f"{row.lift or 0.0:.0%}", f"{row.expected_orders:,.1f} orders"
    if not row.lift_campaigns:
        return f"{whole}If a reminder adds {share} of those orders, that is {orders}; no lift has been measured yet."
    measured = "one campaign" if row.lift_campaigns == 1 else f"{row.lift_campaigns} campaigns"
    return f"{whole}E-mails of this kind add {share} of those orders, by {measured} measured so far: that is {orders}."


def _view(row: Recommendation) -> RecommendationView:
    return RecommendationView(
        id=f"rec_{row.id}",
        kind=row.kind,
        segment_id=f"seg_{row.segment_id}",
        segment_key=row.key,
        segment_name=row.segment_name,
        product_no=row.product_no or None,
        product_type=row.product_type,
        product_title=row.product_title,
        members=row.members,
        reachable=row.reachable,
        covered=row.covered,
        expected_orders=round(row.expected_orders, 1),
        expected_label=MEASURED_LABEL if row.lift_campaigns else LABEL,
        prior=PRIOR,
        lift=PRIOR if row.lift is None else row.lift,
        lift_campaigns=row.lift_campaigns,
        title=row.title,
        reason=row.reason,
        as_of=row.as_of,
    )
