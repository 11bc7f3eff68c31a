"""Incremental effects: right on average, as uncertain as stated, and never claimed too early."""

from __future__ import annotations

import numpy as np
import pytest

from ml import measurement
from ml.measurement import contrast, customers_needed, look_factor, shrunk_lift, verdict

CUSTOMERS = 3_000


def experiment(
    rng: np.random.Generator, *, lift: float = 0.0, n: int = CUSTOMERS, chance: np.ndarray | float = 0.9
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Orders of customers who differ in how often they buy, and before whom a coin fell."""
    taste = rng.gamma(1.0, 0.3, n)
    before = rng.poisson(3 * taste)
    chances = np.broadcast_to(np.asarray(chance, dtype=float), (n,)).copy()
    mailed = rng.random(n) < chances
    orders = rng.poisson(taste * np.where(mailed, 1 + lift, 1.0)).astype(float)
    return orders, mailed, chances, np.column_stack([before, taste + rng.normal(0, 0.1, n)]).astype(float)


class TestContrast:
    def test_is_right_on_average_and_its_interval_holds_the_truth_19_times_in_20(self) -> None:
        rng, lift, runs = np.random.default_rng(1), 0.3, 400
        found = [contrast(*experiment(rng, lift=lift)) for _ in range(runs)]
        truth = 0.3 * lift
        estimates = np.array([one.per_customer for one in found])
        assert abs(estimates.mean() - truth) < 3 * estimates.std() / runs**0.5
        held = np.mean([abs(one.per_customer - truth) <= one.margin for one in found])
        assert 0.925 <= held <= 0.975
        assert np.mean([one.standard_error for one in found]) == pytest.approx(estimates.std(), rel=0.1)

    def test_what_was_known_before_narrows_it(self) -> None:
        rng = np.random.default_rng(2)
        found = [contrast(*experiment(rng, lift=0.2)) for _ in range(20)]
        assert np.mean([one.standard_error / one.raw_error for one in found]) < 0.9

    def test_a_holdout_that_shrank_on_the_way_biases_nothing(self) -> None:
        """Later customers buy less and are held out less: pooled without weights, mailing would seem to do harm."""
        rng, runs = np.random.default_rng(3), 300
        late = np.arange(CUSTOMERS) >= CUSTOMERS // 2
        estimates, held, naive = [], [], []
        for _ in range(runs):
            orders, mailed, chance, before = experiment(rng, chance=np.where(late, 0.97, 0.8))
            orders = np.where(late, 0.0, orders)
            one = contrast(orders, mailed, chance, before)
            estimates.append(one.per_customer)
            held.append(abs(one.per_customer) <= one.margin)
            naive.append(orders[mailed].mean() - orders[~mailed].mean())
        assert abs(np.mean(estimates)) < 3 * np.std(estimates) / runs**0.5
        assert np.mean(held) >= 0.92
        assert np.mean(naive) < -0.05

    def test_customers_whom_no_coin_could_hold_out_are_left_out(self) -> None:
        orders, mailed, chance, before = experiment(np.random.default_rng(4))
        more = contrast(
            np.r_[orders, np.full(500, 9.0)], np.r_[mailed, np.ones(500, bool)], np.r_[chance, np.ones(500)],
            np.r_[before, np.zeros((500, 2))],
        )  # fmt: skip
        assert more == contrast(orders, mailed, chance, before)

    def test_an_empty_arm_says_nothing(self) -> None:
        nobody = contrast(np.ones(40), np.ones(40, bool), np.full(40, 0.9), np.zeros((40, 1)))
        assert (nobody.held_out, nobody.standard_error) == (0, float("inf"))
        assert verdict(nobody) == "collecting"
        assert measurement.as_total(nobody, 40)["estimate"] is None

    def test_different_lengths_are_refused(self) -> None:
        with pytest.raises(ValueError, match="same length"):
            contrast(np.ones(3), np.ones(2, bool), np.ones(3), np.ones((3, 1)))


class TestVerdict:
    def test_a_campaign_that_does_nothing_is_hardly_ever_claimed_to_do_something_at_any_of_twenty_looks(self) -> None:
        rng, runs, claims, one_look = np.random.default_rng(5), 200, 0, 0
        for _ in range(runs):
            orders, mailed, chance, before = experiment(rng, n=2_000)
            looks = [contrast(orders[:n], mailed[:n], chance[:n], before[:n]) for n in range(100, 2_001, 100)]
            claims += any(verdict(one) in {"adds", "takes_away"} for one in looks)
            one_look += any(abs(one.per_customer) > one.margin for one in looks)
        assert claims / runs <= 0.05
        assert one_look / runs > 0.1  # what the 95% interval of one look would have claimed: the test can fail

    def test_a_large_effect_is_found(self) -> None:
        rng = np.random.default_rng(6)
        found = [verdict(contrast(*experiment(rng, lift=1.0))) for _ in range(20)]
        assert found.count("adds") >= 18

    def test_harm_is_said_too(self) -> None:
        rng = np.random.default_rng(7)
        found = [verdict(contrast(*experiment(rng, lift=-0.8))) for _ in range(20)]
        assert found.count("takes_away") >= 18

    def test_few_customers_are_no_evidence_however_clear_they_look(self) -> None:
        arm = np.arange(90) >= 45
        effect = contrast(arm.astype(float), arm, np.full(90, 0.5), np.zeros((90, 1)))
        assert verdict(effect) == "collecting"

    def test_a_surely_small_effect_is_called_little(self) -> None:
        rng = np.random.default_rng(8)
        n = 60_000
        arm = rng.random(n) < 0.5
        orders = 1 + rng.normal(0, 0.5, n)
        assert verdict(contrast(orders, arm, np.full(n, 0.5), np.zeros((n, 1)))) == "little"


class TestCustomersNeeded:
    def test_so_many_customers_show_a_lift_of_a_fifth(self) -> None:
        rng = np.random.default_rng(9)
        needed = customers_needed(contrast(*experiment(rng, n=20_000, chance=0.7)))
        assert needed is not None
        found = [verdict(contrast(*experiment(rng, lift=0.2, n=needed, chance=0.7))) for _ in range(30)]
        assert 0.5 <= found.count("adds") / 30 <= 1.0

    def test_nothing_is_promised_before_the_held_out_bought_anything(self) -> None:
        assert (
            customers_needed(contrast(np.zeros(200), np.arange(200) > 20, np.full(200, 0.9), np.zeros((200, 1))))
            is None
        )


class TestLookFactor:
    def test_is_wider_than_one_look_and_narrowest_around_its_tuning(self) -> None:
        factors = [look_factor(n) for n in (10, 100, 500, 5_000, 500_000)]
        assert min(factors) > 1.96
        assert factors[2] == min(factors) == pytest.approx(3.03, abs=0.02)
        assert look_factor(0) == float("inf")


class TestShrunkLift:
    def test_is_the_prior_without_and_the_measurement_with_much_evidence(self) -> None:
        assert shrunk_lift([])[0] == pytest.approx(0.05)
        assert shrunk_lift([(0.4, 0.001)])[0] == pytest.approx(0.4, abs=0.001)
        assert shrunk_lift([(0.4, 0.05)])[0] == pytest.approx(0.225)


class TestCumulative:
    def test_customers_count_only_for_the_days_on_which_they_could_be_followed(self) -> None:
        curve = measurement.cumulative(
            np.array([0, 1]), np.array([0, 1]), np.array([1.0, 5.0]), np.array([1.0, 3.0]), np.ones(2),
            np.ones(2, bool), 4,
        )  # fmt: skip
        assert curve == [0.5, 5.5, 5.5, 5.5]
