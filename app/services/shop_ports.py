"""What services ask of the shop's platform besides consent: discounts and marketing activities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from app.domain.context import ShopContext

DISCOUNT_SCOPES = ("write_discounts",)
MARKETING_SCOPES = ("write_marketing_events",)


@dataclass(frozen=True)
class NewDiscount:
    """A discount of a fixed amount off the whole order. usage_limit: per code; None: any number of times."""

    title: str
    code: str
    amount_minor: int
    min_basket_minor: int
    starts_at: datetime
    ends_at: datetime | None
    usage_limit: int | None


@dataclass(frozen=True)
class FoundDiscount:
    """A code that exists. product_ids: Shopify's numbers; None if it is for all products.

    status: ACTIVE, EXPIRED or SCHEDULED. summary: Shopify's own words.
    """

    gid: str
    status: str
    summary: str
    ends_at: datetime | None
    product_ids: frozenset[int] | None
    usage_limit: int | None
    used: int


class DiscountShop(Protocol):
    """Discounts at the shop's platform. Each call may be repeated without harm; each raises Unavailable."""

    def find(self, ctx: ShopContext, code: str) -> FoundDiscount | None:
        """The discount that has this code."""
        ...

    def create(self, ctx: ShopContext, new: NewDiscount) -> str:
        """Make a discount with its first code; returns its id. Raises Conflict if that code exists."""
        ...

    def add_codes(self, ctx: ShopContext, gid: str, codes: Sequence[str]) -> set[str]:
        """Add up to 250 codes; answers which of them the discount has now. The others were refused for good."""
        ...

    def codes(self, ctx: ShopContext, gid: str) -> dict[str, tuple[str, int]]:
        """Every code of a discount → (its id, how often it was used); empty if the discount is gone."""
        ...

    def remove_codes(self, ctx: ShopContext, gid: str, code_gids: Sequence[str]) -> None:
        """Take codes away for good."""
        ...


class MarketingShop(Protocol):
    """The platform's marketing pages. Each call may be repeated without harm; each raises Unavailable."""

    def upsert(self, ctx: ShopContext, activity: Mapping[str, Any]) -> str:
        """Make or change the activity with this `remote_id`; returns its id."""
        ...

    def engagement(self, ctx: ShopContext, remote_id: str, day: date, figures: Mapping[str, int]) -> None:
        """State one day's whole figures; a later call for the same day replaces an earlier one."""
        ...
