"""Looking back: what would have been said at a past moment, from what was known then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml.api import predict
from ml.retrospect import Retrospect, retrospects
from tests.unit.ml.ml_shops import AS_OF, day, lines, steady_shop, taste_shop

if TYPE_CHECKING:
    from collections.abc import Collection

FLOORS = {"repurchase": 0.1, "cross_sell": 0.01}


def look(shop: pd.DataFrame, wanted: Collection[int] = (1, 2, 3)) -> list[Retrospect]:
    return list(retrospects(shop, None, AS_OF, 30, wanted, FLOORS, 1))


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    """Some buy the same again and again, others find new things: both kinds have their pairs."""
    explorers = taste_shop(300, seed=5)
    explorers["customer_no"] += np.int32(1_000)
    explorers["product_no"] += np.int32(20)
    explorers["order_id"] = "e" + explorers["order_id"]
    return pd.concat([steady_shop(customers=250, days=240), explorers], ignore_index=True)


@pytest.fixture(scope="module")
def found(shop: pd.DataFrame) -> list[Retrospect]:
    return look(shop)


class TestLookingBack:
    def test_names_the_moments_oldest_first(self, found: list[Retrospect]) -> None:
        assert [one.moment for one in found] == [day(90), day(60), day(30)]

    def test_gives_both_kinds_above_their_floors(self, found: list[Retrospect]) -> None:
        for one in found:
            assert set(one.pairs["kind"]) == {"repurchase", "cross_sell"}
            assert one.basis["repurchase"] == "model"
            assert (one.pairs["probability"] >= one.pairs["kind"].map(FLOORS)).all()
            assert (one.pairs["probability"] < 1).all()

    def test_is_calibrated(self, found: list[Retrospect], shop: pd.DataFrame) -> None:
        newest = found[-1]
        again = newest.pairs[newest.pairs["kind"] == "repurchase"]
        later = shop[shop["ordered_at"] >= newest.moment][["customer_no", "product_no"]].drop_duplicates()
        bought = again.merge(later, on=["customer_no", "product_no"])
        assert again["probability"].sum() == pytest.approx(len(bought), rel=0.15)

    def test_agrees_with_what_the_whole_model_said_then(self, found: list[Retrospect], shop: pd.DataFrame) -> None:
        then = predict(shop[shop["ordered_at"] < day(30)], None, None, day(30), 30, None, 1).pairs
        both = found[-1].pairs.merge(then, on=["customer_no", "product_no", "kind"], suffixes=("", "_whole"))
        again = both[both["kind"] == "repurchase"]
        assert again["probability"].corr(again["probability_whole"]) > 0.95
        assert again["probability"].sum() == pytest.approx(again["probability_whole"].sum(), rel=0.1)

    def test_base_rates_are_those_of_the_moment(self, found: list[Retrospect], shop: pd.DataFrame) -> None:
        then = predict(shop[shop["ordered_at"] < day(60)], None, None, day(60), 30, None, 1).base_rates
        pd.testing.assert_frame_equal(found[1].base_rates, then)

    def test_one_moment_alone_says_the_same(self, found: list[Retrospect], shop: pd.DataFrame) -> None:
        (alone,) = look(shop, {1})
        pd.testing.assert_frame_equal(alone.pairs, found[-1].pairs)


class TestTheFuture:
    """A purchase after a moment changes nothing that is said of the moment."""

    @pytest.mark.parametrize("back", [1, 2, 3])
    def test_is_invisible(self, found: list[Retrospect], shop: pd.DataFrame, back: int) -> None:
        moment = day(30 * back)
        # From the moment on everybody buys everything, some of it never sold before: who peeks, sees it.
        planted = lines(
            *[
                (customer, f"late-{customer}-{product}", day(30 * back - 0.001), product)
                for customer in [*range(250), *range(1_000, 1_300)]
                for product in [*range(14), *range(20, 42)]
            ]
        )
        seen = next(one for one in look(pd.concat([shop, planted])) if one.moment == moment)
        honest = next(one for one in found if one.moment == moment)
        pd.testing.assert_frame_equal(seen.pairs, honest.pairs)
        pd.testing.assert_frame_equal(seen.base_rates, honest.base_rates)

    def test_a_purchase_just_before_is_seen(self, found: list[Retrospect], shop: pd.DataFrame) -> None:
        planted = lines(*[(customer, f"early-{customer}", day(30.001), 3) for customer in range(250)])
        seen = look(pd.concat([shop, planted]), {1})[0]
        assert len(seen.pairs) != len(found[-1].pairs)


class TestYoungShops:
    @pytest.mark.parametrize(("age", "moments"), [(200, [90, 60, 30]), (115, [60, 30]), (85, [30]), (45, [])])
    def test_get_the_moments_that_have_a_whole_window_before_them(self, age: int, moments: list[int]) -> None:
        shop = steady_shop(customers=120, days=age)
        assert [one.moment for one in look(shop)] == [day(back) for back in moments]

    def test_without_an_order_get_none(self) -> None:
        assert look(lines()) == []

    def test_on_one_day_get_none(self) -> None:
        assert look(lines(*[(who, f"o{who}", day(3), 1) for who in range(40)])) == []
