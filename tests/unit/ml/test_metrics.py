"""Measures of ranking and calibration, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ml.metrics import average_precision, by_product, calibration_error, calibration_table, lift_at_top

YES_NO = np.array([True, False, True, False])


class TestAveragePrecision:
    def test_is_the_mean_precision_at_the_positives(self) -> None:
        assert average_precision(YES_NO, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)

    def test_is_the_base_rate_when_all_scores_tie(self) -> None:
        assert average_precision(YES_NO, np.zeros(4)) == pytest.approx(0.5)

    def test_has_no_value_without_a_positive(self) -> None:
        assert np.isnan(average_precision(np.zeros(3, dtype=bool), np.arange(3.0)))


class TestLift:
    def test_compares_the_top_with_the_base_rate(self) -> None:
        label = np.zeros(100, dtype=bool)
        label[[0, 1, 2, 50, 60]] = True
        assert lift_at_top(label, -np.arange(100.0)) == pytest.approx((3 / 5) / 0.05)

    def test_is_one_when_all_scores_tie(self) -> None:
        assert lift_at_top(np.arange(40) < 10, np.zeros(40)) == pytest.approx(1)


class TestByProduct:
    def test_leaves_out_products_with_too_few_positives(self) -> None:
        product = np.repeat([7, 8], [20, 20])
        label = np.concatenate([np.arange(20) < 10, np.arange(20) < 9])
        found = by_product(product, label, np.zeros(40))
        assert found.product.tolist() == [7]
        assert found.positives.tolist() == [10]


class TestCalibration:
    def test_the_table_has_predicted_beside_observed(self) -> None:
        table = calibration_table(np.array([False, True, True, True]), np.array([0.2, 0.4, 0.6, 1.0]), bins=2)
        assert [(row["predicted"], row["observed"]) for row in table] == [(pytest.approx(0.3), 0.5), (0.8, 1.0)]

    def test_the_error_is_the_mean_gap(self) -> None:
        assert calibration_error(
            np.array([False, True, True, True]), np.array([0.2, 0.4, 0.6, 1.0]), bins=2
        ) == pytest.approx(0.2)
