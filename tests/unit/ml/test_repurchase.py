"""Who buys the same product again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, every, lines, steady_shop

from ml.affinity import learn
from ml.closed_forms import closed_form, rules
from ml.history import History, build_history
from ml.pair_model import windows
from ml.repurchase import Repurchase, examples, fit_repurchase, score_repurchase
from ml.repurchase_features import features
from ml.shop import Shop


def shop(h: History) -> Shop:
    return Shop(h, learn(h), 30)


def predict_repurchase(h: History) -> tuple[Repurchase, dict[str, Any]]:
    """Learn from everyone, score everyone on everything."""
    allowed = np.ones(h.n_products, dtype=bool)
    predictor, card = fit_repurchase(h, 30, allowed, 1, every(h))
    return score_repurchase(h, shop(h), predictor, allowed, None)[0], card


class TestWindows:
    def test_the_latest_ends_now_and_training_labels_end_before_it(self) -> None:
        plan = windows(begins=0, as_of=365, horizon=30)
        assert plan.latest == 335
        assert plan.training == [305, 275, 245, 215]

    def test_a_short_history_has_fewer_training_windows_or_none(self) -> None:
        assert windows(begins=0, as_of=130, horizon=30).training == [70, 40]
        assert windows(begins=0, as_of=20, horizon=30).training == []

    def test_a_window_from_the_first_weeks_of_a_shop_measures_nothing(self) -> None:
        assert windows(begins=0, as_of=50, horizon=30).latest is None
        assert windows(begins=0, as_of=51, horizon=30).latest == 21


class TestClosedForm:
    def test_decayed_counts_halve_per_half_life(self) -> None:
        h = build_history(lines((1, "a", day(60), 5), (1, "b", day(30), 5)), None, AS_OF)
        assert h.decayed_counts(30).tolist() == [pytest.approx(0.25 + 0.5)]

    def test_decayed_counts_of_some_pairs_are_those_of_all(self) -> None:
        h = build_history(steady_shop(customers=20), None, AS_OF)
        some = np.array([3, 7, 8, len(h.pair_starts) - 1])
        assert np.array_equal(h.decayed_counts(30, some), h.decayed_counts(30)[some])
        assert h.decayed_counts(30, some[:0]).tolist() == []

    def test_more_purchases_in_the_same_time_mean_a_higher_chance(self) -> None:
        rows = [(1, f"a{i}", day(90 - 10 * i), 5) for i in range(9)] + [(2, "b", day(90), 5), (2, "c", day(10), 5)]
        chance = closed_form(build_history(lines(*rows), None, AS_OF), 30).poisson_gamma
        assert 0 < chance[1] < chance[0] < 1

    def test_what_no_one_ever_bought_twice_has_a_ceiling_that_falls_as_more_are_watched(self) -> None:
        def ceiling(owners: int) -> float:
            rows = [(c, f"{c}", day(200), 5) for c in range(owners)]
            rows += [(1, f"x{i}", day(100 - 10 * i), 6) for i in range(9)]
            h = build_history(lines(*rows), None, AS_OF)
            return float(closed_form(h, 30).ceiling[0])

        assert ceiling(5) > ceiling(50) > ceiling(500)
        assert ceiling(500) < 0.001


class TestFeatures:
    def test_what_happens_later_changes_nothing(self) -> None:
        rows = steady_shop(customers=40)
        h = build_history(rows, None, AS_OF)
        moment = h.until - 60
        cut = build_history(rows, None, day(60))
        known = h.before(moment)
        assert np.array_equal(features(known, shop(known))[0], features(cut, shop(cut))[0])

    def test_some_customers_are_described_as_among_all(self) -> None:
        h = build_history(steady_shop(customers=40), None, AS_OF)
        whole = features(h, shop(h))[0]
        for part, customers in (
            (h.of(np.arange(1, 40, 3)), np.arange(1, 40, 3)),
            (h.between(10, 20), np.arange(10, 20)),
        ):
            rows = np.isin(h.pair_customer, customers)
            assert part.n_customers == len(customers)
            assert features(part, shop(h))[0] == pytest.approx(whole[rows], rel=1e-5)

    def test_examples_of_a_large_shop_come_from_some_of_its_customers(self) -> None:
        h = build_history(steady_shop(customers=200), None, AS_OF)
        allowed = np.ones(h.n_products, dtype=bool)
        everything = examples(h, h.until - 30, 30, allowed, 10**9, 0, every(h))
        some = examples(h, h.until - 30, 30, allowed, 40, 0, every(h))
        key = {int(k): n for n, k in enumerate(h.key(everything.customer, everything.product))}
        same = [key[int(k)] for k in h.key(some.customer, some.product)]
        assert len(some.label) == 40
        assert len(np.unique(some.customer)) > 20
        assert np.array_equal(some.label, everything.label[same])
        assert some.features == pytest.approx(everything.features[same], rel=1e-5)

    def test_every_input_is_finite(self) -> None:
        h = build_history(steady_shop(customers=40), None, AS_OF)
        matrix, names = features(h, shop(h))
        assert matrix.shape[1] == len(names) == len(set(names))
        assert np.isfinite(matrix).all()

    def test_labels_come_from_the_window_after_the_moment_and_from_nothing_else(self) -> None:
        rows = lines(
            (1, "a", day(50), 5),
            (1, "b", day(29.5), 5),
            (2, "c", day(50), 5),
            (2, "d", day(20), 5),
            (3, "e", day(50), 5),
        )
        h = build_history(rows, None, AS_OF)
        found = examples(h, h.until - 30, 10, np.ones(1, dtype=bool), 100, 0, every(h))
        assert found.label.tolist() == [True, False, False]


class TestRules:
    def test_the_due_rule_prefers_whoever_is_at_the_end_of_the_usual_gap(self) -> None:
        def visits(customer: int, *days_ago: float) -> list[tuple[int, str, pd.Timestamp, int]]:
            return [(customer, f"{customer}-{ago}", day(ago), 5) for ago in days_ago]

        rows = visits(1, 90, 60, 30) + visits(2, 64, 34, 4) + visits(3, 200, 170, 140)
        due = rules(build_history(lines(*rows), None, AS_OF))["due_rule"]
        assert due.argmax() == 0

    def test_every_rule_scores_every_pair(self) -> None:
        h = build_history(steady_shop(customers=20), None, AS_OF)
        for name, score in rules(h).items():
            assert score.shape == h.pair_starts.shape, name
            assert np.isfinite(score).all(), name


class TestPredictRepurchase:
    def test_with_enough_history_the_model_beats_the_base_rate_and_is_calibrated(self) -> None:
        rows = steady_shop(customers=1200)
        h = build_history(rows, None, day(30))
        found, card = predict_repurchase(h)
        truth = np.isin(
            h.customer_no[found.customer] * 1000 + h.product_no[found.product],
            [
                int(c) * 1000 + int(p)
                for c, p, t in zip(rows["customer_no"], rows["product_no"], rows["ordered_at"], strict=True)
                if t >= day(30)
            ],
        )
        assert found.basis == "model"
        assert card["metrics"]["model"]["average_precision"] > card["base_rate"] + 0.1
        assert (
            card["metrics"]["model"]["average_precision"] > card["metrics"]["best_sellers"]["average_precision"] + 0.1
        )
        assert found.probability.mean() == pytest.approx(truth.mean(), rel=0.06)
        top = found.probability > np.quantile(found.probability, 0.8)
        assert found.probability[top].mean() == pytest.approx(truth[top].mean(), rel=0.1)

    def test_one_off_goods_get_next_to_nothing(self) -> None:
        rows = steady_shop(customers=400)
        one_off = lines(*[(c, f"one{c}", day(40 + c % 200), 99) for c in range(400)])
        h = build_history(pd.concat([rows, one_off], ignore_index=True), None, AS_OF)
        found, _ = predict_repurchase(h)
        mine = h.product_no[found.product] == 99
        assert mine.sum() == 400
        assert found.probability[mine].max() < 0.005
        assert np.isnan(found.expected[mine]).all()
        assert np.median(found.probability[~mine]) > 0.1
