"""Signed tokens in mailed links: one salt per purpose, so that no token works for another."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Any, Literal

import orjson
from itsdangerous import BadData, URLSafeSerializer
from itsdangerous.encoding import base64_encode

Purpose = Literal["unsubscribe", "undo", "view", "click", "confirm", "open"]


class Tokens:
    """Makes and reads tokens. secret: derived from the pepper (Vault.keyed_hash), stable over key rotation.

    They do not expire by themselves: an unsubscribe link has to work for as long as the mail exists.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def make(self, purpose: Purpose, value: list[Any]) -> str:
        """A URL-safe token of a few ids; it is signed, not sealed: no personal data."""
        # What the library's own `dumps` makes of so short a value, in a tenth of the time: every message has
        # several, and `dumps` would try to compress each and derive its key anew.
        payload: bytes = base64_encode(orjson.dumps(value))
        signing = _key(self._secret, purpose).copy()
        signing.update(payload)
        return (payload + b"." + base64_encode(signing.digest())).decode("ascii")

    def read(self, purpose: Purpose, token: str, length: int) -> list[Any] | None:
        """What a token of this purpose holds; None if it is not ours, tampered with, or of another shape."""
        try:
            value = _serializer(self._secret, purpose).loads(token)
        except BadData:
            return None
        return value if isinstance(value, list) and len(value) == length else None


@lru_cache(maxsize=64)
def _serializer(secret: str, purpose: Purpose) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=f"encore.{purpose}")


@lru_cache(maxsize=64)
def _key(secret: str, purpose: Purpose) -> hmac.HMAC:
    """An HMAC under the key that the library signs tokens of this purpose with, to be copied."""
    serializer = _serializer(secret, purpose)
    return hmac.new(serializer.make_signer(serializer.salt).derive_key(), digestmod=hashlib.sha1)
