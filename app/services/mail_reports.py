"""Taking in reports: notifications of SES, and mails in the bounce mailbox."""

from __future__ import annotations

import imaplib
from typing import TYPE_CHECKING, Literal

import structlog

from app.errors import NotFound
from app.mail import bounce_reports, ses_events
from app.mail.mailbox import open_mailbox
from app.services import mail_events
from app.services.mail_events import Report

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.mail.mailbox import Mailbox
    from app.mail.sns import Notification
    from app.services.rooms import Rooms

log = structlog.get_logger()

Taken = Literal["kept", "known", "ignored"]


def take_notification(rooms: Rooms, notification: Notification) -> Taken:
    """Keep what a genuine notification says. Raises NotFound for a message that is none of ours."""
    event = ses_events.read(notification.message)
    if event is None:
        return "ignored"
    ctx, message_id = _whose(rooms, event.reference, event.message_id)
    key = f"sns:{notification.message_id}"
    report = Report(
        event.kind, message_id, event.at, key, "ses", event.severity, raw={**event.raw, "sns": notification.message_id}
    )
    return "kept" if mail_events.record(rooms, ctx, report) else "known"


def read_mailbox(rooms: Rooms, box: Mailbox | None = None) -> dict[Taken | Literal["foreign"], int]:
    """Handle all mails in the bounce mailbox, if there is one; returns how many ended how.

    A mail that can't be handled now stays for the next visit; one that names no message of ours is done with.
    """
    counts: dict[Taken | Literal["foreign"], int] = {}
    url = rooms.settings.bounce_mailbox.get_secret_value()
    if box is None and not url:
        return counts
    try:
        opened = box or open_mailbox(url)
    except (OSError, imaplib.IMAP4.error) as fault:
        log.warning("bounce_mailbox_away", kind=type(fault).__name__)
        return counts
    try:
        for key, data in opened.waiting():
            ended = _take_mail(rooms, data)
            counts[ended] = counts.get(ended, 0) + 1
            opened.done(key)
    except (OSError, imaplib.IMAP4.error) as fault:
        log.warning("bounce_mailbox_away", kind=type(fault).__name__)
    finally:
        opened.close()
    if counts:
        log.info("bounce_mailbox_read", **counts)
    return counts


def _take_mail(rooms: Rooms, data: bytes) -> Taken | Literal["foreign"]:
    found = bounce_reports.read(data)
    if found is None:
        return "ignored"
    try:
        ctx, message_id = _whose(rooms, found.reference, found.message_id)
        # One server reports one ending of one message, however often the mail comes.
        key = f"report:{ctx.shop_id}:{message_id}:{found.kind}:{found.severity}:{found.status}"
        raw = {"type": found.type, "status": found.status}
        report = Report(found.kind, message_id, rooms.clock.now(), key, "report", found.severity, raw=raw)
        return "kept" if mail_events.record(rooms, ctx, report) else "known"
    except NotFound:
        return "foreign"


def _whose(rooms: Rooms, reference: str, message_id: str) -> tuple[ShopContext, str]:
    if reference:
        return mail_events.named(rooms, reference)
    if not message_id:
        raise NotFound("There is no such message.")
    return mail_events.shop_of(rooms, message_id), message_id
