"""What pages show of campaigns: the list, one campaign, the pre-flight check, the decision diary."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select

from app.domain.campaigns import REASON_TEXTS, Reason, Unresolved
from app.errors import Invalid
from app.mail.starters import allowed_placeholders
from app.services import campaigns
from app.services.campaigns_audience import Audience, audience_of, newest_history, products
from app.services.content import words_of
from app.services.links import utm_of
from app.services.plan_sends import last_tick
from app.services.plan_sends_candidates import assess, past, purchases
from app.services.published import published
from app.services.reachable import reachable
from app.store.models.campaigns import Campaign, Decision
from app.store.models.customers import Customer
from app.store.models.sending import MESSAGE_STATES, Message
from app.store.models.waits import WaitChoice

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from pyroaring import BitMap
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.blocks import Block
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

# Where a customer with several messages stands: the first of these that any of them is in.
STANDING = ("sending", "queued", "sent", "unknown", "held_out", "failed", "capped", "cancelled")
SETTLED = frozenset({"sending", "queued", "sent", "unknown", "held_out", "failed"})


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
class Preflight:
    """What activation would do now."""

    ready: bool
    unresolved: list[Unresolved]
    people: int
    candidates: int
    reasons: list[ReasonCount]
    as_of: datetime | None


@dataclass(frozen=True)
class DecisionView:
    """One entry of the diary.

    received: e-mails of this campaign about this product that the customer ever got (or was held out of);
    received_since_purchase: of these, since they last bought it. Repeats are limited by the latter for repurchase,
    by the former for cross-sell. wait_days: until the campaign may mail the customer again, if the app drew it, and
    how likely that draw was.
    """

    id: int
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


def preflight(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Preflight:
    """What is unresolved, and exactly how many customers the campaign could mail at this moment.

    Looks as a tick does, before other campaigns compete; writes nothing.
    """
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        standing = campaigns.standing(rooms, session, ctx, campaign)
        now = rooms.store.db_now(session)
    run = published(rooms, ctx)
    ready = not standing.unresolved
    if run is None or campaign.audience_type is None:
        return Preflight(ready, standing.unresolved, 0, 0, [], None)
    verdicts = assess(rooms, ctx, run, [campaign], now).verdicts[campaign.id]
    reasons = Counter(verdict.reason for verdict in verdicts.values() if verdict.reason is not None)
    people = len(verdicts) - reasons.total()
    return Preflight(ready, standing.unresolved, people, len(verdicts), _reasons(reasons), now)


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
        query = (
            select(Decision, Message.state, WaitChoice)
            .outerjoin(Message, (Message.shop_id == Decision.shop_id) & (Message.id == Decision.message_id))
            .outerjoin(
                WaitChoice, (WaitChoice.shop_id == Decision.shop_id) & (WaitChoice.message_id == Decision.message_id)
            )
            .where(Decision.shop_id == ctx.shop_id, Decision.campaign_id == number)
            .order_by(Decision.id.desc())
            .limit(limit + 1)
        )
        if reason is not None:
            query = query.where(Decision.reason == reason)
        if outcome is not None:
            query = query.where(Decision.outcome == outcome)
        if cursor is not None:
            if not cursor.isdecimal():
                raise Invalid("That is no cursor of this list.", field="cursor")
            query = query.where(Decision.id < int(cursor))
        if search and search.strip():
            query = query.where(Decision.customer_no.in_(_customers(rooms, ctx, search.strip())))
        rows = [(row[0], row[1], row[2]) for row in session.execute(query)]
        page = rows[:limit]
        customers = {row.customer_no for row, _, _ in page}
        before = past(session, ctx, [number], customers)
    wanted = {row.product_no for row, _, _ in page if row.product_no is not None}
    titles = _titles(rooms, ctx, wanted)
    bought = _bought(rooms, ctx, customers, wanted)
    items = []
    for row, state, wait in page:
        times = before.times[number, row.customer_no, row.product_no or 0]
        since = bought.get((row.customer_no, row.product_no or 0))
        items.append(_decision(row, state, wait, titles, times, since))
    return DecisionPage(items, str(page[-1][0].id) if len(rows) > limit else None)


def _customers(rooms: Rooms, ctx: ShopContext, search: str) -> Select[Any]:
    query = select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id)
    digits = search.removeprefix("#")
    if digits.isdecimal() and len(digits) < 10:  # noqa: PLR2004 - an int32
        return query.where(Customer.customer_no == int(digits))
    return query.where(Customer.email_hash == rooms.vault.email_hash(search))


def _decision(
    row: Decision,
    message_state: str | None,
    wait: WaitChoice | None,
    titles: dict[int, str],
    times: list[datetime],
    bought: datetime | None,
) -> DecisionView:
    text = "Chosen for a message"
    if row.reason is not None:
        text = REASON_TEXTS[Reason(row.reason)]
    return DecisionView(
        id=row.id,
        customer_no=row.customer_no,
        label=f"Customer #{row.customer_no}",
        product_no=row.product_no,
        product_title=titles.get(row.product_no or 0),
        kind=row.kind,
        outcome=row.outcome,
        reason=row.reason,
        reason_text=text,
        probability=row.probability,
        lift=row.lift,
        received=len(times),
        received_since_purchase=sum(bought is None or at > bought for at in times),
        since=row.since,
        last_tick=row.last_tick,
        current=row.current,
        message_id=row.message_id,
        message_state=message_state,
        wait_days=wait.days if wait else None,
        wait_probability=wait.propensities.get(str(wait.days)) if wait else None,
    )


def _views(rooms: Rooms, session: Session, ctx: ShopContext, rows: Collection[Campaign]) -> list[CampaignView]:
    reached = reachable(session, ctx)
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
        content=Content(**vars(words_of(standing.content)), version=standing.content.version),
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
    """Where every customer stands whom a campaign ever considered; three aggregate queries for all campaigns."""
    place = case({state: number for number, state in enumerate(STANDING)}, value=Message.state)
    standing = (
        select(Message.campaign_id, Message.customer_no, func.min(place).label("place"))
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(campaign_ids))
        .group_by(Message.campaign_id, Message.customer_no)
        .subquery()
    )
    rows = session.execute(
        select(Decision.campaign_id, Decision.outcome, Decision.reason, standing.c.place, func.count())
        .outerjoin(
            standing,
            (standing.c.campaign_id == Decision.campaign_id) & (standing.c.customer_no == Decision.customer_no),
        )
        .where(Decision.shop_id == ctx.shop_id, Decision.campaign_id.in_(campaign_ids), Decision.current)
        .group_by(Decision.campaign_id, Decision.outcome, Decision.reason, standing.c.place)
    )
    states: dict[int, Counter[str]] = defaultdict(Counter)
    reasons: dict[int, Counter[Reason]] = defaultdict(Counter)
    for campaign, outcome, reason, at, count in rows:
        state = STANDING[at] if at is not None else None
        if state is not None and (state in SETTLED or outcome in {"selected", "held_out"}):
            states[campaign][state] += count
        else:
            reasons[campaign][Reason(reason)] += count
    accepted = (
        select(Message.campaign_id, func.count())
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(campaign_ids), Message.state == "sent")
        .group_by(Message.campaign_id)
    )
    sent: dict[int, int] = {row[0]: row[1] for row in session.execute(accepted)}
    # Not the sum of the above: that the two are equal is what a reader can check.
    considered = (
        select(Decision.campaign_id, func.count(Decision.customer_no.distinct()))
        .where(Decision.shop_id == ctx.shop_id, Decision.campaign_id.in_(campaign_ids), Decision.current)
        .group_by(Decision.campaign_id)
    )
    candidates: dict[int, int] = {row[0]: row[1] for row in session.execute(considered)}
    tick = last_tick(session, ctx)
    return {
        number: Counts(
            candidates=candidates.get(number, 0),
            skipped=reasons[number].total(),
            reasons=_reasons(reasons[number]),
            messages_sent=sent.get(number, 0),
            last_tick=tick,
            **{state: states[number][state] for state in MESSAGE_STATES},
        )
        for number in campaign_ids
    }


def _reasons(counted: Counter[Reason]) -> list[ReasonCount]:
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
