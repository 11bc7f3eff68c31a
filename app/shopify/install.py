"""Install and uninstall: a shop's row, its token, its first import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select

from app.errors import NotAuthorised
from app.services.progress import ask_for_first_numbers
from app.services.shops import context_of, find_shop
from app.store.models.shops import Shop, ShopToken

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.shopify.graphql import AdminApi
    from app.shopify.session_tokens import Visitor
    from app.shopify.tokens import Tokens

log = structlog.get_logger()


class Installer:
    """Makes sure that a visiting shop is installed."""

    def __init__(self, rooms: Rooms, api: AdminApi, tokens: Tokens) -> None:
        self._rooms, self._api, self._tokens = rooms, api, tokens

    def known(self, visitor: Visitor) -> ShopContext:
        """The installed shop of a visitor. Raises NotAuthorised if it is not installed."""
        with self._rooms.store.operator_session(writing=False) as session:
            shop = find_shop(session, visitor.shop)
            if shop is None or shop.uninstalled_at is not None:
                raise NotAuthorised("Encore is not installed in this shop.")
            return context_of(shop)

    def ensure(self, visitor: Visitor) -> ShopContext:
        """The shop of a visitor, installed now if it was not; a new install starts the first import.

        A re-install finds the shop's history. Raises NotAuthorised or Unavailable.
        """
        with self._rooms.store.operator_session(writing=False) as session:
            shop = find_shop(session, visitor.shop)
            has_token = shop is not None and session.get(ShopToken, shop.id) is not None
        if shop is not None and shop.uninstalled_at is None and has_token:
            ctx = context_of(shop)
        else:
            ctx = self._install(visitor)
        ask_for_first_numbers(self._rooms, ctx)
        return ctx

    def uninstalled(self, ctx: ShopContext) -> None:
        """The app was removed: no more sends, no token; history stays for 48 hours and a re-install."""
        with self._rooms.store.operator_session() as session:
            shop = session.get_one(Shop, ctx.shop_id)
            shop.uninstalled_at = self._rooms.clock.now()
            token = session.get(ShopToken, ctx.shop_id)
            if token is not None:
                session.delete(token)
        log.info("shop_uninstalled", shop_id=ctx.shop_id)

    def _install(self, visitor: Visitor) -> ShopContext:
        token = self._tokens.exchange(visitor.token)
        with self._rooms.store.operator_session() as session:
            shop = find_shop(session, visitor.shop)
            if shop is None:
                shop = Shop(
                    id=(session.scalar(select(func.max(Shop.id))) or 0) + 1,
                    domain=visitor.shop,
                    name=visitor.shop,
                    currency="USD",
                    timezone="UTC",
                    source="shopify",
                    installed_at=self._rooms.clock.now(),
                )
                session.add(shop)
            shop.uninstalled_at = None
            session.flush()
            ctx = context_of(shop)
        self._tokens.save(ctx, token)
        ctx = self._describe(ctx)
        log.info("shop_installed", shop_id=ctx.shop_id)
        return ctx

    def _describe(self, ctx: ShopContext) -> ShopContext:
        """Ask the shop for its name, currency and time zone."""
        info: dict[str, Any] = self._api.run(ctx, "ShopInfo")["shop"]
        with self._rooms.store.operator_session() as session:
            shop = session.get_one(Shop, ctx.shop_id)
            shop.name, shop.email = info["name"], info["email"]
            shop.currency, shop.timezone = info["currencyCode"], info["ianaTimezone"]
            return context_of(shop)
