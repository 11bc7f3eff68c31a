"""Who is held out, so that it can be measured what mailing adds: two nested coins, and when to hold out fewer.

The shop's coin falls once per customer and stands for all campaigns: who it takes gets none, so the group shows what
all campaigns together add. The campaign's own coin falls for everybody else. With 3% and 10% no more than 12.7% of the
winners stay without an e-mail. Both coins fall after the winner is chosen, and always the same way for the same
customer: a smaller percentage holds out some of those whom a larger one did, and nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.domain.campaigns import is_held_out, uniform

if TYPE_CHECKING:
    from datetime import timedelta

    from ml.measurement import Verdict

DEFAULT_SHOP_PERCENT = 3
MAX_SHOP_PERCENT = 10
STEPS = (10, 7, 5, 3)  # of a campaign; the last is the floor: what is not measured any more can go wrong unseen
STEP_AFTER_DAYS = 30  # between two steps, so that each is judged by customers who came under it
DECIDED = 0.5  # half the interval's width as a share of the estimate, from where on the sign and rough size are known

HeldBy = Literal["campaign", "shop"]


@dataclass(frozen=True, slots=True)
class Toss:
    """How the coins fell for one winner, and the chances in force: analysis weighs by them.

    held_by:  None: the e-mail goes out
    campaign: the chance, 0 to 1, that the campaign's coin holds a customer out
    shop:     the same of the shop's coin
    """

    held_by: HeldBy | None
    campaign: float
    shop: float


def toss(shop_id: int, campaign_id: int, customer_no: int, *, campaign_percent: int, shop_percent: int) -> Toss:
    """Let both coins fall for a winner."""
    held_by: HeldBy | None = None
    if uniform("holdout of the shop", shop_id, customer_no) < shop_percent / 100:
        held_by = "shop"
    elif is_held_out(shop_id, campaign_id, customer_no, campaign_percent):
        held_by = "campaign"
    return Toss(held_by, campaign_percent / 100, shop_percent / 100)


def next_percent(percent: int, found: Verdict, estimate: float, margin: float, unchanged_for: timedelta) -> int:
    """The percentage that a campaign should hold out from now on; never more than before.

    Only what surely adds orders is worth mailing to more customers. margin: half the width of the sure interval
    around `estimate`, in the same unit.
    """
    if found != "adds" or margin > DECIDED * estimate or unchanged_for.days < STEP_AFTER_DAYS:
        return percent
    return next((step for step in STEPS if step < percent), percent)
