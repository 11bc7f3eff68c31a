"""Install and uninstall: a shop's row, its token, its first import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.errors import NotAuthorised
from app.services.progress import ask_for_first_numbers
from app.services.shops import context_of, find_shop
from app.shopify.describe import describe
from app.store.counters import new_shop_id
from app.store.models.shops import Shop, ShopToken

if TYPE_CHECKING:
    from datetime import datetime

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

        A re-install finds the shop's history. A token that ended or that Shopify refused is exchanged for a
        new one: a visit is the only moment that can. Raises NotAuthorised or Unavailable; a shop that could
        not be described is asked again at the next visit.
        """
        with self._rooms.store.operator_session(writing=False) as session:
            shop = find_shop(session, visitor.shop)
            token = session.get(ShopToken, shop.id) if shop is not None else None
        works = token is not None and self._tokens.is_alive(token)
        if shop is not None and shop.uninstalled_at is None and works:
            ctx = context_of(shop)
            if shop.described_at is None:
                ctx = describe(self._rooms, self._api, ctx)
        else:
            ctx = self._install(visitor)
        ask_for_first_numbers(self._rooms, ctx)
        return ctx

    def uninstalled(self, ctx: ShopContext, triggered_at: datetime | None = None) -> None:
        """The app was removed: no more sends, no token; history stays for 48 hours and a re-install.

        triggered_at: when Shopify saw it happen. Deliveries come late and in any order: one from before the
        newest install says nothing of it.
        """
        with self._rooms.store.operator_session() as session:
            shop = session.get_one(Shop, ctx.shop_id)
            if triggered_at is not None and triggered_at < shop.installed_at:
                log.info("late_uninstall_ignored", shop_id=ctx.shop_id)
                return
            shop.uninstalled_at = self._rooms.clock.now()
            token = session.get(ShopToken, ctx.shop_id)
            if token is not None:
                session.delete(token)
        log.info("shop_uninstalled", shop_id=ctx.shop_id)

    def _install(self, visitor: Visitor) -> ShopContext:
        token = self._tokens.exchange(visitor.token)
        now = self._rooms.clock.now()
        with self._rooms.store.operator_session() as session:
            shop = find_shop(session, visitor.shop)
            if shop is None:
                shop = Shop(
                    id=new_shop_id(session),
                    domain=visitor.shop,
                    name=visitor.shop,
                    currency="USD",
                    timezone="UTC",
                    source="shopify",
                    installed_at=now,
                )
                session.add(shop)
            shop.installed_at, shop.uninstalled_at = now, None
            session.flush()
            ctx = context_of(shop)
        self._tokens.save(ctx, token)
        ctx = describe(self._rooms, self._api, ctx)
        log.info("shop_installed", shop_id=ctx.shop_id)
        return ctx
