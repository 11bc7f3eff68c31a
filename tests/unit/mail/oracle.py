"""The standard library's own composer: slow, and the measure of ours."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.mail.mime import Mail

POLICY = SMTP.clone(cte_type="7bit")


def compose(mail: Mail) -> bytes:
    """The message as `email.message.EmailMessage` makes it."""
    message = EmailMessage(policy=POLICY)
    message["From"] = Address(display_name=mail.from_name, addr_spec=mail.from_address)
    message["To"] = Address(addr_spec=mail.to_address)
    if mail.reply_to:
        message["Reply-To"] = Address(addr_spec=mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.date)
    message["Message-ID"] = f"<{mail.message_id}@{mail.message_domain}>"
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(mail.text, cte="base64")
    message.add_alternative(mail.html, subtype="html", cte="base64")
    return message.as_bytes()
