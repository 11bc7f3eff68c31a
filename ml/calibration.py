"""From a score to a probability: a logistic curve of two numbers, fitted on the latest complete window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from ml.history import Bools, Floats

MIN_EXAMPLES = 25  # of each kind; with fewer, two numbers cannot be told from noise
FLOOR = 1e-6
WEAK = 1e4  # sklearn's C: so weak a pull to zero that it only matters when classes separate


def to_logit(probability: Floats) -> Floats:
    """Log-odds, kept finite."""
    odds: Floats = logit(np.clip(probability, FLOOR, 1 - FLOOR))
    return odds


@dataclass(frozen=True)
class Platt:
    """probability = 1 / (1 + exp(-(slope * score + intercept))). Source: Platt (1999)."""

    slope: float
    intercept: float

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities; the order of scores never changes, as slope >= 0."""
        result: Floats = expit(self.slope * score + self.intercept)
        return result


IDENTITY = Platt(1.0, 0.0)


def fit_platt(score: Floats, label: Bools, weight: Floats | None = None) -> Platt | None:
    """Fit the curve; None if there are too few examples or the score points the wrong way."""
    positives = int(label.sum())
    if min(positives, len(label) - positives) < MIN_EXAMPLES:
        return None
    centre, spread = float(score.mean()), float(score.std()) or 1.0
    model = LogisticRegression(C=WEAK, solver="newton-cholesky")
    model.fit(((score - centre) / spread)[:, None], label, sample_weight=weight)
    slope = float(model.coef_[0, 0]) / spread
    if slope <= 0:
        return None
    return Platt(slope, float(model.intercept_[0]) - slope * centre)
