"""When a customer is expected to buy the same product again."""

from __future__ import annotations

import numpy as np
import pytest
from ml_shops import AS_OF, day, lines

from ml.gaps import expected_purchase, group_median, pair_gaps
from ml.history import build_history, days


class TestGroupMedian:
    def test_takes_the_lower_median_of_each_group_and_nan_for_none(self) -> None:
        found = group_median(np.array([0, 2, 0, 0, 0]), np.array([4.0, 7.0, 1.0, 2.0, 3.0]), 3)
        assert found[[0, 2]].tolist() == [2, 7]
        assert np.isnan(found[1])


class TestPairGaps:
    def test_the_customers_own_gaps_are_pulled_to_the_products_as_two_gaps(self) -> None:
        rows = [(c, f"{c}{i}", day(100 - 20 * i), 5) for c in range(3) for i in range(3)]
        rows += [(9, f"9{i}", day(100 - 40 * i), 5) for i in range(3)]
        h = build_history(lines(*rows), None, AS_OF)
        gaps = pair_gaps(h)
        # Four customers, three with gaps of 20 days: the product's median is 20, shrinking to itself.
        assert gaps.product.tolist() == pytest.approx([20] * 4)
        assert gaps.shrunk.tolist() == pytest.approx([20, 20, 20, (2 * 20 + 80) / 4])

    def test_someone_who_bought_once_has_the_products_gap(self) -> None:
        rows = [(1, f"a{i}", day(100 - 30 * i), 5) for i in range(3)] + [(2, "b", day(10), 5)]
        h = build_history(lines(*rows), None, AS_OF)
        at, low, high = expected_purchase(h, pair_gaps(h))
        assert at[1] == pytest.approx(days([day(10)])[0] + 30)
        assert low[1] < at[1] < high[1]

    def test_a_bigger_last_purchase_lengthens_the_wait(self) -> None:
        usual = [(1, f"a{i}", day(100 - 20 * i), 5, 2) for i in range(4)]
        more = [*usual[:3], (1, "a3", day(40), 5, 6)]
        waits = [pair_gaps(build_history(lines(*rows), None, AS_OF)).expected[0] for rows in (usual, more)]
        assert waits[1] > waits[0] * 1.2

    def test_an_overdue_customer_is_expected_in_the_past(self) -> None:
        h = build_history(lines(*[(1, f"a{i}", day(200 - 10 * i), 5) for i in range(5)]), None, AS_OF)
        at, _, _ = expected_purchase(h, pair_gaps(h))
        assert at[0] < h.until

    def test_a_product_no_one_bought_twice_has_no_expected_day(self) -> None:
        h = build_history(lines((1, "a", day(9), 5), (2, "b", day(8), 5)), None, AS_OF)
        assert np.isnan(expected_purchase(h, pair_gaps(h))).all()

    def test_a_rarely_repeated_product_borrows_from_its_type(self) -> None:
        rows = [(c, f"{c}{i}", day(90 - 30 * i), 5) for c in range(30) for i in range(2)]
        rows += [(50, "x", day(90), 6), (50, "y", day(80), 6)]
        h = build_history(lines(*rows).assign(product_type="coffee"), None, AS_OF)
        assert pair_gaps(h).product[-1] == pytest.approx((1 * 10 + 2 * 30) / 3)
