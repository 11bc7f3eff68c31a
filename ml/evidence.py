"""What a card says of one kind of prediction: every scorer on the latest complete window, and the served one in depth.

A scorer becomes a probability by a curve fitted on the window before, so its errors are those that a merchant would
have met: nothing here was calibrated on what measures it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import fit_platt, to_logit
from ml.metrics import calibration_table, customer_recall, probability_quality, product_rows
from ml.verdict import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ml.history import Floats
    from ml.pair_model import Examples

LOGIT_EDGES = np.arange(-12.0, 6.5, 0.5)


def calibrated(
    before: Examples | None, earlier: dict[str, Floats], scores: dict[str, Floats]
) -> dict[str, Floats | None]:
    """Every scorer's probabilities of what came after `before`, by a curve fitted there; None where none fits.

    earlier: scores of `before`'s pairs, by name. scores: of later pairs, by the same names.
    """
    found: dict[str, Floats | None] = {}
    for name, score in scores.items():
        curve = fit_platt(earlier[name], before.label, before.weight) if before is not None else None
        found[name] = curve.probability(score) if curve is not None else None
    return found


def measured(
    window: Examples, ranked: dict[str, dict[str, Any]], scores: dict[str, Floats], chances: dict[str, Floats | None]
) -> dict[str, dict[str, Any]]:
    """How every scorer met a window: how it `ranked` the pairs, and how true its probabilities were."""
    nothing = {"brier": None, "ece": None, "expected": None}
    metrics = {}
    for name, score in scores.items():
        chance = chances[name]
        metrics[name] = {
            **ranked[name],
            "customer_recall10": customer_recall(window.customer, window.product, window.label, score),
            **(nothing if chance is None else probability_quality(window.label, chance)),
        }
    return metrics


def served_card(window: Examples, score: Floats, chance: Floats, *, out_of_time: bool) -> dict[str, Any]:
    """What a card says of the served scorer alone: calibration by decile, and product by product.

    out_of_time: the curve behind `chance` never saw this window.
    """
    quality = probability_quality(window.label, chance)
    return {
        "products": product_rows(window.product, window.label, score, chance),
        "base_rate": float(window.label.mean()),
        "calibration": {
            "out_of_time": out_of_time,
            "error": quality["ece"],
            "brier": quality["brier"],
            "brier_base_rate": float(np.var(window.label)),
            "expected": quality["expected"],
            "observed": int(window.label.sum()),
            "table": calibration_table(window.label, chance),
        },
    }


class ScoreCounts:
    """How many pairs of each kind have log-odds in each bin of fixed edges: what two runs can be compared by."""

    def __init__(self, take: Callable[[pd.DataFrame], None]) -> None:
        """`take` gets every part of the pairs after it was counted."""
        self._take = take
        self._counts = {kind: np.zeros(len(LOGIT_EDGES) - 1) for kind in KINDS}

    def add(self, pairs: pd.DataFrame) -> None:
        """Count one part: kind and probability."""
        for kind in self._counts:
            odds = to_logit(pairs.loc[pairs["kind"] == kind, "probability"].to_numpy())
            self._counts[kind] += np.histogram(np.clip(odds, LOGIT_EDGES[0], LOGIT_EDGES[-1]), LOGIT_EDGES)[0]
        self._take(pairs)

    def of(self, kind: str) -> dict[str, list[float]]:
        """Edges (log-odds, the outer bins open) and counts."""
        return {"edges": LOGIT_EDGES.tolist(), "counts": self._counts[kind].tolist()}
