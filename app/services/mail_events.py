"""What providers and mailboxes report of messages, and what follows at once: suppression, unsubscribing, a stop.

Every report may come twice and late; its key makes it once only. Nothing here trusts an address in a
report: what a report is about is the message that it names, and its address is the one that was stamped.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.errors import NotFound
from app.mail.delivery import RECIPIENT
from app.services import sending_brakes, unsubscribe
from app.services.shops import context_by_id
from app.store import cap, outbox
from app.store.models.customers import Customer, Suppression
from app.store.models.mail_events import MailEvent
from app.store.models.sending import MAILED, Message
from app.store.models.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()

Kind = Literal["delivered", "opened", "clicked", "bounced", "complained"]
Severity = Literal["hard", "soft"]
SOFT_BOUNCES = 5  # without a delivery between them: the mailbox is as good as gone
# What a server says of an address that will never take mail (RFC 3463): no such mailbox, no such domain, no address,
# moved without a trace, a domain that takes no mail, disabled. Of our sender, the content, a full mailbox or a policy
# it says other things, and a code of three digits alone may mean any of them.
NO_MAILBOX = re.compile(rf"{RECIPIENT}: 5\d\d (5\.1\.(?:1|2|3|6|10)|5\.2\.1)")
LEFT = ("delivered", "bounced", "complained")  # reports that only a message which left can have


@dataclass(frozen=True)
class Report:
    """One thing that became of one message.

    key: the report's own identity; the same key is the same report.
    raw: what the classification was made from, without addresses.
    """

    kind: Kind
    message_id: str
    at: datetime
    key: str
    source: Literal["ses", "report", "smtp", "pixel", "link"]
    severity: Severity | None = None
    machine: bool = False
    link_id: int | None = None
    raw: dict[str, Any] = field(default_factory=dict)


def reference(ctx: ShopContext, message_id: str) -> str:
    """How a message is named to providers, so that their reports find shop and message."""
    return f"{ctx.shop_id}-{message_id}"


def named(rooms: Rooms, name: str) -> tuple[ShopContext, str]:
    """(shop, message id) of a reference. Raises NotFound for what is none of ours."""
    shop_id, _, message_id = name.partition("-")
    if not shop_id.isdecimal() or len(shop_id) > 9 or not message_id:  # noqa: PLR2004 - no int32 is longer
        raise NotFound("There is no such message.")
    return context_by_id(rooms, int(shop_id)), message_id


def shop_of(rooms: Rooms, message_id: str) -> ShopContext:
    """The shop that sent a message, for reports that name nothing but the Message-ID. Raises NotFound."""
    with rooms.store.operator_session(writing=False) as session:
        for shop_id in session.scalars(select(Shop.id).order_by(Shop.id)):  # each by its key: no index knows ids alone
            query = select(Message.id).where(Message.shop_id == shop_id, Message.id == message_id)
            if session.execute(query).first() is not None:
                return context_by_id(rooms, shop_id)
    raise NotFound("There is no such message.")


def record(rooms: Rooms, ctx: ShopContext, report: Report) -> bool:
    """Keep a report and do what follows, in one transaction; False if it was known already.

    Raises NotFound for a message that was never handed over.
    """
    with rooms.store.session(ctx) as session:
        key = {"shop_id": ctx.shop_id, "id": report.message_id}
        message = session.get(Message, key, with_for_update=True, populate_existing=True)
        if message is None or (message.state not in MAILED and message.state != "sending"):
            raise NotFound("There is no such message.")
        now = rooms.store.db_now(session)
        if not _keep(session, ctx, message, report, now):
            return False
        if report.kind in LEFT:
            # It reached the provider, whatever the worker heard: doubt is settled, and only that way.
            outbox.record(session, ctx, now, [outbox.Outcome(message.id, "accepted", f"reported: {report.kind}")])
        _follow(rooms, session, ctx, message, report)
        if report.kind in {"bounced", "complained"}:
            sending_brakes.judge(session, ctx, now)
    log.info("mail_reported", shop_id=ctx.shop_id, kind=report.kind, severity=report.severity, machine=report.machine)
    return True


def refused(rooms: Rooms, ctx: ShopContext, session: Session, outcomes: Iterable[outbox.Outcome]) -> int:
    """Hard bounces that were told at once: addresses that the server refused for good while a message was handed over.

    Each is kept and followed like one that comes by mail later, and counts in the circuit breaker. Call it in the
    transaction that has recorded the outcomes. Returns how many there were.
    """
    told = {
        outcome.message_id: found.group(1)
        for outcome in outcomes
        if outcome.result == "refused" and (found := NO_MAILBOX.fullmatch(outcome.detail))
    }
    if not told:
        return 0
    now = rooms.store.db_now(session)
    kept = 0
    for message_id, status in sorted(told.items()):
        key = {"shop_id": ctx.shop_id, "id": message_id}
        message = session.get(Message, key, with_for_update=True, populate_existing=True)
        if message is None or message.state != "failed":
            continue  # another worker's word was taken
        raw = {"type": "refused", "status": status}
        report = Report("bounced", message_id, now, f"smtp:{ctx.shop_id}:{message_id}", "smtp", "hard", raw=raw)
        if _keep(session, ctx, message, report, now):
            _follow(rooms, session, ctx, message, report)
            kept += 1
    if kept:
        sending_brakes.judge(session, ctx, now)
        log.info("addresses_refused", shop_id=ctx.shop_id, count=kept)
    return kept


def _keep(session: Session, ctx: ShopContext, message: Message, report: Report, now: datetime) -> bool:
    insert: Any = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {
        "shop_id": ctx.shop_id, "id": hashlib.sha256(report.key.encode()).hexdigest(), "message_id": message.id,
        "customer_no": message.customer_no, "campaign_id": message.campaign_id, "kind": report.kind,
        "at": min(report.at, now), "recorded_at": now, "machine": report.machine, "severity": report.severity,
        "link_id": report.link_id, "source": report.source, "raw": report.raw,
    }  # fmt: skip
    made = insert(MailEvent).values(values).on_conflict_do_nothing().returning(MailEvent.id)
    return session.execute(made).first() is not None


def _follow(rooms: Rooms, session: Session, ctx: ShopContext, message: Message, report: Report) -> None:
    evidence = ", ".join(str(report.raw[name]) for name in ("type", "sub_type", "status") if report.raw.get(name))
    if report.kind == "complained":
        _suppress(session, ctx, message, report.at, "complaint", evidence)
        unsubscribe.complained(rooms, session, ctx, message)
    elif report.kind == "bounced" and report.severity == "hard":
        _suppress(session, ctx, message, report.at, "hard_bounce", evidence)
    elif report.kind == "bounced":
        count = _soft_bounces(session, ctx, message.customer_no)
        if count >= SOFT_BOUNCES:
            _suppress(session, ctx, message, report.at, "soft_bounces", f"{count} in a row, last: {evidence}")


def _soft_bounces(session: Session, ctx: ShopContext, customer_no: int) -> int:
    """How many messages to the customer bounced for the time being since one was delivered."""
    own = (MailEvent.shop_id == ctx.shop_id, MailEvent.customer_no == customer_no)
    delivered = select(func.max(MailEvent.at)).where(*own, MailEvent.kind == "delivered").scalar_subquery()
    query = select(func.count(func.distinct(MailEvent.message_id))).where(
        *own,
        MailEvent.kind == "bounced",
        MailEvent.severity == "soft",
        (MailEvent.at > delivered) | (delivered.is_(None)),
    )
    return int(session.execute(query).scalar_one())


def _suppress(session: Session, ctx: ShopContext, message: Message, at: datetime, reason: str, evidence: str) -> None:
    insert: Any = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    for email_hash in sorted(_mailed_addresses(session, ctx, message)):
        values = {
            "shop_id": ctx.shop_id, "email_hash": email_hash, "reason": reason, "at": at,
            "evidence": f"message {message.id}: {evidence or reason}"[:500],
        }  # fmt: skip
        session.execute(insert(Suppression).values(values).on_conflict_do_nothing())


def _mailed_addresses(session: Session, ctx: ShopContext, message: Message) -> set[str]:
    """The hash of the address that the message went to: its stamp says so for a week, the customer after that."""
    stamped = {key[2:] for key in cap.held_by(session, ctx, [message.id]) if key.startswith("e:")}
    if stamped:
        return stamped
    customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": message.customer_no})
    return {customer.email_hash} if customer is not None and customer.email_hash else set()
