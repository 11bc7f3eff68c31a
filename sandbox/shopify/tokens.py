"""Id tokens as the admin mints them, and the endpoint that turns them into expiring offline tokens.

Id tokens are checked against real time, because every JWT library does; access and refresh tokens live by
the demo's clock, which may run ahead.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.ledger import Ledger

ID_TOKEN_SECONDS = 60
LEEWAY_SECONDS = 10
ACCESS_SECONDS = 3600
REFRESH_SECONDS = 90 * 86_400
REPLACED_SECONDS = 30 * 86_400  # how long a replaced refresh token stays usable if its successor is unused
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"


def mint_id_token(
    shop: str,
    user_id: int,
    *,
    api_key: str = SandboxOptions.api_key,
    api_secret: str = SandboxOptions.api_secret,
    now: float | None = None,
    seconds: int = ID_TOKEN_SECONDS,
) -> str:
    """An id (session) token for a user of a shop, as App Bridge's `idToken()` returns it.

    shop: the myshopify.com domain. now: Unix time, real time if left out. seconds: until it expires.
    """
    at = int(time.time() if now is None else now)
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": api_key,
        "sub": str(user_id),
        "exp": at + seconds,
        "nbf": at,
        "iat": at,
        "jti": secrets.token_hex(16),
        "sid": secrets.token_hex(16),
    }
    head = _encoded({"alg": "HS256", "typ": "JWT"}) + b"." + _encoded(claims)
    return (head + b"." + _signed(head, api_secret)).decode()


def read_id_token(token: str, *, api_key: str, api_secret: str, now: float | None = None) -> dict[str, Any]:
    """The claims of an id token that we signed and that is valid now. ValueError for any other.

    By hand, as Shopify's side of the exchange should not be the library that the app checks with.
    """
    head, _, signature = token.encode().rpartition(b".")
    if not head or not hmac.compare_digest(_signed(head, api_secret), signature):
        raise ValueError("the signature is not ours")
    try:
        algorithm, claims = (json.loads(base64.urlsafe_b64decode(part + b"==")) for part in head.split(b"."))
        times = float(claims["nbf"]) - LEEWAY_SECONDS, float(claims["exp"]) + LEEWAY_SECONDS
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("not an id token") from error
    at = time.time() if now is None else now
    if algorithm.get("alg") != "HS256" or claims.get("aud") != api_key or not times[0] <= at < times[1]:
        raise ValueError("expired, not yet valid, or for another app")
    return dict(claims)


def _encoded(part: Mapping[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=")


def _signed(head: bytes, api_secret: str) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(api_secret.encode(), head, hashlib.sha256).digest()).rstrip(b"=")


@dataclass(frozen=True)
class Grant:
    """A valid access token: the shop it is for and its scopes."""

    shop: str
    scopes: frozenset[str]


class OAuthError(Exception):
    """An answer of the token endpoint other than a token."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


class Tokens:
    """Issues, rotates and checks offline tokens."""

    def __init__(self, ledger: Ledger, clock: SandboxClock, options: SandboxOptions) -> None:
        self._ledger, self._clock, self._options = ledger, clock, options

    def answer(self, shop: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The token endpoint's answer to a request body. OAuthError with Shopify's codes otherwise."""
        known = (self._options.api_key, self._options.api_secret)
        if (request.get("client_id"), request.get("client_secret")) != known:
            raise OAuthError("invalid_client", "Client authentication failed", 401)
        grant = request.get("grant_type")
        if grant == EXCHANGE:
            return self._exchange(shop, request)
        if grant == "refresh_token":
            return self._refresh(shop, str(request.get("refresh_token") or ""))
        raise OAuthError("unsupported_grant_type", "The grant type is not supported")

    def check(self, shop: str, access: str | None) -> Grant | None:
        """Whose token this is, if it is valid for the shop now; its first use retires the pair before it."""
        row = self._ledger.one("SELECT * FROM tokens WHERE access = ? AND shop = ?", access or "", shop)
        if row is None or row["access_until"] <= self._now():
            return None
        if not row["used"]:
            self._mark_used(access or "")
        return Grant(shop, frozenset(row["scope"].split(",")))

    def expire_access(self, shop: str) -> int:
        """Let every access token of a shop expire now (refresh tokens stay), for tests and the fault page."""
        return self._ledger.run("UPDATE tokens SET access_until = ? WHERE shop = ?", self._now() - 1, shop)

    def revoke(self, shop: str) -> None:
        """The app was uninstalled: nothing of its tokens works any longer."""
        self._ledger.run("DELETE FROM tokens WHERE shop = ?", shop)
        self._ledger.run("DELETE FROM installs WHERE shop = ?", shop)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _mark_used(self, access: str) -> None:
        with self._ledger.transaction() as database:
            database.execute("UPDATE tokens SET used = 1 WHERE access = ?", (access,))
            database.execute("DELETE FROM tokens WHERE replaced_by = ?", (access,))

    def _exchange(self, shop: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("subject_token_type") != ID_TOKEN:
            raise OAuthError("invalid_request", "subject_token_type must be an id token")
        if request.get("requested_token_type") != OFFLINE:
            raise OAuthError("invalid_request", "this stand-in issues offline access tokens only")
        if str(request.get("expiring")) not in {"1", "True", "true"}:
            raise OAuthError("invalid_request", "new public apps must ask for expiring offline tokens (expiring=1)")
        try:
            claims = read_id_token(
                str(request.get("subject_token") or ""),
                api_key=self._options.api_key,
                api_secret=self._options.api_secret,
            )
        except ValueError as error:
            raise OAuthError("invalid_subject_token", "Subject token is invalid or expired") from error
        if claims.get("dest") != f"https://{shop}" or claims.get("iss") != f"https://{shop}/admin":
            raise OAuthError("invalid_subject_token", "Subject token is for another shop")
        scope = ",".join(self._options.scopes)
        self._ledger.run(
            "INSERT INTO installs VALUES (?, ?, ?) ON CONFLICT (shop) DO UPDATE SET scope = excluded.scope",
            shop, scope, self._clock.now().isoformat(),
        )  # fmt: skip
        return self._issue(shop, scope, None)

    def _refresh(self, shop: str, refresh: str) -> dict[str, Any]:
        row = self._ledger.one("SELECT * FROM tokens WHERE refresh = ? AND shop = ?", refresh, shop)
        if row is None or row["refresh_until"] <= self._now():
            raise OAuthError("invalid_grant", "Refresh token is invalid, expired or has been revoked")
        return self._issue(shop, row["scope"], row)

    def _issue(self, shop: str, scope: str, previous: Mapping[str, Any] | None) -> dict[str, Any]:
        now = self._now()
        access, refresh = f"shpat_{secrets.token_hex(16)}", f"shprt_{secrets.token_hex(16)}"
        with self._ledger.transaction() as database:
            if previous:
                database.execute("DELETE FROM tokens WHERE access = ?", (previous["replaced_by"],))
                until = min(previous["refresh_until"], now + REPLACED_SECONDS)
                database.execute(
                    "UPDATE tokens SET replaced_by = ?, refresh_until = ? WHERE access = ?",
                    (access, until, previous["access"]),
                )
            database.execute(
                "INSERT INTO tokens (access, refresh, shop, scope, issued, access_until, refresh_until) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (access, refresh, shop, scope, now, now + ACCESS_SECONDS, now + REFRESH_SECONDS),
            )
        return {
            "access_token": access,
            "scope": scope,
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "refresh_token_expires_in": REFRESH_SECONDS,
        }
