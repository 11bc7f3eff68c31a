"""How many customers are held out, of a campaign and of the whole shop; every change is kept with its time and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select

from app.domain.holdout import DEFAULT_SHOP_PERCENT, MAX_SHOP_PERCENT
from app.errors import Invalid
from app.store.models.measurements import WHOLE_SHOP, HoldoutChange

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

log = structlog.get_logger()

BY_MERCHANT = "Set by the merchant."


@dataclass(frozen=True)
class ShopHoldout:
    """The shop's setting. percent: of customers, whom no campaign mails."""

    percent: int
    default: int
    most: int
    changed_at: datetime | None


def shop_percent(session: Session, ctx: ShopContext) -> int:
    """The percentage of customers whom no campaign mails."""
    newest = _newest(session, ctx, WHOLE_SHOP)
    return newest.percent if newest is not None else DEFAULT_SHOP_PERCENT


def shop_setting(rooms: Rooms, ctx: ShopContext) -> ShopHoldout:
    """The shop's setting, with its bounds."""
    with rooms.store.reading(ctx) as session:
        newest = _newest(session, ctx, WHOLE_SHOP)
    percent = newest.percent if newest is not None else DEFAULT_SHOP_PERCENT
    return ShopHoldout(percent, DEFAULT_SHOP_PERCENT, MAX_SHOP_PERCENT, newest.at if newest else None)


def set_shop_percent(rooms: Rooms, ctx: ShopContext, percent: int) -> None:
    """From the next decision on. Raises Invalid out of bounds."""
    if not 0 <= percent <= MAX_SHOP_PERCENT:
        raise Invalid(f"Between 0 and {MAX_SHOP_PERCENT} percent.", field="percent")
    with rooms.store.session(ctx) as session:
        before = shop_percent(session, ctx)
        if percent != before:
            _keep(session, ctx, WHOLE_SHOP, rooms.clock.now(), before, percent, BY_MERCHANT)


def step(session: Session, ctx: ShopContext, campaign: Campaign, percent: int, now: datetime, reason: str) -> None:
    """Let a campaign hold out fewer from its next decision on."""
    _keep(session, ctx, campaign.id, now, campaign.holdout_percent, percent, reason)
    campaign.holdout_percent = percent
    log.info("holdout_changed", shop_id=ctx.shop_id, campaign_id=campaign.id, percent=percent)


def changed_at(session: Session, ctx: ShopContext, campaign_id: int) -> datetime | None:
    """When a campaign's percentage last changed; None if it never did."""
    query = select(func.max(HoldoutChange.at)).where(
        HoldoutChange.shop_id == ctx.shop_id, HoldoutChange.campaign_id == campaign_id
    )
    return session.execute(query).scalar_one()


def changes(session: Session, ctx: ShopContext, campaign_id: int) -> list[HoldoutChange]:
    """All changes of a campaign's percentage, oldest first."""
    mine = (HoldoutChange.shop_id == ctx.shop_id, HoldoutChange.campaign_id == campaign_id)
    return list(session.scalars(select(HoldoutChange).where(*mine).order_by(HoldoutChange.at)))


def _newest(session: Session, ctx: ShopContext, campaign_id: int) -> HoldoutChange | None:
    found = changes(session, ctx, campaign_id)
    return found[-1] if found else None


def _keep(
    session: Session, ctx: ShopContext, campaign_id: int, at: datetime, before: int, percent: int, reason: str
) -> None:
    key = {"shop_id": ctx.shop_id, "campaign_id": campaign_id}
    session.merge(HoldoutChange(**key, at=at, before=before, percent=percent, reason=reason))
    session.flush()
