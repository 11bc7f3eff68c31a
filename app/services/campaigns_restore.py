"""Taking the deletion of a campaign back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.domain.campaigns import fold_name, name_problems
from app.errors import Invalid, NotFound
from app.services import campaigns
from app.services.campaigns_audience import number_of
from app.store.models.campaigns import Campaign

if TYPE_CHECKING:
    from app.domain.campaigns import State
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

RESTORABLE_FOR = timedelta(days=30)


def restore(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Make a deleted campaign what it was; its line stays empty and is decided anew. Twice is once.

    One that was active goes on, or is paused if something that it needs is gone by now. A name that another
    campaign took meanwhile gets a number. Raises NotFound, also for what was deleted longer ago than 30 days.
    """
    number = number_of(campaign_id, "cmp_", "campaign")
    with rooms.store.session(ctx) as session:
        campaign = session.get(Campaign, {"shop_id": ctx.shop_id, "id": number})
        if campaign is None or _too_late(campaign, rooms):
            raise NotFound("There is no such campaign.")
        if campaign.deleted_at is None:
            return
        ran = campaign.activated_at is not None and campaign.ended_at is None and campaign.paused_at is None
        campaigns.go(campaign, _before(campaign))
        if campaign.name is not None and not name_problems(campaign.name, taken=False):
            campaign.name = campaigns.free_name(session, ctx, campaign.name)
            campaign.folded_name = fold_name(campaign.name)
        campaign.deleted_at = None
        if ran:
            campaign.paused_at = rooms.clock.now()
    if ran:
        try:
            campaigns.activate(rooms, ctx, campaign_id)
        except Invalid:
            log.info("campaign_restored_paused", shop_id=ctx.shop_id, campaign=campaign_id)
    log.info("campaign_restored", shop_id=ctx.shop_id, campaign=campaign_id)


def _before(campaign: Campaign) -> State:
    """The state that a deleted campaign comes back to."""
    if campaign.activated_at is None:
        return "draft"
    return "paused" if campaign.ended_at is None else "ended"


def _too_late(campaign: Campaign, rooms: Rooms) -> bool:
    return campaign.deleted_at is not None and campaign.deleted_at + RESTORABLE_FOR < rooms.clock.now()
