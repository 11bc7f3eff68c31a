"""Sealing personal data and vendor tokens, and the keyed hash that addresses are found by."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.addresses import normal_address

NONCE_BYTES = 12  # the length that AES-GCM is specified for (NIST SP 800-38D)
KEY_ID_BYTES = 1


class CannotUnseal(Exception):
    """The blob was sealed for another shop or subject, under a lost key, or was changed."""


class Vault:
    """AES-256-GCM under a key ring: the newest key seals, every key opens.

    keys:   key number (1..255) → 32 bytes.
    pepper: secret of the address hash; changing it orphans every stored hash.
    """

    def __init__(self, keys: dict[int, bytes], pepper: bytes) -> None:
        if not keys:
            raise ValueError("the key ring is empty")
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._newest = max(keys)
        self._keyed = hmac.new(pepper, digestmod=hashlib.sha256)  # copied for each hash: half the work is the key's

    def seal(self, shop_id: int, subject: str, value: dict[str, Any]) -> bytes:
        """Encrypt `value` so that it opens only for the same shop and subject."""
        return self.seal_bytes(shop_id, subject, orjson.dumps(value))

    def seal_bytes(self, shop_id: int, subject: str, content: bytes) -> bytes:
        """The same for bytes as they are."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, content, _associated(shop_id, subject))
        return bytes([self._newest]) + nonce + sealed

    def open(self, shop_id: int, subject: str, blob: bytes) -> dict[str, Any]:
        """Decrypt what `seal` made. Raises CannotUnseal."""
        value: dict[str, Any] = orjson.loads(self.open_bytes(shop_id, subject, blob))
        return value

    def open_bytes(self, shop_id: int, subject: str, blob: bytes) -> bytes:
        """Decrypt what `seal_bytes` made. Raises CannotUnseal."""
        cipher = self._ciphers.get(blob[0]) if blob else None
        if cipher is None:
            raise CannotUnseal("no key of the ring opens this")
        nonce, sealed = blob[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES], blob[KEY_ID_BYTES + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, _associated(shop_id, subject))
        except InvalidTag as fault:
            raise CannotUnseal("sealed for another shop or subject, or changed") from fault

    def email_hash(self, address: str) -> str:
        """HMAC-SHA256 of the address in its one spelling, in hex. Works for any text."""
        return self.keyed_hash(normal_address(address))

    def keyed_hash(self, text: str) -> str:
        """HMAC-SHA256 of any text under the pepper, in hex."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.hexdigest()


def _associated(shop_id: int, subject: str) -> bytes:
    return f"{shop_id}|{subject}".encode()


def customer_subject(customer_no: int) -> str:
    """The vault subject of a customer's contact blob."""
    return f"customer:{customer_no}"
