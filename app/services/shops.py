"""Shops: finding them, their context, what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.domain.context import ShopContext
from app.errors import NotFound
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.services.rooms import Rooms


def find_shop(session: Session, domain: str) -> Shop | None:
    """The shop of this domain or slug."""
    return session.scalars(select(Shop).where(Shop.domain == domain)).one_or_none()


def context_of(shop: Shop) -> ShopContext:
    """The context that services take."""
    return ShopContext(shop.id, shop.domain, shop.currency, shop.timezone, shop.primary_domain)


def context_by_id(rooms: Rooms, shop_id: int) -> ShopContext:
    """The context of a shop by number. Raises NotFound."""
    with rooms.store.operator_session(writing=False) as session:
        shop = session.get(Shop, shop_id)
        if shop is None:
            raise NotFound(f"There is no shop {shop_id}.")
        return context_of(shop)


def context_by_name(rooms: Rooms, name: str) -> ShopContext:
    """The context of a shop by domain, slug, or the domain's first part. Raises NotFound naming the shops."""
    with rooms.store.operator_session(writing=False) as session:
        shop = find_shop(session, name) or find_shop(session, f"{name}.myshopify.com")
        if shop is None:
            known = ", ".join(session.scalars(select(Shop.domain).order_by(Shop.domain))) or "none yet"
            raise NotFound(f"There is no shop {name!r}. Known shops: {known}.")
        return context_of(shop)


def active_shops(rooms: Rooms) -> list[ShopContext]:
    """All installed shops, oldest first."""
    with rooms.store.operator_session(writing=False) as session:
        shops = session.scalars(select(Shop).where(Shop.uninstalled_at.is_(None)).order_by(Shop.id)).all()
        return [context_of(shop) for shop in shops]


def describe(rooms: Rooms, ctx: ShopContext) -> Shop:
    """The shop's row, to read."""
    with rooms.store.reading(ctx) as session:
        return session.get_one(Shop, ctx.shop_id)
