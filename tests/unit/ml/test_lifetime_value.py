"""BG/NBD and Gamma-Gamma against published values and against themselves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, lines, steady_shop
from scipy.optimize import check_grad

from ml.history import build_history
from ml.lifetime_value import (
    START,
    START_VALUE,
    Recency,
    _bgnbd_terms,
    _gamma_gamma_terms,
    customer_values,
    fit_bgnbd,
    fit_gamma_gamma,
)

REPOSITORY = Path(__file__).parents[3]
CDNOW = Path(os.environ.get("ENCORE_SHARED", REPOSITORY.parent / "shared")) / "data/cdnow/cdnow_sample.parquet"
needs_cdnow = pytest.mark.skipif(not CDNOW.exists(), reason=f"the CDNOW sample is not at {CDNOW}; set ENCORE_SHARED")


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    """Per customer of the 1-in-10 sample, at the end of the 39 weeks: repeats, last, age (weeks), mean amount."""
    bought = pd.read_parquet(CDNOW)
    bought["date"] = pd.to_datetime(bought["date"])
    end = pd.Timestamp("1997-09-30")
    seen = bought[bought["date"] <= end].groupby(["master_customer_id", "date"], as_index=False)["amount"].sum()
    later = bought[bought["date"] > end].drop_duplicates(["master_customer_id", "date"])
    by_customer = seen.groupby("master_customer_id")
    first, last = by_customer["date"].min(), by_customer["date"].max()
    table = pd.DataFrame({"repeats": by_customer.size() - 1.0})
    table["last"] = (last - first).dt.days / 7
    table["age"] = (end - first).dt.days / 7
    repeat_rows = seen[seen["date"] > seen["master_customer_id"].map(first)]
    table["mean"] = repeat_rows.groupby("master_customer_id")["amount"].mean()
    table["holdout"] = later.groupby("master_customer_id").size().reindex(table.index).fillna(0)
    return table


def recency_of(table: pd.DataFrame) -> Recency:
    return Recency(*(table[name].to_numpy(dtype=float) for name in ("repeats", "last", "age")))


@needs_cdnow
class TestPublishedValues:
    def test_bg_nbd_on_cdnow(self, cdnow: pd.DataFrame) -> None:
        model = fit_bgnbd(recency_of(cdnow))
        assert len(cdnow) == 2357
        assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=6e-4)
        assert model.log_likelihood == pytest.approx(-9582.43, abs=0.01)

    def test_expected_orders_on_cdnow_beat_the_naive_forecast_in_the_holdout(self, cdnow: pd.DataFrame) -> None:
        seen = recency_of(cdnow)
        expected = fit_bgnbd(seen).expected_orders(seen, 39)
        error = np.abs(expected - cdnow["holdout"])
        assert error.mean() <= 0.786
        assert np.sqrt((error**2).mean()) <= 1.6085
        assert np.abs(cdnow["repeats"] - cdnow["holdout"]).mean() == pytest.approx(0.897, abs=0.002)

    def test_gamma_gamma_on_cdnow(self, cdnow: pd.DataFrame) -> None:
        repeat = cdnow[cdnow["repeats"] > 0]
        repeat = repeat[repeat["mean"] > 0]
        model = fit_gamma_gamma(repeat["repeats"].to_numpy(dtype=float), repeat["mean"].to_numpy(dtype=float))
        assert (model.p, model.q, model.v) == pytest.approx((6.25, 3.74, 15.44), rel=0.005)


class TestGradients:
    SEEN = Recency(np.array([0.0, 3.0, 12.0]), np.array([0.0, 20.0, 50.0]), np.array([30.0, 25.0, 60.0]))

    def test_bg_nbd(self) -> None:
        weight = np.array([1.0, 2.0, 3.0])

        def value(theta: np.ndarray) -> float:
            return _bgnbd_terms(theta, self.SEEN, weight)[0]

        assert check_grad(value, lambda theta: _bgnbd_terms(theta, self.SEEN, weight)[1], np.log(START)) < 1e-4

    def test_gamma_gamma(self) -> None:
        x, mean = np.array([1.0, 4.0, 9.0]), np.array([10.0, 0.5, 2.0])

        def value(theta: np.ndarray) -> float:
            return _gamma_gamma_terms(theta, x, mean)[0]

        assert check_grad(value, lambda theta: _gamma_gamma_terms(theta, x, mean)[1], np.log(START_VALUE)) < 1e-4


class TestBgNbd:
    def test_the_chance_of_an_order_agrees_with_simulation(self) -> None:
        rng = np.random.default_rng(11)
        n, r, alpha, a, b = 40_000, 0.8, 6.0, 0.9, 3.0
        rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
        moments = np.cumsum(rng.exponential(1 / rate[:, None], (n, 60)), axis=1)
        stays = np.cumprod(rng.random((n, 60)) >= leave[:, None], axis=1).astype(bool)
        orders = np.where(np.column_stack([np.ones(n, bool), stays[:, :-1]]), moments, np.inf)
        repeats = (orders <= 40).sum(axis=1).astype(float)
        last = np.where(orders <= 40, orders, 0).max(axis=1)
        seen = Recency(repeats, last, np.full(n, 40.0))
        model = fit_bgnbd(seen)
        future = ((orders > 40) & (orders <= 60)).sum(axis=1)
        assert model.p_order(seen, 20).mean() == pytest.approx((future > 0).mean(), abs=0.01)
        assert model.expected_orders(seen, 20).mean() == pytest.approx(future.mean(), rel=0.05)

    def test_a_frequent_customer_who_fell_silent_is_less_likely_to_order_than_one_who_did_not(self) -> None:
        model = fit_bgnbd(TestGradients.SEEN, penalty=3.0)
        silent, recent = (Recency(np.array([10.0]), np.array([last]), np.array([50.0])) for last in (12.0, 49.0))
        assert model.p_order(silent, 4) < model.p_order(recent, 4)


class TestCustomerValues:
    def test_one_row_per_customer_with_chances_that_grow_with_the_horizon(self) -> None:
        h = build_history(steady_shop(customers=80), None, AS_OF)
        table, card = customer_values(h)
        assert table["customer_no"].tolist() == h.customer_no.tolist()
        assert table["p_order_30d"].between(0, 1).all()
        assert (table["p_order_60d"] >= table["p_order_30d"]).all()
        assert (table["p_order_90d"] >= table["p_order_60d"]).all()
        assert (table["value_12m"] > 0).all()
        assert card["customers"] == 80

    def test_the_median_next_order_lies_between_its_borders_after_now(self) -> None:
        table, _ = customer_values(build_history(steady_shop(customers=60), None, AS_OF))
        known = table.dropna()
        assert len(known) > 40
        assert (known["next_order_low"] > AS_OF).all()
        assert (known["next_order_low"] < known["next_order_at"]).all()
        assert (known["next_order_at"] < known["next_order_high"]).all()

    def test_a_customer_who_only_got_gifts_is_worth_nothing(self) -> None:
        rows = [(1, f"a{i}", day(50 - i), 5, 1, 0.0) for i in range(5)] + [(2, "b", day(5), 5, 1, 9.0)]
        table, _ = customer_values(build_history(lines(*rows), None, AS_OF))
        assert table["value_12m"].iloc[0] == 0 < table["value_12m"].iloc[1]


class TestCheck:
    def test_compares_the_last_month_with_what_was_expected_of_it(self) -> None:
        bought = steady_shop(customers=200, days=200)
        _table, card = customer_values(build_history(bought, None, AS_OF))
        check = card["check"]
        known = set(bought.loc[bought["ordered_at"] < day(30), "customer_no"])
        month = bought[(bought["ordered_at"] >= day(30)) & bought["customer_no"].isin(known)]
        assert check["customers"] == len(known)
        assert check["orders_actual"] == len(month.drop_duplicates(["customer_no", "ordered_at"]))
        assert check["buyers_actual"] == month["customer_no"].nunique()
        assert 0.5 < check["orders_expected"] / check["orders_actual"] < 2
        assert sum(row["pairs"] for row in check["table"]) == check["customers"]

    def test_knows_nothing_of_the_month_that_it_is_checked_by(self) -> None:
        bought = steady_shop(customers=200, days=200)
        other = bought[(bought["ordered_at"] < day(30)) | (bought["customer_no"] % 2 == 0)]
        checks = [customer_values(build_history(some, None, AS_OF))[1]["check"] for some in (bought, other)]
        assert checks[0]["orders_expected"] == checks[1]["orders_expected"]
        assert checks[0]["buyers_expected"] == checks[1]["buyers_expected"]
        assert checks[0]["orders_actual"] > checks[1]["orders_actual"]

    def test_of_a_first_day_there_is_none(self) -> None:
        _table, card = customer_values(build_history(lines((1, "a", day(2), 5)), None, AS_OF))
        assert card["check"] is None
