"""Off-policy evaluation on simulated logs whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.policy.log import Log, UnsoundLog, folds, surprise
from ml.policy.off_policy import (
    NoSupport,
    Value,
    best_by_ridge,
    cross_fit_policy,
    cross_fitted,
    doubly_robust,
    ips,
    judge,
    one_hot,
    snips,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ARMS = 3
TARGET = np.array([[0.1, 0.2, 0.7]])


def means(context: np.ndarray, personal: float = 1.0) -> np.ndarray:
    """True reward of each arm: the sign of the first column decides whether arm 0 or arm 2 is better."""
    side = personal * context[:, 0]
    return np.column_stack([1.0 + side, np.full(len(side), 0.9), 1.0 - side])


def simulated(seed: int, n: int = 1_500, personal: float = 1.0, choices: int = 1) -> Log:
    """A log whose propensities depend on context; each customer chose `choices` times, with a level of their own."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n // choices), choices)
    context = rng.normal(size=(n // choices, 2))[group]
    score = np.exp(np.column_stack([context[:, 0], np.zeros(len(group)), context[:, 1]]) * 0.7)
    propensity = 0.15 / ARMS + 0.85 * score / score.sum(axis=1, keepdims=True)
    action = (propensity.cumsum(axis=1) < rng.random((len(group), 1))).sum(axis=1).clip(max=ARMS - 1)
    level = rng.normal(size=n // choices)[group]
    reward = means(context, personal)[np.arange(len(group)), action] + level + rng.normal(size=len(group))
    return Log(context, action, propensity, reward, group)


def truth() -> float:
    return float(TARGET[0] @ np.array([1.0, 0.9, 1.0]))  # context has mean 0


class TestEstimators:
    @pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
    def test_interval_covers_the_truth_as_often_as_it_says(self, estimator: Callable[[Log, np.ndarray], Value]) -> None:
        values = []
        for seed in range(200):
            log = simulated(seed, n=600)
            values.append(estimator(log, np.repeat(TARGET, len(log), axis=0)))
        covered = np.mean([value.low <= truth() <= value.high for value in values])
        assert 0.90 <= covered <= 0.99
        error = np.array([value.estimate - truth() for value in values])
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error))  # no bias to be seen
        assert error.std() == pytest.approx(np.mean([value.standard_error for value in values]), rel=0.2)

    def test_choices_of_one_customer_are_not_independent_evidence(self) -> None:
        covered = []
        for seed in range(60):
            log = simulated(seed, n=800, choices=8)
            value = doubly_robust(log, np.repeat(TARGET, len(log), axis=0))
            blind = doubly_robust(replace(log, group=np.arange(len(log))), np.repeat(TARGET, len(log), axis=0))
            assert value.standard_error > blind.standard_error
            covered.append(value.low <= truth() <= value.high)
        assert np.mean(covered) >= 0.90

    def test_doubly_robust_needs_fewer_rows_than_weights_alone(self) -> None:
        log = simulated(1)
        target = np.repeat(TARGET, len(log), axis=0)
        assert doubly_robust(log, target).standard_error < ips(log, target).standard_error

    def test_a_wrong_model_does_no_harm_while_propensities_are_right(self) -> None:
        errors = []
        for seed in range(100):
            log = simulated(seed, n=600)
            value = doubly_robust(log, np.repeat(TARGET, len(log), axis=0), np.full((len(log), ARMS), 5.0))
            errors.append(value.estimate - truth())
        assert abs(np.mean(errors)) < 4 * np.std(errors) / 10

    def test_the_logging_policy_itself_is_worth_what_it_earned(self) -> None:
        log = simulated(2)
        assert ips(log, log.propensity).estimate == pytest.approx(log.reward.mean())
        assert snips(log, log.propensity).estimate == pytest.approx(log.reward.mean())
        assert ips(log, log.propensity).effective_size == pytest.approx(len(log))

    def test_self_normalised_follows_a_shift_of_the_reward(self) -> None:
        log = simulated(3)
        target = np.repeat(TARGET, len(log), axis=0)
        shifted = snips(replace(log, reward=log.reward + 100), target)
        assert shifted.estimate == pytest.approx(snips(log, target).estimate + 100)
        assert shifted.standard_error == pytest.approx(snips(log, target).standard_error)

    def test_expectations_never_learn_from_their_own_row(self) -> None:
        log = simulated(4, n=300)
        mine = replace(log, reward=np.where(np.arange(300) == 7, 1e6, log.reward))
        fold = folds(log.group, 5, 0)
        same = fold == fold[7]
        assert np.array_equal(cross_fitted(log)[same], cross_fitted(mine)[same])
        assert not np.array_equal(cross_fitted(log), cross_fitted(mine))


class TestPropensities:
    def test_must_sum_to_one(self) -> None:
        log = simulated(5, n=50)
        with pytest.raises(UnsoundLog, match="50 rows are negative or do not sum"):
            replace(log, propensity=log.propensity * 0.9)

    def test_of_what_was_done_is_never_zero(self) -> None:
        log = simulated(5, n=50)
        moved = one_hot((log.action + 1) % ARMS, ARMS)
        with pytest.raises(UnsoundLog, match="50 rows took an arm of propensity 0"):
            replace(log, propensity=moved)

    def test_that_the_actions_belie_are_found(self) -> None:
        log = simulated(5)
        with pytest.raises(UnsoundLog, match="arm 0 was taken more often"):
            replace(log, propensity=np.repeat([[0.05, 0.45, 0.5]], len(log), axis=0))

    def test_sound_logs_are_not_accused(self) -> None:
        worst = [np.abs(surprise(simulated(seed, n=600))).max() for seed in range(100)]
        assert max(worst) < 4.5

    def test_a_policy_outside_the_support_is_refused(self) -> None:
        log = simulated(5, n=50)
        narrow = Log(
            log.context, np.zeros(50, dtype=int), one_hot(np.zeros(50, dtype=int), ARMS), log.reward, log.group
        )
        with pytest.raises(NoSupport, match="in 50 rows"):
            ips(narrow, np.repeat(TARGET, 50, axis=0))

    @pytest.mark.parametrize("target", [[[0.5, 0.5, 0.5]], [[1.5, -0.5, 0.0]], [[np.nan, 0.5, 0.5]], [[0.5, 0.5]]])
    def test_a_policy_that_is_no_policy_is_refused(self, target: list[list[float]]) -> None:
        log = simulated(5, n=50)
        with pytest.raises(ValueError, match="policy"):
            ips(log, np.repeat(np.array(target), 50, axis=0))

    @pytest.mark.parametrize(("column", "value"), [("reward", np.nan), ("reward", np.inf), ("context", np.nan)])
    def test_numbers_must_be_finite(self, column: str, value: float) -> None:
        log = simulated(5, n=50)
        with pytest.raises(UnsoundLog, match="finite"):
            replace(log, **{column: np.full_like(getattr(log, column), value)})


class TestJudge:
    def test_a_policy_that_suits_each_customer_is_promoted(self) -> None:
        log = simulated(6)
        verdict = judge(log, cross_fit_policy(log, best_by_ridge, seed=0))
        assert verdict.promote
        assert verdict.gain.low > 0
        assert verdict.gain.low == min(verdict.differences, key=lambda value: value.low).low

    def test_where_one_arm_is_best_for_all_nothing_is_promoted(self) -> None:
        promoted = []
        for seed in range(20):
            log = simulated(seed, n=600, personal=0.0)
            promoted.append(judge(log, cross_fit_policy(log, best_by_ridge, seed=0)).promote)
        assert np.mean(promoted) <= 0.05

    def test_the_best_arm_itself_is_no_better_than_the_best_arm(self) -> None:
        log = simulated(7, personal=0.0)
        best = judge(log, one_hot(np.zeros(len(log), dtype=int), ARMS)).best
        verdict = judge(log, one_hot(np.full(len(log), best), ARMS))
        assert (verdict.gain.estimate, verdict.gain.low, verdict.gain.high) == (0.0, 0.0, 0.0)
        assert not verdict.promote

    def test_little_evidence_promotes_nothing(self) -> None:
        log = simulated(8).rows(np.arange(60))
        assert not judge(log, cross_fit_policy(log, best_by_ridge, seed=0)).promote

    def test_equal_input_gives_an_equal_verdict(self) -> None:
        log = simulated(9, n=300)
        target = cross_fit_policy(log, best_by_ridge, seed=3)
        assert np.array_equal(target, cross_fit_policy(log, best_by_ridge, seed=3))
        assert judge(log, target, seed=3) == judge(log, target, seed=3)


class TestDegenerateLogs:
    def test_an_empty_log_judges_nothing(self) -> None:
        log = simulated(1, n=10).rows(np.arange(0))
        with pytest.raises(ValueError, match="empty"):
            judge(log, log.propensity)
        assert np.isnan(ips(log, log.propensity).estimate)

    def test_one_choice_has_an_endless_interval(self) -> None:
        log = simulated(1, n=10).rows(np.arange(1))
        value = ips(log, log.propensity)
        assert (value.low, value.high) == (-np.inf, np.inf)
        assert not judge(log, log.propensity).promote

    def test_one_customer_however_busy_has_an_endless_interval(self) -> None:
        log = replace(simulated(1, n=500), group=np.zeros(500, dtype=int))
        assert ips(log, log.propensity).low == -np.inf

    def test_without_context_arms_are_known_by_their_means(self) -> None:
        log = replace(simulated(1), context=np.zeros((1_500, 0)))
        assert np.isfinite(judge(log, log.propensity).policy.estimate)

    def test_equal_rewards_promote_nothing(self) -> None:
        log = replace(simulated(1), reward=np.full(1_500, 2.0))
        verdict = judge(log, cross_fit_policy(log, best_by_ridge, seed=0))
        assert verdict.policy.estimate == pytest.approx(2.0)
        assert not verdict.promote

    def test_an_arm_that_was_never_taken_blocks_promotion(self) -> None:
        log = simulated(6)
        log = log.rows(np.flatnonzero(log.action[:24] != 1))  # so few rows do not yet belie the propensities
        assert not judge(log, np.repeat(TARGET, len(log), axis=0)).promote


class TestFolds:
    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, 20), max_size=60), st.integers(2, 6), st.integers(0, 9))
    def test_a_group_is_never_split_and_folds_are_even(self, group: list[int], count: int, seed: int) -> None:
        numbers = np.array(group, dtype=np.int64)
        fold = folds(numbers, count, seed)
        held = [{int(g) for g in numbers[fold == f]} for f in range(count)]
        assert sum(len(groups) for groups in held) == len(set(group))
        assert max(map(len, held)) - min(map(len, held)) <= 1
