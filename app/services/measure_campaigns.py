"""Measures all campaigns of a shop and keeps the figures, so that no page computes them.

Once after every refresh, and when a merchant asks. A day's last figures stay; earlier days are never changed.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select

from app.domain.holdout import next_percent
from app.services import holdouts, measure_campaigns_attribution, measure_campaigns_discounts, measure_campaigns_effect
from app.services.campaigns_audience import products
from app.services.measure_campaigns_read import decided, mailed, observed, place
from app.services.published import latest_history
from app.store.models.campaigns import Campaign
from app.store.models.measurements import WHOLE_SHOP, CampaignMeasurement
from ml.measurement import look_factor, summed

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.measure_campaigns_attribution import Followed
    from app.services.measure_campaigns_read import Decided, Observed
    from app.services.rooms import Rooms

log = structlog.get_logger()

JOB = "measure"
SEND_DAYS = 60  # of the chart of sends per day
MARGIN_OF_95 = 1.959964


def measure(rooms: Rooms, ctx: ShopContext) -> int:
    """Measure every campaign that ever decided anything; returns how many. Repeating it changes no earlier day."""
    with rooms.store.reading(ctx) as session:
        history = latest_history(session, ctx)
        data = decided(session, ctx)
        seen = observed(session, ctx, [row.id for row in data.campaigns])
        codes = measure_campaigns_discounts.codes(session, ctx, data)
    if history is None or data.messages.empty:
        return 0
    watermark = history.watermark
    with closing(rooms.lake.connect(ctx, history.tables)) as connection:
        place(connection, data, measure_campaigns_effect.BEFORE, watermark)
        followed = measure_campaigns_attribution.follow(connection, data, codes, watermark)
        at_work = set(data.messages["campaign"])
        found = {
            row.id: _campaign(rooms, connection, ctx, data, followed, row, seen[row.id], watermark)
            for row in data.campaigns
            if row.id in at_work
        }
        whole = measure_campaigns_effect.of_shop(connection, data, watermark)
    found[WHOLE_SHOP] = {"effect": whole, **_together(found, followed), "days": _days(ctx, data)}
    with rooms.store.session(ctx) as session:
        _keep(session, rooms, ctx, found, watermark)
        _adapt(session, rooms, ctx, found)
    log.info("campaigns_measured", shop_id=ctx.shop_id, campaigns=len(found) - 1)
    return len(found) - 1


def newest(
    session: Session, ctx: ShopContext, campaign_ids: Collection[int] | None = None
) -> dict[int, CampaignMeasurement]:
    """The last figures of campaigns (WHOLE_SHOP: of all together), of all if none are named."""
    last = (
        select(CampaignMeasurement.campaign_id, func.max(CampaignMeasurement.day).label("day"))
        .where(CampaignMeasurement.shop_id == ctx.shop_id)
        .group_by(CampaignMeasurement.campaign_id)
        .subquery()
    )
    query = (
        select(CampaignMeasurement)
        .join(last, (last.c.campaign_id == CampaignMeasurement.campaign_id) & (last.c.day == CampaignMeasurement.day))
        .where(CampaignMeasurement.shop_id == ctx.shop_id)
    )
    if campaign_ids is not None:
        query = query.where(CampaignMeasurement.campaign_id.in_(campaign_ids))
    return {row.campaign_id: row for row in session.scalars(query)}


def _campaign(
    rooms: Rooms,
    connection: duckdb.DuckDBPyConnection,
    ctx: ShopContext,
    data: Decided,
    followed: Followed,
    campaign: Campaign,
    seen: Observed,
    watermark: datetime,
) -> dict[str, Any]:
    effect = measure_campaigns_effect.of_campaign(connection, data, campaign, watermark)
    after = measure_campaigns_attribution.of_campaign(followed, data, campaign.id, ctx.zone)
    receipts = measure_campaigns_effect.receipts(connection, data, campaign, watermark)
    titles = products(connection, ctx, {line["product_no"] for line in receipts})
    for line in receipts:
        known = titles.get(line["product_no"])
        line["title"] = known.title if known else f"product {line['product_no']}"
    discount = measure_campaigns_discounts.figures(rooms, ctx, campaign, after.pop("by_code"))
    mine = data.messages[data.messages["campaign"] == campaign.id]
    first = mine.drop_duplicates("customer")
    return {
        "funnel": {
            "eligible": len(first),
            "held_out": int((first["state"] == "held_out").sum()),
            "sent": int(mailed(mine)["customer"].nunique()),
            "delivered": seen.delivered,
            "opened": seen.opened,
            "clicked": after.pop("clicked"),
            "ordered": after.pop("ordered"),
        },
        "effect": effect,
        "products": receipts,
        "discount": asdict(discount) if discount else None,
        "complained": seen.complained,
        "bounced": seen.bounced,
        **after,
    }


def _together(found: dict[int, dict[str, Any]], followed: Followed) -> dict[str, Any]:
    """The sum of what the campaigns added, as far as there is an interval, and what followed them.

    Every campaign has a coin of its own, so their errors add up as independent ones do.
    """
    effects = [one["effect"] for one in found.values()]
    known = [one for one in effects if one["verdict"] != "collecting"]
    sums = {}
    for name in ("orders", "revenue"):
        totals = [(one[name]["total"]["estimate"], one[name]["total"]["error"]) for one in known]
        usable = [(estimate, error) for estimate, error in totals if estimate is not None and error is not None]
        estimate, error = summed(usable)
        factor = look_factor(sum(one[name]["effective"] for one in known)) if usable else 0.0
        sums[name] = _interval(estimate, error, factor) if usable else None
    return {
        "incremental": sums,
        "measured": len(known),
        "collecting": len(effects) - len(known),
        "attributed": {
            "orders": len(followed.credited),
            "revenue_minor": round(float(followed.credited["net_minor"].sum())),
        },
    }


def _interval(estimate: float, error: float, factor: float) -> dict[str, float]:
    return {
        "estimate": estimate,
        "low": estimate - MARGIN_OF_95 * error,
        "high": estimate + MARGIN_OF_95 * error,
        "sure_low": estimate - factor * error,
        "sure_high": estimate + factor * error,
    }


def _days(ctx: ShopContext, data: Decided) -> list[dict[str, Any]]:
    """Messages per store day and campaign, of the last days with any."""
    left = mailed(data.messages)
    days = left["stamped_at"].dt.tz_convert(ctx.timezone).dt.date
    counted = Counter(zip(days, left["campaign"], strict=True))
    newest_day = max(days, default=None)
    return [
        {"day": day.isoformat(), "campaign_id": f"cmp_{campaign}", "sent": count}
        for (day, campaign), count in sorted(counted.items())
        if newest_day is not None and newest_day - day < timedelta(days=SEND_DAYS)
    ]


def _keep(
    session: Session, rooms: Rooms, ctx: ShopContext, found: dict[int, dict[str, Any]], watermark: datetime
) -> None:
    now = rooms.clock.now()
    for number, figures in found.items():
        session.merge(
            CampaignMeasurement(
                shop_id=ctx.shop_id, campaign_id=number, day=now.astimezone(ctx.zone).date(), as_of=watermark,
                measured_at=now, figures=figures,
            )
        )  # fmt: skip
    session.flush()


def _adapt(session: Session, rooms: Rooms, ctx: ShopContext, found: dict[int, dict[str, Any]]) -> None:
    """Let campaigns that surely add orders hold out fewer customers from now on."""
    now = rooms.clock.now()
    active = select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active")
    for campaign in session.scalars(active.with_for_update()).all():
        effect = found.get(campaign.id, {}).get("effect")
        if effect is None or effect["verdict"] != "adds":
            continue
        orders = effect["orders"]
        estimate, factor = orders["per_customer"], look_factor(orders["effective"])
        margin = factor * orders["standard_error"]
        since = holdouts.changed_at(session, ctx, campaign.id) or campaign.activated_at or campaign.created_at
        wanted = next_percent(campaign.holdout_percent, effect["verdict"], estimate, margin, now - since)
        if wanted < campaign.holdout_percent:
            reason = (
                f"Mailing surely adds orders: {100 * estimate:.1f} per 100 customers"
                f" ({100 * (estimate - margin):.1f} to {100 * (estimate + margin):.1f})."
            )
            holdouts.step(session, ctx, campaign, wanted, now, reason)
