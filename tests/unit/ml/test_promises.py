"""The interval of a promise holds as often as it says, and learns how wide it has to be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from ml.promises import COVERAGE, LEAST_SPREAD, MOST_SPREAD, PRIOR_SPREAD, learned_spread, promise

ROUNDS = 1_500
Chances = npt.NDArray[np.float64]


def coverage(chances: Chances, spread: float, allowed: float) -> float:
    """How often the interval with `allowed` spread holds the count, if all odds are off together by `spread`."""
    rng = np.random.default_rng(7)
    made = promise(len(chances), float(chances.sum()), float((chances * (1 - chances)).sum()), allowed)
    held = 0
    for error in rng.normal(0, spread, ROUNDS):
        count = int((rng.random(len(chances)) < expit(logit(chances) + error)).sum())
        held += made.low <= count <= made.high
    return held / ROUNDS


class TestTheInterval:
    @pytest.mark.parametrize("size", [25, 100, 312])
    @pytest.mark.parametrize("mean", [0.02, 0.13, 0.5])
    @pytest.mark.parametrize("spread", [0.0, 0.33, 0.6])
    def test_holds_the_count_as_often_as_it_says(self, size: int, mean: float, spread: float) -> None:
        chances = np.random.default_rng(1).beta(20 * mean, 20 * (1 - mean), size)
        covered = coverage(chances, spread, spread)
        # Counts are whole: of three expected buyers no interval holds exactly 80%, the next larger one is taken.
        assert covered >= COVERAGE - 0.03
        assert covered <= (1.0 if size * mean < 5 else 0.91)

    def test_without_spread_would_break_where_a_month_is_off_as_a_whole(self) -> None:
        chances = np.full(312, 41 / 312)
        assert coverage(chances, 0.33, 0.0) < 0.65
        assert coverage(chances, 0.33, 0.33) >= 0.77

    def test_of_coins_alone_is_the_example_of_the_specification(self) -> None:
        made = promise(312, 41.0, 41 * (1 - 41 / 312), 0.0)
        assert made.expected == 41
        assert made.low in (33, 34)
        assert made.high == 49

    @given(
        size=st.integers(0, 1_000_000), rate=st.floats(0, 1), share=st.floats(0, 1), spread=st.floats(0, MOST_SPREAD)
    )
    def test_is_ordered_and_within_the_group(self, size: int, rate: float, share: float, spread: float) -> None:
        expected = size * rate
        made = promise(size, expected, share * expected * (1 - rate), spread)
        assert 0 <= made.low <= made.high <= size

    @given(size=st.integers(25, 100_000), rate=st.floats(0.01, 0.9), spread=st.floats(0, 0.5))
    def test_holds_the_expected_count(self, size: int, rate: float, spread: float) -> None:
        expected = size * rate
        made = promise(size, expected, expected * (1 - rate), spread)
        assert made.low <= expected + 1
        assert made.high >= expected - 1

    @given(rate=st.floats(0.02, 0.6), narrow=st.floats(0, 0.5), more=st.floats(0, 0.5))
    def test_never_narrows_with_more_spread(self, rate: float, narrow: float, more: float) -> None:
        expected = 400 * rate
        variance = expected * (1 - rate)
        one, other = promise(400, expected, variance, narrow), promise(400, expected, variance, narrow + more)
        assert other.high - other.low >= one.high - one.low - 1

    def test_of_nobody_is_nothing(self) -> None:
        for size, expected in ((0, 0.0), (30, 0.0)):
            made = promise(size, expected, 0.0, 0.2)
            assert (made.expected, made.low, made.high) == (0.0, 0, 0)


class TestTheLearnedSpread:
    def receipts(self, spread: float, dates: int) -> tuple[Chances, Chances, Chances, Chances]:
        """Fifty groups a date, whose odds are off by `spread` each, and whose members are coins."""
        rng = np.random.default_rng(3)
        chance, size = rng.uniform(0.05, 0.6, (dates, 50)), rng.integers(60, 400, (dates, 50))
        buyers = rng.binomial(size, expit(logit(chance) + rng.normal(0, spread, (dates, 50))))
        date = np.repeat(np.arange(dates), 50).astype(np.float64)
        return date, (size * chance).ravel(), (size * chance * (1 - chance)).ravel(), buyers.ravel().astype(np.float64)

    def test_is_the_prior_before_the_first_receipt(self) -> None:
        nothing = np.zeros(0)
        assert learned_spread(PRIOR_SPREAD, nothing, nothing, nothing, nothing) == pytest.approx(PRIOR_SPREAD)

    @pytest.mark.parametrize("spread", [0.15, 0.33, 0.6])
    def test_comes_to_what_the_receipts_show(self, spread: float) -> None:
        assert learned_spread(PRIOR_SPREAD, *self.receipts(spread, 60)) == pytest.approx(spread, rel=0.15)

    def test_of_one_good_month_is_still_mostly_the_prior(self) -> None:
        date, expected, variance, _ = self.receipts(0.2, 1)
        found = learned_spread(0.33, date, expected, variance, expected)
        assert 0.25 < found < 0.33

    def test_many_groups_of_one_month_are_one_month(self) -> None:
        once = self.receipts(0.8, 1)
        often = tuple(np.concatenate([part] * 20) for part in once)
        assert learned_spread(0.33, *once) == pytest.approx(learned_spread(0.33, *often))
        assert learned_spread(0.33, *once) < 0.65  # the month alone says 0.8

    def test_stays_within_bounds(self) -> None:
        date, expected = np.repeat(np.arange(40.0), 5), np.full(200, 20.0)
        assert learned_spread(PRIOR_SPREAD, date, expected, expected, expected) == LEAST_SPREAD
        assert learned_spread(PRIOR_SPREAD, date, expected, expected, expected * 9) == MOST_SPREAD
