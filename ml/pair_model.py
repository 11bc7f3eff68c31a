"""One model over pairs, shared by both kinds of prediction: fit, score, choose, report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ml.calibration import MIN_EXAMPLES, Platt, fit_platt
from ml.evidence import calibrated, measured, served_card
from ml.history import scattered
from ml.metrics import summary

if TYPE_CHECKING:
    from ml.history import Bools, Floats, Ints, Matrix

Basis = Literal["model", "baseline", "prior"]
MIN_TRAINING_POSITIVES = 100  # in each half of the customers
MIN_TREE_POSITIVES = 2_000
MAX_TRAINING_ROWS = 400_000
MAX_TREE_ROWS = 100_000  # in each half; twice as many cost twice the time and gain less than a tie
CLOSED_FORM = "closed_form"
ROWS_AT_ONCE = 100_000
MIN_KNOWN_DAYS = 21.0  # a window that began earlier in a shop's life says nothing about a grown one
MAX_STANDARD = 6.0  # standardised inputs are cut here, so that one odd customer can't tilt the model
TIE = 0.003  # average precision; one test month can't tell smaller differences apart


@dataclass(frozen=True)
class Windows:
    """Moments (days since 1970) from which labels look one horizon ahead; all end by `as_of`.

    latest: the last complete window, which calibrates and measures; None if too little was known at its
    start. training: earlier ones, whose labels end before the latest window begins.
    """

    latest: float | None
    training: list[float]


def windows(begins: float, as_of: float, horizon: float, wanted: int = 4) -> Windows:
    """Place the label windows; fewer are returned if the history is too short."""
    enough = max(horizon, 30.0)
    latest = as_of - horizon
    step = min(max(horizon, 14.0), 30.0)
    moments = [latest - horizon - step * i for i in range(wanted)]
    training = [moment for moment in moments if moment - begins >= enough]
    return Windows(latest if latest - begins >= MIN_KNOWN_DAYS else None, training)


@dataclass(frozen=True)
class Examples:
    """Pairs with what was known at one moment, and whether they bought in the horizon after it.

    weight undoes the drawing of pairs: one that stands for ten weighs ten. closed: scores that need no training,
    by name; the first, named closed_form, is a chance in log-odds and stands in where nothing can be calibrated.
    """

    customer: Ints
    product: Ints
    features: Matrix
    label: Bools
    weight: Floats
    closed: dict[str, Floats]

    def take(self, rows: Bools | Ints) -> Examples:
        """Some of the rows."""
        return Examples(
            self.customer[rows],
            self.product[rows],
            self.features[rows],
            self.label[rows],
            self.weight[rows],
            {name: values[rows] for name, values in self.closed.items()},
        )

    def thinned(self, limit: int, seed: int) -> Examples:
        """All buyers, and as many others as the limit allows, weighing more for it."""
        share = min(1.0, limit / max(len(self.label), 1))
        kept = self.label | (np.random.default_rng(seed).random(len(self.label)) < share)
        part = self.take(kept)
        return replace(part, weight=np.where(part.label, part.weight, part.weight / share))


def sample(rows: int, limit: int, seed: int) -> Ints:
    """At most `limit` row numbers, the same for the same seed, in order."""
    if rows <= limit:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size=limit, replace=False))


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on standardised inputs."""

    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def score(self, features: Matrix) -> Floats:
        """Log-odds before calibration."""
        result = np.empty(len(features))
        for start in range(0, len(features), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            result[rows] = _standard(features[rows], self.mean, self.scale) @ self.weights + self.intercept
        return result


def _standard(features: Matrix, mean: Floats, scale: Floats) -> Floats:
    standard = features.astype(np.float64)
    standard -= mean
    standard /= scale
    return np.clip(standard, -MAX_STANDARD, MAX_STANDARD, out=standard)


def fit_logistic(parts: list[Examples]) -> Logistic | None:
    """Fit on all examples together; None if there are too few of either label."""
    if not parts:
        return None
    label = np.concatenate([part.label for part in parts])
    positives = int(label.sum())
    if min(positives, len(label) - positives) < MIN_TRAINING_POSITIVES:
        return None
    features = np.concatenate([part.features for part in parts])
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale < 1e-9] = 1.0  # noqa: PLR2004 - a column that never varies says nothing
    standard = _standard(features, mean, scale)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-5, max_iter=50)
    model.fit(standard, label, sample_weight=np.concatenate([part.weight for part in parts]))
    return Logistic(mean, scale, model.coef_[0].astype(np.float64), float(model.intercept_[0]))


def fit_trees(parts: list[Examples], seed: int) -> HistGradientBoostingClassifier | None:
    """Fit boosted trees on at most MAX_TREE_ROWS of the examples; None if there are too few buyers."""
    label = np.concatenate([part.label for part in parts])
    if min(int(label.sum()), int((~label).sum())) < MIN_TREE_POSITIVES:
        return None
    rows = sample(len(label), MAX_TREE_ROWS, seed)
    weight: Floats | None = np.concatenate([part.weight for part in parts])[rows]
    if weight is not None and (weight == weight[0]).all():
        weight = None  # weighted bins take scikit-learn ten times as long as the trees themselves
    model = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.07,
        max_leaf_nodes=7,
        min_samples_leaf=200,
        l2_regularization=10.0,
        max_features=0.3,  # trees that may not all ask the same question err less together in a small shop
        early_stopping=False,
        random_state=seed,
    )
    model.fit(np.concatenate([part.features for part in parts])[rows], label[rows], sample_weight=weight)
    return model


@dataclass(frozen=True)
class PairModel:
    """A logistic regression, and boosted trees beside it where there is enough to learn from.

    Trees see what a line cannot, a line extends where trees have no example: their mean beats both.
    """

    logistic: Logistic
    trees: HistGradientBoostingClassifier | None

    def score(self, features: Matrix) -> Floats:
        """Mean log-odds before calibration."""
        score = self.logistic.score(features)
        if self.trees is not None:
            for start in range(0, len(features), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                score[rows] = (score[rows] + self.trees.decision_function(features[rows])) / 2
        return score


@dataclass(frozen=True)
class CrossFitted:
    """Two models, each learned from the pairs of one half of the customers.

    Together they have seen everyone, so they may learn from the latest window too; and each can still be asked
    about customers that it never saw, so that the latest window can calibrate them.
    """

    halves: tuple[PairModel, PairModel]

    def score(self, features: Matrix) -> Floats:
        """Mean of both models: log-odds before calibration."""
        return (self.halves[0].score(features) + self.halves[1].score(features)) / 2

    def unseen(self, customer: Ints, features: Matrix) -> Floats:
        """Each pair by the model that did not learn from its customer."""
        second = _second_half(customer)
        score = np.empty(len(customer))
        score[second] = self.halves[0].score(features[second])
        score[~second] = self.halves[1].score(features[~second])
        return score


def _second_half(customer: Ints) -> Bools:
    """A fixed half of the customers."""
    second: Bools = scattered(customer) % 2 == 1
    return second


def fit_cross_fitted(parts: list[Examples], seed: int, *, with_trees: bool) -> CrossFitted | None:
    """Fit one model per half of the customers; None if either half has too few examples."""
    models = []
    for half in (False, True):
        mine = [part.take(_second_half(part.customer) == half) for part in parts]
        logistic = fit_logistic(mine)
        if logistic is None:
            return None
        models.append(PairModel(logistic, fit_trees(mine, seed) if with_trees else None))
    return CrossFitted((models[0], models[1]))


@dataclass(frozen=True)
class Predictor:
    """What was chosen for one kind of prediction: where scores come from, and their calibration.

    share: how much of the first closed form is added to the model's log-odds.
    """

    basis: Basis
    model: CrossFitted | None
    rule: str
    curve: Platt
    share: float = 0.0

    def score(self, features: Matrix, closed: dict[str, Floats]) -> Floats:
        """Scores that rank pairs; log-odds before calibration."""
        if self.model is None:
            return closed[self.rule]
        return self.model.score(features) + self.share * closed[CLOSED_FORM]

    def unseen(self, part: Examples) -> Floats:
        """The same for examples that taught, each from the half that did not learn from its customer."""
        if self.model is None:
            return part.closed[self.rule]
        return self.model.unseen(part.customer, part.features) + self.share * part.closed[CLOSED_FORM]

    def probability(self, features: Matrix, closed: dict[str, Floats]) -> Floats:
        """Calibrated probability of each pair."""
        return self.curve.probability(self.score(features, closed))


@dataclass(frozen=True)
class Fitted:
    """Models of one kind of prediction.

    honest: learned from windows before the latest, so the latest can tell how good it is. served: learned from
    the latest window too, as what happened last says most about what comes.
    """

    honest: CrossFitted
    served: CrossFitted


def fit(training: list[Examples], latest: Examples | None, seed: int, *, with_trees: bool) -> Fitted | None:
    """Fit both; None without enough examples before the latest window, or without that one."""
    honest = fit_cross_fitted(training, seed, with_trees=with_trees)
    if honest is None or latest is None:
        return None
    served = fit_cross_fitted([*training, latest], seed, with_trees=with_trees)
    return Fitted(honest, served or honest)


def closed_form_share(model: CrossFitted, part: Examples) -> float:
    """How much of the closed form to add to the model's log-odds, as customers it never saw tell; at least 0.

    A model of some fifty inputs learns from a small shop's noise, too; where it does, two weights that a logistic
    regression gives to both scores pull it back to what is known without learning. In a large shop the share is 0.
    Source: Wolpert (1992), "Stacked Generalization".
    """
    scores = np.column_stack([model.unseen(part.customer, part.features), part.closed[CLOSED_FORM]])
    if min(int(part.label.sum()), int((~part.label).sum())) < MIN_TRAINING_POSITIVES:
        return 0.0
    spread = scores.std(axis=0)
    if not (spread > 0).all():
        return 0.0
    stack = LogisticRegression(C=1.0, solver="newton-cholesky")
    stack.fit((scores - scores.mean(axis=0)) / spread, part.label, sample_weight=part.weight)
    own, closed = stack.coef_[0] / spread
    return float(closed / own) if own > 0 and closed > 0 else 0.0


def choose(
    fitted: Fitted | None, latest: Examples | None, before: Examples | None, prior: Platt
) -> tuple[Predictor, dict[str, Any]]:
    """Calibrate and measure on the latest window, and choose what to serve.

    before: examples of the window before the latest, for an honest calibration table. prior: turns the first
    closed-form score into a probability where nothing can be calibrated.

    The model is served unless a closed form ranks better by more than TIE; then, and without enough examples to
    train, that closed form is served, calibrated; without any examples the first is served as is. Returns the
    predictor and its part of the card.
    """
    card: dict[str, Any] = {
        "latest_pairs": 0 if latest is None else len(latest.label),
        "latest_positives": 0 if latest is None else int(latest.label.sum()),
        "base_rate": None,
        "metrics": {},
        "calibration": None,
    }
    predictor = honest = Predictor("prior", None, CLOSED_FORM, prior)
    if latest is not None and min(int(latest.label.sum()), int((~latest.label).sum())) >= MIN_EXAMPLES:
        scores = dict(latest.closed)
        if fitted is not None:
            # The share, too, must be one that could be known before.
            share = 0.0 if before is None else closed_form_share(fitted.honest, before)
            honest = Predictor("model", fitted.honest, CLOSED_FORM, prior, share)
            scores["model"] = honest.score(latest.features, latest.closed)
        quality = {name: summary(latest.product, latest.label, score) for name, score in scores.items()}
        predictor = _best(fitted, latest, quality, prior)
        card["rule"] = predictor.rule if predictor.model is None else None
        card |= _evidence(predictor, honest if fitted is not None else None, latest, before, scores, quality)
    card["basis"] = predictor.basis
    return predictor, card


def _best(fitted: Fitted | None, latest: Examples, quality: dict[str, dict[str, Any]], prior: Platt) -> Predictor:
    def precision(name: str) -> float:
        return quality[name]["average_precision"] or 0.0

    curves = {
        name: fit_platt(score, latest.label, latest.weight) if precision(name) else None
        for name, score in latest.closed.items()
    }
    # The first is a chance by itself and safe on little data: another rule must be clearly better.
    rule = max((name for name in curves if curves[name]), key=precision, default=CLOSED_FORM)
    if precision(rule) <= precision(CLOSED_FORM) + TIE:
        rule = CLOSED_FORM
    curve = curves[rule] or fit_platt(latest.closed[rule], latest.label, latest.weight)
    stand_in = Predictor("baseline", None, rule, curve) if curve else Predictor("prior", None, CLOSED_FORM, prior)
    if fitted is None:
        return stand_in
    served = Predictor("model", fitted.served, rule, prior, closed_form_share(fitted.served, latest))
    curve = fit_platt(served.unseen(latest), latest.label, latest.weight)
    behind = precision(rule) > precision("model") + TIE
    if curve is None or (behind and stand_in.basis == "baseline"):
        return stand_in
    return replace(served, curve=curve)


def _evidence(
    chosen: Predictor,
    honest: Predictor | None,
    latest: Examples,
    before: Examples | None,
    scores: dict[str, Floats],
    quality: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """How every scorer, and the chosen one in depth, would have met the latest window, had it been served then.

    honest: the model that had not seen that window, if one could be trained.
    """
    earlier = {} if before is None else dict(before.closed)
    if honest is not None and before is not None:
        earlier["model"] = honest.unseen(before)
    # Out of time: curves are fitted on the window before, so the card says what a merchant would have seen.
    chances = calibrated(before, earlier, scores)
    served = "model" if chosen.model is not None else chosen.rule
    known = chances[served]
    chance = chosen.curve.probability(scores[served]) if known is None else known
    return {
        "metrics": measured(latest, quality, scores, chances),
        "served": served,
        **served_card(latest, scores[served], chance, out_of_time=known is not None),
        "curve": {"slope": chosen.curve.slope, "intercept": chosen.curve.intercept},
        "closed_form_share": chosen.share,
    }
