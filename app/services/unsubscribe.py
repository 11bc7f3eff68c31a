"""What mailed links do: unsubscribing and undoing it, preferences by topic, the web view, clicks.

Looking changes nothing, ever: scanners open every link. Only a POST acts, and doing it twice is
doing it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import or_, select

from app.domain.consent import SUBSCRIBED, UNSUBSCRIBED
from app.errors import EncoreError, NotFound
from app.mail.render import MissingValue
from app.services import campaigns, discounts, links, senders, topics
from app.services.campaigns_audience import newest_history, products
from app.services.send_due_compose import TEST, contact_of, frame_of, rendered, shared_discount, with_code
from app.services.shops import context_by_id
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, Link
from app.store.models.customers import ConsentEvent, Customer
from app.store.models.senders import Sender
from app.store.models.sending import Message
from app.store.models.shops import Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.mail.tokens import Purpose
    from app.services.rooms import Rooms

log = structlog.get_logger()

WRITE_BACK = "write_consent"  # the job that tells the shop's platform; its key: <customer_no>:<consent event>
UNDO = "undo_link"


class Gone(EncoreError):
    """The message existed; what it showed can't be shown any more."""

    status = 410
    code = "gone"


@dataclass(frozen=True)
class Subscription:
    """What an unsubscribe or undo link stands for. topics: each with whether it is wanted; none of a test message."""

    company: str
    test: bool
    unsubscribed: bool
    undo_token: str
    topics: tuple[Topic, ...] = ()


@dataclass(frozen=True)
class Topic:
    """One kind of marketing e-mail, as the preferences page shows it."""

    name: str
    label: str
    wanted: bool


def look(rooms: Rooms, token: str) -> Subscription:
    """What an unsubscribe link stands for; changes nothing. Raises NotFound for a token that is not ours."""
    ctx, message_id, customer_no = _read(rooms, "unsubscribe", token)
    with rooms.store.reading(ctx) as session:
        return _describe(rooms, session, ctx, message_id, customer_no)


def unsubscribe(rooms: Rooms, token: str, source: Literal["unsubscribe_link", "one_click"]) -> Subscription:
    """No marketing mail to this address any more, from the next stamp on. Twice is once.

    Written here with a record of how, for every customer with the address: the person who clicked reads
    it, whichever of them was mailed. The shop's platform is told by jobs that are recorded in the same
    transaction and tried again. A link of a test message changes nothing.
    """
    ctx, message_id, customer_no = _read(rooms, "unsubscribe", token)
    with rooms.store.session(ctx) as session:
        changed = [row for row in _affected(session, ctx, message_id, customer_no) if row.email_consent != UNSUBSCRIBED]
        _set_consent(rooms, session, ctx, changed, UNSUBSCRIBED, source, message_id)
        found = _describe(rooms, session, ctx, message_id, customer_no)
    if changed:
        log.info("unsubscribed", shop_id=ctx.shop_id, customer_no=customer_no, source=source, customers=len(changed))
    return found


def choose_topics(rooms: Rooms, token: str, wanted: set[str]) -> tuple[Subscription, Subscription]:
    """Get these topics and no others, from the next stamp on; whoever is unsubscribed stays so.

    Returns what stood before and what stands now, so that it can be taken back. Twice is once. Shopify is not
    told: it knows no topics. A link of a test message changes nothing.
    """
    ctx, message_id, customer_no = _read(rooms, "unsubscribe", token)
    with rooms.store.session(ctx) as session:
        affected = _affected(session, ctx, message_id, customer_no)
        before = _describe(rooms, session, ctx, message_id, customer_no)
        changed = topics.choose(session, ctx, affected, wanted, rooms.clock.now(), message_id)
        after = _describe(rooms, session, ctx, message_id, customer_no)
    if changed:
        log.info("topics_chosen", shop_id=ctx.shop_id, customer_no=customer_no, customers=len(affected))
    return before, after


def undo(rooms: Rooms, token: str) -> Subscription:
    """Take an unsubscribe back for those whom it took from the list, if nothing happened to them since.

    Whoever was not subscribed before is not subscribed by this either.
    """
    ctx, message_id, customer_no = _read(rooms, "undo", token)
    with rooms.store.session(ctx) as session:
        changed = [row for row in _affected(session, ctx, message_id, customer_no) if _undoable(session, ctx, row)]
        _set_consent(rooms, session, ctx, changed, SUBSCRIBED, UNDO, message_id)
        found = _describe(rooms, session, ctx, message_id, customer_no)
    if changed:
        log.info("unsubscribe_undone", shop_id=ctx.shop_id, customer_no=customer_no, customers=len(changed))
    return found


def web_view(rooms: Rooms, token: str) -> str:
    """A message's HTML, made again from the words it was sent with. Raises NotFound, or Gone after an erasure."""
    value = senders.tokens(rooms).read("view", token, 2)
    if value is None or value[1] == TEST:
        raise NotFound("There is nothing to show here.")
    ctx = context_by_id(rooms, value[0])
    with rooms.store.reading(ctx) as session:
        message = session.get(Message, {"shop_id": ctx.shop_id, "id": value[1]})
        if message is None:
            raise NotFound("There is nothing to show here.")
        campaign = session.get_one(Campaign, {"shop_id": ctx.shop_id, "id": message.campaign_id})
        content = campaigns.content_of(session, campaign, message.content_version)
        sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": message.sender_id})
        customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": message.customer_no})
        if customer is None or customer.erased_at is not None:
            raise Gone("This message can't be shown any more.")
        frame, contact = frame_of(rooms, session, ctx, campaign, content, sender), contact_of(rooms, ctx, customer)
        tracked = links.links_of(session, ctx, [message.campaign_id])
        frame = with_code(frame, discounts.shown(session, ctx, [message.id]).get(message.id))
    history = newest_history(rooms, ctx)
    found = products(history[1], ctx, {message.product_no, message.purchased_product_no or 0}) if history else {}
    if history:
        history[1].close()
    if message.product_no not in found:
        raise Gone("This message can't be shown any more.")
    try:
        shown, _ = rendered(
            rooms,
            ctx,
            frame,
            message_id=message.id,
            customer_no=message.customer_no,
            first_name=contact.first_name,
            recommended=found[message.product_no],
            purchased=found.get(message.purchased_product_no or 0),
            tracked=tracked,
        )
    except MissingValue as fault:
        raise Gone("This message can't be shown any more.") from fault
    return shown.html


def follow(rooms: Rooms, token: str) -> tuple[ShopContext, str, int, str]:
    """(shop, message, link, destination) of a click; the destination was fixed when the link was made, or is the cart.

    Raises NotFound for a token that is not ours, and for a destination that is no web address.
    """
    value = senders.tokens(rooms).read("click", token, 3)
    if value is None:
        raise NotFound("There is no such link.")
    shop_id, link_id, message_id = value
    ctx = context_by_id(rooms, shop_id)
    with rooms.store.reading(ctx) as session:
        link = session.get(Link, {"shop_id": ctx.shop_id, "id": link_id})
        message = session.get(Message, {"shop_id": ctx.shop_id, "id": message_id})
        if link is None:
            raise NotFound("There is no such link.")
        # Before anything is written: a cart is looked up in the lake, and nobody else's writing waits for that.
        leads_to = links.destination(rooms, ctx, link, message, _code(rooms, session, ctx, message))
    return ctx, message_id, link.id, leads_to


def _code(rooms: Rooms, session: Session, ctx: ShopContext, message: Message | None) -> str | None:
    """The discount code that a message shows."""
    if message is None:
        return None
    campaign = session.get_one(Campaign, {"shop_id": ctx.shop_id, "id": message.campaign_id})
    discount = discounts.shown(session, ctx, [message.id]).get(message.id) or shared_discount(rooms, ctx, campaign)
    return discount.code if discount else None


def _read(rooms: Rooms, purpose: Purpose, token: str) -> tuple[ShopContext, str, int | None]:
    value: list[Any] | None = senders.tokens(rooms).read(purpose, token, 3)
    if value is None:
        raise NotFound("There is no such link.")
    shop_id, message_id, customer_no = value
    ctx = context_by_id(rooms, shop_id)
    if message_id != TEST:
        with rooms.store.reading(ctx) as session:
            message = session.get(Message, {"shop_id": ctx.shop_id, "id": message_id})
            if message is None or message.customer_no != customer_no:
                raise NotFound("There is no such link.")
    return ctx, message_id, customer_no


def _set_consent(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    customers: list[Customer],
    state: str,
    source: str,
    message_id: str,
) -> None:
    now = rooms.clock.now()
    for row in customers:
        event = ConsentEvent(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "consent_events"),
            customer_no=row.customer_no,
            channel="email",
            state=state,
            previous=row.email_consent,
            at=now,
            source=source,
            message_id=message_id,
        )
        row.email_consent, row.email_consent_at = state, now
        session.add(event)
        # A job of its own for every change: one that runs right now may have read what stood before.
        job = Job(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "jobs"),
            job=WRITE_BACK,
            key=f"{row.customer_no}:{event.id}",
            state="queued",
            queued_at=now,
        )
        session.add(job)
    session.flush()


def _describe(
    rooms: Rooms, session: Session, ctx: ShopContext, message_id: str, customer_no: int | None
) -> Subscription:
    undo_token = senders.tokens(rooms).make("undo", [ctx.shop_id, message_id, customer_no])
    if message_id == TEST or customer_no is None:
        return Subscription(ctx.domain, test=True, unsubscribed=False, undo_token=undo_token)
    message = session.get_one(Message, {"shop_id": ctx.shop_id, "id": message_id})
    sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": message.sender_id})
    persons = _same_person(session, ctx, customer_no)
    declined = {topic for _, topic in topics.declined(session, ctx, [row.customer_no for row in persons])}
    return Subscription(
        company=sender.company if sender else ctx.domain,
        test=False,
        unsubscribed=all(row.email_consent != SUBSCRIBED for row in persons),
        undo_token=undo_token,
        topics=tuple(Topic(name, label, name not in declined) for name, label in topics.TOPICS.items()),
    )


def _survivor(session: Session, ctx: ShopContext, customer_no: int) -> Customer | None:
    """The customer that this number stands for now, after merges."""
    for _ in range(8):
        customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": customer_no})
        if customer is None or customer.merged_into is None:
            return customer
        customer_no = customer.merged_into
    return None


def _affected(session: Session, ctx: ShopContext, message_id: str, customer_no: int | None) -> list[Customer]:
    """Whose consent a link speaks of, locked; nobody for a link of a test message."""
    if message_id == TEST or customer_no is None:
        return []
    numbers = [row.customer_no for row in _same_person(session, ctx, customer_no)]
    query = (
        select(Customer)
        .where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(numbers))
        .order_by(Customer.customer_no)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def _same_person(session: Session, ctx: ShopContext, customer_no: int) -> list[Customer]:
    """The customer that was mailed, as merges left them, and everybody with their address or the mailed one."""
    mailed = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": customer_no})
    now = _survivor(session, ctx, customer_no)
    hashes = {row.email_hash for row in (mailed, now) if row is not None and row.email_hash is not None}
    query = select(Customer).where(
        Customer.shop_id == ctx.shop_id,
        Customer.merged_into.is_(None),
        Customer.erased_at.is_(None),
        or_(Customer.email_hash.in_(hashes), Customer.customer_no == (now.customer_no if now else None)),
    )
    return list(session.scalars(query))


def _undoable(session: Session, ctx: ShopContext, customer: Customer) -> bool:
    """Whether the last word on this customer's consent was a link of ours, and they were subscribed before it."""
    last = (
        session.query(ConsentEvent)
        .filter_by(shop_id=ctx.shop_id, customer_no=customer.customer_no, channel="email")
        .order_by(ConsentEvent.id.desc())
        .first()
    )
    return (
        last is not None
        and last.source in {"unsubscribe_link", "one_click"}
        and last.previous == SUBSCRIBED
        and customer.email_consent == last.state == UNSUBSCRIBED
    )


def complained(rooms: Rooms, session: Session, ctx: ShopContext, message: Message) -> int:
    """Unsubscribe whom this message reached, who called it spam, within the caller's transaction; returns how many."""
    affected = [
        row for row in _affected(session, ctx, message.id, message.customer_no) if row.email_consent == SUBSCRIBED
    ]
    _set_consent(rooms, session, ctx, affected, UNSUBSCRIBED, "complaint", message.id)
    return len(affected)
