"""What e-mails of a kind add to the orders that would come anyway: measured where campaigns were, else the prior.

One rule for whoever needs a lift, so that a recommendation and a simulation of the same campaign say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.services.campaigns_audience import KIND_OF_CATEGORY
from app.services.measure_campaigns import newest
from app.store.models.measurements import WHOLE_SHOP
from ml.measurement import PRIOR_LIFT, shrunk_lift

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

PRIOR = PRIOR_LIFT
LABEL = "expected orders (no lift measured yet)"
MEASURED_LABEL = "expected incremental orders (by the lift measured so far)"


@dataclass(frozen=True)
class Lift:
    """A share of expected orders that mailing adds.

    share: the mean, below zero where e-mails were measured to do harm; error: its standard deviation. campaigns: how
    many measured ones say so; 0: the stated prior.
    """

    share: float
    error: float
    campaigns: int


def lifts(session: Session, ctx: ShopContext) -> dict[str, Lift]:
    """Per kind of e-mail, what measured campaigns of it added to the orders of their product, drawn to the prior.

    A campaign that mixed both kinds tells of neither.
    """
    measured: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KIND_OF_CATEGORY.values()}
    for number, row in newest(session, ctx).items():
        if number == WHOLE_SHOP or row.figures["effect"]["verdict"] == "collecting":
            continue
        kinds = {line["kind"] for line in row.figures["products"]}
        lift = row.figures["effect"]["product_orders"]["lift"]
        if lift is not None and len(kinds) == 1:
            measured[kinds.pop()].append((lift["estimate"], lift["error"]))
    return {kind: Lift(*shrunk_lift(found), len(found)) for kind, found in measured.items()}
