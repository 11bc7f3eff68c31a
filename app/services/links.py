"""Where clicks lead: every destination is a row, made before a message exists; a mailed link holds only its id."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select

from app.domain.web_links import cart_permalink, tagged
from app.errors import NotFound
from app.services.campaigns_audience import newest_history, products
from app.services.content import utm_of, words_of
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, CampaignContent, Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.domain.web_links import Utm
    from app.mail.words import Words
    from app.services.campaigns_audience import Product
    from app.services.rooms import Rooms
    from app.store.models.sending import Message

MAX_STORED = 2000  # the column's width
LAST_BOUGHT = """
SELECT l.variant_id, l.quantity FROM order_lines l LEFT JOIN variants v USING (variant_id)
WHERE l.customer_no = $customer AND l.product_no = $product AND l.counts AND l.variant_id IS NOT NULL
  AND v.available IS NOT FALSE
ORDER BY l.ordered_at DESC, l.order_id DESC, l.line_id DESC LIMIT 1"""
FIRST_ON_SALE = """
SELECT variant_id, 1 FROM variants WHERE product_no = $product
ORDER BY available IS NOT FALSE DESC, variant_id LIMIT 1"""


def cart_of(ctx: ShopContext, utm: Utm | None) -> str:
    """The shop's empty cart."""
    return tagged(f"https://{ctx.domain}/cart", utm)


def make(session: Session, ctx: ShopContext, named: Mapping[int, Iterable[Product]]) -> None:
    """Fix where clicks of messages to come lead. named: campaign → the products that its messages will name.

    Links of the campaign's current words. An address too long to keep whole gets no row: messages lead there directly.
    """
    wanted: dict[tuple[int, str], str] = {}
    for number, shown in named.items():
        campaign = session.get_one(Campaign, {"shop_id": ctx.shop_id, "id": number})
        key = {"shop_id": ctx.shop_id, "campaign_id": number, "version": campaign.content_version}
        words = words_of(session.get_one(CampaignContent, key))
        wanted |= {(number, url): kind for kind, url in _destinations(ctx, campaign, words, shown)}
    wanted = {place: kind for place, kind in wanted.items() if len(place[1]) <= MAX_STORED}
    missing = sorted(wanted.keys() - links_of(session, ctx, named).keys())
    if not missing:
        return
    first = allocate(session, ctx.shop_id, "links", len(missing))
    for offset, (number, url) in enumerate(missing):
        kind = wanted[number, url]
        session.add(Link(shop_id=ctx.shop_id, id=first + offset, campaign_id=number, url=url, kind=kind))
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
