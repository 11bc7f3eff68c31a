"""What Shopify's marketing pages are told: one activity per campaign, one engagement per campaign and day."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.domain.money import exponent
from app.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.domain.context import ShopContext
    from app.shopify.graphql import AdminApi


class ShopifyMarketing:
    """A `MarketingShop`.

    `marketingActivityCreateExternal` is deprecated in 2026-10; its successor makes or changes by our own id, so
    that trying again can't make a second activity.
    """

    def __init__(self, api: AdminApi) -> None:
        self._api = api

    def upsert(self, ctx: ShopContext, activity: Mapping[str, Any]) -> str:
        """Make or change the activity. activity: remote_id, title, status, url, utm_campaign, started_at."""
        started: datetime | None = activity["started_at"]
        wanted: dict[str, Any] = {
            "remoteId": activity["remote_id"],
            "title": activity["title"],
            "status": activity["status"],
            "remoteUrl": activity["url"],
            "tactic": "NEWSLETTER",
            "marketingChannelType": "EMAIL",
            "utm": {"campaign": activity["utm_campaign"], "source": "encore", "medium": "email"},
            "start": started.isoformat() if started else None,
        }
        answer = self._api.run(ctx, "MarketingActivityUpsert", {"input": wanted})["marketingActivityUpsertExternal"]
        _check(answer)
        return str(answer["marketingActivity"]["id"])

    def engagement(self, ctx: ShopContext, remote_id: str, day: date, figures: Mapping[str, int]) -> None:
        """State one day. figures: sends, views, clicks, unsubscribes, fails, orders, and sales_minor."""
        sales = Decimal(figures["sales_minor"]).scaleb(-exponent(ctx.currency))
        told: dict[str, Any] = {
            "occurredOn": day.isoformat(),
            "utcOffset": _offset(ctx, day),
            "sendsCount": figures["sends"],
            "uniqueViewsCount": figures["views"],
            "uniqueClicksCount": figures["clicks"],
            "unsubscribesCount": figures["unsubscribes"],
            "failsCount": figures["fails"],
            "orders": str(figures["orders"]),
            "sales": {"amount": str(sales), "currencyCode": ctx.currency},
        }
        wanted = {"remoteId": remote_id, "engagement": told}
        _check(self._api.run(ctx, "MarketingEngagement", wanted)["marketingEngagementCreate"])


def _offset(ctx: ShopContext, day: date) -> str:
    """The shop's offset from UTC at the day's noon, as `-05:00`."""
    text = datetime.combine(day, time(12), ctx.zone).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def _check(answer: dict[str, Any]) -> None:
    if answer["userErrors"]:
        raise Unavailable("Shopify's marketing pages: " + "; ".join(e["message"] for e in answer["userErrors"]))
