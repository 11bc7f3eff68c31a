"""What discounts of campaigns cost: which code each message carried, what was given, what was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.services.measure_campaigns_read import Decided
    from app.store.models.campaigns import Campaign

ONE_CODE = "Orders of mailed customers that carry the campaign's code."


@dataclass(frozen=True)
class DiscountFigures:
    """What a campaign's discounts came to, minor units.

    saved_minor: not given away to customers who bought without; None where no randomised arm went without
    """

    orders: int
    given_minor: int
    saved_minor: int | None
    basis: str


def codes(data: Decided) -> dict[str, str]:
    """Message id → the discount code that it carried."""
    shared = {row.id: row.discount_code for row in data.campaigns if row.discount_mode == "single"}
    pairs = zip(data.messages["id"], data.messages["campaign"], strict=True)
    return {message: code for message, campaign in pairs if (code := shared.get(campaign))}


def figures(campaign: Campaign, by_code: dict[str, Any]) -> DiscountFigures | None:
    """One campaign's, from the orders credited to its codes; None without a discount."""
    if campaign.discount_mode == "off":
        return None
    return DiscountFigures(by_code["orders"], by_code["given_minor"], None, ONE_CODE)
