"""Where the admin's iframe points: the app's address with the signed launch query, and session tokens."""

import base64
import hashlib
import hmac
import re
import uuid
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import jwt

from sandbox.options import SandboxOptions

LAUNCH_PARAMETERS = frozenset(
    {"embedded", "hmac", "host", "id_token", "locale", "session", "shop", "timestamp"}
)
TOKEN_SECONDS = 60  # how long a session token is good for, as at Shopify
STAFF_USER_ID = "1"
_STORE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class Clock(Protocol):
    """Tells the demo's time."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


def shop_domain(store: str, options: SandboxOptions) -> str | None:
    """The myshopify.com domain of a store name; None for a store that the sandbox does not serve."""
    domain = f"{store}.myshopify.com"
    return domain if _STORE.match(store) and domain in options.shops else None


def encoded_host(origin: str, store: str) -> str:
    """The `host` parameter: base64 without padding of the admin's host and the store's path."""
    plain = f"{urlsplit(origin).netloc}/store/{store}"
    return base64.b64encode(plain.encode()).decode().rstrip("=")


def session_token(shop: str, clock: Clock, options: SandboxOptions) -> str:
    """A fresh session token (JWT, HS256 with the app's secret, 60 seconds) for `shop`'s one staff member."""
    now = int(clock.now().timestamp())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": options.api_key,
        "sub": STAFF_USER_ID,
        "exp": now + TOKEN_SECONDS,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": _session(shop),
    }
    return jwt.encode(claims, options.api_secret, algorithm="HS256")


def launch_query(shop: str, host: str, clock: Clock, options: SandboxOptions) -> dict[str, str]:
    """The parameters with which the admin opens the app, `hmac` over all the others included.

    Source: Shopify's "Verify requests": HMAC-SHA256 in hex of the sorted `name=value` pairs joined by `&`.
    """
    query = {
        "embedded": "1",
        "host": host,
        "id_token": session_token(shop, clock, options),
        "locale": "en",
        "session": _session(shop),
        "shop": shop,
        "timestamp": str(int(clock.now().timestamp())),
    }
    message = "&".join(f"{name}={value}" for name, value in sorted(query.items()))
    query["hmac"] = hmac.new(options.api_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return query


def frame_address(path: str, own: list[tuple[str, str]], launch: dict[str, str], options: SandboxOptions) -> str:
    """The app's address for `path`, with the deep link's `own` parameters and the `launch` ones."""
    kept = [(name, value) for name, value in own if name not in LAUNCH_PARAMETERS]
    query = urlencode([*kept, *launch.items()])
    return f"{options.app_url.rstrip('/')}/{path}?{query}"


def _session(shop: str) -> str:
    return hashlib.sha256(f"sandbox session of {shop}".encode()).hexdigest()
