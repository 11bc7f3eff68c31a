"""What pages show of measured campaigns: a campaign's report, the results of all, the shop's sum; from stored rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from app.domain.campaigns import DEFAULT_HOLDOUT_PERCENT
from app.services import campaigns, holdouts
from app.services.measure_campaigns import JOB, newest
from app.services.measure_campaigns_attribution import CLICK_DAYS, CODE_DAYS, WINDOW_DAYS
from app.services.measure_campaigns_effect import window_days
from app.store.models.campaigns import Campaign
from app.store.models.measurements import WHOLE_SHOP, CampaignMeasurement
from app.store.models.sending import MESSAGE_STATES, SENT, Message
from ml.measurement import MIN_ARM, USEFUL_LIFT

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.measurements import HoldoutChange

WAITING = ("queued", "sending")
HISTORY_DAYS = 400


@dataclass(frozen=True)
class MessageCounts:
    """Messages, not customers, at this moment: planned, counted by itself, is the sum of all the others."""

    planned: int
    sent: int
    failed: int
    unknown: int
    capped: int
    cancelled: int
    held_out: int
    waiting: int


@dataclass(frozen=True)
class Then:
    """The incremental orders as they were measured on an earlier day."""

    day: date
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Report:
    """One campaign's report. figures: None before the first measurement, else as `measure_campaigns` keeps them."""

    campaign_id: str
    as_of: datetime | None
    measured_at: datetime | None
    messages: MessageCounts
    figures: dict[str, Any] | None
    window_days: int
    holdout_percent: int
    shop_holdout_percent: int
    holdout_changes: list[HoldoutChange]
    history: list[Then]
    rules: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One campaign in the list: what it added, and what goes out next."""

    campaign_id: str
    verdict: str
    incremental_orders: dict[str, Any] | None
    clicked: int
    ordered: int
    waiting: int


def report(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Report:
    """Everything measured of one campaign, and the state of its messages now. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        row = newest(session, ctx, [campaign.id]).get(campaign.id)
        return Report(
            campaign_id=campaign_id,
            as_of=row.as_of if row else None,
            measured_at=row.measured_at if row else None,
            messages=message_counts(session, ctx, [campaign.id])[campaign.id],
            figures=row.figures if row else None,
            window_days=window_days(campaign),
            holdout_percent=campaign.holdout_percent,
            shop_holdout_percent=holdouts.shop_percent(session, ctx),
            holdout_changes=holdouts.changes(session, ctx, campaign.id),
            history=_history(session, ctx, campaign.id),
            rules={
                "code_days": CODE_DAYS, "click_days": CLICK_DAYS, "window_days": WINDOW_DAYS,
                "least_held_out": MIN_ARM, "useful_lift": USEFUL_LIFT, "holdout_default": DEFAULT_HOLDOUT_PERCENT,
            },
        )  # fmt: skip


def recompute(rooms: Rooms, ctx: ShopContext) -> None:
    """Measure again in the background; asked twice it runs once. What was measured on earlier days stays."""
    rooms.jobs.enqueue(ctx, JOB)


def message_counts(session: Session, ctx: ShopContext, campaign_ids: Collection[int]) -> dict[int, MessageCounts]:
    """Where all messages of campaigns stand now; two aggregate queries for all of them."""
    mine = (Message.shop_id == ctx.shop_id, Message.campaign_id.in_(campaign_ids))
    by_state = select(Message.campaign_id, Message.state, func.count()).where(*mine)
    counted: dict[int, Counter[str]] = defaultdict(Counter)
    for campaign, state, count in session.execute(by_state.group_by(Message.campaign_id, Message.state)):
        counted[campaign][state] = count
    # Not the sum of the above: that the two are equal is what a reader can check.
    every = select(Message.campaign_id, func.count(Message.id)).where(*mine).group_by(Message.campaign_id)
    planned = {row[0]: row[1] for row in session.execute(every)}
    return {
        number: MessageCounts(
            planned=planned.get(number, 0),
            waiting=sum(counted[number][state] for state in WAITING),
            **{state: counted[number][state] for state in MESSAGE_STATES if state not in WAITING},
        )
        for number in campaign_ids
    }


def _history(session: Session, ctx: ShopContext, campaign_id: int) -> list[Then]:
    query = (
        select(CampaignMeasurement.day, CampaignMeasurement.figures)
        .where(CampaignMeasurement.shop_id == ctx.shop_id, CampaignMeasurement.campaign_id == campaign_id)
        .order_by(CampaignMeasurement.day.desc())
        .limit(HISTORY_DAYS)
    )
    found = []
    for day, figures in session.execute(query):
        effect = figures["effect"]
        if effect["verdict"] == "collecting":  # too few for any interval: no number that looks like one
            found.append(Then(day, None, None, None))
            continue
        total = effect["orders"]["total"]
        found.append(Then(day, total["estimate"], total["low"], total["high"]))
    return found[::-1]


@dataclass(frozen=True)
class Results:
    """All campaigns that were not deleted, and the shop's sends per day."""

    as_of: datetime | None
    items: list[Result]
    days: list[dict[str, Any]]


def results(rooms: Rooms, ctx: ShopContext) -> Results:
    """What the list of campaigns shows beside each, from stored figures."""
    with rooms.store.reading(ctx) as session:
        query = select(Campaign.id).where(Campaign.shop_id == ctx.shop_id, Campaign.deleted_at.is_(None))
        numbers = list(session.scalars(query.order_by(Campaign.id.desc())))
        rows = newest(session, ctx, [*numbers, WHOLE_SHOP])
        counts = message_counts(session, ctx, numbers)
    whole = rows.get(WHOLE_SHOP)
    return Results(
        as_of=whole.as_of if whole else None,
        items=[_result(number, rows.get(number), counts[number]) for number in numbers],
        days=whole.figures["days"] if whole else [],
    )


def _result(number: int, row: CampaignMeasurement | None, counts: MessageCounts) -> Result:
    if row is None:
        return Result(f"cmp_{number}", "collecting", None, 0, 0, counts.waiting)
    effect, funnel = row.figures["effect"], row.figures["funnel"]
    return Result(
        campaign_id=f"cmp_{number}",
        verdict=effect["verdict"],
        incremental_orders=None if effect["verdict"] == "collecting" else effect["orders"]["total"],
        clicked=funnel["clicked"],
        ordered=row.figures["attribution"]["orders"],
        waiting=counts.waiting,
    )


@dataclass(frozen=True)
class Together:
    """The shop's campaigns in a few numbers. incremental: None before any campaign has an interval."""

    as_of: datetime | None
    emails_sent: int
    incremental_orders: dict[str, float] | None
    incremental_revenue: dict[str, float] | None
    measured: int
    collecting: int
    attributed_orders: int
    attributed_revenue_minor: int
    whole_shop: dict[str, Any] | None


def together(session: Session, ctx: ShopContext) -> Together:
    """What the dashboard shows of campaigns."""
    sent = select(func.count()).where(Message.shop_id == ctx.shop_id, text(SENT))
    emails = session.execute(sent).scalar_one()
    row = newest(session, ctx, [WHOLE_SHOP]).get(WHOLE_SHOP)
    if row is None:
        return Together(None, emails, None, None, 0, 0, 0, 0, None)
    figures, effect = row.figures, row.figures["effect"]
    return Together(
        as_of=row.as_of,
        emails_sent=emails,
        incremental_orders=figures["incremental"]["orders"],
        incremental_revenue=figures["incremental"]["revenue"],
        measured=figures["measured"],
        collecting=figures["collecting"],
        attributed_orders=figures["attributed"]["orders"],
        attributed_revenue_minor=figures["attributed"]["revenue_minor"],
        whole_shop={
            **{name: effect[name] for name in ("verdict", "window_days", "treated", "held_out", "curve")},
            "orders": effect["orders"]["total"],
            "revenue": effect["revenue"]["total"],
        },
    )
