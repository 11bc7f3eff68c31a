"""Who buys the same product again: every (customer, product) pair bought before gets a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.calibration import IDENTITY, to_logit
from ml.gaps import expected_purchase, pair_gaps
from ml.history import Bools, Floats, History, Ints, contains
from ml.lifetime_value import order_chance
from ml.pair_model import MAX_TRAINING_ROWS, Basis, Examples, choose, fit_logistic, sample, windows
from ml.repurchase_features import closed_form, features


@dataclass(frozen=True)
class Repurchase:
    """One row per pair of the history (codes), in the order of its pairs; expected days are NaN if unknown."""

    customer: Ints
    product: Ints
    probability: Floats
    expected: Floats
    low: Floats
    high: Floats
    basis: Basis


def examples(h: History, moment: float, horizon: float, allowed: Bools, limit: int, seed: int) -> Examples:
    """Pairs as known at `moment`, labelled by the `horizon` days after it.

    allowed: which products count. limit: at most so many pairs, drawn at random.
    """
    known = h.before(moment)
    matrix, _names = features(known, horizon)
    scores = closed_form(known, horizon)
    kept = np.flatnonzero(allowed[known.pair_product])
    kept = kept[sample(len(kept), limit, seed)]
    label = contains(h.bought_between(moment, moment + horizon), known.pair_keys[kept])
    return Examples(
        known.pair_customer[kept],
        known.pair_product[kept],
        matrix[kept],
        to_logit(scores.poisson_gamma)[kept],
        label,
        np.ones(len(kept)),
        {
            "decayed_frequency": scores.decayed[kept],
            "recency": scores.recency[kept],
            "best_sellers": scores.best_sellers[kept],
        },
    )


def predict_repurchase(h: History, horizon: float, allowed: Bools, seed: int) -> tuple[Repurchase, dict[str, Any]]:
    """Fit on earlier windows, calibrate on the latest complete one, score every pair now.

    Products that no customer ever bought twice get what their silence allows, whatever the model says: ~0
    once enough customers were watched for long enough.
    """
    plan = windows(h.begins, h.until, horizon)
    limit = MAX_TRAINING_ROWS // max(len(plan.training), 1)
    training = [examples(h, moment, horizon, allowed, limit, seed) for moment in plan.training]
    latest = None
    if plan.latest is not None:
        latest = examples(h, plan.latest, horizon, allowed, 5 * MAX_TRAINING_ROWS, seed)
    predictor, card = choose(fit_logistic(training), latest, training[0] if training else None, IDENTITY)
    card["training_pairs"] = sum(len(part.label) for part in training)
    scores = closed_form(h, horizon)
    matrix, names = features(h, horizon)
    chance = predictor.probability(matrix, to_logit(scores.poisson_gamma))
    chance = np.minimum(chance, scores.ceiling)
    if predictor.basis == "prior":
        # Nothing was calibrated, so hold on to logic: who orders nothing buys no product.
        chance = np.minimum(chance, order_chance(h, horizon)[h.pair_customer])
    expected, low, high = expected_purchase(h, pair_gaps(h))
    card["features"] = names
    kept = allowed[h.pair_product]
    result = Repurchase(
        h.pair_customer[kept], h.pair_product[kept], chance[kept], expected[kept], low[kept], high[kept],
        predictor.basis,
    )  # fmt: skip
    return result, card
