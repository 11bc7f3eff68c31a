"""Senders: who campaigns come from, confirmed by a link before anything leaves in their name."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select, update

from app.domain.mailboxes import family_of
from app.errors import Conflict, EncoreError, Invalid, NotFound, Unavailable
from app.mail.mime import Mail, pack
from app.mail.render import CONTROL
from app.mail.tokens import Tokens
from app.mail.transport import always
from app.services import sender_domains
from app.services.shops import context_by_id
from app.store.counters import allocate
from app.store.models.campaigns import Campaign
from app.store.models.senders import OperationalMail, Sender
from app.store.outbox import new_id

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain import sender_domain
    from app.domain.context import ShopContext
    from app.mail.transport import Envelope
    from app.services.rooms import Rooms
    from app.store.crypto import Vault

log = structlog.get_logger()

LINK_LIFETIME = timedelta(hours=72)
RATIONS: dict[str, int] = {"confirmation": 5, "test": 20}  # per shop and hour
# Their DMARC policy refuses mail that others send in their name, so it goes out from our own address.
FREE_MAIL = frozenset(
    [
        "bk.ru", "freenet.de", "gmail.com", "googlemail.com", "icloud.com", "inbox.ru", "libero.it", "list.ru",
        "mac.com", "mail.com", "mail.ru", "me.com", "msn.com", "naver.com", "orange.fr", "proton.me",
        "protonmail.com", "qq.com", "rocketmail.com", "t-online.de", "web.de", "ymail.com", "zoho.com",
    ]
)  # fmt: skip
# These have an address in almost every country: yahoo.fr, yahoo.co.jp, hotmail.co.uk, live.com.mx.
FREE_MAIL_FAMILIES = frozenset(["aol", "gmx", "hotmail", "live", "outlook", "yahoo", "yandex"])
NON_ASCII_LOCAL_PART = "Few mail servers take addresses with letters outside ASCII before the @."
REQUIRED = ("display_name", "from_address", "company", "postal_address")
NAMES = {
    "display_name": "name that customers see",
    "from_address": "from address",
    "company": "company",
    "postal_address": "postal address",
}


class TooMany(EncoreError):
    """The ration of the hour is used up."""

    status = 429
    code = "too_many"


@dataclass(frozen=True)
class NewSender:
    """A sender to make."""

    display_name: str
    from_address: str
    reply_to: str | None
    company: str
    postal_address: str


@dataclass(frozen=True)
class DomainChecks:
    """What the name system said of the domain that mail is from, at the last look."""

    spf: sender_domain.State
    dkim: sender_domain.State
    dmarc: sender_domain.State


@dataclass(frozen=True)
class UsedBy:
    """A campaign that sends from it."""

    id: str
    name: str | None


@dataclass(frozen=True)
class SenderView:
    """A sender as pages show it."""

    id: str
    display_name: str
    from_address: str
    reply_to: str | None
    company: str
    postal_address: str
    is_default: bool
    state: Literal["unverified", "pending", "verified", "expired"]
    verified_at: datetime | None
    verification_sent_at: datetime | None
    verification_expires_at: datetime | None
    on_behalf: bool
    header_from: str
    domain_checks: DomainChecks
    used_by: list[UsedBy]


@dataclass(frozen=True)
class Confirmation:
    """What the confirmation page shows."""

    state: Literal["open", "confirmed", "used", "expired"]
    from_address: str
    shop_domain: str


def tokens(rooms: Rooms) -> Tokens:
    """The tokens of mailed links; their key hangs on the pepper, so it survives a rotation of the vault's keys."""
    return _tokens(rooms.vault)


@lru_cache(maxsize=8)  # every message asks several times
def _tokens(vault: Vault) -> Tokens:
    return Tokens(vault.keyed_hash("tokens of mailed links"))


def mail_domain(rooms: Rooms) -> str:
    """The installation's own mail domain: the public address's host, or a made-up one if that is a number."""
    return _mail_domain(rooms.settings.public_url)


@lru_cache(maxsize=8)  # every message asks
def _mail_domain(public_url: str) -> str:
    host = urlsplit(public_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host if "." in host else "encore.localhost"
    return "encore.localhost"


def is_verified(sender: Sender) -> bool:
    """Whether mail may leave in its name: the address that was confirmed is the one it has."""
    return sender.verified_at is not None and sender.verified_address == sender.from_address


def header_from(rooms: Rooms, sender: Sender) -> tuple[str, str]:
    """(name, address) of the From header; a free-mail address goes out from ours, on its behalf."""
    if _is_free_mail(sender.from_address):
        return f"{sender.display_name} via Encore", f"no-reply@{mail_domain(rooms)}"
    return sender.display_name, sender.from_address


def reply_to(sender: Sender) -> str | None:
    """Where answers go; None: to the From address."""
    return sender.reply_to or (sender.from_address if _is_free_mail(sender.from_address) else None)


def listing(rooms: Rooms, ctx: ShopContext) -> list[SenderView]:
    """All senders of the shop, the default first."""
    with rooms.store.reading(ctx) as session:
        query = select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.deleted_at.is_(None))
        rows = session.scalars(query.order_by(Sender.is_default.desc(), Sender.id)).all()
        return [_view(rooms, ctx, session, row) for row in rows]


def create(rooms: Rooms, ctx: ShopContext, new: NewSender) -> SenderView:
    """Save a sender; the first one is the default. Mails its address a confirmation link, ration permitting."""
    values = _checked(rooms, vars(new))
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        number = allocate(session, ctx.shop_id, "senders")
        others = _default(session, ctx)
        session.add(
            Sender(
                shop_id=ctx.shop_id,
                id=number,
                is_default=others is None,
                link_no=0,
                created_at=now,
                updated_at=now,
                **values,
            )
        )
    try:
        return send_verification(rooms, ctx, f"snd_{number}")
    except (TooMany, Unavailable):
        return one(rooms, ctx, f"snd_{number}")  # saved all the same; the page offers to send the link


def one(rooms: Rooms, ctx: ShopContext, sender_id: str) -> SenderView:
    """One sender. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        return _view(rooms, ctx, session, find(session, ctx, sender_id))


def change(rooms: Rooms, ctx: ShopContext, sender_id: str, changes: dict[str, Any]) -> SenderView:
    """Change what is given. Another from address is unverified until its own link is confirmed."""
    with rooms.store.session(ctx) as session:
        sender = find(session, ctx, sender_id)
        before = {name: getattr(sender, name) for name in (*REQUIRED, "reply_to")}
        given = {name: value for name, value in changes.items() if value is not None or name == "reply_to"}
        for name, value in _checked(rooms, before | given).items():
            setattr(sender, name, value)
        if sender.from_address != before["from_address"]:
            sender.verified_at = sender.verified_address = sender.link_sent_at = None
            sender.link_no += 1  # a link to the old address confirms nothing any more
        sender.updated_at = rooms.clock.now()
        session.flush()
        return _view(rooms, ctx, session, sender)


def delete(rooms: Rooms, ctx: ShopContext, sender_id: str) -> None:
    """Delete a sender; the oldest other becomes the default. Conflict while an active campaign uses it."""
    with rooms.store.session(ctx) as session:
        sender = find(session, ctx, sender_id)
        users = [row.name or "unnamed" for row in _users(session, sender) if row.state == "active"]
        if users:
            raise Conflict(f"Active campaigns send from this address: {', '.join(users)}. Pause them first.")
        sender.deleted_at = rooms.clock.now()
        was_default, sender.is_default = sender.is_default, False
        session.flush()
        if was_default:
            query = select(Sender).where(Sender.shop_id == ctx.shop_id, Sender.deleted_at.is_(None))
            heir = session.scalars(query.order_by(Sender.id).limit(1)).first()
            if heir is not None:
                heir.is_default = True


def make_default(rooms: Rooms, ctx: ShopContext, sender_id: str) -> SenderView:
    """Make this the sender that new campaigns start with."""
    with rooms.store.session(ctx) as session:
        sender = find(session, ctx, sender_id)
        session.execute(update(Sender).where(Sender.shop_id == ctx.shop_id).values(is_default=False))
        sender.is_default = True
        session.flush()
        return _view(rooms, ctx, session, sender)


def send_verification(rooms: Rooms, ctx: ShopContext, sender_id: str) -> SenderView:
    """Mail a fresh confirmation link; older ones stop working.

    Raises Conflict if it is verified already, TooMany above five mails an hour, Unavailable if the
    mail server did not take it.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        sender = find(session, ctx, sender_id)
        if is_verified(sender):
            raise Conflict("This address is verified already.")
        ration(session, ctx, now, "confirmation")
        sender.link_no += 1
        sender.link_sent_at = now
        link_no, address = sender.link_no, sender.from_address
    token = tokens(rooms).make("confirm", [ctx.shop_id, int(sender_id.removeprefix("snd_")), link_no])
    url = f"{rooms.settings.public_url.rstrip('/')}/senders/confirm/{token}"
    delivery = rooms.transport.deliver(_confirmation_mail(rooms, ctx, address, url, now), always)
    log.info("confirmation_sent", shop_id=ctx.shop_id, sender=sender_id, result=delivery.result)
    if delivery.result in {"refused", "not_accepted"}:
        raise Unavailable(
            "The mail server did not take the confirmation mail. The sender is kept; send it again later."
        )
    return one(rooms, ctx, sender_id)


def look_at_link(rooms: Rooms, token: str) -> Confirmation:
    """What a confirmation link stands for; changes nothing. Raises NotFound for a token that is not ours."""
    ctx, sender_no, link_no = _read_link(rooms, token)
    with rooms.store.reading(ctx) as session:
        return _state_of_link(rooms, ctx, find(session, ctx, f"snd_{sender_no}"), link_no)


def confirm(rooms: Rooms, token: str) -> Confirmation:
    """Verify the address that a link was mailed to, once. Raises NotFound for a token that is not ours."""
    ctx, sender_no, link_no = _read_link(rooms, token)
    with rooms.store.session(ctx) as session:
        sender = find(session, ctx, f"snd_{sender_no}")
        found = _state_of_link(rooms, ctx, sender, link_no)
        if found.state != "open":
            return found
        sender.verified_at = rooms.clock.now()
        sender.verified_address = sender.from_address
        sender.link_no += 1
        domain = header_from(rooms, sender)[1].rpartition("@")[2].lower()
    log.info("sender_verified", shop_id=ctx.shop_id, sender=sender_no)
    rooms.jobs.enqueue(ctx, sender_domains.JOB, domain)
    return Confirmation("confirmed", sender.from_address, ctx.domain)


def ration(session: Session, ctx: ShopContext, now: datetime, kind: str, count: int = 1) -> None:
    """Take `count` of the hour's operational mails of a kind. Raises TooMany."""
    recent = select(func.count()).where(
        OperationalMail.shop_id == ctx.shop_id,
        OperationalMail.kind == kind,
        OperationalMail.sent_at > now - timedelta(hours=1),
    )
    if session.execute(recent).scalar_one() + count > RATIONS[kind]:
        raise TooMany(f"At most {RATIONS[kind]} {kind} mails an hour. Try again later.")
    session.add_all(OperationalMail(shop_id=ctx.shop_id, kind=kind, sent_at=now) for _ in range(count))


def find(session: Session, ctx: ShopContext, sender_id: str) -> Sender:
    """The row of `snd_<int>`. Raises NotFound."""
    number = sender_id.removeprefix("snd_")
    key = {"shop_id": ctx.shop_id, "id": int(number)} if number.isdecimal() else None
    sender = session.get(Sender, key) if key and len(number) < 10 else None  # noqa: PLR2004 - no int32 is longer
    if sender is None or sender.deleted_at is not None:
        raise NotFound("There is no such sender.")
    return sender


def default_sender_id(session: Session, ctx: ShopContext) -> int | None:
    """The number of the sender that new campaigns start with."""
    return _default(session, ctx)


def _default(session: Session, ctx: ShopContext) -> int | None:
    query = select(Sender.id).where(Sender.shop_id == ctx.shop_id, Sender.is_default, Sender.deleted_at.is_(None))
    return session.scalars(query).first()


def _checked(rooms: Rooms, values: dict[str, Any]) -> dict[str, Any]:
    clean = {name: (values.get(name) or "").strip() for name in REQUIRED}
    for name in REQUIRED:
        if not clean[name]:
            raise Invalid(f"The {NAMES[name]} is missing.", field=name)
    for name in ("display_name", "company"):
        clean[name] = CONTROL.sub(" ", clean[name])
    if len(clean["display_name"]) > 100:  # noqa: PLR2004 - the column's width
        raise Invalid("At most 100 characters.", field="display_name")
    clean["from_address"] = _address(rooms, clean["from_address"], "from_address")
    reply = (values.get("reply_to") or "").strip()
    clean["reply_to"] = _address(rooms, reply, "reply_to") if reply else None
    return clean


def _address(rooms: Rooms, text: str, field: str) -> str:
    try:
        # Reserved names such as `shop.test` are real addresses in a sandbox and nowhere else.
        sandboxed = rooms.settings.env == "development"
        found = validate_email(text, check_deliverability=False, test_environment=sandboxed)
    except EmailNotValidError as fault:
        raise Invalid(f"That is no e-mail address: {fault}", field=field) from fault
    if not found.local_part.isascii():
        raise Invalid(NON_ASCII_LOCAL_PART, field=field)
    return found.normalized


def _is_free_mail(address: str) -> bool:
    domain = address.rpartition("@")[2].lower()
    return domain in FREE_MAIL or family_of(domain) in FREE_MAIL_FAMILIES


def _read_link(rooms: Rooms, token: str) -> tuple[ShopContext, int, int]:
    value = tokens(rooms).read("confirm", token, 3)
    if value is None:
        raise NotFound("There is no such link.")
    shop_id, sender_no, link_no = value
    return context_by_id(rooms, shop_id), sender_no, link_no


def _state_of_link(rooms: Rooms, ctx: ShopContext, sender: Sender, link_no: int) -> Confirmation:
    current = sender.link_no == link_no and sender.link_sent_at is not None
    if not current:
        return Confirmation("used", sender.from_address, ctx.domain)
    expired = sender.link_sent_at is None or rooms.clock.now() > sender.link_sent_at + LINK_LIFETIME
    return Confirmation("expired" if expired else "open", sender.from_address, ctx.domain)


def _users(session: Session, sender: Sender) -> list[Campaign]:
    query = select(Campaign).where(
        Campaign.shop_id == sender.shop_id, Campaign.sender_id == sender.id, Campaign.deleted_at.is_(None)
    )
    return list(session.scalars(query.order_by(Campaign.id)))


def _view(rooms: Rooms, ctx: ShopContext, session: Session, sender: Sender) -> SenderView:
    expires = sender.link_sent_at + LINK_LIFETIME if sender.link_sent_at else None
    state: Literal["unverified", "pending", "verified", "expired"] = "unverified"
    if is_verified(sender):
        state = "verified"
    elif expires is not None:
        state = "pending" if rooms.clock.now() <= expires else "expired"
    name, address = header_from(rooms, sender)
    return SenderView(
        id=f"snd_{sender.id}",
        display_name=sender.display_name,
        from_address=sender.from_address,
        reply_to=sender.reply_to,
        company=sender.company,
        postal_address=sender.postal_address,
        is_default=sender.is_default,
        state=state,
        verified_at=sender.verified_at,
        verification_sent_at=sender.link_sent_at,
        verification_expires_at=expires,
        on_behalf=_is_free_mail(sender.from_address),
        header_from=f"{name} <{address}>",
        domain_checks=DomainChecks(**sender_domains.states(session, ctx, address.rpartition("@")[2].lower())),
        used_by=[UsedBy(f"cmp_{row.id}", row.name) for row in _users(session, sender)],
    )


def _confirmation_mail(rooms: Rooms, ctx: ShopContext, address: str, url: str, now: datetime) -> Envelope:
    own = f"no-reply@{mail_domain(rooms)}"
    message_id = new_id()
    words = (
        f"The shop {ctx.domain} wants to send marketing e-mail from {address}.\n"
        "If that is right, open this page and confirm it:"
    )
    small_print = "The link works once and for 72 hours. If you don't know the shop, ignore this message."
    return pack(
        Mail(
            from_name="Encore",
            from_address=own,
            to_address=address,
            reply_to=None,
            subject="Confirm your sender address",
            text=f"{words}\n\n{url}\n\n{small_print}\n",
            html=f"<p>{html.escape(words)}</p><p><a href='{html.escape(url)}'>Confirm this address</a></p>"
            f"<p>{small_print}</p>",
            message_id=message_id,
            message_domain=mail_domain(rooms),
            date=now,
            headers={"Auto-Submitted": "auto-generated"},
        )
    )
