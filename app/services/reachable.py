"""Who can be mailed, derived in the store: consent, a valid address, not suppressed; and why others can't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap
from sqlalchemy import BigInteger, and_, case, cast, select, text

from app.domain.rules.evaluate import bitmap
from app.store.models.customers import DEPARTED, Customer, Suppression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

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
STATES = ("yes", "no", "pending")
PACKED = 64  # 7 reasons by 3 by 3 states, rounded up
FETCHED = 50_000
Codes = npt.NDArray[np.int64]


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

    def without(self, gone: BitMap) -> Reach:
        """Everybody but those who have gone since."""
        if not gone.intersect(self.universe):
            return self
        return Reach(
            self.universe - gone,
            self.reachable - gone,
            *(
                {name: members - gone for name, members in sets.items()}
                for sets in (self.reasons, self.email, self.sms)
            ),
        )

    def counts(self, members: BitMap) -> dict[str, int]:
        """How many of `members` can't be mailed, by reason; reasons of nobody are left out."""
        found = {reason: len(members & of) for reason, of in self.reasons.items()}
        return {reason: count for reason, count in found.items() if count}


def reach(session: Session, ctx: ShopContext, only: Sequence[int] | None = None) -> Reach:
    """Everybody's reachability at this moment, or that of a few customers, in one read."""
    return from_codes(codes(session, ctx, only))


def codes(session: Session, ctx: ShopContext, only: Sequence[int] | None = None) -> Codes:
    """(n,) PACKED times the customer number, plus 9 times the reason, 3 times the e-mail state, the text-message state.

    Of all live customers, ascending. One number each, because a million rows of several columns take seconds to
    become Python objects.
    """
    live = [
        Customer.shop_id == ctx.shop_id,
        Customer.merged_into.is_(None),
        Customer.erased_at.is_(None),
        Customer.gone_at.is_(None),
        *([] if only is None else [Customer.customer_no.in_(only)]),
    ]
    suppressed = and_(Suppression.shop_id == Customer.shop_id, Suppression.email_hash == Customer.email_hash)
    number = cast(Customer.customer_no, BigInteger) * PACKED
    code = _reason_code() * 9 + _state_code(Customer.email_consent) * 3 + _state_code(Customer.sms_consent)
    query = select(number + code).outerjoin(Suppression, suppressed).where(*live).order_by(Customer.customer_no)
    found = session.execute(query.execution_options(yield_per=FETCHED)).scalars()
    return np.fromiter(found, dtype=np.int64)


def from_codes(packed: Codes) -> Reach:
    """The sets that `codes` describes."""
    number, code = packed // PACKED, packed % PACKED
    reason, email, sms = code // 9, code // 3 % 3, code % 3
    return Reach(
        universe=bitmap(number),
        reachable=bitmap(number[reason == 0]),
        reasons={name: bitmap(number[reason == 1 + place]) for place, name in enumerate(REASONS)},
        email={state: bitmap(number[email == place]) for place, state in enumerate(STATES)},
        sms={state: bitmap(number[sms == place]) for place, state in enumerate(STATES)},
    )


def departed(session: Session, ctx: ShopContext) -> BitMap:
    """Customers who count no more: erased, merged away, gone from the shop."""
    query = select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, text(f"({DEPARTED})"))
    return BitMap(session.scalars(query))


def why_not(session: Session, ctx: ShopContext, customer: Customer) -> str | None:
    """Why one live customer can't be mailed, or None: as `reach` says it of everybody."""
    return reach(session, ctx, [customer.customer_no]).why_not(customer.customer_no)


def reachable(session: Session, ctx: ShopContext) -> BitMap:
    """The customers who can be mailed now."""
    return reach(session, ctx).reachable


def _reason_code() -> ColumnElement[int]:
    """0: reachable; else one more than the reason's place in REASONS."""
    place = {name: 1 + position for position, name in enumerate(REASONS)}
    consent = [(Customer.email_consent == state, place[name]) for state, name in CONSENT_REASON.items()]
    return case(
        (Customer.email_hash.is_(None), place["no_email"]),
        (Customer.email_valid.is_(False), place["invalid_email"]),
        (Suppression.email_hash.is_not(None), place["suppressed"]),
        (Customer.email_consent == SUBSCRIBED, 0),
        *consent,
        else_=place["not_subscribed"],
    )


def _state_code(consent: InstrumentedAttribute[str]) -> ColumnElement[int]:
    """The state's place in STATES."""
    return case((consent == SUBSCRIBED, 0), (consent == "PENDING", 2), else_=1)
