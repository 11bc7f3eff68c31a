"""Who can be mailed, derived in the store: consent, a valid address, not suppressed; and why others can't."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyroaring import BitMap
from sqlalchemy import and_, select

from app.store.models.customers import Customer, Suppression

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

REASONS: dict[str, str] = {
    "no_email": "Has no e-mail address",
    "invalid_email": "The e-mail address can't be reached",
    "suppressed": "The address bounced, complained or was taken off",
    "unsubscribed": "Unsubscribed",
    "pending_confirmation": "Has not confirmed the subscription yet",
    "not_subscribed": "Never subscribed",
}
"""Why a customer is not reachable: the first that applies, in this order."""
SUBSCRIBED = "SUBSCRIBED"
CONSENT_REASON = {"UNSUBSCRIBED": "unsubscribed", "PENDING": "pending_confirmation"}
CONSENT_STATES = {
    "yes": frozenset({SUBSCRIBED}),
    "pending": frozenset({"PENDING"}),
}


@dataclass
class Reach:
    """All live customers of a shop, by whether they can be mailed.

    universe: neither erased, merged away nor gone from the shop. Each is in `reachable` or in one set of `reasons`.
    email, sms: customers by consent: yes, no, pending.
    """

    universe: BitMap
    reachable: BitMap
    reasons: dict[str, BitMap] = field(default_factory=dict)
    email: dict[str, BitMap] = field(default_factory=dict)
    sms: dict[str, BitMap] = field(default_factory=dict)

    def why_not(self, customer_no: int) -> str | None:
        """Why this customer can't be mailed, or None."""
        return next((reason for reason, members in self.reasons.items() if customer_no in members), None)

    def counts(self, members: BitMap) -> dict[str, int]:
        """How many of `members` can't be mailed, by reason; reasons of nobody are left out."""
        found = {reason: len(members & of) for reason, of in self.reasons.items()}
        return {reason: count for reason, count in found.items() if count}


def reach(session: Session, ctx: ShopContext) -> Reach:
    """Everybody's reachability at this moment, in one read."""
    query = (
        select(
            Customer.customer_no,
            Customer.email_hash,
            Customer.email_valid,
            Customer.email_consent,
            Customer.sms_consent,
            Suppression.reason,
        )
        .outerjoin(
            Suppression,
            and_(Suppression.shop_id == Customer.shop_id, Suppression.email_hash == Customer.email_hash),
        )
        .where(
            Customer.shop_id == ctx.shop_id,
            Customer.merged_into.is_(None),
            Customer.erased_at.is_(None),
            Customer.gone_at.is_(None),
        )
    )
    reachable, everybody = array("I"), array("I")
    reasons = {reason: array("I") for reason in REASONS}
    consent = {channel: {state: array("I") for state in ("yes", "no", "pending")} for channel in ("email", "sms")}
    for number, email_hash, valid, email, sms, suppressed in session.execute(query):
        everybody.append(number)
        reason = _reason(email_hash, email, valid=valid, suppressed=suppressed is not None)
        (reachable if reason is None else reasons[reason]).append(number)
        consent["email"][_state(email)].append(number)
        consent["sms"][_state(sms)].append(number)
    return Reach(
        universe=BitMap(everybody),
        reachable=BitMap(reachable),
        reasons={reason: BitMap(numbers) for reason, numbers in reasons.items()},
        email={state: BitMap(numbers) for state, numbers in consent["email"].items()},
        sms={state: BitMap(numbers) for state, numbers in consent["sms"].items()},
    )


def reachable(session: Session, ctx: ShopContext) -> BitMap:
    """The customers who can be mailed now."""
    return reach(session, ctx).reachable


def _reason(email_hash: str | None, consent: str, *, valid: bool, suppressed: bool) -> str | None:
    if email_hash is None:
        return "no_email"
    if not valid:
        return "invalid_email"
    if suppressed:
        return "suppressed"
    return None if consent == SUBSCRIBED else CONSENT_REASON.get(consent, "not_subscribed")


def _state(consent: str) -> str:
    return next((state for state, values in CONSENT_STATES.items() if consent in values), "no")
