"""What SES says of messages, in its two shapes: event publishing, and the older feedback notifications.

Reference: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
and https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from app.mail.ses import TAG

STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
OWN_ID = re.compile(r"<?([0-9a-f-]{36})@")
KINDS: dict[str, Literal["delivered", "bounced", "complained"]] = {
    "delivery": "delivered",
    "bounce": "bounced",
    "complaint": "complained",
}


@dataclass(frozen=True)
class SesEvent:
    """One event. reference: the tag we gave, or empty; message_id: ours, from the header, or empty."""

    kind: Literal["delivered", "bounced", "complained"]
    reference: str
    message_id: str
    at: datetime
    severity: Literal["hard", "soft"] | None
    raw: dict[str, Any]


def read(message: str) -> SesEvent | None:
    """The event in a notification; None for one that says nothing we keep, or that can't be read."""
    try:
        told: Any = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    name = str(told.get("eventType") or told.get("notificationType") or "").lower()
    kind = KINDS.get(name)
    about, mail = told.get(name), told.get("mail")
    if kind is None or not isinstance(about, dict) or not isinstance(mail, dict):
        return None
    severity: Literal["hard", "soft"] | None = None
    raw: dict[str, Any] = {"event": name}
    if kind == "bounced":
        # "Undetermined" is no proof that the mailbox is gone.
        severity = "hard" if about.get("bounceType") == "Permanent" else "soft"
        raw |= {"type": _word(about.get("bounceType")), "sub_type": _word(about.get("bounceSubType"))}
        raw["status"] = _status(about)
    elif kind == "complained":
        raw |= {"type": _word(about.get("complaintFeedbackType")), "sub_type": _word(about.get("complaintSubType"))}
    return SesEvent(kind, _reference(mail), _message_id(mail), _instant(about, mail), severity, raw)


def _status(bounce: dict[str, Any]) -> str | None:
    """The enhanced status code (RFC 3463): of the recipient, or within the diagnostic, which also repeats addresses."""
    recipients = bounce.get("bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients and isinstance(recipients[0], dict) else {}
    found = STATUS.search(f"{first.get('status') or ''} {first.get('diagnosticCode') or ''}")
    return found.group(1) if found else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z-]{1,40}", value) else None


def _reference(mail: dict[str, Any]) -> str:
    tags = mail.get("tags")
    values = tags.get(TAG) if isinstance(tags, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _message_id(mail: dict[str, Any]) -> str:
    common, headers = mail.get("commonHeaders"), mail.get("headers")
    texts = [common.get("messageId")] if isinstance(common, dict) else []
    listed = [header for header in headers if isinstance(header, dict)] if isinstance(headers, list) else []
    texts += [header.get("value") for header in listed if str(header.get("name", "")).lower() == "message-id"]
    found = next((match for text in texts if isinstance(text, str) and (match := OWN_ID.search(text))), None)
    return found.group(1) if found else ""


def _instant(about: dict[str, Any], mail: dict[str, Any]) -> datetime:
    for told in (about.get("timestamp"), mail.get("timestamp")):
        try:
            at = datetime.fromisoformat(str(told))
        except ValueError:
            continue
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return datetime.now(UTC)
