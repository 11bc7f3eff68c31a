"""From a rendered message to the bytes that a mail server takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from app.domain.addresses import mail_address
from app.mail.transport import Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UNSUBSCRIBE_URL = re.compile(r"https?://[A-Za-z0-9._~:/?=&%+\-\[\]]{1,900}")
POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)


@dataclass(frozen=True)
class Mail:
    """Everything that a message's bytes are made of.

    from_address must be a verified sender's, or the installation's own.
    message_id: left side of the Message-ID; message_domain: its right side.
    unsubscribe_url: adds the one-click headers of RFC 8058; None only for mail that is no campaign's.
    """

    from_name: str
    from_address: str
    to_address: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    message_id: str
    message_domain: str
    date: datetime
    unsubscribe_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def pack(mail: Mail) -> Envelope:
    """The message in its envelope, both with the same addresses. Raises ValueError as `build` does."""
    return Envelope(mail_address(mail.from_address), mail_address(mail.to_address), build(mail), mail.message_id)


def build(mail: Mail) -> bytes:
    """The message in CRLF lines, 7-bit clean. Raises ValueError on a line break in a header or an address."""
    message = EmailMessage(policy=POLICY)
    message["From"] = Address(display_name=_header(mail.from_name), addr_spec=_address(mail.from_address))
    message["To"] = Address(addr_spec=_address(mail.to_address))
    if mail.reply_to:
        message["Reply-To"] = Address(addr_spec=_address(mail.reply_to))
    message["Subject"] = _header(mail.subject)
    message["Date"] = format_datetime(mail.date)
    message["Message-ID"] = f"<{mail.message_id}@{mail.message_domain}>"
    for name, value in mail.headers.items():
        message[name] = _header(value)
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return _one_click(mail.unsubscribe_url) + message.as_bytes()


def _one_click(url: str | None) -> bytes:
    # By hand: the library would wrap a long address into encoded words, which no mailbox provider
    # reads as a link. RFC 5322 allows lines of 998.
    if url is None:
        return b""
    if not UNSUBSCRIBE_URL.fullmatch(url):
        raise ValueError("the unsubscribe link is no plain web address")
    return f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()


def _header(value: str) -> str:
    if len(value.splitlines()) > 1:
        raise ValueError("a header holds no line break")
    return value


def _address(text: str) -> str:
    return mail_address(_header(text))
