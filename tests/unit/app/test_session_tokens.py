"""Only a token that Shopify signed for this app, now, for one shop, opens the door."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from app.errors import NotAuthorised
from app.shopify.session_tokens import verify

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, SECRET = "the-api-key", "the-shared-secret-of-at-least-32-bytes"
SHOP = "a-shop.myshopify.com"


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": f"https://{SHOP}/admin", "dest": f"https://{SHOP}", "aud": KEY, "sub": "42", "exp": now + 60,
        "nbf": now - 1, "iat": now - 1, "jti": "j", "sid": "s",
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


def with_payload_of(token: str, other: str) -> str:
    head, _, signature = token.split(".")
    return ".".join((head, other.split(".")[1], signature))


def with_other_signature(token: str) -> str:
    head, payload, signature = token.split(".")
    return ".".join((head, payload, ("B" if signature[0] == "A" else "A") + signature[1:]))


# Minted when a test asks: a token lives a minute, and a stale one would be refused for that alone.
FORGED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no token at all": lambda: "hello",
    "two parts": lambda: ".".join(signed().split(".")[:2]),
    "oversized": lambda: signed(jti="x" * 9_000),
    "another secret": lambda: signed("another-secret-of-at-least-thirty-two"),
    "HS512": lambda: signed("the-shared-secret-of-at-least-32-bytes" * 2, "HS512"),
    "changed payload": lambda: with_payload_of(signed(), signed(sub="43")),
    "changed signature": lambda: with_other_signature(signed()),
    "expired": lambda: signed(exp=int(time.time()) - 60),
    "no expiry": lambda: signed(exp=None),
    "not yet valid": lambda: signed(nbf=int(time.time()) + 600),
    "no nbf": lambda: signed(nbf=None),
    "another app": lambda: signed(aud="another-key"),
    "no audience": lambda: signed(aud=None),
    "no issuer": lambda: signed(iss=None),
    "no destination": lambda: signed(dest=None),
    "no subject": lambda: signed(sub=None),
    "no jti": lambda: signed(jti=None),
    "no sid": lambda: signed(sid=None),
    "issuer of another shop": lambda: signed(iss="https://other.myshopify.com/admin"),
    "destination of another shop": lambda: signed(dest="https://other.myshopify.com"),
    "look-alike host": lambda: signed(iss="https://a-shop.myshopify.com.evil.example/admin", dest="https://a-shop.myshopify.com.evil.example"),
    "not Shopify": lambda: signed(iss="https://evil.example/admin", dest="https://evil.example"),
    "user in the host": lambda: signed(iss="https://a-shop.myshopify.com@evil.example/admin", dest="https://a-shop.myshopify.com@evil.example"),
    "a port": lambda: signed(iss="https://a-shop.myshopify.com:444/admin", dest="https://a-shop.myshopify.com:444"),
    "http": lambda: signed(iss="http://a-shop.myshopify.com/admin", dest="https://a-shop.myshopify.com"),
    "underscore shop": lambda: signed(iss="https://a_shop.myshopify.com/admin", dest="https://a_shop.myshopify.com"),
    "destination is a list": lambda: signed(dest=["https://a-shop.myshopify.com"]),
    "destination is a number": lambda: signed(dest=7),
    "unsigned": lambda: jwt.encode(claims(), None, algorithm="none"),
}  # fmt: skip


class TestVerify:
    def test_a_good_token_names_shop_and_user(self) -> None:
        visitor = verify(signed(), KEY, SECRET)
        assert (visitor.shop, visitor.user) == (SHOP, "42")

    def test_a_few_seconds_of_clock_difference_are_forgiven(self) -> None:
        assert verify(signed(nbf=int(time.time()) + 5), KEY, SECRET).shop == SHOP

    @pytest.mark.parametrize("name", list(FORGED))
    def test_refuses(self, name: str) -> None:
        with pytest.raises(NotAuthorised):
            verify(FORGED[name](), KEY, SECRET)
