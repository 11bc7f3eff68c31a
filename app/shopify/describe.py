"""What a shop says of itself: name, currency, time zone, web address. Asked at the install and by every import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from app.services.shops import context_of
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.shopify.graphql import AdminApi

log = structlog.get_logger()


def describe(rooms: Rooms, api: AdminApi, ctx: ShopContext) -> ShopContext:
    """Ask the shop what it is and keep the answer; returns the context that holds from now on.

    Raises NotAuthorised or Unavailable; what was known before stays.
    """
    info: dict[str, Any] = api.run(ctx, "ShopInfo")["shop"]
    with rooms.store.operator_session() as session:
        shop = session.get_one(Shop, ctx.shop_id)
        shop.name, shop.email = info["name"], info["email"]
        shop.currency, shop.timezone = info["currencyCode"], info["ianaTimezone"]
        shop.primary_domain = info["primaryDomain"]["host"].lower()
        shop.described_at = rooms.clock.now()
        found = context_of(shop)
    if found != ctx:
        log.info("shop_described", shop_id=ctx.shop_id, currency=found.currency, timezone=found.timezone)
    return found
