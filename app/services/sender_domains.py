"""Looking up what the name system says of the domains that a shop sends from, and keeping the answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from app.domain import sender_domain
from app.domain.sender_domain import NAMES, UNREACHABLE, Check, Wanted
from app.mail.dns import DnsAway
from app.store.models.mail_events import SenderDomain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.domain.sender_domain import State
    from app.services.rooms import Rooms

log = structlog.get_logger()

GOOD_FOR = timedelta(hours=24)
JOB = "check_domain"


def wanted(rooms: Rooms, domain: str, own: str) -> Wanted:
    """What a domain's records should say. own: the installation's mail domain, which publishes the DKIM key."""
    selector = rooms.settings.dkim_selector
    return Wanted(
        domain=domain,
        include=rooms.settings.spf_include or own,
        selector=selector,
        target=f"{selector}._domainkey.{own}",
        key=None,
    )


def check(rooms: Rooms, ctx: ShopContext, domain: str, own: str) -> dict[str, Any]:
    """Ask the name system about a domain and keep what it said; a name server that is silent keeps what passed."""
    asked = _with_key(rooms, wanted(rooms, domain, own))
    dns = rooms.names
    questions: dict[str, Callable[[], Check]] = {
        "spf": lambda: sender_domain.spf(dns.texts(domain), asked),
        "dkim": lambda: sender_domain.dkim(dns.texts(f"{asked.selector}._domainkey.{domain}"), asked),
        "dmarc": lambda: _dmarc(rooms, domain),
    }
    found: dict[str, Check] = {}
    for name, question in questions.items():
        try:
            found[name] = question()
        except DnsAway:
            found[name] = UNREACHABLE
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        row = session.get(SenderDomain, {"shop_id": ctx.shop_id, "domain": domain})
        before = row.checks if row is not None else {}
        checks = {
            name: {**asdict(answer), "passed_at": _passed_at(before, name, answer, now)}
            for name, answer in found.items()
        }
        if row is None:
            session.add(SenderDomain(shop_id=ctx.shop_id, domain=domain, checked_at=now, checks=checks))
        else:
            row.checked_at, row.checks = now, checks
    log.info("domain_checked", shop_id=ctx.shop_id, **{name: found[name].state for name in NAMES})
    return checks


def is_aligned(checks: Mapping[str, Any]) -> bool:
    """Whether mail in the domain's name is signed by a key that it publishes itself.

    A name server that was silent at the last look takes nothing back.
    """
    return bool((checks.get("dkim") or {}).get("passed_at"))


def states(session: Session, ctx: ShopContext, domain: str) -> dict[str, State]:
    """spf, dkim and dmarc of a domain as of the last look."""
    row = session.get(SenderDomain, {"shop_id": ctx.shop_id, "domain": domain})
    return {name: (row.checks.get(name) or {}).get("state", "not_checked") if row else "not_checked" for name in NAMES}


def stale(rooms: Rooms, session: Session, ctx: ShopContext, domains: set[str]) -> set[str]:
    """Those of the domains that nobody has looked up for a day."""
    query = select(SenderDomain.domain).where(
        SenderDomain.shop_id == ctx.shop_id, SenderDomain.checked_at > rooms.clock.now() - GOOD_FOR
    )
    return domains - set(session.scalars(query))


def _with_key(rooms: Rooms, asked: Wanted) -> Wanted:
    """With the key at our own domain. If that can't be read, any key at the sender's passes: it can't be compared."""
    try:
        key = sender_domain.key_of(rooms.names.texts(asked.target))
    except DnsAway:
        key = None
    return Wanted(asked.domain, asked.include, asked.selector, asked.target, key or None)


def _dmarc(rooms: Rooms, domain: str) -> Check:
    answer = Check("missing")
    for name in sender_domain.dmarc_names(domain):
        answer = sender_domain.dmarc(rooms.names.texts(name))
        if answer.state != "missing":
            break
    return answer


def _passed_at(before: Mapping[str, Any], name: str, answer: Check, now: datetime) -> str | None:
    """When it last said yes. Silence takes nothing back, a no does."""
    if answer.state == "passed":
        return now.isoformat()
    return (before.get(name) or {}).get("passed_at") if answer.state == "unreachable" else None
