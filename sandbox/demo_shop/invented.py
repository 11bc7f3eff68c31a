"""Orders that the research data do not have, added so that an importer meets every case.

They are copies of real baskets a few hours later, each with one twist, and carry the tag "invented".
The real baskets stay as they are.
"""

import numpy as np
import pandas as pd

KINDS = (
    "test", "cancelled", "refunded", "partly_refunded", "guest_of_customer", "guest", "gift_card", "free_sample",
)  # fmt: skip
LARGEST_BASKET = 12
GIFT_CARD_CENTS = 2500


def add_invented_orders(lines: pd.DataFrame, each: int, seed: int) -> pd.DataFrame:
    """Append `each` baskets of every kind to `lines` (columns of `shape.priced_lines`) and mark them in `kind`."""
    lines["kind"] = ""
    baskets = lines.groupby("basket_id", sort=True).agg(
        rows=("household_id", "size"), at=("at", "first"), gone=("product_index", "min")
    )
    latest = lines["at"].max() - pd.Timedelta(hours=8)
    usable = baskets[(baskets["rows"] <= LARGEST_BASKET) & (baskets["at"] < latest) & (baskets["gone"] >= 0)]
    rng = np.random.default_rng(seed + 1)
    chosen = rng.choice(usable.index.to_numpy(), len(KINDS) * each, replace=False)
    kinds = pd.Series(np.tile(KINDS, each), index=chosen, name="kind")
    copies = lines[lines["basket_id"].isin(chosen)].copy()
    copies["kind"] = copies["basket_id"].map(kinds)
    copies["basket_id"] = -copies["basket_id"]
    hours = np.random.default_rng(seed + 2).integers(2, 7, len(kinds))
    copies["at"] += pd.to_timedelta(copies["basket_id"].map(dict(zip(-chosen, hours, strict=True))), unit="h")
    extra = copies[copies["kind"].isin(["gift_card", "free_sample"])].drop_duplicates("basket_id").copy()
    gift = extra["kind"] == "gift_card"
    extra["quantity"] = 1
    extra["discount"] = 0
    extra["total"] = np.where(gift, GIFT_CARD_CENTS, 0)
    extra["unit"] = extra["total"]
    extra["is_gift_card"] = gift.astype(int)
    extra.loc[gift, ["product_index", "variant_id"]] = -1
    extra["title"] = pd.Series("Gift Card", extra.index, dtype=object).where(gift, None)
    return pd.concat([lines, copies, extra], ignore_index=True)
