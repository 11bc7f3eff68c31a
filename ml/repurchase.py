"""Who buys the same product again: every (customer, product) pair bought before gets a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import IDENTITY, to_logit
from ml.closed_forms import closed_form, rules
from ml.gaps import expected_purchase, pair_gaps
from ml.history import Bools, Floats, History, Ints, contains, tally
from ml.pair_model import CLOSED_FORM, MAX_TRAINING_ROWS, Basis, Examples, Predictor, choose, fit, sample, windows
from ml.repurchase_features import features
from ml.shop import Shop

if TYPE_CHECKING:
    from ml.affinity import Affinities

MAX_LATEST_PAIRS = 300_000
SPARE = 4


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

    allowed: which products count. limit: at most so many pairs, drawn at random; of a large shop, from as many
    customers as hold SPARE times that.
    """
    known = h.before(moment)
    shop = Shop(known, affinities.at(known), horizon)
    customers = _enough(known, allowed, SPARE * limit, seed)
    mine = known if len(customers) == known.n_customers else known.of(customers)
    matrix, _names = features(mine, shop)
    kept = np.flatnonzero(allowed[mine.pair_product])
    kept = kept[sample(len(kept), limit, seed)]
    customer, product = customers[mine.pair_customer[kept]], mine.pair_product[kept]
    label = contains(h.bought_between(moment, moment + horizon), known.key(customer, product))
    closed = {name: score[kept] for name, score in _closed(mine, shop).items()}
    return Examples(customer, product, matrix[kept], label, np.ones(len(kept)), closed)


def _enough(h: History, allowed: Bools, wanted: int, seed: int) -> Ints:
    """Customers drawn at random until they hold `wanted` allowed pairs; sorted codes."""
    pairs = tally(h.pair_customer, h.n_customers, allowed[h.pair_product])
    if pairs.sum() <= wanted:
        return np.arange(h.n_customers)
    order = np.random.default_rng(seed).permutation(h.n_customers)
    enough = int(np.searchsorted(np.cumsum(pairs[order]), wanted)) + 1
    return np.sort(order[:enough])


def _closed(h: History, shop: Shop) -> dict[str, Floats]:
    chance = closed_form(h, shop.horizon, shop.repeat_rate).poisson_gamma
    return {CLOSED_FORM: to_logit(chance)} | rules(h, pair_gaps(h, shop.gaps), shop.buyers)


def fit_repurchase(
    h: History, horizon: float, allowed: Bools, seed: int, affinities: Affinities, *, with_trees: bool = True
) -> tuple[Predictor, dict[str, Any]]:
    """Fit on complete windows, calibrate on the latest of them; returns what to serve, and its part of the card."""
    plan = windows(h.begins, h.until, horizon)
    limit = MAX_TRAINING_ROWS // max(len(plan.training), 1)
    training = [examples(h, moment, horizon, allowed, limit, seed, affinities) for moment in plan.training]
    latest = None
    if plan.latest is not None:
        latest = examples(h, plan.latest, horizon, allowed, MAX_LATEST_PAIRS, seed, affinities)
    # For learning, the latest window weighs no more than another; for measuring, it is there in full.
    learned = latest.take(sample(len(latest.label), limit, seed)) if latest is not None else None
    fitted = fit(training, learned, seed, with_trees=with_trees)
    predictor, card = choose(fitted, latest, training[0] if training else None, IDENTITY)
    card["training_pairs"] = sum(len(part.label) for part in training)
    return predictor, card


def score_repurchase(
    h: History, shop: Shop, predictor: Predictor, allowed: Bools, ceiling: Floats | None
) -> tuple[Repurchase, list[str]]:
    """Score every pair of some customers now; also returns the names of the model's inputs.

    ceiling: the most that each customer's pairs may have, if anything. Products that no customer ever bought twice
    get what their silence allows, whatever the model says: ~0 once enough customers were watched for long enough.
    """
    matrix, names = features(h, shop)
    silence = closed_form(h, shop.horizon, shop.repeat_rate).ceiling
    chance = np.minimum(predictor.probability(matrix, _closed(h, shop)), silence)
    if ceiling is not None:
        chance = np.minimum(chance, ceiling[h.pair_customer])
    expected, low, high = expected_purchase(h, pair_gaps(h, shop.gaps))
    kept = allowed[h.pair_product]
    result = Repurchase(
        h.pair_customer[kept], h.pair_product[kept], chance[kept], expected[kept], low[kept], high[kept],
        predictor.basis,
    )  # fmt: skip
    return result, names
