"""Measure our predictions on a year of real grocery purchases that they have not seen.

Complete Journey: 200 products with most buyers before day 185; predictions as of day 335 for the 30 days after it.
Measured per product with at least 10 buyers, then averaged. Usage:

    python benchmarks/prediction/complete_journey.py [type|sku] [DAY]

Needs the data set beside the repository (../shared) or where ENCORE_SHARED points.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from ml.api import Predictions, predict
from ml.metrics import calibration_error, summary

SHARED = Path(os.environ.get("ENCORE_SHARED", Path(__file__).parents[3] / "shared"))
BEGINS = pd.Timestamp("2017-01-01", tz="UTC")
HORIZON = 30
CHOSEN_BEFORE = 185
PRODUCTS = 200


def order_lines(level: str) -> pd.DataFrame:
    """The data set as order lines, a product being a product type or a single article."""
    folder = SHARED / "data/complete_journey"
    bought = pd.read_parquet(folder / "transactions.parquet")
    types = pd.read_parquet(folder / "products.parquet", columns=["product_id", "product_type"])
    bought = bought.merge(types, on="product_id", how="left")
    name = bought["product_type"].fillna("unknown") if level == "type" else bought["product_id"].astype(str)
    return pd.DataFrame(
        {
            "customer_no": pd.factorize(bought["household_id"], sort=True)[0].astype(np.int32),
            "order_id": bought["basket_id"],
            "ordered_at": pd.to_datetime(bought["transaction_timestamp"]).dt.tz_localize("UTC"),
            "product_no": pd.factorize(name, sort=True)[0].astype(np.int32),
            "quantity": bought["quantity"].astype(float),
            "unit_price": bought["sales_value"] / bought["quantity"].clip(lower=1),
            "product_type": bought["product_type"].fillna(""),
            "discount": bought["retail_disc"] + bought["coupon_disc"] + bought["coupon_match_disc"],
        }
    )


def report(found: Predictions, lines: pd.DataFrame, as_of: pd.Timestamp) -> None:
    """Print how the predictions met the window, and the baselines on the window before it."""
    end = as_of + pd.Timedelta(days=HORIZON)
    later = lines[(lines["ordered_at"] >= as_of) & (lines["ordered_at"] < end) & (lines["quantity"] > 0)]
    size = int(lines["product_no"].max()) + 1
    bought = np.unique(later["customer_no"].astype(np.int64) * size + later["product_no"])
    keys = found.pairs["customer_no"].astype(np.int64) * size + found.pairs["product_no"]
    label = np.isin(keys, bought)
    print(f"{'kind':11} {'basis':9} {'pairs':>7} {'share':>6} {'AP':>6} {'lift5':>6} {'ECE':>7} {'Brier':>7}")
    for kind in ("repurchase", "cross_sell"):
        rows = (found.pairs["kind"] == kind).to_numpy()
        chance = found.pairs.loc[rows, "probability"].to_numpy()
        quality = summary(found.pairs.loc[rows, "product_no"].to_numpy(np.int64), label[rows], chance)
        error, brier = calibration_error(label[rows], chance), np.mean((chance - label[rows]) ** 2)
        basis = found.card[kind]["basis"]
        print(
            f"{kind:11} {basis:9} {rows.sum():7} {label[rows].mean():6.3f} {quality['average_precision']:6.4f}"
            f" {quality['lift_top5']:6.3f} {error:7.4f} {brier:7.5f}"
        )
        for name, metric in found.card[kind]["metrics"].items():
            print(f"  window before, {name:18} AP {metric['average_precision']:.4f} lift5 {metric['lift_top5']:.3f}")


def main() -> None:
    """Run one level at one day."""
    level = sys.argv[1] if len(sys.argv) > 1 else "type"
    as_of = BEGINS + pd.Timedelta(days=int(sys.argv[2]) if len(sys.argv) > 2 else 335)  # noqa: PLR2004
    lines = order_lines(level)
    early = lines[(lines["ordered_at"] < BEGINS + pd.Timedelta(days=CHOSEN_BEFORE)) & (lines["quantity"] > 0)]
    buyers = early.groupby("product_no")["customer_no"].nunique().sort_values(ascending=False, kind="stable")
    started, cpu = time.perf_counter(), time.process_time()
    found = predict(
        lines, None, None, as_of, HORIZON, buyers.index[:PRODUCTS].tolist(), 1, mode="all_pairs", progress=print
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{time.perf_counter() - started:.1f} s wall, {time.process_time() - cpu:.1f} s CPU, peak {peak:.2f} GB")
    report(found, lines, as_of)


if __name__ == "__main__":
    main()
