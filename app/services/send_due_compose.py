"""Putting one message together: the same for campaign mail, tests, previews and the web view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.web_links import tagged
from app.mail.mime import Mail, pack
from app.mail.render import Discount, Facts, Footer, Rendered, ShownProduct, render
from app.services import links, senders
from app.services.brand import brand_of
from app.services.content import utm_of, words_of
from app.store.crypto import customer_subject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.brand import Brand
    from app.domain.context import ShopContext
    from app.domain.discounts import Given
    from app.domain.web_links import Utm
    from app.mail.transport import Envelope
    from app.mail.words import Words
    from app.services.campaigns_audience import Product
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign, CampaignContent
    from app.store.models.customers import Customer
    from app.store.models.senders import Sender

TEST = "test"  # stands in tokens where a message id would


@dataclass(frozen=True)
class Frame:
    """What all messages of one campaign version from one sender share.

    discount: of all of them; a message with a code of its own replaces it, which costs nothing. cart: the address of
    the shop's empty cart, with tags.
    """

    words: Words
    footer: Footer
    discount: Discount | None
    from_name: str
    from_address: str
    reply_to: str | None
    brand: Brand
    campaign_id: int
    utm: Utm | None
    cart: str


class Addressee(NamedTuple):
    """What sending needs of a customer: columns, since loading whole rows costs more than composing does."""

    customer_no: int
    email_hash: str | None
    contact: bytes
    email_valid: bool
    email_consent: str
    email_consent_at: datetime | None
    open_tracking: str | None
    erased_at: datetime | None
    merged_into: int | None
    gone_at: datetime | None


@dataclass(frozen=True)
class Contact:
    """Whom a message is for, decrypted for the moment of composing."""

    customer_no: int
    email: str | None
    first_name: str | None


def shared_discount(rooms: Rooms, ctx: ShopContext, campaign: Campaign) -> Discount | None:
    """The code that all messages of a campaign show, if it has one.

    One whose last day has passed in the shop's zone is left out: nobody is promised what no longer works.
    """
    today = rooms.clock.now().astimezone(ctx.zone).date()
    valid = campaign.discount_expires_on is None or campaign.discount_expires_on >= today
    if campaign.discount_mode != "single" or not campaign.discount_code or not valid:
        return None
    words = (campaign.discount_description or "").strip() or "Your discount code"
    if campaign.discount_expires_on:
        words += f", until {campaign.discount_expires_on:%-d %B %Y}"
    return Discount(campaign.discount_code.strip(), words)


def frame_of(
    rooms: Rooms,
    session: Session,
    ctx: ShopContext,
    campaign: Campaign,
    content: CampaignContent,
    sender: Sender | None,
) -> Frame:
    """The shared part. Without a sender (a preview of an unfinished draft) the footer says what is missing."""
    if sender is None:
        footer = Footer("(no sender chosen yet)", "(the sender's postal address)")
        name, address, reply = "(no sender yet)", f"no-reply@{senders.mail_domain(rooms)}", None
    else:
        footer = Footer(sender.company, sender.postal_address)
        name, address = senders.header_from(rooms, sender)
        reply = senders.reply_to(sender)
    utm = utm_of(campaign)
    return Frame(
        words=words_of(content),
        footer=footer,
        discount=shared_discount(rooms, ctx, campaign),
        from_name=name,
        from_address=address,
        reply_to=reply,
        brand=brand_of(session, ctx),
        campaign_id=campaign.id,
        utm=utm,
        cart=links.cart_of(ctx, utm),
    )


def with_code(frame: Frame, given: Given | None) -> Frame:
    """The frame with a code of one message's own, if it has one."""
    return frame if given is None else replace(frame, discount=Discount(given.code, given.text))


def contact_of(rooms: Rooms, ctx: ShopContext, customer: Customer | Addressee) -> Contact:
    """Open a customer's contact. Raises CannotUnseal."""
    opened: dict[str, Any] = rooms.vault.open(ctx.shop_id, customer_subject(customer.customer_no), customer.contact)
    return Contact(customer.customer_no, opened.get("email"), opened.get("first_name"))


def public_url(rooms: Rooms, path: str) -> str:
    """An address below the installation's public one."""
    return f"{rooms.settings.public_url.rstrip('/')}/{path}"


def rendered(
    rooms: Rooms,
    ctx: ShopContext,
    frame: Frame,
    *,
    message_id: str,
    customer_no: int | None,
    first_name: str | None,
    recommended: Product,
    purchased: Product | None,
    tracked: Mapping[tuple[int, str], int] | None = None,
    cart_url: str | None = None,
    open_url: str | None = None,
    test: bool = False,
) -> tuple[Rendered, str]:
    """(the message, its unsubscribe address).

    tracked: (campaign, destination) → link number; what has none is linked directly. cart_url: where a cart that is
    not tracked leads. open_url: the picture that tells of an opening, if openings may be observed.
    message_id: `TEST` makes links that work and change nothing.
    Raises MissingValue if the words ask for a purchase and there is none.
    """
    tokens = senders.tokens(rooms)
    numbers = tracked or {}

    def click(url: str) -> str | None:
        number = numbers.get((frame.campaign_id, url))
        if number is None:
            return None
        return public_url(rooms, f"c/{tokens.make('click', [ctx.shop_id, number, message_id])}")

    def shown(product: Product) -> ShownProduct:
        url = tagged(product.url, frame.utm)
        return ShownProduct(product.title, click(url) or url, product.image_url)

    own = {url: tagged(url, frame.utm) for url in frame.words.urls}
    unsubscribe = public_url(rooms, f"u/{tokens.make('unsubscribe', [ctx.shop_id, message_id, customer_no])}")
    facts = Facts(
        first_name=first_name,
        recommended=shown(recommended),
        purchased=shown(purchased) if purchased else None,
        unsubscribe_url=unsubscribe,
        view_url=public_url(rooms, f"v/{tokens.make('view', [ctx.shop_id, message_id])}"),
        cart_url=(click(frame.cart) or cart_url) if frame.words.to_cart else None,
        links={url: click(destination) or destination for url, destination in own.items()},
        open_url=open_url,
    )
    return render(frame.words, frame.footer, frame.discount, facts, brand=frame.brand, test=test), unsubscribe


def envelope(
    rooms: Rooms,
    frame: Frame,
    shown: Rendered,
    *,
    to_address: str,
    message_id: str,
    unsubscribe_url: str,
    now: datetime,
    headers: Mapping[str, str] | None = None,
    bounces_to: str = "",
    reference: str = "",
) -> Envelope:
    """What to hand over. Raises ValueError for an address that mail can't carry."""
    return pack(
        Mail(
            from_name=frame.from_name,
            from_address=frame.from_address,
            to_address=to_address,
            reply_to=frame.reply_to,
            subject=shown.subject,
            html=shown.html,
            text=shown.text,
            message_id=message_id,
            message_domain=senders.mail_domain(rooms),
            date=now,
            unsubscribe_url=unsubscribe_url,
            headers=headers or {},
        ),
        bounces_to=bounces_to,
        reference=reference,
    )
