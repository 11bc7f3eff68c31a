"""What pages show of campaigns: the list, one campaign, the decision diary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from app.domain.campaigns import REASON_TEXTS, Reason, Unresolved
from app.mail.starters import allowed_placeholders
from app.services import campaigns, decision_diary
from app.services.campaigns_audience import Audience, audience_of, newest_history, products
from app.services.content import utm_of, words_of
from app.services.plan_sends import last_tick
from app.services.plan_sends_candidates import past, purchases
from app.services.segments_world import known_reach
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer
from app.store.models.sending import MESSAGE_STATES, SENT, Message

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection
    from datetime import date, datetime

    from pyroaring import BitMap
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.blocks import Block
    from app.domain.context import ShopContext
    from app.services.decision_diary import DiaryEntry
    from app.services.rooms import Rooms


@dataclass(frozen=True)
class AudienceView:
    """Whom the campaign considers, with sizes as of the last evaluation."""

    type: str | None
    segment_id: str | None
    segment_name: str | None
    kind: str | None
    product_no: int | None
    product_title: str | None
    size: int | None
    reachable: int | None
    evaluated_at: datetime | None


@dataclass(frozen=True)
class ReasonCount:
    """How many customers for one reason."""

    reason: Reason
    text: str
    count: int


@dataclass(frozen=True)
class Counts:
    """Customers by where they stand. `candidates`, counted by itself, is the sum of all states and `skipped`."""

    candidates: int
    queued: int
    sending: int
    sent: int
    failed: int
    unknown: int
    capped: int
    cancelled: int
    held_out: int
    skipped: int
    reasons: list[ReasonCount]
    messages_sent: int
    last_tick: datetime | None


@dataclass(frozen=True)
class Discount:
    """The discount of a campaign."""

    mode: str
    code: str | None
    description: str | None
    expires_on: date | None


@dataclass(frozen=True)
class Content:
    """The content of a campaign's current version."""

    subject: str
    preview_text: str
    blocks: tuple[Block, ...]
    first_name_fallback: str
    version: int


@dataclass(frozen=True)
class Utm:
    """The tags of a campaign's links."""

    enabled: bool
    source: str
    medium: str
    campaign: str


@dataclass(frozen=True)
class CampaignView:
    """A campaign with everything that pages show."""

    id: str
    name: str | None
    state: str
    audience: AudienceView
    counts: Counts
    created_at: datetime
    updated_at: datetime
    activated_at: datetime | None
    sender_id: str | None
    timing: Any
    content: Content
    utm: Utm
    discount: Discount
    holdout_percent: int
    suggested: list[str]
    placeholders: list[str]
    unresolved: list[Unresolved]
    stale: str | None


@dataclass(frozen=True)
class DecisionView:
    """One entry of the diary.

    id: names it for ever. received: e-mails of this campaign about this product that the customer ever got (or was held
    out of); received_since_purchase: of these, since they last bought it. Repeats are limited by the latter for
    repurchase, by the former for cross-sell. wait_days: until the campaign may mail the customer again, if the app drew
    it, and how likely that draw was.
    """

    id: str
    customer_no: int
    label: str
    product_no: int | None
    product_title: str | None
    kind: str | None
    outcome: str
    reason: str | None
    reason_text: str
    probability: float | None
    lift: float | None
    received: int
    received_since_purchase: int
    since: datetime
    last_tick: datetime
    current: bool
    message_id: str | None
    message_state: str | None
    wait_days: int | None
    wait_probability: float | None


@dataclass(frozen=True)
class DecisionPage:
    """A page of the diary; `next` is the cursor of the following one."""

    items: list[DecisionView]
    next: str | None


def listing(rooms: Rooms, ctx: ShopContext) -> list[CampaignView]:
    """All campaigns that were not deleted, newest first."""
    with rooms.store.reading(ctx) as session:
        query = select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.deleted_at.is_(None))
        rows = list(session.scalars(query.order_by(Campaign.id.desc())))
        return _views(rooms, session, ctx, rows)


def one(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> CampaignView:
    """One campaign. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        return _views(rooms, session, ctx, [campaigns.find(session, ctx, campaign_id)])[0]


def decisions(
    rooms: Rooms,
    ctx: ShopContext,
    campaign_id: str,
    *,
    search: str | None = None,
    reason: Reason | None = None,
    outcome: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> DecisionPage:
    """The decision diary, newest first. search: a customer number or an exact e-mail address."""
    with rooms.store.reading(ctx) as session:
        number = campaigns.find(session, ctx, campaign_id).id
        asked = None
        if search and search.strip():
            asked = list(session.scalars(_customers(rooms, ctx, search.strip())))
        page, following = decision_diary.page(
            session, ctx, number, customers=asked, reason=reason, outcome=outcome, cursor=cursor, limit=limit
        )
        customers = {entry.customer_no for entry in page}
        before = past(session, ctx, [number], customers)
    wanted = {entry.product_no for entry in page if entry.product_no is not None}
    titles = _titles(rooms, ctx, wanted)
    bought = _bought(rooms, ctx, customers, wanted)
    items = []
    for entry in page:
        times = before.times[number, entry.customer_no, entry.product_no or 0]
        since = bought.get((entry.customer_no, entry.product_no or 0))
        items.append(_decision(entry, titles, times, since))
    return DecisionPage(items, following)


def _customers(rooms: Rooms, ctx: ShopContext, search: str) -> Select[Any]:
    query = select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id)
    digits = search.removeprefix("#")
    if digits.isdecimal() and len(digits) < 10:  # noqa: PLR2004 - an int32
        return query.where(Customer.customer_no == int(digits))
    return query.where(Customer.email_hash == rooms.vault.email_hash(search))


def _decision(
    entry: DiaryEntry, titles: dict[int, str], times: list[datetime], bought: datetime | None
) -> DecisionView:
    wait = entry.wait
    return DecisionView(
        id=entry.key,
        customer_no=entry.customer_no,
        label=f"Customer #{entry.customer_no}",
        product_no=entry.product_no,
        product_title=titles.get(entry.product_no or 0),
        kind=entry.kind,
        outcome=entry.outcome,
        reason=entry.reason,
        reason_text="Chosen for a message" if entry.reason is None else REASON_TEXTS[entry.reason],
        probability=entry.probability,
        lift=entry.lift,
        received=len(times),
        received_since_purchase=sum(bought is None or at > bought for at in times),
        since=entry.since,
        last_tick=entry.last_tick,
        current=entry.current,
        message_id=entry.message_id,
        message_state=entry.message_state,
        wait_days=wait.days if wait else None,
        wait_probability=wait.propensities.get(str(wait.days)) if wait else None,
    )


def _views(rooms: Rooms, session: Session, ctx: ShopContext, rows: Collection[Campaign]) -> list[CampaignView]:
    reached = known_reach(rooms, ctx).reachable
    audiences = {row.id: audience_of(session, ctx, row.segment_id) for row in rows}
    titles = _titles(rooms, ctx, {a.product_no for a in audiences.values() if a and a.product_no is not None})
    counts = counts_of(session, ctx, [row.id for row in rows])
    return [_view(rooms, session, ctx, row, audiences[row.id], reached, titles, counts[row.id]) for row in rows]


def _view(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    row: Campaign,
    audience: Audience | None,
    reached: BitMap,
    titles: dict[int, str],
    counts: Counts,
) -> CampaignView:
    standing = campaigns.standing(rooms, session, ctx, row)
    kind = audience.kind if audience else None
    considered = reached if row.audience_type == "automatic" else audience.members if audience else None
    return CampaignView(
        id=f"cmp_{row.id}",
        name=row.name,
        state=row.state,
        audience=AudienceView(
            type=row.audience_type,
            segment_id=f"seg_{row.segment_id}" if row.segment_id else None,
            segment_name=audience.name if audience else None,
            kind=kind,
            product_no=audience.product_no if audience else None,
            product_title=titles.get(audience.product_no or 0) if audience else None,
            size=len(audience.members) if audience else None,
            reachable=considered.intersection_cardinality(reached) if considered is not None else None,
            evaluated_at=audience.evaluated_at if audience else None,
        ),
        counts=counts,
        created_at=row.created_at,
        updated_at=row.updated_at,
        activated_at=row.activated_at,
        sender_id=f"snd_{row.sender_id}" if row.sender_id else None,
        timing=campaigns.timing_of(row),
        content=Content(**words_of(standing.content).columns(), version=standing.content.version),
        utm=_utm(row),
        discount=Discount(row.discount_mode, row.discount_code, row.discount_description, row.discount_expires_on),
        holdout_percent=row.holdout_percent,
        suggested=list(row.suggested),
        placeholders=[f"[{placeholder.value}]" for placeholder in allowed_placeholders(kind)],
        unresolved=standing.unresolved,
        stale=row.stale,
    )


def _utm(row: Campaign) -> Utm:
    found = utm_of(row)
    return Utm(enabled=True, **vars(found)) if found else Utm(enabled=False, source="", medium="", campaign="")


def counts_of(session: Session, ctx: ShopContext, campaign_ids: Collection[int]) -> dict[int, Counts]:
    """Where every customer stands whom a campaign ever considered."""
    found = decision_diary.places(session, ctx, campaign_ids)
    accepted = (
        select(Message.campaign_id, func.count())
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(campaign_ids), text(SENT))
        .group_by(Message.campaign_id)
    )
    sent: dict[int, int] = {row[0]: row[1] for row in session.execute(accepted)}
    tick = last_tick(session, ctx)
    return {
        number: Counts(
            candidates=found[number].considered,
            skipped=found[number].reasons.total(),
            reasons=reason_counts(found[number].reasons),
            messages_sent=sent.get(number, 0),
            last_tick=tick,
            **{state: found[number].states[state] for state in MESSAGE_STATES},
        )
        for number in campaign_ids
    }


def reason_counts(counted: Counter[Reason]) -> list[ReasonCount]:
    """Reasons with their words, the commonest first."""
    return [ReasonCount(reason, REASON_TEXTS[reason], count) for reason, count in counted.most_common()]


def _titles(rooms: Rooms, ctx: ShopContext, numbers: Collection[int]) -> dict[int, str]:
    history = newest_history(rooms, ctx) if numbers else None
    if history is None:
        return {}
    found = products(history[1], ctx, numbers)
    history[1].close()
    return {number: product.title for number, product in found.items()}


def _bought(
    rooms: Rooms, ctx: ShopContext, customers: Collection[int], numbers: Collection[int]
) -> dict[tuple[int, int], datetime]:
    """(customer, product) → last purchase."""
    history = newest_history(rooms, ctx) if numbers else None
    if history is None:
        return {}
    found = purchases(history[1], customers, numbers)
    history[1].close()
    return found.product
