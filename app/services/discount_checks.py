"""What keeps a campaign's discount from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.campaigns import Unresolved
from app.domain.discounts import Plan
from app.services import demographics
from app.services.discount_pools import NO_SCOPE, NO_SHOPIFY
from app.services.discounts import MANAGED, plan_of
from app.services.shop_ports import DISCOUNT_SCOPES
from app.services.shop_scopes import lacking
from app.store.models.discounts import DiscountPlan

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

ESTIMATE = "A discount must not rest on estimated gender or income, and this audience does. Choose another."
DEFAULT = Plan()


def problems(rooms: Rooms, session: Session, ctx: ShopContext, campaign: Campaign) -> list[Unresolved]:
    """What keeps the campaign's discount from being used, whatever its mode."""
    if campaign.discount_mode == "off":
        return []
    if demographics.rests_on_estimate(session, ctx, campaign.segment_id):
        return [Unresolved("discount", "code" if campaign.discount_mode == "single" else "mode", ESTIMATE)]
    if campaign.discount_mode == MANAGED:
        row = plan_row(session, ctx, campaign.id)
        blocked = blocked_by(rooms, session, ctx)
        if blocked:
            return [Unresolved("discount", "mode", blocked)]
        return (plan_of(row) if row is not None else DEFAULT).problems(ctx.currency)
    return _single_problems(rooms, ctx, campaign)


def blocked_by(rooms: Rooms, session: Session, ctx: ShopContext) -> str | None:
    """Why Encore can't make discounts in this shop; None if it can."""
    if rooms.discount_shop is None or not ctx.domain.endswith(".myshopify.com"):
        return NO_SHOPIFY
    return NO_SCOPE if lacking(session, ctx, DISCOUNT_SCOPES) else None


def plan_row(session: Session, ctx: ShopContext, campaign_id: int, *, lock: bool = False) -> DiscountPlan | None:
    """The campaign's plan, or None while there is none."""
    key = {"shop_id": ctx.shop_id, "campaign_id": campaign_id}
    return session.get(DiscountPlan, key, with_for_update=lock or None)


def _single_problems(rooms: Rooms, ctx: ShopContext, campaign: Campaign) -> list[Unresolved]:
    if not (campaign.discount_code or "").strip():
        return [Unresolved("discount", "code", "Enter the code, or switch the discount off.")]
    for name in ("code", "description"):
        if "[" in (getattr(campaign, f"discount_{name}") or ""):
            text = f"Placeholders have no place in the discount's {name}. Take out the square brackets."
            return [Unresolved("discount", name, text)]
    today = rooms.clock.now().astimezone(ctx.zone).date()
    if campaign.discount_expires_on is not None and campaign.discount_expires_on < today:
        return [Unresolved("discount", "expires_on", "The code's last day has passed.")]
    return []
