"""The wait before the next e-mail: what is learned, what is explored, what is never done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.stats import norm

from ml.policy.frequency import (
    ARM_SD,
    ARMS,
    CELL_SD,
    FLOOR,
    SEGMENTS,
    Choices,
    learn,
    posterior,
    reward_per_week,
    segments,
    waits,
)

UNIFORM = np.full((1, len(ARMS)), 1 / len(ARMS))
NO_CHOICES = Choices(
    np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros((0, 7)), np.zeros(0), np.zeros(0, dtype=int), np.zeros(0)
)


def random_choices(seed: int, n: int, best: np.ndarray, gain: float = 1.0, age: float = 100.0) -> Choices:
    """Waits at random; a customer-week earns `gain` more under the best wait of its segment (positions in ARMS)."""
    rng = np.random.default_rng(seed)
    segment, arm = rng.integers(0, SEGMENTS, n), rng.integers(0, len(ARMS), n)
    weeks = np.array(ARMS)[arm] / 7
    reward = 2 + 0.3 * segment + gain * (arm == best[segment]) + rng.normal(size=n) * 2 / np.sqrt(weeks)
    return Choices(segment, arm, np.repeat(UNIFORM, n, axis=0), reward, np.arange(n), np.full(n, age))


def everywhere(arm: int) -> np.ndarray:
    return np.full(SEGMENTS, arm)


class TestWaits:
    def test_are_those_of_the_product_under_the_weekly_cap(self) -> None:
        assert waits() == (7, 10, 14, 21, 28, 45, 60)

    @pytest.mark.parametrize(("cap", "least"), [(7.0, 7), (7.1, 10), (14, 14), (15, 21), (60, 60)])
    def test_under_a_stricter_cap_are_dropped(self, cap: float, least: int) -> None:
        assert min(waits(cap)) == least
        policy = learn(random_choices(1, 300, everywhere(0)), cap_days=cap)
        days, _ = policy.choose(np.zeros(500, dtype=int), np.random.default_rng(0).random(500))
        assert days.min() >= cap

    @pytest.mark.parametrize("cap", [6.99, 60.5, float("nan")])
    def test_cannot_be_chosen_under_a_cap_that_leaves_none(self, cap: float) -> None:
        with pytest.raises(ValueError, match="leaves no choice"):
            waits(cap)


class TestWithoutData:
    @pytest.mark.parametrize(("cap", "start"), [(7, 21), (21, 21), (22, 28), (50, 60)])
    def test_everyone_waits_21_days_or_as_the_cap_asks(self, cap: float, start: int) -> None:
        policy = learn(NO_CHOICES, cap_days=cap)
        days, propensity = policy.choose(np.arange(SEGMENTS), np.linspace(0, 0.999, SEGMENTS))
        assert policy.basis == "start"
        assert set(days) == {start}
        assert (propensity[:, ARMS.index(start)] == 1).all()

    def test_choices_whose_window_is_not_over_are_no_data(self) -> None:
        young = random_choices(1, 200, everywhere(0), age=13.9)
        assert learn(young).basis == "start"

    def test_the_first_answer_starts_exploration_around_21_days(self) -> None:
        one = random_choices(1, 1, everywhere(0))
        policy = learn(one)
        assert policy.basis == "shop"
        assert policy.chance[0].argmax() in {ARMS.index(14), ARMS.index(21), ARMS.index(28)}


class TestPropensities:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10_000), st.integers(0, 300), st.sampled_from([7.0, 10.0, 20.0, 45.0]), st.floats(-1e6, 1e6))
    @example(seed=0, n=2, cap=7.0, money=3.7e-159)  # whose squares are 0
    def test_sum_to_one_and_keep_the_floor(self, seed: int, n: int, cap: float, money: float) -> None:
        choices = random_choices(seed, n, everywhere(2))
        policy = learn(replace(choices, reward=choices.reward * money), cap_days=cap, seed=seed)
        uniform = np.random.default_rng(seed).random(SEGMENTS)
        days, propensity = policy.choose(np.arange(SEGMENTS), uniform)
        assert propensity.sum(axis=1) == pytest.approx(1)
        assert (propensity[:, np.array(ARMS) < cap] == 0).all()
        if policy.basis != "start":
            allowed = propensity[:, np.array(ARMS) >= cap]
            assert (allowed >= FLOOR / allowed.shape[1] - 1e-12).all()
        taken = propensity[np.arange(SEGMENTS), [ARMS.index(day) for day in days]]
        assert (taken > 0).all()

    def test_are_how_often_waits_are_drawn(self) -> None:
        policy = learn(random_choices(3, 400, everywhere(2)))
        n = 200_000
        days, propensity = policy.choose(np.zeros(n, dtype=int), np.random.default_rng(1).random(n))
        share = np.array([(days == wait).mean() for wait in ARMS])
        assert share == pytest.approx(propensity[0], abs=4 * 0.5 / np.sqrt(n))

    def test_match_the_probability_of_being_best(self) -> None:
        choices = random_choices(4, 600, everywhere(5))
        policy = learn(choices, cap_days=45)  # two waits: the probability has a closed form
        mean, covariance = posterior(choices.segment, choices.arm, choices.reward, 0.0)
        spread = covariance[0, 5, 5] + covariance[0, 6, 6] - 2 * covariance[0, 5, 6]
        exact = norm.cdf((mean[0, 5] - mean[0, 6]) / np.sqrt(spread))
        assert policy.chance[0, 0] == pytest.approx((1 - FLOOR) * exact + FLOOR / 2, abs=0.01)

    @pytest.mark.parametrize("uniform", [0.0, np.nextafter(1.0, 0.0)])
    def test_the_ends_of_the_draw_are_waits_too(self, uniform: float) -> None:
        for policy in (learn(NO_CHOICES), learn(random_choices(5, 100, everywhere(1)))):
            days, propensity = policy.choose(np.arange(SEGMENTS), np.full(SEGMENTS, uniform))
            assert (propensity[np.arange(SEGMENTS), [ARMS.index(day) for day in days]] > 0).all()

    def test_equal_input_and_seed_give_equal_policies(self) -> None:
        choices = random_choices(6, 700, everywhere(2))
        assert np.array_equal(learn(choices, seed=5).chance, learn(choices, seed=5).chance)


class TestLearning:
    def test_finds_the_wait_that_earns_most(self) -> None:
        policy = learn(random_choices(7, 3_000, everywhere(2)))
        assert policy.basis == "shop"
        assert (policy.chance.argmax(axis=1) == 2).all()
        assert policy.chance[0, 2] > 0.9

    def test_follows_what_it_learns_and_pays_less_and_less_for_exploring(self) -> None:
        rng = np.random.default_rng(8)
        truth = np.array([1.0, 1.4, 2.0, 1.5, 1.2, 1.0, 0.8])
        log, earned = NO_CHOICES, []
        for _ in range(12):
            policy = learn(log, seed=1)
            segment = rng.integers(0, SEGMENTS, 250)
            days, propensity = policy.choose(segment, rng.random(250))
            arm = np.searchsorted(ARMS, days)
            reward = truth[arm] + rng.normal(size=250) * 2 / np.sqrt(days / 7)
            earned.append(truth[arm].mean())
            new = Choices(segment, arm, propensity, reward, np.arange(250), np.full(250, 99.0))
            log = Choices(
                *(np.concatenate([a, b]) for a, b in zip(vars(log).values(), vars(new).values(), strict=True))
            )
        assert earned[0] == pytest.approx(1.5)
        assert earned[-1] > 1.9

    def test_an_unsubscribe_costs_what_email_was_worth(self) -> None:
        margin, left = np.array([14.0, 14.0]), np.array([False, True])
        assert reward_per_week(margin, left, np.array([30.0, 30.0]), np.array([14, 14])) == pytest.approx([7.0, -8.0])

    def test_waits_that_drive_customers_away_are_avoided(self) -> None:
        choices = random_choices(9, 3_000, everywhere(3), gain=0.0)
        left = (choices.arm == 0) & (np.random.default_rng(9).random(3_000) < 0.2)
        days = np.array(ARMS)[choices.arm]
        reward = reward_per_week(choices.reward * days / 7, left, np.full(3_000, 10.0), days)
        assert learn(replace(choices, reward=reward)).chance[0, 0] < 0.03

    @pytest.mark.parametrize("equal", [0.0, 1e-159, 0.1, 735_123.7])
    def test_equal_rewards_leave_the_ranking_to_the_prior(self, equal: float) -> None:
        choices = random_choices(10, 50, everywhere(0))
        policy = learn(replace(choices, reward=np.full(50, equal)))
        assert policy.chance[0].argmax() == ARMS.index(21)


class TestShrinkage:
    def test_is_that_of_a_regression_on_shop_level_wait_and_cell(self) -> None:
        choices = random_choices(11, 400, everywhere(1))
        weeks = np.array(ARMS)[choices.arm] / 7
        centre = (weeks * choices.reward).sum() / weeks.sum()
        scale = np.sqrt((weeks * (choices.reward - centre) ** 2).sum() / 399)
        octaves = np.log2(np.array(ARMS) / 21)
        near = np.exp(-0.5 * (octaves[:, None] - octaves) ** 2)
        cell = choices.segment * 7 + choices.arm
        design = np.hstack([np.eye(9)[choices.segment], np.eye(7)[choices.arm], np.eye(63)[cell]])
        prior = block_diag(np.eye(9), 0.01 * near, 0.0025 * np.eye(63)) * scale**2
        start = np.concatenate([np.zeros(9), -scale * 0.05 * np.abs(octaves), np.zeros(63)])
        noise = np.diag(scale**2 / weeks)
        gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
        effects = start + gain @ (choices.reward - centre - design @ start)
        spread = prior - gain @ design @ prior
        every = np.hstack([np.kron(np.eye(9), np.ones((7, 1))), np.tile(np.eye(7), (9, 1)), np.eye(63)])
        mean, covariance = posterior(choices.segment, choices.arm, choices.reward, CELL_SD)
        assert mean.ravel() == pytest.approx(centre + every @ effects)
        assert covariance[4] == pytest.approx((every @ spread @ every.T)[28:35, 28:35], abs=1e-9)

    def test_a_segment_without_data_gets_what_the_others_teach(self) -> None:
        choices = random_choices(12, 2_000, everywhere(4))
        seen = choices.rows(choices.segment != 3)
        mean, covariance = posterior(seen.segment, seen.arm, seen.reward, CELL_SD)
        assert mean[3].argmax() == 4
        assert covariance[3, 4, 4] > covariance[2, 4, 4]

    def test_money_in_other_units_changes_nothing(self) -> None:
        choices = random_choices(13, 500, everywhere(4))
        yen = replace(choices, reward=choices.reward * 150)
        assert learn(yen).chance == pytest.approx(learn(choices).chance, abs=1e-3)

    def test_prior_weights_are_as_stated(self) -> None:
        weights = (1 / ARM_SD**2, 1 / CELL_SD**2)
        assert weights == pytest.approx((100, 400))


class TestPromotion:
    def test_segments_get_their_own_waits_where_that_surely_pays(self) -> None:
        best = np.where(np.arange(SEGMENTS) % 2 == 0, 0, 6)
        policy = learn(random_choices(14, 6_000, best, gain=2.0))
        assert policy.basis == "segments"
        assert policy.verdict is not None
        assert policy.verdict.gain.low > 0
        assert np.array_equal(policy.chance.argmax(axis=1), best)

    def test_where_one_wait_suits_all_no_segment_gets_its_own(self) -> None:
        for seed in range(8):
            policy = learn(random_choices(seed, 1_500, everywhere(2)))
            assert policy.basis == "shop"
            assert np.ptp(policy.chance, axis=0).max() == pytest.approx(0, abs=2e-3)

    def test_few_choices_are_not_judged(self) -> None:
        assert learn(random_choices(1, 499, everywhere(2))).verdict is None

    def test_choices_younger_than_the_longest_window_are_no_evidence(self) -> None:
        choices = random_choices(1, 900, everywhere(2), age=66)
        assert len(choices.log(waits())) == 0
        assert len(replace(choices, age_days=choices.age_days + 1).log(waits())) == 900

    def test_choices_made_without_chance_are_no_evidence(self) -> None:
        choices = random_choices(1, 900, everywhere(2))
        sure = replace(choices, arm=np.full(900, 3), propensity=np.repeat(np.eye(7)[[3]], 900, axis=0))
        assert len(sure.log(waits())) == 0
        assert learn(sure).basis == "shop"

    def test_choices_under_a_laxer_cap_count_by_the_waits_that_are_left(self) -> None:
        choices = random_choices(1, 900, everywhere(2))
        log = choices.log(waits(21))
        assert len(log) == (choices.arm >= 3).sum()
        assert log.propensity == pytest.approx(np.full((len(log), 4), 0.25))


class TestSegments:
    def test_are_loyalty_by_recency(self) -> None:
        orders, ratio = np.array([1, 2, 3, 4, 90, 1, 1]), np.array([0.5, 0.5, 1.0, 1.99, 2.0, 99.0, np.nan])
        assert segments(orders, ratio).tolist() == [0, 3, 4, 7, 8, 2, 0]
