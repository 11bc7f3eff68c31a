"""Who asks: checking the session token that App Bridge adds to every request.

Shopify's own library checks signature, audience, leeway and that issuer and destination are one host;
it takes a token without an expiry, so that is checked here.
Reference: https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from shopify import session_token

from app.errors import NotAuthorised

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,61}\.myshopify\.com")
MAX_TOKEN_BYTES = 8_192
OPEN_AGAIN = "Open Encore again from your Shopify admin."


@dataclass(frozen=True)
class Visitor:
    """A verified person of a shop's staff.

    shop:  x.myshopify.com, from the signed token only.
    user:  Shopify's user id.
    token: the token itself, for the exchange.
    """

    shop: str
    user: str
    token: str


def is_shop_domain(text: str) -> bool:
    """Whether `text` is exactly a myshopify.com shop domain."""
    return SHOP_DOMAIN.fullmatch(text) is not None


def verify(token: str, api_key: str, secret: str) -> Visitor:
    """The visitor whom a session token names. Raises NotAuthorised for anything forged, stale or odd."""
    if not token or len(token) > MAX_TOKEN_BYTES:
        raise NotAuthorised(OPEN_AGAIN)
    try:
        claims = session_token.decode_from_header(f"Bearer {token}", api_key, secret)
    except (session_token.SessionTokenError, ValueError, TypeError, AttributeError) as fault:
        raise NotAuthorised(OPEN_AGAIN) from fault
    shop = urlsplit(str(claims["dest"])).hostname or ""
    if not isinstance(claims.get("exp"), int) or not isinstance(claims.get("nbf"), int) or not is_shop_domain(shop):
        raise NotAuthorised(OPEN_AGAIN)
    return Visitor(shop=shop, user=str(claims["sub"]), token=token)
