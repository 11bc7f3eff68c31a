"""Who buys the same product again: every (customer, product) pair bought before gets a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import IDENTITY, to_logit
from ml.closed_forms import closed_form, rules
from ml.gaps import expected_purchase, pair_gaps
from ml.history import Bools, Floats, History, Ints, contains
from ml.lifetime_value import order_chance
from ml.pair_model import CLOSED_FORM, MAX_TRAINING_ROWS, Basis, Examples, choose, fit, sample, windows
from ml.repurchase_features import features

if TYPE_CHECKING:
    from ml.affinity import Affinities

MAX_LATEST_PAIRS = 300_000


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


def examples(
    h: History, moment: float, horizon: float, allowed: Bools, limit: int, seed: int, affinities: Affinities
) -> Examples:
    """Pairs as known at `moment`, labelled by the `horizon` days after it.

    allowed: which products count. limit: at most so many pairs, drawn at random.
    """
    known = h.before(moment)
    matrix, _names = features(known, horizon, affinities.at(known))
    kept = np.flatnonzero(allowed[known.pair_product])
    kept = kept[sample(len(kept), limit, seed)]
    label = contains(h.bought_between(moment, moment + horizon), known.pair_keys[kept])
    return Examples(
        known.pair_customer[kept],
        known.pair_product[kept],
        matrix[kept],
        label,
        np.ones(len(kept)),
        {name: score[kept] for name, score in _closed(known, horizon).items()},
    )


def _closed(h: History, horizon: float) -> dict[str, Floats]:
    return {CLOSED_FORM: to_logit(closed_form(h, horizon).poisson_gamma)} | rules(h)


def predict_repurchase(
    h: History, horizon: float, allowed: Bools, seed: int, affinities: Affinities
) -> tuple[Repurchase, dict[str, Any]]:
    """Fit on complete windows, calibrate on the latest of them, score every pair now.

    Products that no customer ever bought twice get what their silence allows, whatever the model says: ~0
    once enough customers were watched for long enough.
    """
    plan = windows(h.begins, h.until, horizon)
    limit = MAX_TRAINING_ROWS // max(len(plan.training), 1)
    training = [examples(h, moment, horizon, allowed, limit, seed, affinities) for moment in plan.training]
    latest = None
    if plan.latest is not None:
        latest = examples(h, plan.latest, horizon, allowed, MAX_LATEST_PAIRS, seed, affinities)
    # For learning, the latest window weighs no more than another; for measuring, it is there in full.
    learned = latest.take(sample(len(latest.label), limit, seed)) if latest is not None else None
    fitted = fit(training, learned, seed, with_trees=True)
    predictor, card = choose(fitted, latest, training[0] if training else None, IDENTITY)
    card["training_pairs"] = sum(len(part.label) for part in training)
    matrix, names = features(h, horizon, affinities.at(h))
    chance = np.minimum(predictor.probability(matrix, _closed(h, horizon)), closed_form(h, horizon).ceiling)
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
