"""How often promises of product segments hold, and what their interval has to allow for.

    make bench-promises (about five minutes on two cores)

On each data set the segments of eight months are chosen as a refresh chooses them (`ml.retrospect` predicts as of each
month from what was known then), promised for, and held against the thirty days that followed. Printed per data set
and kind: how many promises, the share that an interval from coins alone would have held, the share with the prior
spread, with the spread as it is learned month by month, and the spread that all receipts together show. Exit status 1
if the learned interval holds less than MUST_HOLD of the promises anywhere: it says that it holds eight in ten.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.prediction.datasets import complete_journey, online_retail
from ml.promises import PRIOR_SPREAD, learned_spread, promise
from ml.retrospect import retrospects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.prediction.datasets import Dataset
    from ml.retrospect import Retrospect

HORIZON = 30
MONTHS = range(1, 9)
FLOORS = {"repurchase": 0.10, "cross_sell": 0.01}  # and the rest of the rule: app.services.automatic_segments_products
TIMES_BASE_RATE, LEAST_MEMBERS, MOST_SEGMENTS = 2, 25, 50
MUST_HOLD = 0.75


def receipts(data: Dataset, moment: Retrospect) -> pd.DataFrame:
    """The segments of one moment: kind, product_no, size, expected, variance, actual, date."""
    pairs = moment.pairs.merge(moment.base_rates, on=["product_no", "kind"], how="left")
    threshold = np.maximum(pairs["kind"].map(FLOORS), TIMES_BASE_RATE * pairs["base_rate"].fillna(0.0))
    members = pairs[pairs["probability"] >= threshold]
    at, end = moment.moment, moment.moment + pd.Timedelta(days=HORIZON)
    when, kept = data.lines["ordered_at"], data.lines["quantity"] > 0
    lines = data.lines[(when >= at) & (when < end) & kept]
    bought = lines[["customer_no", "product_no"]].drop_duplicates().assign(actual=1.0)
    members = members.merge(bought, on=["customer_no", "product_no"], how="left").fillna({"actual": 0.0})
    members["variance"] = members["probability"] * (1 - members["probability"])
    segments = members.groupby(["kind", "product_no"], as_index=False).agg(
        size=("actual", "size"),
        expected=("probability", "sum"),
        variance=("variance", "sum"),
        actual=("actual", "sum"),
    )
    segments = segments[segments["size"] >= LEAST_MEMBERS].sort_values("expected", ascending=False)
    return segments.groupby("kind").head(MOST_SEGMENTS).assign(date=at.value)


def held(segments: pd.DataFrame, spread: float) -> float:
    """How many of these promises an interval with this spread would have held."""
    inside = 0
    for row in segments.itertuples():
        made = promise(int(row.size), float(row.expected), float(row.variance), spread)
        inside += made.low <= row.actual <= made.high
    return inside


def learned(segments: pd.DataFrame) -> float:
    """The spread after these receipts."""
    columns = (segments[name].to_numpy(dtype=np.float64) for name in ("date", "expected", "variance", "actual"))
    return learned_spread(PRIOR_SPREAD, *columns)


def month_by_month(segments: pd.DataFrame) -> float:
    """How many were held with the spread that earlier receipts had taught."""
    dates = sorted(segments["date"].unique())
    return sum(held(segments[segments["date"] == one], learned(segments[segments["date"] < one])) for one in dates)


def rows() -> Iterator[tuple[str, str, int, float, float, float, float]]:
    """Per data set and kind: name, kind, promises, shares held by coins, prior and learned spread, last spread."""
    for data in (complete_journey("type"), complete_journey("sku"), online_retail()):
        until = data.lines["ordered_at"].max()
        moments = retrospects(data.lines, None, until, HORIZON, MONTHS, FLOORS, 1)
        found = pd.concat([receipts(data, moment) for moment in moments])
        for kind, mine in found.groupby("kind"):
            n = len(mine)
            shares = (held(mine, 0.0) / n, held(mine, PRIOR_SPREAD) / n, month_by_month(mine) / n)
            yield data.name, str(kind), n, *shares, learned(mine)


def main() -> int:
    """Print the table; 1 if an interval holds too seldom."""
    print(f"{'data':<24} {'kind':<11} promises  coins  prior  learned  spread")
    worst = 1.0
    for name, kind, n, coins, prior, taught, spread in rows():
        print(f"{name:<24} {kind:<11} {n:>8}  {coins:.3f}  {prior:.3f}  {taught:>7.3f}  {spread:>6.2f}", flush=True)
        worst = min(worst, taught)
    return int(worst < MUST_HOLD)


if __name__ == "__main__":
    sys.exit(main())
