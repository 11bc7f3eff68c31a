"""Campaigns on Shopify's own marketing pages: one activity each, and what every day of it came to.

Whatever fails here is written on the activity and tried again; campaigns know nothing of it. Days are told anew when
their figures change, and Shopify keeps the last word on a day, so that repeating anything changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.errors import EncoreError, Unavailable
from app.services.content import utm_of
from app.services.measure_campaigns import newest
from app.services.shop_ports import MARKETING_SCOPES
from app.services.shop_scopes import lacking
from app.store.models.campaigns import Campaign
from app.store.models.mail_events import MailEvent
from app.store.models.marketing import MarketingActivity, MarketingDay
from app.store.models.measurements import WHOLE_SHOP
from app.store.models.sending import MAILED, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.shop_ports import MarketingShop

log = structlog.get_logger()

JOB = "marketing"
TOLD_DAYS = 30  # older days hardly change
NAMES = ("sends", "views", "clicks", "unsubscribes", "fails", "orders", "sales_minor")
MEASURED = {"orders": "orders", "sales_minor": "revenue_minor", "unsubscribes": "unsubscribed"}
STATUS = {"active": "ACTIVE", "paused": "PAUSED"}
NO_SCOPE = "Encore may not write to Shopify's marketing pages yet. Grant the new permission in the Shopify admin."


@dataclass(frozen=True)
class Standing:
    """What Shopify's marketing pages have of a campaign. problem: why the last try failed."""

    told_at: datetime | None
    days: int
    problem: str | None


def remote_id(campaign_id: int) -> str:
    """Our own id of the campaign's activity at Shopify."""
    return f"encore-cmp-{campaign_id}"


def utm_campaign(campaign: Campaign) -> str:
    """The utm_campaign of the campaign's links, by which Shopify knows visits of it again.

    Where the merchant switched the tags off, the one that they would have: Shopify's activity must have one.
    """
    tags = utm_of(campaign)
    return tags.campaign if tags else f"encore-{campaign.id}"


def tell(rooms: Rooms, ctx: ShopContext) -> int:
    """Bring Shopify's marketing pages up to date; returns how many activities and days were told."""
    with rooms.store.reading(ctx) as session:
        query = select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.activated_at.is_not(None))
        campaigns = list(session.scalars(query.order_by(Campaign.id)))
    shop = rooms.marketing_shop
    if shop is None or not campaigns or not ctx.domain.endswith(".myshopify.com"):
        return 0
    told = 0
    figures = daily(rooms, ctx)
    for campaign in campaigns:
        problem = None
        try:
            with rooms.store.reading(ctx) as session:
                if lacking(session, ctx, MARKETING_SCOPES):
                    raise Unavailable(NO_SCOPE)
            told += _tell_one(rooms, ctx, shop, campaign, figures.get(campaign.id, {}))
        except EncoreError as fault:
            problem = fault.message
            log.warning("marketing_not_told", shop_id=ctx.shop_id, campaign_id=campaign.id, code=fault.code)
        with rooms.store.session(ctx) as session:
            _row(session, ctx, campaign.id).problem = problem
    if told:
        log.info("marketing_told", shop_id=ctx.shop_id, told=told)
    return told


def standing(rooms: Rooms, ctx: ShopContext, campaign_id: int) -> Standing | None:
    """What Shopify has of a campaign; None if it was never told anything."""
    with rooms.store.reading(ctx) as session:
        row = session.get(MarketingActivity, {"shop_id": ctx.shop_id, "campaign_id": campaign_id})
        days = select(MarketingDay.day).where(
            MarketingDay.shop_id == ctx.shop_id, MarketingDay.campaign_id == campaign_id
        )
        count = len(session.scalars(days).all())
    return Standing(row.told_at, count, row.problem) if row is not None else None


def daily(rooms: Rooms, ctx: ShopContext) -> dict[int, dict[date, dict[str, int]]]:
    """Campaign → day of the shop → figures, for the last 30 days.

    Orders, sales and unsubscribes are the campaign report's, by its rules and as of its last measurement: a merchant
    who compares the two finds one number. What a campaign added is measured elsewhere, by its holdout.
    """
    since = rooms.clock.now() - timedelta(days=TOLD_DAYS)
    found: dict[int, dict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))

    def add(campaign_id: int, at: datetime, name: str) -> None:
        found[campaign_id][at.astimezone(ctx.zone).date()][name] += 1

    with rooms.store.reading(ctx) as session:
        sent = select(Message.campaign_id, Message.stamped_at, Message.state).where(
            Message.shop_id == ctx.shop_id, Message.stamped_at > since, Message.state.in_((*MAILED, "failed"))
        )
        for campaign_id, at, state in session.execute(sent):
            if at is not None:
                add(campaign_id, at, "fails" if state == "failed" else "sends")
        _actions(session, ctx, since, add)
        measured = newest(session, ctx)
    for campaign_id, row in measured.items():
        for one in row.figures.get("days", ()) if campaign_id != WHOLE_SHOP else ():
            day = date.fromisoformat(one["day"])
            if day >= since.astimezone(ctx.zone).date():
                followed = {name: one[measured_as] for name, measured_as in MEASURED.items()}
                found[campaign_id][day].update(followed)
    return {number: {day: {name: one[name] for name in NAMES} for day, one in days.items()}
            for number, days in found.items()}  # fmt: skip


def _actions(session: Session, ctx: ShopContext, since: datetime, add: Callable[[int, datetime, str], None]) -> None:
    """Count each message's first view and first click by a person."""
    query = (
        select(MailEvent.message_id, MailEvent.campaign_id, MailEvent.at, MailEvent.kind)
        .where(
            MailEvent.shop_id == ctx.shop_id,
            MailEvent.at > since,
            MailEvent.kind.in_(("opened", "clicked")),
            ~MailEvent.machine,
        )
        .order_by(MailEvent.at, MailEvent.id)
    )
    seen: set[tuple[str, str]] = set()
    for message_id, campaign_id, at, kind in session.execute(query):
        if (message_id, kind) not in seen:
            seen.add((message_id, kind))
            add(campaign_id, at, "views" if kind == "opened" else "clicks")


def _tell_one(
    rooms: Rooms, ctx: ShopContext, shop: MarketingShop, campaign: Campaign, days: dict[date, dict[str, int]]
) -> int:
    told = 0
    wanted = {
        "title": campaign.name or f"Campaign {campaign.id}",
        "status": STATUS.get(campaign.state, "INACTIVE"),
    }
    with rooms.store.reading(ctx) as session:
        row = session.get(MarketingActivity, {"shop_id": ctx.shop_id, "campaign_id": campaign.id})
        mine = select(MarketingDay).where(MarketingDay.shop_id == ctx.shop_id, MarketingDay.campaign_id == campaign.id)
        known = {one.day: one.told for one in session.scalars(mine)}
    if row is None or row.told != wanted:
        url = f"{rooms.settings.public_url.rstrip('/')}/campaigns/cmp_{campaign.id}"
        activity = {**wanted, "remote_id": remote_id(campaign.id), "utm_campaign": utm_campaign(campaign),
                    "url": url, "started_at": campaign.activated_at}  # fmt: skip
        gid = shop.upsert(ctx, activity)
        with rooms.store.session(ctx) as session:
            kept = _row(session, ctx, campaign.id)
            kept.shopify_gid, kept.told, kept.told_at = gid, wanted, rooms.clock.now()
        told += 1
    for day, figures in sorted(days.items()):
        whole = datetime.combine(day + timedelta(days=1), time(), ctx.zone) <= rooms.clock.now()
        if not whole or known.get(day) == figures:
            continue
        shop.engagement(ctx, remote_id(campaign.id), day, figures)
        with rooms.store.session(ctx) as session:
            at = rooms.clock.now()
            session.merge(MarketingDay(shop_id=ctx.shop_id, campaign_id=campaign.id, day=day, told=figures, told_at=at))
            _row(session, ctx, campaign.id).told_at = at
        told += 1
    return told


def _row(session: Session, ctx: ShopContext, campaign_id: int) -> MarketingActivity:
    row = session.get(MarketingActivity, {"shop_id": ctx.shop_id, "campaign_id": campaign_id})
    if row is None:
        row = MarketingActivity(shop_id=ctx.shop_id, campaign_id=campaign_id)
        session.add(row)
        session.flush()
    return row
