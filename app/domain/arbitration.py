"""One customer, several possible messages: which one is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """One message that one customer could get.

    probability:  of a purchase within 30 days, 0..1
    overdue_days: days past the expected purchase; negative or None: not due yet or unknown
    lift:         shrunk lift of the product given what the customer bought; None: none known
    """

    campaign_id: int
    campaign_created_at: datetime
    customer_no: int
    product_no: int
    kind: Literal["repurchase", "cross_sell"]
    probability: float
    overdue_days: float | None = None
    lift: float | None = None
    because_product_no: int | None = None
    segment_id: int | None = None


def rank(candidate: Candidate) -> tuple[int, float, float, datetime, int, int]:
    """The sort key; the smallest wins.

    Repurchase before cross-sell. Repurchase: higher probability, then more overdue. Cross-sell:
    higher shrunk lift, then higher probability. Then the older campaign, its id, the product.
    """
    if candidate.kind == "repurchase":
        overdue = -math.inf if candidate.overdue_days is None else candidate.overdue_days
        first, second, group = candidate.probability, overdue, 0
    else:
        first, second, group = candidate.lift or 0.0, candidate.probability, 1
    return (
        group,
        -first,
        -second,
        candidate.campaign_created_at,
        candidate.campaign_id,
        candidate.product_no,
    )


def choose(candidates: Iterable[Candidate]) -> Candidate:
    """The one to send, the same for any order of the same candidates. Raises ValueError if there are none."""
    return min(candidates, key=rank)
