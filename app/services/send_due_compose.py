"""Putting one message together: the same for campaign mail, tests, previews and the web view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.mail.mime import Mail, pack
from app.mail.render import Discount, Facts, Footer, Rendered, ShownProduct, Words, render
from app.services import campaigns, senders
from app.store.crypto import customer_subject
from app.store.models.campaigns import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.mail.transport import Envelope
    from app.services.campaigns_audience import Product
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign, CampaignContent
    from app.store.models.customers import Customer
    from app.store.models.senders import Sender

TEST = "test"  # stands in tokens where a message id would


@dataclass(frozen=True)
class Frame:
    """What all messages of one campaign version from one sender share."""

    words: Words
    footer: Footer
    discount: Discount | None
    from_name: str
    from_address: str
    reply_to: str | None


@dataclass(frozen=True)
class Contact:
    """Whom a message is for, decrypted for the moment of composing."""

    customer_no: int
    email: str | None
    first_name: str | None


def frame_of(
    rooms: Rooms, ctx: ShopContext, campaign: Campaign, content: CampaignContent, sender: Sender | None
) -> Frame:
    """The shared part. Without a sender (a preview of an unfinished draft) the footer says what is missing.

    A code whose last day has passed in the shop's zone is left out: nobody is promised what no longer works.
    """
    discount = None
    today = rooms.clock.now().astimezone(ctx.zone).date()
    valid = campaign.discount_expires_on is None or campaign.discount_expires_on >= today
    if campaign.discount_mode == "single" and campaign.discount_code and valid:
        words = (campaign.discount_description or "").strip() or "Your discount code"
        if campaign.discount_expires_on:
            words += f", until {campaign.discount_expires_on:%-d %B %Y}"
        discount = Discount(campaign.discount_code.strip(), words)
    if sender is None:
        footer = Footer("(no sender chosen yet)", "(the sender's postal address)")
        name, address, reply = "(no sender yet)", f"no-reply@{senders.mail_domain(rooms)}", None
    else:
        footer = Footer(sender.company, sender.postal_address)
        name, address = senders.header_from(rooms, sender)
        reply = senders.reply_to(sender)
    return Frame(campaigns.words_of(content), footer, discount, name, address, reply)


def contact_of(rooms: Rooms, ctx: ShopContext, customer: Customer) -> Contact:
    """Open a customer's contact. Raises CannotUnseal."""
    opened: dict[str, Any] = rooms.vault.open(ctx.shop_id, customer_subject(customer.customer_no), customer.contact)
    return Contact(customer.customer_no, opened.get("email"), opened.get("first_name"))


def links_of(session: Session, ctx: ShopContext, campaign_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """(campaign, destination) → link number."""
    query = select(Link).where(Link.shop_id == ctx.shop_id, Link.campaign_id.in_(list(campaign_ids)))
    return {(link.campaign_id, link.url): link.id for link in session.scalars(query)}


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
    link_id: int | None = None,
    open_url: str | None = None,
    test: bool = False,
) -> tuple[Rendered, str]:
    """(the message, its unsubscribe address). link_id: the tracked link to the recommended product, if any.

    message_id: `TEST` makes links that work and change nothing.
    Raises MissingValue if the words ask for a purchase and there is none.
    """
    tokens = senders.tokens(rooms)
    url = recommended.url
    if link_id is not None:
        url = public_url(rooms, f"c/{tokens.make('click', [ctx.shop_id, link_id, message_id])}")
    unsubscribe = public_url(rooms, f"u/{tokens.make('unsubscribe', [ctx.shop_id, message_id, customer_no])}")
    facts = Facts(
        first_name=first_name,
        recommended=ShownProduct(recommended.title, url, recommended.image_url),
        purchased=ShownProduct(purchased.title, purchased.url) if purchased else None,
        unsubscribe_url=unsubscribe,
        view_url=public_url(rooms, f"v/{tokens.make('view', [ctx.shop_id, message_id])}"),
        open_url=open_url,
    )
    return render(frame.words, frame.footer, frame.discount, facts, test=test), unsubscribe


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
        )
    )
