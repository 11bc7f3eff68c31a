"""Only a token that Shopify signed for this app, now, for one shop, opens the door."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from app.errors import NotAuthorised
from app.shopify.session_tokens import verify

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


NOW = int(time.time())
FORGED = {
    "empty": "",
    "no token at all": "hello",
    "two parts": ".".join(signed().split(".")[:2]),
    "oversized": signed(jti="x" * 9_000),
    "another secret": signed("another-secret-of-at-least-thirty-two"),
    "HS512": signed("the-shared-secret-of-at-least-32-bytes" * 2, "HS512"),
    "changed payload": signed()[:-8] + "AAAAAAAA",
    "expired": signed(exp=NOW - 60),
    "no expiry": signed(exp=None),
    "not yet valid": signed(nbf=NOW + 600),
    "no nbf": signed(nbf=None),
    "another app": signed(aud="another-key"),
    "no audience": signed(aud=None),
    "no issuer": signed(iss=None),
    "no destination": signed(dest=None),
    "no subject": signed(sub=None),
    "no jti": signed(jti=None),
    "no sid": signed(sid=None),
    "issuer of another shop": signed(iss="https://other.myshopify.com/admin"),
    "destination of another shop": signed(dest="https://other.myshopify.com"),
    "look-alike host": signed(iss="https://a-shop.myshopify.com.evil.example/admin", dest="https://a-shop.myshopify.com.evil.example"),
    "not Shopify": signed(iss="https://evil.example/admin", dest="https://evil.example"),
    "user in the host": signed(iss="https://a-shop.myshopify.com@evil.example/admin", dest="https://a-shop.myshopify.com@evil.example"),
    "a port": signed(iss="https://a-shop.myshopify.com:444/admin", dest="https://a-shop.myshopify.com:444"),
    "http": signed(iss="http://a-shop.myshopify.com/admin", dest="https://a-shop.myshopify.com"),
    "underscore shop": signed(iss="https://a_shop.myshopify.com/admin", dest="https://a_shop.myshopify.com"),
    "destination is a list": signed(dest=["https://a-shop.myshopify.com"]),
    "destination is a number": signed(dest=7),
}  # fmt: skip
UNSIGNED = jwt.encode(claims(), None, algorithm="none")


class TestVerify:
    def test_a_good_token_names_shop_and_user(self) -> None:
        visitor = verify(signed(), KEY, SECRET)
        assert (visitor.shop, visitor.user) == (SHOP, "42")

    def test_a_few_seconds_of_clock_difference_are_forgiven(self) -> None:
        assert verify(signed(nbf=int(time.time()) + 5), KEY, SECRET).shop == SHOP

    @pytest.mark.parametrize("name", list(FORGED))
    def test_refuses(self, name: str) -> None:
        with pytest.raises(NotAuthorised):
            verify(FORGED[name], KEY, SECRET)

    def test_refuses_an_unsigned_token(self) -> None:
        with pytest.raises(NotAuthorised):
            verify(UNSIGNED, KEY, SECRET)
