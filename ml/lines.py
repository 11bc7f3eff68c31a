"""Which order lines are purchases, and why the others are not: nothing is left out without being counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ml.history import Bools, Floats

MICROSECONDS_PER_DAY = 86_400_000_000
LINE_COLUMNS = ("customer_no", "order_id", "ordered_at", "product_no", "quantity", "unit_price")
# What was bought longer ago says nothing about the next 90 days, and dates such as 1900-01-01 or 1970-01-01 stand
# for unknown ones: a single such line would make a shop of last month look decades old.
OLDEST_DAYS = 20 * 365.25
# Beyond these no shop sells; a larger number is a slip of a key, and its square would leave float32.
MOST_PIECES = 1e6
MOST_MONEY = 1e12

REASONS = {
    "no_time": "without a time",
    "after_as_of": "at or after the as-of moment",
    "too_old": "more than 20 years before the as-of moment",
    "no_customer": "without a customer",
    "no_order": "without an order",
    "no_product": "without a product",
    "quantity_unknown": "with a quantity that is no finite number",
    "quantity_not_positive": "with a quantity of zero or less (a return)",
    "negative_price": "with a price below zero (a refund or a correction)",
}
"""Why a line is no purchase; where several hold, the first counts."""
CHANGES = {
    "price_unknown": "with a price that is no finite number: bought, but worth nothing here",
    "amount_cut": "with more than 1,000,000 pieces or 1,000,000,000,000 of money: cut to that",
    "merged": "of the same order and product as another: one purchase with the sum of both",
}
"""What was done to lines that are purchases."""


def days(moments: Any) -> Floats:
    """Days since 1970 in UTC, with fractions; naive times are taken as UTC, missing ones are NaN."""
    index = pd.DatetimeIndex(pd.to_datetime(moments))
    index = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    values: Floats = index.as_unit("us").asi8.astype(np.float64) / MICROSECONDS_PER_DAY
    if index.hasnans:
        values[index.isna()] = np.nan
    return values


@dataclass(frozen=True)
class Purchases:
    """The lines that are purchases, all their numbers finite, and what became of the others.

    lines: some rows of the input; price 0 where it is unknown. seen: how many rows came in. left_out: rows per
    reason (REASONS), each row once. changed: rows per change (CHANGES) among the purchases, without the merged.
    """

    lines: pd.DataFrame
    seen: int
    left_out: dict[str, int]
    changed: dict[str, int]

    def card(self, made: int) -> dict[str, Any]:
        """Its part of the model card, when `made` purchases came of the lines.

        lines = made + changed_lines["merged"] + everything in left_out.
        """
        merged = len(self.lines) - made
        changed = self.changed | ({"merged": merged} if merged else {})
        return {"lines": self.seen, "left_out": self.left_out, "changed_lines": changed}


def purchases(lines: pd.DataFrame, as_of: pd.Timestamp) -> Purchases:
    """Tell purchases from other lines.

    A purchase names customer, order and product, lies before as_of and at most 20 years back, and has a positive
    finite quantity; its price is not below zero. A line whose price is missing or infinite is a purchase all the
    same: whether someone bought does not hang on it, and leaving the line out would offer them as new what they own.
    It adds nothing to what the customer spent. A line whose quantity is unknown is none, as it may be a return.

    Raises ValueError naming the columns that `lines` lacks, or one whose numbers leave int32.
    """
    missing = sorted(set(LINE_COLUMNS) - set(lines.columns))
    if missing:
        raise ValueError(f"lines lacks the columns {missing}")
    if len(lines) == 0:
        return Purchases(lines, 0, {}, {})
    quantity, price = _numbers(lines, "quantity"), _numbers(lines, "unit_price")
    left = np.ones(len(lines), dtype=bool)
    left_out = {}
    for reason, bad in _bad(lines, days([as_of])[0], quantity, price):
        hit = left & bad
        if hit.any():
            left_out[reason] = int(hit.sum())
            left &= ~bad
    kept = lines if left.all() else lines.loc[left]
    for name in ("customer_no", "product_no"):
        _check_int32(kept, name)
    kept, changed = _finite(kept, quantity[left], price[left])
    return Purchases(kept, len(lines), left_out, changed)


def _bad(lines: pd.DataFrame, until: float, quantity: Floats, price: Floats) -> list[tuple[str, Bools]]:
    """Every reason with the rows that it holds for."""
    day = days(lines["ordered_at"])
    return [
        ("no_time", np.isnan(day)),
        ("after_as_of", day >= until),
        ("too_old", day < until - OLDEST_DAYS),
        ("no_customer", _absent(lines, "customer_no")),
        ("no_order", _absent(lines, "order_id")),
        ("no_product", _absent(lines, "product_no")),
        ("quantity_unknown", ~np.isfinite(quantity)),
        ("quantity_not_positive", quantity <= 0),
        ("negative_price", price < 0),
    ]


def _numbers(lines: pd.DataFrame, name: str) -> Floats:
    values: Floats = lines[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _absent(lines: pd.DataFrame, name: str) -> Bools:
    column = lines[name]
    absent: Bools = column.isna().to_numpy()
    if pd.api.types.is_float_dtype(column.dtype):
        absent = absent | np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return absent


def _check_int32(lines: pd.DataFrame, name: str) -> None:
    column, limits = lines[name], np.iinfo(np.int32)
    if len(column) and not (column.min() >= limits.min and column.max() <= limits.max):
        raise ValueError(f"{name} has numbers beyond 32 bits")


def _finite(kept: pd.DataFrame, quantity: Floats, price: Floats) -> tuple[pd.DataFrame, dict[str, int]]:
    """The purchases with numbers that can be added up and squared; touched only where something is wrong."""
    unknown = ~np.isfinite(price)
    price = np.where(unknown, 0.0, price)
    many = quantity > MOST_PIECES
    pieces = np.minimum(quantity, MOST_PIECES)
    with np.errstate(over="ignore"):  # of next to nothing any price is affordable
        most = MOST_MONEY / pieces
    dear = price > most
    columns: dict[str, Floats] = {}
    if many.any():
        columns["quantity"] = pieces
    if unknown.any() or dear.any():
        columns["unit_price"] = np.where(dear, most, price)
    if "discount" in kept.columns:
        discount = np.nan_to_num(_numbers(kept, "discount"))
        if (np.abs(discount) > MOST_MONEY).any():
            columns["discount"] = np.clip(discount, 0.0, MOST_MONEY)
    changed = {"price_unknown": int(unknown.sum()), "amount_cut": int((many | dear).sum())}
    kept = kept.assign(**columns) if columns else kept
    return kept, {name: count for name, count in changed.items() if count}
