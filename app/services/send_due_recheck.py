"""The last look before a stamp: everything that may have changed since planning, under locks that hold until commit.

What a shop's campaigns and senders say is read every time and compared; what follows from it is worked out only
when something changed. Statements are plain text: building expressions costs more than the database does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.domain.campaigns import Reason
from app.domain.consent import refusal
from app.domain.machines import DEFAULT_OPEN_TRACKING
from app.services import campaigns, discounts, topics
from app.services.import_customers import losers_of
from app.services.links import links_of
from app.services.plan_sends_candidates import Past, handed_over
from app.services.plan_sends_verdicts import sender_refusal
from app.services.published import NEWEST_HISTORY
from app.services.send_due_compose import Addressee, frame_of
from app.services.send_due_handover import Running, fill_from_lake
from app.store import outbox
from app.store.models.campaigns import Campaign
from app.store.models.customers import Customer
from app.store.models.senders import Sender
from app.store.rowset import ask, locked, packed, reader, statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.send_due_handover import Desk
    from app.store.outbox import Check, Due

ADDRESSEE = tuple(Customer.__table__.c[name] for name in Addressee._fields)
CAMPAIGNS = "SELECT * FROM campaigns WHERE shop_id = :shop AND id IN (SELECT r.id FROM {rows}) ORDER BY id"
SENDERS = "SELECT * FROM senders WHERE shop_id = :shop AND id IN (SELECT r.id FROM {rows}) ORDER BY id"
PEOPLE = f"""SELECT {", ".join(Addressee._fields)} FROM customers
WHERE shop_id = :shop AND customer_no IN (SELECT r.id FROM {{rows}}) ORDER BY customer_no"""
SUPPRESSED = "SELECT email_hash FROM suppressions WHERE shop_id = :shop AND email_hash IN (SELECT r.hash FROM {rows})"
# Asked after the locks: whoever changes one of these for a customer at hand holds that customer's lock.
AFTER_LOCKS = {
    "installed": "SELECT uninstalled_at IS NULL FROM shops WHERE id = :shop",
    "open_tracking": "SELECT open_tracking FROM mail_settings WHERE shop_id = :shop",
    "newest_link": "SELECT max(id) FROM links WHERE shop_id = :shop",
    "any_topic": "SELECT EXISTS (SELECT 1 FROM declined_topics WHERE shop_id = :shop)",
    "any_merge": "SELECT EXISTS (SELECT 1 FROM customers WHERE shop_id = :shop AND merged_into IS NOT NULL)",
}


def recheck(rooms: Rooms, ctx: ShopContext, desk: Desk, session: Session, due: Sequence[Due]) -> Mapping[str, Check]:
    """For each message whether it may go now, as `outbox.stamp_batch` asks; the desk then holds what composing needs.

    Shared locks, always in this order: campaigns, senders, customers.
    """
    newest = ask(session, ctx, history=NEWEST_HISTORY).history
    if not desk.covers(due) or (newest and newest != desk.history):
        fill_from_lake(rooms, ctx, due, desk)
    numbers = {m.campaign_id for m in due}
    running = _running(session, ctx, desk, numbers)
    origins = _senders(session, ctx, desk, {known.campaign.sender_id or 0 for known in running.values()})
    suppressed = _read_people(session, ctx, desk, due)
    said = ask(session, ctx, **AFTER_LOCKS)
    desk.open_tracking = said.open_tracking or DEFAULT_OPEN_TRACKING
    if said.newest_link != desk.newest_link or not numbers <= desk.linked:
        desk.links, desk.newest_link, desk.linked = links_of(session, ctx, numbers), said.newest_link, numbers
    declined = topics.declined_by(session, ctx, desk.customers) if said.any_topic else set()
    into = losers_of(session, ctx, desk.customers) if said.any_merge else {}
    before = handed_over(session, ctx, [(m.campaign_id, m.customer_no) for m in due], into)
    now = rooms.store.db_now(session)
    refused = {number: sender_refusal(origins.get(known.campaign.sender_id or 0)) for number, known in running.items()}
    checks: dict[str, Check] = {}
    for message in due:
        known, customer = running.get(message.campaign_id), desk.customers.get(message.customer_no)
        reason: Reason | None = Reason.CAMPAIGN_NOT_ACTIVE
        opens = None
        if known is not None and known.campaign.state == "active" and said.installed:
            reason = refused[message.campaign_id] or _customer_refusal(customer, suppressed)
            if (message.customer_no, message.kind) in declined:
                reason = reason or Reason.TOPIC_DECLINED
            if message.content_version != known.campaign.content_version:
                reason = reason or Reason.CAMPAIGN_CHANGED
            reason = reason or _purchase_refusal(message, desk, now - timedelta(days=known.timing.wait_days))
            reason = reason or _repeat_refusal(message, desk, known, before, now)
            if reason is None and not known.window.always:
                opens = known.window.opening(now, desk.zones.get(message.customer_no, ctx.zone))
        if opens is not None and opens > now:
            checks[message.id] = outbox.Check(None, not_before=opens)
        elif reason is None and known is not None and customer is not None:
            sender_id = known.campaign.sender_id or 0
            _lay_out(rooms, session, ctx, desk, message, known, origins.get(sender_id))
            source = f"{customer.email_consent} {customer.email_consent_at or ''}".strip()
            checks[message.id] = outbox.Check(customer.email_hash, None, source, sender_id=sender_id)
        else:
            checks[message.id] = outbox.Check(None, reason)
    going = [m for m in due if checks[m.id].reason is None and checks[m.id].not_before is None]
    _offer(session, ctx, desk, running, going, checks, now)
    return checks


def _running(session: Session, ctx: ShopContext, desk: Desk, numbers: Collection[int]) -> dict[int, Running]:
    """Lock and read the campaigns; what follows from one is made anew if any of its columns changed."""
    found: dict[int, Running] = {}
    for row in _rows(session, ctx, CAMPAIGNS, numbers):
        known = desk.campaigns.get(row.id)
        if known is None or known.row != tuple(row):
            key = {"shop_id": ctx.shop_id, "id": row.id}
            campaign = session.get_one(Campaign, key, populate_existing=True)
            timing = campaigns.timing_of(campaign)
            known = Running(tuple(row), campaign, timing, timing.window)
            desk.campaigns[row.id] = known
            _forget_frames(desk, lambda frame, number=row.id: frame[0] == number)
        found[row.id] = known
    return found


def _senders(session: Session, ctx: ShopContext, desk: Desk, numbers: Collection[int]) -> dict[int, Sender]:
    """The same for senders."""
    found: dict[int, Sender] = {}
    for row in _rows(session, ctx, SENDERS, numbers):
        known = desk.senders.get(row.id)
        if known is None or known[0] != tuple(row):
            key = {"shop_id": ctx.shop_id, "id": row.id}
            known = tuple(row), session.get_one(Sender, key, populate_existing=True)
            desk.senders[row.id] = known
            _forget_frames(desk, lambda frame, number=row.id: frame[2] == number)
        found[row.id] = known[1]
    return found


def _rows(session: Session, ctx: ShopContext, sql: str, numbers: Collection[int]) -> Iterable[Any]:
    query = statement(session, locked(session, sql), id="integer")
    rows = packed(session, [{"id": number} for number in sorted(numbers)])
    return session.execute(query, {"shop": ctx.shop_id, "rows": rows})


def _forget_frames(desk: Desk, stale: Any) -> None:
    for frame in [frame for frame in desk.frames if stale(frame)]:
        del desk.frames[frame]


def _lay_out(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    desk: Desk,
    message: Due,
    known: Running,
    sender: Sender | None,
) -> None:
    """Have at hand what the message shares with others of its campaign."""
    key = (message.campaign_id, message.content_version, known.campaign.sender_id or 0)
    if key not in desk.frames:
        content = campaigns.content_of(session, known.campaign, message.content_version)
        desk.frames[key] = frame_of(rooms, session, ctx, known.campaign, content, sender)


def _read_people(session: Session, ctx: ShopContext, desk: Desk, due: Sequence[Due]) -> set[str]:
    """Lock and read whom these messages are for; returns which of their addresses are suppressed."""
    given = {"shop": ctx.shop_id, "rows": packed(session, [{"id": one} for one in {m.customer_no for m in due}])}
    people = session.execute(reader(session, locked(session, PEOPLE), ADDRESSEE, id="integer"), given)
    desk.customers = {row[0]: Addressee._make(row) for row in people.all()}
    hashes = [{"hash": c.email_hash} for c in desk.customers.values() if c.email_hash]
    given = {"shop": ctx.shop_id, "rows": packed(session, hashes)}
    return set(session.execute(statement(session, SUPPRESSED, hash="text"), given).scalars())


def _offer(
    session: Session,
    ctx: ShopContext,
    desk: Desk,
    running: Mapping[int, Running],
    going: Sequence[Due],
    checks: dict[str, Check],
    now: datetime,
) -> None:
    """Give messages of campaigns with managed discounts their codes; who was promised one that isn't ready waits.

    A message that was tried before keeps what it was given, whatever its campaign does by now.
    """
    for number in sorted({message.campaign_id for message in going}):
        campaign = running[number].campaign
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


def _purchase_refusal(message: Due, desk: Desk, wait_since: datetime) -> Reason | None:
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


def _repeat_refusal(message: Due, desk: Desk, known: Running, before: Past, now: datetime) -> Reason | None:
    """Whether the customer had enough of the campaign: a merge since planning may have brought mails along."""
    got = (message.campaign_id, message.customer_no)
    reason = known.timing.too_soon(before.last.get(got), now, before.waits.get(got))
    key = (message.campaign_id, message.customer_no, message.product_no)
    bought = desk.purchases.product.get((message.customer_no, message.product_no))
    return reason or known.timing.used_up(before.times[key], bought if message.kind == "repurchase" else None)
