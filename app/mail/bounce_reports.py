"""Reports that mail servers send as mail: undelivered messages (RFC 3464) and complaints (RFC 5965).

Anybody can write such a mail. What makes one believable is that it names a message of ours, whose id
nobody knows but its recipient and the servers on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_ID = re.compile(r"<([0-9a-f-]{36})@")
NAMED = re.compile(r"\+(\d{1,9}-[0-9a-f-]{36})@")
STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
# 5.x.x that are about the moment or the sender, not about the mailbox: full (RFC 3463 X.2.2), size, policy, spam.
NOT_THE_MAILBOX = re.compile(r"5\.(2\.[23]|3\.\d+|4\.\d+|7\.\d+)")
ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class BounceReport:
    """What a report says. reference: from the return address; message_id: from the message that it encloses."""

    kind: Literal["bounced", "complained", "delivered"]
    reference: str
    message_id: str
    severity: Literal["hard", "soft"] | None
    status: str | None
    type: str | None


def read(data: bytes) -> BounceReport | None:
    """The report in a mail; None for any other mail: answers, out-of-office notes, delays."""
    mail = message_from_bytes(data[:MAX_BYTES], policy=compat32)
    if mail.get_content_type() != "multipart/report":
        return None
    parts = list(mail.walk())
    reference, message_id = _named(mail), _enclosed(parts)
    if not reference and not message_id:
        return None
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            kind = (_field(part, "Feedback-Type") or "").lower()
            return BounceReport("complained", reference, message_id, None, None, kind) if kind == "abuse" else None
        if part.get_content_type() == "message/delivery-status":
            return _delivery_status(part, reference, message_id)
    return None


def _delivery_status(part: Message, reference: str, message_id: str) -> BounceReport | None:
    action = (_field(part, "Action") or "").lower()
    status = STATUS.search(_field(part, "Status") or "") or STATUS.search(_field(part, "Diagnostic-Code") or "")
    code = status.group(0) if status else None
    if action in {"delivered", "relayed", "expanded"}:
        return BounceReport("delivered", reference, message_id, None, code, action)
    if action != "failed":
        return None  # delayed: the server still tries
    hard = code is not None and code.startswith("5") and not NOT_THE_MAILBOX.fullmatch(code)
    return BounceReport("bounced", reference, message_id, "hard" if hard else "soft", code, action)


def _field(part: Message, name: str) -> str | None:
    """A field of a report, whose groups of fields stand as messages of their own."""
    inner = part.get_payload()
    groups = [group for group in inner if isinstance(group, Message)] if isinstance(inner, list) else [part]
    return next((str(group[name]).strip() for group in groups if group[name]), None)


def _named(mail: Message) -> str:
    values = (str(value) for name in ADDRESSED for value in mail.get_all(name, []))
    found = next((match for value in values if (match := NAMED.search(value))), None)
    return found.group(1) if found else ""


def _enclosed(parts: list[Message]) -> str:
    """The Message-ID of the message that came back, or of what was left of it."""
    for text in _original_headers(parts):
        found = OWN_ID.search(text)
        if found:
            return found.group(1)
    return ""


def _original_headers(parts: list[Message]) -> Iterator[str]:
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                yield str(inner[0].get("Message-ID", ""))
        elif kind == "text/rfc822-headers":
            body = part.get_payload(decode=True)
            if isinstance(body, bytes):
                yield str(message_from_bytes(body, policy=compat32).get("Message-ID", ""))
