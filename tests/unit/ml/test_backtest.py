"""Back-tests: which weeks they cover, that their models are frozen, and what may be kept."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from ml_shops import AS_OF, day, steady_shop

from ml import backtest as backtests
from ml.backtest import Bar, Outcome, backtest, drawn, fingerprints, schedule
from ml.history import History

NEW_YORK = ZoneInfo("America/New_York")
BAR = Bar({"repurchase": 0.10, "cross_sell": 0.01}, 2.0)


@cache
def shop() -> pd.DataFrame:
    """Customers keep arriving, so that a model that saw them early could be told from one that did not."""
    lines = steady_shop(customers=500, products=8, days=210)
    arrived = day(210) + pd.to_timedelta((lines["customer_no"] % 7) * 12, unit="D")
    return lines.loc[lines["ordered_at"] >= arrived].reset_index(drop=True)


def moments() -> list[pd.Timestamp]:
    return schedule(day(210), AS_OF, NEW_YORK, 30).moments


def outcomes(lines: pd.DataFrame, wanted: list[pd.Timestamp] | None = None) -> list[Outcome]:
    return list(backtest(lines, None, moments() if wanted is None else wanted, NEW_YORK, 30, 1, BAR))


@cache
def found() -> list[Outcome]:
    return outcomes(shop())


def frozen_part(outcome: Outcome) -> pd.DataFrame:
    """What a model frozen at the moment said, without what came of it."""
    return outcome.products[["kind", "product_no", "eligible", "expected", "threshold", "members", "members_expected"]]


def another_future(lines: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The same until the moment; then everyone buys something else, and many that were never seen before come."""
    past, future = lines[lines["ordered_at"] < moment], lines[lines["ordered_at"] >= moment]
    others = future.assign(product_no=(future["product_no"] + 3) % 8, quantity=9.0)
    strangers = future.assign(customer_no=future["customer_no"] + 1_000, order_id=future["order_id"] + "s")
    return pd.concat([strangers, others, past])


class TestSchedule:
    def test_covers_every_fourth_monday_of_the_shop_with_enough_before_and_a_horizon_after(self) -> None:
        plan = schedule(day(300), AS_OF, NEW_YORK, 30)
        local = [moment.tz_convert(NEW_YORK) for moment in plan.moments]
        assert all(moment.weekday() == 0 and moment.hour == 0 for moment in local)
        assert {(later.date() - moment.date()).days for moment, later in pairwise(local)} == {28}
        assert day(180) <= plan.moments[0] < day(180 - 28)
        assert day(30 + 28) < plan.moments[-1] <= day(30)
        assert plan.first_at == plan.moments[0] + pd.Timedelta(days=30)

    def test_names_the_same_mondays_whenever_it_is_asked(self) -> None:
        later = schedule(day(300), AS_OF + pd.Timedelta(days=61), NEW_YORK, 30).moments
        assert (
            later[: len(schedule(day(300), AS_OF, NEW_YORK, 30).moments)]
            == schedule(day(300), AS_OF, NEW_YORK, 30).moments
        )

    def test_of_a_young_shop_is_empty_and_says_from_when_on(self) -> None:
        plan = schedule(day(100), AS_OF, NEW_YORK, 30)
        assert plan.moments == []
        assert plan.first_at > AS_OF
        assert schedule(day(100), plan.first_at, NEW_YORK, 30).moments == [plan.first_at - pd.Timedelta(days=30)]


class TestOutcomes:
    def test_say_what_was_expected_and_what_came(self) -> None:
        assert len(found()) == len(moments()) == 2
        for outcome in found():
            again = outcome.products[outcome.products["kind"] == "repurchase"]
            part = outcome.result["kinds"]["repurchase"]
            assert again["actual"].sum() == part["positives"]
            assert again["expected"].sum() == pytest.approx(part["calibration"]["expected"])
            assert again["eligible"].sum() == part["pairs"]
            assert (again["members"] <= again["eligible"]).all()
            assert (again["members_bought"] <= again["actual"]).all()
            json.dumps(outcome.result, allow_nan=False)

    def test_count_the_buyers_that_one_counts_by_hand(self) -> None:
        outcome, lines = found()[-1], shop()
        moment = moments()[-1]
        owned = lines[lines["ordered_at"] < moment].groupby("product_no")["customer_no"].agg(set)
        later = (lines["ordered_at"] >= moment) & (lines["ordered_at"] < moment + pd.Timedelta(days=30))
        bought = lines[later].groupby("product_no")["customer_no"].agg(set)
        again = outcome.products[outcome.products["kind"] == "repurchase"].set_index("product_no")
        for product in again.index:
            assert again.loc[product, "eligible"] == len(owned[product])
            assert again.loc[product, "actual"] == len(owned[product] & bought[product])

    def test_show_the_model_beside_the_rules(self) -> None:
        part = found()[-1].result["kinds"]["repurchase"]
        assert part["basis"] == "model"
        assert part["metrics"]["model"]["average_precision"] > part["metrics"]["best_sellers"]["average_precision"]
        assert part["metrics"]["model"]["brier"] < part["calibration"]["brier_base_rate"]

    def test_of_no_moment_are_none(self) -> None:
        assert outcomes(shop(), []) == []


class TestFrozen:
    def test_nothing_after_the_moment_changes_what_was_predicted(self) -> None:
        moment = moments()[-1]
        again = outcomes(another_future(shop(), moment), [moment])[0]
        pd.testing.assert_frame_equal(frozen_part(again), frozen_part(found()[-1]))
        assert again.products["actual"].tolist() != found()[-1].products["actual"].tolist()

    def test_a_planted_leak_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moment, honest = moments()[-1], History.before

        def ten_days_late(h: History, at: float) -> History:
            return honest(h, at + 10)

        monkeypatch.setattr(backtests._Arrivals, "before", ten_days_late)
        one, other = (outcomes(lines, [moment])[0] for lines in (shop(), another_future(shop(), moment)))
        assert not frozen_part(one).equals(frozen_part(other))

    def test_a_moment_comes_out_the_same_alone_and_among_others(self) -> None:
        moment = moments()[-1]
        alone = outcomes(shop(), [moment])[0]
        assert alone.result == found()[-1].result
        pd.testing.assert_frame_equal(alone.products, found()[-1].products)


class TestFingerprints:
    def test_do_not_know_the_order_of_rows_nor_what_comes_after_the_horizon(self) -> None:
        names = fingerprints(shop(), moments(), 30)
        assert len(set(names)) == len(names)
        assert fingerprints(shop().sample(frac=1, random_state=1), moments(), 30) == names
        end = moments()[-1] + pd.Timedelta(days=30)
        assert fingerprints(another_future(shop(), end), moments(), 30) == names

    def test_change_with_any_line_before_the_end_of_the_horizon(self) -> None:
        names = fingerprints(shop(), moments(), 30)
        between = moments()[0] + pd.Timedelta(days=30)
        changed = shop().copy()
        end = moments()[-1] + pd.Timedelta(days=30)
        inside = (changed["ordered_at"] >= between) & (changed["ordered_at"] < end)
        row = np.flatnonzero(inside.to_numpy())[0]
        changed.loc[row, "quantity"] = 5.0
        again = fingerprints(changed, moments(), 30)
        assert again[0] == names[0]
        assert again[-1] != names[-1]


class TestDrawn:
    def test_a_large_shop_is_halved_until_it_is_small_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backtests, "MAX_CUSTOMERS", 150)
        lines, share = drawn(shop())
        assert share == 0.25
        assert 0.15 < lines["customer_no"].nunique() / shop()["customer_no"].nunique() < 0.35
        whole = shop()[shop()["customer_no"].isin(lines["customer_no"])]
        assert len(whole) == len(lines)

    def test_a_small_one_is_taken_whole(self) -> None:
        lines, share = drawn(shop())
        assert (len(lines), share) == (len(shop()), 1.0)
