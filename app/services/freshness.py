"""Which shops' numbers are due: those not refreshed for four hours, and those whose segments flip by time alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from app.services.runs import SEGMENTS_ONLY
from app.services.shops import context_of
from app.store.models.segments import Membership, Segment
from app.store.models.shops import Run, Shop

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

AT_LEAST_EVERY = timedelta(hours=4)
AFTER_A_FAILURE = timedelta(minutes=30)
SWEEP = f"{SEGMENTS_ONLY}sweep"
"""Key of the refresh that is due by time: predictions of less than a day serve again."""


def stale_shops(rooms: Rooms) -> list[ShopContext]:
    """Installed shops whose published numbers are four hours old; after a failure it is tried again in half an hour."""
    now = rooms.clock.now()
    published = (
        select(Run.shop_id, func.max(Run.as_of).label("as_of"))
        .where(Run.kind == "refresh", Run.state == "done")
        .group_by(Run.shop_id)
        .subquery()
    )
    failed = (
        select(Run.shop_id)
        .where(Run.kind == "refresh", Run.state == "failed", Run.finished_at > now - AFTER_A_FAILURE)
        .scalar_subquery()
    )
    query = (
        select(Shop)
        .join(published, published.c.shop_id == Shop.id)
        .where(Shop.uninstalled_at.is_(None), published.c.as_of <= now - AT_LEAST_EVERY, Shop.id.not_in(failed))
        .order_by(Shop.id)
    )
    with rooms.store.operator_session(writing=False) as session:
        return [context_of(shop) for shop in session.scalars(query)]


def shops_that_flip(rooms: Rooms) -> list[ShopContext]:
    """Installed shops with a segment whose members change by time alone about now."""
    query = (
        select(Shop)
        .where(
            Shop.uninstalled_at.is_(None),
            Shop.id.in_(
                select(Membership.shop_id)
                .join(Segment, (Segment.shop_id == Membership.shop_id) & (Segment.membership_id == Membership.id))
                .where(Membership.next_flip_at <= rooms.clock.now(), Segment.deleted_at.is_(None))
            ),
        )
        .order_by(Shop.id)
    )
    with rooms.store.operator_session(writing=False) as session:
        return [context_of(shop) for shop in session.scalars(query)]


def missed_refreshes(session: Session, ctx: ShopContext) -> int:
    """How many refreshes failed, one after the other, since the last that ended well."""
    mine = (Run.shop_id == ctx.shop_id) & (Run.kind == "refresh")
    last_done = select(func.coalesce(func.max(Run.id), 0)).where(mine, Run.state == "done").scalar_subquery()
    count = session.scalar(select(func.count()).select_from(Run).where(mine, Run.state == "failed", Run.id > last_done))
    return int(count or 0)
