"""Scores become probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from ml.calibration import MIN_EXAMPLES, fit_platt
from ml.metrics import calibration_error


class TestPlatt:
    def test_finds_the_curve_that_made_the_labels(self) -> None:
        rng = np.random.default_rng(3)
        score = rng.normal(size=40_000)
        curve = fit_platt(score, rng.random(40_000) < expit(0.7 * score - 2))
        assert curve is not None
        assert curve.slope == pytest.approx(0.7, abs=0.05)
        assert curve.intercept == pytest.approx(-2, abs=0.05)

    def test_an_overconfident_score_comes_out_calibrated(self) -> None:
        rng = np.random.default_rng(4)
        truth = rng.normal(-1, 1, size=20_000)
        label = rng.random(20_000) < expit(truth)
        curve = fit_platt(3 * truth, label)
        assert curve is not None
        assert calibration_error(label, expit(3 * truth)) > 0.1
        assert calibration_error(label, curve.probability(3 * truth)) < 0.015

    def test_weights_undo_the_drawing_of_negatives(self) -> None:
        rng = np.random.default_rng(5)
        score = rng.normal(size=60_000)
        label = rng.random(60_000) < expit(score - 3)
        drawn = label | (rng.random(60_000) < 0.1)
        curve = fit_platt(score[drawn], label[drawn], np.where(label, 1.0, 10.0)[drawn])
        assert curve is not None
        assert curve.probability(score).mean() == pytest.approx(label.mean(), rel=0.03)

    def test_too_few_examples_give_no_curve(self) -> None:
        label = np.arange(1000) < MIN_EXAMPLES - 1
        assert fit_platt(label.astype(float), label) is None

    def test_a_score_that_points_the_wrong_way_gives_no_curve(self) -> None:
        label = np.arange(1000) < 500
        assert fit_platt(np.arange(1000.0), label) is None
