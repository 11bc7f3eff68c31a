"""Notifications of Amazon SNS: from our topics, fresh and unaltered, or refused.

Reference: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
The certificate's address comes from the message itself, so it is only fetched from Amazon's own hosts,
over TLS, without following redirects.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?")
CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]+\.pem")
MAX_AGE = timedelta(hours=1)
AHEAD = timedelta(minutes=5)  # what clocks may differ
SECONDS = 5.0
MAX_BYTES = 1 << 18  # SNS sends at most 256 KB
MAX_CERTIFICATE_BYTES = 1 << 14
SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


class NotGenuine(Exception):
    """Not a notification that we take; the text says why and repeats nothing of it."""


class Fetch(Protocol):
    """How certificates and confirmations are fetched."""

    def __call__(self, url: str) -> bytes:
        """The body of a 200 answer. Raises NotGenuine for any other ending."""
        ...


@dataclass(frozen=True)
class Notification:
    """A genuine one. message: of a notification, what SES says; subscribe_url: where to confirm a subscription."""

    kind: Literal["Notification", "SubscriptionConfirmation"]
    message_id: str
    topic: str
    at: datetime
    message: str
    subscribe_url: str | None


def fetch(url: str) -> bytes:
    """Over TLS, in a few seconds, from where it is asked and nowhere else."""
    try:
        with httpx.Client(timeout=SECONDS, follow_redirects=False) as client, client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise NotGenuine(f"the address answered {answer.status_code}")
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_CERTIFICATE_BYTES:
                    raise NotGenuine("the address answered more than was asked for")
            return body
    except httpx.HTTPError as fault:
        raise NotGenuine(f"the address did not answer: {type(fault).__name__}") from fault


class Verifier:
    """Opens notifications. topics: the ARNs that we take; certificates are kept, by address."""

    def __init__(self, topics: Collection[str], fetch_: Fetch = fetch) -> None:
        self._topics, self._fetch = topics, fetch_
        self._keys: dict[str, rsa.RSAPublicKey] = {}

    def open(self, body: bytes, now: datetime) -> Notification:
        """The notification in a request's body. Raises NotGenuine."""
        told = _fields(body)
        kind = told.get("Type", "")
        if kind not in SIGNED:
            raise NotGenuine("it is of a kind that is not taken")
        if told.get("TopicArn") not in self._topics:
            raise NotGenuine("it is of another topic")
        at = _instant(told.get("Timestamp", ""))
        if not now - MAX_AGE <= at <= now + AHEAD:
            raise NotGenuine("it is too old")
        self._verify(told, kind)
        subscribe_url = told.get("SubscribeURL")
        if kind == "SubscriptionConfirmation" and not _is_amazons(subscribe_url or ""):
            raise NotGenuine("its confirmation leads elsewhere")
        return Notification(
            "Notification" if kind == "Notification" else "SubscriptionConfirmation",
            told.get("MessageId", ""),
            told["TopicArn"],
            at,
            told.get("Message", ""),
            subscribe_url,
        )

    def confirm(self, notification: Notification) -> None:
        """Say yes to a subscription of one of our topics. Raises NotGenuine if that does not work."""
        if notification.subscribe_url is not None:
            self._fetch(notification.subscribe_url)

    def _verify(self, told: Mapping[str, str], kind: str) -> None:
        algorithm = HASHES.get(told.get("SignatureVersion", ""))
        if algorithm is None:
            raise NotGenuine("it is signed in a way that is not known")
        signed = "".join(f"{name}\n{told[name]}\n" for name in SIGNED[kind] if name in told)
        try:
            signature = base64.b64decode(told.get("Signature", ""), validate=True)
            self._key(told.get("SigningCertURL", "")).verify(
                signature, signed.encode(), padding.PKCS1v15(), algorithm()
            )
        except (binascii.Error, InvalidSignature) as fault:
            raise NotGenuine("its signature is wrong") from fault

    def _key(self, url: str) -> rsa.RSAPublicKey:
        if not _is_amazons(url) or not CERTIFICATE.fullmatch(urlsplit(url).path):
            raise NotGenuine("its certificate lies elsewhere")
        if url not in self._keys:
            try:
                certificate = x509.load_pem_x509_certificate(self._fetch(url))
            except ValueError as fault:
                raise NotGenuine("its certificate is none") from fault
            key = certificate.public_key()
            now = datetime.now(UTC)
            valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
            if not isinstance(key, rsa.RSAPublicKey) or not valid:
                raise NotGenuine("its certificate is not valid")
            self._keys[url] = key
        return self._keys[url]


def _fields(body: bytes) -> dict[str, str]:
    if len(body) > MAX_BYTES:
        raise NotGenuine("it is too large")
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise NotGenuine("it is no JSON") from fault
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise NotGenuine("it is no notification")
    return told


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as fault:
        raise NotGenuine("it has no time") from fault
    if at.tzinfo is None:
        raise NotGenuine("it has no time zone")
    return at


def _is_amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and parts.username is None
        and port in {None, 443}
        and HOST.fullmatch(parts.hostname or "") is not None
    )
