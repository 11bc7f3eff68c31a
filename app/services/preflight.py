"""Before a campaign starts: what is checked, and exactly how many customers it would mail, from when on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.domain import holdout
from app.domain.campaigns import Reason, Unresolved
from app.services import campaigns, sender_domains, senders, sending_limits
from app.services.campaigns_audience import Product, newest_history, products
from app.services.campaigns_views import ReasonCount, reason_counts
from app.services.content import words_of
from app.services.decision_sheets import PLACE
from app.services.holdouts import shop_percent
from app.services.instants import at, microseconds
from app.services.plan_sends_candidates import assess
from app.services.published import published
from app.store.models.senders import Sender

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.campaigns import Standing
    from app.services.plan_sends_verdicts import Judged
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

Level = Literal["ok", "warn", "blocked"]
SUBJECTS = {
    "name": "Name",
    "sender": "Sender",
    "audience": "Audience",
    "timing": "Timing",
    "content": "Words and placeholders",
    "discount": "Discount",
}
LETTERS = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC"}
FEW_DAYS = 7
WAITING = (Reason.QUIET_HOURS, Reason.SENDER_NOT_VERIFIED, Reason.NO_POSTAL_ADDRESS)


@dataclass(frozen=True)
class Check:
    """One line of the list. step: where it is put right. blocked: the campaign can't start; warn: it can.

    action: what may be done about it right there: the sender's domain may be looked up.
    """

    step: str
    subject: str
    level: Level
    message: str
    action: Literal["check_domain"] | None = None


@dataclass(frozen=True)
class Preflight:
    """What activation would do now.

    people: who would be mailed or, `held_out` of them, withheld for measurement. first_at: when the first message may
    leave; None: nobody is mailed. `reasons` itemises everybody else: candidates = people + all of them.
    """

    ready: bool
    unresolved: list[Unresolved]
    checks: list[Check]
    people: int
    held_out: int
    candidates: int
    reasons: list[ReasonCount]
    first_at: datetime | None
    as_of: datetime | None


def preflight(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> Preflight:
    """Look at everybody as the next tick would, before other campaigns compete; writes nothing.

    Who only waits for the campaign's hours counts among the people: they are mailed when these come.
    Raises NotFound.
    """
    with rooms.store.reading(ctx) as session:
        campaign = campaigns.find(session, ctx, campaign_id)
        standing = campaigns.standing(rooms, session, ctx, campaign)
        sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": campaign.sender_id or 0})
        domain = _of_domain(rooms, session, ctx, sender) if sender is not None else None
        of_shop = shop_percent(session, ctx)
        now = rooms.store.db_now(session)
    run = published(rooms, ctx)
    judged = None
    if run is not None and campaign.audience_type is not None:
        judged = assess(rooms, ctx, run, [campaign], now).verdicts.get(campaign.id)
    checks = [*_checks(rooms, ctx, standing, sender), *([domain] if domain else [])]
    ready = not standing.unresolved
    if judged is None:
        message = "Encore has not finished its first analysis of your shop." if run is None else "Choose an audience."
        checks.append(Check("audience", "People", "warn", message))
        return Preflight(ready, standing.unresolved, checks, 0, 0, 0, [], None, None)
    # A sender that is not verified yet, or hours that come later, are no reason why somebody is not among the people.
    later = np.isin(judged.says, [PLACE[reason] for reason in WAITING])
    people = judged.take(judged.eligible | later)
    reasons = Counter({reason: count for reason, count in judged.reasons().items() if reason not in WAITING})
    if not len(people):
        checks.append(Check("audience", "People", "warn", "Nobody can be mailed now; the reasons are below."))
    return Preflight(
        ready=ready,
        unresolved=standing.unresolved,
        checks=checks,
        people=len(people),
        held_out=_held_out(ctx, campaign, people, of_shop),
        candidates=len(judged),
        reasons=reason_counts(reasons),
        first_at=at(max(int(people.opens.min()), microseconds(now))) if len(people) else None,
        as_of=now,
    )


def _held_out(ctx: ShopContext, campaign: Campaign, people: Judged, of_shop: int) -> int:
    coins = {"campaign_percent": campaign.holdout_percent, "shop_percent": of_shop}
    tossed = (holdout.toss(ctx.shop_id, campaign.id, number, **coins) for number in people.customer_no.tolist())
    return sum(fell.held_by is not None for fell in tossed)


def _of_domain(rooms: Rooms, session: Session, ctx: ShopContext, sender: Sender) -> Check:
    """What is known of the domain that the mail will be from. A look that is due is asked for by the sending job."""
    action: Literal["check_domain"] | None = "check_domain" if senders.is_verified(sender) else None
    domain = sending_limits.domain_of(rooms, sender)
    states = sender_domains.states(session, ctx, domain)
    missing = [LETTERS[name] for name, state in states.items() if state not in {"passed", "not_checked", "unreachable"}]
    if missing:
        text = f"{domain} lacks a working record of {', '.join(missing)}; the sender's page says what to set."
        return Check("sender", "Domain checks", "warn", text, action)
    if any(state != "passed" for state in states.values()):
        text = f"The records of {domain} have not all been seen yet."
        return Check("sender", "Domain checks", "warn", text, action)
    return Check("sender", "Domain checks", "ok", f"SPF, DKIM and DMARC of {domain} are in order.")


def _checks(rooms: Rooms, ctx: ShopContext, standing: Standing, sender: Sender | None) -> list[Check]:
    campaign = standing.campaign
    found: list[Check] = []
    for step, subject in SUBJECTS.items():
        stuck = [one for one in standing.unresolved if one.step == step]
        found += [Check(step, subject, "blocked", one.message) for one in stuck]
        if not stuck:
            found.append(Check(step, subject, "ok", _fine(step, standing, sender)))
    if sender is not None and not any(check.level == "blocked" for check in found if check.step == "sender"):
        missing = not (sender.postal_address.strip() and sender.company.strip())
        text = "The sender has no company or postal address, which every message must show."
        good = "Your postal address is in every message."
        found.append(Check("sender", "Postal address", "blocked" if missing else "ok", text if missing else good))
    found.append(Check("content", "Unsubscribe", "ok", "Every message has an unsubscribe link, and one for one click."))
    found += _of_product(_product(rooms, ctx, standing), to_cart=words_of(standing.content).to_cart)
    last = campaign.ends_on
    expires = campaign.discount_expires_on if campaign.discount_mode != "off" else None
    today = rooms.clock.now().astimezone(ctx.zone).date()
    if expires is not None and last is not None and expires < last:
        text = f"The discount ends on {expires:%-d %B}, before the campaign does."
        found.append(Check("discount", "Discount's last day", "warn", text))
    elif expires is not None and (expires - today).days < FEW_DAYS:
        text = f"The discount ends on {expires:%-d %B}; messages go on without stopping then."
        found.append(Check("discount", "Discount's last day", "warn", text))
    return found


def _fine(step: str, standing: Standing, sender: Sender | None) -> str:
    campaign = standing.campaign
    if step == "name":
        return f"“{campaign.name}”; customers never see it."
    if step == "sender":
        return f"{sender.from_address} is verified." if sender else ""
    if step == "audience":
        return f"“{standing.audience.name}”." if standing.audience else "The best recipient and product at any time."
    if step == "timing":
        return "Nobody gets more than one e-mail in any seven days, whatever you choose."
    if step == "content":
        return "All placeholders have something to show."
    return "No discount." if campaign.discount_mode == "off" else "The discount can be used."


def _product(rooms: Rooms, ctx: ShopContext, standing: Standing) -> Product | None:
    number = standing.audience.product_no if standing.audience else None
    history = newest_history(rooms, ctx) if number is not None else None
    if number is None or history is None:
        return None
    try:
        return products(history[1], ctx, [number]).get(number)
    finally:
        history[1].close()


def _of_product(product: Product | None, *, to_cart: bool) -> list[Check]:
    if product is None:
        return [Check("audience", "Stock", "ok", "Only products on sale and in stock are offered.")]
    level: Level = "ok" if product.on_sale and product.in_stock else "warn"
    text = f"{product.title} is in stock."
    if level == "warn":
        what = "out of stock" if product.on_sale else "not on sale"
        text = f"{product.title} is {what}: nobody is mailed until that changes."
    found = [Check("audience", "Stock", level, text)]
    safe = product.url.startswith("https://")
    cart = " and to a cart with it" if to_cart else ""
    text = f"Links lead to the product's page{cart}." if safe else f"{product.title} has no secure web address."
    return [*found, Check("content", "Links", "ok" if safe else "warn", text)]
