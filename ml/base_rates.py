"""How often a product is bought anyway: what a prediction has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.history import History, contains, tally
from ml.shop import ACTIVE_DAYS

COLUMNS = {
    "product_no": np.int32,
    "kind": str,
    "base_rate": np.float64,
    "positives": np.int32,
    "eligible": np.int32,
}


def base_rates(h: History, horizon: float) -> pd.DataFrame:
    """Per product and kind, on the window of `horizon` days that ends at `h.until`.

    repurchase: eligible are the customers who had bought the product before the window.
    cross_sell: those who had not, and had any order in the 365 days before the window.
    positives are the eligible who bought it in the window; base_rate is their share, NaN if nobody was eligible.
    Sorted by product and kind; products without a purchase before `h.until` are left out.
    """
    earlier = h.before(h.until - horizon)
    active = np.zeros(h.n_customers, dtype=bool)
    active[earlier.active(ACTIVE_DAYS)] = True
    bought = h.bought_between(earlier.until, h.until)
    again = contains(earlier.pair_keys, bought)
    fresh = bought[~again & active[bought // max(h.n_products, 1)]]
    size = h.n_products

    owners = tally(earlier.pair_product, size)
    active_owners = tally(earlier.pair_product[active[earlier.pair_customer]], size)
    counts = {
        "cross_sell": (tally(fresh % max(size, 1), size), active.sum() - active_owners),
        "repurchase": (tally(bought[again] % max(size, 1), size), owners),
    }
    sold = tally(h.pair_product, size) > 0
    frames = []
    for kind, (positives, eligible) in counts.items():
        rate = np.where(eligible > 0, positives / np.maximum(eligible, 1), np.nan)
        columns = {"base_rate": rate, "positives": positives, "eligible": eligible}
        frames.append(pd.DataFrame({"product_no": h.product_no, "kind": kind} | columns).loc[sold])
    table = pd.concat(frames).astype(COLUMNS)
    return table.sort_values(["product_no", "kind"], ignore_index=True)
