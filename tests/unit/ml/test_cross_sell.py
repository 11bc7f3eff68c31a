"""Who buys a product for the first time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, every, lines, taste_shop

from ml.affinity import fit_of, habit_of_pairs, learn
from ml.cross_sell import CrossSell, Scope, best_of_each, fit_cross_sell, score_cross_sell, segment_candidates
from ml.history import History, build_history
from ml.shop import Shop


def everything(h_products: int) -> Scope:
    return Scope(np.arange(h_products), np.ones(h_products, dtype=bool), retrieve=False, keep_listed=True)


def predict_cross_sell(h: History) -> tuple[CrossSell, dict[str, Any]]:
    """Learn from everyone, score everyone on everything."""
    scope, affinities = everything(h.n_products), every(h)
    model, card = fit_cross_sell(h, 30, scope, 1, affinities)
    shop = Shop(h, affinities.at(h), 30)
    return score_cross_sell(h, shop, model, scope, np.arange(h.n_products), None)[0], card


class TestSegmentCandidates:
    def test_are_the_products_with_most_distinct_buyers_in_the_last_90_days(self) -> None:
        rows = [(c, f"a{c}", day(100), 1) for c in range(9)] + [(1, f"b{i}", day(50 - i), 2) for i in range(9)]
        rows += [(c, f"c{c}", day(20), 3) for c in range(2)] + [(c, f"d{c}", day(20), 4) for c in range(3)]
        h = build_history(lines(*rows), None, AS_OF)
        allowed = np.array([True, True, True, False])
        assert h.product_no[segment_candidates(h, allowed)].tolist() == [3, 2]


class TestAffinity:
    def test_products_that_share_customers_attract_and_others_repel(self) -> None:
        found = learn(build_history(taste_shop(200, seed=1), None, AS_OF))
        same, other = found.place[[1, 2]], found.place[[1, 12]]
        assert found.log_lift[tuple(same)] > 0 > found.log_lift[tuple(other)]
        assert found.ease[tuple(same)] > found.ease[tuple(other)]
        assert (np.diag(found.ease) == 0).all()

    def test_a_habit_of_today_speaks_louder_than_one_of_last_year(self) -> None:
        rows = taste_shop(200, seed=1)
        twice = lines(
            (900, "now", day(5), 1), (900, "now2", day(9), 2), (901, "then", day(360), 1), (901, "t", day(362), 2)
        )
        h = build_history(pd.concat([rows, twice], ignore_index=True), None, AS_OF)
        affinity = learn(h)
        fit = fit_of(h, affinity, np.searchsorted(h.customer_no, [900, 901]))
        assert fit.habit[0, affinity.place[3]] > 5 * fit.habit[1, affinity.place[3]] > 0
        assert fit.ease[0, affinity.place[3]] == pytest.approx(fit.ease[1, affinity.place[3]])

    def test_the_fit_of_owned_pairs_is_that_of_their_customers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ml.affinity.CUSTOMERS_AT_ONCE", 7)
        h = build_history(taste_shop(60, seed=3), None, AS_OF)
        affinity = learn(h, max_items=15)
        fit = fit_of(h, affinity, np.arange(h.n_customers))
        item = affinity.place[h.pair_product]
        expected = np.where(item >= 0, fit.habit[h.pair_customer, item], 0.0)
        assert habit_of_pairs(h, affinity) == pytest.approx(expected, rel=1e-5)
        assert (item < 0).any()


class TestBestOfEach:
    def test_marks_the_highest_scores_of_every_customer(self) -> None:
        customer, product = np.array([1, 1, 1, 2]), np.array([5, 6, 7, 5])
        assert best_of_each(customer, np.array([0.1, 0.3, 0.3, 0.0]), product, best=2).tolist() == [
            False,
            True,
            True,
            True,
        ]

    def test_ties_go_to_the_smaller_product_whatever_the_order_of_rows(self) -> None:
        marked = best_of_each(np.array([1, 1]), np.array([0.3, 0.3]), np.array([7, 6]), best=1)
        assert marked.tolist() == [False, True]


class TestPredictCrossSell:
    def test_learns_tastes_ranks_by_them_and_stays_calibrated(self) -> None:
        rows = taste_shop(1500, seed=2)
        h = build_history(rows, None, day(30))
        found, card = predict_cross_sell(h)
        later = rows[rows["ordered_at"] >= day(30)]
        bought = later["customer_no"].to_numpy(dtype=int) * 100 + later["product_no"].to_numpy(dtype=int)
        truth = np.isin(h.customer_no[found.customer].astype(int) * 100 + h.product_no[found.product], bought)
        own = (h.customer_no[found.customer] % 2) == (h.product_no[found.product] // 10)
        assert found.basis == "model"
        assert found.probability[own].mean() > 3 * found.probability[~own].mean()
        assert found.probability.mean() == pytest.approx(truth.mean(), rel=0.15)
        assert card["metrics"]["model"]["average_precision"] > 2 * card["base_rate"]

    def test_never_offers_what_the_customer_has_nor_offers_to_the_inactive(self) -> None:
        rows = pd.concat([taste_shop(60, seed=3), lines((999, "old", day(400), 1))], ignore_index=True)
        h = build_history(rows, None, AS_OF)
        found, _ = predict_cross_sell(h)
        assert not np.isin(h.key(found.customer, found.product), h.pair_keys).any()
        assert 999 not in h.customer_no[found.customer]
        owned = np.isin(h.pair_customer, h.active(365.0)).sum()
        assert len(found.customer) == len(h.active(365.0)) * h.n_products - owned

    def test_customers_in_blocks_give_what_customers_at_once_give(self, monkeypatch: pytest.MonkeyPatch) -> None:
        h = build_history(taste_shop(60, seed=3), None, AS_OF)
        whole, _ = predict_cross_sell(h)
        monkeypatch.setattr("ml.cross_sell.MAX_BLOCK", 7)
        parts, _ = predict_cross_sell(h)
        assert np.array_equal(whole.product, parts.product)
        assert parts.probability == pytest.approx(whole.probability, rel=1e-5)
