"""Offline tokens: exchanged at the first visit, kept sealed, refreshed before they end.

Shopify rotates the refresh token with each refresh, so the pair is written in one transaction and
only one refresh runs per shop at a time (the row is locked while it does).
Reference: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shopify_app.types import IdTokenDetails
from sqlalchemy import select

from app.errors import NotAuthorised, Unavailable
from app.store.models.shops import ShopToken

if TYPE_CHECKING:
    import httpx
    from shopify_app import ShopifyApp
    from shopify_app.types import TokenExchangeAccessToken, TokenExchangeResult

    from app.domain.clock import Clock
    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store

REFRESH_AHEAD = timedelta(minutes=5)
SUBJECT = "shop_token"
REOPEN = "Encore's access to the shop has ended. Open Encore from the Shopify admin once; nothing is lost."


class Tokens:
    """Gets, keeps and refreshes the offline token of every shop."""

    def __init__(self, app: ShopifyApp, client: httpx.Client, store: Store, vault: Vault, clock: Clock) -> None:
        self._app, self._client, self._store, self._vault, self._clock = app, client, store, vault, clock

    def exchange(self, id_token: str) -> TokenExchangeAccessToken:
        """Exchange a verified session token for an offline token. Raises NotAuthorised or Unavailable."""
        details = IdTokenDetails(exchangeable=True, token=id_token, claims=_claims(id_token))
        result = self._app.exchange_using_token_exchange("offline", id_token=details, http_client=self._client)
        return _token_of(result)

    def save(self, ctx: ShopContext, token: TokenExchangeAccessToken) -> None:
        """Keep the pair for this shop, replacing what was there."""
        with self._store.session(ctx) as session:
            row = session.get(ShopToken, ctx.shop_id) or ShopToken(shop_id=ctx.shop_id)
            self._fill(row, token)
            session.add(row)

    def is_alive(self, row: ShopToken) -> bool:
        """Whether the pair can still give access: neither refused by Shopify nor past its last refresh."""
        return row.refused_at is None and row.refresh_expires_at > self._clock.now()

    def refused(self, ctx: ShopContext, token: str | None = None) -> None:
        """Note that Shopify did not take the pair, so that the next visit brings another.

        token: the one that was refused; if another stands there by now, that one was not.
        """
        with self._store.session(ctx) as session:
            row = session.get(ShopToken, ctx.shop_id)
            if row is None or row.refused_at is not None:
                return
            if token is None or self._vault.open(ctx.shop_id, SUBJECT, row.sealed)["token"] == token:
                row.refused_at = self._clock.now()

    def access_token(self, ctx: ShopContext) -> str:
        """A token that is good for at least five minutes. Raises NotAuthorised if a merchant must open the app."""
        try:
            return self._good_token(ctx)
        except NotAuthorised:
            self.refused(ctx)
            raise

    def _good_token(self, ctx: ShopContext) -> str:
        with self._store.session(ctx) as session:
            row = session.scalars(
                select(ShopToken).where(ShopToken.shop_id == ctx.shop_id).with_for_update()
            ).one_or_none()
            if row is None:
                raise NotAuthorised(REOPEN)
            kept = self._vault.open(ctx.shop_id, SUBJECT, row.sealed)
            if row.expires_at - self._clock.now() > REFRESH_AHEAD:
                return str(kept["token"])
            if row.refresh_expires_at <= self._clock.now():
                raise NotAuthorised(REOPEN)
            # The library refreshes only when it finds the token about to end by its own clock.
            kept["expires"] = datetime.now(UTC).isoformat()
            result = self._app.refresh_token_exchanged_access_token(kept, http_client=self._client)
            fresh = _token_of(result)
            self._fill(row, fresh)
            return fresh.token

    def forget(self, ctx: ShopContext) -> None:
        """Drop the pair (the app was uninstalled)."""
        with self._store.session(ctx) as session:
            row = session.get(ShopToken, ctx.shop_id)
            if row is not None:
                session.delete(row)

    def _fill(self, row: ShopToken, token: TokenExchangeAccessToken) -> None:
        now = self._clock.now()
        row.sealed = self._vault.seal(row.shop_id, SUBJECT, asdict(token))
        row.scopes, row.refused_at = token.scope, None
        row.expires_at = _moved(token.expires, now)
        row.refresh_expires_at = _moved(token.refresh_token_expires, now)


def _moved(expires: str | None, now: datetime) -> datetime:
    """The expiry by our clock: the library states it by the machine's, which a sandbox may have moved."""
    if expires is None:
        raise Unavailable("Shopify gave a token that never ends; expiring tokens are required.")
    left = datetime.fromisoformat(expires).astimezone(UTC) - datetime.now(UTC)
    return now + left


def _claims(id_token: str) -> dict[str, Any]:
    import jwt  # noqa: PLC0415 - only here, and only to read what is verified already

    claims: dict[str, Any] = jwt.decode(id_token, options={"verify_signature": False})
    return claims


def _token_of(result: TokenExchangeResult) -> TokenExchangeAccessToken:
    if result.ok and result.access_token is not None:
        return result.access_token
    if result.response.status in (400, 401):
        raise NotAuthorised(REOPEN)
    raise Unavailable(f"Shopify did not give a token ({result.log.code}). Encore tries again by itself.")
