"""Seeing a campaign before it sends: as any member of its audience, and as a test message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select

from app.domain.placeholders import Placeholder
from app.errors import Invalid
from app.mail.render import MissingValue
from app.mail.transport import always
from app.services import campaigns, discounts, links, preview_sample, senders, testers
from app.services.campaigns_audience import Product, newest_history, products
from app.services.published import published
from app.services.send_due_compose import TEST, contact_of, envelope, frame_of, rendered, with_code
from app.store.models.customers import Customer
from app.store.models.discounts import DiscountPlan
from app.store.models.senders import Sender
from app.store.outbox import new_id

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.arbitration import Candidate
    from app.domain.context import ShopContext
    from app.mail.render import Rendered
    from app.services.rooms import Rooms
    from app.services.send_due_compose import Contact, Frame
    from app.store.models.campaigns import Campaign

log = structlog.get_logger()

SAMPLE = 10
MAX_ADDRESSES = 10
EXAMPLE = Product(0, "Example product", "https://example.com/", None, on_sale=True, in_stock=True)


@dataclass(frozen=True)
class Member:
    """A member to view the campaign as."""

    customer_no: int
    label: str


@dataclass(frozen=True)
class Preview:
    """One message as it would be sent."""

    customer_no: int | None
    header_from: str
    reply_to: str | None
    subject: str
    preview_text: str
    html: str
    text: str
    fallbacks: tuple[str, ...]
    members: list[Member]
    testers: list[str]


@dataclass(frozen=True)
class TestOutcome:
    """What the mail server said about one test message."""

    __test__ = False  # not a test class, whatever a test runner thinks of the name

    address: str
    state: str
    detail: str | None


@dataclass(frozen=True)
class _Shown:
    frame: Frame
    message: Rendered
    unsubscribe_url: str
    contact: Contact | None
    sample: list[Candidate]


def preview(rooms: Rooms, ctx: ShopContext, campaign_id: str, customer_no: int | None = None) -> Preview:
    """The message that one member would get; default: the likeliest buyer. Nothing is sent or counted.

    An audience without a fitting member is shown with an example product. Raises NotFound for
    somebody who is no member, Invalid for words that can't be rendered.
    """
    shown = _show(rooms, ctx, campaign_id, customer_no, test=False)
    return Preview(
        customer_no=shown.contact.customer_no if shown.contact else None,
        header_from=f"{shown.frame.from_name} <{shown.frame.from_address}>",
        reply_to=shown.frame.reply_to,
        subject=shown.message.subject,
        preview_text=shown.message.preview_text,
        html=shown.message.html,
        text=shown.message.text,
        fallbacks=shown.message.fallbacks,
        members=_members(rooms, ctx, shown.sample),
        testers=testers.addresses(rooms, ctx),
    )


def send_test(
    rooms: Rooms,
    ctx: ShopContext,
    campaign_id: str,
    addresses: list[str],
    customer_no: int | None = None,
    *,
    remember: bool = False,
) -> list[TestOutcome]:
    """Mail the message to 1 to 10 addresses, marked as a test; neither cap nor outbox hears of it.

    remember: keep the addresses for the shop's next tests.

    Raises Invalid without a verified sender, for a bad address, or for unrenderable words; TooMany
    above the hour's ration.
    """
    wanted = [_address(rooms, text) for text in dict.fromkeys(addresses)]
    if not 1 <= len(wanted) <= MAX_ADDRESSES:
        raise Invalid("Give 1 to 10 addresses.", field="addresses")
    with rooms.store.reading(ctx) as session:
        row = campaigns.find(session, ctx, campaign_id)
        unresolved = [
            p for p in campaigns.standing(rooms, session, ctx, row).unresolved if p.step in {"sender", "content"}
        ]
    if unresolved:
        raise Invalid(unresolved[0].message, field=f"{unresolved[0].step}.{unresolved[0].field}")
    shown = _show(rooms, ctx, campaign_id, customer_no, test=True)
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        senders.ration(session, ctx, now, "test", len(wanted))
    if remember:
        testers.keep(rooms, ctx, wanted)
    outcomes: list[TestOutcome] = []
    for address in wanted:
        packed = envelope(
            rooms,
            shown.frame,
            shown.message,
            to_address=address,
            message_id=new_id(),
            unsubscribe_url=shown.unsubscribe_url,
            now=now,
            headers={"X-Encore-Test": "yes"},
        )
        delivery = rooms.transport.deliver(packed, always)
        state = {"accepted": "sent", "unknown": "unknown"}.get(delivery.result, "failed")
        outcomes.append(TestOutcome(address, state, delivery.detail or None))
    log.info("test_sent", shop_id=ctx.shop_id, campaign=campaign_id, count=len(outcomes))
    return outcomes


def _show(rooms: Rooms, ctx: ShopContext, campaign_id: str, customer_no: int | None, *, test: bool) -> _Shown:
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        content = campaigns.content_of(session, campaign)
        sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": campaign.sender_id or 0})
        sender = sender if sender is not None and sender.deleted_at is None else None
        frame = frame_of(rooms, session, ctx, campaign, content, sender)
        if campaign.discount_mode == discounts.MANAGED:
            plan = session.get(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": campaign.id})
            frame = with_code(frame, discounts.sample(ctx, plan, rooms.clock.now()))
    for field, sentence in frame.words.problems():
        raise Invalid(sentence, field=f"content.{field}")
    sample = _sample(rooms, ctx, campaign, customer_no)
    chosen = sample[0] if sample else None
    recommended, purchased = _products(rooms, ctx, chosen)
    with rooms.store.reading(ctx) as session:
        contact = _contact(rooms, session, ctx, chosen.customer_no) if chosen else None
    cart = None
    if frame.words.to_cart and chosen is not None:
        code = frame.discount.code if frame.discount else None
        cart = links.filled_cart(rooms, ctx, frame.cart, chosen.customer_no, chosen.product_no, code)
    try:
        message, unsubscribe = rendered(
            rooms,
            ctx,
            frame,
            message_id=TEST,
            customer_no=None,
            first_name=contact.first_name if contact else None,
            recommended=recommended,
            purchased=purchased,
            cart_url=cart,
            test=test,
        )
    except MissingValue as fault:
        raise Invalid(
            "[Purchased Product] has nothing to show for this customer.",
            field=f"content.{frame.words.where(Placeholder.PURCHASED_PRODUCT)}",
        ) from fault
    return _Shown(frame, message, unsubscribe, contact, sample)


def _sample(rooms: Rooms, ctx: ShopContext, campaign: Campaign, customer_no: int | None) -> list[Candidate]:
    run = published(rooms, ctx)
    if run is None or campaign.audience_type is None:
        return []
    return preview_sample.sample(rooms, ctx, run, campaign, customer_no, SAMPLE)


def _products(rooms: Rooms, ctx: ShopContext, chosen: Candidate | None) -> tuple[Product, Product | None]:
    history = newest_history(rooms, ctx) if chosen else None
    if chosen is None or history is None:
        return EXAMPLE, replace(EXAMPLE, title="Purchased product")
    because = chosen.product_no if chosen.kind == "repurchase" else chosen.because_product_no
    found = products(history[1], ctx, {chosen.product_no, because or chosen.product_no})
    history[1].close()
    return found.get(chosen.product_no, EXAMPLE), found.get(because) if because else None


def _contact(rooms: Rooms, session: Session, ctx: ShopContext, customer_no: int) -> Contact | None:
    customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": customer_no})
    return contact_of(rooms, ctx, customer) if customer is not None else None


def _members(rooms: Rooms, ctx: ShopContext, sample: list[Candidate]) -> list[Member]:
    numbers = [candidate.customer_no for candidate in sample]
    with rooms.store.reading(ctx) as session:
        query = select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(numbers))
        names = {row.customer_no: contact_of(rooms, ctx, row).first_name for row in session.scalars(query)}
    return [Member(n, f"{names.get(n) or 'Customer'} (#{n})") for n in numbers]


def _address(rooms: Rooms, text: str) -> str:
    try:
        sandboxed = rooms.settings.env == "development"
        found = validate_email(text.strip(), check_deliverability=False, test_environment=sandboxed)
    except EmailNotValidError as fault:
        raise Invalid(f"{text!r} is no e-mail address.", field="addresses") from fault
    if not found.local_part.isascii():
        raise Invalid(f"{text!r} was not mailed, nor any other. {senders.NON_ASCII_LOCAL_PART}", field="addresses")
    return found.normalized
