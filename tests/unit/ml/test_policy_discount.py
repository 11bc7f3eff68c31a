"""Who is offered a discount: never over the ceiling or the budget, and only where it pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from ml.policy.discount import (
    EXPLORE_SHARE,
    LEVELS,
    NONE_SHARE,
    Customers,
    DiscountPolicy,
    Response,
    Trials,
    amounts,
    fit_response,
    learn,
    offer,
)

EVERY = tuple(range(len(LEVELS)))


def people(seed: int, n: int, columns: int = 1) -> Customers:
    rng = np.random.default_rng(seed)
    basket = rng.integers(0, 20_000, n)
    margin = (basket * rng.uniform(-0.2, 0.8, n)).astype(np.int64)
    return Customers(rng.permutation(n), rng.uniform(0.001, 0.9, n), rng.normal(size=(n, columns)), basket, margin)


def response(*slopes: float) -> Response:
    return Response(0.0, np.zeros(1), np.zeros(1), np.ones(1), np.array(slopes))


KEEN = DiscountPolicy(response(0.8, 0.5, 0.3, 0.1), EVERY, "customers")


def trials(seed: int, n: int, slopes: tuple[float, ...], slope_of_context: float = 0.0) -> Trials:
    """Every level at random; baskets of 40 to 80 with half of it margin, a tenth to a half of customers buy anyway."""
    rng = np.random.default_rng(seed)
    basket = rng.integers(4_000, 8_000, n)
    context = rng.normal(size=(n, 1))
    given = Customers(np.arange(n), rng.uniform(0.1, 0.5, n), context, basket, basket // 2)
    worth = amounts(basket, 10_000)
    level = rng.integers(0, len(LEVELS), n)
    base = logit(given.probability) + slope_of_context * context[:, 0]
    odds = base + np.concatenate([[0.0], np.cumsum(slopes)])[level]
    return Trials(given, worth, level, np.full((n, 5), 0.2), rng.random(n) < expit(odds))


class TestAmounts:
    def test_are_shares_of_the_basket_rounded_down_and_cut_at_the_ceiling(self) -> None:
        assert amounts(np.array([0, 999, 5_000, 100_000]), 800).tolist() == [
            [0, 0, 0, 0, 0],
            [0, 49, 99, 149, 199],
            [0, 250, 500, 750, 800],
            [0, 800, 800, 800, 800],
        ]

    def test_a_ceiling_or_budget_below_zero_is_refused(self) -> None:
        with pytest.raises(ValueError, match="never negative"):
            offer(KEEN, people(1, 5), -1)
        with pytest.raises(ValueError, match="never negative"):
            offer(KEEN, people(1, 5), 500, -1)


class TestBudget:
    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(0, 10_000),
        st.integers(0, 80),
        st.integers(0, 3_000),
        st.integers(0, 50_000),
        st.lists(st.floats(0, 5), min_size=4, max_size=4),
    )
    def test_and_ceiling_are_never_exceeded(
        self, seed: int, n: int, ceiling: int, budget: int, slopes: list[float]
    ) -> None:
        policy = DiscountPolicy(response(*slopes), EVERY, "customers")
        offers = offer(policy, people(seed, n), ceiling, budget, seed)
        assert offers.amount_minor.sum() <= budget
        assert offers.amount_minor.max(initial=0) <= ceiling
        assert offers.amount_minor.min(initial=0) >= 0
        assert offers.amount_minor.dtype == np.int64

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 60), st.integers(0, 3_000), st.integers(0, 30_000))
    def test_propensities_are_valid_whatever_it_is(self, seed: int, n: int, ceiling: int, budget: int) -> None:
        offers = offer(KEEN, people(seed, n), ceiling, budget, seed)
        assert offers.propensity.sum(axis=1) == pytest.approx(1)
        assert (offers.propensity >= 0).all()
        assert (offers.propensity[:, 0] >= NONE_SHARE - 1e-12).all()
        assert (offers.propensity[np.arange(n), offers.level] > 0).all()

    def test_is_used_where_customers_are_alike(self) -> None:
        alike = Customers(
            np.arange(1_000), np.full(1_000, 0.2), np.zeros((1_000, 1)), np.full(1_000, 10_000), np.full(1_000, 6_000)
        )
        offers = offer(KEEN, alike, 500, budget_minor=100_000)
        assert 60_000 < offers.amount_minor.sum() <= 100_000

    def test_goes_to_those_with_the_most_to_gain(self) -> None:
        n = 400
        margin = np.repeat([9_000, 1_000], n // 2)
        both = Customers(np.arange(n), np.full(n, 0.2), np.zeros((n, 1)), np.full(n, 10_000), margin)
        offers = offer(KEEN, both, 500, budget_minor=40_000)
        policy_chose = offers.propensity.argmax(axis=1) > 0
        assert policy_chose[: n // 2].any()
        assert not policy_chose[n // 2 :].any()

    def test_of_nothing_gives_nothing_and_explores_nothing(self) -> None:
        offers = offer(KEEN, people(2, 200), 500, budget_minor=0)
        assert offers.amount_minor.sum() == 0
        assert (offers.propensity[offers.propensity > 0] >= NONE_SHARE).all()

    def test_that_covers_everything_changes_nothing(self) -> None:
        free, ample = offer(KEEN, people(3, 200), 500), offer(KEEN, people(3, 200), 500, 10**9)
        assert np.array_equal(free.level, ample.level)
        assert np.array_equal(free.propensity, ample.propensity)


class TestSlices:
    def test_keep_an_arm_without_discount_of_exactly_the_logged_size(self) -> None:
        offers = offer(KEEN, people(4, 2_000), 10_000)
        wanting = offers.propensity.argmax(axis=1) > 0
        none = (offers.level == 0) & wanting
        share = NONE_SHARE + EXPLORE_SHARE / len(LEVELS)
        assert none.sum() == pytest.approx(share * wanting.sum(), abs=4 * np.sqrt(share * wanting.sum()))

    def test_propensities_are_how_often_levels_come_over_seeds(self) -> None:
        few = people(5, 7)
        drawn = np.zeros((7, len(LEVELS)))
        runs = 3_000
        for seed in range(runs):
            drawn[np.arange(7), offer(KEEN, few, 600, 4_000, seed).level] += 1 / runs
        assert drawn == pytest.approx(offer(KEEN, few, 600, 4_000).propensity, abs=4 * 0.5 / np.sqrt(runs))

    def test_a_single_customer_may_land_in_any_of_them(self) -> None:
        one = people(6, 1)
        levels = {int(offer(KEEN, one, 600, seed=seed).level[0]) for seed in range(600)}
        assert levels == set(EVERY)

    def test_do_not_depend_on_the_order_of_customers(self) -> None:
        some = people(7, 90)
        order = np.random.default_rng(0).permutation(90)
        assert np.array_equal(
            offer(KEEN, some, 600, 9_000, 3).level[order], offer(KEEN, some.rows(order), 600, 9_000, 3).level
        )

    def test_nobody_at_all_is_offered_nothing(self) -> None:
        assert len(offer(KEEN, people(8, 0), 500, 100).level) == 0


class TestResponse:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10_000), st.integers(0, 150), st.integers(0, 5_000))
    def test_never_falls_with_the_discount_whatever_was_seen(self, seed: int, n: int, ceiling: int) -> None:
        rng = np.random.default_rng(seed)
        seen = people(seed, n)
        level = rng.integers(0, len(LEVELS), n)
        bought = rng.random(n) < 0.9 - level / 5  # the larger the discount, the fewer bought
        curve = fit_response(Trials(seen, amounts(seen.basket_minor, ceiling), level, np.full((n, 5), 0.2), bought))
        asked = people(seed + 1, 40)
        found = curve.probability(asked, amounts(asked.basket_minor, ceiling))
        assert (np.diff(found, axis=1) >= -1e-12).all()
        assert ((found > 0) & (found < 1)).all()

    def test_without_trials_is_the_probability_given_and_no_discount_helps(self) -> None:
        some = people(9, 20)
        curve = fit_response(trials(0, 0, (0, 0, 0, 0)))
        assert curve.probability(some, amounts(some.basket_minor, 500)) == pytest.approx(
            np.repeat(some.probability[:, None], 5, axis=1)
        )

    def test_finds_what_was_planted(self) -> None:
        curve = fit_response(trials(10, 60_000, (0.6, 0.3, 0.0, 0.4), slope_of_context=0.5))
        assert curve.slopes == pytest.approx([0.6, 0.3, 0.0, 0.4], abs=0.1)
        assert curve.weights == pytest.approx([0.5], abs=0.05)
        assert curve.intercept == pytest.approx(0.0, abs=0.05)

    def test_knows_a_ceiling_cuts_the_discount_and_its_effect(self) -> None:
        rich = Customers(np.array([1]), np.array([0.2]), np.zeros((1, 1)), np.array([100_000]), np.array([50_000]))
        cut = KEEN.response.probability(rich, amounts(rich.basket_minor, 2_500))  # 2.5% of the basket: half a step
        assert cut[0, 1:] == pytest.approx(expit(logit(0.2) + 0.4))


class TestChoice:
    def test_who_surely_buys_gets_none_and_who_wavers_gets_some(self) -> None:
        sure_and_wavering = Customers(
            np.array([1, 2]), np.array([0.97, 0.3]), np.zeros((2, 1)), np.array([10_000] * 2), np.array([6_000] * 2)
        )
        chosen = offer(KEEN, sure_and_wavering, 10_000).propensity.argmax(axis=1)
        assert chosen[0] == 0
        assert chosen[1] > 0

    def test_earns_the_most_that_the_response_allows(self) -> None:
        some = people(11, 60)
        worth = amounts(some.basket_minor, 700)
        gain = KEEN.response.probability(some, worth) * (some.margin_minor[:, None] - worth)
        offers = offer(KEEN, some, 700)
        assert np.array_equal(offers.propensity.argmax(axis=1), gain.argmax(axis=1))
        rows = np.arange(60)
        assert offers.expected_margin_minor == pytest.approx(gain[rows, offers.level])


class TestLearning:
    def test_starts_with_no_discount_but_in_the_random_slice(self) -> None:
        policy = learn(trials(12, 0, (0, 0, 0, 0)))
        assert (policy.basis, policy.levels) == ("start", (0,))
        offers = offer(policy, people(12, 400), 500)
        assert (offers.level > 0).mean() < EXPLORE_SHARE
        assert offers.propensity[:, 1:] == pytest.approx(EXPLORE_SHARE / 5)

    def test_gives_each_their_own_level_where_that_surely_pays(self) -> None:
        seen = trials(13, 12_000, (1.6, 0.0, 0.0, 0.0))
        split = seen.customers.customer_no % 2 == 0  # every other customer buys anyway
        sure = replace(seen.customers, probability=np.where(split, 0.995, 0.08))
        odds = logit(sure.probability) + 1.6 * (seen.level > 0)
        bought = np.random.default_rng(1).random(12_000) < expit(odds)
        policy = learn(replace(seen, customers=sure, bought=bought))
        assert policy.basis == "customers"
        assert policy.verdict is not None
        assert policy.verdict.gain.low > 0

    def test_gives_all_the_same_where_only_that_surely_pays(self) -> None:
        policy = learn(trials(14, 8_000, (1.2, 0.0, 0.0, 0.0)))
        assert policy.basis == "constant"
        assert [LEVELS[level] for level in policy.levels] == [0, 5]

    def test_gives_none_where_discounts_change_nothing(self) -> None:
        policies = [learn(trials(seed, 2_000, (0, 0, 0, 0))) for seed in range(12)]
        assert {policy.basis for policy in policies} == {"start"}

    def test_equal_input_and_seed_give_equal_policies(self) -> None:
        seen = trials(15, 1_000, (0.5, 0, 0, 0))
        first, second = learn(seen, seed=2), learn(seen, seed=2)
        assert first.verdict == second.verdict
        assert np.array_equal(first.response.slopes, second.response.slopes)


class TestCustomers:
    def test_must_be_whole(self) -> None:
        good = people(1, 4)
        with pytest.raises(ValueError, match="length"):
            replace(good, probability=np.ones(3))
        with pytest.raises(ValueError, match="finite"):
            replace(good, probability=np.full(4, np.nan))
        with pytest.raises(ValueError, match="basket"):
            replace(good, basket_minor=np.full(4, -1))


START = DiscountPolicy(response(0.0, 0.0, 0.0, 0.0), (0,), "start")


class TestFixedAmounts:
    def test_are_given_as_they_are_and_never_above_the_ceiling(self) -> None:
        everybody = people(1, 400)
        found = offer(START, everybody, 700, seed=3, levels_minor=(300, 700, 900), none_share=0.2, explore_share=0.8)
        assert set(found.amount_minor.tolist()) == {0, 300, 700}
        assert found.propensity.shape == (400, 4)
        assert np.allclose(found.propensity.sum(axis=1), 1)
        assert np.allclose(found.propensity[:, 0], 0.2 + 0.8 / 4)

    def test_keep_to_the_budget_when_all_of_it_may_teach(self) -> None:
        found = offer(
            START, people(1, 300), 500, 20_000, levels_minor=(500,), none_share=0.1, explore_share=0.9, explore_budget=1
        )
        assert 0 < found.amount_minor.sum() <= 20_000

    def test_shares_beyond_everybody_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at most 1"):
            offer(START, people(1, 3), 500, levels_minor=(500,), none_share=0.5, explore_share=0.6)
