"""Handing queued messages over: stamp a batch under the weekly cap, commit, then talk to the mail server."""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.domain.campaigns import Reason
from app.domain.consent import refusal
from app.domain.machines import DEFAULT_OPEN_TRACKING
from app.services import campaigns, discounts, sender_domains, senders, sending_brakes, sending_limits, topics
from app.services.campaigns_audience import newest_history, products
from app.services.links import links_of
from app.services.plan_sends_candidates import Past, past, purchases
from app.services.plan_sends_facts import zones_of
from app.services.plan_sends_verdicts import sender_refusal
from app.services.published import latest_history
from app.services.send_due_compose import Addressee, frame_of
from app.services.send_due_handover import Desk, Wanted, hand_over, left_by_domain, products_of
from app.services.shop_settings import cap_window
from app.store import outbox
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer, Suppression
from app.store.models.mail_events import MailSetting
from app.store.models.senders import Sender
from app.store.models.sending import Message
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from app.domain.campaigns import TimingRules
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

ADDRESSEE = tuple(getattr(Customer, name) for name in Addressee._fields)

DEFAULT_BUDGET = 2_000  # messages a call, so that one shop does not keep a worker for hours
FIRST_BATCH = 10
READ_AHEAD = 2_000  # messages whose facts are read from the lake at once: opening it costs more than their rows
BATCH_SECONDS = 20.0  # a third of the deadline: the rest is for the server's slow moments


@dataclass
class Sent:
    """What one call did."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    unknown: int = 0
    capped: int = 0
    cancelled: int = 0
    reaped: int = 0


def send(
    rooms: Rooms,
    ctx: ShopContext,
    budget: int = DEFAULT_BUDGET,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Sent:
    """Hand over up to `budget` queued messages of a shop. Any number of processes may do so at once."""
    owner = f"{socket.gethostname()}:{os.getpid()}"
    total = Sent()
    with rooms.store.session(ctx) as session:
        now = rooms.store.db_now(session)
        total.reaped = outbox.reap(session, ctx, now)
        sending_brakes.judge(session, ctx, now)
    _ask_names(rooms, ctx)
    limit, desk = FIRST_BATCH, Desk()
    while budget > 0:
        most = _may_go(rooms, ctx, min(limit, budget))
        if most == 0:
            break
        # What other workers take is passed over when stamping: two batches are left for that.
        if desk.left < 2 * limit:
            desk = _read_lake(rooms, ctx, limit, budget)
        # Of this batch alone: what an earlier one offered was committed, and is out.
        desk.offered = set()
        started = monotonic()
        with rooms.store.session(ctx) as session:
            batch = outbox.stamp_batch(
                session,
                ctx,
                rooms.vault,
                clock=rooms.store.db_now,
                owner=owner,
                recheck=partial(_recheck, rooms, ctx, desk),
                limit=most,
                window=cap_window(session, ctx),
            )
            # Not stamped, not offered: nobody saw these codes, and none of this was committed yet.
            discounts.undo(session, ctx, desk.offered - {message.id for message in batch.stamped})
        # Committed, durably: only now may anything be said to the mail server.
        budget -= batch.touched
        desk.left -= batch.touched
        total.capped += batch.capped
        total.cancelled += batch.cancelled
        if batch.touched == 0:
            break
        outcomes, away = hand_over(rooms, ctx, batch.stamped, desk, started, monotonic)
        with rooms.store.session(ctx) as session:
            now = rooms.store.db_now(session)
            outbox.record(session, ctx, now, outcomes)
            sending_limits.count(session, ctx, now, left_by_domain(batch.stamped, desk, outcomes))
        _count(total, outcomes)
        if away:
            break
        if batch.stamped:
            seconds = max(monotonic() - started, 0.001) / len(batch.stamped)
            limit = max(1, min(outbox.MAX_BATCH, int(BATCH_SECONDS / seconds)))
    if any(vars(total).values()):
        log.info("messages_handed_over", shop_id=ctx.shop_id, **vars(total))
    return total


def _may_go(rooms: Rooms, ctx: ShopContext, wanted: int) -> int:
    """How many messages the next batch may hold; 0 while sending is stopped."""
    with rooms.store.reading(ctx) as session:
        if sending_brakes.open_stop(session, ctx) is not None:
            return 0
        gate = sending_limits.gate(rooms, session, ctx)
    sending_limits.hold_back(rooms, ctx, gate)
    return wanted if gate.most is None else min(wanted, gate.most)


def _ask_names(rooms: Rooms, ctx: ShopContext) -> None:
    """Have the domains looked up that nobody looked up for a day; what is known meanwhile still counts."""
    with rooms.store.reading(ctx) as session:
        rows = session.scalars(select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.deleted_at.is_(None)))
        domains = {sending_limits.domain_of(rooms, row) for row in rows if senders.is_verified(row)}
        stale = sender_domains.stale(rooms, session, ctx, domains)
    for domain in sorted(stale):
        rooms.jobs.enqueue(ctx, sender_domains.JOB, domain)


def _read_lake(rooms: Rooms, ctx: ShopContext, limit: int, budget: int) -> Desk:
    """Products and newest orders of what is probably stamped next; before the transaction, it may be slow."""
    desk = Desk()
    ahead = max(4 * limit, min(budget, READ_AHEAD))
    with rooms.store.reading(ctx) as session:
        query = outbox.due(ctx, rooms.store.db_now(session), ahead)
        columns = (Message.customer_no, Message.product_no, Message.purchased_product_no)
        near = [Wanted(*row) for row in session.execute(query.with_only_columns(*columns))]
        managed = (Campaign.shop_id == ctx.shop_id, Campaign.discount_mode == discounts.MANAGED)
        desk.managed = (
            session.scalars(select(Campaign.id).where(*managed, Campaign.state == "active")).first() is not None
        )
    if near:
        fill_from_lake(rooms, ctx, near, desk)
    # Fewer than asked for: nothing else waits, and what comes meanwhile is read when it is met.
    desk.left = len(near) if len(near) == ahead else sys.maxsize
    return desk


def fill_from_lake(rooms: Rooms, ctx: ShopContext, messages: Sequence[Wanted | Message], desk: Desk) -> None:
    """Read all that these messages need; what was read for others is forgotten, it may be older."""
    history = newest_history(rooms, ctx)
    if history is None:
        return
    desk.history, connection = history
    desk.read_customers = {m.customer_no for m in messages}
    desk.read_products = {number for m in messages for number in products_of(m)}
    desk.products = products(connection, ctx, desk.read_products)
    desk.purchases = purchases(connection, desk.read_customers, desk.read_products)
    desk.zones = zones_of(connection, ctx, desk.read_customers)
    if desk.managed:
        desk.baskets = discounts.baskets(connection, desk.read_customers)
    connection.close()


def _recheck(
    rooms: Rooms, ctx: ShopContext, desk: Desk, session: Session, due: Sequence[Message]
) -> Mapping[str, outbox.Check]:
    """Everything that may have changed since planning, under locks that hold until the stamps are committed."""
    newest = latest_history(session, ctx)
    if not desk.covers(due) or (newest and newest.id != desk.history):
        fill_from_lake(rooms, ctx, due, desk)
    numbers = sorted({m.campaign_id for m in due})
    # Shared locks, always in this order: campaigns, senders, customers.
    found = session.scalars(
        select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.id.in_(numbers)).order_by(Campaign.id)
        .with_for_update(read=True).execution_options(populate_existing=True)
    )  # fmt: skip
    running = {row.id: row for row in found}
    sender_ids = sorted({row.sender_id or 0 for row in running.values()})
    origins = {
        row.id: row
        for row in session.scalars(
            select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.id.in_(sender_ids)).order_by(Sender.id)
            .with_for_update(read=True).execution_options(populate_existing=True)
        )
    }  # fmt: skip
    suppressed = _read_people(session, ctx, desk, due)
    declined = topics.declined(session, ctx, desk.customers.keys())
    desk.links = links_of(session, ctx, numbers)
    choice = session.get(MailSetting, {"shop_id": ctx.shop_id})
    desk.open_tracking = choice.open_tracking if choice else DEFAULT_OPEN_TRACKING
    before = past(session, ctx, numbers, desk.customers.keys())
    installed = session.get_one(Shop, ctx.shop_id).uninstalled_at is None
    now = rooms.store.db_now(session)
    refused = {row.id: sender_refusal(origins.get(row.sender_id or 0)) for row in running.values()}
    timings = {row.id: campaigns.timing_of(row) for row in running.values()}
    checks: dict[str, outbox.Check] = {}
    for message in due:
        campaign = running.get(message.campaign_id)
        sender = origins.get(campaign.sender_id or 0) if campaign else None
        customer = desk.customers.get(message.customer_no)
        reason: Reason | None = Reason.CAMPAIGN_NOT_ACTIVE
        if campaign is not None and campaign.state == "active" and installed:
            reason = refused[campaign.id] or _customer_refusal(customer, suppressed)
            if (message.customer_no, message.kind) in declined:
                reason = reason or Reason.TOPIC_DECLINED
            if message.content_version != campaign.content_version:
                reason = reason or Reason.CAMPAIGN_CHANGED
            timing = timings[campaign.id]
            reason = reason or _purchase_refusal(message, desk, now - timedelta(days=timing.wait_days))
            reason = reason or _repeat_refusal(message, desk, timing, before, now)
        opens = None
        if reason is None and campaign is not None:
            opens = campaigns.window_of(campaign).opening(now, desk.zones.get(message.customer_no, ctx.zone))
        if opens is not None and opens > now:
            checks[message.id] = outbox.Check(None, not_before=opens)
        elif reason is None and campaign is not None and customer is not None:
            key = (campaign.id, message.content_version, campaign.sender_id or 0)
            if key not in desk.frames:
                content = campaigns.content_of(session, campaign, message.content_version)
                desk.frames[key] = frame_of(rooms, session, ctx, campaign, content, sender)
            message.sender_id = campaign.sender_id or 0
            source = f"{customer.email_consent} {customer.email_consent_at or ''}".strip()
            checks[message.id] = outbox.Check(customer.email_hash, None, source)
        else:
            checks[message.id] = outbox.Check(None, reason)
    going = [m for m in due if checks[m.id].reason is None and checks[m.id].not_before is None]
    _offer(session, ctx, desk, running, going, checks, now)
    return checks


def _read_people(session: Session, ctx: ShopContext, desk: Desk, due: Sequence[Message]) -> set[str]:
    """Lock and read whom these messages are for; returns which of their addresses are suppressed."""
    people = session.execute(
        select(*ADDRESSEE)
        .where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_({m.customer_no for m in due}))
        .order_by(Customer.customer_no)
        .with_for_update(read=True)
    )
    desk.customers = {row[0]: Addressee._make(row) for row in people}
    hashes = {c.email_hash for c in desk.customers.values() if c.email_hash}
    return set(
        session.scalars(
            select(Suppression.email_hash).where(Suppression.shop_id == ctx.shop_id, Suppression.email_hash.in_(hashes))
        )
    )


def _offer(
    session: Session,
    ctx: ShopContext,
    desk: Desk,
    running: Mapping[int, Campaign],
    going: Sequence[Message],
    checks: dict[str, outbox.Check],
    now: datetime,
) -> None:
    """Give messages of campaigns with managed discounts their codes; who was promised one that isn't ready waits.

    A message that was tried before keeps what it was given, whatever its campaign does by now.
    """
    for number in sorted({message.campaign_id for message in going}):
        campaign = running[number]
        mine = [message for message in going if message.campaign_id == number]
        if campaign.discount_mode != discounts.MANAGED:
            mine = [message for message in mine if message.attempts or message.last_error == discounts.WAITS_FOR]
        asked = [
            discounts.Asked(m.id, m.customer_no, m.probability, desk.baskets.get(m.customer_no, 0))
            for m in mine
            if m.expires_at > now
        ]
        if not asked:
            continue
        claims = discounts.claim(session, ctx, campaign, asked, now)
        desk.codes |= claims.given
        desk.offered |= claims.fresh - claims.waiting
        for message_id in claims.waiting:
            checks[message_id] = replace(
                checks[message_id], not_before=now + discounts.WAIT, wait_for=discounts.WAITS_FOR
            )


def _customer_refusal(customer: Addressee | None, suppressed: set[str]) -> Reason | None:
    if customer is None:
        return Reason.ERASED
    return refusal(
        email_hash=customer.email_hash,
        email_valid=customer.email_valid,
        email_consent=customer.email_consent,
        suppressed=customer.email_hash in suppressed,
        erased_at=customer.erased_at,
        merged_into=customer.merged_into,
        gone_at=customer.gone_at,
    )


def _purchase_refusal(message: Message, desk: Desk, wait_since: datetime) -> Reason | None:
    ordered = desk.purchases.any.get(message.customer_no)
    if ordered is not None and ordered > wait_since:
        return Reason.WAIT_AFTER_PURCHASE
    bought = desk.purchases.product.get((message.customer_no, message.product_no))
    if bought is not None and (message.kind == "cross_sell" or bought > message.planned_at):
        return Reason.ALREADY_BOUGHT
    product = desk.products.get(message.product_no)
    if product is None or not product.on_sale:
        return Reason.PRODUCT_INACTIVE
    return None if product.in_stock else Reason.OUT_OF_STOCK


def _repeat_refusal(message: Message, desk: Desk, timing: TimingRules, before: Past, now: datetime) -> Reason | None:
    """Whether the customer had enough of the campaign: a merge since planning may have brought mails along."""
    got = (message.campaign_id, message.customer_no)
    reason = timing.too_soon(before.last.get(got), now, before.waits.get(got))
    key = (message.campaign_id, message.customer_no, message.product_no)
    bought = desk.purchases.product.get((message.customer_no, message.product_no))
    return reason or timing.used_up(before.times[key], bought if message.kind == "repurchase" else None)


def _count(total: Sent, outcomes: Sequence[outbox.Outcome]) -> None:
    names = {"accepted": "sent", "refused": "failed", "not_accepted": "retried", "unknown": "unknown"}
    for outcome in outcomes:
        name = names[outcome.result]
        setattr(total, name, getattr(total, name) + 1)
