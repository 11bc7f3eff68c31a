"""Handing queued messages over: stamp a batch under the weekly cap, commit, then talk to the mail server."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from app.domain.campaigns import Reason
from app.domain.consent import refusal
from app.mail.delivery import GIVE_UP_AFTER, Delivery
from app.services import campaigns, senders
from app.services.campaigns_audience import Product, newest_history, products
from app.services.plan_sends_candidates import Past, Purchases, past, purchases
from app.services.published import latest_history
from app.services.send_due_compose import Contact, Frame, contact_of, envelope, frame_of, links_of, rendered
from app.store import outbox
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer, Suppression
from app.store.models.senders import Sender
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from app.domain.campaigns import TimingRules
    from app.domain.context import ShopContext
    from app.mail.delivery import Envelope
    from app.services.rooms import Rooms
    from app.store.models.sending import Message

log = structlog.get_logger()

DEFAULT_BUDGET = 2_000  # messages a call, so that one shop does not keep a worker for hours
FIRST_BATCH = 10
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


@dataclass
class _Desk:
    """What composing needs, read together with the stamps.

    read_customers, read_products: whom and what the lake was asked about. Of anybody else a missing
    purchase says nothing.
    """

    customers: dict[int, Customer] = field(default_factory=dict)
    frames: dict[tuple[int, int, int], Frame] = field(default_factory=dict)
    links: dict[tuple[int, str], int] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    purchases: Purchases = field(default_factory=Purchases)
    history: int | None = None
    read_customers: set[int] = field(default_factory=set)
    read_products: set[int] = field(default_factory=set)

    def covers(self, messages: Iterable[Message]) -> bool:
        """Whether the lake was asked about all of these."""
        return all(m.customer_no in self.read_customers and _products_of(m) <= self.read_products for m in messages)


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
        total.reaped = outbox.reap(session, ctx, rooms.store.db_now(session))
    limit = FIRST_BATCH
    while budget > 0:
        desk = _read_lake(rooms, ctx, min(limit, budget))
        started = monotonic()
        with rooms.store.session(ctx) as session:
            batch = outbox.stamp_batch(
                session,
                ctx,
                rooms.vault,
                clock=rooms.store.db_now,
                owner=owner,
                recheck=partial(_recheck, rooms, ctx, desk),
                limit=min(limit, budget),
            )
        # Committed, durably: only now may anything be said to the mail server.
        budget -= batch.touched
        total.capped += batch.capped
        total.cancelled += batch.cancelled
        if batch.touched == 0:
            break
        outcomes, away = _hand_over(rooms, ctx, batch.stamped, desk, started, monotonic)
        with rooms.store.session(ctx) as session:
            outbox.record(session, ctx, rooms.store.db_now(session), outcomes)
        _count(total, outcomes)
        if away:
            break
        if batch.stamped:
            seconds = max(monotonic() - started, 0.001) / len(batch.stamped)
            limit = max(1, min(outbox.MAX_BATCH, int(BATCH_SECONDS / seconds)))
    if any(vars(total).values()):
        log.info("messages_handed_over", shop_id=ctx.shop_id, **vars(total))
    return total


def _read_lake(rooms: Rooms, ctx: ShopContext, limit: int) -> _Desk:
    """Products and newest orders of what is probably stamped next; before the transaction, it may be slow."""
    desk = _Desk()
    with rooms.store.reading(ctx) as session:
        # Four batches: what other workers hold is passed over when stamping.
        near = session.scalars(outbox.due(ctx, rooms.store.db_now(session), limit * 4)).all()
    if near:
        _fill_from_lake(rooms, ctx, near, desk)
    return desk


def _fill_from_lake(rooms: Rooms, ctx: ShopContext, messages: Sequence[Message], desk: _Desk) -> None:
    """Read all that these messages need; what was read for others is forgotten, it may be older."""
    history = newest_history(rooms, ctx)
    if history is None:
        return
    desk.history, connection = history
    desk.read_customers = {m.customer_no for m in messages}
    desk.read_products = {number for m in messages for number in _products_of(m)}
    desk.products = products(connection, ctx, desk.read_products)
    desk.purchases = purchases(connection, desk.read_customers, desk.read_products)
    connection.close()


def _products_of(message: Message) -> set[int]:
    return {number for number in (message.product_no, message.purchased_product_no) if number is not None}


def _recheck(
    rooms: Rooms, ctx: ShopContext, desk: _Desk, session: Session, due: Sequence[Message]
) -> Mapping[str, outbox.Check]:
    """Everything that may have changed since planning, under locks that hold until the stamps are committed."""
    newest = latest_history(session, ctx)
    if not desk.covers(due) or (newest and newest.id != desk.history):
        _fill_from_lake(rooms, ctx, due, desk)
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
    desk.customers = {
        row.customer_no: row
        for row in session.scalars(
            select(Customer)
            .where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_({m.customer_no for m in due}))
            .order_by(Customer.customer_no)
            .with_for_update(read=True).execution_options(populate_existing=True)
        )
    }  # fmt: skip
    hashes = {c.email_hash for c in desk.customers.values() if c.email_hash}
    suppressed = set(
        session.scalars(
            select(Suppression.email_hash).where(Suppression.shop_id == ctx.shop_id, Suppression.email_hash.in_(hashes))
        )
    )
    desk.links = links_of(session, ctx, numbers)
    before = past(session, ctx, numbers, desk.customers.keys())
    installed = session.get_one(Shop, ctx.shop_id).uninstalled_at is None
    now = rooms.store.db_now(session)
    checks: dict[str, outbox.Check] = {}
    for message in due:
        campaign = running.get(message.campaign_id)
        sender = origins.get(campaign.sender_id or 0) if campaign else None
        customer = desk.customers.get(message.customer_no)
        reason: Reason | None = Reason.CAMPAIGN_NOT_ACTIVE
        if campaign is not None and campaign.state == "active" and installed:
            reason = _sender_refusal(sender) or _customer_refusal(customer, suppressed)
            if message.content_version != campaign.content_version:
                reason = reason or Reason.CAMPAIGN_CHANGED
            timing = campaigns.timing_of(campaign)
            reason = reason or _purchase_refusal(message, desk, now - timedelta(days=timing.wait_days))
            reason = reason or _repeat_refusal(message, desk, timing, before, now)
        if reason is None and campaign is not None and customer is not None:
            key = (campaign.id, message.content_version, campaign.sender_id or 0)
            if key not in desk.frames:
                content = campaigns.content_of(session, campaign, message.content_version)
                desk.frames[key] = frame_of(rooms, ctx, campaign, content, sender)
            message.sender_id = campaign.sender_id or 0
            source = f"{customer.email_consent} {customer.email_consent_at or ''}".strip()
            checks[message.id] = outbox.Check(customer.email_hash, None, source)
        else:
            checks[message.id] = outbox.Check(None, reason)
    return checks


def _sender_refusal(sender: Sender | None) -> Reason | None:
    if sender is None or sender.deleted_at is not None or not senders.is_verified(sender):
        return Reason.SENDER_NOT_VERIFIED
    return None if sender.postal_address.strip() and sender.company.strip() else Reason.NO_POSTAL_ADDRESS


def _customer_refusal(customer: Customer | None, suppressed: set[str]) -> Reason | None:
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


def _purchase_refusal(message: Message, desk: _Desk, wait_since: datetime) -> Reason | None:
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


def _repeat_refusal(message: Message, desk: _Desk, timing: TimingRules, before: Past, now: datetime) -> Reason | None:
    """Whether the customer had enough of the campaign: a merge since planning may have brought mails along."""
    got = (message.campaign_id, message.customer_no)
    reason = timing.too_soon(before.last.get(got), now, before.waits.get(got))
    key = (message.campaign_id, message.customer_no, message.product_no)
    bought = desk.purchases.product.get((message.customer_no, message.product_no))
    return reason or timing.used_up(before.times[key], bought if message.kind == "repurchase" else None)


def _hand_over(
    rooms: Rooms,
    ctx: ShopContext,
    stamped: Sequence[Message],
    desk: _Desk,
    started: float,
    monotonic: Callable[[], float],
) -> tuple[list[outbox.Outcome], bool]:
    """(how each ended, whether the mail server seems to be away)."""
    outcomes: list[outbox.Outcome] = []
    packed: list[Envelope] = []
    for message in stamped:
        try:
            packed.append(_compose(rooms, ctx, message, desk))
        except Exception as fault:  # noqa: BLE001 - nothing was said to the server yet: one odd message, not the batch
            kind = type(fault).__name__
            log.warning("message_not_composed", shop_id=ctx.shop_id, message=message.id, kind=kind)
            outcomes.append(outbox.Outcome(message.id, "refused", f"compose: {kind}"))
    deliveries = _deliver(rooms, ctx, packed, lambda: outbox.in_time(started, monotonic()))
    for envelope_, delivery in zip(packed, deliveries, strict=True):
        outcomes.append(outbox.Outcome(envelope_.message_id, delivery.result, delivery.detail))
    return outcomes, sum(delivery.unreachable for delivery in deliveries) >= GIVE_UP_AFTER


def _deliver(
    rooms: Rooms, ctx: ShopContext, packed: Sequence[Envelope], still_allowed: Callable[[], bool]
) -> list[Delivery]:
    if not packed:
        return []
    try:
        return rooms.transport.deliver_many(packed, still_allowed)
    except Exception as fault:  # noqa: BLE001 - whatever it was, each may have been after its final dot
        # The kind alone: the text and the traceback may hold an address.
        log.error("transport_failed", shop_id=ctx.shop_id, messages=len(packed), kind=type(fault).__name__)  # noqa: TRY400
        return [Delivery("unknown", f"transport: {type(fault).__name__}")] * len(packed)


def _compose(rooms: Rooms, ctx: ShopContext, message: Message, desk: _Desk) -> Envelope:
    customer = desk.customers[message.customer_no]
    contact = contact_of(rooms, ctx, customer)
    product = desk.products[message.product_no]
    frame = desk.frames[message.campaign_id, message.content_version, message.sender_id]
    shown, unsubscribe = rendered(
        rooms,
        ctx,
        frame,
        message_id=message.id,
        customer_no=message.customer_no,
        first_name=contact.first_name,
        recommended=product,
        purchased=desk.products.get(message.purchased_product_no or 0),
        link_id=desk.links.get((message.campaign_id, product.url)),
    )
    return envelope(
        rooms,
        frame,
        shown,
        to_address=_stamped_address(rooms, customer, contact),
        message_id=message.id,
        unsubscribe_url=unsubscribe,
        now=rooms.clock.now(),
    )


def _stamped_address(rooms: Rooms, customer: Customer, contact: Contact) -> str:
    """The contact's address, if it is the one whose week was stamped. Raises LookupError."""
    if rooms.vault.email_hash(contact.email or "") != customer.email_hash:
        raise LookupError("the sealed address and its hash differ")
    return contact.email or ""


def _count(total: Sent, outcomes: Sequence[outbox.Outcome]) -> None:
    names = {"accepted": "sent", "refused": "failed", "not_accepted": "retried", "unknown": "unknown"}
    for outcome in outcomes:
        name = names[outcome.result]
        setattr(total, name, getattr(total, name) + 1)
