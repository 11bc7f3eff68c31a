"""Where clicks lead: every destination is a row, made before a message exists; a mailed link holds only its id."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select

from app.domain.web_links import Utm, cart_permalink, tagged
from app.errors import NotFound
from app.services.campaigns_audience import newest_history, products
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.mail.words import Words
    from app.services.campaigns_audience import Product
    from app.services.rooms import Rooms
    from app.store.models.sending import Message

MAX_STORED = 2000  # the column's width
UTM_FIELDS = ("source", "medium", "campaign")
LAST_BOUGHT = """
SELECT l.variant_id, l.quantity FROM order_lines l LEFT JOIN variants v USING (variant_id)
WHERE l.customer_no = $customer AND l.product_no = $product AND l.counts AND l.variant_id IS NOT NULL
  AND v.available IS NOT FALSE
ORDER BY l.ordered_at DESC, l.order_id DESC, l.line_id DESC LIMIT 1"""
FIRST_ON_SALE = """
SELECT variant_id, 1 FROM variants WHERE product_no = $product
ORDER BY available IS NOT FALSE DESC, variant_id LIMIT 1"""


def utm_of(campaign: Campaign) -> Utm | None:
    """The tags of a campaign's links; None: switched off. The usual ones say nothing of its name."""
    if campaign.utm is None:
        return Utm("encore", "email", f"encore-{campaign.id}")
    return Utm(**{field: campaign.utm[field] for field in UTM_FIELDS}) if campaign.utm else None


def cart_of(ctx: ShopContext, utm: Utm | None) -> str:
    """The shop's empty cart."""
    return tagged(f"https://{ctx.domain}/cart", utm)


def make(session: Session, ctx: ShopContext, messages: Iterable[tuple[Campaign, Words, Iterable[Product]]]) -> None:
    """Fix where clicks of messages to come lead. Each with its campaign, its words, and the products it names.

    An address too long to keep whole gets no row: messages lead there directly.
    """
    wanted = {
        (campaign.id, url): kind
        for campaign, words, named in messages
        for kind, url in _destinations(ctx, campaign, words, named)
        if len(url) <= MAX_STORED
    }
    known = links_of(session, ctx, {campaign for campaign, _ in wanted})
    missing = sorted(wanted.keys() - known.keys())
    if not missing:
        return
    number = allocate(session, ctx.shop_id, "links", len(missing))
    for offset, (campaign, url) in enumerate(missing):
        kind = wanted[campaign, url]
        session.add(Link(shop_id=ctx.shop_id, id=number + offset, campaign_id=campaign, url=url, kind=kind))
    session.flush()


def links_of(session: Session, ctx: ShopContext, campaign_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """(campaign, destination) → link number."""
    query = select(Link.campaign_id, Link.url, Link.id).where(
        Link.shop_id == ctx.shop_id, Link.campaign_id.in_(list(campaign_ids))
    )
    return {(campaign, url): number for campaign, url, number in session.execute(query)}


def in_cart(connection: duckdb.DuckDBPyConnection, customer_no: int | None, product_no: int) -> tuple[int, int] | None:
    """(variant, quantity) that a customer's cart is filled with: what they bought last of the product, as many.

    Where they bought none, or what they bought is sold out: one of the first variant that is on sale. None: the
    catalogue knows no variant.
    """
    values = {"customer": customer_no, "product": product_no}
    last = connection.execute(LAST_BOUGHT, values).fetchone() if customer_no is not None else None
    found = last or connection.execute(FIRST_ON_SALE, {"product": product_no}).fetchone()
    return (int(found[0]), int(found[1])) if found else None


def filled_cart(
    rooms: Rooms, ctx: ShopContext, base: str, customer_no: int | None, product_no: int, code: str | None
) -> str:
    """The address that opens the shop with the product in the cart.

    base: of the empty cart. Where there is no variant to put into it, the product's page; of a product that is gone,
    the empty cart.
    """
    history = newest_history(rooms, ctx)
    if history is None:
        return base
    try:
        found = in_cart(history[1], customer_no, product_no)
        if found:
            return cart_permalink(base, *found, code)
        product = products(history[1], ctx, [product_no]).get(product_no)
    finally:
        history[1].close()
    return product.url if product else base


def destination(rooms: Rooms, ctx: ShopContext, link: Link, message: Message | None, code: str | None) -> str:
    """Where a click on a link leads: its fixed address, or the cart as this message fills it.

    code: the discount that the message shows. Raises NotFound for what is no web address, and for a cart that is not
    the shop's own.
    """
    parts = urlsplit(link.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NotFound("There is no such link.")
    if link.kind != "cart":
        return link.url
    if parts.hostname != ctx.domain:
        raise NotFound("There is no such link.")
    if message is None:
        return link.url
    return filled_cart(rooms, ctx, link.url, message.customer_no, message.product_no, code)


def _destinations(
    ctx: ShopContext, campaign: Campaign, words: Words, named: Iterable[Product]
) -> Iterator[tuple[str, str]]:
    utm = utm_of(campaign)
    for product in named:
        yield "product", tagged(product.url, utm)
    if words.to_cart:
        yield "cart", cart_of(ctx, utm)
    for url in words.urls:
        yield "url", tagged(url, utm)
