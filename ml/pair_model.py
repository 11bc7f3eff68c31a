"""One logistic regression over pairs, shared by both kinds of prediction: fit, score, choose, report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression

from ml.calibration import MIN_EXAMPLES, Platt, fit_platt
from ml.metrics import calibration_error, calibration_table, product_rows, summary

if TYPE_CHECKING:
    from ml.history import Bools, Floats, Ints, Matrix

Basis = Literal["model", "baseline", "prior"]
MIN_TRAINING_POSITIVES = 200
MAX_TRAINING_ROWS = 400_000
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

    closed_form is the score that stands in for the model. weight undoes the drawing of pairs: one that stands
    for ten weighs ten. baselines are compared in the card.
    """

    customer: Ints
    product: Ints
    features: Matrix
    closed_form: Floats
    label: Bools
    weight: Floats
    baselines: dict[str, Floats] = field(default_factory=dict)

    def take(self, rows: Bools | Ints) -> Examples:
        """Some of the rows."""
        return Examples(
            self.customer[rows],
            self.product[rows],
            self.features[rows],
            self.closed_form[rows],
            self.label[rows],
            self.weight[rows],
            {name: values[rows] for name, values in self.baselines.items()},
        )


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


@dataclass(frozen=True)
class Predictor:
    """What was chosen for one kind of prediction: where scores come from, and their calibration."""

    basis: Basis
    logistic: Logistic | None
    curve: Platt

    def score(self, features: Matrix, closed_form: Floats) -> Floats:
        """Scores that rank pairs; log-odds before calibration."""
        return self.logistic.score(features) if self.logistic is not None else closed_form

    def probability(self, features: Matrix, closed_form: Floats) -> Floats:
        """Calibrated probability of each pair."""
        return self.curve.probability(self.score(features, closed_form))


def choose(
    logistic: Logistic | None, latest: Examples | None, before: Examples | None, prior: Platt
) -> tuple[Predictor, dict[str, Any]]:
    """Calibrate and measure on the latest window, and choose what to serve.

    logistic: fitted on earlier windows, if there were enough. before: examples of the window before the
    latest, for an honest calibration table. prior: turns the closed-form score into a probability where
    nothing can be calibrated.

    The model is served unless its closed-form stand-in ranks better by more than TIE; without enough examples
    the stand-in is calibrated, without any it is served as is. Returns the predictor and its part of the card.
    """
    card: dict[str, Any] = {
        "latest_pairs": 0 if latest is None else len(latest.label),
        "latest_positives": 0 if latest is None else int(latest.label.sum()),
        "base_rate": None,
        "metrics": {},
        "calibration": None,
    }
    predictor = Predictor("prior", None, prior)
    if latest is not None and min(int(latest.label.sum()), int((~latest.label).sum())) >= MIN_EXAMPLES:
        predictor = _best(logistic, latest, prior)
        _measure(card, predictor, latest, before, prior)
    card["basis"] = predictor.basis
    return predictor, card


def _best(logistic: Logistic | None, latest: Examples, prior: Platt) -> Predictor:
    curve = fit_platt(latest.closed_form, latest.label, latest.weight)
    stand_in = Predictor("baseline", None, curve) if curve else Predictor("prior", None, prior)
    if logistic is None:
        return stand_in
    score = logistic.score(latest.features)
    curve = fit_platt(score, latest.label, latest.weight)
    if curve is None:
        return stand_in
    ours = summary(latest.product, latest.label, score)["average_precision"]
    theirs = summary(latest.product, latest.label, latest.closed_form)["average_precision"]
    behind = ours is not None and theirs is not None and theirs > ours + TIE
    return stand_in if behind and stand_in.basis == "baseline" else Predictor("model", logistic, curve)


def _measure(card: dict[str, Any], chosen: Predictor, latest: Examples, before: Examples | None, prior: Platt) -> None:
    """Put metrics of the chosen basis and of every baseline on the latest window into the card."""
    score = chosen.score(latest.features, latest.closed_form)
    scores = {chosen.basis: score, "closed_form": latest.closed_form, **latest.baselines}
    card["metrics"] = {name: summary(latest.product, latest.label, values) for name, values in scores.items()}
    card["products"] = product_rows(latest.product, latest.label, score)
    card["base_rate"] = float(latest.label.mean())
    # Out of time: the curve is fitted on the window before, so the table says what a merchant would have seen.
    curve = prior
    if before is not None:
        earlier = chosen.score(before.features, before.closed_form)
        curve = fit_platt(earlier, before.label, before.weight) or prior
    unseen = curve.probability(score)
    card["calibration"] = {
        "error": calibration_error(latest.label, unseen),
        "brier": float(np.mean((unseen - latest.label) ** 2)),
        "brier_base_rate": float(np.var(latest.label)),
        "table": calibration_table(latest.label, unseen),
    }
    card["curve"] = {"slope": chosen.curve.slope, "intercept": chosen.curve.intercept}
