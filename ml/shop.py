"""A shop at one moment: what its customers together say about its products, shared by all pairs of that moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ml.calibration import to_logit
from ml.closed_forms import RepeatRates, repeat_rate
from ml.gaps import ProductGaps, product_gaps, repeat_rates
from ml.history import Floats, History, contains, tally

if TYPE_CHECKING:
    from ml.affinity import Affinity

ACTIVE_DAYS = 365.0
PRIOR_CUSTOMERS = 50.0
YOUNG_PARTS = 3.0


@dataclass(frozen=True)
class Shop:
    """h: the history of everyone who teaches. affinity: learned from it. horizon: days to look ahead.

    A block of customers is described by its own rows and by these facts; the block need not be part of `h`.
    """

    h: History
    affinity: Affinity
    horizon: float

    @cached_property
    def repeat_rate(self) -> RepeatRates:
        """How fast owners come back for each product."""
        return repeat_rate(self.h)

    @cached_property
    def gaps(self) -> ProductGaps:
        """The usual gap and quantity of each product."""
        return product_gaps(self.h)

    @cached_property
    def buyers(self) -> Floats:
        """Distinct customers of each product."""
        return tally(self.h.pair_product, self.h.n_products)

    @cached_property
    def repurchase_columns(self) -> dict[str, Floats]:
        """What is known about each product alone, for who has it."""
        h = self.h
        again = tally(h.pair_product, h.n_products, h.pair_count > 1)
        share = (again.sum() + 1) / (self.buyers.sum() + 2)
        recent = tally(h.product, h.n_products, h.day >= h.until - 30)
        quarter = tally(h.product, h.n_products, h.day >= h.until - 90)
        return {
            "last_window_rate": to_logit(repeat_rates(h, self.horizon)),
            "repeating_share": to_logit((again + 5 * share) / (self.buyers + 5)),
            "log_penetration": np.log((self.buyers + 1) / (h.n_customers + 2)),
            "trend": np.log((3 * recent + 5) / (quarter + 5)),
        }

    @cached_property
    def new_buyer_rate(self) -> Floats:
        """Per product: share of active customers without it who bought it in the last horizon, shrunk."""
        h = self.h
        # In a young shop everything is new to everyone. Only its latest days resemble what comes, so the rate is
        # taken from the last third of the history and stretched to the horizon.
        window = float(np.clip((h.until - h.begins) / YOUNG_PARTS, 1.0, self.horizon))
        earlier = h.before(h.until - window)
        active = np.zeros(h.n_customers, dtype=bool)
        active[earlier.active(ACTIVE_DAYS)] = True
        keys = h.bought_between(earlier.until, h.until)
        keys = keys[~contains(earlier.pair_keys, keys)]
        keys = keys[active[keys // max(h.n_products, 1)]]
        buyers = tally(keys % max(h.n_products, 1), h.n_products)
        has = tally(earlier.pair_product[active[earlier.pair_customer]], h.n_products)
        eligible = np.maximum(active.sum() - has, 0)
        overall = (buyers.sum() + 0.5) / (eligible.sum() + PRIOR_CUSTOMERS)
        shrunk = (buyers + PRIOR_CUSTOMERS * overall) / (eligible + PRIOR_CUSTOMERS)
        stretched: Floats = 1 - (1 - shrunk) ** (self.horizon / window)
        return stretched

    @cached_property
    def new_columns(self) -> dict[str, Floats]:
        """What is known about each product alone, for who never bought it."""
        h = self.h

        def within(days: float, moment: Floats) -> Floats:
            return tally(h.pair_product, h.n_products, moment >= h.until - days)

        new_30, new_90 = within(30.0, h.pair_first), within(90.0, h.pair_first)
        again = tally(h.pair_product, h.n_products, h.pair_count > 1)
        return {
            "new_buyer_rate": to_logit(self.new_buyer_rate),
            "log_penetration": np.log((self.buyers + 1) / (h.n_customers + 2)),
            "log_buyers_30d": np.log1p(within(30.0, h.pair_last)),
            "log_new_buyers_30d": np.log1p(new_30),
            "log_new_buyers_90d": np.log1p(new_90),
            "trend": np.log((3 * new_30 + 5) / (new_90 + 5)),
            "repeating_share": (again + 1) / (self.buyers + 4),
        }
