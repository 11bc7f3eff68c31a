"""Who may be mailed, and if not, why not. Fails closed: a state that we don't know is a no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.campaigns import Reason

if TYPE_CHECKING:
    from datetime import datetime

SUBSCRIBED = "SUBSCRIBED"
UNSUBSCRIBED = "UNSUBSCRIBED"


def refusal(
    *,
    email_hash: str | None,
    email_valid: bool,
    email_consent: str,
    suppressed: bool,
    erased_at: datetime | None,
    merged_into: int | None = None,
    gone_at: datetime | None = None,
) -> Reason | None:
    """Why this customer may not be mailed, or None if they may.

    email_consent: Shopify's CustomerEmailMarketingState, upper case; only SUBSCRIBED is a yes.
    """
    if erased_at is not None:
        return Reason.ERASED
    if gone_at is not None:
        return Reason.NOT_IN_SEGMENT  # no customer of the shop any more, so a member of nothing
    if merged_into is not None or email_hash is None:  # of a merge, the survivor carries the address
        return Reason.NO_ADDRESS
    if not email_valid:
        return Reason.INVALID_ADDRESS
    if suppressed:
        return Reason.SUPPRESSED
    return None if email_consent == SUBSCRIBED else Reason.NOT_SUBSCRIBED
