"""What a card comes to: drift, weak spots, grades."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from ml.verdict import Code, drift, findings, grade, judged, overall, stability_index


def part(**changes: Any) -> dict[str, Any]:
    """One kind of prediction that is fine in every respect."""
    good = {
        "basis": "model",
        "served": "model",
        "latest_positives": 1_000,
        "base_rate": 0.1,
        "metrics": {
            "model": {"average_precision": 0.4, "auc": 0.8, "lift_top5": 3.0},
            "recency": {"average_precision": 0.3, "auc": 0.7, "lift_top5": 2.0},
        },
        "calibration": {"out_of_time": True, "error": 0.005, "expected": 1_000.0, "observed": 1_010},
        "products": [
            {"product_no": 7, "pairs": 100, "positives": 20, "expected": 19.0, "average_precision": 0.5},
        ],
        "scores": {"edges": [0.0, 1.0, 2.0], "counts": [50.0, 50.0]},
    }
    return good | changes


def card(again: dict[str, Any] | None = None, new: dict[str, Any] | None = None, days: int = 300) -> dict[str, Any]:
    begins = np.datetime64("2026-06-01") - np.timedelta64(days, "D")
    return {
        "as_of": "2026-06-01T00:00:00+00:00",
        "windows": {"history_begins": f"{begins}T00:00:00+00:00"},
        "repurchase": again or part(),
        "cross_sell": new or part(),
        "customers": {"customers": 10, "check": {"orders_expected": 100.0, "orders_actual": 104}},
    }


def calibration(expected: float, observed: int) -> dict[str, Any]:
    return {"out_of_time": True, "error": 0.005, "expected": expected, "observed": observed}


class TestGrade:
    def test_is_good_where_all_is_well(self) -> None:
        assert grade(part()) == "good"

    @pytest.mark.parametrize(
        "changes",
        [
            {"latest_positives": 199},
            {"calibration": calibration(1_000, 1_200)},
            {"calibration": calibration(1_000, 1_000) | {"error": 0.011}},
            {"calibration": calibration(1_000, 1_000) | {"out_of_time": False}},
            {"metrics": {"model": {"average_precision": 0.4, "auc": 0.8, "lift_top5": 1.9}}},
        ],
    )
    def test_is_fair_where_one_thing_is_not(self, changes: dict[str, Any]) -> None:
        assert grade(part(**changes)) == "fair"

    @pytest.mark.parametrize(
        "changes",
        [
            {"calibration": calibration(1_000, 1_600)},
            {"calibration": calibration(1_600, 1_000)},
            {"metrics": {"model": {"average_precision": 0.1, "auc": 0.55, "lift_top5": 2.5}}},
            {"metrics": {"model": {"average_precision": 0.1, "auc": 0.7, "lift_top5": 1.2}}},
        ],
    )
    def test_is_weak_where_it_misleads(self, changes: dict[str, Any]) -> None:
        assert grade(part(**changes)) == "weak"

    def test_is_none_where_nothing_was_measured(self) -> None:
        assert grade(part(basis="prior")) == "too_little_data"
        assert grade(part(calibration=None)) == "too_little_data"

    def test_of_the_whole_is_the_worse_of_what_was_measured(self) -> None:
        assert overall(["good", "good"]) == "good"
        assert overall(["good", "weak"]) == "weak"
        assert overall(["good", "too_little_data"]) == "fair"
        assert overall(["too_little_data", "too_little_data"]) == "too_little_data"


class TestDrift:
    def test_index_is_zero_for_equal_shares_and_symmetric(self) -> None:
        assert stability_index([100.0, 300.0], [100.0, 300.0]) == 0
        assert stability_index([100.0, 300.0], [300.0, 100.0]) == pytest.approx(
            stability_index([300.0, 100.0], [100.0, 300.0])
        )

    def test_index_is_the_sum_that_its_definition_names(self) -> None:
        p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
        exact = ((q - p) * np.log(q / p)).sum()
        assert stability_index([25e6, 75e6], [50e6, 50e6]) == pytest.approx(exact, rel=1e-4)

    def test_needs_a_card_before(self) -> None:
        assert drift(card(), None) is None
        assert judged(card(), None)["drift"] is None

    def test_says_how_calibration_and_ranking_moved(self) -> None:
        found = drift(card(part(calibration=calibration(1_000, 1_200))), card())
        assert found is not None
        assert found["repurchase"]["calibration_before"] == pytest.approx(1.01)
        assert found["repurchase"]["calibration_now"] == pytest.approx(1.2)
        assert found["cross_sell"]["stability_index"] == 0


class TestFindings:
    def codes(self, one: dict[str, Any], before: dict[str, Any] | None = None) -> set[str]:
        found = {finding["code"] for finding in findings(one, drift(one, before))}
        assert found <= set(get_args(Code))
        return found

    def test_are_none_where_all_is_well(self) -> None:
        assert self.codes(card(), card()) == set()

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"calibration": None, "latest_positives": 3}, "nothing_measured"),
            ({"latest_positives": 60}, "few_buyers"),
            ({"basis": "baseline", "served": "recency"}, "rule_served"),
            ({"calibration": calibration(1_000, 1_000) | {"out_of_time": False}}, "same_window_curve"),
            ({"calibration": calibration(1_000, 1_300)}, "calibration_off"),
            ({"calibration": calibration(1_000, 1_000) | {"error": 0.02}}, "calibration_uneven"),
            ({"metrics": {"model": {"average_precision": 0.4, "auc": 0.8, "lift_top5": 1.1}}}, "weak_ranking"),
        ],
    )
    def test_name_what_is_weak(self, changes: dict[str, Any], code: str) -> None:
        assert self.codes(card(part(**changes))) == {code}

    def test_name_products_that_are_no_better_than_chance_or_far_off(self) -> None:
        row = {"product_no": 9, "pairs": 100, "positives": 40, "expected": 15.0, "average_precision": 0.39}
        found = findings(card(part(products=[row])), None)
        assert [(one["code"], one["values"]["product_nos"]) for one in found] == [
            ("products_no_better", [9]),
            ("products_off", [9]),
        ]

    def test_name_a_short_history_and_customers_that_are_off(self) -> None:
        short = card(days=100)
        short["customers"]["check"]["orders_actual"] = 140
        assert self.codes(short) == {"short_history", "customers_off"}

    def test_name_what_drifted(self) -> None:
        before = card(part(scores={"edges": [0.0, 1.0, 2.0], "counts": [95.0, 5.0]}))
        before["repurchase"]["metrics"]["model"] = {"average_precision": 0.6, "auc": 0.8, "lift_top5": 3.0}
        before["repurchase"]["calibration"] = calibration(1_000, 800)
        assert self.codes(card(), before) == {"scores_drifted", "calibration_drifted", "ranking_fell"}
