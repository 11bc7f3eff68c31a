"""Who buys a product for the first time: active customers with products that they never bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import IDENTITY, Platt, fit_platt
from ml.cross_features import MAXIMUM_LIFT, RETRIEVED, Block, Candidates, PairInputs, block_fit, candidates, inputs
from ml.history import Bools, Floats, History, Ints, contains, group_ends, group_starts, tally
from ml.pair_model import (
    CLOSED_FORM,
    MAX_TRAINING_ROWS,
    Basis,
    Examples,
    Predictor,
    choose,
    fit,
    sample,
    windows,
)
from ml.shop import ACTIVE_DAYS, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.affinity import Affinities

BEST = 50
SEGMENT_CANDIDATES = 100
CANDIDATE_DAYS = 90.0
BLOCK_PAIRS = 400_000
MAX_BLOCK = 1_000
MAX_TRAINING_CUSTOMERS = 10_000
MAX_LATEST_PAIRS = 600_000
ROWS_PER_WINDOW = 2 * MAX_TRAINING_ROWS // 4


@dataclass(frozen=True)
class Scope:
    """Which pairs are wanted.

    listed: product codes that every active customer is scored on; None takes the SEGMENT_CANDIDATES products
        with most buyers in the last CANDIDATE_DAYS, at every moment anew.
    allowed: per product code, whether it may appear at all.
    retrieve: also look for each customer's BEST products among all allowed ones.
    keep_listed: keep every listed pair; otherwise only each customer's BEST pairs are kept.
    """

    listed: Ints | None
    allowed: Bools
    retrieve: bool
    keep_listed: bool

    def marked_at(self, h: History) -> Bools:
        """The listed products as seen at one moment, as a mark per product."""
        marked = np.zeros(h.n_products, dtype=bool)
        marked[self.listed_at(h)] = True
        return marked

    def listed_at(self, h: History) -> Ints:
        """The listed products as seen at one moment."""
        if self.listed is not None:
            return self.listed
        return segment_candidates(h, self.allowed)


@dataclass(frozen=True)
class CrossSell:
    """One row per scored pair (codes), sorted by customer and product."""

    customer: Ints
    product: Ints
    probability: Floats
    basis: Basis


def segment_candidates(h: History, allowed: Bools) -> Ints:
    """The allowed products with most distinct buyers in the last 90 days, best first."""
    recent = tally(h.pair_product, h.n_products, h.pair_last >= h.until - CANDIDATE_DAYS)
    recent = np.where(allowed, recent, 0)
    order = np.lexsort((np.arange(h.n_products), -recent))
    return order[recent[order] > 0][:SEGMENT_CANDIDATES]


def blocks(
    block: Block, customers: Ints, listed: Ints, retrievable: Bools | None, *, highest: bool
) -> Iterator[tuple[Candidates, PairInputs]]:
    """Candidates and their inputs, a few customers at a time, so that memory stays flat.

    retrievable: which products may be looked for beside the listed ones; None looks for none. highest: with the
    rule of maximum lift, which takes longer than all the others.
    """
    size = int(np.clip(BLOCK_PAIRS // (len(listed) + RETRIEVED), 1, MAX_BLOCK))
    for start in range(0, len(customers), size):
        some = customers[start : start + size]
        fit = block_fit(block, some, highest=highest)
        found = candidates(block, some, listed, fit, retrievable)
        yield found, inputs(block, some, fit, found.customer, found.product)


def examples(
    h: History,
    moment: float,
    horizon: float,
    scope: Scope,
    customers_limit: int,
    rows_limit: int | None,
    seed: int,
    affinities: Affinities,
) -> tuple[Examples, Bools] | None:
    """Labelled candidates at one moment, and which of them were listed; None if there are none.

    Customers beyond customers_limit are left out at random. With rows_limit negatives are drawn and weighted.
    """
    known = h.before(moment)
    active = known.active(ACTIVE_DAYS)
    customers = active[sample(len(active), customers_limit, seed)]
    block = Block(known.of(customers), Shop(known, affinities.at(known), horizon))
    bought = h.bought_between(moment, moment + horizon)
    rng = np.random.default_rng(seed)
    offered, retrievable = scope.listed_at(known), scope.allowed if scope.retrieve else None
    expected_rows = len(customers) * (len(offered) + (RETRIEVED if scope.retrieve else 0))
    share = 1.0 if rows_limit is None else min(1.0, rows_limit / max(expected_rows, 1))
    parts, listed = [], []
    for found, described in blocks(block, np.arange(len(customers)), offered, retrievable, highest=True):
        customer = customers[found.customer]
        label = contains(bought, known.key(customer, found.product))
        drawn = label | (rng.random(len(label)) < share)
        weight = np.where(label, 1.0, 1.0 / share)
        whole = Examples(customer, found.product, described.features, label, weight, described.closed)
        parts.append(whole.take(drawn))
        listed.append(found.listed[drawn])
    if not parts:
        return None
    return _join(parts), np.concatenate(listed)


def _join(parts: list[Examples]) -> Examples:
    return Examples(
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.product for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.weight for part in parts]),
        {name: np.concatenate([part.closed[name] for part in parts]) for name in parts[0].closed},
    )


def best_of_each(customer: Ints, score: Floats, product: Ints, best: int = BEST) -> Bools:
    """Mark each customer's `best` highest scores; ties go to the smaller product code."""
    order = np.lexsort((product, -score, customer))
    starts = group_starts(customer[order])
    rank = np.arange(len(order)) - np.repeat(starts, (group_ends(starts, len(order)) - starts))
    marked = np.zeros(len(customer), dtype=bool)
    marked[order] = rank < best
    return marked


@dataclass(frozen=True)
class NewModel:
    """The predictor, and the curve for pairs that were retrieved: being chosen as best, they need their own."""

    predictor: Predictor
    retrieved: Platt


def fit_cross_sell(
    h: History, horizon: float, scope: Scope, seed: int, affinities: Affinities
) -> tuple[NewModel, dict[str, Any]]:
    """Fit on complete windows, calibrate on the latest of them; returns what to serve, and its part of the card."""
    plan = windows(h.begins, h.until, horizon)
    training = []
    for moment in plan.training:
        found = examples(h, moment, horizon, scope, MAX_TRAINING_CUSTOMERS, ROWS_PER_WINDOW, seed, affinities)
        if found is not None:
            training.append(found)
    latest = None
    if plan.latest is not None:
        width = len(scope.listed_at(h)) + RETRIEVED
        customers = max(1, MAX_LATEST_PAIRS // width)
        latest = examples(h, plan.latest, horizon, scope, customers, None, seed, affinities)
    learned = latest[0].thinned(ROWS_PER_WINDOW, seed) if latest else None
    # A line alone: trees gain nothing here, and a giant shop has hundreds of millions of new pairs to score.
    fitted = fit([part for part, _ in training], learned, seed, with_trees=False)

    def served(part: Examples, listed: Bools) -> Examples:
        """The pairs among which the choice is made and the main curve fitted."""
        if scope.keep_listed:
            return part.take(listed)
        score = fitted.honest.score(part.features) if fitted else part.closed[CLOSED_FORM]
        return part.take(best_of_each(part.customer, score, part.product))

    predictor, card = choose(
        fitted,
        served(*latest) if latest else None,
        # Negatives of training windows are drawn, so a ranking among them is not the one that is served.
        served(*training[0]) if training and scope.keep_listed else None,
        IDENTITY,
    )
    card["training_pairs"] = sum(len(part.label) for part, _ in training)
    retrieved = predictor.curve
    if latest is not None and scope.keep_listed and scope.retrieve and predictor.basis != "prior":
        part, listed = latest
        score = predictor.unseen(part)
        chosen = best_of_each(part.customer, score, part.product) & ~listed
        retrieved = fit_platt(score[chosen], part.label[chosen], part.weight[chosen]) or predictor.curve
    return NewModel(predictor, retrieved), card


def score_cross_sell(
    h: History, shop: Shop, model: NewModel, scope: Scope, listed: Ints, ceiling: Floats | None
) -> tuple[CrossSell, list[str]]:
    """Score the wanted pairs of some customers now; also returns the names of the model's inputs, if there were any.

    listed: the products that each active customer is scored on. ceiling: the most that a customer's pairs may have.
    """
    predictor, names = model.predictor, list[str]()
    block, retrievable = Block(h, shop), scope.allowed if scope.retrieve else None
    customers, products, chances = [], [], []
    highest = predictor.model is None and predictor.rule == MAXIMUM_LIFT
    for found, described in blocks(block, h.active(ACTIVE_DAYS), listed, retrievable, highest=highest):
        score = predictor.score(described.features, described.closed)
        kept = found.listed & scope.keep_listed
        if scope.retrieve or not scope.keep_listed:
            kept = kept | best_of_each(found.customer, score, found.product)
        chance = predictor.curve.probability(score)
        chance = np.where(found.listed, chance, model.retrieved.probability(score))
        if ceiling is not None:
            chance = np.minimum(chance, ceiling[found.customer])
        customers.append(found.customer[kept])
        products.append(found.product[kept])
        chances.append(chance[kept])
        names = described.names
    if not customers:
        nothing = np.zeros(0, dtype=np.int64)
        return CrossSell(nothing, nothing, np.zeros(0), predictor.basis), names
    chance = np.concatenate(chances)
    return CrossSell(np.concatenate(customers), np.concatenate(products), chance, predictor.basis), names
