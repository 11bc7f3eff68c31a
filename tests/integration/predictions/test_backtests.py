"""The back-test as a job: written beside the lake, continued where it stopped, kept where nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from app.services import backtests, predictions
from app.services.tidy import tidy
from app.store.models.shops import Job
from tests.integration.predictions.conftest import SteadyShop, steady_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.backtest import Outcome


def queued(shop: SteadyShop, state: str) -> None:
    with shop.rooms.store.session(shop.ctx) as session:
        session.add(
            Job(shop_id=shop.ctx.shop_id, id=1, job="backtest", key="", state=state, queued_at=shop.clock.now())
        )


class TestABacktest:
    def test_covers_every_fourth_week_and_is_not_computed_twice(self, shop: SteadyShop) -> None:
        shop.publish(1)
        computed = backtests.run(shop.rooms, shop.ctx)
        found = predictions.backtest(shop.rooms, shop.ctx)
        assert (found["state"], found["done"], found["planned"]) == ("ready", computed, computed)
        assert computed >= 1
        assert backtests.run(shop.rooms, shop.ctx) == 0

    def test_says_expected_and_actual_buyers_and_those_of_every_product(self, shop: SteadyShop) -> None:
        shop.publish(1)
        backtests.run(shop.rooms, shop.ctx)
        moment = predictions.backtest(shop.rooms, shop.ctx)["moments"][0]
        again = next(one for one in moment["kinds"] if one["kind"] == "repurchase")
        assert again["expected_low"] < again["expected"] < again["expected_high"]
        assert again["expected"] == pytest.approx(again["actual"], rel=0.25)
        rows = backtests.by_product(shop.rooms, shop.ctx)
        mine = rows[(rows["kind"] == "repurchase") & (rows["at"] == rows["at"].min())]
        assert mine["actual"].sum() == again["actual"]
        assert mine["expected"].sum() == pytest.approx(again["expected"])

    def test_goes_on_after_a_crash_where_it_was(self, shop: SteadyShop, monkeypatch: pytest.MonkeyPatch) -> None:
        shop.write(steady_lines(225))
        shop.publish(1)
        whole = backtests.backtest

        def dies_after_one(*arguments: object) -> Iterator[Outcome]:
            yield next(whole(*arguments))  # type: ignore[arg-type] # passed on as they came
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(backtests, "backtest", dies_after_one)
            with pytest.raises(KeyboardInterrupt):
                backtests.run(shop.rooms, shop.ctx)
        queued(shop, "running")
        half = predictions.backtest(shop.rooms, shop.ctx)
        assert (half["state"], half["done"]) == ("working", 1)
        assert half["planned"] > 1
        assert backtests.run(shop.rooms, shop.ctx) == half["planned"] - 1

    def test_computes_anew_from_the_first_line_that_changed(self, shop: SteadyShop) -> None:
        shop.write(steady_lines(225))
        shop.publish(1)
        planned = backtests.run(shop.rooms, shop.ctx)
        before = backtests.latest(shop.rooms, shop.ctx).moments
        changed = steady_lines(225).copy()
        # After the end of the first moment's horizon, before that of the last.
        row = changed.index[changed["ordered_at"].between(*(pd.Timestamp(before[n]["ends"]) for n in (0, -1)))][0]
        changed.loc[row, "quantity"] = 3
        shop.write(changed)
        shop.publish(2)
        computed = backtests.run(shop.rooms, shop.ctx)
        assert 0 < computed < planned
        assert backtests.latest(shop.rooms, shop.ctx).moments[0] == before[0]

    def test_outlives_the_tidying_of_runs(self, shop: SteadyShop) -> None:
        shop.publish(1)
        backtests.run(shop.rooms, shop.ctx)
        tidy(shop.rooms, shop.ctx)
        assert predictions.backtest(shop.rooms, shop.ctx)["state"] == "ready"

    def test_of_a_short_history_says_from_when_on(self, shop: SteadyShop) -> None:
        shop.write(steady_lines(60))
        shop.publish(1)
        assert backtests.run(shop.rooms, shop.ctx) == 0
        found = predictions.backtest(shop.rooms, shop.ctx)
        assert found["state"] == "too_short"
        assert found["first_at"] > shop.clock.now()

    def test_that_failed_says_so(self, shop: SteadyShop) -> None:
        queued(shop, "failed")
        assert predictions.backtest(shop.rooms, shop.ctx)["state"] == "failed"

    def test_before_any_run_does_nothing(self, shop: SteadyShop) -> None:
        assert backtests.run(shop.rooms, shop.ctx) == 0
        assert predictions.backtest(shop.rooms, shop.ctx)["state"] == "none"
