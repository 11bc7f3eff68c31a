"""What a policy would have earned, from a log of another: importance weights, doubly robust, and when to promote.

Sources: Horvitz & Thompson (1952) for inverse propensities; Swaminathan & Joachims (2015), "The Self-Normalized
Estimator for Counterfactual Learning", NIPS 28; Dudík, Langford & Li (2011), "Doubly Robust Policy Evaluation and
Learning", ICML 28, and Dudík et al. (2014), Statistical Science 29(4); cross-fitting after Chernozhukov et al.
(2018), Econometrics Journal 21(1). Intervals come from influence functions, summed per group, so that a customer's
many choices count as the dependent rows that they are. A log kept by a policy that learned on the way is no sample
of independent rows; its floor bounds the weights, under which the same intervals hold in the limit (Hadad et al.
2021, PNAS 118(15)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import Ridge

from ml.policy.log import SUM_ERROR, Log, folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.history import Floats, Ints

FOLDS = 5
CONFIDENCE = 0.95
RIDGE = 10.0  # penalty on standardised context; with hundreds of rows per arm it hardly shrinks, with ten it rules
MIN_EFFECTIVE = 100.0  # rows' worth of evidence, for policy and arm each, below which nothing is promoted


class NoSupport(ValueError):
    """The policy takes arms that the log never could have taken, so the log says nothing about it."""


@dataclass(frozen=True)
class Value:
    """A policy's expected reward per choice.

    estimate:       in the log's unit of reward
    standard_error: of the estimate; infinite with fewer than two groups
    low, high:      95% interval, two-sided
    effective_size: (sum w)^2 / sum w^2 of the importance weights (Kong 1992): how many rows' worth of evidence
    """

    estimate: float
    standard_error: float
    effective_size: float

    @property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        return self.estimate - _Z * self.standard_error

    @property
    def high(self) -> float:
        """Upper end of the 95% interval."""
        return self.estimate + _Z * self.standard_error

    def surely_positive(self, tries: int = 1) -> bool:
        """Whether the interval's lower end is above 0; wider by Bonferroni if this is the best of `tries`."""
        return self.estimate - float(norm.isf((1 - CONFIDENCE) / 2 / tries)) * self.standard_error > 0


@dataclass(frozen=True)
class Verdict:
    """Whether a policy may replace the best constant arm.

    policy:      value of the policy
    constants:   value of always taking an arm, arm by arm
    best:        the arm whose estimate is highest
    differences: policy minus each arm, paired on the same rows
    promote:     every difference has its lower end above 0, and there is evidence enough of each
    """

    policy: Value
    constants: tuple[Value, ...]
    best: int
    differences: tuple[Value, ...]
    promote: bool

    @property
    def gain(self) -> Value:
        """Policy minus the best constant arm."""
        return self.differences[self.best]


_Z = float(norm.isf((1 - CONFIDENCE) / 2))


def ips(log: Log, target: Floats) -> Value:
    """Inverse propensity score: unbiased if propensities are right. target: (n, k), the policy's probabilities."""
    weight = _weights(log, target)
    return _value(weight * log.reward, log.group, weight)


def snips(log: Log, target: Floats) -> Value:
    """Self-normalised: a bias that vanishes with n for a smaller variance, and no change when rewards are shifted."""
    weight = _weights(log, target)
    estimate, influence = _self_normalised(log, weight)
    return _value(estimate + influence, log.group, weight)


def doubly_robust(log: Log, target: Floats, expected: Floats | None = None) -> Value:
    """Model plus weighted residuals: right if either the propensities or the model are.

    expected: (n, k), the reward that a model expects of each arm, fitted without the row's own group;
              by default `cross_fitted` rewards.
    """
    weight = _weights(log, target)
    return _value((target * scores(log, expected)).sum(axis=1), log.group, weight)


def scores(log: Log, expected: Floats | None = None) -> Floats:
    """(n, k) doubly robust scores: their mean over any rows estimates each arm's reward there."""
    expected = cross_fitted(log) if expected is None else expected
    result = expected.copy()
    rows = np.arange(len(log))
    result[rows, log.action] += (log.reward - expected[rows, log.action]) / log.taken
    return result


def cross_fitted(log: Log, seed: int = 0) -> Floats:
    """(n, k) expected reward of each arm: a ridge regression per arm, for each fold from the other folds.

    An arm without rows in the other folds is expected to earn what all arms did.
    """
    fold = folds(log.group, FOLDS, seed)
    expected = np.zeros((len(log), log.arms))
    for held in np.unique(fold):
        rest, rows = log.rows(fold != held), fold == held
        for arm in range(log.arms):
            mine = rest.action == arm
            fallback = float(rest.reward.mean()) if len(rest) else 0.0
            expected[rows, arm] = ridge(rest.context[mine], rest.reward[mine], fallback)(log.context[rows])
    return expected


def ridge(context: Floats, reward: Floats, fallback: float = 0.0) -> Callable[[Floats], Floats]:
    """A linear fit on standardised context; the mean without context, `fallback` without rows."""
    if len(reward) == 0 or context.shape[1] == 0:
        level = float(reward.mean()) if len(reward) else fallback
        return lambda given: np.full(len(given), level)
    centre, spread = context.mean(axis=0), context.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    model = Ridge(alpha=RIDGE).fit((context - centre) / spread, reward)

    def predict(given: Floats) -> Floats:
        found: Floats = model.predict((given - centre) / spread)
        return found

    return predict


def best_by_ridge(log: Log, seed: int) -> Callable[[Floats], Floats]:
    """Learn a policy: the arm whose ridge regression of doubly robust scores on context is highest ("DR-ridge").

    Source: Kennedy (2023), "Towards optimal doubly robust estimation of heterogeneous causal effects", Electronic
    Journal of Statistics 17(2), with one regression per arm. Returns context (m, d) -> probabilities (m, k).
    """
    pseudo = scores(log, cross_fitted(log, seed))
    models = [ridge(log.context, pseudo[:, arm]) for arm in range(log.arms)]

    def policy(context: Floats) -> Floats:
        value = np.column_stack([model(context) for model in models])
        return one_hot(value.argmax(axis=1), log.arms)

    return policy


def cross_fit_policy(log: Log, learn: Callable[[Log, int], Callable[[Floats], Floats]], seed: int) -> Floats:
    """(n, k) probabilities of a policy that, for each row, was learned without the row's fold."""
    fold = folds(log.group, FOLDS, seed)
    target = np.zeros((len(log), log.arms))
    for held in np.unique(fold):
        target[fold == held] = learn(log.rows(fold != held), seed)(log.context[fold == held])
    return target


def judge(log: Log, target: Floats, seed: int = 0) -> Verdict:
    """Hold a policy against every constant arm, paired on the same rows, by doubly robust scores.

    target: (n, k), from a policy that did not learn from the row: given from outside, or by `cross_fit_policy`.
    The policy must beat every arm at 97.5% one-sided. Whichever arm is truly best is among them, so picking
    the seemingly best one from the same rows costs nothing (intersection-union test, Berger 1982), and an arm
    too rarely tried to tell blocks the promotion, as it may be the better one.
    Raises NoSupport; ValueError for an empty log.
    """
    if len(log) == 0:
        raise ValueError("an empty log judges nothing")
    pseudo = scores(log, cross_fitted(log, seed))
    weight = _weights(log, target)
    rows = (target * pseudo).sum(axis=1)
    policy = _value(rows, log.group, weight)
    constants, differences = [], []
    for arm in range(log.arms):
        alone = _weights(log, one_hot(np.full(len(log), arm), log.arms))
        constants.append(_value(pseudo[:, arm], log.group, alone))
        differences.append(_value(rows - pseudo[:, arm], log.group, weight))
    best = int(np.argmax([value.estimate for value in constants]))
    enough = min(value.effective_size for value in [policy, *constants]) >= MIN_EFFECTIVE
    promote = enough and all(value.surely_positive() for value in differences)
    return Verdict(policy, tuple(constants), best, tuple(differences), promote)


def one_hot(action: Ints, arms: int) -> Floats:
    """(n, k) probabilities of a policy that surely takes these arms."""
    result: Floats = np.eye(arms)[action]
    return result


def _weights(log: Log, target: Floats) -> Floats:
    if target.shape != log.propensity.shape:
        raise ValueError("the policy gives no probability for every row and arm")
    if not np.isfinite(target).all() or target.min(initial=0) < 0:
        raise ValueError("the policy's probabilities are negative or not finite")
    if np.abs(target.sum(axis=1) - 1).max(initial=0) > SUM_ERROR:
        raise ValueError("the policy's probabilities do not sum to 1")
    missing = ((target > 0) & (log.propensity <= 0)).any(axis=1)
    if missing.any():
        raise NoSupport(f"in {int(missing.sum())} rows the policy takes an arm that the log gave propensity 0")
    result: Floats = target[np.arange(len(log)), log.action] / log.taken
    return result


def _self_normalised(log: Log, weight: Floats) -> tuple[float, Floats]:
    total = float(weight.sum())
    if total <= 0:
        return float("nan"), np.full(len(log), np.nan)
    estimate = float((weight * log.reward).sum() / total)
    return estimate, weight * (log.reward - estimate) / (total / len(log))


def _value(rows: Floats, group: Ints, weight: Floats) -> Value:
    """Mean of `rows`, with a standard error from sums per group."""
    n = len(rows)
    if n == 0:
        return Value(float("nan"), float("inf"), 0.0)
    estimate = float(rows.mean())
    _, position = np.unique(group, return_inverse=True)
    sums = np.bincount(position, weights=rows - estimate)
    groups = len(sums)
    error = float(np.sqrt((sums**2).sum() * groups / (groups - 1)) / n) if groups > 1 else float("inf")
    squares = float((weight**2).sum())
    return Value(estimate, error, float(weight.sum()) ** 2 / squares if squares > 0 else 0.0)
