"""How predictions are measured: as of a date, on the thirty days after it, beside every baseline, without a leak.

Average precision and lift in the top 5% are means over products with at least 10 buyers. Baselines are calibrated
like the model, on the window before. Differences of .003 in average precision are ties: one month can't tell more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml import cross_sell, repurchase
from ml.affinity import Affinities
from ml.calibration import fit_platt
from ml.cross_sell import Scope
from ml.history import build_history
from ml.metrics import calibration_error, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.history import Bools, Floats
    from ml.pair_model import Examples

HORIZON = 30
ECE_BINS = 15
SEED = 1
EVERYTHING = 10**9
OWN_RULES = {"repurchase": frozenset[str](), "cross_sell": frozenset({"closed_form", "habit"})}  # no public baselines


class Leaked(Exception):
    """A prediction knew something from after its as-of date."""


@dataclass(frozen=True)
class Quality:
    """How one scorer met the window: macro average precision and lift, calibration error, Brier score."""

    name: str
    average_precision: float
    lift: float
    error: float
    brier: float


@dataclass(frozen=True)
class Result:
    """One kind of prediction at one date: ours, and every baseline's."""

    kind: str
    day: int
    pairs: int
    positives: int
    basis: str
    ours: Quality
    baselines: list[Quality]

    @property
    def best(self) -> Quality:
        """The public baseline with the highest average precision; rules of our own are shown, and no yardstick."""
        public = [one for one in self.baselines if one.name not in OWN_RULES[self.kind]]
        return max(public, key=lambda one: one.average_precision)


def quality(name: str, product: np.ndarray, label: Bools, score: Floats, chance: Floats) -> Quality:
    """Measure one scorer: `score` ranks, `chance` is its probability."""
    ranked = summary(product, label, score)
    error = calibration_error(label, chance, ECE_BINS)
    brier = float(np.mean((chance - label) ** 2))
    return Quality(name, ranked["average_precision"], ranked["lift_top5"], error, brier)


def labelled(lines: pd.DataFrame, chosen: list[int], moment: pd.Timestamp) -> dict[str, Examples]:
    """Every pair of either kind as it stood at `moment`, with what the window after it brought."""
    h = build_history(lines, None, moment + pd.Timedelta(days=HORIZON), np.array(sorted(chosen)))
    listed = np.searchsorted(h.product_no, sorted(chosen))
    allowed = np.zeros(h.n_products, dtype=bool)
    allowed[listed] = True
    scope = Scope(listed, allowed, retrieve=False, keep_listed=True)
    affinities, at = Affinities(scope.marked_at), h.until - HORIZON
    known = repurchase.examples(h, at, HORIZON, allowed, EVERYTHING, SEED, affinities)
    found = cross_sell.examples(h, at, HORIZON, scope, EVERYTHING, None, SEED, affinities)
    if found is None:
        raise ValueError(f"nobody was active at {moment}")
    parts = {"repurchase": known, "cross_sell": found[0]}
    return {kind: _numbered(part, h.customer_no, h.product_no) for kind, part in parts.items()}


def _numbered(part: Examples, customer_no: np.ndarray, product_no: np.ndarray) -> Examples:
    """With the shop's numbers in place of the history's codes."""
    customer, product = customer_no[part.customer].astype(np.int64), product_no[part.product].astype(np.int64)
    return type(part)(customer, product, part.features, part.label, part.weight, part.closed)


def measure(pairs: pd.DataFrame, test: Examples, before: Examples, kind: str, day: int) -> Result:
    """Our pairs of one kind against the window's labels, beside every baseline."""
    mine = pairs.loc[pairs["kind"] == kind]
    width = 1 + int(max(test.product.max(), mine["product_no"].max()))
    keys = mine["customer_no"].to_numpy(np.int64) * width + mine["product_no"].to_numpy(np.int64)
    wanted = test.customer * width + test.product
    order = np.argsort(keys)
    if not np.array_equal(keys[order], np.sort(wanted)):
        raise ValueError(f"{kind} at day {day}: the predicted pairs are not those of the protocol")
    chance = mine["probability"].to_numpy()[order][np.searchsorted(keys[order], wanted)]
    baselines = []
    for name, score in test.closed.items():
        curve = fit_platt(before.closed[name], before.label)
        if curve is not None:
            baselines.append(quality(name, test.product, test.label, score, curve.probability(score)))
    ours = quality("model", test.product, test.label, chance, chance)
    return Result(kind, day, len(test.label), int(test.label.sum()), str(mine["basis"].iloc[0]), ours, baselines)


def refuse_leaks(
    predictor: Callable[[pd.DataFrame], pd.DataFrame], lines: pd.DataFrame, as_of: pd.Timestamp, share: int = 20
) -> None:
    """Raise Leaked if anything at or after `as_of` changes a prediction.

    predictor: order lines in, pairs with a probability out. It is asked about one in `share` customers, with the
    lines of later as they are, without them, and with others in their place.
    """
    part = lines[lines["customer_no"] % share == 0]
    past, future = part[part["ordered_at"] < as_of], part[part["ordered_at"] >= as_of]
    others = future.assign(
        product_no=np.roll(future["product_no"].to_numpy(), 7),
        customer_no=np.roll(future["customer_no"].to_numpy(), 11),
        quantity=future["quantity"] * 10,
    )
    known = predictor(past)["probability"].to_numpy()
    for name, with_future in (("as it came", part), ("as it did not come", pd.concat([past, others]))):
        if not np.array_equal(predictor(with_future)["probability"].to_numpy(), known):
            raise Leaked(f"with the future {name}, predictions as of {as_of:%Y-%m-%d} are others")
