"""Signed tokens in mailed links: one salt per purpose, so that no token works for another."""

from __future__ import annotations

from typing import Any, Literal

from itsdangerous import BadData, URLSafeSerializer

Purpose = Literal["unsubscribe", "undo", "view", "click", "confirm", "open"]


class Tokens:
    """Makes and reads tokens. secret: derived from the pepper (Vault.keyed_hash), stable over key rotation.

    They do not expire by themselves: an unsubscribe link has to work for as long as the mail exists.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def make(self, purpose: Purpose, value: list[Any]) -> str:
        """A URL-safe token of a few ids; it is signed, not sealed: no personal data."""
        return str(self._serializer(purpose).dumps(value))

    def read(self, purpose: Purpose, token: str, length: int) -> list[Any] | None:
        """What a token of this purpose holds; None if it is not ours, tampered with, or of another shape."""
        try:
            value = self._serializer(purpose).loads(token)
        except BadData:
            return None
        return value if isinstance(value, list) and len(value) == length else None

    def _serializer(self, purpose: Purpose) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt=f"encore.{purpose}")
