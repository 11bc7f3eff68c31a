"""Measures of ranking and calibration, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ml.metrics import (
    area_under_curve,
    average_precision,
    by_product,
    calibration_error,
    calibration_table,
    customer_recall,
    lift_at_top,
    probability_quality,
    product_rows,
    summary,
)

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

    def test_the_interval_is_wilson_s(self) -> None:
        row = calibration_table(np.arange(10) < 3, np.full(10, 0.3), bins=1)[0]
        # Brown, Cai & DasGupta (2001) by hand: centre and half-width of 3 of 10 at 95%.
        z = 1.959964
        centre, half = (3 + z**2 / 2) / (10 + z**2), z / (10 + z**2) * np.sqrt(10 * 0.3 * 0.7 + z**2 / 4)
        assert (row["low"], row["high"]) == (pytest.approx(centre - half), pytest.approx(centre + half))


class TestAgainstOthers:
    """Ties and all, measures are those of scikit-learn, or of counting one by one."""

    ROWS = 1_000
    RNG = np.random.default_rng(5)
    SCORE = np.round(RNG.normal(size=ROWS), 1)
    LABEL = RNG.random(ROWS) < 1 / (1 + np.exp(2 - SCORE))
    PRODUCT = RNG.integers(0, 4, ROWS)
    CUSTOMER = RNG.integers(0, 30, ROWS)

    def test_precision_and_auc_are_scikit_learn_s(self) -> None:
        assert average_precision(self.LABEL, self.SCORE) == pytest.approx(
            average_precision_score(self.LABEL, self.SCORE)
        )
        assert area_under_curve(self.LABEL, self.SCORE) == pytest.approx(roc_auc_score(self.LABEL, self.SCORE))

    def test_auc_has_no_value_with_one_kind_alone(self) -> None:
        assert np.isnan(area_under_curve(np.ones(3, dtype=bool), np.arange(3.0)))

    def test_the_summary_is_the_mean_over_products(self) -> None:
        parts = [product == self.PRODUCT for product in range(4)]
        found = summary(self.PRODUCT, self.LABEL, self.SCORE)
        assert found["auc"] == pytest.approx(np.mean([roc_auc_score(self.LABEL[p], self.SCORE[p]) for p in parts]))
        lifts = [lift_at_top(self.LABEL[p], self.SCORE[p], 0.1) for p in parts]
        assert found["lift_top10"] == pytest.approx(np.mean(lifts))

    def test_recall_counts_the_buyers_among_the_best_tenth(self) -> None:
        score = np.arange(float(self.ROWS))  # no ties, so that the best tenth is certain
        row = product_rows(np.zeros(self.ROWS, dtype=np.int64), self.LABEL, score)[0]
        assert row["recall_top10"] == pytest.approx(self.LABEL[900:].sum() / self.LABEL.sum())

    def test_a_customer_s_recall_is_over_what_they_bought(self) -> None:
        score = self.RNG.permutation(self.ROWS).astype(float)
        shares = []
        for customer in np.unique(self.CUSTOMER[self.LABEL]):
            rows = np.flatnonzero(customer == self.CUSTOMER)
            best = rows[np.argsort(-score[rows])][:5]
            shares.append(self.LABEL[best].sum() / self.LABEL[rows].sum())
        found = customer_recall(self.CUSTOMER, self.PRODUCT, self.LABEL, score, best=5)
        assert found == pytest.approx(np.mean(shares))
        assert customer_recall(self.CUSTOMER, self.PRODUCT, np.zeros(self.ROWS, dtype=bool), score) is None

    def test_brier_is_scikit_learn_s_and_expected_is_the_sum(self) -> None:
        chance = 1 / (1 + np.exp(2 - self.SCORE))
        found = probability_quality(self.LABEL, chance)
        assert found["brier"] == pytest.approx(brier_score_loss(self.LABEL, chance))
        assert found["expected"] == pytest.approx(chance.sum())
