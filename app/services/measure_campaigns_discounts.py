"""What discounts of campaigns cost: which code each message carried, what was given, what was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.services import discount_figures
from app.services.discounts import MANAGED
from app.store.models.discounts import DiscountCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.measure_campaigns_read import Decided
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

OWN_CODES = "Codes of the campaign that were redeemed; kept: what those who bought without one were not given."
ONE_CODE = "Orders of mailed customers that carry the campaign's code."


@dataclass(frozen=True)
class DiscountCost:
    """What a campaign's discounts came to, minor units.

    saved_minor: not given away to customers who bought without; None where no randomised arm went without
    """

    orders: int
    given_minor: int
    saved_minor: int | None
    basis: str


def codes(session: Session, ctx: ShopContext, data: Decided) -> dict[str, str]:
    """Message id → the discount code that it carried: its own, or the one that its campaign gave everybody."""
    shared = {row.id: row.discount_code for row in data.campaigns if row.discount_mode == "single"}
    pairs = zip(data.messages["id"], data.messages["campaign"], strict=True)
    found = {message: code for message, campaign in pairs if (code := shared.get(campaign))}
    own = select(DiscountCode.message_id, DiscountCode.code).where(
        DiscountCode.shop_id == ctx.shop_id, DiscountCode.message_id.is_not(None)
    )
    return found | {str(message): code for message, code in session.execute(own)}


def figures(rooms: Rooms, ctx: ShopContext, campaign: Campaign, by_code: dict[str, Any]) -> DiscountCost | None:
    """One campaign's; None without a discount. Of one code for all: from the orders credited to it."""
    if campaign.discount_mode == "off":
        return None
    if campaign.discount_mode == MANAGED:
        own = discount_figures.figures(rooms, ctx, f"cmp_{campaign.id}")
        return DiscountCost(own.redeemed, own.redeemed_minor, own.saved_minor, OWN_CODES)
    return DiscountCost(by_code["orders"], by_code["given_minor"], None, ONE_CODE)
